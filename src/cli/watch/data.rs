//! What a cell answers, as far as it is shown. A member that is missing or unknown is no reason to show nothing: a cell may be older or newer.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use crate::cli::output::plain;
use crate::core::time::Timestamp;

/// Reads an answer; every text in it becomes one that a terminal can have.
pub(super) fn read<T: DeserializeOwned>(value: Value) -> Option<T> {
    serde_json::from_value(cleaned(value)).ok()
}

fn cleaned(value: Value) -> Value {
    match value {
        Value::String(text) => Value::String(plain(&text).into_owned()),
        Value::Array(items) => items.into_iter().map(cleaned).collect(),
        Value::Object(members) => {
            let clean = |(name, value): (String, Value)| (plain(&name).into_owned(), cleaned(value));
            // What is null is left out, as a member that is not there.
            Value::Object(members.into_iter().filter(|(_, value)| !value.is_null()).map(clean).collect::<Map<_, _>>())
        }
        other => other,
    }
}

/// Counts by name.
pub(super) type Counts = BTreeMap<String, u64>;

/// `GET /v1/summary`.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct Summary {
    pub(super) cell: String,
    pub(super) version: String,
    pub(super) began_at: Timestamp,
    pub(super) at: Timestamp,
    pub(super) not_ready: Vec<String>,
    pub(super) statuses: Counts,
    pub(super) queues: Counts,
    pub(super) queues_left_out: u64,
    pub(super) waiting: u64,
    pub(super) in_flight: u64,
    pub(super) launches_per_second: f64,
    pub(super) limits: Limits,
    pub(super) circuit_breakers: Vec<OpenBreaker>,
    pub(super) circuit_breakers_left_out: u64,
    pub(super) outbox: u64,
    pub(super) delivery_failures: Vec<DeliveryFailure>,
    pub(super) delivery_failures_left_out: u64,
    pub(super) phases: Phases,
    pub(super) event_lag: Spread,
    pub(super) minutes: Vec<Minute>,
    pub(super) counters: Counters,
}

/// What is in force.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct Limits {
    pub(super) run_task_rate: f64,
    pub(super) max_in_flight: u64,
    pub(super) pauses: Vec<Paused>,
}

/// A pause in force.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub(super) struct Paused {
    #[serde(flatten)]
    pub(super) what: Pause,
    pub(super) since: Option<Timestamp>,
    pub(super) by: Option<String>,
    pub(super) reason: Option<String>,
}

/// What an operator paused.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) enum Pause {
    Queue(String),
    TaskDefinition(String),
}

impl std::fmt::Display for Pause {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Queue(name) => write!(f, "queue {name}"),
            Self::TaskDefinition(name) => write!(f, "task definition {name}"),
        }
    }
}

/// A task definition that the cell paused automatically.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct OpenBreaker {
    pub(super) task_definition: String,
    pub(super) error: String,
    pub(super) cause: String,
    pub(super) hint: String,
    pub(super) failures: u64,
    pub(super) failed_probes: u64,
    pub(super) next_probe_at: Option<Timestamp>,
}

/// A destination to which notifications cannot be delivered.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct DeliveryFailure {
    pub(super) destination: String,
    pub(super) error: String,
}

/// The phases of a start.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default)]
pub(super) struct Phases {
    pub(super) queue: Spread,
    pub(super) provisioning: Spread,
    pub(super) pull: Spread,
    pub(super) start: Spread,
    pub(super) total: Spread,
}

/// How long something took, in seconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Deserialize)]
#[serde(default)]
pub(super) struct Spread {
    pub(super) count: u64,
    pub(super) p50: f64,
    pub(super) p95: f64,
    pub(super) p99: f64,
}

/// What happened in one minute.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default)]
pub(super) struct Minute {
    pub(super) at: Timestamp,
    pub(super) failures: Counts,
}

/// Since the process began.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct Counters {
    pub(super) throttles: u64,
    pub(super) corrections: u64,
    pub(super) ended: Counts,
}

/// A run in the list and in the stream.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct Row {
    pub(super) run: String,
    pub(super) name: String,
    pub(super) status: String,
    #[serde(rename = "final")]
    pub(super) is_final: bool,
    pub(super) queue: String,
    pub(super) task_definition: String,
    pub(super) cluster: String,
    pub(super) attempts: u32,
    pub(super) last_status: String,
    pub(super) error: String,
    pub(super) cause: String,
    pub(super) exit_code: Option<i64>,
    pub(super) waiting_for: Option<WaitingFor>,
    pub(super) submitted_at: Timestamp,
    pub(super) redriven_at: Option<Timestamp>,
    pub(super) retry_at: Option<Timestamp>,
    pub(super) finished_at: Option<Timestamp>,
}

