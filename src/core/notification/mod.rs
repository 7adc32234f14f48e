//! What is told about a run's end, and about what others launched, in EventBridge's envelope, and where it goes.

pub mod callback;
mod chat;
mod destination;
mod digest;
mod fit;
mod lines;
mod observed;
#[cfg(test)]
mod tests;
mod text;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use uuid::Uuid;

pub use destination::{Destination, Destinations};
pub use digest::digest;
pub use fit::{MOST_A_CALL, calls};
pub use lines::LinesAsked;
pub use observed::{AskedLines, ObservedAction, ObservedOutcome, observed, series, shown as observed_shown};

use super::ids::TaskArn;
use super::name;
use super::request::{Ended, MessageAttributes, MessageFormat, Publish};
use super::run::{Attempt, Run, Status};
use super::time::Timestamp;
use fit::{FULL, Fit};

/// SNS: "Subject … must be ASCII text … less than 100 characters" (API reference, Publish).
const SUBJECT_CHARS: usize = 99;
/// Of a message attribute's value: it counts towards the message's size, and nobody filters by more.
const ATTRIBUTE_CHARS: usize = 256;
/// With more of them, SNS does not deliver a raw message to a queue (developer guide, message attributes).
const MOST_ATTRIBUTES: usize = 10;
/// The `detail-type` of a run's end.
const RUN_CHANGED: &str = "Taskwatch Run State Change";

/// Where a run's cell lives: parts of every notification.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Origin {
    /// The cell's name.
    pub cell: String,
    /// The AWS account.
    pub account: String,
    /// The AWS region.
    pub region: String,
}

/// One message for one destination, at least once; `id` is the same every time, and the same at every destination.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Notification {
    /// Stable: a function of the run, its final status and how often it was redriven, or of the circuit breaker and when it opened.
    pub id: String,
    /// The run it is about, or an id of the circuit breaker. What is about one arrives in order (`MessageGroupId` of a FIFO topic).
    pub run: Uuid,
    /// Where it goes.
    #[serde(rename = "outlet")]
    pub destination: Destination,
    /// When it happened.
    pub at: Timestamp,
    /// For a topic: ASCII, less than 100 characters, no line break.
    pub subject: String,
    /// For a topic the envelope as JSON, or the request's own text; for a bus the event's `detail`.
    pub message: String,
    /// For a topic: message attributes.
    pub attributes: Vec<(String, String)>,
    /// For a topic: the data types of those attributes that are no `String`.
    #[serde(default)]
    pub data_types: BTreeMap<String, String>,
    /// For a topic: whether the message is an object of texts by protocol.
    #[serde(default)]
    pub by_protocol: bool,
    /// For a bus: the event's `detail-type`.
    pub detail_type: String,
    /// For a bus: the tasks it is about.
    pub resources: Vec<String>,
    /// Lines that are put into it on its way.
    #[serde(default)]
    pub log: Option<LinesAsked>,
}

/// The notifications of a final run, one for each destination; `destinations` are the cell's own.
pub fn build(run: &Run, origin: &Origin, destinations: &Destinations) -> Vec<Notification> {
    of_end(run, None, origin, destinations)
}

/// The same, where the end was decided by what ECS said of the task: as Step Functions shows it.
pub fn of_end(run: &Run, task: Option<&Value>, origin: &Origin, destinations: &Destinations) -> Vec<Notification> {
    let mut all = callback::of_end(run, task).into_iter().collect::<Vec<_>>();
    let notify = &run.spec.notify;
    if notify.on.as_ref().is_some_and(|on| !on.contains(&run.status)) {
        return all;
    }
    let said = said(run, task);
    let own = said.topic.as_ref().or(notify.topic_arn.as_ref()).or(destinations.topic.as_ref());
    let topic = own.filter(|_| !said.is_silent).map(|arn| Destination::Topic(arn.clone()));
    let bus = destinations.bus.as_ref().map(|name| Destination::Bus(name.clone()));
    let usual = destinations.format;
    all.extend(topic.into_iter().chain(bus).map(|destination| for_destination(run, &said, origin, destination, usual)));
    all
}

/// What the request itself says of this end, in place of what is usual.
#[derive(Default)]
struct Said {
    topic: Option<String>,
    subject: Option<String>,
    message: Option<String>,
    attributes: MessageAttributes,
    by_protocol: bool,
    /// It says that nobody is told.
    is_silent: bool,
    /// Why it could not be said.
    error: Option<String>,
}

