//! What an attempt came to, as far as storms are concerned.

use uuid::Uuid;

use crate::core::failure::{Class, Failure, Transience};
use crate::core::run::{Attempt, Run, Stage, Status};
use crate::core::time::Timestamp;

/// What an attempt came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome<'a> {
    /// Its task started: whatever happens then, the task definition can be launched.
    Started,
    /// It failed for a reason that another try never cures.
    Failed(&'a Failure),
    /// It was over before anybody could tell: no capacity, stopped, timed out.
    Inconclusive,
}

/// An attempt, and what it came to.
#[derive(Clone, Copy, Debug)]
pub struct Seen<'a> {
    /// As the request names it: `family:revision` or `family`.
    pub task_definition: &'a str,
    /// The run.
    pub run: Uuid,
    /// Its name.
    pub name: &'a str,
    /// When RunTask was called for it, if it was.
    pub launched_at: Option<Timestamp>,
    /// What it came to.
    pub outcome: Outcome<'a>,
}

/// How a run was before an input.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Before {
    over: bool,
    started: bool,
}

impl Before {
    /// A run as it is now.
    pub fn of(run: &Run) -> Self {
        Self { over: is_over(run), started: run.attempt().is_some_and(|a| has_started(run, a)) }
    }

    /// What the input made of its newest attempt, if that says anything.
    pub fn seen(self, run: &Run) -> Option<Seen<'_>> {
        let attempt = run.attempt()?;
        let over = is_over(run) && !self.over;
        // Once its containers ran the task definition can be launched, whatever the program comes to.
        let launches = has_started(run, attempt);
        let started = launches && !self.started;
        let permanent = attempt.failure.as_ref().filter(|failure| over && !launches && is_permanent(failure));
        let outcome = match permanent {
            Some(failure) => Outcome::Failed(failure),
            None if started => Outcome::Started,
            None if over => Outcome::Inconclusive,
            None => return None,
        };
        let task_definition = run.task_definition().rsplit('/').next().unwrap_or_default();
        Some(Seen { task_definition, run: run.id, name: &run.name, launched_at: attempt.launched_at, outcome })
    }
}

fn is_over(run: &Run) -> bool {
    run.status.is_final() || run.attempt().is_some_and(|attempt| attempt.stage == Stage::Over)
}

/// Whether the newest attempt's containers ran.
fn has_started(run: &Run, attempt: &Attempt) -> bool {
    attempt.started_at.is_some() || attempt.exit_code.is_some() || run.status == Status::Succeeded
}

/// That somebody stopped it says nothing of the task definition.
fn is_permanent(failure: &Failure) -> bool {
    failure.transience == Transience::Permanent && failure.class != Class::Stopped
}
