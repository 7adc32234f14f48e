//! An attempt, and what it came to.

use uuid::Uuid;

use crate::core::name;
use crate::core::time::Timestamp;
pub use crate::core::transition::Outcome;
use crate::core::transition::Transition;

/// An attempt, and what it came to.
#[derive(Clone, Copy, Debug)]
pub struct AttemptOutcome<'a> {
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

impl<'a> AttemptOutcome<'a> {
    /// What a transition says of its task definition, if anything.
    pub fn of(transition: &Transition<'a>) -> Option<Self> {
        let (run, outcome) = (transition.run(), transition.outcome()?);
        let task_definition = name::in_arn(run.task_definition());
        let launched_at = run.attempt()?.launched_at;
        Some(Self { task_definition, run: run.id, name: &run.name, launched_at, outcome })
    }
}
