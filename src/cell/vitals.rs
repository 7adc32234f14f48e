//! How the cell is, at a glance.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use super::receive::From;
use super::stats::{Bucket, Phases, Totals};
use super::{Cell, Inner};
use crate::core::run::Status;
use crate::core::time::Timestamp;

/// How often what only rises is read, to know what rose in which minute.
const SAMPLE: Duration = Duration::from_secs(1);
/// One broken connection among many calls is everyday life; so many in a row are not.
const UNANSWERED: u32 = 3;

/// A cell in numbers.
#[derive(Clone, Debug)]
pub struct Vitals {
    /// When this was so.
    pub at: Timestamp,
    /// Runs in memory, by status: all open ones, and those that ended lately.
    pub statuses: BTreeMap<Status, usize>,
    /// Runs that wait for a launch slot, by queue.
    pub waiting: BTreeMap<String, usize>,
    /// Runs that may have a task.
    pub in_flight: usize,
    /// Durable notifications that nobody has taken yet.
    pub outbox: usize,
    /// How long ago the oldest of them happened; zero when there is none.
    pub outbox_age: Duration,
    /// Tasks placed a second, over the last ten.
    pub launch_rate: f64,
    /// Why it is not ready; empty when it is.
    pub not_ready: Vec<String>,
    /// The minutes of the last hour in which anything happened, oldest first.
    pub minutes: Vec<Bucket>,
    /// Ends and failures since the cell began.
    pub totals: Totals,
}

impl Cell {
    /// How it is.
    pub fn vitals(&self) -> Vitals {
        let inner = &self.inner;
        let at = inner.ports.clock.now();
        Vitals {
            at,
            statuses: inner.registry.by_status(),
            waiting: inner.waiting_by_queue(),
            in_flight: inner.registry.live(),
            outbox: inner.untold.load(Ordering::Acquire),
            outbox_age: inner.outbox.oldest().map(|oldest| at.since(oldest)).unwrap_or_default(),
            launch_rate: inner.stats.launch_rate(at),
            not_ready: self.not_ready(),
            minutes: inner.stats.buckets(at),
            totals: inner.stats.totals(),
        }
    }

    /// How long the phases of a start take.
    pub fn phases(&self) -> &Phases {
        &self.inner.stats.phases
    }

    /// When this process began its work on the cell.
    pub fn began_at(&self) -> Timestamp {
        self.inner.began_at
    }

    /// What hinders it, each in a line for its operator; nothing when it is ready.
    pub fn not_ready(&self) -> Vec<String> {
        let ports = &self.inner.ports;
        let mut reasons = Vec::new();
        for (there, from) in [(ports.events.is_some(), From::Events), (ports.requests.is_some(), From::Requests)] {
            let neighbour = &self.inner.receiving[from as usize];
            if there && !neighbour.is_well() {
                let why = neighbour.trouble(1).map(|why| format!(": {why}")).unwrap_or_default();
                reasons.push(format!("it does not receive from {}{why}", from.queue()));
            }
        }
        if let Some(why) = self.inner.storing.trouble(1) {
            reasons.push(format!("its store does not take changes: {why}"));
        }
        if let Some(why) = self.inner.launching.trouble(UNANSWERED) {
            reasons.push(format!("ECS does not answer RunTask, so launches wait: {why}"));
        }
        if self.inner.draining.is_cancelled() {
            reasons.push("it is shutting down".to_owned());
        }
        reasons
    }
}

impl Inner {
    /// Puts what the counters rose by into the minute in which they did.
    pub(super) async fn sample_all(self: Arc<Self>) {
        let mut seen = [0; 4];
        loop {
            tokio::select! {
                () = tokio::time::sleep(SAMPLE) => {}
                () = self.ended.cancelled() => return,
            }
            let c = &self.counters;
            let now = [&c.accepted, &c.throttles, &c.corrections, &c.events].map(super::Count::get);
            if now != seen {
                let [submitted, throttles, corrections, events] = std::array::from_fn(|i| now[i] - seen[i]);
                self.stats.count(self.ports.clock.now(), |bucket| {
                    bucket.submitted += submitted;
                    bucket.throttles += throttles;
                    bucket.corrections += corrections;
                    bucket.events += events;
                });
                seen = now;
            }
        }
    }
}
