//! What is decided together becomes durable together.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::sync::Notify;

/// Says when more commits are about to come. The committer may run on another thread than what decides: it would make a commit of
/// the first of ten messages, and the other nine would wait for it.
#[derive(Default)]
pub(in crate::cell) struct Gathering {
    deciding: AtomicUsize,
    decided: Notify,
}

/// Held while many messages are decided about. Whoever holds it waits for nothing.
#[must_use]
pub(in crate::cell) struct Deciding(Arc<Gathering>);

impl Gathering {
    /// From now on somebody decides.
    pub(in crate::cell) fn begin(self: &Arc<Self>) -> Deciding {
        self.deciding.fetch_add(1, Ordering::SeqCst);
        Deciding(Arc::clone(self))
    }

    /// Resolves when one of those that decide has done so; at once if nobody does.
    pub(super) async fn decided(&self) {
        let mut decided = std::pin::pin!(self.decided.notified());
        // Before the look: whoever is done after it is heard.
        decided.as_mut().enable();
        if self.deciding.load(Ordering::SeqCst) > 0 {
            decided.await;
        }
    }
}

impl Drop for Deciding {
    fn drop(&mut self) {
        self.0.deciding.fetch_sub(1, Ordering::SeqCst);
        self.0.decided.notify_waiters();
    }
}

#[cfg(test)]
mod tests {
    use futures::FutureExt as _;

    use super::*;

    #[tokio::test]
    async fn whoever_decides_is_waited_for_and_under_load_one_of_them() {
        let gathering = Arc::<Gathering>::default();
        assert!(gathering.decided().now_or_never().is_some(), "nobody decides");
        let [one, other] = [gathering.begin(), gathering.begin()];
        let mut decided = Box::pin(gathering.decided());
        assert!(decided.as_mut().now_or_never().is_none());
        drop(one);
        assert!(decided.now_or_never().is_some());
        assert!(gathering.decided().now_or_never().is_none(), "the other decides still");
        drop(other);
        assert!(gathering.decided().now_or_never().is_some());
    }
}
