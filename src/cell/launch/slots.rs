//! The right to call RunTask: a slot of the governor, room in the cluster, and one of a bounded number of calls a kind.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Notify;

use super::calls::{Call, Calls};
use super::governor::{Governor, Grant};
use super::quota::QuotaPart;
use crate::cell::backoff::Backoff;
use crate::cell::control::EffectiveLimits;
use crate::cell::lifecycle::Lifecycle;
use crate::cell::runs::RunIndex;
use crate::cell::target::{Kind, LaunchTarget};
use crate::core::ids::Token;

/// What waits for room is woken when there is some; this is for what is missed.
const CHECK_AGAIN: Duration = Duration::from_secs(1);
const FIRST_WAIT: Duration = Duration::from_millis(200);
const LONGEST_WAIT: Duration = Duration::from_secs(10);

/// The right to make one call, for as long as it lives.
pub(in crate::cell) struct Slot {
    pub(in crate::cell) grant: Grant,
    _call: Call,
}

/// Gives out slots.
pub(in crate::cell) struct Slots {
    governor: Arc<Governor>,
    part: Arc<QuotaPart>,
    limits: Arc<EffectiveLimits>,
    runs: Arc<RunIndex>,
    lifecycle: Arc<Lifecycle>,
    /// By kind.
    calls: [Arc<Calls>; 4],
}

impl Slots {
    pub(in crate::cell) fn new(
        (governor, part): (Arc<Governor>, Arc<QuotaPart>),
        limits: Arc<EffectiveLimits>,
        runs: Arc<RunIndex>,
        (lifecycle, wake): (Arc<Lifecycle>, &Arc<Notify>),
    ) -> Self {
        let calls = std::array::from_fn(|_| Calls::new(Arc::clone(wake)));
        Self { governor, part, limits, runs, lifecycle, calls }
    }

    fn calls(&self, kind: Kind) -> &Arc<Calls> {
        &self.calls[kind as usize]
    }

    /// Lets so many tasks a second be launched.
    pub(super) fn fit(&self, rate: f64) {
        self.calls.iter().for_each(|calls| calls.fit(rate));
    }

    /// A slot for up to `alike` new tasks, or when to ask again.
    pub(super) fn slot(&self, target: &LaunchTarget, alike: usize) -> Result<Slot, Duration> {
        let call = self.calls(target.kind).try_begin().ok_or(CHECK_AGAIN)?;
        let room = match target.kind {
            // ECS refuses more (500 tasks in PROVISIONING a cluster, Amazon ECS service quotas).
            Kind::Provider => {
                let most = self.limits.current().max_provisioning;
                most.saturating_sub(self.runs.provisioning(&target.cluster))
            }
            _ => alike,
        };
        if room == 0 {
            return Err(CHECK_AGAIN);
        }
        self.part.turn(target.kind)?;
        let grant = self.governor.admit(target, alike.min(room));
        let grant = grant.inspect_err(|wait| self.part.waits(target.kind, *wait))?;
        self.part.went(target.kind, grant.tasks);
        Ok(Slot { grant, _call: call })
    }

    /// A slot for a call that goes out again, with the same tasks and token. `throttled` says how often in a row it was:
    /// each time it waits longer, and no two calls wait alike. `None` once the cell has ended.
    pub(super) async fn slot_again(
        &self,
        target: &LaunchTarget,
        tasks: usize,
        token: Token,
        throttled: u32,
    ) -> Option<Slot> {
        let mut backoff = throttled_backoff(token, throttled);
        // Counted for as long as it waits: many of them hold back new calls.
        let _counted = (throttled > 0).then(|| self.governor.waits_again(target.kind));
        if throttled > 0 && !self.lifecycle.sleep(backoff.next()).await {
            return None;
        }
        let grant = loop {
            match self.governor.again(target, tasks) {
                Ok(grant) => break grant,
                Err(wait) if !self.lifecycle.sleep(backoff.spread(wait)).await => return None,
                Err(_) => {}
            }
        };
        let call = self.lifecycle.unless_ended(self.calls(target.kind).begin()).await??;
        Some(Slot { grant, _call: call })
    }
}

/// The waits of a call that was throttled so often in a row.
fn throttled_backoff(token: Token, throttled: u32) -> Backoff {
    Backoff::new(FIRST_WAIT, LONGEST_WAIT, &token).after(throttled.saturating_sub(1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn throttled_calls_wait_longer_each_time_and_none_like_another() {
        let of = |call: u32, throttled| throttled_backoff(Token::of([call.to_string()]), throttled).next().as_millis();
        for (throttled, longest) in [(1, 200), (2, 400), (5, 3200), (9, 10_000), (40, 10_000)] {
            let waits: Vec<_> = (0..100).map(|call| of(call, throttled)).collect();
            assert!(waits.iter().all(|wait| (longest / 2..=longest).contains(wait)), "{waits:?}");
            let different: std::collections::BTreeSet<_> = waits.iter().collect();
            assert!(different.len() > 50, "{waits:?}");
        }
    }
}
