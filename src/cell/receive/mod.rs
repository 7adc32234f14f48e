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
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::neighbour::Neighbour;
use super::ports::{CallError, Message, Queue};
use deletes::Deletes;
pub(super) use flow::Bounds;
use flow::Flow;

/// SQS's longest poll.
const POLL: Duration = Duration::from_secs(20);
/// Until it is known that it goes, the answer should not take as long as a poll may; nor is more than one receive to wait
/// for long at an empty queue.
const SHORT_POLL: Duration = Duration::from_secs(1);
/// A short poll that is out when the cell drains may bring messages at once, which would be hidden for a while otherwise.
const LAST_POLL: Duration = Duration::from_millis(250);
/// Between two looks for room.
const ROOM: Duration = Duration::from_millis(500);
/// After the cell's end, for what is being made durable.
const LAST_WORDS: Duration = Duration::from_secs(1);

/// Which queue is received from.
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
    /// Messages come again after they could not be received for so long.
    fn again(&self, after: Duration);
    /// So many that were done were not deleted: they come again.
    fn undeleted(&self, messages: usize);
}

/// How the end of a cell is told to what receives for it.
#[derive(Clone)]
pub(super) struct Ends {
    /// Nothing more is taken.
    pub(super) draining: CancellationToken,
    /// Nothing more is done.
    pub(super) ended: CancellationToken,
}

impl Ends {
    /// When the last commits had their time: what waits for ECS or a store that hangs is left to the next process.
    async fn cut_off(&self) {
        self.ended.cancelled().await;
        tokio::time::sleep(LAST_WORDS).await;
    }

    /// When a poll is not waited for any longer.
    async fn last_poll(&self, wait: Duration) {
        self.draining.cancelled().await;
        if wait < POLL {
            tokio::time::sleep(LAST_POLL).await;
        }
    }
}

/// One queue's pipeline.
pub(super) struct Receiving {
    queue: Arc<dyn Queue>,
    from: From,
    handler: Arc<dyn Handler>,
    health: Arc<Neighbour>,
    flow: Arc<Flow>,
    deletes: Arc<Deletes>,
    ends: Ends,
    tasks: TaskTracker,
}

impl Receiving {
    /// `tasks` has all that is to be waited for at the end, deletes included.
    pub(super) fn new(
        (queue, from): (Arc<dyn Queue>, From),
        handler: Arc<dyn Handler>,
        health: Arc<Neighbour>,
        bounds: Bounds,
        (ends, tasks): (Ends, TaskTracker),
    ) -> Arc<Self> {
        let flow = Arc::new(Flow::new(bounds));
        let deletes = Deletes::new(Arc::clone(&queue), Arc::clone(&handler), Arc::clone(&flow), tasks.clone());
        Arc::new(Self { queue, from, handler, health, flow, deletes, ends, tasks })
    }

    /// Receives until the cell drains. Never gives up: after errors it waits longer and longer.
    pub(super) fn start(self: &Arc<Self>) {
        self.tasks.spawn(Arc::clone(self).poll_all());
    }

    async fn poll_all(self: Arc<Self>) {
        loop {
            let alone = tokio::select! {
                biased;
                () = self.ends.draining.cancelled() => return,
                alone = self.next() => alone,
            };
            self.tasks.spawn(Arc::clone(&self).poll(alone));
        }
    }

    /// Resolves when one more receive is wanted; whether it is the only one.
    async fn next(&self) -> bool {
        loop {
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

    async fn poll(self: Arc<Self>, alone: bool) {
        let wait = if alone && self.health.is_well() { POLL } else { SHORT_POLL };
        let began = Instant::now();
        let received = tokio::select! {
            biased;
            () = self.ends.last_poll(wait) => return,
            received = self.queue.receive(wait) => received,
        };
        match received {
            Ok(messages) => {
                self.flow.received(messages.len(), began.elapsed());
                if let Some(broken) = self.health.well_since(began) {
                    tracing::info!("receiving from {} again", self.from.queue());
                    self.handler.again(broken);
                }
                if !messages.is_empty() {
                    self.take(messages).await;
                }
            }
            Err(error) => {
                self.flow.failed(began);
                cannot_receive(self.from, self.health.ill(&error), &error);
            }
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
