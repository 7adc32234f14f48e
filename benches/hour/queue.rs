//! SQS: what was received and not deleted is visible again after half a minute.

use std::collections::{HashMap, VecDeque};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use taskwatch::cell::ports::Message;
use tokio::sync::Notify;
use tokio::time::Instant;

const VISIBILITY: Duration = Duration::from_secs(30);
const MOST: usize = 10;

#[derive(Default)]
struct Kept {
    visible: VecDeque<(u64, String)>,
    in_hand: HashMap<u64, String>,
    /// When those are visible again.
    returns: VecDeque<(Instant, u64)>,
    sent: u64,
}

/// One queue.
#[derive(Default)]
pub(crate) struct Mailbox {
    kept: Mutex<Kept>,
    came: Notify,
}

impl Mailbox {
    fn kept(&self) -> MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn put(&self, body: String) {
        let mut kept = self.kept();
        kept.sent += 1;
        let number = kept.sent;
        kept.visible.push_back((number, body));
        drop(kept);
        self.came.notify_one();
    }

    pub(crate) fn len(&self) -> usize {
        let kept = self.kept();
        kept.visible.len() + kept.in_hand.len()
    }

    fn take(&self) -> (Vec<Message>, Option<Instant>) {
        let (mut kept, now) = (self.kept(), Instant::now());
        while let Some((at, number)) = kept.returns.front().copied()
            && at <= now
        {
            kept.returns.pop_front();
            if let Some(body) = kept.in_hand.remove(&number) {
                kept.visible.push_back((number, body));
            }
        }
        let count = kept.visible.len().min(MOST);
        let taken: Vec<(u64, String)> = kept.visible.drain(..count).collect();
        let mut messages = Vec::with_capacity(taken.len());
        for (number, body) in taken {
            let receipt = number.to_string();
            messages.push(Message { id: format!("message-{number}"), receipt, body: body.clone(), sent_at: None });
            kept.in_hand.insert(number, body);
            kept.returns.push_back((now + VISIBILITY, number));
        }
        (messages, kept.returns.front().map(|(at, _)| *at))
    }

    /// A long poll.
    pub(crate) async fn receive(&self, wait: Duration) -> Vec<Message> {
        let until = Instant::now() + wait;
        loop {
            let (messages, next) = self.take();
            if !messages.is_empty() || Instant::now() >= until {
                // There may be more for another receiver.
                self.came.notify_one();
                return messages;
            }
            tokio::select! {
                biased;
                () = self.came.notified() => {}
                () = tokio::time::sleep_until(next.unwrap_or(until).min(until)) => {}
            }
        }
    }

    pub(crate) fn delete(&self, receipt: &str) {
        if let Ok(number) = receipt.parse() {
            self.kept().in_hand.remove(&number);
        }
    }

    pub(crate) fn release(&self, receipt: &str) {
        let mut kept = self.kept();
        if let Ok(number) = receipt.parse::<u64>()
            && let Some(body) = kept.in_hand.remove(&number)
        {
            kept.visible.push_front((number, body));
            drop(kept);
            self.came.notify_one();
        }
    }
}
