//! The state machine of a run. Everything that reaches a run goes through [`apply`]; what follows comes out as [`Effect`]s.

use super::failure::Failure;
use super::run::Run;
use super::task::Verdict;
use super::time::Timestamp;

/// What ECS said about one task, with what follows from it.
#[derive(Clone, Debug, PartialEq)]
pub struct Observation {
    /// The task.
    pub task_arn: String,
    /// `detail.version`; equal or lower than one seen is a duplicate.
    pub version: i64,
    /// The task's status.
    pub last_status: String,
    /// How far it is.
    pub verdict: Verdict,
    /// DescribeTasks said HEALTHY.
    pub healthy: bool,
    /// The exit code that decides.
    pub exit_code: Option<i64>,
    /// ECS's `createdAt`.
    pub created_at: Option<Timestamp>,
    /// ECS's `startedAt`: proof that it was RUNNING.
    pub started_at: Option<Timestamp>,
    /// ECS's `stoppedAt`.
    pub stopped_at: Option<Timestamp>,
}

/// Something that happened to a run.
#[derive(Clone, Debug, PartialEq)]
pub enum Input {
    /// It was accepted.
    Submitted,
    /// RunTask is about to be sent with this token for this many runs. Committed before the call is made.
    Launching {
        /// `clientToken`.
        token: String,
        /// `count`.
        group_size: u32,
    },
    /// RunTask answered with a task for it (or an event showed it first).
    Placed {
        /// The task.
        task_arn: String,
        /// ECS's `createdAt`.
        created_at: Option<Timestamp>,
    },
    /// RunTask refused it: `failures[]`, a shortfall, or an exception that is not throttling.
    Refused(Failure),
    /// RunTask was throttled inside a 200: not an attempt, but the next call needs a token of its own.
    Deferred,
    /// An event or a DescribeTasks answer.
    Observed(Observation),
    /// DescribeTasks does not know the task.
    Missing {
        /// The task.
        task_arn: String,
    },
    /// The instant of [`next_deadline`] has come.
    Due,
    /// Somebody wants it stopped.
    StopAsked {
        /// Why.
        reason: String,
    },
}

/// Something to do, once the run is committed. Each is safe to do twice.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Effect {
    /// Give the run's newest attempt (stage `Waiting`) a launch slot.
    Launch,
    /// Call StopTask.
    StopTask {
        /// The task.
        task_arn: String,
        /// What ECS is told.
        reason: String,
    },
    /// The run is final: tell of it (already filtered by `notify.on`).
    Notify,
}

/// What [`apply`] did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Applied {
    /// Whether the run is another than before, and must be committed.
    pub changed: bool,
    /// What to do after the commit.
    pub effects: Vec<Effect>,
}

/// Decides what one input means for one run. Pure: the same run, input and `now` always give the same result.
pub fn apply(run: &mut Run, input: &Input, now: Timestamp) -> Applied {
    let _ = (run, input, now);
    Applied::default()
}

/// The next instant at which [`Input::Due`] must reach the run, if nothing else does before.
pub fn next_deadline(run: &Run) -> Option<Timestamp> {
    run.retry_at
}

/// What a run that was just read from the store needs done again (its notification apart: that is in the outbox).
/// An attempt in stage `Launching` is not in here: the launcher sends its call again, with its token.
pub fn resume(run: &Run) -> Vec<Effect> {
    let _ = run;
    Vec::new()
}
