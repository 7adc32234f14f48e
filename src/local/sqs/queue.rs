//! One queue: what is ready, what waits, what is in flight. In a standard queue nothing is searched through.

use std::collections::{BTreeSet, HashMap, HashSet, VecDeque};
use std::sync::Arc;

use serde_json::Value;

/// For so long a FIFO queue knows a deduplication id: five minutes (developer guide, "Exactly-once processing").
const DEDUPLICATED_MILLIS: i64 = 300_000;

/// A message as it is kept.
#[derive(Clone, Debug)]
pub(super) struct Message {
    pub(super) message_id: String,
    pub(super) body: Arc<str>,
    pub(super) body_md5: String,
    /// Message attributes as they were sent; null for none.
    pub(super) attributes: Value,
    /// `AWSTraceHeader`, where it was sent.
    pub(super) trace: Option<String>,
    pub(super) group: Option<Arc<str>>,
    pub(super) deduplication: Option<String>,
    /// Of FIFO queues: the order of arrival.
    pub(super) sequence: Option<String>,
    /// The queue it came from, if it is in a dead-letter queue.
    pub(super) source: Option<String>,
    pub(super) sent: i64,
    pub(super) first_received: Option<i64>,
    pub(super) received: u32,
    /// Until then it is not to be seen.
    visible_at: i64,
}

impl Message {
    pub(super) fn new(body: Arc<str>, attributes: Value, now: i64) -> Self {
        Self {
            message_id: uuid::Uuid::new_v4().to_string(),
            body_md5: super::digest::hex(body.as_bytes()),
            body,
            attributes,
            trace: None,
            group: None,
            deduplication: None,
            sequence: None,
            source: None,
            sent: now,
            first_received: None,
            received: 0,
            visible_at: now,
        }
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
    fifo: bool,
    /// Of FIFO queues: groups with messages in flight, whose others must wait.
    locked: HashMap<Arc<str>, usize>,
    /// Of FIFO queues: what was sent under a deduplication id, and when.
    sent: HashMap<String, (i64, Message)>,
}

/// A message handed out, and what deletes it.
pub(super) struct Handed {
    pub(super) message: Message,
    pub(super) receipt: String,
}

impl Messages {
    pub(super) fn fifo() -> Self {
        Self { fifo: true, ..Self::default() }
    }

    /// The message that was sent under this id within the last five minutes.
    pub(super) fn duplicate_of(&mut self, deduplication: &str, now: i64) -> Option<Message> {
        self.sent.retain(|_, (at, _)| *at + DEDUPLICATED_MILLIS > now);
        self.sent.get(deduplication).map(|(_, message)| message.clone())
    }

    pub(super) fn push(&mut self, mut message: Message, visible_at: i64) -> Message {
        let id = self.next;
        self.next += 1;
        message.visible_at = visible_at;
        if self.fifo {
            message.sequence = Some(format!("{:020}", 18_000_000_000_000_000_000 + id));
            if let Some(deduplication) = &message.deduplication {
                self.sent.insert(deduplication.clone(), (message.sent, message.clone()));
            }
        }
        if visible_at > message.sent {
            self.hidden.insert((visible_at, id));
        } else {
            self.ready.push_back(id);
        }
        self.all.insert(id, message.clone());
        message
    }

    /// Makes visible again what is due, and forgets what is older than `oldest`.
    pub(super) fn advance(&mut self, now: i64, oldest: i64) {
        while let Some((at, id)) = self.hidden.first().copied().filter(|(at, _)| *at <= now) {
            self.hidden.remove(&(at, id));
            if self.all.get(&id).is_some_and(|message| message.received > 0) {
                self.landed(id);
            }
            self.readmit(id);
        }
        // Messages wait in about the order they were sent, so the front is the oldest.
        while let Some(id) = self.ready.front().copied().filter(|id| self.all.get(id).is_none_or(|m| m.sent < oldest)) {
            self.ready.pop_front();
            self.all.remove(&id);
        }
    }

    /// Puts a message back where it can be seen: in a FIFO queue at its old place.
    fn readmit(&mut self, id: u64) {
        match self.ready.binary_search(&id) {
            Err(place) if self.fifo => self.ready.insert(place, id),
            _ => self.ready.push_back(id),
        }
    }

