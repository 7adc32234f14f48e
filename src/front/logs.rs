//! The lines of an attempt, whichever cell has its run.

use super::Front;
use crate::cell::{LogAnswer, LogReader};
use crate::core::run::{Attempt, Run};
use crate::store::StoreError;

/// Which lines are asked for.
#[derive(Clone, Debug, Default)]
pub struct LinesOf {
    /// The attempt; the newest with a task where it is not said.
    pub attempt: Option<u32>,
    /// The container; the one that decided where it is not said.
    pub container: Option<String>,
    /// How many lines, at most.
    pub lines: u32,
    /// Goes on where an earlier answer ended.
    pub token: Option<String>,
}

/// Why no lines can be asked for.
#[derive(Debug, thiserror::Error)]
pub enum NoLog {
    /// Nobody has such a run.
    #[error("is neither the id nor the name of a run of this cell")]
    NoRun,
    /// The name is that of many.
    #[error("is an array request: name one of its runs, such as {0:?}")]
    Many(String),
    /// The run has no such attempt.
    #[error("{0}")]
    NoAttempt(String),
    /// The process reads no logs.
    #[error("this process has no access to CloudWatch Logs")]
    NoReader,
    /// A store cannot be read.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl Front {
    /// The same, and it reads the lines of containers.
    #[must_use]
    pub fn with_logs(self, logs: LogReader) -> Self {
        Self { logs: Some(logs), ..self }
    }

    /// Lines of a container of an attempt of a run.
    ///
    /// # Errors
    /// There is no such run or attempt, or a store cannot be read. That there are no lines is an answer.
    pub async fn lines(&self, run: &str, of: &LinesOf) -> Result<LogAnswer, NoLog> {
        let logs = self.logs.as_ref().ok_or(NoLog::NoReader)?;
        let page = self.find_page(run, 0, 2).await?;
        let run = match &page.items[..] {
            [] => return Err(NoLog::NoRun),
            [one] => &one.run,
            [one, ..] => return Err(NoLog::Many(one.run.name.clone())),
        };
        let attempt = attempt(run, of.attempt).map_err(NoLog::NoAttempt)?;
        Ok(logs.read(run, attempt, of.container.as_deref(), (of.lines, of.token.as_deref())).await)
    }
}

fn attempt(run: &Run, number: Option<u32>) -> Result<&Attempt, String> {
    let Some(number) = number else {
        let with_task = run.attempts.iter().rev().find(|attempt| attempt.task_arn.is_some());
        return with_task.or_else(|| run.attempts.last()).ok_or_else(|| format!("{} has no attempt yet", run.name));
    };
    let found = run.attempts.iter().find(|attempt| attempt.number == number);
    found.ok_or_else(|| {
        match usize::try_from(number).is_ok_and(|number| (1..=run.attempts.total()).contains(&number)) {
            true => format!("attempt {number} of {} is one of those that are not kept", run.name),
            false => format!("{} has no attempt {number}, only {}", run.name, run.attempts.total()),
        }
    })
}
