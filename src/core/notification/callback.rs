//! The answer to whoever waits for a run by a token: what the task ended with, or why it failed.

use serde_json::{Value, json};
use uuid::Uuid;

use super::fit::cut_chars;
use super::{Destination, Notification, id};
use crate::core::failure::Failure;
use crate::core::request::{Callback, Notify, Waiter};
use crate::core::run::{Run, Status};
use crate::core::time::Timestamp;

/// SendTaskFailure: `error` has 256 characters at most, `cause` 32,768 (API reference).
const ERROR_CHARS: usize = 256;
const CAUSE_CHARS: usize = 32_768;
/// The attribute that has the token.
const TOKEN: &str = "token";

/// What the one who waits is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answer {
    /// The run reached its goal.
    Success,
    /// It did not.
    Failure,
    /// It lives.
    Heartbeat,
}

impl Answer {
    /// The last word of AWS's operations: `SendTaskSuccess`, `SendDurableExecutionCallbackSuccess`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Success => "Success",
            Self::Failure => "Failure",
            Self::Heartbeat => "Heartbeat",
        }
    }
}

/// A notification that is an answer, as its call needs it.
#[derive(Clone, Copy, Debug)]
pub struct Call<'n> {
    /// Which operation.
    pub answer: Answer,
    /// By which token.
    pub token: &'n str,
    /// JSON: the output of a success; `{"error", "cause"}` of a failure.
    pub payload: &'n str,
}

/// The call that a notification is, if it is one.
pub fn call(notification: &Notification) -> Option<Call<'_>> {
    let answers = [Answer::Success, Answer::Failure, Answer::Heartbeat];
    let answer = answers.into_iter().find(|answer| answer.as_str() == notification.detail_type)?;
    let (_, token) = notification.attributes.iter().find(|(name, _)| name == TOKEN)?;
    Some(Call { answer, token, payload: &notification.message })
}

/// Whether an error says that nobody waits by this token (any more): an answer can do nothing, now or later.
///
/// Step Functions: `TaskTimedOut` ("has either expired or the task associated with the token has already been closed"),
/// `TaskDoesNotExist`, `InvalidToken`; Lambda: `CallbackTimeoutException`, `ResourceNotFoundException` (API references).
pub fn is_closed(error: &str) -> bool {
    let names =
        ["TaskTimedOut", "TaskDoesNotExist", "InvalidToken", "CallbackTimeoutException", "ResourceNotFoundException"];
    names.contains(&error)
}

/// The answer of a run's end. A token is answered once, so a redriven run's end is told to nobody.
pub(super) fn of_end(run: &Run, task: Option<&Value>) -> Option<Notification> {
    let callback = run.spec.notify.callback().filter(|_| run.redrives == 0)?;
    let (answer, payload) = match run.status {
        Status::Succeeded => (Answer::Success, task.cloned().unwrap_or_else(|| of_attempt(run))),
        _ => (Answer::Failure, run.failure().map_or_else(|| reason("Taskwatch.Failed", ""), of_failure)),
    };
    let at = run.finished_at.unwrap_or(run.submitted_at);
    Some(notification(callback, (run.id, id(run)), at, answer, payload.to_string()))
}

/// A word that the run lives, if anybody waits for one.
pub fn heartbeat(run: &Run, at: Timestamp) -> Option<Notification> {
    let callback = run.spec.notify.callback().filter(|_| run.redrives == 0 && !run.status.is_final())?;
    Some(notification(callback, (run.id, run.id.to_string()), at, Answer::Heartbeat, String::new()))
}

/// The answers of a request that is not taken. The same request gives them under the same id.
pub fn of_refusal(notify: &Notify, error: &str, cause: &str, at: Timestamp) -> Vec<Notification> {
    let refusal = |callback: Callback<'_>| {
        let about = Uuid::new_v5(&Uuid::NAMESPACE_OID, callback.token.expose().as_bytes());
        let (keys, told) = ((about, format!("{about}/refused")), reason(error, cause).to_string());
        notification(callback, keys, at, Answer::Failure, told)
    };
    notify.callbacks().map(refusal).collect()
}

/// What is known of a run's newest task without a word of ECS's at hand.
fn of_attempt(run: &Run) -> Value {
    let Some(attempt) = run.attempt() else { return json!({}) };
    json!({
        "TaskArn": attempt.task_arn,
        "LastStatus": attempt.last_status,
        "CreatedAt": attempt.created_at.map(Timestamp::millis),
        "StartedAt": attempt.started_at.map(Timestamp::millis),
        "StoppedAt": attempt.stopped_at.map(Timestamp::millis),
    })
}

fn of_failure(failure: &Failure) -> Value {
    reason(&failure.error, &failure.cause)
}

fn reason(error: &str, cause: &str) -> Value {
    json!({"error": cut_chars(error, ERROR_CHARS), "cause": cut_chars(cause, CAUSE_CHARS)})
}

fn notification(
    callback: Callback<'_>,
    (run, id): (Uuid, String),
    at: Timestamp,
    answer: Answer,
    message: String,
) -> Notification {
    Notification {
        id,
        run,
        destination: match callback.waiter {
            Waiter::StepFunctions => Destination::StepFunctions,
            Waiter::DurableFunctions => Destination::DurableFunctions,
        },
        at,
        subject: String::new(),
        message,
        attributes: vec![(TOKEN.to_owned(), callback.token.expose().to_owned())],
        detail_type: answer.as_str().to_owned(),
        resources: Vec::new(),
        data_types: Default::default(),
        by_protocol: false,
        log: None,
    }
}
