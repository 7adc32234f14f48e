//! Long-polling receivers: several a queue; deletes in batches, only for what is durable.

use std::sync::Arc;
use std::time::Duration;

use futures::future::{BoxFuture, join_all};
use tokio::time::Instant;

use crate::cell::backoff::Backoff;
use crate::cell::health::DependencyHealth;
use crate::cell::lifecycle::Lifecycle;
use crate::cell::ports::{CallError, Message, Queue};

/// SQS's longest poll.
const POLL: Duration = Duration::from_secs(20);
const FIRST_POLL: Duration = Duration::from_secs(1);
const FIRST_WAIT: Duration = Duration::from_secs(1);
const LONGEST_WAIT: Duration = Duration::from_secs(30);

/// Which queue a receiver reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::cell) enum QueueKind {
    Events,
    Requests,
}

impl QueueKind {
    pub(in crate::cell) fn queue(self) -> &'static str {
        match self {
            Self::Events => "the events queue (TASKWATCH_EVENTS_QUEUE_URL)",
            Self::Requests => "the requests queue (TASKWATCH_REQUESTS_QUEUE_URL)",
        }
    }
}

/// What became of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::cell) enum Handled {
    /// What it caused is durable: it may be deleted.
    Done,
    /// Somebody else may have it at once.
    Release,
    /// It stays, and comes again after its visibility timeout: the queue's own redrive policy counts how often.
    Leave,
}

/// What is done with a queue's messages.
pub(in crate::cell) trait Handler: Send + Sync {
    /// Whether more may be received now; waits until so. False once the cell drains.
    fn has_room(&self) -> BoxFuture<'_, bool>;
    /// A receive was answered with these messages.
    fn received(&self, messages: &[Message]);
    /// Receiving had not gone for so long, and goes again.
    fn resumed(&self, after: Duration);
    /// Takes one message.
    fn take<'a>(&'a self, message: &'a Message) -> BoxFuture<'a, Handled>;
}

/// One receiver.
pub(in crate::cell) struct Receiver {
    pub(in crate::cell) kind: QueueKind,
    pub(in crate::cell) queue: Arc<dyn Queue>,
    pub(in crate::cell) handler: Arc<dyn Handler>,
    pub(in crate::cell) health: Arc<DependencyHealth>,
    pub(in crate::cell) lifecycle: Arc<Lifecycle>,
}

impl Receiver {
    /// Receives until the cell drains. Never gives up: errors wait longer and longer.
    pub(in crate::cell) async fn run(self) {
        let mut backoff = Backoff::new(FIRST_WAIT, LONGEST_WAIT, self.kind.queue());
        while self.handler.has_room().await {
            // Until it is known that it goes, the answer should not take as long as a poll may.
            let poll = if self.health.is_healthy() { POLL } else { FIRST_POLL };
            let began = Instant::now();
            let received = tokio::select! {
                biased;
                () = self.lifecycle.draining() => return,
                received = self.queue.receive(poll) => received,
            };
            match received {
                Ok(messages) => {
                    backoff.reset();
                    if let Some(failing) = self.health.succeeded_since(began) {
                        tracing::info!("receiving from {} again", self.kind.queue());
                        self.handler.resumed(failing);
                    }
                    self.handler.received(&messages);
                    self.take(messages).await;
                }
                Err(error) => {
                    self.note_failure(&error);
                    if !self.lifecycle.sleep_unless_draining(backoff.next()).await {
                        return;
                    }
                }
            }
        }
    }

    async fn take(&self, messages: Vec<Message>) {
        let handled = messages.iter().map(|message| async {
            tokio::select! {
                biased;
                handled = self.handler.take(message) => handled,
                () = self.lifecycle.cut_off() => Handled::Release,
            }
        });
        let handled = join_all(handled).await;
        let receipts = |what: Handled| -> Vec<String> {
            let those = messages.iter().zip(&handled).filter(|(_, handled)| **handled == what);
            those.map(|(message, _)| message.receipt.clone()).collect()
        };
        let release = receipts(Handled::Release);
        if !release.is_empty()
            && let Err(error) = self.queue.release(release).await
        {
            tracing::debug!(%error, "messages were not released; they come again after their visibility timeout");
        }
        let done = receipts(Handled::Done);
        if done.is_empty() {
            return;
        }
        match self.queue.delete(done).await {
            Ok(left) if left.is_empty() => {}
            // They come again, as duplicates, which change nothing.
            Ok(left) => tracing::warn!(count = left.len(), "messages were not deleted; they will come again"),
            Err(error) => tracing::warn!(%error, "messages were not deleted; they will come again"),
        }
    }

    fn note_failure(&self, error: &CallError) {
        let queue = self.kind.queue();
        if self.health.failed(error) == 1 {
            tracing::warn!(%error, "cannot receive from {queue}; trying again until it goes");
        } else {
            tracing::debug!(%error, "cannot receive from {queue}");
        }
    }
}
