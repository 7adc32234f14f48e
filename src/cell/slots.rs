//! The right to call RunTask: a slot of the governor, room in the cluster, and one of a bounded number of calls a kind.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::Inner;
use super::backoff::{self, Backoff};
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
        let mut backoff = Backoff::new(FIRST_WAIT, LONGEST_WAIT, token).after(throttled.saturating_sub(1));
        // Counted for as long as it waits: many of them hold back new calls.
        let _counted = (throttled > 0).then(|| self.governor.waits_again(place.kind));
        if throttled > 0 && !backoff.wait(&self.ended).await {
            return None;
        }
        self.slot_after(place, tasks, backoff).await
    }

    /// A slot for a call that has waited as long as it had to, and held none meanwhile. `None` once the cell has ended.
    pub(super) async fn slot_after(&self, place: &Place, tasks: usize, mut backoff: Backoff) -> Option<Slot> {
        let grant = loop {
            match self.governor.again(place, tasks) {
                Ok(grant) => break grant,
                Err(wait) => {
                    if !backoff::sleep(backoff.spread(wait), &self.ended).await {
                        return None;
                    }
                }
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
