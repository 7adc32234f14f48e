//! Where notifications go: each destination takes them at its own pace, and none waits for another.

use serde::{Deserialize, Serialize};

use crate::core::request::MessageFormat;

/// One topic or bus to which notifications go.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Destination {
    /// An SNS topic, by ARN.
    Topic(String),
    /// An EventBridge bus, by name or ARN.
    Bus(String),
}

impl Destination {
    /// A topic that keeps the order of a `MessageGroupId`: its name ends with `.fifo` (developer guide, "FIFO topics").
    pub fn is_fifo(&self) -> bool {
        matches!(self, Self::Topic(arn) if arn.ends_with(".fifo"))
    }
}

/// The topic's ARN, or `event-bus:` and the bus's name or ARN.
impl std::fmt::Display for Destination {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Topic(arn) => f.write_str(arn),
            Self::Bus(name) => write!(f, "event-bus:{name}"),
        }
    }
}

/// What [`Destination`] was written as.
impl From<&str> for Destination {
    fn from(text: &str) -> Self {
        match text.strip_prefix("event-bus:") {
            Some(name) => Self::Bus(name.to_owned()),
            None => Self::Topic(text.to_owned()),
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
