//! Changes limits and pauses while the cell runs.

use std::sync::Arc;

use tokio::sync::Notify;

use crate::cell::clock::Clock;
use crate::cell::commit::{Commit, Pipeline};
use crate::cell::control::{BreakerControl, EffectiveLimits, FleetLimits, Limits, LimitsChange, LimitsError, Pause};
use crate::store::Change;

/// The note in the store.
pub(in crate::cell) const NOTE: &str = "limits";

/// Changes what is in force.
pub(in crate::cell) struct LimitsControl {
    limits: Arc<EffectiveLimits>,
    breakers: Arc<BreakerControl>,
    pipeline: Arc<Pipeline>,
    clock: Clock,
    wake_launcher: Arc<Notify>,
    one_at_a_time: tokio::sync::Mutex<()>,
}

impl LimitsControl {
    pub(in crate::cell) fn new(
        limits: Arc<EffectiveLimits>,
        breakers: Arc<BreakerControl>,
        pipeline: Arc<Pipeline>,
        clock: Clock,
        wake_launcher: Arc<Notify>,
    ) -> Self {
        Self { limits, breakers, pipeline, clock, wake_launcher, one_at_a_time: tokio::sync::Mutex::default() }
    }

    /// Changes limits and pauses; durable, and in force, when this answers.
    pub(in crate::cell) async fn change(&self, change: LimitsChange) -> Result<Arc<Limits>, LimitsError> {
        let _one_at_a_time = self.one_at_a_time.lock().await;
        let resumed: Vec<Pause> = change.resume.iter().cloned().map(Pause::plainly).collect();
        let (by, reason) = (change.by.clone(), change.reason.clone());
        let known = self.limits.overrides();
        let next = known.changed(change, self.clock.now())?;
        let text = serde_json::to_string(&next).map_err(|e| LimitsError::Wrong(e.to_string()))?;
        let (commit, pending) = Commit::of(vec![Change::Note { name: NOTE.into(), text }]);
        let permit = self.pipeline.reserve().await.ok_or(LimitsError::Closed)?;
        if !self.send(commit, &resumed, next != known, |commit| permit.send(commit)) {
            return Ok(self.limits.current());
        }
        pending.durable().await.ok_or(LimitsError::Closed)?;
        let limits = self.limits.set(next);
        tracing::info!(limits = serde_json::to_string(&*limits).unwrap_or_default(), by, reason, "limits were changed");
        self.wake_launcher.notify_one();
        Ok(limits)
    }
    /// Follows the limits of the fleet, which its table keeps.
    pub(in crate::cell) async fn follow(&self, fleet: &FleetLimits) -> Result<(), LimitsError> {
        let _one_at_a_time = self.one_at_a_time.lock().await;
        let closed = fleet.closes(&self.breakers.open());
        if !closed.is_empty() {
            let (commit, pending) = Commit::of(Vec::new());
            let permit = self.pipeline.reserve().await.ok_or(LimitsError::Closed)?;
            if self.send(commit, &closed, false, |commit| permit.send(commit)) {
                pending.durable().await.ok_or(LimitsError::Closed)?;
            }
        }
        if self.limits.overrides() != *fleet.overrides() {
            let limits = self.limits.set(fleet.overrides().clone());
            let shown = serde_json::to_string(&*limits).unwrap_or_default();
            tracing::info!(limits = shown, "limits of the fleet were changed");
            self.wake_launcher.notify_one();
        }
        Ok(())
    }

    /// Has the change sent with what it means for circuit breakers; false if it changes nothing.
    fn send(&self, mut commit: Commit, resumed: &[Pause], changes: bool, send: impl FnOnce(Commit)) -> bool {
        let recorded = self.breakers.resume(resumed, self.clock.now());
        let moves = changes || !recorded.is_nothing();
        if moves {
            recorded.send(|notifications, note| {
                commit.post(notifications);
                note.into_iter().for_each(|note| commit.push(note));
                send(commit);
            });
        }
        moves
    }
}
