//! What is told about a storm: once when launches are paused, once when they go on.

use serde_json::{Value, json};
use uuid::Uuid;

use super::fit::FULL;
use super::{Notification, Origin, Outlet, Outlets, attribute, enveloped, subject};
use crate::core::storm::{Storm, Turn, Why};
use crate::core::time::Timestamp;

const PAUSED: &str = "Taskwatch Launches Paused";
const RESUMED: &str = "Taskwatch Launches Resumed";

/// The notifications of a storm's turn, one for each outlet.
pub fn digest(turn: &Turn, at: Timestamp, origin: &Origin, outlets: &Outlets) -> Vec<Notification> {
    let topic = outlets.topic.iter().map(|arn| Outlet::Topic(arn.clone()));
    let bus = outlets.bus.iter().map(|name| Outlet::Bus(name.clone()));
    topic.chain(bus).map(|outlet| for_outlet(turn, at, origin, outlet)).collect()
}

fn for_outlet(turn: &Turn, at: Timestamp, origin: &Origin, outlet: Outlet) -> Notification {
    let (storm, status, detail_type) = match turn {
        Turn::Paused(storm) => (storm, "PAUSED", PAUSED),
        Turn::Resumed(storm, _) => (storm, "RESUMED", RESUMED),
    };
    let what = format!("{}|{}|{}|{}", origin.cell, storm.task_definition, storm.error, storm.class.as_str());
    let group = Uuid::new_v5(&Uuid::NAMESPACE_OID, what.as_bytes());
    let id = Uuid::new_v5(&group, format!("{status}|{}", storm.paused_at.millis()).as_bytes()).to_string();
    let detail = detail(turn, at, origin, &id);
    let mut notification = Notification {
        run: group,
        at,
        subject: String::new(),
        message: String::new(),
        attributes: Vec::new(),
        detail_type: detail_type.to_owned(),
        resources: Vec::new(),
        outlet,
        id,
    };
    match notification.outlet {
        Outlet::Topic(_) => {
            notification.subject = subject(&format!("{status} {}: {}", storm.task_definition, storm.error));
            notification.attributes = attributes(storm, status);
            let envelope = enveloped(origin, &notification.id, detail_type, at, &[], detail);
            notification.message = envelope.to_string();
        }
        Outlet::Bus(_) => notification.message = detail.to_string(),
    }
    notification
}

fn detail(turn: &Turn, at: Timestamp, origin: &Origin, id: &str) -> Value {
    let (storm, more) = match turn {
        Turn::Paused(storm) => (storm, json!({"status": "PAUSED", "nextProbeAt": storm.next_probe_at})),
        Turn::Resumed(storm, why) => (storm, json!({"status": "RESUMED", "resumedAt": at, "because": because(*why)})),
    };
    let mut detail = json!({
        "notificationId": id,
        "cell": origin.cell,
        "taskDefinition": storm.task_definition,
        "final": false,
        "error": FULL.cut(&storm.error),
        "class": storm.class,
        "cause": FULL.cut(&storm.cause),
        "hint": storm.hint,
        "failures": storm.failures,
        "examples": storm.examples,
        "since": storm.since,
        "pausedAt": storm.paused_at,
        "failedProbes": storm.failed_probes,
        "message": message(turn),
    });
    if let (Some(detail), Value::Object(more)) = (detail.as_object_mut(), more) {
        detail.extend(more);
    }
    detail
}

/// What happened and what to do, for people.
fn message(turn: &Turn) -> String {
    match turn {
        Turn::Paused(storm) => format!(
            "{} runs of {} failed since {} with {}, which trying again does not cure. Its launches are paused; its other runs \
             wait and lose no attempt. What to do: {}. Now and then one run is let through; once it starts, the others follow. \
             To let them go at once, resume the task definition.",
            storm.failures, storm.task_definition, storm.since, storm.error, storm.hint
        ),
        Turn::Resumed(storm, why) => format!(
            "{} is launched again: {}. {} attempts had failed with {} since {}.",
            storm.task_definition,
            match why {
                Why::Started => "a task of it started",
                Why::OtherReason => "a task of it failed for another reason",
                Why::Operator => "it was resumed by hand",
            },
            storm.failures,
            storm.error,
            storm.since
        ),
    }
}

const fn because(why: Why) -> &'static str {
    match why {
        Why::Started => "STARTED",
        Why::OtherReason => "OTHER_REASON",
        Why::Operator => "OPERATOR",
    }
}

fn attributes(storm: &Storm, status: &str) -> Vec<(String, String)> {
    let family = storm.task_definition.split(':').next().unwrap_or_default();
    [
        ("status", status.to_owned()),
        ("errorName", storm.error.clone()),
        ("errorClass", storm.class.as_str().to_owned()),
        ("family", family.to_owned()),
        ("final", "false".to_owned()),
    ]
    .into_iter()
    .filter_map(attribute)
    .collect()
}
