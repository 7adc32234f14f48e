//! The cell's metrics as CloudWatch's embedded metric format: a line of JSON that the log agent turns into metrics.
//!
//! <https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/CloudWatch_Embedded_Metric_Format_Specification.html>

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use crate::cell::Cell;
use crate::core::failure::Class;
use crate::core::run::Status;
use crate::fleet::Takeover;

const NAMESPACE: &str = "taskwatch";
/// Failures that no retry helps: somebody is called for one.
const PERMANENT: [Class; 3] = [Class::Image, Class::Secrets, Class::Configuration];
/// Failures by the place of a task, or of ECS itself: somebody is called for many.
const PLACE: [Class; 5] = [Class::Capacity, Class::Network, Class::Storage, Class::Host, Class::Service];

/// Reports on a cell from time to time: counts are since the last line.
pub struct Emf {
    cell: Cell,
    fleet: Option<OfFleet>,
    reported: Map<String, Value>,
}

/// A cell as one of a fleet.
struct OfFleet {
    name: String,
    /// How its process came by it, until that is reported.
    taken: Option<Takeover>,
}

impl Emf {
    /// From here on.
    pub fn new(cell: Cell) -> Self {
        let reported = counts(&cell);
        Self { cell, fleet: None, reported }
    }

    /// As metrics of a fleet: under its name, not the cell's, so that there are as many whatever number of cells and processes. An
    /// alarm takes the sum of what was counted, and the highest or the lowest of what was measured.
    /// The first line counts the takeover.
    #[must_use]
    pub fn of_fleet(self, name: impl Into<String>, taken: Option<Takeover>) -> Self {
        Self { fleet: Some(OfFleet { name: name.into(), taken }), ..self }
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
        if let Some(fleet) = &mut self.fleet {
            let taken = fleet.taken.take();
            for (name, kind) in [("TakenFromDead", Takeover::Died), ("HandedOver", Takeover::HandedOver)] {
                line.insert(name.to_owned(), u8::from(taken == Some(kind)).into());
                metrics.push(json!({"Name": name, "Unit": "Count"}));
            }
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
        let dimension = if self.fleet.is_some() { "Fleet" } else { "Cell" };
        let directive = json!({"Namespace": NAMESPACE, "Dimensions": [[dimension]], "Metrics": metrics});
        line.insert("_aws".to_owned(), json!({"Timestamp": vitals.at.millis(), "CloudWatchMetrics": [directive]}));
        line.insert("Cell".to_owned(), self.cell.name().into());
        if let Some(fleet) = &self.fleet {
            line.insert("Fleet".to_owned(), fleet.name.as_str().into());
        }
        Value::Object(line).to_string()
    }
}

/// What only rises.
fn counts(cell: &Cell) -> Map<String, Value> {
    let c = cell.counters();
    let totals = cell.vitals().totals;
    let failed = |classes: &[Class]| sum(&totals.failures, classes);
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
        ("AttemptsFailedPermanent", failed(&PERMANENT)),
        ("AttemptsFailedPlace", failed(&PLACE)),
    ];
    let by_class = Class::ALL.map(|class| {
        let name = class.as_str().trim_start_matches("Taskwatch.");
        (format!("AttemptsFailed{name}"), totals.failures.get(&class).copied().unwrap_or(0).into())
    });
    usual.into_iter().map(|(name, value)| (name.to_owned(), value.into())).chain(by_class).collect()
}

fn sum(failures: &BTreeMap<Class, u64>, classes: &[Class]) -> u64 {
    classes.iter().filter_map(|class| failures.get(class)).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failure_is_counted_for_its_alarm_alone() {
        let all: BTreeMap<Class, u64> = Class::ALL.iter().map(|class| (*class, 1)).collect();
        assert_eq!((sum(&all, &PERMANENT), sum(&all, &PLACE)), (3, 5));
        assert!(PERMANENT.iter().all(|class| !PLACE.contains(class)));
        let image = BTreeMap::from([(Class::Image, 7), (Class::Application, 9)]);
        assert_eq!((sum(&image, &PERMANENT), sum(&image, &PLACE)), (7, 0));
    }
}
