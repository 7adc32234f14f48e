//! Deletes what is durable, ten messages a call, whichever receives they came from.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use super::super::health::DependencyHealth;
use super::super::lifecycle::Lifecycle;
use super::super::ports::Queue;
use super::Handler;
use super::flow::Flow;

/// Messages of a call (Amazon SQS quotas).
const MOST: usize = 10;
/// So long a message waits for others to share its call. Only a process that is killed meanwhile sees it again.
const SHARE: Duration = Duration::from_millis(50);

/// The deletes of one queue.
pub(super) struct Deletes {
    queue: Arc<dyn Queue>,
    handler: Arc<dyn Handler>,
    flow: Arc<Flow>,
    lifecycle: Arc<Lifecycle>,
    health: DependencyHealth,
    waiting: Mutex<Vec<String>>,
}

impl Deletes {
    pub(super) fn new(
        queue: Arc<dyn Queue>,
        handler: Arc<dyn Handler>,
        flow: Arc<Flow>,
        lifecycle: Arc<Lifecycle>,
    ) -> Arc<Self> {
        Arc::new(Self {
            queue,
            handler,
            flow,
            lifecycle,
            health: DependencyHealth::default(),
            waiting: Mutex::default(),
        })
    }

    /// Has messages deleted soon.
    pub(super) fn push(self: &Arc<Self>, receipts: Vec<String>) {
        self.flow.went_through(receipts.len());
        let (full, first) = {
            let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
            // Who waits already has a call on its way.
            let first = waiting.is_empty();
            waiting.extend(receipts);
            let mut full = Vec::new();
            while waiting.len() >= MOST {
                full.push(waiting.drain(..MOST).collect::<Vec<_>>());
            }
            (full, first && !waiting.is_empty())
        };
        for batch in full {
            let this = Arc::clone(self);
            self.lifecycle.spawn_receiver(async move { this.delete(batch).await });
        }
        if first {
            let this = Arc::clone(self);
            self.lifecycle.spawn_receiver(async move { this.delete_rest().await });
        }
    }

    async fn delete_rest(&self) {
        tokio::time::sleep(SHARE).await;
        let rest = std::mem::take(&mut *self.waiting.lock().unwrap_or_else(PoisonError::into_inner));
        if !rest.is_empty() {
            self.delete(rest).await;
        }
    }

    async fn delete(&self, receipts: Vec<String>) {
        let count = receipts.len();
        // They come again, as duplicates, which change nothing.
        let failed = match self.queue.delete(receipts).await {
            Ok(left) if left.is_empty() => None,
            Ok(left) => Some((left.len(), "SQS refused some".to_owned())),
            Err(error) => Some((count, error.to_string())),
        };
        self.handler.undeleted(failed.as_ref().map_or(0, |(count, _)| *count));
        match failed {
            None => drop(self.health.succeeded()),
            Some((count, error)) if self.health.failed(&error).is_power_of_two() => {
                tracing::warn!(count, error, "messages were not deleted; they will come again");
            }
            Some((count, error)) => tracing::debug!(count, error, "messages were not deleted; they will come again"),
        }
        self.flow.put_down(count);
    }
}
