//! Notifications on their way: each destination's are read from the store's outbox in pages and go out in order, at the
//! destination's own pace, so that an hour without SNS costs no memory and keeps nobody else waiting.

mod round;

use std::collections::{BTreeMap, HashMap};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures::FutureExt as _;
use tokio::sync::{Notify, Semaphore};

use super::clock::Clock;
use super::commit::Pipeline;
use super::lifecycle::Lifecycle;
use super::ports::{CallError, Notifier};
use super::view::Counters;
use crate::core::notification::{self, Notification, Outlet};
use crate::core::time::Timestamp;
use crate::store::{Change, Posted, Store, StoreError};
use round::{Next, Round};

/// Notifications of one destination in hand at once.
const PAGE: usize = 50;
/// Topics served at once; a bus never waits for topics. With the page it bounds what is in memory.
const TOPICS_AT_ONCE: usize = 8;

/// What delivery works with.
pub(super) struct DeliveryParts {
    pub(super) cell: String,
    pub(super) store: Arc<dyn Store>,
    pub(super) notifier: Arc<dyn Notifier>,
    pub(super) pipeline: Arc<Pipeline>,
    pub(super) counters: Arc<Counters>,
    pub(super) clock: Clock,
    pub(super) lifecycle: Arc<Lifecycle>,
}

/// Delivers notifications: a worker for each destination, for as long as the outbox has something for it.
pub(super) struct Delivery {
    parts: DeliveryParts,
    workers: Mutex<HashMap<Outlet, Worker>>,
    topics: Semaphore,
    /// Durable notifications that were not delivered yet.
    undelivered: AtomicUsize,
    delivered: Notify,
}

struct Worker {
    woken: Arc<Notify>,
    failure: Option<DeliveryFailure>,
    /// When what it has not delivered yet happened, at the earliest.
    oldest: Timestamp,
}

/// A destination that does not take what it is given.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeliveryFailure {
    /// The topic's ARN, or `event-bus:` and the bus's name.
    pub outlet: String,
    /// Notifications that it refuses for what they are. They stay in the outbox and are tried again at least hourly.
    pub refused: usize,
    /// What it said last.
    pub error: String,
}

impl Delivery {
    pub(super) fn new(parts: DeliveryParts) -> Self {
        let topics = Semaphore::new(TOPICS_AT_ONCE);
        Self { parts, workers: Mutex::default(), topics, undelivered: AtomicUsize::new(0), delivered: Notify::new() }
    }

    /// Takes up what an earlier process left in the outbox.
    pub(super) fn take_up(self: &Arc<Self>, undelivered: &BTreeMap<Outlet, usize>) {
        self.undelivered.store(undelivered.values().sum(), Ordering::Release);
        undelivered.keys().for_each(|destination| self.deliver_to(destination));
    }

    /// Notifications were posted for these destinations, durably.
    pub(super) fn posted(self: &Arc<Self>, destinations: &[Outlet]) {
        self.undelivered.fetch_add(destinations.len(), Ordering::AcqRel);
        destinations.iter().for_each(|destination| self.deliver_to(destination));
    }

    /// Durable notifications that no destination has taken yet.
    pub(super) fn undelivered(&self) -> usize {
        self.undelivered.load(Ordering::Acquire)
    }

    /// Waits until every notification so far was delivered, at most so long.
    pub(super) async fn flush(&self, longest: Duration) {
        let all = async {
            loop {
                let mut delivered = std::pin::pin!(self.delivered.notified());
                delivered.as_mut().enable();
                if self.undelivered() == 0 {
                    return;
                }
                delivered.await;
            }
        };
        let _ = tokio::time::timeout(longest, all).await;
    }

