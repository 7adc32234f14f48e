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
    /// Stable: a function of the run, its final status, and how often it was redriven.
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
    let id = id(run);
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

/// Each end has its own: one after a redrive is no repetition of the one before.
fn id(run: &Run) -> String {
    let status = run.status.as_str();
    let end = if run.redrives == 0 { status.to_owned() } else { format!("{status}/{}", run.redrives) };
    Uuid::new_v5(&run.id, end.as_bytes()).to_string()
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

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::core::failure;
    use crate::core::request::{Goal, Notify, RunSpec};
    use crate::core::retry::RetryPolicy;
    use crate::core::run::{Stage, Status};
    use crate::core::run_task::RunTask;

    fn failed_run(attempts: u32, cause: &str, notify: Notify) -> Run {
        let run_task = json!({"taskDefinition": "arn:aws:ecs:eu-west-1:123456789012:task-definition/etl:7",
            "cluster": "arn:aws:ecs:eu-west-1:123456789012:cluster/batch"});
        let spec = RunSpec {
            run_task: serde_json::from_value::<RunTask>(run_task).unwrap(),
            until: Goal::Stopped,
            retry: RetryPolicy::standard(),
            start_timeout_seconds: 900,
            timeout_seconds: None,
            attempt_timeout_seconds: None,
            decided_by: Vec::new(),
            placements: Vec::new(),
            queue: "default".into(),
            priority: 0,
            inject_env: false,
            notify,
        };
        let at = Timestamp::from_millis(1_800_000_000_123);
        let mut run = Run::new(Uuid::from_u128(7), "nightly".into(), 0, Arc::new(spec), at);
        for number in 1..=attempts {
            let mut attempt = Attempt::new(number, 0);
            attempt.stage = Stage::Over;
            attempt.task_arn = Some(format!("arn:aws:ecs:eu-west-1:123456789012:task/batch/{number}"));
            attempt.failure = Some(failure::from_refusal("RESOURCE:MEMORY", None));
            if let Some(failure) = &mut attempt.failure {
                failure.cause = cause.to_owned();
            }
            run.attempts.push(attempt);
        }
        run.status = Status::Failed;
        run.ended_by = run.failure().cloned();
        run.finished_at = Some(at);
        run
    }

    fn origin() -> Origin {
        Origin { cell: "c1".into(), account: "123456789012".into(), region: "eu-west-1".into() }
    }

    #[test]
    fn the_envelope_is_eventbridges() {
        let run = failed_run(2, "why", Notify::default());
        let told = build(&run, &origin(), Some("arn:aws:sns:eu-west-1:123456789012:t"));
        let message: Value = serde_json::from_str(&told.message).unwrap();
        assert_eq!(message["source"], "taskwatch");
        assert_eq!(message["detail-type"], "Taskwatch Run State Change");
        assert_eq!(message["time"], "2027-01-15T08:00:00Z");
        assert_eq!(message["id"], told.id);
        assert_eq!(message["resources"].as_array().map(Vec::len), Some(2));
        let detail = &message["detail"];
        assert_eq!(
            (&detail["status"], &detail["final"], &detail["cell"]),
            (&json!("FAILED"), &json!(true), &json!("c1"))
        );
        assert_eq!(detail["attempts"][1]["number"], 2);
        assert_eq!(detail["submittedAt"], "2027-01-15T08:00:00.123Z");
        assert_eq!(told.topic_arn.as_deref(), Some("arn:aws:sns:eu-west-1:123456789012:t"));
        let attribute = |name: &str| told.attributes.iter().find(|a| a.0 == name).map(|a| a.1.as_str());
        assert_eq!((attribute("cluster"), attribute("family")), (Some("batch"), Some("etl")));
        assert_eq!((attribute("attempts"), attribute("final")), (Some("2"), Some("true")));
        assert!(told.attributes.iter().all(|(_, value)| !value.is_empty()));
    }

    #[test]
    fn the_same_end_has_the_same_id() {
        let run = failed_run(1, "why", Notify::default());
        assert_eq!(build(&run, &origin(), None), build(&run, &origin(), None));
        let other = Run { status: Status::Aborted, ..run.clone() };
        assert_ne!(build(&run, &origin(), None).id, build(&other, &origin(), None).id);
        let again = Run { redrives: 1, ..run.clone() };
        assert_ne!(
            build(&run, &origin(), None).id,
            build(&again, &origin(), None).id,
            "an end after a redrive is another"
        );
    }

    #[test]
    fn a_requests_own_words_replace_the_body_for_their_status_only() {
        let notify = Notify { messages: [(Status::Failed, "it failed".to_owned())].into(), ..Notify::default() };
        let mut run = failed_run(1, "why", notify);
        assert_eq!(build(&run, &origin(), None).message, "it failed");
        run.status = Status::Aborted;
        assert!(build(&run, &origin(), None).message.starts_with('{'));
    }

    #[test]
    fn a_subject_is_what_sns_takes() {
        let subjects = [(Status::Failed, "naïve\nline ".repeat(40))].into();
        let run = failed_run(1, "why", Notify { subjects, ..Notify::default() });
        let subject = build(&run, &origin(), None).subject;
        assert!(subject.is_ascii() && subject.len() < 100 && !subject.contains('\n'), "{subject:?}");
    }

    #[test]
    fn thousands_of_attempts_with_long_causes_still_fit_into_a_message() {
        let run = failed_run(5_000, &"ü".repeat(10_000), Notify::default());
        assert!(build(&run, &origin(), None).message.len() < 256 * 1024);
    }
}
