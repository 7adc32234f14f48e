//! SQS: visibility timeouts, messages that come twice and out of order, deletes that fail.

use std::collections::BTreeMap;

use rand::Rng;
use taskwatch::cell::ports::Message;
use taskwatch::core::time::Timestamp;

use super::world::State;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Which {
    Events,
    Requests,
}

#[derive(Debug)]
struct Kept {
    body: String,
    sent_at: u64,
    visible_at: u64,
}

/// One queue's messages, by their place.
#[derive(Debug, Default)]
pub(super) struct Sqs {
    messages: BTreeMap<u64, Kept>,
    next: u64,
}

const MOST: usize = 10;

impl Sqs {
    pub(super) fn put(&mut self, now: u64, body: String) -> u64 {
        self.next += 1;
        self.messages.insert(self.next, Kept { body, sent_at: now, visible_at: now });
        self.next
    }

    pub(super) fn len(&self) -> usize {
        self.messages.len()
    }

    /// When a message that is in somebody's hands becomes visible again.
    pub(super) fn next_visible(&self) -> Option<u64> {
        self.messages.values().map(|m| m.visible_at).min()
    }

    pub(super) fn body(&self, place: u64) -> Option<&str> {
        self.messages.get(&place).map(|m| m.body.as_str())
    }

    pub(super) fn delete(&mut self, place: u64) {
        self.messages.remove(&place);
    }

    fn release(&mut self, place: u64, now: u64) {
        if let Some(message) = self.messages.get_mut(&place) {
            message.visible_at = now;
        }
    }
}

/// The id of the message at a place.
pub(super) fn message_id(place: u64) -> String {
    format!("message-{place}")
}

/// The place in a receipt.
pub(super) fn place_of(receipt: &str) -> u64 {
    receipt.parse().unwrap_or_default()
}

impl State {
    pub(super) fn sqs(&mut self, which: Which) -> &mut Sqs {
        match which {
            Which::Events => &mut self.events,
            Which::Requests => &mut self.requests,
        }
    }

    /// Up to 10 visible messages, in no order to rely on.
    pub(super) fn receive(&mut self, which: Which) -> Vec<Message> {
        let (now, hidden) = (self.now(), self.plan.visibility);
        let start = self.start;
        let queue = self.sqs(which);
        let visible = queue.messages.iter().filter(|(_, m)| m.visible_at <= now).map(|(place, _)| *place);
        let mut places: Vec<u64> = visible.take(3 * MOST).collect();
        let mut taken = Vec::new();
        while taken.len() < MOST && !places.is_empty() {
            let from = self.dice.random_range(0..places.len().min(4));
            let place = places.remove(from);
            // At least once: now and then it stays where others see it.
            let twice = self.chance(0.01);
            let Some(message) = self.sqs(which).messages.get_mut(&place) else { continue };
            message.visible_at = now + if twice { 1 } else { hidden };
            taken.push(Message {
                id: message_id(place),
                receipt: place.to_string(),
                body: message.body.clone(),
                sent_at: Some(Timestamp::from_millis(start + message.sent_at as i64)),
            });
        }
        taken
    }

    /// Deletes; answers the receipts that were not deleted.
    pub(super) fn delete(&mut self, which: Which, receipts: &[String]) -> Vec<String> {
        let mut left = Vec::new();
        for receipt in receipts {
            if self.fault(self.plan.delete_fails) {
                left.push(receipt.clone());
                continue;
            }
            match which {
                Which::Events => self.check_event_is_durable(place_of(receipt)),
                Which::Requests => self.check_request_is_durable(place_of(receipt)),
            }
            self.sqs(which).delete(place_of(receipt));
        }
        left
    }

    pub(super) fn release(&mut self, which: Which, receipts: &[String]) {
        let now = self.now();
        receipts.iter().for_each(|receipt| self.sqs(which).release(place_of(receipt), now));
    }
}
