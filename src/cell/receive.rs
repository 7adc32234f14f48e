//! Long-polling receivers: several a queue; deletes in batches, only for what is durable.

use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
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
    fn queue(self) -> &'static str {
        match self {
            Self::Events => "the events queue (TASKWATCH_EVENTS_QUEUE_URL)",
            Self::Requests => "the requests queue (TASKWATCH_REQUESTS_QUEUE_URL)",
        }
    }
}

/// How receiving from one queue goes, over all its receivers: said when it changes, not by each of them.
#[derive(Default)]
pub(super) struct Receiving {
    is: AtomicU8,
    ill_since: Mutex<Option<Instant>>,
}

const WELL: u8 = 1;
const ILL: u8 = 2;

impl Receiving {
    /// How long it did not go before, if it did not.
    fn well(&self, from: From) -> Option<Duration> {
        if self.is.swap(WELL, Ordering::Relaxed) != ILL {
            return None;
        }
        tracing::info!("receiving from {} again", from.queue());
        self.ill_since.lock().unwrap_or_else(PoisonError::into_inner).take().map(|since| since.elapsed())
    }

    fn ill(&self, from: From, error: &CallError) {
        if self.is.swap(ILL, Ordering::Relaxed) != ILL {
            *self.ill_since.lock().unwrap_or_else(PoisonError::into_inner) = Some(Instant::now());
            tracing::warn!(%error, "cannot receive from {}; trying again until it goes", from.queue());
        } else {
            tracing::debug!(%error, "cannot receive from {}", from.queue());
        }
    }

    pub(super) fn is_well(&self) -> bool {
        self.is.load(Ordering::Relaxed) == WELL
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
            let poll = if self.receiving[from as usize].is_well() { POLL } else { FIRST_POLL };
            let received = tokio::select! {
                biased;
                () = self.draining.cancelled() => return,
                received = queue.receive(poll) => received,
            };
            match received {
                Ok(messages) => {
                    wait = FIRST_WAIT;
                    if let Some(broken) = self.receiving[from as usize].well(from)
                        && matches!(from, From::Events)
                    {
                        self.listens_anew(broken);
                    }
                    self.take(&*queue, messages, from).await;
                }
                Err(error) => {
                    self.receiving[from as usize].ill(from, &error);
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

    /// Waits while as many runs are queued as may be; false once the cell drains.
    async fn has_room(&self) -> bool {
        while self.is_full() {
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
