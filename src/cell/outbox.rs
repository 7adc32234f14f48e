//! Notifications on their way: read from the store's outbox in pages, so that an hour without SNS costs no memory.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use tokio::time::Instant;

use super::Inner;
use super::door::Commit;
use crate::core::notification::Notification;
use crate::store::{Change, Posted};

/// Notifications in hand at once.
const PAGE: usize = 200;
const FIRST_WAIT: Duration = Duration::from_millis(500);
const LONGEST_WAIT: Duration = Duration::from_secs(60);

/// How far the outbox was read, and when what was not taken is tried again.
struct Round {
    cursor: u64,
    again: Option<Instant>,
    wait: Duration,
}

impl Round {
    fn failed(&mut self) {
        if self.again.is_none() {
            self.again = Some(Instant::now() + self.wait);
            self.wait = (self.wait * 2).min(LONGEST_WAIT);
        }
    }
}

impl Inner {
    /// Publishes what is in the outbox until the cell ends; each leaves it once it was taken. What is refused again and
    /// again waits at most a minute for its next try, and holds up nothing behind it.
    pub(super) async fn notify_all(self: Arc<Self>) {
        let mut round = Round { cursor: 0, again: None, wait: FIRST_WAIT };
        while !self.ended.is_cancelled() {
            match self.ports.store.outbox(round.cursor, PAGE).await {
                Ok(page) => match page.last() {
                    Some(last) => {
                        round.cursor = last.seq;
                        if self.publish(page).await {
                            round.failed();
                        } else if round.again.is_none() {
                            round.wait = FIRST_WAIT;
                        }
                    }
                    None => self.rest(&mut round).await,
                },
                Err(error) => {
                    tracing::error!(%error, "the outbox cannot be read; trying again");
                    round.failed();
                    self.rest(&mut round).await;
                }
            }
        }
    }

    /// Waits for a new notification, or for the next try of those that were not taken.
    async fn rest(&self, round: &mut Round) {
        let again = async {
            match round.again {
                Some(at) => tokio::time::sleep_until(at).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            biased;
            () = self.ended.cancelled() => {}
            () = again => {
                round.again = None;
                round.cursor = 0;
            }
            () = self.posted.notified() => {}
        }
    }

    /// Publishes a page; whether any of it has to be tried again.
    async fn publish(&self, page: Vec<Posted>) -> bool {
        let page: Vec<Notification> = page.into_iter().map(|posted| posted.notification).collect();
        let answers = tokio::select! {
            biased;
            // They stay in the store's outbox, and go out with the same ids after the next start.
            () = self.ended.cancelled() => return true,
            answers = self.ports.notifier.publish(&page) => answers,
        };
        let mut delivered = Vec::with_capacity(page.len());
        for (notification, answer) in page.iter().zip(&answers) {
            match answer {
                Ok(()) => delivered.push(Change::Delivered(notification.id.clone())),
                Err(error) => {
                    tracing::warn!(run = %notification.run, %error, "a notification was not taken; it is sent again");
                }
            }
        }
        let (taken, left) = (delivered.len(), page.len() - delivered.len());
        let (commit, durable) = Commit::bare(delivered);
        if taken > 0 && self.commits.send(commit).await.is_ok() {
            // Read again before this is durable, the outbox would give them again.
            let _ = durable.await;
            self.counters.notified.add(taken);
            self.untold.fetch_sub(taken, Ordering::AcqRel);
            self.delivered.notify_waiters();
        }
        left > 0
    }
}
