//! What is told about a run's end, in EventBridge's envelope.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use uuid::Uuid;

use super::run::{Attempt, Run};
use super::time::Timestamp;

/// SNS takes 256 KiB (Amazon SNS quotas): a run with thousands of attempts tells of its last ones.
const ATTEMPTS_TOLD: usize = 50;
/// What is told of one cause; the whole of it stays with the run.
const CAUSE_CHARS: usize = 1_500;
/// SNS: "Subject … must be ASCII text … less than 100 characters" (API reference, Publish).
const SUBJECT_CHARS: usize = 99;

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

/// One message to publish, at least once; `id` is the same every time.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Notification {
    /// Stable: a function of the run and its final status.
    pub id: String,
    /// The run it is about.
    pub run: Uuid,
    /// The topic to publish to; none when neither the request nor the cell names one.
    pub topic_arn: Option<String>,
    /// ASCII, less than 100 characters, no line break.
    pub subject: String,
    /// The SNS message: the envelope as JSON, or the request's own text.
    pub message: String,
    /// SNS message attributes, all strings.
    pub attributes: Vec<(String, String)>,
    /// The envelope as JSON, for EventBridge: its `detail` and `resources` are what PutEvents takes.
    pub envelope: String,
}

/// The notification of a final run; `default_topic` is the cell's.
pub fn build(run: &Run, origin: &Origin, default_topic: Option<&str>) -> Notification {
    let id = Uuid::new_v5(&run.id, run.status.as_str().as_bytes()).to_string();
    let notify = &run.spec.notify;
    let envelope = envelope(run, origin, &id).to_string();
    let topic = notify.topics.get(&run.status).or(notify.topic_arn.as_ref());
    Notification {
        run: run.id,
        topic_arn: topic.cloned().or_else(|| default_topic.map(str::to_owned)),
        subject: subject(notify.subjects.get(&run.status).map_or_else(|| usual_subject(run), Clone::clone).as_str()),
        message: notify.messages.get(&run.status).cloned().unwrap_or_else(|| envelope.clone()),
        attributes: attributes(run),
        id,
        envelope,
    }
}

/// The state of a run as users see it: environment values masked, long causes cut.
pub fn detail(run: &Run, cell: &str) -> Value {
    let failure = run.failure().filter(|_| run.status.is_final() && run.ended_by.is_some());
    let skipped = run.attempts.len().saturating_sub(ATTEMPTS_TOLD);
    json!({
        "run": run.id,
        "name": run.name,
        "cell": cell,
        "status": run.status,
        "final": run.status.is_final(),
        "error": failure.map(|f| &f.error),
        "class": failure.map(|f| f.class),
        "cause": failure.map(|f| cut(&f.cause)),
        "hint": failure.map(|f| &f.hint),
        "attempts": run.attempts.iter().skip(skipped).map(attempt).collect::<Vec<_>>(),
        "runTask": run.spec.run_task.masked(),
        "submittedAt": run.submitted_at,
        "finishedAt": run.finished_at,
    })
}

fn attempt(attempt: &Attempt) -> Value {
    let failure = attempt.failure.as_ref();
    json!({
        "number": attempt.number,
        "taskArn": attempt.task_arn,
        "error": failure.map(|f| &f.error),
        "class": failure.map(|f| f.class),
        "cause": failure.map(|f| cut(&f.cause)),
        "exitCode": attempt.exit_code,
        "createdAt": attempt.created_at,
        "startedAt": attempt.started_at,
        "stoppedAt": attempt.stopped_at,
        "placement": attempt.placement,
    })
}

fn envelope(run: &Run, origin: &Origin, id: &str) -> Value {
    let tasks: Vec<&str> = run.attempts.iter().filter_map(|a| a.task_arn.as_deref()).collect();
    let resources = &tasks[tasks.len().saturating_sub(ATTEMPTS_TOLD)..];
    let finished = run.finished_at.unwrap_or(run.submitted_at);
    json!({
        "version": "0",
        "id": id,
        "detail-type": "Taskwatch Run State Change",
        "source": "taskwatch",
        "account": origin.account,
        // EventBridge's own envelopes have whole seconds here.
        "time": Timestamp::from_millis(finished.millis() / 1000 * 1000).to_string().replace(".000Z", "Z"),
        "region": origin.region,
        "resources": resources,
        "detail": detail(run, &origin.cell),
    })
}

fn attributes(run: &Run) -> Vec<(String, String)> {
    let failure = run.ended_by.as_ref();
    let class = failure.and_then(|f| serde_json::to_value(f.class).ok());
    let cluster = run.spec.run_task.cluster().rsplit('/').next().unwrap_or_default();
    [
        ("status", run.status.as_str().to_owned()),
        ("errorName", failure.map(|f| f.error.clone()).unwrap_or_default()),
        ("errorClass", class.as_ref().and_then(Value::as_str).unwrap_or_default().to_owned()),
        ("cluster", cluster.to_owned()),
        ("family", run.spec.run_task.family().to_owned()),
        ("attempts", run.attempts.len().to_string()),
        ("final", "true".to_owned()),
    ]
    .into_iter()
    // SNS refuses an empty attribute value.
    .filter(|(_, value)| !value.is_empty())
    .map(|(name, value)| (name.to_owned(), value))
    .collect()
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

fn cut(cause: &str) -> String {
    match cause.char_indices().nth(CAUSE_CHARS) {
        Some((end, _)) => format!("{}…", &cause[..end]),
        None => cause.to_owned(),
    }
}
