//! What an event or a DescribeTasks answer means for a run.

use std::sync::Arc;
use std::time::Duration;

use super::{ChangeKind, Effect, Observation, Stage, Status, ending, placed};
use crate::core::failure::{self, Class, Failure, Transience};
use crate::core::ids::{TaskArn, Token};
use crate::core::log::LogPlace;
use crate::core::request::Goal;
use crate::core::run::{Attempt, Run};
use crate::core::task::{Task, TaskStatus};
use crate::core::time::Timestamp;
use crate::core::verdict::{Deciders, Verdict};

/// RunTask is eventually consistent: for so long after the launch a MISSING task is "not yet".
/// AWS advises to ask again with back-off for up to 5 minutes (API reference, RunTask).
const NOT_YET: Duration = Duration::from_secs(300);

impl Observation {
    /// What `task` says, judged by these containers. `token` is the part of its `startedBy` behind the cell's name.
    pub fn of(task: &Task<'_>, token: Option<Token>, deciders: Deciders<'_>) -> Self {
        Self {
            task_arn: TaskArn::from(task.task_arn.as_ref()),
            token,
            version: task.version,
            last_status: TaskStatus::from(task.last_status.as_ref()),
            verdict: task.verdict(deciders),
            healthy: task.health_status.as_deref() == Some("HEALTHY"),
            exit_code: task.exit_code(deciders),
            created_at: task.created_at,
            pull_started_at: task.pull_started_at,
            pull_stopped_at: task.pull_stopped_at,
            started_at: task.started_at,
            stopped_at: task.stopped_at,
            log: None,
        }
    }

    /// The same with the place of the log.
    pub fn with_log(self, log: Option<LogPlace>) -> Self {
        Self { log: log.map(Arc::new), ..self }
    }

    /// Whether the task has reached RUNNING. `startedAt` proves it, and so does the status itself: a Spot notice is an event
    /// with `lastStatus` RUNNING and `desiredStatus` STOPPED, and may lack `startedAt`.
    fn has_run(&self) -> bool {
        self.started_at.is_some() || self.verdict == Verdict::Running || self.last_status == TaskStatus::Running
    }
}

/// Takes in what ECS said. Older and equal versions, other tasks and other attempts change nothing.
pub(super) fn observed(run: &mut Run, seen: &Observation, now: Timestamp, effects: &mut Vec<Effect>) -> ChangeKind {
    // An event may overtake RunTask's answer: it then places the attempt, if it is of the very call that is out.
    let overtook = run.attempt().is_some_and(|a| a.token.is_some() && a.token == seen.token);
    let bound = overtook && placed(run, &seen.task_arn, seen.created_at, now, effects);
    let before = Decisive::of(run);
    let Some(attempt) = run.attempts.last_mut().filter(|a| is_live_task(a, &seen.task_arn)) else {
        return ChangeKind::durable_if(bound);
    };
    let newer = seen.version > attempt.version;
    let healed = seen.healthy && run.spec.until == Goal::Healthy && seen.version == attempt.version;
    if !newer && !healed {
        return ChangeKind::durable_if(bound);
    }
    remember(attempt, seen, now);
    conclude(run, seen, now, effects);
    let decides = bound || Decisive::of(run) != before;
    if decides { ChangeKind::Durable } else { ChangeKind::Transient }
}

/// What an observation may change and later decisions read: see [`ChangeKind`].
#[derive(PartialEq)]
struct Decisive {
    status: Status,
    stage: Option<Stage>,
    started: bool,
    exited: bool,
}

impl Decisive {
    fn of(run: &Run) -> Self {
        let attempt = run.attempt();
        Self {
            status: run.status,
            stage: attempt.map(|a| a.stage),
            started: attempt.is_some_and(|a| a.started_at.is_some()),
            exited: attempt.is_some_and(|a| a.exit_code.is_some()),
        }
    }
}

/// The task of a run that has ended was seen to have stopped: DEPROVISIONING decides, and STOPPED comes later. It decides
/// nothing any more; only what is shown of the task follows it: its status, and when it stopped.
pub(super) fn last_seen(run: &mut Run, seen: &Observation) -> ChangeKind {
    let is_it =
        |attempt: &&mut Attempt| attempt.task_arn.as_ref() == Some(&seen.task_arn) && seen.version > attempt.version;
    let Some(attempt) = run.attempts.last_mut().filter(is_it).filter(|_| seen.last_status == TaskStatus::Stopped)
    else {
        return ChangeKind::Unchanged;
    };
    attempt.version = seen.version;
    attempt.last_status = Some(seen.last_status.clone());
    attempt.stopped_at = seen.stopped_at.or(attempt.stopped_at);
    attempt.log = seen.log.clone().or(attempt.log.take());
    ChangeKind::Transient
}

