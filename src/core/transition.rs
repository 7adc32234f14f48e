//! What an input made of a run: how far it was before, and how far it is now.

use super::failure::{Class, Failure, Transience};
use super::run::{Attempt, Run, Stage, Status};

/// How far a run was.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Snapshot {
    is_final: bool,
    attempt: u32,
    over: bool,
    placed: bool,
    running: bool,
    ran: bool,
}

impl Snapshot {
    /// A run as it is now.
    pub fn of(run: &Run) -> Self {
        let last = run.attempt();
        Self {
            is_final: run.status.is_final(),
            attempt: last.map_or(0, |a| a.number),
            over: last.is_some_and(|a| a.stage == Stage::Over),
            placed: last.is_some_and(|a| a.task_arn.is_some()),
            running: last.is_some_and(|a| a.started_at.is_some()),
            ran: last.is_some_and(|a| ran(run, a)),
        }
    }
}

/// The change from a snapshot to the run as it is.
#[derive(Clone, Copy, Debug)]
pub struct Transition<'r> {
    before: Snapshot,
    run: &'r Run,
}

impl<'r> Transition<'r> {
    /// From `before` to `run`.
    pub const fn between(before: Snapshot, run: &'r Run) -> Self {
        Self { before, run }
    }

    /// The run as it is now.
    pub const fn run(&self) -> &'r Run {
        self.run
    }

    /// The newest attempt, if it has come to what `now` says and had not before.
    fn came_to(&self, before: bool, now: impl Fn(&Attempt) -> bool) -> Option<&'r Attempt> {
        self.run.attempt().filter(|a| now(a) && (a.number > self.before.attempt || !before))
    }

    /// The newest attempt, if its task has just become known.
    pub fn placed(&self) -> Option<&'r Attempt> {
        self.came_to(self.before.placed, |a| a.task_arn.is_some())
    }

    /// The newest attempt, if its task has just been seen to have reached RUNNING.
    pub fn running(&self) -> Option<&'r Attempt> {
        self.came_to(self.before.running, |a| a.started_at.is_some())
    }

    /// The newest attempt, if it has just ended.
    pub fn over(&self) -> Option<&'r Attempt> {
        self.came_to(self.before.over, |a| a.stage == Stage::Over)
    }

    /// The failure with which the newest attempt has just ended.
    pub fn failed(&self) -> Option<&'r Failure> {
        self.over()?.failure.as_ref()
    }

    /// The run's final status, if it has just got one.
    pub fn ended(&self) -> Option<Status> {
        Some(self.run.status).filter(|status| status.is_final() && !self.before.is_final)
    }

    /// What the newest attempt came to, if that has just been decided.
    pub fn outcome(&self) -> Option<Outcome<'r>> {
        let attempt = self.run.attempt()?;
        let over = is_over(self.run.status.is_final(), attempt.stage == Stage::Over)
            && !is_over(self.before.is_final, self.before.over);
        // Once its containers ran the task definition can be launched, whatever the program comes to.
        let ran = ran(self.run, attempt);
        let permanent = attempt.failure.as_ref().filter(|failure| over && !ran && is_permanent(failure));
        match permanent {
            Some(failure) => Some(Outcome::Failed(failure)),
            None if ran && !self.before.ran => Some(Outcome::Started),
            None if over => Some(Outcome::Inconclusive),
            None => None,
        }
    }
}

/// What an attempt says of its task definition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome<'a> {
    /// Its containers ran: whatever happens then, the task definition can be launched.
    Started,
    /// It failed for a reason that another try never cures.
    Failed(&'a Failure),
    /// It was over before anybody could tell: no capacity, stopped, timed out.
    Inconclusive,
}

const fn is_over(is_final: bool, attempt_over: bool) -> bool {
    is_final || attempt_over
}

/// Whether the newest attempt's containers ran.
fn ran(run: &Run, attempt: &Attempt) -> bool {
    attempt.started_at.is_some() || attempt.exit_code.is_some() || run.status == Status::Succeeded
}

/// That somebody stopped it says nothing of the task definition.
fn is_permanent(failure: &Failure) -> bool {
    failure.transience == Transience::Permanent && failure.class != Class::Stopped
}
