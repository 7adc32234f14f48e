//! The events of open runs' tasks, as they stand in a queue after a break.

use serde_json::{Value, json};

use super::Result;
use super::events::{STATUSES, event, template};
use super::runs::arn;

/// Events of one run: from PROVISIONING to STOPPED.
const EVENTS_A_RUN: usize = STATUSES.len();
/// Runs whose events are mixed with each other.
const WAVE: usize = 1000;
/// As long as those of SQS.
const RECEIPT: usize = 380;

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
        let template = template()?;
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
