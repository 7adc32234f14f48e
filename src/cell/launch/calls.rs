//! RunTask calls of one kind of capacity that are under way: a bounded number, so that one that answers slowly holds up no other.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore};

/// At least so many may be under way at once.
const LEAST: usize = 32;
/// And at most: each is a connection.
const MOST: usize = 512;
/// As many as are sent in this time may be under way. How long RunTask takes AWS does not say; one that takes longer slows the launches.
const ANSWERED_WITHIN_SECONDS: f64 = 1.0;

pub(super) struct Calls {
    free: Arc<Semaphore>,
    most: AtomicUsize,
    /// Somebody was refused: the end of a call wakes the launcher.
    wanted: AtomicBool,
    wake: Arc<Notify>,
}

/// One call, for as long as it lives.
pub(in crate::cell) struct Call {
    permit: Option<OwnedSemaphorePermit>,
    calls: Arc<Calls>,
}

impl Drop for Call {
    fn drop(&mut self) {
        // Before anybody is woken for it.
        drop(self.permit.take());
        if self.calls.wanted.swap(false, Ordering::AcqRel) {
            self.calls.wake.notify_one();
        }
    }
}

impl Calls {
    /// Calls whose end wakes a launcher that was refused one.
    pub(super) fn new(wake: Arc<Notify>) -> Arc<Self> {
        let free = Arc::new(Semaphore::new(LEAST));
        Arc::new(Self { free, most: AtomicUsize::new(LEAST), wanted: AtomicBool::new(false), wake })
    }

    /// Lets as many be under way as so many tasks a second may need, each in a call of its own. Never fewer than before: the rate
    /// is kept by the governor.
    pub(super) fn fit(&self, rate: f64) {
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "clamped")]
        let wanted = ((rate * ANSWERED_WITHIN_SECONDS).ceil() as usize).clamp(LEAST, MOST);
        let before = self.most.fetch_max(wanted, Ordering::AcqRel);
        self.free.add_permits(wanted.saturating_sub(before));
    }

    /// One more, unless as many are under way as may be.
    pub(super) fn try_begin(self: &Arc<Self>) -> Option<Call> {
        let begin = || Arc::clone(&self.free).try_acquire_owned().ok();
        let permit = begin().or_else(|| {
            self.wanted.store(true, Ordering::Release);
            // One may have ended between the two.
            begin()
        })?;
        Some(self.call(permit))
    }

    /// One more, once there may be.
    pub(super) async fn begin(self: &Arc<Self>) -> Option<Call> {
        let permit = Arc::clone(&self.free).acquire_owned().await.ok()?;
        Some(self.call(permit))
    }

    fn call(self: &Arc<Self>, permit: OwnedSemaphorePermit) -> Call {
        Call { permit: Some(permit), calls: Arc::clone(self) }
    }
}

#[cfg(test)]
mod tests {
    use futures::FutureExt as _;

    use super::*;

    fn all(calls: &Arc<Calls>) -> Vec<Call> {
        std::iter::from_fn(|| calls.try_begin()).collect()
    }

    #[test]
    fn as_many_are_under_way_as_the_rate_needs() {
        for (rate, expected) in [(0.001, 32), (20.0, 32), (200.0, 200), (500.0, 500), (100_000.0, 512)] {
            let calls = Calls::new(Arc::default());
            calls.fit(rate);
            assert_eq!(all(&calls).len(), expected, "{rate}");
        }
        let calls = Calls::new(Arc::default());
        [100.0, 20.0, 300.0].into_iter().for_each(|rate| calls.fit(rate));
        assert_eq!(all(&calls).len(), 300);
    }

    #[test]
    fn the_end_of_a_call_wakes_who_was_refused_and_nobody_else() {
        let wake = Arc::<Notify>::default();
        let calls = Calls::new(Arc::clone(&wake));
        drop(calls.try_begin());
        assert!(wake.notified().now_or_never().is_none(), "nobody was refused");
        let mut under_way = all(&calls);
        under_way.pop();
        assert!(wake.notified().now_or_never().is_some());
        under_way.pop();
        assert!(wake.notified().now_or_never().is_none(), "nobody was refused since");
        assert!(calls.try_begin().is_some());
    }
}
