//! The cell's metrics as CloudWatch's embedded metric format: a line of JSON that the log agent turns into metrics.
//!
//! <https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/CloudWatch_Embedded_Metric_Format_Specification.html>

use serde_json::{Map, Value, json};

use crate::cell::Cell;
use crate::core::failure::Class;
use crate::core::run::Status;

const NAMESPACE: &str = "taskwatch";

/// Reports on a cell from time to time: counts are since the last line.
pub struct Emf {
    cell: Cell,
    reported: Map<String, Value>,
}

impl Emf {
    /// From here on.
    pub fn new(cell: Cell) -> Self {
        let reported = counts(&cell);
        Self { cell, reported }
    }

    /// The next line.
    pub fn line(&mut self) -> String {
        let now = counts(&self.cell);
        let before = std::mem::replace(&mut self.reported, now.clone());
        let number = |values: &Map<String, Value>, name: &str| values.get(name).and_then(Value::as_u64).unwrap_or(0);
        let mut metrics = Vec::new();
        let mut line = Map::new();
        for name in now.keys() {
            line.insert(name.clone(), number(&now, name).saturating_sub(number(&before, name)).into());
            metrics.push(json!({"Name": name, "Unit": "Count"}));
        }
        let vitals = self.cell.vitals();
        let waiting: usize = vitals.waiting.values().sum();
        let phases = self.cell.phases();
        let lag = self.cell.counters().event_lag.recent();
        let start = phases.total.recent();
        for (name, unit, value) in [
            ("Waiting", "Count", json!(waiting)),
            ("InFlight", "Count", json!(vitals.in_flight)),
            ("Outbox", "Count", json!(vitals.outbox)),
            ("AgeOfOldestNotification", "Seconds", json!(vitals.outbox_age.as_secs_f64())),
            ("FailingDestinations", "Count", json!(self.cell.delivery_failures().len())),
            ("OpenCircuitBreakers", "Count", json!(self.cell.open_breakers().len())),
            ("Ready", "Count", json!(u8::from(vitals.not_ready.is_empty()))),
            ("LaunchesPerSecond", "Count/Second", json!(vitals.launch_rate)),
            ("EventLagP99", "Seconds", json!(lag.p99.as_secs_f64())),
            ("StartP50", "Seconds", json!(start.p50.as_secs_f64())),
            ("StartP99", "Seconds", json!(start.p99.as_secs_f64())),
        ] {
            line.insert(name.to_owned(), value);
            metrics.push(json!({"Name": name, "Unit": unit}));
        }
        let directive = json!({"Namespace": NAMESPACE, "Dimensions": [["Cell"]], "Metrics": metrics});
        line.insert("_aws".to_owned(), json!({"Timestamp": vitals.at.millis(), "CloudWatchMetrics": [directive]}));
        line.insert("Cell".to_owned(), self.cell.name().into());
        Value::Object(line).to_string()
    }
}

/// What only rises.
fn counts(cell: &Cell) -> Map<String, Value> {
    let c = cell.counters();
    let totals = cell.vitals().totals;
    let ended = |status: Status| totals.ended.get(&status).copied().unwrap_or(0);
    let usual = [
        ("Accepted", c.accepted.get()),
        ("Refused", c.refused.get()),
        ("RunTaskCalls", c.launches.get()),
        ("RunTaskThrottles", c.throttles.get()),
        ("Events", c.events.get()),
        ("DuplicateCellNameEvents", c.duplicate_cell_name.get()),
        ("Corrections", c.corrections.get()),
        ("Notifications", c.notified.get()),
        ("Succeeded", ended(Status::Succeeded)),
        ("Failed", ended(Status::Failed)),
        ("TimedOut", ended(Status::TimedOut)),
        ("Aborted", ended(Status::Aborted)),
        ("AttemptsFailed", totals.failures.values().sum()),
    ];
    let by_class = Class::ALL.map(|class| {
        let name = class.as_str().trim_start_matches("Taskwatch.");
        (format!("AttemptsFailed{name}"), totals.failures.get(&class).copied().unwrap_or(0).into())
    });
    usual.into_iter().map(|(name, value)| (name.to_owned(), value.into())).chain(by_class).collect()
}
