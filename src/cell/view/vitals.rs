//! How a cell is, at a glance.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use super::counters::{Count, Counters};
use super::stats::{Bucket, Stats, Totals};
use crate::cell::clock::Clock;
use crate::cell::lifecycle::Lifecycle;
use crate::core::time::Timestamp;

/// How often what only rises is read, to know what rose in which minute.
const SAMPLE: Duration = Duration::from_secs(1);

/// A cell in numbers.
#[derive(Clone, Debug, Default)]
pub struct Vitals {
    /// When this was so.
    pub at: Timestamp,
    /// Runs that wait for a launch slot, by queue.
    pub waiting: BTreeMap<String, usize>,
    /// Tasks that there may be: of runs, and those that ECS still takes down.
    pub in_flight: usize,
    /// Durable notifications that no destination has taken yet.
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

/// Puts what the counters rose by into the minute in which they did, until the cell ends.
pub(in crate::cell) async fn sample_counters(
    counters: Arc<Counters>,
    stats: Arc<Stats>,
    clock: Clock,
    lifecycle: Arc<Lifecycle>,
) {
    let mut seen = [0; 4];
    while lifecycle.sleep(SAMPLE).await {
        let c = &counters;
        let now = [&c.accepted, &c.throttles, &c.corrections, &c.events].map(Count::get);
        if now != seen {
            let [submitted, throttles, corrections, events] = std::array::from_fn(|i| now[i] - seen[i]);
            stats.count(clock.now(), |bucket| {
                bucket.submitted += submitted;
                bucket.throttles += throttles;
                bucket.corrections += corrections;
                bucket.events += events;
            });
            seen = now;
        }
    }
}
