//! Where notifications go: each destination takes them at its own pace, and none waits for another.

use serde::{Deserialize, Serialize};

use crate::core::request::MessageFormat;

/// What callbacks' destinations are written as.
const STEP_FUNCTIONS: &str = "step-functions";
const DURABLE_FUNCTIONS: &str = "lambda-durable-functions";

/// One topic or bus to which notifications go, or a service that waits for answers.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Destination {
    /// An SNS topic, by ARN.
    Topic(String),
    /// An EventBridge bus, by name or ARN.
    Bus(String),
    /// Step Functions, whose tasks wait by a token.
    StepFunctions,
    /// Lambda, whose durable functions wait by a callback's id.
    DurableFunctions,
}

impl Destination {
    /// A topic that keeps the order of a `MessageGroupId`: its name ends with `.fifo` (developer guide, "FIFO topics").
    pub fn is_fifo(&self) -> bool {
        matches!(self, Self::Topic(arn) if arn.ends_with(".fifo"))
    }

    /// A service whose tokens are answered.
    pub const fn is_callback(&self) -> bool {
        matches!(self, Self::StepFunctions | Self::DurableFunctions)
    }
}

/// The topic's ARN, `event-bus:` and the bus's name or ARN, or the service.
impl std::fmt::Display for Destination {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Topic(arn) => f.write_str(arn),
            Self::Bus(name) => write!(f, "event-bus:{name}"),
            Self::StepFunctions => f.write_str(STEP_FUNCTIONS),
            Self::DurableFunctions => f.write_str(DURABLE_FUNCTIONS),
        }
    }
}

/// What [`Destination`] was written as.
impl From<&str> for Destination {
    fn from(text: &str) -> Self {
        match (text, text.strip_prefix("event-bus:")) {
            (STEP_FUNCTIONS, _) => Self::StepFunctions,
            (DURABLE_FUNCTIONS, _) => Self::DurableFunctions,
            (_, Some(name)) => Self::Bus(name.to_owned()),
            (_, None) => Self::Topic(text.to_owned()),
        }
    }
}

/// A cell's own destinations.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Destinations {
    /// The topic of runs that name none.
    pub topic: Option<String>,
    /// The bus that is told of every run.
    pub bus: Option<String>,
    /// What kind of message a topic gets, unless the request says.
    pub format: MessageFormat,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_is_read_as_it_was_written() {
        for destination in [
            Destination::Topic("arn:aws:sns:us-east-1:1:t".into()),
            Destination::Bus("jobs".into()),
            Destination::StepFunctions,
            Destination::DurableFunctions,
        ] {
            assert_eq!(Destination::from(destination.to_string().as_str()), destination);
        }
    }
}