fn said(run: &Run, task: Option<&Value>) -> Said {
    let notify = &run.spec.notify;
    let by_status = Said {
        topic: notify.topics.get(&run.status).cloned(),
        subject: notify.subjects.get(&run.status).cloned(),
        message: notify.messages.get(&run.status).cloned(),
        attributes: notify.attributes.get(&run.status).cloned().unwrap_or_default(),
        by_protocol: notify.structures.contains_key(&run.status),
        ..Said::default()
    };
    let Some(ending) = &notify.after_task else { return by_status };
    let failure = run.failure().filter(|_| run.status != Status::Succeeded);
    let at = run.finished_at.unwrap_or(run.submitted_at);
    match ending.published(&Ended { run: run.id, at, goal: run.spec.until, failure, task }) {
        Ok(Some(Publish { topic, message, subject, attributes, by_protocol })) => {
            let (topic, message) = (Some(topic), Some(message));
            Said { topic, subject, message, attributes, by_protocol, ..by_status }
        }
        Ok(None) => Said { is_silent: true, ..by_status },
        // Each end is told of, if not in the words that were meant.
        Err(error) => Said { error: Some(error.message), ..by_status },
    }
}

fn for_destination(
    run: &Run,
    said: &Said,
    origin: &Origin,
    destination: Destination,
    usual: MessageFormat,
) -> Notification {
    let id = id(run);
    let format = match destination {
        Destination::Topic(_) => run.spec.notify.format.unwrap_or(usual),
        _ => MessageFormat::Json,
    };
    let mut notification = Notification {
        run: run.id,
        at: run.finished_at.unwrap_or(run.submitted_at),
        subject: subject(&said.subject.clone().unwrap_or_else(|| usual_subject(run))),
        message: String::new(),
        attributes: attributes(run, said),
        data_types: data_types(&said.attributes),
        by_protocol: false,
        detail_type: RUN_CHANGED.to_owned(),
        resources: Vec::new(),
        log: None,
        destination,
        id,
    };
    if let Destination::Bus(_) = notification.destination {
        // Only topics have these; and only here is the list of tasks not inside the message.
        notification.subject.clear();
        notification.attributes.clear();
        notification.data_types.clear();
        notification.resources = resources(run, &FULL);
    }
    let room = fit::MOST_BYTES.saturating_sub(notification.bytes());
    // SNS refuses an empty message.
    let own = said.message.as_ref().filter(|text| !text.is_empty());
    let own = own.filter(|_| matches!(notification.destination, Destination::Topic(_)));
    notification.message = match own {
        Some(text) => {
            // One that is cut is no JSON any more.
            notification.by_protocol = said.by_protocol && text.len() <= room;
            fit::cut_bytes(text, room)
        }
        None => fit::first_that_fits(room, |fit| match (&notification.destination, format) {
            (Destination::Topic(_), MessageFormat::Json) => envelope(run, origin, &notification.id, fit).to_string(),
            (Destination::Topic(_), MessageFormat::Chat) => {
                chat::of_run(run, &origin.cell, (&notification.id, RUN_CHANGED), fit).to_string()
            }
            (Destination::Topic(_), MessageFormat::Text) => text::of_run(run, fit),
            _ => told(run, &origin.cell, &notification.id, fit).to_string(),
        }),
    };
    if own.is_none() {
        notification.log = LinesAsked::of(run, format);
        let taken = notification.bytes() - notification.log.as_ref().map_or(0, LinesAsked::bytes);
        notification.log.iter_mut().for_each(|log| log.fit(taken));
    }
    notification
}

/// Each end has its own: one after a redrive is no repetition of the one before.
fn id(run: &Run) -> String {
    let status = run.status.as_str();
    let end = if run.redrives == 0 { status.to_owned() } else { format!("{status}/{}", run.redrives) };
    Uuid::new_v5(&run.id, end.as_bytes()).to_string()
}

/// The state of a run as users see it: environment values masked, long causes cut.
pub fn detail(run: &Run, cell: &str) -> Value {
    shown(run, cell, &FULL)
}

/// The `detail` of a notification: the run, and the notification's id, since a bus gives its events ids of its own.
fn told(run: &Run, cell: &str, id: &str, fit: &Fit) -> Value {
    let mut detail = shown(run, cell, fit);
    detail["notificationId"] = id.into();
    detail
}

fn shown(run: &Run, cell: &str, fit: &Fit) -> Value {
    let failure = run.failure().filter(|_| run.status.is_final() && run.ended_by.is_some());
    let skipped = run.attempts.len().saturating_sub(fit.attempts);
    let omitted = run.attempts.omitted() + skipped;
    let mut shown = json!({
        "run": run.id,
        "name": run.name,
        "cell": cell,
        "status": run.status,
        "final": run.status.is_final(),
        "error": failure.map(|f| fit.cut(&f.error)),
        "class": failure.map(|f| f.class),
        "cause": failure.map(|f| fit.cut(&f.cause)),
        "hint": failure.map(|f| f.hint_for(&run.name)),
        "attempts": run.attempts.iter().skip(skipped).map(|a| attempt(a, fit)).collect::<Vec<_>>(),
        "runTask": fit.run_task.then(|| run.spec.run_task.masked()),
        "submittedAt": run.submitted_at,
        "finishedAt": run.finished_at,
    });
    if omitted > 0 {
        shown["attemptsOmitted"] = omitted.into();
    }
    shown
}

