//! Takes the messages of one queue in a pipeline: while some are received, others become durable, and others are deleted.
//!
//! How many receives are out follows what they bring: one at an idle queue, more while they come back full and fast.

mod batch;
mod deletes;
mod flow;
#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::time::Duration;

use futures::future::BoxFuture;
use tokio::time::Instant;

use super::commit::Gathering;
use super::health::DependencyHealth;
use super::lifecycle::Lifecycle;
use super::ports::{CallError, Message, Queue};
use deletes::Deletes;
pub(super) use flow::Bounds;
use flow::Flow;

/// SQS's longest poll.
const POLL: Duration = Duration::from_secs(20);
/// Until it is known that it goes, the answer should not take as long as a poll may; nor is more than one receive to wait
/// for long at an empty queue.
const SHORT_POLL: Duration = Duration::from_secs(1);
/// A poll that is out when the cell drains may bring messages at once, which would be hidden for a while otherwise. A long one
/// does so when it has just begun.
const LAST_POLL: Duration = Duration::from_millis(250);
/// Between two checks for room.
const ROOM: Duration = Duration::from_millis(500);
/// Which queue is received from.
#[derive(Clone, Copy)]
pub(super) enum QueueKind {
    Events,
    Requests,
}

impl QueueKind {
    pub(super) fn queue(self) -> &'static str {
        match self {
            Self::Events => "the events queue (TASKWATCH_EVENTS_QUEUE_URL)",
            Self::Requests => "the requests queue (TASKWATCH_REQUESTS_QUEUE_URL)",
        }
    }
}

/// What is to become of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fate {
    /// What it caused is durable: it is deleted.
    Done,
    /// Another process may have it at once.
    Release,
    /// It comes again after its visibility timeout, and the queue's redrive policy counts how often.
    Leave,
}

/// What the messages of a queue are for.
pub(super) trait Handler: Send + Sync + 'static {
    /// Whether more may be taken, while so many are in hand or asked for.
    fn has_room(&self, handed: usize) -> bool;
    /// Does what a message asks for; resolves when that is durable. Dropped before, it has done all of it or nothing, and the
    /// message comes again.
    fn handle<'a>(&'a self, message: &'a Message) -> BoxFuture<'a, Fate>;
    /// A receive was answered with these messages; with none, all that is visible was received.
    fn received(&self, messages: &[Message]);
    /// Messages could not be received for so long, and are received again.
    fn resumed(&self, after: Duration);
    /// So many that were done were not deleted: they come again.
    fn undeleted(&self, messages: usize);
}

/// One queue's pipeline.
pub(super) struct Receiving {
    queue: Arc<dyn Queue>,
    kind: QueueKind,
    handler: Arc<dyn Handler>,
    health: Arc<DependencyHealth>,
    flow: Arc<Flow>,
    deletes: Arc<Deletes>,
    lifecycle: Arc<Lifecycle>,
    gathering: Arc<Gathering>,
}

impl Receiving {
    /// What it starts is waited for when the cell drains, deletes included.
    pub(super) fn new(
        (queue, kind): (Arc<dyn Queue>, QueueKind),
        handler: Arc<dyn Handler>,
        health: Arc<DependencyHealth>,
        bounds: Bounds,
        (lifecycle, gathering): (Arc<Lifecycle>, Arc<Gathering>),
    ) -> Arc<Self> {
        let flow = Arc::new(Flow::new(bounds));
        let deletes = Deletes::new(Arc::clone(&queue), Arc::clone(&handler), Arc::clone(&flow), Arc::clone(&lifecycle));
        Arc::new(Self { queue, kind, handler, health, flow, deletes, lifecycle, gathering })
    }

    /// Receives until the cell drains. Never gives up: after errors it waits longer and longer.
    pub(super) fn start(self: &Arc<Self>) {
        self.lifecycle.spawn_receiver(Arc::clone(self).poll_all());
    }

    async fn poll_all(self: Arc<Self>) {
        loop {
            let alone = tokio::select! {
                biased;
                () = self.lifecycle.draining() => return,
                alone = self.next() => alone,
            };
            self.lifecycle.spawn_receiver(Arc::clone(&self).poll(alone));
        }
    }

    /// Resolves when one more receive is wanted; whether it is the only one.
    async fn next(&self) -> bool {
        loop {
            // What comes while nothing may become durable is left to others.
            self.lifecycle.may_act().await;
            let rest = self.flow.rest(Instant::now());
            if !rest.is_zero() {
                tokio::time::sleep(rest).await;
            } else if !self.flow.wants_more() {
                self.flow.moved().await;
            } else if self.handler.has_room(self.flow.handed()) {
                return self.flow.begin();
            } else {
                tokio::time::sleep(ROOM).await;
            }
        }
    }

    /// When a poll is not waited for any longer.
    async fn last_poll(&self, wait: Duration, began: Instant) {
        self.lifecycle.draining().await;
        let from = if wait < POLL { Instant::now() } else { began };
        tokio::time::sleep_until(from + LAST_POLL).await;
    }

    async fn poll(self: Arc<Self>, alone: bool) {
        let wait = if alone && self.health.is_healthy() { POLL } else { SHORT_POLL };
        let began = Instant::now();
        let received = tokio::select! {
            biased;
            () = self.last_poll(wait, began) => return,
            received = self.queue.receive(wait) => received,
        };
        match received {
            Ok(messages) => {
                self.flow.received(messages.len(), began.elapsed());
                if let Some(broken) = self.health.succeeded_since(began) {
                    tracing::info!("receiving from {} again", self.kind.queue());
                    self.handler.resumed(broken);
                }
                if self.lifecycle.is_suspended() {
                    // Another process may do now what this one may not.
                    return self.release(messages.into_iter().map(|message| message.receipt).collect()).await;
                }
                self.handler.received(&messages);
                if !messages.is_empty() {
                    self.take(messages).await;
                }
            }
            Err(error) => {
                self.flow.failed(began);
                cannot_receive(self.kind, self.health.failed(&error), &error);
            }
        }
    }
}

fn cannot_receive(kind: QueueKind, times: u32, error: &CallError) {
    if times == 1 {
        tracing::warn!(%error, "cannot receive from {}; trying again until it goes", kind.queue());
    } else {
        tracing::debug!(%error, "cannot receive from {}", kind.queue());
    }
}
