//! SQS in memory: what was received comes again only when it is released or put again.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures::future::{BoxFuture, FutureExt as _};
use taskwatch::cell::ports::{CallError, Message, Queue};
use tokio::sync::Notify;

use super::Journal;

pub(crate) struct FakeQueue {
    name: &'static str,
    journal: Journal,
    waiting: Mutex<VecDeque<Message>>,
    came: Notify,
    sent: AtomicUsize,
    /// Whether it refuses every call.
    pub(crate) refuses: AtomicBool,
}

impl FakeQueue {
    pub(crate) fn new(name: &'static str, journal: &Journal) -> Arc<Self> {
        Arc::new(Self {
            name,
            journal: journal.clone(),
            waiting: Mutex::default(),
            came: Notify::new(),
            sent: AtomicUsize::new(0),
            refuses: AtomicBool::new(false),
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
        let message =
            Message { id: id.to_owned(), receipt: format!("{}-{id}", self.name), body: body.to_owned(), sent_at: None };
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner).push_back(message);
        self.came.notify_one();
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
        let taken = waiting.len().min(10);
        let messages = waiting.drain(..taken).collect();
        if !waiting.is_empty() {
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