fn is_live_task(attempt: &Attempt, task_arn: &TaskArn) -> bool {
    matches!(attempt.stage, Stage::Placed | Stage::Stopping) && attempt.task_arn.as_ref() == Some(task_arn)
}

fn remember(attempt: &mut Attempt, seen: &Observation, now: Timestamp) {
    attempt.version = seen.version;
    attempt.last_status = Some(seen.last_status.clone());
    attempt.created_at = seen.created_at.or(attempt.created_at);
    attempt.pull_started_at = seen.pull_started_at.or(attempt.pull_started_at);
    attempt.pull_stopped_at = seen.pull_stopped_at.or(attempt.pull_stopped_at);
    let running = seen.has_run().then_some(now);
    attempt.started_at = seen.started_at.or(attempt.started_at).or(running);
    attempt.stopped_at = seen.stopped_at.or(attempt.stopped_at);
    attempt.exit_code = seen.exit_code.or(attempt.exit_code);
    attempt.heard_at = Some(now);
    attempt.log = seen.log.clone().or(attempt.log.take());
}

fn conclude(run: &mut Run, seen: &Observation, now: Timestamp, effects: &mut Vec<Effect>) {
    let stopping = run.attempt().is_some_and(|a| a.stage == Stage::Stopping);
    let has_run = seen.has_run();
    if run.spec.until == Goal::Running && has_run && !stopping && !never_started(&seen.verdict) {
        return ending::succeed(run, now, effects);
    }
    match &seen.verdict {
        Verdict::Starting | Verdict::Running | Verdict::Stopping if stopping => {}
        Verdict::Running if run.spec.until == Goal::Healthy && seen.healthy => ending::succeed(run, now, effects),
        Verdict::Starting | Verdict::Running | Verdict::Stopping => {
            if has_run && run.spec.until == Goal::Stopped {
                run.status = Status::Running;
            }
        }
        Verdict::Succeeded => ended_well(run, stopping, now, effects),
        Verdict::Failed(failure) => {
            let ours = run.attempt().filter(|_| stopping).and_then(|a| a.failure.clone());
            ending::fail(run, ours.unwrap_or_else(|| Arc::new((**failure).clone())), now, effects);
        }
    }
}

/// `startedAt` proves that a task was RUNNING, except where ECS itself says that it failed to start.
fn never_started(verdict: &Verdict) -> bool {
    matches!(verdict, Verdict::Failed(failure) if failure.names.iter().any(|n| n == "TaskFailedToStart"))
}

/// Every deciding container exited with 0.
fn ended_well(run: &mut Run, stopping: bool, now: Timestamp, effects: &mut Vec<Effect>) {
    let ours = run.attempt().and_then(|a| a.failure.clone()).filter(|_| stopping);
    match (run.spec.until, ours) {
        // It was done before StopTask reached it: its work must not be done again.
        (Goal::Stopped, _) | (Goal::Running, None) => {
            if let Some(attempt) = run.attempts.last_mut() {
                attempt.stage = Stage::Over;
                attempt.stopped_at.get_or_insert(now);
            }
            ending::succeed(run, now, effects);
        }
        (_, Some(failure)) => ending::fail(run, failure, now, effects),
        (Goal::Healthy, None) => ending::fail(run, ended_before_healthy().into(), now, effects),
    }
}

fn ended_before_healthy() -> Failure {
    Failure {
        error: "EssentialContainerExited".into(),
        class: Class::Application,
        transience: Transience::Application,
        cause: "the task ended, with exit code 0, before ECS called it HEALTHY".into(),
        hint: "a task that is to become healthy must go on running; use \"until\": \"stopped\" for a task that ends"
            .into(),
        names: vec!["EssentialContainerExited".into(), "Taskwatch.Application".into()],
    }
}

/// DescribeTasks does not know the task: not yet, right after the launch; lost, long after.
pub(super) fn missing(run: &mut Run, task_arn: &TaskArn, now: Timestamp, effects: &mut Vec<Effect>) -> bool {
    let Some(attempt) = run.attempt().filter(|a| is_live_task(a, task_arn)) else { return false };
    let launched = attempt.placed_at.or(attempt.launched_at).unwrap_or(now);
    if now.since(launched) < NOT_YET {
        return false;
    }
    // Also of a task that was to be stopped nobody can tell whether it ended by that or had done its work.
    let seen = attempt.last_status.is_some();
    ending::fail(run, failure::task_lost(&task_arn.to_string(), seen).into(), now, effects);
    true
}
