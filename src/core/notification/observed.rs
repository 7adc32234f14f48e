//! Notifications of what others launched: one for a failure, or one when a series of them begins and one when it is over.

use serde_json::{Value, json};
use uuid::Uuid;

use super::fit::FULL;
use super::{Destination, Destinations, Notification, Origin, attribute, enveloped, subject};
use crate::core::name;
use crate::core::observe::{FailureKind, ObservedFailure, SeriesChange};
use crate::core::time::Timestamp;

const TASK_FAILED: &str = "Taskwatch Task Failed";
const LAUNCH_REFUSED: &str = "Taskwatch Launch Refused";
const REPEATING: &str = "Taskwatch Failures Repeating";

/// What was done about a failure.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ObservedOutcome {
    /// `notify` or `retry`, as the policy says.
    pub action: &'static str,
    /// The policy's name; none: the default.
    pub policy: Option<String>,
    /// The name of the run that launches it once more.
    pub run: Option<String>,
    /// Why it is launched once more, or is not.
    pub why: String,
}

/// What is common to the messages of this page.
struct Told<'t> {
    id: Uuid,
    group: Uuid,
    at: Timestamp,
    subject: String,
    detail_type: &'static str,
    resources: Vec<String>,
    attributes: [(&'t str, String); 7],
    detail: Value,
}

/// The notifications of one failure, one for each destination.
pub fn observed(
    failed: &ObservedFailure,
    outcome: &ObservedOutcome,
    origin: &Origin,
    destinations: &Destinations,
) -> Vec<Notification> {
    let detail_type = detail_type(failed.kind);
    let what = match failed.kind {
        FailureKind::TaskFailed => "FAILED",
        FailureKind::LaunchRefused => "REFUSED",
    };
    let is_final = outcome.run.is_none();
    let mut detail = shown(failed, outcome);
    detail["notificationId"] = failed.id.to_string().into();
    detail["cell"] = origin.cell.as_str().into();
    detail["status"] = "FAILED".into();
    detail["final"] = is_final.into();
    let told = Told {
        id: failed.id,
        group: failed.id,
        at: failed.at,
        subject: format!("{what} {} of {}: {}", failed.task_definition, failed.launcher, failed.failure.error),
        detail_type,
        resources: failed.task_arn.iter().cloned().collect(),
        attributes: [
            ("status", "FAILED".to_owned()),
            ("errorName", failed.failure.error.clone()),
            ("errorClass", failed.failure.class.as_str().to_owned()),
            ("cluster", failed.cluster.clone()),
            ("family", failed.family().to_owned()),
            ("launcher", failed.launcher.kind.as_str().to_owned()),
            ("final", is_final.to_string()),
        ],
        detail,
    };
    told.to(origin, destinations)
}

/// The notifications of a series that began or is over.
pub fn series(change: &SeriesChange, at: Timestamp, origin: &Origin, destinations: &Destinations) -> Vec<Notification> {
    let (open, status) = match change {
        SeriesChange::Repeating(open) => (open, "REPEATING"),
        SeriesChange::Quiet(open) => (open, "QUIET"),
    };
    let what = format!("{}|{}|{}|{}", origin.cell, open.launcher, open.task_definition, open.error);
    let group = Uuid::new_v5(&Uuid::NAMESPACE_OID, what.as_bytes());
    let id = Uuid::new_v5(&group, format!("{status}|{}", open.began_at.millis()).as_bytes());
    let family = name::family_of(&open.task_definition);
    let detail = json!({
        "notificationId": id.to_string(),
        "cell": origin.cell,
        "status": status,
        "final": false,
        "kind": open.kind,
        "launcher": open.launcher,
        "cluster": open.cluster,
        "taskDefinition": open.task_definition,
        "family": family,
        "error": FULL.cut(&open.error),
        "class": open.class,
        "cause": FULL.cut(&open.cause),
        "hint": open.hint,
        "failures": open.failures,
        "examples": open.examples,
        "since": open.since,
        "lastAt": open.last_at,
        "message": message(change),
    });
    let told = Told {
        id,
        group,
        at,
        subject: format!("{status} {} of {}: {}", open.task_definition, open.launcher, open.error),
        detail_type: REPEATING,
        resources: Vec::new(),
        attributes: [
            ("status", status.to_owned()),
            ("errorName", open.error.clone()),
            ("errorClass", open.class.as_str().to_owned()),
            ("cluster", open.cluster.clone()),
            ("family", family.to_owned()),
            ("launcher", open.launcher.kind.as_str().to_owned()),
            ("final", "false".to_owned()),
        ],
        detail,
    };
    told.to(origin, destinations)
}

/// The `detail-type` of a failure.
const fn detail_type(kind: FailureKind) -> &'static str {
    match kind {
        FailureKind::TaskFailed => TASK_FAILED,
        FailureKind::LaunchRefused => LAUNCH_REFUSED,
    }
}

