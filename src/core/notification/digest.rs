//! Notifications of a circuit breaker: one when it opens, one when it closes.

use serde_json::{Value, json};
use uuid::Uuid;

use super::fit::FULL;
use super::{Destination, Destinations, Notification, Origin, attribute, chat, enveloped, subject};
use crate::core::breaker::{BreakerChange, CloseReason, OpenBreaker};
use crate::core::name;
use crate::core::request::MessageFormat;
use crate::core::time::Timestamp;

const PAUSED: &str = "Taskwatch Launches Paused";
const RESUMED: &str = "Taskwatch Launches Resumed";

/// The notifications of a change of a circuit breaker, one for each destination.
pub fn digest(
    change: &BreakerChange,
    at: Timestamp,
    origin: &Origin,
    destinations: &Destinations,
) -> Vec<Notification> {
    let topic = destinations.topic.iter().map(|arn| Destination::Topic(arn.clone()));
    let bus = destinations.bus.iter().map(|name| Destination::Bus(name.clone()));
    topic.chain(bus).map(|destination| for_destination(change, at, origin, destination, destinations.format)).collect()
}

fn for_destination(
    change: &BreakerChange,
    at: Timestamp,
    origin: &Origin,
    destination: Destination,
    format: MessageFormat,
) -> Notification {
    let (breaker, status, detail_type) = match change {
        BreakerChange::Opened(breaker) => (breaker, "PAUSED", PAUSED),
        BreakerChange::Closed(breaker, _) => (breaker, "RESUMED", RESUMED),
    };
    let what = format!("{}|{}|{}|{}", origin.cell, breaker.task_definition, breaker.error, breaker.class.as_str());
    let group = Uuid::new_v5(&Uuid::NAMESPACE_OID, what.as_bytes());
    let id = Uuid::new_v5(&group, format!("{status}|{}", breaker.paused_at.millis()).as_bytes()).to_string();
    let detail = detail(change, at, origin, &id);
    let mut notification = Notification {
        run: group,
        at,
        subject: String::new(),
        message: String::new(),
        attributes: Vec::new(),
        detail_type: detail_type.to_owned(),
        resources: Vec::new(),
        data_types: Default::default(),
        by_protocol: false,
        log: None,
        destination,
        id,
    };
    match notification.destination {
        Destination::Topic(_) => {
            notification.subject = subject(&format!("{status} {}: {}", breaker.task_definition, breaker.error));
            notification.attributes = attributes(breaker, status);
            notification.message = match format {
                MessageFormat::Json => enveloped(origin, &notification.id, detail_type, at, &[], detail).to_string(),
                MessageFormat::Chat => {
                    let named = (notification.id.as_str(), detail_type);
                    let text = message(change);
                    chat::of_breaker(change, group.to_string(), &origin.cell, named, (status, &text)).to_string()
                }
                MessageFormat::Text => message(change),
            };
        }
        _ => notification.message = detail.to_string(),
    }
    notification
}

fn detail(change: &BreakerChange, at: Timestamp, origin: &Origin, id: &str) -> Value {
    let (breaker, more) = match change {
        BreakerChange::Opened(breaker) => (breaker, json!({"status": "PAUSED", "nextProbeAt": breaker.next_probe_at})),
        BreakerChange::Closed(breaker, why) => {
            (breaker, json!({"status": "RESUMED", "resumedAt": at, "because": because(*why)}))
        }
    };
    let mut detail = json!({
        "notificationId": id,
        "cell": origin.cell,
        "taskDefinition": breaker.task_definition,
        "final": false,
        "error": FULL.cut(&breaker.error),
        "class": breaker.class,
        "cause": FULL.cut(&breaker.cause),
        "hint": breaker.hint,
        "failures": breaker.failures,
        "examples": breaker.examples,
        "since": breaker.since,
        "pausedAt": breaker.paused_at,
        "failedProbes": breaker.failed_probes,
        "message": message(change),
    });
    if let (Some(detail), Value::Object(more)) = (detail.as_object_mut(), more) {
        detail.extend(more);
    }
    detail
}

/// What happened and what to do, for people.
fn message(change: &BreakerChange) -> String {
    match change {
        BreakerChange::Opened(breaker) => format!(
            "Launches of {} are paused automatically after {} failures since {} with {}, which a retry does not fix. Its other \
             runs wait and use up no attempt. What to do: {}. From time to time one run is launched as a probe; once it starts, \
             the others follow. To launch them at once, resume the task definition.",
            breaker.task_definition, breaker.failures, breaker.since, breaker.error, breaker.hint
        ),
        BreakerChange::Closed(breaker, why) => format!(
            "{} is launched again: {}. {} attempts had failed with {} since {}.",
            breaker.task_definition,
            match why {
                CloseReason::Started => "one of its tasks started",
                CloseReason::OtherReason => "one of its tasks failed for another reason",
                CloseReason::Operator => "an operator resumed it",
            },
            breaker.failures,
            breaker.error,
            breaker.since
        ),
    }
}

const fn because(why: CloseReason) -> &'static str {
    match why {
        CloseReason::Started => "STARTED",
        CloseReason::OtherReason => "OTHER_REASON",
        CloseReason::Operator => "OPERATOR",
    }
}

fn attributes(breaker: &OpenBreaker, status: &str) -> Vec<(String, String)> {
    let family = name::family_of(&breaker.task_definition);
    [
        ("status", status.to_owned()),
        ("errorName", breaker.error.clone()),
        ("errorClass", breaker.class.as_str().to_owned()),
        ("family", family.to_owned()),
        ("final", "false".to_owned()),
    ]
    .into_iter()
    .filter_map(attribute)
    .collect()
}
