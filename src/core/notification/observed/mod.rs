//! Notifications of what others launched: one for a failure, or one when a series of them begins and one when it is over.

#[cfg(test)]
mod tests;
mod words;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use uuid::Uuid;

use super::fit::FULL;
use super::{Destination, Destinations, LinesAsked, Notification, Origin, attribute, enveloped, subject};
use crate::core::name;
use crate::core::observe::{FailureKind, ObservedFailure, ObservedLog, SeriesChange};
use crate::core::request::MessageFormat;
use crate::core::time::Timestamp;

const TASK_FAILED: &str = "Taskwatch Task Failed";
const LAUNCH_REFUSED: &str = "Taskwatch Launch Refused";
const REPEATING: &str = "Taskwatch Failures Repeating";

/// What the policy asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "service", derive(utoipa::ToSchema))]
#[serde(rename_all = "lowercase")]
pub enum ObservedAction {
    /// It is told.
    Notify,
    /// It is launched once more where it never ran.
    Retry,
}

/// What was done about a failure.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ObservedOutcome {
    /// As the policy says.
    pub action: ObservedAction,
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
    about: About<'t>,
    lines: AskedLines<'t>,
}

/// So many lines of each of these logs; none where nobody asked for them.
pub type AskedLines<'l> = (u32, &'l [ObservedLog]);

/// What a message is about.
enum About<'t> {
    Failure(&'t ObservedFailure, &'t ObservedOutcome),
    Series(&'t SeriesChange),
}

/// The notifications of one failure, one for each destination.
pub fn observed(
    failed: &ObservedFailure,
    outcome: &ObservedOutcome,
    (origin, destinations): (&Origin, &Destinations),
    lines: AskedLines<'_>,
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
        detail: with_logs(detail, lines.1),
        about: About::Failure(failed, outcome),
        lines,
    };
    told.to(origin, destinations)
}

/// The notifications of a series that began or is over.
pub fn series(
    change: &SeriesChange,
    at: Timestamp,
    (origin, destinations): (&Origin, &Destinations),
    lines: AskedLines<'_>,
) -> Vec<Notification> {
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
        "message": words::of_series(change),
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
        detail: with_logs(detail, lines.1),
        about: About::Series(change),
        lines,
    };
    told.to(origin, destinations)
}

/// Where the lines of tasks are, before the lines are there.
fn with_logs(mut detail: Value, logs: &[ObservedLog]) -> Value {
    if !logs.is_empty() {
        let shown = |log: &ObservedLog| {
            let mut shown = json!(log.place.view(&log.task_arn));
            shown["taskArn"] = log.task_arn.as_str().into();
            shown
        };
        detail["logs"] = logs.iter().map(shown).collect();
    }
    detail
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
        "hint": failed.hint(),
        "action": outcome.action,
        "policy": outcome.policy,
        "repeated": outcome.run.is_some(),
        "run": outcome.run,
        "why": outcome.why,
    })
}

impl Told<'_> {
    fn to(self, origin: &Origin, destinations: &Destinations) -> Vec<Notification> {
        let topic = destinations.topic.iter().map(|arn| Destination::Topic(arn.clone()));
        let bus = destinations.bus.iter().map(|name| Destination::Bus(name.clone()));
        let format = destinations.format;
        topic.chain(bus).map(|destination| self.for_destination(origin, destination, format)).collect()
    }

    fn for_destination(&self, origin: &Origin, destination: Destination, format: MessageFormat) -> Notification {
        let id = self.id.to_string();
        let mut notification = Notification {
            data_types: Default::default(),
            by_protocol: false,
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
            notification.subject = subject(&self.subject);
            notification.attributes = self.attributes.iter().cloned().filter_map(attribute).collect();
            notification.message = self.for_topic(origin, format);
            notification.resources.clear();
        }
        let format = match notification.destination {
            Destination::Topic(_) => format,
            _ => MessageFormat::Json,
        };
        let taken = notification.bytes();
        notification.log = LinesAsked::of_examples(self.lines.0, self.lines.1, format);
        notification.log.iter_mut().for_each(|log| log.fit(taken));
        notification
    }

    fn for_topic(&self, origin: &Origin, format: MessageFormat) -> String {
        let id = self.id.to_string();
        match format {
            MessageFormat::Json => {
                let detail = self.detail.clone();
                enveloped(origin, &id, self.detail_type, self.at, &self.resources, detail).to_string()
            }
            MessageFormat::Chat => {
                let thread = self.group.to_string();
                self.about.chat(&origin.cell, (&id, self.detail_type, thread)).into_json().to_string()
            }
            MessageFormat::Text => self.about.text(),
        }
    }
}