    /// A message is no longer in flight: its group may go on when it was the last.
    fn landed(&mut self, id: u64) {
        self.in_flight -= 1;
        let Some(group) = self.all.get(&id).and_then(|m| m.group.clone()).filter(|_| self.fifo) else { return };
        if let Some(count) = self.locked.get_mut(&group) {
            *count -= 1;
            if *count == 0 {
                self.locked.remove(&group);
            }
        }
    }

    /// When something hidden can next be seen.
    pub(super) fn next_visible(&self) -> Option<i64> {
        self.hidden.first().map(|(at, _)| *at)
    }

    /// How many are in flight.
    pub(super) fn in_flight(&self) -> usize {
        self.in_flight
    }

    fn next_ready(&mut self, mine: &HashSet<Arc<str>>) -> Option<u64> {
        if !self.fifo {
            return self.ready.pop_front();
        }
        let free = |id: &u64| match self.all.get(id).and_then(|m| m.group.as_ref()) {
            Some(group) => mine.contains(group) || !self.locked.contains_key(group),
            None => true,
        };
        let place = self.ready.iter().position(free)?;
        self.ready.remove(place)
    }

    /// The next visible message, hidden from here on until `until`. One that was received `most` times already comes
    /// out for good, for the dead-letter queue. `mine` are the groups that this receive has already messages of.
    pub(super) fn take(
        &mut self,
        now: i64,
        until: i64,
        most: Option<u32>,
        mine: &mut HashSet<Arc<str>>,
    ) -> Option<Result<Handed, Message>> {
        while let Some(id) = self.next_ready(mine) {
            let Some(message) = self.all.get_mut(&id) else { continue };
            if most.is_some_and(|most| message.received >= most) {
                return self.all.remove(&id).map(Err);
            }
            message.received += 1;
            message.first_received.get_or_insert(now);
            // Even where it is not to be hidden: no receive gets the same message twice.
            message.visible_at = until;
            let handed = Handed { receipt: format!("{id}.{}", message.received), message: message.clone() };
            self.hidden.insert((until, id));
            self.in_flight += 1;
            if let Some(group) = handed.message.group.clone().filter(|_| self.fifo) {
                *self.locked.entry(group.clone()).or_insert(0) += 1;
                mine.insert(group);
            }
            return Some(Ok(handed));
        }
        None
    }

    /// Takes out a message for good, whoever may have it.
    pub(super) fn pop(&mut self) -> Option<Message> {
        while let Some(id) = self.ready.pop_front() {
            if let Some(message) = self.all.remove(&id) {
                return Some(message);
            }
        }
        None
    }

    /// Deletes by receipt. An old receipt deletes too, as long as the message is there.
    pub(super) fn delete(&mut self, receipt: &str) -> bool {
        let Some(id) = id_of(receipt) else { return false };
        if let Some(message) = self.all.get(&id) {
            if self.hidden.remove(&(message.visible_at, id)) && message.received > 0 {
                self.landed(id);
            }
            self.all.remove(&id);
        }
        true
    }

    /// Changes when a message in flight can be seen again; false: it is not in flight.
    pub(super) fn change(&mut self, receipt: &str, now: i64, until: i64) -> bool {
        let Some(id) = id_of(receipt) else { return false };
        let Some(message) = self.all.get_mut(&id).filter(|message| message.received > 0) else { return false };
        if !self.hidden.remove(&(message.visible_at, id)) {
            return false;
        }
        message.visible_at = until;
        if until > now {
            self.hidden.insert((until, id));
        } else {
            self.landed(id);
            self.readmit(id);
        }
        true
    }

    pub(super) fn clear(&mut self) {
        *self = Self { next: self.next, fifo: self.fifo, ..Self::default() };
    }

    /// Visible, in flight, delayed.
    pub(super) fn counts(&self) -> (usize, usize, usize) {
        (self.all.len() - self.hidden.len(), self.in_flight, self.hidden.len() - self.in_flight)
    }
}

fn id_of(receipt: &str) -> Option<u64> {
    receipt.split('.').next()?.parse().ok()
}
