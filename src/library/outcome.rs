//! How a run ended.

use serde_json::Value;
use uuid::Uuid;

use crate::core::failure::Failure;
use crate::core::ids::TaskArn;
use crate::core::notification;
use crate::core::run::{Attempts, Run, Status};

/// How a run ended, with every attempt.
#[derive(Clone, Debug)]
pub struct Outcome {
    run: Run,
}

impl Outcome {
    pub(super) fn new(run: Run) -> Self {
        Self { run }
    }

    /// The run's id.
    pub fn id(&self) -> Uuid {
        self.run.id
    }

    /// The run's name.
    pub fn name(&self) -> &str {
        &self.run.name
    }

    /// `Succeeded`, `Failed`, `TimedOut` or `Aborted`.
    pub fn status(&self) -> Status {
        self.run.status
    }

    /// Whether it reached its goal.
    pub fn succeeded(&self) -> bool {
        self.run.status == Status::Succeeded
    }

    /// The attempts, the first one first: task, times, exit code and failure. Of more than 60 the first 10 and the last 50 are
    /// there; [`Attempts::total`] says how many there were.
    pub fn attempts(&self) -> &Attempts {
        &self.run.attempts
    }

    /// The task of the last attempt, if it had one. With `until: "running"` it is the one that runs now.
    pub fn task_arn(&self) -> Option<&TaskArn> {
        self.run.attempt()?.task_arn.as_ref()
    }

    /// The exit code that decided, of the last attempt.
    pub fn exit_code(&self) -> Option<i64> {
        self.run.attempt()?.exit_code
    }

    /// What ended a run that did not reach its goal: error, class, cause and hint.
    pub fn failure(&self) -> Option<&Failure> {
        self.run.ended_by.as_deref()
    }

    /// As `taskwatch run` prints it and notifications carry it: environment values masked.
    pub fn to_json(&self, cell: &str) -> Value {
        let mut value = notification::detail(&self.run, cell);
        value["exitCode"] = self.exit_code().into();
        if let Some(failure) = self.failure() {
            value["hint"] = failure.hint_with(&self.lines_by()).into();
        }
        value
    }

    /// The command that shows what its newest task wrote.
    fn lines_by(&self) -> String {
        let task = self.task_arn().map(ToString::to_string);
        format!("taskwatch explain {} --logs", task.as_deref().unwrap_or("TASK"))
    }

    /// The outcome of a run that reached its goal, else an error whose text says what failed, why, and what to do.
    ///
    /// # Errors
    /// The run did not reach its goal.
    pub fn into_result(self) -> Result<Self, RunFailed> {
        if self.succeeded() { Ok(self) } else { Err(RunFailed(Box::new(self))) }
    }
}

/// A run that did not reach its goal.
#[derive(Debug, thiserror::Error)]
#[error("{}", self.text())]
pub struct RunFailed(
    /// How it ended.
    pub Box<Outcome>,
);

impl RunFailed {
    fn text(&self) -> String {
        let (name, status, attempts) = (self.0.name(), self.0.status().as_str(), self.0.attempts().total());
        let after = format!("{name} {status} after {attempts} attempt{}", if attempts == 1 { "" } else { "s" });
        match self.0.failure() {
            Some(failure) => {
                let cause = failure.cause.split_whitespace().collect::<Vec<_>>().join(" ");
                format!("{after}: {}: {cause}; {}", failure.error, failure.hint_with(&self.0.lines_by()))
            }
            None => after,
        }
    }
}
