//! Forgets finished runs when their time is over, a little at a time.

use std::sync::Arc;
use std::time::Duration;

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
        let old = self.registry.collect(|run| run.finished_at.filter(|at| *at < before).map(|_| run.id));
        old.into_iter().for_each(|id| self.registry.forget(id));
        loop {
            match self.ports.store.expire(before, AT_ONCE).await {
                Ok(AT_ONCE) => {}
                Ok(_) => return,
                Err(error) => return tracing::warn!(%error, "old runs were not forgotten; it is tried again"),
            }
        }
    }
}
