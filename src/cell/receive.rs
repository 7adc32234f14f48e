//! Long-polling receivers: several a queue; deletes in batches, only for what is durable.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use super::Inner;
use super::ports::{CallError, Message, Queue};

/// SQS's longest poll.
const POLL: Duration = Duration::from_secs(20);
const FIRST_POLL: Duration = Duration::from_secs(1);
const FIRST_WAIT: Duration = Duration::from_millis(500);
const LONGEST_WAIT: Duration = Duration::from_secs(30);

/// Which queue a receiver reads.
#[derive(Clone, Copy)]
pub(super) enum From {
    Events = 0,
    Requests = 1,
}

impl From {
    pub(super) fn queue(self) -> &'static str {
        match self {
            Self::Events => "the events queue (TASKWATCH_EVENTS_QUEUE_URL)",
            Self::Requests => "the requests queue (TASKWATCH_REQUESTS_QUEUE_URL)",
        }
    }
}

impl Inner {
    /// Receives from one queue until the cell drains. Never gives up: errors wait longer and longer.
    pub(super) async fn receive_all(self: Arc<Self>, queue: Arc<dyn Queue>, from: From) {
        let mut wait = FIRST_WAIT;
        loop {
            if matches!(from, From::Requests) && !self.has_room().await {
                return;
            }
            // Until it is known that it goes, the answer should not take as long as a poll may.
            let neighbour = &self.receiving[from as usize];
            let poll = if neighbour.is_well() { POLL } else { FIRST_POLL };
            let began = Instant::now();
            let received = tokio::select! {
                biased;
                () = self.draining.cancelled() => return,
                received = queue.receive(poll) => received,
            };
            match received {
                Ok(messages) => {
                    wait = FIRST_WAIT;
                    if let Some(broken) = neighbour.well_since(began) {
                        tracing::info!("receiving from {} again", from.queue());
                        if matches!(from, From::Events) {
                            self.listens_anew(broken);
                        }
                    }
                    self.take(&*queue, messages, from).await;
                }
                Err(error) => {
                    cannot_receive(from, neighbour.ill(&error), &error);
                    tokio::select! {
                        biased;
                        () = self.draining.cancelled() => return,
                        () = tokio::time::sleep(wait) => {}
                    }
                    wait = (wait * 2).min(LONGEST_WAIT);
                }
            }
        }
    }

    /// Waits while as many runs are queued as may be, or the store takes none; false once the cell drains.
    async fn has_room(&self) -> bool {
        while self.is_full() || self.store_fails() {
            tokio::select! {
                biased;
                () = self.draining.cancelled() => return false,
                () = tokio::time::sleep(FIRST_WAIT) => {}
            }
        }
        true
    }

    async fn take(&self, queue: &dyn Queue, messages: Vec<Message>, from: From) {
        if messages.is_empty() {
            return;
        }
        let (done, left) = match from {
            From::Events => self.watch(messages).await,
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

fn cannot_receive(from: From, times: u32, error: &CallError) {
    if times == 1 {
        tracing::warn!(%error, "cannot receive from {}; trying again until it goes", from.queue());
    } else {
        tracing::debug!(%error, "cannot receive from {}", from.queue());
    }
}