/// A failure and what was done about it, as notifications and the list have it.
pub fn shown(failed: &ObservedFailure, outcome: &ObservedOutcome) -> Value {
    let failure = &failed.failure;
    json!({
        "kind": failed.kind,
        "at": failed.at,
        "launcher": {
            "kind": failed.launcher.kind,
            "name": failed.launcher.name,
            "cut": failed.launcher.cut,
            "role": failed.role,
        },
        "cluster": failed.cluster,
        "taskDefinition": failed.task_definition,
        "family": failed.family(),
        "taskArn": failed.task_arn,
        "count": failed.count,
        "missing": failed.missing,
        "ran": failed.ran,
        "exitCode": failed.exit_code,
        "error": FULL.cut(&failure.error),
        "class": failure.class,
        "transience": failure.transience,
        "cause": FULL.cut(&failure.cause),
        "hint": failure.hint,
        "action": outcome.action,
        "policy": outcome.policy,
        "repeated": outcome.run.is_some(),
        "run": outcome.run,
        "why": outcome.why,
    })
}

/// What repeats, for people.
fn message(change: &SeriesChange) -> String {
    match change {
        SeriesChange::Repeating(open) => format!(
            "{} failures of {} with {} since {}, launched by {}. The following ones are counted and not sent singly. What to do: {}.",
            open.failures, open.task_definition, open.error, open.since, open.launcher, open.hint
        ),
        SeriesChange::Quiet(open) => format!(
            "No more failures of {} with {}, launched by {}, since {}. There were {} since {}.",
            open.task_definition, open.error, open.launcher, open.last_at, open.failures, open.since
        ),
    }
}

impl Told<'_> {
    fn to(self, origin: &Origin, destinations: &Destinations) -> Vec<Notification> {
        let topic = destinations.topic.iter().map(|arn| Destination::Topic(arn.clone()));
        let bus = destinations.bus.iter().map(|name| Destination::Bus(name.clone()));
        topic.chain(bus).map(|destination| self.for_destination(origin, destination)).collect()
    }

    fn for_destination(&self, origin: &Origin, destination: Destination) -> Notification {
        let id = self.id.to_string();
        let mut notification = Notification {
            log: None,
            run: self.group,
            at: self.at,
            subject: String::new(),
            message: self.detail.to_string(),
            attributes: Vec::new(),
            detail_type: self.detail_type.to_owned(),
            resources: self.resources.clone(),
            destination,
            id,
        };
        if let Destination::Topic(_) = notification.destination {
            let envelope =
                enveloped(origin, &notification.id, self.detail_type, self.at, &self.resources, self.detail.clone());
            notification.subject = subject(&self.subject);
            notification.attributes = self.attributes.iter().cloned().filter_map(attribute).collect();
            notification.message = envelope.to_string();
            notification.resources.clear();
        }
        notification
    }
}
