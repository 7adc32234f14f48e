//! The state machine of a run. Everything that reaches a run goes through [`apply`]; what follows comes out as [`Effect`]s.

#[cfg(test)]
mod crashes;
mod deadline;
mod ending;
#[cfg(test)]
mod long_lives;
mod observe;
#[cfg(test)]
mod properties;
#[cfg(test)]
pub(super) mod tests;

pub use deadline::next_deadline;

use std::sync::Arc;

use super::failure::{self, Failure};
use super::ids::{TaskArn, Token};
use super::log::LogPlace;
use super::retry::RetryCounts;
use super::run::{Attempt, Run, Stage, Status};
use super::task::TaskStatus;
use super::time::Timestamp;
use super::verdict::Verdict;

/// Of a run that a store cannot hold, so many characters of each cause are kept.
const CAUSE_WHEN_TOO_LARGE: usize = 300;

/// What ECS said about one task, with what follows from it.
#[derive(Clone, Debug, PartialEq)]
pub struct Observation {
    /// The task.
    pub task_arn: TaskArn,
    /// The token in its `startedBy` (`<cell>/<token>`): an event that overtakes RunTask's answer is known by it.
    pub token: Option<Token>,
    /// `detail.version`; equal or lower than one seen is a duplicate.
    pub version: i64,
    /// The task's status.
    pub last_status: TaskStatus,
    /// How far it is.
    pub verdict: Verdict,
    /// DescribeTasks said HEALTHY.
    pub healthy: bool,
    /// The exit code that decides.
    pub exit_code: Option<i64>,
    /// ECS's `createdAt`.
    pub created_at: Option<Timestamp>,
    /// ECS's `pullStartedAt`.
    pub pull_started_at: Option<Timestamp>,
    /// ECS's `pullStoppedAt`.
    pub pull_stopped_at: Option<Timestamp>,
    /// ECS's `startedAt`: proof that it was RUNNING.
    pub started_at: Option<Timestamp>,
    /// ECS's `stoppedAt`.
    pub stopped_at: Option<Timestamp>,
    /// Where the lines of the container that decided are, once the task has ended.
    pub log: Option<Arc<LogPlace>>,
}

/// Something that happened to a run.
#[derive(Clone, Debug, PartialEq)]
pub enum Input {
    /// It was accepted.
    Submitted,
    /// RunTask is about to be sent with this token for this many runs. Committed before the call is made.
    Launching {
        /// `clientToken`.
        token: Token,
        /// `count`.
        group_size: u32,
    },
    /// RunTask answered with a task for it (or an event showed it first).
    Placed {
        /// The task.
        task_arn: TaskArn,
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
        task_arn: TaskArn,
    },
    /// The instant of [`next_deadline`] has come.
    Due,
    /// Somebody wants it stopped.
    StopAsked {
        /// Why.
        reason: String,
    },
    /// The store cannot hold what the run has become: it ends, with its texts cut short.
    TooLarge {
        /// What the store said.
        why: String,
    },
    /// Somebody wants it begun again after it ended without reaching its goal.
    Redriven,
}

/// Something to do, once the run is committed. Each is safe to do twice.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Effect {
    /// Give the run's newest attempt (stage `Waiting`) a launch slot.
    Launch,
    /// Call StopTask.
    StopTask {
        /// The task.
        task_arn: TaskArn,
        /// What ECS is told.
        reason: String,
    },
    /// The run is final: tell of it (already filtered by `notify.on`).
    Notify,
    /// An attempt in the middle of very many is kept no longer: the run is not found by these any more.
    Unlink {
        /// Its task.
        task_arn: Option<TaskArn>,
        /// Its token.
        token: Option<Token>,
    },
}

/// What kind of change an input made: whether it has to be committed before its message is acknowledged.
///
/// A change is `Transient` when it only follows the task on its way: `version`, `lastStatus`, `heardAt`, and the times and
/// the exit code that ECS gives, as long as no decision of [`apply`], [`next_deadline`], [`resume`] or a circuit breaker
/// reads them. That the task started, and that a container of it ended, is read, so the first word of it is durable; so is
/// every change of status or stage, and everything that a call or a person caused.
///
/// Events are deleted after a transient change, and a crash may lose it. That costs nothing but display, for
/// - every later event and description of the task carries the same again, and after a start every live task is described;
/// - with an older `version` an event that comes again is new again. It then is what it was, transient; or it came out of
///   order and was passed over, and says something true that is durable, such as RUNNING.
///
/// Of a run that has ended nothing later carries it again: what was last seen of its task is written with the next commit.
///
/// A transient change has no effects.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum ChangeKind {
    /// The run is as it was.
    #[default]
    Unchanged,
    /// It is shown to those who look or listen, and needs no commit.
    Transient,
    /// It must survive a crash: committed before its message is acknowledged and its effects are carried out.
    Durable,
}

impl ChangeKind {
    /// Durable, if anything changed.
    const fn durable_if(changed: bool) -> Self {
        if changed { Self::Durable } else { Self::Unchanged }
    }
}