fn attempt(attempt: &Attempt, fit: &Fit) -> Value {
    let failure = attempt.failure.as_ref();
    json!({
        "number": attempt.number,
        "taskArn": attempt.task_arn,
        "error": failure.map(|f| fit.cut(&f.error)),
        "class": failure.map(|f| f.class),
        "cause": failure.map(|f| fit.cut(&f.cause)),
        "exitCode": attempt.exit_code,
        "createdAt": attempt.created_at,
        "startedAt": attempt.started_at,
        "stoppedAt": attempt.stopped_at,
        "placement": attempt.placement,
        "log": attempt.log_view(),
    })
}

/// The newest tasks, oldest first.
fn resources(run: &Run, fit: &Fit) -> Vec<String> {
    let tasks: Vec<String> = run.attempts.iter().filter_map(|a| a.task_arn.as_ref().map(TaskArn::to_string)).collect();
    tasks[tasks.len().saturating_sub(fit.attempts)..].to_vec()
}

fn envelope(run: &Run, origin: &Origin, id: &str, fit: &Fit) -> Value {
    let finished = run.finished_at.unwrap_or(run.submitted_at);
    let detail = told(run, &origin.cell, id, fit);
    enveloped(origin, id, RUN_CHANGED, finished, &resources(run, fit), detail)
}

/// EventBridge's envelope.
fn enveloped(
    origin: &Origin,
    id: &str,
    detail_type: &str,
    at: Timestamp,
    resources: &[String],
    detail: Value,
) -> Value {
    json!({
        "version": "0",
        "id": id,
        "detail-type": detail_type,
        "source": "taskwatch",
        "account": origin.account,
        // EventBridge's own envelopes have whole seconds here.
        "time": Timestamp::from_millis(at.millis() / 1000 * 1000).to_string().replace(".000Z", "Z"),
        "region": origin.region,
        "resources": resources,
        "detail": detail,
    })
}

/// The request's own, then the usual ones.
fn attributes(run: &Run, said: &Said) -> Vec<(String, String)> {
    let own = said.attributes.iter().map(|(name, attribute)| (name.clone(), attribute.string_value.clone()));
    let usual = usual_attributes(run, said).into_iter().filter(|(name, _)| !said.attributes.contains_key(name));
    let most = MOST_ATTRIBUTES.max(said.attributes.len());
    own.chain(usual).take(most).collect()
}

fn data_types(own: &MessageAttributes) -> BTreeMap<String, String> {
    let others = own.iter().filter(|(_, attribute)| attribute.data_type != "String");
    others.map(|(name, attribute)| (name.clone(), attribute.data_type.clone())).collect()
}

fn usual_attributes(run: &Run, said: &Said) -> Vec<(String, String)> {
    let failure = run.ended_by.as_ref();
    let class = failure.and_then(|f| serde_json::to_value(f.class).ok());
    let cluster = name::in_arn(run.cluster());
    [
        ("status", run.status.as_str().to_owned()),
        ("errorName", failure.map(|f| f.error.clone()).unwrap_or_default()),
        ("errorClass", class.as_ref().and_then(Value::as_str).unwrap_or_default().to_owned()),
        ("cluster", cluster.to_owned()),
        ("family", run.spec.run_task.family().to_owned()),
        ("attempts", run.attempts.total().to_string()),
        ("final", "true".to_owned()),
        ("taskwatchError", said.error.clone().unwrap_or_default()),
    ]
    .into_iter()
    .filter_map(attribute)
    .collect()
}

/// An attribute that SNS takes: it refuses an empty value.
fn attribute((name, value): (&str, String)) -> Option<(String, String)> {
    (!value.is_empty()).then(|| (name.to_owned(), value.chars().take(ATTRIBUTE_CHARS).collect()))
}

fn usual_subject(run: &Run) -> String {
    let why = run.ended_by.as_ref().map(|f| format!(": {}", f.error)).unwrap_or_default();
    format!("{} {}{why}", run.status.as_str(), run.name)
}

fn subject(text: &str) -> String {
    let ascii: String = text.chars().map(|c| if c.is_ascii() && !c.is_ascii_control() { c } else { '?' }).collect();
    let kept: String = ascii.trim().chars().take(SUBJECT_CHARS).collect();
    if kept.is_empty() { "taskwatch".to_owned() } else { kept }
}
