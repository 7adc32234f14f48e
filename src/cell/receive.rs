//! Long-polling receivers: several a queue; deletes in batches, only for what is durable.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use super::Inner;
use super::ports::{Message, Queue};

/// SQS's longest poll.
const POLL: Duration = Duration::from_secs(20);
const FIRST_WAIT: Duration = Duration::from_millis(500);
const LONGEST_WAIT: Duration = Duration::from_secs(30);

/// Which queue a receiver reads.
#[derive(Clone, Copy)]
pub(super) enum From {
    Events,
    Requests,
}

impl Inner {
    /// Receives from one queue until the cell drains. Never gives up: errors wait longer and longer.
    pub(super) async fn receive_all(self: Arc<Self>, queue: Arc<dyn Queue>, from: From) {
        let mut wait = FIRST_WAIT;
        loop {
            if matches!(from, From::Requests) && !self.has_room().await {
                return;
            }
            let received = tokio::select! {
                received = queue.receive(POLL) => received,
                () = self.draining.cancelled() => return,
            };
            match received {
                Ok(messages) => {
                    wait = FIRST_WAIT;
                    self.consuming.store(true, Ordering::Relaxed);
                    self.take(&*queue, messages, from).await;
                }
                Err(error) => {
                    self.consuming.store(false, Ordering::Relaxed);
                    tracing::warn!(%error, "cannot receive; trying again in {} ms", wait.as_millis());
                    tokio::select! {
                        () = tokio::time::sleep(wait) => {}
                        () = self.draining.cancelled() => return,
                    }
                    wait = (wait * 2).min(LONGEST_WAIT);
                }
            }
        }
    }

    /// Waits while as many runs are queued as may be; false once the cell drains.
    async fn has_room(&self) -> bool {
        while self.is_full() {
            tokio::select! {
                () = tokio::time::sleep(FIRST_WAIT) => {}
                () = self.draining.cancelled() => return false,
            }
        }
        true
    }

    async fn take(&self, queue: &dyn Queue, messages: Vec<Message>, from: From) {
        if messages.is_empty() {
            return;
        }
        let (done, left) = match from {
            From::Events => (self.watch(messages).await, Vec::new()),
            From::Requests => self.take_requests(messages).await,
        };
        if !left.is_empty()
            && let Err(error) = queue.release(left).await
        {
            tracing::debug!(%error, "messages were not released; they come again after their visibility timeout");
        }
        if done.is_empty() {
            return;
        }
        match queue.delete(done).await {
            Ok(left) if left.is_empty() => {}
            // They come again, as duplicates, which change nothing.
            Ok(left) => tracing::warn!(count = left.len(), "messages were not deleted; they will come again"),
            Err(error) => tracing::warn!(%error, "messages were not deleted; they will come again"),
        }
    }
}
