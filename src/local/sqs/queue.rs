//! One queue: what is ready, what waits, what is in flight. Nothing here is searched through.

use std::collections::{BTreeSet, HashMap, VecDeque};
use std::sync::Arc;

use serde_json::Value;

/// A message as it is kept.
#[derive(Clone, Debug)]
pub(super) struct Message {
    pub(super) message_id: String,
    pub(super) body: Arc<str>,
    pub(super) body_md5: String,
    /// Message attributes as they were sent; null for none.
    pub(super) attributes: Value,
    pub(super) sent: i64,
    pub(super) first_received: Option<i64>,
    pub(super) received: u32,
    /// Until then it is not to be seen.
    visible_at: i64,
}

impl Message {
    pub(super) fn new(message_id: String, body: Arc<str>, body_md5: String, attributes: Value, now: i64) -> Self {
        Self { message_id, body, body_md5, attributes, sent: now, first_received: None, received: 0, visible_at: now }
    }
}

/// The messages of a queue. Instants are milliseconds.
#[derive(Debug, Default)]
pub(super) struct Messages {
    all: HashMap<u64, Message>,
    ready: VecDeque<u64>,
    /// Delayed or in flight, by when they can be seen again.
    hidden: BTreeSet<(i64, u64)>,
    in_flight: usize,
    next: u64,
}

/// A message handed out, and what deletes it.
pub(super) struct Handed {
    pub(super) message: Message,
    pub(super) receipt: String,
}

impl Messages {
    pub(super) fn push(&mut self, mut message: Message, visible_at: i64) {
        let id = self.next;
        self.next += 1;
        message.visible_at = visible_at;
        if visible_at > message.sent {
            self.hidden.insert((visible_at, id));
        } else {
            self.ready.push_back(id);
        }
        self.all.insert(id, message);
    }

    /// Makes visible again what is due, and forgets what is older than `oldest`.
    pub(super) fn advance(&mut self, now: i64, oldest: i64) {
        while let Some((at, id)) = self.hidden.first().copied().filter(|(at, _)| *at <= now) {
            self.hidden.remove(&(at, id));
            if let Some(message) = self.all.get(&id) {
                self.in_flight -= usize::from(message.received > 0);
                self.ready.push_back(id);
            }
        }
        // Messages wait in about the order they were sent, so the front is the oldest.
        while let Some(id) = self.ready.front().copied().filter(|id| self.all.get(id).is_none_or(|m| m.sent < oldest)) {
            self.ready.pop_front();
            self.all.remove(&id);
        }
    }

    /// When something hidden can next be seen.
    pub(super) fn next_visible(&self) -> Option<i64> {
        self.hidden.first().map(|(at, _)| *at)
    }

    /// The next visible message, hidden from here on until `until`. One that was received `most` times already comes
    /// out for good, for the dead-letter queue.
    pub(super) fn take(&mut self, now: i64, until: i64, most: Option<u32>) -> Option<Result<Handed, Message>> {
        while let Some(id) = self.ready.pop_front() {
            let Some(message) = self.all.get_mut(&id) else { continue };
            if most.is_some_and(|most| message.received >= most) {
                return self.all.remove(&id).map(Err);
            }
            message.received += 1;
            message.first_received.get_or_insert(now);
            message.visible_at = until;
            let handed = Handed { receipt: format!("{id}.{}", message.received), message: message.clone() };
            if until > now {
                self.hidden.insert((until, id));
                self.in_flight += 1;
            } else {
                self.ready.push_back(id);
            }
            return Some(Ok(handed));
        }
        None
    }

    /// Deletes by receipt. An old receipt deletes too, as long as the message is there.
    pub(super) fn delete(&mut self, receipt: &str) -> bool {
        let Some(id) = id_of(receipt) else { return false };
        if let Some(message) = self.all.remove(&id) {
            let hidden = self.hidden.remove(&(message.visible_at, id));
            self.in_flight -= usize::from(hidden && message.received > 0);
        }
        true
    }

    /// Changes when a message in flight can be seen again; false: it is not in flight.
    pub(super) fn change(&mut self, receipt: &str, now: i64, until: i64) -> bool {
        let Some(id) = id_of(receipt) else { return false };
        let Some(message) = self.all.get_mut(&id) else { return false };
        if !self.hidden.remove(&(message.visible_at, id)) {
            return false;
        }
        message.visible_at = until;
        if until > now {
            self.hidden.insert((until, id));
        } else {
            self.in_flight -= 1;
            self.ready.push_back(id);
        }
        true
    }

    pub(super) fn clear(&mut self) {
        let next = self.next;
        *self = Self { next, ..Self::default() };
    }

    /// Visible, in flight, delayed.
    pub(super) fn counts(&self) -> (usize, usize, usize) {
        (self.all.len() - self.hidden.len(), self.in_flight, self.hidden.len() - self.in_flight)
    }
}

fn id_of(receipt: &str) -> Option<u64> {
    receipt.split('.').next()?.parse().ok()
}
