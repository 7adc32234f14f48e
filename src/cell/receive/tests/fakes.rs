//! A queue with latencies, and a handler whose work becomes durable when a gate lets it.

use std::collections::{BTreeSet, VecDeque};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures::future::BoxFuture;
use tokio::sync::{Notify, watch};

use super::super::super::ports::{CallError, Message, Queue};
use super::super::{Bounds, Fate, Handler, QueueKind, Receiving};
use crate::cell::lease::Lease;
use crate::cell::lifecycle::Lifecycle;

#[derive(Default)]
pub(super) struct Seen {
    pub(super) receives: usize,
    pub(super) polls: usize,
    pub(super) most_polls: usize,
    pub(super) most_taken: usize,
    taken: usize,
    pub(super) deletes: Vec<Vec<String>>,
    pub(super) deleted: BTreeSet<String>,
    pub(super) released: BTreeSet<String>,
}

pub(super) struct FakeQueue {
    /// Of each call; the second part times the receives that are out.
    pub(super) latency: (Duration, Duration),
    waiting: Mutex<VecDeque<Message>>,
    came: Notify,
    seen: Mutex<Seen>,
    pub(super) refuses: AtomicBool,
    pub(super) keeps: AtomicBool,
}

impl FakeQueue {
    pub(super) fn put(&self, from: usize, to: usize) {
        let message =
            |n: usize| Message { id: n.to_string(), receipt: n.to_string(), body: String::new(), sent_at: None };
        self.waiting.lock().unwrap().extend((from..to).map(message));
        self.came.notify_waiters();
    }

    pub(super) fn seen(&self) -> MutexGuard<'_, Seen> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Messages that nobody received.
    pub(super) fn left(&self) -> usize {
        self.waiting.lock().unwrap().len()
    }

    fn take(&self) -> Vec<Message> {
        let mut waiting = self.waiting.lock().unwrap();
        let most = waiting.len().min(10);
        waiting.drain(..most).collect()
    }

    async fn poll(&self, wait: Duration) -> Result<Vec<Message>, CallError> {
        let polls = {
            let mut seen = self.seen();
            seen.receives += 1;
            seen.polls += 1;
            seen.most_polls = seen.most_polls.max(seen.polls);
            u32::try_from(seen.polls).unwrap()
        };
        let out = Out(self);
        tokio::time::sleep(self.latency.0 + self.latency.1 * polls).await;
        if self.refuses.load(Ordering::Relaxed) {
            return Err(CallError::Unknown("no answer".into()));
        }
        let until = tokio::time::Instant::now() + wait;
        let mut messages = self.take();
        while messages.is_empty() && tokio::time::timeout_at(until, self.came.notified()).await.is_ok() {
            messages = self.take();
        }
        drop(out);
        let mut seen = self.seen();
        seen.taken += messages.len();
        seen.most_taken = seen.most_taken.max(seen.taken);
        Ok(messages)
    }
}

/// A receive that is out.
struct Out<'q>(&'q FakeQueue);

impl Drop for Out<'_> {
    fn drop(&mut self) {
        self.0.seen().polls -= 1;
    }
}

impl Queue for FakeQueue {
    fn receive(&self, wait: Duration) -> BoxFuture<'_, Result<Vec<Message>, CallError>> {
        Box::pin(self.poll(wait))
    }

    fn delete(&self, receipts: Vec<String>) -> BoxFuture<'_, Result<Vec<String>, CallError>> {
        Box::pin(async move {
            tokio::time::sleep(self.latency.0).await;
            let mut seen = self.seen();
            seen.taken -= receipts.len();
            if self.keeps.load(Ordering::Relaxed) {
                return Err(CallError::Unknown("no answer".into()));
            }
            seen.deleted.extend(receipts.iter().cloned());
            seen.deletes.push(receipts);
            Ok(Vec::new())
        })
    }

    fn release(&self, receipts: Vec<String>) -> BoxFuture<'_, Result<(), CallError>> {
        let mut seen = self.seen();
        seen.taken -= receipts.len();
        seen.released.extend(receipts);
        Box::pin(async { Ok(()) })
    }

    fn send<'a>(&'a self, _: &'a str, _: &'a [(String, String)]) -> BoxFuture<'a, Result<(), CallError>> {
        Box::pin(async { Ok(()) })
    }
}

