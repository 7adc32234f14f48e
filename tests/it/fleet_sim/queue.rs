//! SQS: what was received and not deleted is visible again after a while; some messages come twice.

use std::collections::BTreeMap;

use rand::Rng as _;
use rand::rngs::SmallRng;
use taskwatch::cell::ports::Message;
use tokio::time::Instant;

use std::time::Duration;

const VISIBILITY: Duration = Duration::from_secs(30);
const MOST: usize = 10;

/// A queue's messages, by their number.
#[derive(Default)]
pub(super) struct Mailbox {
    messages: BTreeMap<u64, (String, Instant)>,
    sent: u64,
}

impl Mailbox {
    pub(super) fn put(&mut self, body: String) -> u64 {
        self.sent += 1;
        self.messages.insert(self.sent, (body, Instant::now()));
        self.sent
    }

    pub(super) fn is_empty(&self) -> bool {
        self.messages.is_empty()
    }

    /// Up to 10 that nobody has in hand.
    pub(super) fn take(&mut self, dice: &mut SmallRng) -> Vec<Message> {
        let now = Instant::now();
        let visible = self.messages.iter_mut().filter(|(_, (_, from))| *from <= now).take(MOST);
        let taken = visible.map(|(number, (body, from))| {
            let is_seen_twice = dice.random_bool(0.01);
            *from = now + if is_seen_twice { Duration::from_millis(1) } else { VISIBILITY };
            Message { id: format!("message-{number}"), receipt: number.to_string(), body: body.clone(), sent_at: None }
        });
        taken.collect()
    }

    /// When the next one is visible.
    pub(super) fn next(&self) -> Option<Instant> {
        self.messages.values().map(|(_, from)| *from).min()
    }

    pub(super) fn delete(&mut self, receipt: &str) {
        receipt.parse().ok().and_then(|number: u64| self.messages.remove(&number));
    }

    pub(super) fn release(&mut self, receipt: &str) {
        let message = receipt.parse().ok().and_then(|number: u64| self.messages.get_mut(&number));
        message.into_iter().for_each(|(_, from)| *from = Instant::now());
    }
}