    fn workers(&self) -> MutexGuard<'_, HashMap<Outlet, Worker>> {
        self.workers.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The destinations that do not take what they are given.
    pub(super) fn failures(&self) -> Vec<DeliveryFailure> {
        let mut failures: Vec<DeliveryFailure> = self.workers().values().filter_map(|w| w.failure.clone()).collect();
        failures.sort_by(|a, b| a.outlet.cmp(&b.outlet));
        failures
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

    /// Notes whether a destination takes what it is given; whether that is news.
    fn note(&self, outlet: &Outlet, failure: Option<DeliveryFailure>) -> bool {
        let mut workers = self.workers();
        let Some(worker) = workers.get_mut(outlet) else { return false };
        let news = worker.failure.is_some() != failure.is_some()
            || worker.failure.as_ref().map(|f| &f.error) != failure.as_ref().map(|f| &f.error);
        worker.failure = failure;
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

    /// Something was posted for this destination, durably.
    fn deliver_to(self: &Arc<Self>, outlet: &Outlet) {
        let mut workers = self.workers();
        if let Some(worker) = workers.get(outlet) {
            return worker.woken.notify_one();
        }
        let woken = Arc::new(Notify::new());
        // Until it has read what an earlier process left.
        let oldest = self.parts.clock.now();
        workers.insert(outlet.clone(), Worker { woken: Arc::clone(&woken), failure: None, oldest });
        self.parts.lifecycle.spawn(Arc::clone(self).deliver_all(outlet.clone(), woken));
    }

    /// Publishes what the outbox has for one outlet until it has nothing more, or the cell ends.
    async fn deliver_all(self: Arc<Self>, outlet: Outlet, woken: Arc<Notify>) {
        let mut round = Round::new(&self.parts.cell, &outlet);
        while !self.parts.lifecycle.is_ended() {
            match self.deliver_page(&outlet, &mut round).await {
                Next::Page => {}
                Next::Rest(wait) => drop(self.parts.lifecycle.sleep(wait).await),
                Next::Empty => match round.again() {
                    Some(again) => tokio::select! {
                        biased;
                        () = self.parts.lifecycle.ended() => {}
                        () = tokio::time::sleep_until(again) => round.start_over(),
                        () = woken.notified() => {}
                    },
                    None if self.leave(&outlet) => return,
                    None => {}
                },
            }
        }
    }

    /// Publishes a page, call after call, until one of its notifications has to wait.
    async fn deliver_page(&self, outlet: &Outlet, round: &mut Round) -> Next {
        let _turn = match outlet {
            Outlet::Topic(_) => self.topics.acquire().await.ok(),
            Outlet::Bus(_) => None,
        };
        let page = match self.read_page(outlet, round.cursor()).await {
            Ok(page) => page,
            Err(error) => {
                tracing::error!(%error, "the outbox cannot be read; trying again");
                return Next::Rest(round.next_wait());
            }
        };
        if page.is_empty() {
            return Next::Empty;
        }
        // What the round has passed is older, and was noted.
        if round.refused() == 0 {
            self.note_oldest(outlet, page.first());
        }
        let mut page = page.as_slice();
        for size in notification::calls(page.iter().map(|posted| &posted.notification)) {
            let (call, rest) = page.split_at(size);
            let Some(answers) = self.publish(call).await else { return Next::Page };
            self.delivered(call, &answers).await;
            if round.refused() == 0 {
                let mut left = call.iter().zip(&answers).filter(|(_, answer)| answer.is_err());
                self.note_oldest(outlet, left.next().map(|(posted, _)| posted).or(rest.first()));
            }
            let next = round.answered(call.iter().map(|posted| posted.seq).zip(&answers));
            self.note_failure(outlet, round, &answers);
            if let Next::Rest(_) = next {
                return next;
            }
            page = rest;
        }
        Next::Page
    }

    /// The next notifications of a destination behind a place; none: there are no more. A short page is not the end.
    async fn read_page(&self, outlet: &Outlet, mut after: u64) -> Result<Vec<Posted>, StoreError> {
        loop {
            let page = self.parts.store.outbox(outlet, after, PAGE).await?;
            match page.next {
                Some(next) if page.items.is_empty() => after = next,
                _ => return Ok(page.items),
            }
        }
    }

    /// One call; where all of it is refused each is sent by itself, for one may have spoilt the others.
    /// `None`: the cell has ended. They stay in the outbox, and go out with the same ids after the next start.
    async fn publish(&self, call: &[Posted]) -> Option<Vec<Result<(), CallError>>> {
        let notifications: Vec<Notification> = call.iter().map(|posted| posted.notification.clone()).collect();
        let send = async {
            let answers = self.parts.notifier.publish(&notifications).await;
            let refused = |answer: &Result<(), CallError>| matches!(answer, Err(CallError::Refused(_)));
            if answers.len() < 2 || !answers.iter().all(refused) {
                return answers;
            }
            let mut singly = Vec::with_capacity(answers.len());
            for notification in &notifications {
                singly.extend(self.parts.notifier.publish(std::slice::from_ref(notification)).await);
            }
            singly
        };
        self.parts.lifecycle.unless_ended(send).await
    }

    /// Takes out of the outbox what was taken.
    async fn delivered(&self, call: &[Posted], answers: &[Result<(), CallError>]) {
        let taken = call.iter().zip(answers).filter(|(_, answer)| answer.is_ok());
        let changes: Vec<Change> = taken.map(|(posted, _)| Change::Delivered(posted.seq)).collect();
        let count = changes.len();
        if count == 0 {
            return;
        }
        // Read again before this is durable, the outbox would give them again.
        if self.parts.pipeline.commit(changes).await.is_some() {
            self.parts.counters.notified.add(count);
            self.undelivered.fetch_sub(count, Ordering::AcqRel);
            self.delivered.notify_waiters();
        }
    }

    fn note_failure(&self, outlet: &Outlet, round: &Round, answers: &[Result<(), CallError>]) {
        let error = answers.iter().find_map(|answer| answer.as_ref().err());
        let refused = answers.iter().filter(|answer| matches!(answer, Err(CallError::Refused(_)))).count();
        self.parts.counters.untaken.add(refused);
        let name = outlet.to_string();
        match error {
            Some(error) => {
                let failure =
                    DeliveryFailure { outlet: name.clone(), refused: round.refused(), error: error.to_string() };
                if self.note(outlet, Some(failure)) {
                    tracing::warn!(outlet = name, %error, "notifications are not taken; they are kept and sent again");
                }
            }
            // What was refused is still there, though others are taken.
            None if round.refused() > 0 => {}
            None => {
                if self.note(outlet, None) {
                    tracing::info!(outlet = name, "notifications are taken again");
                }
            }
        }
    }
}
