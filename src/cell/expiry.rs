//! Forgets finished runs when their time is over, a little at a time.

use std::sync::{Arc, PoisonError};
use std::time::Duration;

use uuid::Uuid;

use super::Inner;
use crate::core::time::Timestamp;

const ROUND: Duration = Duration::from_secs(60);
/// Runs forgotten in one transaction: commits wait for it.
const AT_ONCE: usize = 1_000;

impl Inner {
    pub(super) async fn expire_all(self: Arc<Self>) {
        loop {
            tokio::select! {
                biased;
                () = self.ended.cancelled() => return,
                () = tokio::time::sleep(ROUND) => {}
            }
            let keep = i64::try_from(self.config.keep.as_millis()).unwrap_or(i64::MAX);
            let before = Timestamp::from_millis(self.ports.clock.now().millis().saturating_sub(keep));
            self.expire(before).await;
        }
    }

    async fn expire(&self, before: Timestamp) {
        while let Some(id) = self.next_expired(before) {
            self.registry.forget(id);
        }
        loop {
            match self.ports.store.expire(before, AT_ONCE).await {
                Ok(AT_ONCE) => {}
                Ok(_) => return,
                Err(error) => return tracing::warn!(%error, "old runs were not forgotten; it is tried again"),
            }
        }
    }

    /// The next of the finished runs in memory, which stand in the order of their ends, whose time is over; taken out.
    fn next_expired(&self, before: Timestamp) -> Option<Uuid> {
        let mut finished = self.finished.lock().unwrap_or_else(PoisonError::into_inner);
        let first = *finished.front()?;
        // One that is open again stands behind as well once it ends.
        let stays = self.registry.read(first, |run| run.finished_at.is_some_and(|at| at >= before)).unwrap_or(false);
        if stays { None } else { finished.pop_front() }
    }
}
