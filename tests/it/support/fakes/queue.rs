//! SQS in memory: what was received comes again only when it is released or put again.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures::future::{BoxFuture, FutureExt as _};
use taskwatch::cell::ports::{CallError, Message, Queue};
use taskwatch::core::time::Timestamp;
use tokio::sync::Notify;

use super::Journal;

pub(crate) struct FakeQueue {
    name: &'static str,
    journal: Journal,
    waiting: Mutex<VecDeque<Message>>,
    came: Notify,
    sent: AtomicUsize,
    /// Whether it gives nothing out.
    held: AtomicBool,
    /// Whether it refuses every call.
    pub(crate) refuses: AtomicBool,
    /// How long each receive takes, and when messages were sent that are put from now on.
    pub(crate) pace: Mutex<(Duration, Option<Timestamp>)>,
}

impl FakeQueue {
    pub(crate) fn new(name: &'static str, journal: &Journal) -> Arc<Self> {
        Arc::new(Self {
            name,
            journal: journal.clone(),
            waiting: Mutex::default(),
            came: Notify::new(),
            sent: AtomicUsize::new(0),
            held: AtomicBool::new(false),
            refuses: AtomicBool::new(false),
            pace: Mutex::default(),
        })
    }

    /// Puts a message in; its id.
    pub(crate) fn put(&self, body: &str) -> String {
        let id = format!("m{}", self.sent.fetch_add(1, Ordering::Relaxed) + 1);
        self.put_as(&id, body);
        id
    }

    /// Puts a message with this id in: again, if it was there before.
    pub(crate) fn put_as(&self, id: &str, body: &str) {
        let (receipt, sent_at) = (format!("{}-{id}", self.name), self.pace().1);
        let message = Message { id: id.to_owned(), receipt, body: body.to_owned(), sent_at };
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner).push_back(message);
        self.came.notify_one();
    }

    /// What `put` puts is received together.
    pub(crate) fn together(&self, put: impl FnOnce()) {
        self.held.store(true, Ordering::Relaxed);
        put();
        self.held.store(false, Ordering::Relaxed);
        self.came.notify_one();
    }

    fn pace(&self) -> (Duration, Option<Timestamp>) {
        *self.pace.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Messages nobody has received.
    pub(crate) fn waiting(&self) -> usize {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner).len()
    }

    /// How many messages were deleted.
    pub(crate) fn deleted(&self) -> usize {
        self.journal.of(&format!("Delete {}-", self.name)).len()
    }

    fn take(&self) -> Vec<Message> {
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        let taken = if self.held.load(Ordering::Relaxed) { 0 } else { waiting.len().min(10) };
        let messages = waiting.drain(..taken).collect();
        if taken > 0 && !waiting.is_empty() {
            self.came.notify_one();
        }
        messages
    }
}

impl Queue for FakeQueue {
    fn receive(&self, wait: Duration) -> BoxFuture<'_, Result<Vec<Message>, CallError>> {
        async move {
            if self.refuses.load(Ordering::Relaxed) {
                return Err(CallError::Unknown("NonExistentQueue".into()));
            }
            let slow = self.pace().0;
            if !slow.is_zero() {
                tokio::time::sleep(slow).await;
            }
            let messages = self.take();
            if !messages.is_empty() {
                return Ok(messages);
            }
            let _ = tokio::time::timeout(wait, self.came.notified()).await;
            Ok(self.take())
        }
        .boxed()
    }

    fn delete(&self, receipts: Vec<String>) -> BoxFuture<'_, Result<Vec<String>, CallError>> {
        receipts.iter().for_each(|receipt| self.journal.note(format!("Delete {receipt}")));
        async { Ok(Vec::new()) }.boxed()
    }

    fn release(&self, receipts: Vec<String>) -> BoxFuture<'_, Result<(), CallError>> {
        receipts.iter().for_each(|receipt| self.journal.note(format!("Release {receipt}")));
        async { Ok(()) }.boxed()
    }

    fn send<'a>(&'a self, body: &'a str, attributes: &'a [(String, String)]) -> BoxFuture<'a, Result<(), CallError>> {
        if self.refuses.load(Ordering::Relaxed) {
            return async { Err(CallError::Unknown("no answer".into())) }.boxed();
        }
        self.journal.note(format!("Send {} {body} {attributes:?}", self.name));
        async { Ok(()) }.boxed()
    }
}
