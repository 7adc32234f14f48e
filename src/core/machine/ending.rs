//! How attempts and runs end.

use std::sync::Arc;

use super::{Effect, Stage, Status};
use crate::core::failure::{self, Class, Failure, Transience};
use crate::core::run::{Attempt, Run};
use crate::core::time::Timestamp;

/// Why the run has to end whatever its task does, if it has.
pub(super) fn condemned(run: &Run) -> Option<Arc<Failure>> {
    if let Some(reason) = &run.stop_asked {
        return Some(failure::stop_asked(reason).into());
    }
    run.timed_out.then(|| failure::run_timeout(run.spec.timeout_seconds.unwrap_or_default()).into())
}

/// The newest attempt is over with this failure: the run waits for its next one, or ends.
pub(super) fn fail(run: &mut Run, failure: Arc<Failure>, now: Timestamp, effects: &mut Vec<Effect>) {
    let roll = roll(run);
    if let Some(attempt) = run.attempts.last_mut() {
        attempt.stage = Stage::Over;
        attempt.stopped_at.get_or_insert(now);
        attempt.failure = Some(Arc::clone(&failure));
    }
    if condemned(run).is_some() {
        return finish(run, now, effects);
    }
    let spec = Arc::clone(&run.spec);
    match spec.retry.next_wait(&mut run.counts, &failure.names, roll) {
        Some(wait) => {
            run.status = Status::PendingRetry;
            run.retry_at = Some(now.plus(wait));
        }
        None => finish(run, now, effects),
    }
}

/// The goal was reached.
pub(super) fn succeed(run: &mut Run, now: Timestamp, effects: &mut Vec<Effect>) {
    if let Some(attempt) = run.attempts.last_mut() {
        attempt.failure = None;
    }
    end(run, Status::Succeeded, now, effects);
}

/// No attempt is live and none will follow.
pub(super) fn finish(run: &mut Run, now: Timestamp, effects: &mut Vec<Effect>) {
    run.ended_by = condemned(run).or_else(|| run.attempt().and_then(|last| last.failure.clone()));
    let timed_out = run.failure().is_some_and(|f| f.names.iter().any(|n| n == "States.Timeout"));
    let status = if run.stop_asked.is_some() {
        Status::Aborted
    } else if run.timed_out || timed_out {
        Status::TimedOut
    } else {
        Status::Failed
    };
    end(run, status, now, effects);
}

fn end(run: &mut Run, status: Status, now: Timestamp, effects: &mut Vec<Effect>) {
    run.status = status;
    run.finished_at = Some(now);
    run.retry_at = None;
    let notify = &run.spec.notify;
    if notify.on.as_ref().is_none_or(|on| on.contains(&status)) || notify.callback().is_some() {
        effects.push(Effect::Notify);
    }
}

/// Where the attempt after `last` goes: on to the next placement if that may cure its failure; the last one repeats.
pub(super) fn next_placement(run: &Run, last: &Attempt) -> usize {
    let moves = last.failure.as_ref().is_some_and(|f| f.transience == Transience::Elsewhere || f.class == Class::Spot);
    if moves { (last.placement + 1).min(run.spec.placements.len()) } else { last.placement }
}

/// A number in 0..1 for jitter: random between runs and attempts, yet a function of both, so that a replay waits as long.
fn roll(run: &Run) -> f64 {
    let seed = uuid::Uuid::new_v5(&run.id, &(run.attempts.total() as u64).to_be_bytes()).as_u128();
    ((seed >> 75) & ((1 << 53) - 1)) as f64 / (1_u64 << 53) as f64
}
