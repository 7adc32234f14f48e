//! Open runs in a store, and the events of their tasks, as they stand in a queue after a break.

use std::path::Path;
use std::sync::Arc;

use serde_json::{Value, json};
use taskwatch::core::ids::Token;
use taskwatch::core::machine::{Input, apply};
use taskwatch::core::request::RunRequest;
use taskwatch::core::run::Run;
use taskwatch::core::time::Timestamp;
use taskwatch::store::{Change, FileStore, Store as _};

use super::{EVENTS_A_RUN, Result};

/// A recorded Fargate event of a task with one container, as it stops.
const EVENT: &str = include_str!("../../tests/fixtures/events/25-fargate-runtask-deprovisioning-v4-2019.json");
/// Runs whose events are mixed with each other.
const WAVE: usize = 1000;
/// As long as those of SQS.
const RECEIPT: usize = 380;
const STATUSES: [(&str, &str); EVENTS_A_RUN] = [
    ("PROVISIONING", "RUNNING"),
    ("PENDING", "RUNNING"),
    ("RUNNING", "RUNNING"),
    ("DEPROVISIONING", "STOPPED"),
    ("STOPPED", "STOPPED"),
];

/// The messages, each as ReceiveMessage shows it.
pub(crate) struct Backlog {
    messages: Vec<Box<str>>,
    body_bytes: usize,
    runs: usize,
}

/// Of whose tasks the events are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Whose {
    /// Of the cell's.
    Own,
    /// Of others': the ends of tasks that ended well, as the rule lets them in.
    Others,
    /// Of both, one of others' beside each of the cell's.
    Both,
}

impl Backlog {
    /// So many events.
    pub(crate) fn new(events: usize, whose: Whose) -> Result<Self> {
        let steps = if whose == Whose::Others { 3..EVENTS_A_RUN } else { 0..EVENTS_A_RUN };
        let runs = events / steps.len() / if whose == Whose::Both { 2 } else { 1 };
        let template: Value = serde_json::from_str(EVENT)?;
        let now = jiff::Timestamp::now().as_millisecond();
        let mut messages = Vec::with_capacity(events);
        let mut bytes = 0;
        for wave in (0..runs).step_by(WAVE) {
            for step in steps.clone() {
                for run in wave..(wave + WAVE).min(runs) {
                    let own = (whose != Whose::Others).then(|| event(&template, run, step));
                    let others = (whose != Whose::Own).then(|| of_others(&template, run));
                    for event in own.into_iter().chain(others) {
                        let body = event.to_string();
                        bytes += body.len();
                        messages.push(shown(&body, messages.len(), now).into());
                    }
                }
            }
        }
        let body_bytes = bytes / messages.len().max(1);
        Ok(Self { messages, body_bytes, runs: if whose == Whose::Others { 0 } else { runs } })
    }

    pub(crate) fn len(&self) -> usize {
        self.messages.len()
    }

    pub(crate) fn runs(&self) -> usize {
        self.runs
    }

    pub(crate) fn body_bytes(&self) -> usize {
        self.body_bytes
    }

    pub(crate) fn message(&self, number: usize) -> Option<&str> {
        self.messages.get(number).map(AsRef::as_ref)
    }

    /// Puts the runs into a store, each with a task that was just placed.
    pub(crate) async fn fill(&self, dir: &Path) -> Result<()> {
        let store = FileStore::open(dir)?;
        let request = r#"{"runTask": {"cluster": "batch", "taskDefinition": "etl:7", "launchType": "FARGATE", "networkConfiguration":
            {"awsvpcConfiguration": {"subnets": ["subnet-0a", "subnet-0b"]}}}, "until": "stopped"}"#;
        let spec = Arc::new(RunRequest::parse(request)?.spec);
        let now = Timestamp::from_millis(jiff::Timestamp::now().as_millisecond());
        let numbers: Vec<usize> = (0..self.runs).collect();
        for chunk in numbers.chunks(10_000) {
            let put = |n: &usize| Change::Put(Arc::new(placed(*n, &spec, now)));
            store.commit(chunk.iter().map(put).collect()).await?;
        }
        Ok(())
    }
}

fn placed(n: usize, spec: &Arc<taskwatch::core::request::RunSpec>, now: Timestamp) -> Run {
    // A request has 10,000 runs at most.
    let (request, index) = (n / 10_000, u32::try_from(n % 10_000).unwrap_or(0));
    let mut run = Run::new(uuid::Uuid::now_v7(), format!("fleet-{request}/{index}"), index, Arc::clone(spec), now);
    apply(&mut run, &Input::Submitted, now);
    apply(&mut run, &Input::Launching { token: Token::of([format!("{n:040}")]), group_size: 1 }, now);
    apply(&mut run, &Input::Placed { task_arn: arn(n).into(), created_at: Some(now) }, now);
    run
}

fn arn(run: usize) -> String {
    format!("arn:aws:ecs:us-east-1:123456789012:task/batch/{run:032x}")
}

/// The recorded event as this run's: what a task has not had yet it does not tell.
fn event(template: &Value, run: usize, step: usize) -> Value {
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

/// The end of a task that somebody else launched, and that ended well.
fn of_others(template: &Value, run: usize) -> Value {
    let mut event = event(template, run, EVENTS_A_RUN - 1);
    event["detail"]["startedBy"] = json!("events-rule/nightly");
    event["detail"]["taskArn"] = json!(format!("{}-of-others", arn(run)));
    event["detail"]["containers"][0]["exitCode"] = json!(0);
    event
}

fn shown(body: &str, number: usize, sent: i64) -> String {
    let message = json!({
        "MessageId": uuid::Uuid::new_v4(),
        "ReceiptHandle": format!("{number:08x}{}", "A".repeat(RECEIPT)),
        "MD5OfBody": uuid::Uuid::new_v4().simple().to_string(),
        "Attributes": {"SentTimestamp": sent.to_string()},
        "Body": body,
    });
    message.to_string()
}