/// What [`apply`] did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Applied {
    /// Whether the run is another than before, and whether that must be committed.
    pub change: ChangeKind,
    /// What to do after the commit.
    pub effects: Vec<Effect>,
}

impl Applied {
    /// Whether the run is another than before.
    pub fn changed(&self) -> bool {
        self.change != ChangeKind::Unchanged
    }
}

/// Decides what one input means for one run. Pure: the same run, input and `now` always give the same result.
pub fn apply(run: &mut Run, input: &Input, now: Timestamp) -> Applied {
    let mut effects = Vec::new();
    let change = match input {
        Input::Observed(seen) if run.status.is_final() => observe::last_seen(run, seen),
        Input::Redriven => step(run, input, now, &mut effects),
        _ if run.status.is_final() => ChangeKind::Unchanged,
        _ => step(run, input, now, &mut effects),
    };
    if change != ChangeKind::Unchanged {
        run.revision += 1;
    }
    Applied { change, effects }
}

/// What a run that was just read from the store needs done again (its notification apart: that is in the outbox).
/// An attempt in stage `Launching` is not in here: the launcher sends its call again, with its token.
pub fn resume(run: &Run) -> Vec<Effect> {
    if run.status.is_final() {
        return Vec::new();
    }
    match run.attempt() {
        Some(attempt) if attempt.stage == Stage::Waiting => vec![Effect::Launch],
        Some(attempt) if attempt.stage == Stage::Stopping => stop_effect(attempt).into_iter().collect(),
        _ => Vec::new(),
    }
}

fn step(run: &mut Run, input: &Input, now: Timestamp, effects: &mut Vec<Effect>) -> ChangeKind {
    ChangeKind::durable_if(match input {
        Input::Submitted => submitted(run, now, effects),
        Input::Launching { token, group_size } => launching(run, *token, *group_size, now),
        Input::Placed { task_arn, created_at } => placed(run, task_arn, *created_at, now, effects),
        Input::Refused(failure) => refused(run, failure, now, effects),
        Input::Deferred => deferred(run, now, effects),
        Input::Observed(seen) => return observe::observed(run, seen, now, effects),
        Input::Missing { task_arn } => observe::missing(run, task_arn, now, effects),
        Input::Due => deadline::due(run, now, effects),
        Input::StopAsked { reason } => stop_asked(run, reason, now, effects),
        Input::TooLarge { why } => too_large(run, why, now, effects),
        Input::Redriven => redriven(run, now, effects),
    })
}

fn submitted(run: &mut Run, now: Timestamp, effects: &mut Vec<Effect>) -> bool {
    let fresh = run.attempts.is_empty() && run.status == Status::Queued;
    if fresh {
        // A start in the past is now.
        match run.spec.start_at.filter(|at| *at > now) {
            Some(at) => {
                run.status = Status::PendingRetry;
                run.retry_at = Some(at);
            }
            None => open_attempt(run, now, effects),
        }
    }
    fresh
}

/// Begins an ended run again, as if it had just been submitted, and at once, whatever its `startAt`: every retrier anew, the placement as the request stands,
/// `timeoutSeconds` from now. What it has tried stays its history, and attempts are numbered on from there. Step Functions'
/// redrive resets its retry counts in the same way (developer guide, "Restarting state machine executions with redrive").
fn redriven(run: &mut Run, now: Timestamp, effects: &mut Vec<Effect>) -> bool {
    // No container of an ended run can be running: its last attempt is over, so there is still one live attempt at most.
    let may = run.can_be_redriven();
    if may {
        run.counts = RetryCounts::default();
        run.finished_at = None;
        run.stop_asked = None;
        run.timed_out = false;
        run.ended_by = None;
        run.redrives = run.redrives.saturating_add(1);
        run.redriven_at = Some(now);
        open_attempt_at(run, 0, now, effects);
    }
    may
}

/// Begins the next attempt: it waits for a slot.
fn open_attempt(run: &mut Run, now: Timestamp, effects: &mut Vec<Effect>) {
    let placement = run.attempt().map_or(0, |last| ending::next_placement(run, last));
    open_attempt_at(run, placement, now, effects);
}

fn open_attempt_at(run: &mut Run, placement: usize, now: Timestamp, effects: &mut Vec<Effect>) {
    let number = run.attempts.last().map_or(1, |last| last.number.saturating_add(1));
    let dropped = run.attempts.push(Attempt { queued_at: Some(now), ..Attempt::new(number, placement) });
    run.status = Status::Queued;
    run.retry_at = None;
    effects.push(Effect::Launch);
    let is_known_by = |attempt: &Attempt| attempt.task_arn.is_some() || attempt.token.is_some();
    let unlink = |attempt: Attempt| Effect::Unlink { task_arn: attempt.task_arn, token: attempt.token };
    effects.extend(dropped.into_iter().filter(is_known_by).map(unlink));
}

