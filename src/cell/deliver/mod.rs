//! Notifications on their way: each destination's are read from the store's outbox in pages and go out in order, at the
//! destination's own pace, so that an hour without SNS costs no memory and keeps nobody else waiting.

mod heartbeats;
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
use super::runs::RunIndex;
use super::view::Counters;
use crate::core::notification::{self, Destination, Notification, callback};
use crate::core::time::Timestamp;
use crate::store::{Change, Posted, Store, StoreError};
use heartbeats::Heartbeats;
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
    pub(super) runs: Arc<RunIndex>,
    pub(super) counters: Arc<Counters>,
    pub(super) clock: Clock,
    pub(super) lifecycle: Arc<Lifecycle>,
}

/// Delivers notifications: a worker for each destination, for as long as the outbox has something for it.
pub(super) struct Delivery {
    parts: DeliveryParts,
    workers: Mutex<HashMap<Destination, Worker>>,
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

/// A destination to which notifications cannot be delivered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeliveryFailure {
    /// The topic's ARN, or `event-bus:` and the bus's name.
    pub destination: String,
    /// Notifications that it rejected. They stay in the outbox and are tried again at least hourly.
    pub rejected: usize,
    /// What it said last.
    pub error: String,
}

impl Delivery {
    pub(super) fn new(parts: DeliveryParts) -> Self {
        let topics = Semaphore::new(TOPICS_AT_ONCE);
        Self { parts, workers: Mutex::default(), topics, undelivered: AtomicUsize::new(0), delivered: Notify::new() }
    }

    /// Takes up what an earlier process left in the outbox, and begins to tell those who wait that their runs live.
    pub(super) fn take_up(self: &Arc<Self>, undelivered: &BTreeMap<Destination, usize>) {
        self.parts.lifecycle.spawn(Heartbeats::of(&self.parts).run());
        self.undelivered.store(undelivered.values().sum(), Ordering::Release);
        undelivered.keys().for_each(|destination| self.deliver_to(destination));
    }