pub(super) struct FakeHandler {
    pub(super) room: AtomicBool,
    /// How long a commit takes; while it is `None` none ends.
    pub(super) commit: watch::Sender<Option<Duration>>,
    /// Ids of messages that never become durable.
    pub(super) stuck: Mutex<BTreeSet<String>>,
    pub(super) durable: Mutex<BTreeSet<String>>,
    pub(super) breaks: Mutex<Vec<Duration>>,
    pub(super) undeleted: AtomicUsize,
}

impl Handler for FakeHandler {
    fn has_room(&self, _: usize) -> bool {
        self.room.load(Ordering::Relaxed)
    }

    fn handle<'a>(&'a self, message: &'a Message) -> BoxFuture<'a, Fate> {
        Box::pin(async move {
            if self.stuck.lock().unwrap().contains(&message.id) {
                return std::future::pending().await;
            }
            let took = self.commit.subscribe().wait_for(Option::is_some).await.unwrap().unwrap();
            tokio::time::sleep(took).await;
            self.durable.lock().unwrap().insert(message.id.clone());
            Fate::Done
        })
    }

    fn received(&self, _: &[Message]) {}

    fn resumed(&self, after: Duration) {
        self.breaks.lock().unwrap().push(after);
    }

    fn undeleted(&self, messages: usize) {
        self.undeleted.fetch_add(messages, Ordering::Relaxed);
    }
}

pub(super) struct World {
    pub(super) queue: Arc<FakeQueue>,
    pub(super) handler: Arc<FakeHandler>,
    pub(super) lifecycle: Arc<Lifecycle>,
    bounds: Bounds,
    receiving: Option<Arc<Receiving>>,
}

impl World {
    pub(super) fn new(latency: (Duration, Duration)) -> Self {
        let queue = FakeQueue {
            latency,
            waiting: Mutex::default(),
            came: Notify::new(),
            seen: Mutex::default(),
            refuses: AtomicBool::new(false),
            keeps: AtomicBool::new(false),
        };
        let handler = FakeHandler {
            room: AtomicBool::new(true),
            commit: watch::Sender::new(Some(Duration::from_millis(20))),
            stuck: Mutex::default(),
            durable: Mutex::default(),
            breaks: Mutex::default(),
            undeleted: AtomicUsize::new(0),
        };
        Self {
            queue: Arc::new(queue),
            handler: Arc::new(handler),
            lifecycle: Arc::new(Lifecycle::new(Lease::forever(), tracing::Span::none())),
            bounds: Bounds { polls: 64, messages: 500 },
            receiving: None,
        }
    }

    pub(super) fn start(mut self) -> Self {
        let (queue, handler) = (Arc::clone(&self.queue) as _, Arc::clone(&self.handler) as _);
        let receiving = Receiving::new(
            (queue, QueueKind::Events),
            handler,
            Arc::default(),
            self.bounds,
            (Arc::clone(&self.lifecycle), Arc::default()),
        );
        receiving.start();
        self.receiving = Some(receiving);
        self
    }

    /// Messages in hand.
    pub(super) fn handed(&self) -> usize {
        self.receiving.as_ref().unwrap().flow.in_hand()
    }

    pub(super) fn deleted(&self) -> usize {
        self.queue.seen().deleted.len()
    }

    /// Waits until so many were deleted; how long that took.
    pub(super) async fn until_deleted(&self, count: usize) -> Duration {
        let began = tokio::time::Instant::now();
        while self.deleted() < count {
            tokio::time::sleep(Duration::from_millis(1)).await;
            assert!(began.elapsed() < Duration::from_secs(600), "{} of {count} were deleted", self.deleted());
        }
        began.elapsed()
    }
}
