//! The events of those runs' tasks, each a recorded Fargate event of 2.3 kB.

use serde_json::{Value, json};

use super::runs::arn;

/// A task with one container, as it stops.
const EVENT: &str = include_str!("../../tests/fixtures/events/25-fargate-runtask-deprovisioning-v4-2019.json");
/// What a run's events tell one after the other: `lastStatus` and `desiredStatus`.
pub(crate) const STATUSES: [(&str, &str); 5] = [
    ("PROVISIONING", "RUNNING"),
    ("PENDING", "RUNNING"),
    ("RUNNING", "RUNNING"),
    ("DEPROVISIONING", "STOPPED"),
    ("STOPPED", "STOPPED"),
];

/// The event as it was recorded.
pub(crate) fn template() -> serde_json::Result<Value> {
    serde_json::from_str(EVENT)
}

/// The recorded event as this run's: what a task has not had yet it does not tell.
pub(crate) fn event(template: &Value, run: usize, step: usize) -> Value {
    let mut event = template.clone();
    let (last, desired) = STATUSES[step];
    event["resources"] = json!([arn(run)]);
    event["id"] = json!(uuid::Uuid::new_v4());
    let detail = &mut event["detail"];
    detail["taskArn"] = json!(arn(run));
    detail["startedBy"] = json!(format!("drain/{run:040}"));
    detail["version"] = json!(step + 1);
    detail["lastStatus"] = json!(last);
    detail["desiredStatus"] = json!(desired);
    detail["containers"][0]["taskArn"] = json!(arn(run));
    detail["containers"][0]["lastStatus"] = json!(if step < 2 { "PENDING" } else { last });
    let absent: &[&str] = match last {
        "PROVISIONING" | "PENDING" => &[
            "startedAt",
            "pullStartedAt",
            "pullStoppedAt",
            "stoppingAt",
            "executionStoppedAt",
            "stopCode",
            "stoppedReason",
        ],
        "RUNNING" => &["stoppingAt", "executionStoppedAt", "stopCode", "stoppedReason"],
        "STOPPED" => {
            detail["stoppedAt"] = detail["stoppingAt"].clone();
            &[]
        }
        _ => &[],
    };
    if let Some(members) = detail.as_object_mut() {
        absent.iter().for_each(|name| drop(members.remove(*name)));
    }
    if let Some(container) = event["detail"]["containers"][0].as_object_mut().filter(|_| step < 3) {
        container.remove("exitCode");
    }
    event
}
