//! Notifications on their way: each outlet's are read from the store's outbox in pages and go out in order, at the
//! outlet's own pace, so that an hour without SNS costs no memory and keeps nobody else waiting.

mod round;

use std::collections::HashMap;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use futures::FutureExt as _;
use tokio::sync::{Notify, Semaphore};

use super::Inner;
use super::door::Commit;
use super::ports::CallError;
use crate::core::notification::{self, Notification, Outlet};
use crate::core::time::Timestamp;
use crate::store::{Change, Page, Posted};
use round::{Next, Round};

/// Notifications of one outlet in hand at once.
const PAGE: usize = 50;
/// Topics served at once; a bus never waits for topics. With the page it bounds what is in memory.
const TOPICS_AT_ONCE: usize = 8;

/// The outlets that have something to take.
pub(super) struct Outbox {
    workers: Mutex<HashMap<Outlet, Worker>>,
    topics: Semaphore,
}

struct Worker {
    woken: Arc<Notify>,
    trouble: Option<Trouble>,
    /// When what it has not delivered yet happened, at the earliest.
    oldest: Timestamp,
}

/// An outlet that does not take what it is given.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trouble {
    /// The topic's ARN, or `event-bus:` and the bus's name.
    pub outlet: String,
    /// Notifications that it refuses for what they are. They stay in the outbox and are tried again at least hourly.
    pub refused: usize,
    /// What it said last.
    pub error: String,
}

impl Outbox {
    pub(super) fn new() -> Self {
        Self { workers: Mutex::default(), topics: Semaphore::new(TOPICS_AT_ONCE) }
    }

    fn workers(&self) -> MutexGuard<'_, HashMap<Outlet, Worker>> {
        self.workers.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The outlets in trouble.
    pub(super) fn troubles(&self) -> Vec<Trouble> {
        let mut troubles: Vec<Trouble> = self.workers().values().filter_map(|w| w.trouble.clone()).collect();
        troubles.sort_by(|a, b| a.outlet.cmp(&b.outlet));
        troubles
    }

    /// When the oldest notification that nobody has taken happened.
    pub(super) fn oldest(&self) -> Option<Timestamp> {
        self.workers().values().map(|worker| worker.oldest).min()
    }

    fn note_oldest(&self, outlet: &Outlet, left: Option<&Posted>) {
        if let (Some(worker), Some(left)) = (self.workers().get_mut(outlet), left) {
            worker.oldest = left.notification.at;
        }
    }

    /// Notes how an outlet does; whether that is news.
    fn note(&self, outlet: &Outlet, trouble: Option<Trouble>) -> bool {
        let mut workers = self.workers();
        let Some(worker) = workers.get_mut(outlet) else { return false };
        let news = worker.trouble.is_some() != trouble.is_some()
            || worker.trouble.as_ref().map(|t| &t.error) != trouble.as_ref().map(|t| &t.error);
        worker.trouble = trouble;
        news
    }

    /// Ends a worker, unless something was posted since it looked.
    fn leave(&self, outlet: &Outlet) -> bool {
        let mut workers = self.workers();
        let posted = workers.get(outlet).is_some_and(|worker| worker.woken.notified().now_or_never().is_some());
        if !posted {
            workers.remove(outlet);
        }
        !posted
    }
}

impl Inner {
    /// Something was posted for this outlet, durably.
    pub(super) fn deliver_to(self: &Arc<Self>, outlet: &Outlet) {
        let mut workers = self.outbox.workers();
        if let Some(worker) = workers.get(outlet) {
            return worker.woken.notify_one();
        }
        let woken = Arc::new(Notify::new());
        // Until it has read what an earlier process left.
        let oldest = self.ports.clock.now();
        workers.insert(outlet.clone(), Worker { woken: Arc::clone(&woken), trouble: None, oldest });
        self.tasks.spawn(Arc::clone(self).deliver_all(outlet.clone(), woken));
    }

    /// Publishes what the outbox has for one outlet until it has nothing more, or the cell ends.
    async fn deliver_all(self: Arc<Self>, outlet: Outlet, woken: Arc<Notify>) {
        let mut round = Round::new(&self.config.name, &outlet);
        while !self.ended.is_cancelled() {
            match self.deliver_page(&outlet, &mut round).await {
                Next::Page => {}
                Next::Rest(wait) => {
                    tokio::select! {
                        biased;
                        () = self.ended.cancelled() => {}
                        () = tokio::time::sleep(wait) => {}
                    }
                }
                Next::Empty => match round.again() {
                    Some(again) => tokio::select! {
                        biased;
                        () = self.ended.cancelled() => {}
                        () = tokio::time::sleep_until(again) => round.start_over(),
                        () = woken.notified() => {}
                    },
                    None if self.outbox.leave(&outlet) => return,
                    None => {}
                },
            }
        }
    }