fn launching(run: &mut Run, token: Token, group_size: u32, now: Timestamp) -> bool {
    let Some(attempt) = run.attempts.last_mut().filter(|a| a.stage == Stage::Waiting) else { return false };
    attempt.stage = Stage::Launching;
    attempt.token = Some(token);
    attempt.group_size = u8::try_from(group_size).unwrap_or(u8::MAX);
    attempt.launched_at = Some(now);
    true
}

fn placed(
    run: &mut Run,
    task_arn: &TaskArn,
    created_at: Option<Timestamp>,
    now: Timestamp,
    effects: &mut Vec<Effect>,
) -> bool {
    let Some(attempt) = run.attempts.last_mut().filter(|a| a.stage == Stage::Launching) else { return false };
    attempt.stage = Stage::Placed;
    attempt.task_arn = Some(task_arn.clone());
    attempt.created_at = created_at.or(attempt.created_at);
    attempt.placed_at = Some(now);
    attempt.heard_at = Some(now);
    run.status = Status::Starting;
    if let Some(failure) = ending::condemned(run) {
        begin_stop(run, failure, now, effects);
    }
    true
}

fn refused(run: &mut Run, failure: &Failure, now: Timestamp, effects: &mut Vec<Effect>) -> bool {
    let launching = run.attempt().is_some_and(|a| a.stage == Stage::Launching);
    if launching {
        let failure = ending::condemned(run).unwrap_or_else(|| failure.clone().into());
        ending::fail(run, failure, now, effects);
    }
    launching
}

fn deferred(run: &mut Run, now: Timestamp, effects: &mut Vec<Effect>) -> bool {
    if !run.attempt().is_some_and(|a| a.stage == Stage::Launching) {
        return false;
    }
    if let Some(failure) = ending::condemned(run) {
        ending::fail(run, failure, now, effects);
    } else if let Some(attempt) = run.attempts.last_mut() {
        attempt.stage = Stage::Waiting;
        attempt.token = None;
        attempt.call = attempt.call.saturating_add(1);
        effects.push(Effect::Launch);
    }
    true
}

fn stop_asked(run: &mut Run, reason: &str, now: Timestamp, effects: &mut Vec<Effect>) -> bool {
    if run.stop_asked.is_some() {
        return false;
    }
    run.stop_asked = Some(reason.to_owned());
    end_early(run, failure::stop_asked(reason).into(), now, effects);
    true
}

/// Cuts what ECS said to a length that any store takes, and ends the run.
fn too_large(run: &mut Run, why: &str, now: Timestamp, effects: &mut Vec<Effect>) -> bool {
    let failure = failure::too_large(why);
    // It is small already, and on its way to its end: once more would change nothing.
    if run.attempt().and_then(|attempt| attempt.failure.as_ref()).is_some_and(|known| known.error == failure.error) {
        return false;
    }
    for known in run.attempts.iter_mut().filter_map(|attempt| attempt.failure.as_mut()) {
        let known = Arc::make_mut(known);
        known.cause = known.cause.chars().take(CAUSE_WHEN_TOO_LARGE).collect();
    }
    run.stop_asked = run.stop_asked.take().map(|reason| reason.chars().take(CAUSE_WHEN_TOO_LARGE).collect());
    end_early(run, failure.into(), now, effects);
    true
}

/// Ends a run whose time is over or that somebody wants stopped: at once if nothing of it can be running,
/// else by way of StopTask. While RunTask's answer is out, the placement decides.
fn end_early(run: &mut Run, failure: Arc<Failure>, now: Timestamp, effects: &mut Vec<Effect>) {
    match run.attempt().map(|a| a.stage) {
        Some(Stage::Launching) => {}
        Some(Stage::Placed) => begin_stop(run, failure, now, effects),
        Some(Stage::Stopping) => {
            if let Some(attempt) = run.attempts.last_mut() {
                attempt.failure = Some(failure);
            }
        }
        Some(Stage::Waiting) => ending::fail(run, failure, now, effects),
        Some(Stage::Over) | None => ending::finish(run, now, effects),
    }
}

/// Asks for StopTask; `failure` is what the attempt ends with once the task has stopped.
fn begin_stop(run: &mut Run, failure: Arc<Failure>, now: Timestamp, effects: &mut Vec<Effect>) {
    let Some(attempt) = run.attempts.last_mut() else { return };
    attempt.stage = Stage::Stopping;
    attempt.failure = Some(failure);
    attempt.stop_sent_at = Some(now);
    effects.extend(stop_effect(attempt));
}

fn stop_effect(attempt: &Attempt) -> Option<Effect> {
    let reason = attempt.failure.as_ref().map_or("taskwatch", |f| f.error.as_str());
    let cause = attempt.failure.as_ref().map_or("", |f| f.cause.as_str());
    // ECS takes up to 255 characters and shows them as stoppedReason: what a person reads in the console.
    let reason = format!("taskwatch: {reason}: {cause}").chars().take(255).collect();
    attempt.task_arn.clone().map(|task_arn| Effect::StopTask { task_arn, reason })
}