    /// Notifications were posted for these destinations, durably.
    pub(super) fn posted(self: &Arc<Self>, destinations: &[Destination]) {
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

    fn workers(&self) -> MutexGuard<'_, HashMap<Destination, Worker>> {
        self.workers.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The destinations to which notifications cannot be delivered.
    pub(super) fn failures(&self) -> Vec<DeliveryFailure> {
        let mut failures: Vec<DeliveryFailure> = self.workers().values().filter_map(|w| w.failure.clone()).collect();
        failures.sort_by(|a, b| a.destination.cmp(&b.destination));
        failures
    }

    /// When the oldest notification that nobody has taken happened.
    pub(super) fn oldest(&self) -> Option<Timestamp> {
        self.workers().values().map(|worker| worker.oldest).min()
    }

    fn note_oldest(&self, destination: &Destination, left: Option<&Posted>) {
        if let (Some(worker), Some(left)) = (self.workers().get_mut(destination), left) {
            worker.oldest = left.notification.at;
        }
    }

    /// Notes whether a destination takes what it is given; whether that is news.
    fn note(&self, destination: &Destination, failure: Option<DeliveryFailure>) -> bool {
        let mut workers = self.workers();
        let Some(worker) = workers.get_mut(destination) else { return false };
        let news = worker.failure.is_some() != failure.is_some()
            || worker.failure.as_ref().map(|f| &f.error) != failure.as_ref().map(|f| &f.error);
        worker.failure = failure;
        news
    }

    /// Ends a worker, unless something was posted since it looked.
    fn leave(&self, destination: &Destination) -> bool {
        let mut workers = self.workers();
        let posted = workers.get(destination).is_some_and(|worker| worker.woken.notified().now_or_never().is_some());
        if !posted {
            workers.remove(destination);
        }
        !posted
    }

    /// Something was posted for this destination, durably.
    fn deliver_to(self: &Arc<Self>, destination: &Destination) {
        let mut workers = self.workers();
        if let Some(worker) = workers.get(destination) {
            return worker.woken.notify_one();
        }
        let woken = Arc::new(Notify::new());
        // Until it has read what an earlier process left.
        let oldest = self.parts.clock.now();
        workers.insert(destination.clone(), Worker { woken: Arc::clone(&woken), failure: None, oldest });
        self.parts.lifecycle.spawn(Arc::clone(self).deliver_all(destination.clone(), woken));
    }

    /// Publishes what the outbox has for one destination until it has nothing more, or the cell ends.
    async fn deliver_all(self: Arc<Self>, destination: Destination, woken: Arc<Notify>) {
        let mut round = Round::new(&self.parts.cell, &destination);
        while !self.parts.lifecycle.is_ended() {
            match self.deliver_page(&destination, &mut round).await {
                Next::Page => {}
                Next::Rest(wait) => drop(self.parts.lifecycle.sleep(wait).await),
                Next::Empty => match round.again() {
                    Some(again) => tokio::select! {
                        biased;
                        () = self.parts.lifecycle.ended() => {}
                        () = tokio::time::sleep_until(again) => round.start_over(),
                        () = woken.notified() => {}
                    },
                    None if self.leave(&destination) => return,
                    None => {}
                },
            }
        }
    }

    /// Publishes a page, call after call, until one of its notifications has to wait.
    async fn deliver_page(&self, destination: &Destination, round: &mut Round) -> Next {
        let _turn = match destination {
            Destination::Topic(_) => self.topics.acquire().await.ok(),
            Destination::Bus(_) | Destination::StepFunctions | Destination::DurableFunctions => None,
        };
        let page = match self.read_page(destination, round.cursor()).await {
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
        if round.rejected() == 0 {
            self.note_oldest(destination, page.first());
        }
        let mut page = page.as_slice();
        for size in notification::calls(page.iter().map(|posted| &posted.notification)) {
            let (call, rest) = page.split_at(size);
            let Some(answers) = self.publish(call).await else { return Next::Page };
            self.delivered(call, &answers).await;
            if round.rejected() == 0 {
                let mut left = call.iter().zip(&answers).filter(|(_, answer)| answer.is_err());
                self.note_oldest(destination, left.next().map(|(posted, _)| posted).or(rest.first()));
            }
            let next = round.answered(call.iter().map(|posted| posted.seq).zip(&answers));
            self.note_failure(destination, round, &answers);
            if let Next::Rest(_) = next {
                return next;
            }
            page = rest;
        }
        Next::Page
    }

    /// The next notifications of a destination after a sequence number; none: there are no more. A short page is not the end.
    async fn read_page(&self, destination: &Destination, mut after: u64) -> Result<Vec<Posted>, StoreError> {
        loop {
            let page = self.parts.store.outbox(destination, after, PAGE).await?;
            match page.next {
                Some(next) if page.items.is_empty() => after = next,
                _ => return Ok(page.items),
            }
        }
    }

    /// One call; where all of it is rejected each is sent by itself, for one may have spoilt the others.
    /// `None`: the cell has ended. They stay in the outbox, and go out with the same ids after the next start.
    async fn publish(&self, call: &[Posted]) -> Option<Vec<Result<(), CallError>>> {
        let notifications: Vec<Notification> = call.iter().map(|posted| posted.notification.clone()).collect();
        let send = async {
            let answers = self.parts.notifier.publish(&notifications).await;
            let rejected = |answer: &Result<(), CallError>| matches!(answer, Err(CallError::Refused(_)));
            // Answers to tokens share no call in any case.
            let alone = answers.len() < 2 || notifications.iter().any(|n| n.destination.is_callback());
            if alone || !answers.iter().all(rejected) {
                return answers.into_iter().zip(&notifications).map(done_with).collect();
            }
            let mut singly = Vec::with_capacity(answers.len());
            for notification in &notifications {
                singly.extend(self.parts.notifier.publish(std::slice::from_ref(notification)).await);
            }
            singly
        };
        if !self.parts.lifecycle.may_act().await {
            return None;
        }
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

    fn note_failure(&self, destination: &Destination, round: &Round, answers: &[Result<(), CallError>]) {
        let error = answers.iter().find_map(|answer| answer.as_ref().err());
        let rejected = answers.iter().filter(|answer| matches!(answer, Err(CallError::Refused(_)))).count();
        self.parts.counters.notifications_rejected.add(rejected);
        let name = destination.to_string();
        match error {
            Some(error) => {
                let failure =
                    DeliveryFailure { destination: name.clone(), rejected: round.rejected(), error: error.to_string() };
                if self.note(destination, Some(failure)) {
                    tracing::warn!(destination = name, %error, "notifications cannot be delivered; they are kept and sent again");
                }
            }
            // What was rejected is still there, though others are taken.
            None if round.rejected() > 0 => {}
            None => {
                if self.note(destination, None) {
                    tracing::info!(destination = name, "notifications are delivered again");
                }
            }
        }
    }
}

/// An answer for which nobody waits any more is done with: nothing would ever take it.
fn done_with((answer, notification): (Result<(), CallError>, &Notification)) -> Result<(), CallError> {
    match answer {
        Err(CallError::Refused(failure)) if is_closed(notification, &failure.error) => {
            let (run, error) = (notification.run, failure.error);
            tracing::warn!(%run, error, to = %notification.destination, "nobody waits for this run by its token any more");
            Ok(())
        }
        answer => answer,
    }
}

fn is_closed(notification: &Notification, error: &str) -> bool {
    notification.destination.is_callback() && callback::is_closed(error)
}
