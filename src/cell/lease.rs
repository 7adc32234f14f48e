//! Until when a process may act as the owner of its cells. Safety rests on the store's fence; this keeps a process that its fleet
//! does not hear from doing what its successor does as well.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;

use super::clock::Clock;
use crate::core::time::Timestamp;

/// Held, or not. Clones are the same lease: all cells of a process have one.
#[derive(Clone)]
pub struct Lease(Option<Arc<Inner>>);

struct Inner {
    clock: Clock,
    until: Mutex<Option<Timestamp>>,
    /// Wakes those who wait in the order in which they came: a history in the simulated world can be had again.
    set: Notify,
}

impl Inner {
    fn until(&self) -> MutexGuard<'_, Option<Timestamp>> {
        self.until.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Lease {
    /// The lease of a process that shares its cells with no other: always held.
    pub const fn forever() -> Self {
        Self(None)
    }

    /// One that is not held yet, by a clock that goes on while the machine sleeps.
    pub fn new(clock: Clock) -> Self {
        Self(Some(Arc::new(Inner { clock, until: Mutex::default(), set: Notify::new() })))
    }

    /// It is held until then; `None`: no more.
    pub fn set(&self, until: Option<Timestamp>) {
        if let Some(inner) = &self.0 {
            *inner.until() = until;
            inner.set.notify_waiters();
        }
    }

    /// Whether it is held at this moment: by the clock, not by a timer that may be late.
    pub fn is_held(&self) -> bool {
        self.0.as_ref().is_none_or(|inner| {
            let until = *inner.until();
            until.is_some_and(|until| inner.clock.now() <= until)
        })
    }

    /// Resolves when it is held.
    pub async fn held(&self) {
        let Some(inner) = &self.0 else { return };
        loop {
            // It listens before it looks: what is set in between wakes it.
            let set = inner.set.notified();
            if self.is_held() {
                return;
            }
            set.await;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_lease_lapses_by_the_clock_also_while_the_machine_sleeps() {
        let clock = Clock::starting_at(Timestamp::from_millis(0));
        let lease = Lease::new(clock.clone());
        assert!(!lease.is_held() && Lease::forever().is_held());
        lease.set(Some(Timestamp::from_millis(5_500)));
        lease.held().await;
        tokio::time::advance(Duration::from_millis(5_500)).await;
        assert!(lease.is_held());
        clock.sleep_through(Duration::from_millis(1));
        assert!(!lease.is_held());
        let again = tokio::spawn({
            let lease = lease.clone();
            async move { lease.held().await }
        });
        tokio::task::yield_now().await;
        assert!(!again.is_finished());
        lease.set(Some(Timestamp::from_millis(9_000)));
        again.await.expect("it is held again");
    }
}