impl Row {
    /// When it was submitted or last redriven: how long it took counts from here.
    pub(super) fn began_at(&self) -> Timestamp {
        self.redriven_at.unwrap_or(self.submitted_at)
    }
}

/// Why a run has no task yet.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub(super) struct WaitingFor {
    pub(super) text: String,
    pub(super) until: Option<Timestamp>,
}

/// `GET /v1/runs`.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct Page {
    pub(super) runs: Vec<Row>,
    pub(super) next_token: Option<String>,
}

/// `GET /v1/rollup`.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct Counted {
    pub(super) runs: u64,
    pub(super) complete: bool,
    pub(super) statuses: Counts,
    pub(super) causes: Vec<CauseGroup>,
    pub(super) causes_left_out: u64,
    pub(super) waits: Vec<WaitGroup>,
    pub(super) waits_left_out: u64,
}

/// Runs that failed of one thing.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct CauseGroup {
    pub(super) runs: u64,
    pub(super) status: String,
    pub(super) exit_code: Option<i64>,
    pub(super) error: Option<String>,
    pub(super) cause: Option<String>,
    pub(super) cause_pattern: Option<String>,
    pub(super) hint: Option<String>,
    pub(super) examples: Vec<String>,
}

/// Runs that wait for one thing.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub(super) struct WaitGroup {
    pub(super) runs: u64,
    pub(super) status: String,
    pub(super) text: String,
    pub(super) examples: Vec<String>,
}

/// `GET /v1/runs/{run}`.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct Full {
    pub(super) run: String,
    pub(super) name: String,
    pub(super) status: String,
    #[serde(rename = "final")]
    pub(super) is_final: bool,
    pub(super) queue: String,
    pub(super) until: String,
    pub(super) run_task: Requested,
    pub(super) attempts: Vec<Attempt>,
    pub(super) waiting_for: Option<WaitingFor>,
    pub(super) redrives: u32,
    pub(super) stop_reason: Option<String>,
    pub(super) submitted_at: Timestamp,
    pub(super) redriven_at: Option<Timestamp>,
    pub(super) retry_at: Option<Timestamp>,
    pub(super) finished_at: Option<Timestamp>,
}

/// What is shown of the RunTask request.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct Requested {
    pub(super) cluster: Option<String>,
    pub(super) task_definition: String,
    pub(super) launch_type: Option<String>,
}

/// One try of a run.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct Attempt {
    pub(super) number: u32,
    pub(super) stage: String,
    pub(super) task_arn: Option<String>,
    /// Where the AWS console shows the task.
    #[serde(skip)]
    pub(super) console: Option<String>,
    pub(super) last_status: Option<String>,
    pub(super) error: Option<String>,
    pub(super) class: Option<String>,
    pub(super) transience: Option<String>,
    pub(super) cause: Option<String>,
    pub(super) hint: Option<String>,
    pub(super) exit_code: Option<i64>,
    pub(super) placement: usize,
    pub(super) queued_at: Option<Timestamp>,
    pub(super) launched_at: Option<Timestamp>,
    pub(super) created_at: Option<Timestamp>,
    pub(super) pull_started_at: Option<Timestamp>,
    pub(super) pull_stopped_at: Option<Timestamp>,
    pub(super) started_at: Option<Timestamp>,
    pub(super) stopped_at: Option<Timestamp>,
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn no_text_of_a_cell_keeps_what_a_terminal_obeys() {
        let hostile = "\u{1b}[2Jx\u{7}\n";
        let row: Row = read(json!({"run": "1", "name": hostile, "cause": hostile, "error": null})).expect("a row");
        assert_eq!((row.name.as_str(), row.cause.as_str(), row.error.as_str()), (" [2Jx  ", " [2Jx  ", ""));
        let summary: Summary =
            read(json!({"queues": {hostile: 1}, "minutes": [{"failures": {hostile: 2}}]})).expect("one");
        assert!(summary.queues.keys().chain(summary.minutes[0].failures.keys()).all(|name| name == " [2Jx  "));
    }

    #[test]
    fn a_cell_of_another_version_is_shown_as_far_as_it_goes() {
        let summary: Summary =
            read(json!({"cell": "c", "novelty": {"a": 1}, "limits": {"pauses": [{"queue": "q"}]}})).expect("one");
        assert_eq!((summary.cell.as_str(), &summary.limits.pauses[0].what), ("c", &Pause::Queue("q".into())));
        assert_eq!(read::<Summary>(json!("no summary")), None);
    }
}