    /// Publishes a page, call after call, until one of its notifications has to wait.
    async fn deliver_page(&self, outlet: &Outlet, round: &mut Round) -> Next {
        let _turn = match outlet {
            Outlet::Topic(_) => self.outbox.topics.acquire().await.ok(),
            Outlet::Bus(_) => None,
        };
        let mut after = round.cursor();
        let page = loop {
            match self.ports.store.outbox(outlet, after, PAGE).await {
                Ok(Page { items, next: Some(next) }) if items.is_empty() => after = next,
                Ok(page) => break page.items,
                Err(error) => {
                    tracing::error!(%error, "the outbox cannot be read; trying again");
                    return Next::Rest(round.next_wait());
                }
            }
        };
        if page.is_empty() {
            return Next::Empty;
        }
        // What the round has passed is older, and was noted.
        if round.refused() == 0 {
            self.outbox.note_oldest(outlet, page.first());
        }
        let mut page = page.as_slice();
        for size in notification::calls(page.iter().map(|posted| &posted.notification)) {
            let (call, rest) = page.split_at(size);
            let Some(answers) = self.publish(call).await else { return Next::Page };
            self.delivered(call, &answers).await;
            if round.refused() == 0 {
                let mut left = call.iter().zip(&answers).filter(|(_, answer)| answer.is_err());
                self.outbox.note_oldest(outlet, left.next().map(|(posted, _)| posted).or(rest.first()));
            }
            let next = round.answered(call.iter().map(|posted| posted.seq).zip(&answers));
            self.note_trouble(outlet, round, &answers);
            if let Next::Rest(_) = next {
                return next;
            }
            page = rest;
        }
        Next::Page
    }

    /// One call; where all of it is refused each is sent by itself, for one may have spoilt the others.
    /// `None`: the cell has ended. They stay in the outbox, and go out with the same ids after the next start.
    async fn publish(&self, call: &[Posted]) -> Option<Vec<Result<(), CallError>>> {
        let notifications: Vec<Notification> = call.iter().map(|posted| posted.notification.clone()).collect();
        let send = async {
            let answers = self.ports.notifier.publish(&notifications).await;
            let refused = |answer: &Result<(), CallError>| matches!(answer, Err(CallError::Refused(_)));
            if answers.len() < 2 || !answers.iter().all(refused) {
                return answers;
            }
            let mut singly = Vec::with_capacity(answers.len());
            for notification in &notifications {
                singly.extend(self.ports.notifier.publish(std::slice::from_ref(notification)).await);
            }
            singly
        };
        tokio::select! {
            biased;
            () = self.ended.cancelled() => None,
            answers = send => Some(answers),
        }
    }

    /// Takes out of the outbox what was taken.
    async fn delivered(&self, call: &[Posted], answers: &[Result<(), CallError>]) {
        let taken = call.iter().zip(answers).filter(|(_, answer)| answer.is_ok());
        let changes: Vec<Change> = taken.map(|(posted, _)| Change::Delivered(posted.seq)).collect();
        let count = changes.len();
        if count == 0 {
            return;
        }
        let (commit, durable) = Commit::bare(changes);
        if self.commits.send(commit).await.is_ok() {
            // Read again before this is durable, the outbox would give them again.
            let _ = durable.await;
            self.counters.notified.add(count);
            self.untold.fetch_sub(count, Ordering::AcqRel);
            self.delivered.notify_waiters();
        }
    }

    fn note_trouble(&self, outlet: &Outlet, round: &Round, answers: &[Result<(), CallError>]) {
        let error = answers.iter().find_map(|answer| answer.as_ref().err());
        let refused = answers.iter().filter(|answer| matches!(answer, Err(CallError::Refused(_)))).count();
        self.counters.untaken.add(refused);
        let name = outlet.to_string();
        match error {
            Some(error) => {
                let trouble = Trouble { outlet: name.clone(), refused: round.refused(), error: error.to_string() };
                if self.outbox.note(outlet, Some(trouble)) {
                    tracing::warn!(outlet = name, %error, "notifications are not taken; they are kept and sent again");
                }
            }
            // What was refused is still there, though others are taken.
            None if round.refused() > 0 => {}
            None => {
                if self.outbox.note(outlet, None) {
                    tracing::info!(outlet = name, "notifications are taken again");
                }
            }
        }
    }
}
