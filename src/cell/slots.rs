//! The right to call RunTask: a slot of the governor, room in the cluster, and one of a bounded number of calls a kind.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::Inner;
use super::governor::Grant;
use super::place::{Kind, Place};

/// RunTask calls of one kind under way at once: a kind that answers slowly holds up no other.
const CALLS_AT_ONCE: usize = 32;
/// What waits for room is told when there is some; this is for what is missed.
const LOOK_AGAIN: Duration = Duration::from_secs(1);
const FIRST_WAIT: Duration = Duration::from_millis(200);
const LONGEST_WAIT: Duration = Duration::from_secs(10);

/// The right to make one call, for as long as it lives.
pub(super) struct Slot {
    pub(super) grant: Grant,
    _call: OwnedSemaphorePermit,
}

/// The calls under way, by kind.
pub(super) struct Calls([Arc<Semaphore>; 4]);

impl Default for Calls {
    fn default() -> Self {
        Self(std::array::from_fn(|_| Arc::new(Semaphore::new(CALLS_AT_ONCE))))
    }
}

impl Calls {
    fn of(&self, kind: Kind) -> Arc<Semaphore> {
        Arc::clone(&self.0[kind as usize])
    }
}

impl Inner {
    /// A slot for up to `alike` new tasks, or when to ask again.
    pub(super) fn slot(&self, place: &Place, alike: usize) -> Result<Slot, Duration> {
        let call = self.calls.of(place.kind).try_acquire_owned().map_err(|_| LOOK_AGAIN)?;
        let room = match place.kind {
            // ECS refuses more (500 tasks in PROVISIONING a cluster, Amazon ECS service quotas).
            Kind::Provider => self.limits().max_provisioning.saturating_sub(self.registry.provisioning(&place.cluster)),
            _ => alike,
        };
        if room == 0 {
            return Err(LOOK_AGAIN);
        }
        let grant = self.governor.admit(place, alike.min(room))?;
        Ok(Slot { grant, _call: call })
    }

    /// A slot for a call that goes out again, with the same tasks and token. `throttled` says how often in a row it was:
    /// each time it waits longer, and no two calls wait alike. `None` once the cell has ended.
    pub(super) async fn slot_again(&self, place: &Place, tasks: usize, token: &str, throttled: u32) -> Option<Slot> {
        let _counted = (throttled > 0).then(|| self.governor.waits_again(place.kind));
        let mut tries = throttled;
        let mut wait = back_off(token, throttled);
        let grant = loop {
            tokio::select! {
                biased;
                () = self.ended.cancelled() => return None,
                () = tokio::time::sleep(wait) => {}
            }
            tries += 1;
            match self.governor.again(place, tasks) {
                Ok(grant) => break grant,
                Err(longer) => wait = longer.mul_f64(1.0 + chance(token, tries) / 4.0),
            }
        };
        let call = self.calls.of(place.kind).acquire_owned();
        tokio::select! {
            biased;
            () = self.ended.cancelled() => None,
            call = call => Some(Slot { grant, _call: call.ok()? }),
        }
    }
}

/// Half of the wait is chance (AWS advises jitter).
fn back_off(token: &str, throttled: u32) -> Duration {
    let Some(doublings) = throttled.checked_sub(1) else { return Duration::ZERO };
    let wait = FIRST_WAIT.saturating_mul(2_u32.saturating_pow(doublings.min(16))).min(LONGEST_WAIT);
    wait.mul_f64(0.5 + chance(token, throttled) / 2.0)
}

/// 0..1: different for each call and try, and the same when it all happens again.
fn chance(token: &str, tries: u32) -> f64 {
    let mut hasher = DefaultHasher::new();
    (token, tries).hash(&mut hasher);
    (hasher.finish() >> 11) as f64 / (1_u64 << 53) as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn throttled_calls_wait_longer_each_time_and_none_like_another() {
        let of = |call: u32, throttled| back_off(&format!("token-{call}"), throttled).as_millis();
        assert_eq!(of(0, 0), 0);
        for (throttled, longest) in [(1, 200), (2, 400), (5, 3200), (9, 10_000), (40, 10_000)] {
            let waits: Vec<_> = (0..100).map(|call| of(call, throttled)).collect();
            assert!(waits.iter().all(|wait| (longest / 2..=longest).contains(wait)), "{waits:?}");
            let different: std::collections::BTreeSet<_> = waits.iter().collect();
            assert!(different.len() > 50, "{waits:?}");
        }
    }
}
