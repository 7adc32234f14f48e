//! What an operator wants of runs of a cell that another process serves: a message of that cell's events queue, its only
//! inbox, which outlives its owners.
//!
//! SQS may deliver a message twice, and late. So an order says in which life of a run it was given: one that was begun again
//! since is left alone.

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::run::Run;

/// Runs of one message: each takes some 70 bytes.
const PART: usize = 1_000;
/// `source` of the message: no event of AWS has it.
const SOURCE: &str = "taskwatch";
/// `detail-type` of the message.
const DETAIL_TYPE: &str = "Taskwatch Order";

/// A run, in one of its lives.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Target {
    /// Its id.
    pub run: Uuid,
    /// How often it had been begun again.
    pub redrives: u32,
}

/// What is wanted of runs of one cell.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", rename_all_fields = "camelCase", tag = "order")]
pub enum Order {
    /// That they stop.
    Stop {
        /// Which.
        runs: Vec<Target>,
        /// The reason that ECS and the notification show.
        reason: String,
    },
    /// That they begin again.
    Redrive {
        /// Which.
        runs: Vec<Target>,
    },
}

#[derive(Serialize, Deserialize)]
struct Envelope<T> {
    source: String,
    #[serde(rename = "detail-type")]
    detail_type: String,
    detail: T,
}

impl From<&Run> for Target {
    fn from(run: &Run) -> Self {
        Self { run: run.id, redrives: run.redrives }
    }
}

impl Order {
    /// The same in orders of so few runs that each message is far below what SQS takes, 256 KiB and more.
    pub fn parts(&self) -> Vec<Self> {
        match self {
            Self::Stop { runs, reason } => {
                runs.chunks(PART).map(|runs| Self::Stop { runs: runs.to_vec(), reason: reason.clone() }).collect()
            }
            Self::Redrive { runs } => runs.chunks(PART).map(|runs| Self::Redrive { runs: runs.to_vec() }).collect(),
        }
    }

    /// The body of its message.
    pub fn message(&self) -> String {
        let envelope = Envelope { source: SOURCE.into(), detail_type: DETAIL_TYPE.into(), detail: self };
        // Texts and numbers: it cannot fail.
        serde_json::to_string(&envelope).unwrap_or_default()
    }

    /// Whether a message of this `source: detail-type` is an order.
    pub fn is_named(what: &str) -> bool {
        what.split_once(": ") == Some((SOURCE, DETAIL_TYPE))
    }

    /// Reads a message whose `source` and `detail-type` are an order's.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn read(message: &str) -> Result<Self, String> {
        serde_json::from_str::<Envelope<Self>>(message).map(|envelope| envelope.detail).map_err(|e| e.to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::task::{Notice, parse_notice};

    #[test]
    fn an_order_comes_out_of_its_message_and_is_no_event_of_awss() {
        let runs = vec![Target { run: Uuid::from_u128(7), redrives: 2 }];
        for order in [Order::Stop { runs: runs.clone(), reason: "late \"x\"".into() }, Order::Redrive { runs }] {
            assert_eq!(order.parts(), vec![order.clone()]);
            let message = order.message();
            assert_eq!(Order::read(&message), Ok(order));
            assert!(matches!(parse_notice(&message), Ok(Notice::Foreign(what)) if Order::is_named(&what)));
        }
    }
}
