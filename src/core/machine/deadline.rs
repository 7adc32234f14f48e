//! What is to happen when nothing happens: retries, timeouts, and StopTask asked for again.

use std::time::Duration;

use super::{Effect, Stage, Status, begin_stop, end_early, ending, open_attempt, stop_effect};
use crate::core::failure;
use crate::core::run::{Attempt, Run};
use crate::core::time::Timestamp;

/// A StopTask that showed no effect for so long is sent again. Fargate lets a container take up to 120 s to stop.
const STOP_AGAIN: Duration = Duration::from_secs(150);

/// The next instant at which [`super::Input::Due`] must reach the run, if nothing else does before.
pub fn next_deadline(run: &Run) -> Option<Timestamp> {
    if run.status.is_final() {
        return None;
    }
    let attempt = run.attempt();
    [
        run.retry_at.filter(|_| run.status == Status::PendingRetry),
        run_timeout(run),
        attempt.and_then(|a| start_timeout(run, a)),
        attempt.and_then(|a| attempt_timeout(run, a)),
        attempt.and_then(stop_again),
    ]
    .into_iter()
    .flatten()
    .min()
}

/// Does what is due; at most one of these at a time, the run's own end first.
pub(super) fn due(run: &mut Run, now: Timestamp, effects: &mut Vec<Effect>) -> bool {
    let over = |at: Option<Timestamp>| at.is_some_and(|at| at <= now);
    if over(run_timeout(run)) {
        run.timed_out = true;
        let limit = run.spec.timeout_seconds.unwrap_or_default();
        end_early(run, failure::run_timeout(limit).into(), now, effects);
        return true;
    }
    if run.status == Status::PendingRetry && over(run.retry_at) {
        open_attempt(run, now, effects);
        return true;
    }
    let Some(attempt) = run.attempt() else { return false };
    if over(start_timeout(run, attempt)) {
        begin_stop(
            run,
            failure::start_timeout(run.spec.start_timeout_seconds.unwrap_or_default()).into(),
            now,
            effects,
        );
    } else if over(attempt_timeout(run, attempt)) {
        let limit = run.spec.attempt_timeout_seconds.unwrap_or_default();
        let started = attempt.started_at.is_some();
        begin_stop(run, failure::attempt_timeout(limit, started).into(), now, effects);
    } else if over(stop_again(attempt)) {
        effects.extend(stop_effect(attempt));
        if let Some(attempt) = run.attempts.last_mut() {
            attempt.stop_sent_at = Some(now);
        }
    } else {
        return false;
    }
    true
}

fn run_timeout(run: &Run) -> Option<Timestamp> {
    let seconds = run.spec.timeout_seconds.filter(|_| ending::condemned(run).is_none())?;
    Some(run.began_at().plus(Duration::from_secs(seconds)))
}

fn start_timeout(run: &Run, attempt: &Attempt) -> Option<Timestamp> {
    let waits = attempt.stage == Stage::Placed && attempt.started_at.is_none();
    let seconds = run.spec.start_timeout_seconds.filter(|_| waits)?;
    attempt.placed_at.map(|at| at.plus(Duration::from_secs(seconds)))
}

fn attempt_timeout(run: &Run, attempt: &Attempt) -> Option<Timestamp> {
    let seconds = run.spec.attempt_timeout_seconds.filter(|_| attempt.stage == Stage::Placed)?;
    attempt.placed_at.map(|at| at.plus(Duration::from_secs(seconds)))
}

fn stop_again(attempt: &Attempt) -> Option<Timestamp> {
    attempt.stop_sent_at.filter(|_| attempt.stage == Stage::Stopping).map(|at| at.plus(STOP_AGAIN))
}
