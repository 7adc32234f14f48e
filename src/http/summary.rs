//! The cell at a glance: what a live page shows.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::extract::State;
use serde::Serialize;
use tokio::time::Instant;
use utoipa::ToSchema;

use super::attention::{self, CircuitBreakers, FailingDestination};
use super::{Api, stream};
use crate::cell::{Bucket, Limits, Quantiles, Totals};
use crate::core::time::Timestamp;
use crate::fleet::FleetView;
use crate::front::{Figures, Front};

/// Queues that are named; how many more there are stands beside them.
pub(super) const MOST_QUEUES: usize = 100;
/// However many ask, it is made at most so often.
const FRESH: Duration = Duration::from_millis(500);

/// The cell at a glance.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct Summary {
    cell: String,
    version: &'static str,
    /// When this process began its work.
    #[schema(value_type = String, format = DateTime)]
    began_at: Timestamp,
    /// When this was so.
    #[schema(value_type = String, format = DateTime)]
    at: Timestamp,
    ready: bool,
    /// Why it is not, a line each.
    not_ready: Vec<String>,
    /// Runs by status, every status named: all open ones, and the ended ones for as long as they are kept.
    statuses: BTreeMap<&'static str, u64>,
    /// Of the ended ones those that failed, timed out or were aborted, by the class of the failure that ended them.
    failed: BTreeMap<&'static str, u64>,
    /// Runs that wait for a launch slot, by queue: the 100 with the most.
    queues: BTreeMap<String, usize>,
    /// Queues that are not among them.
    queues_left_out: usize,
    /// All that wait for a launch slot.
    waiting: usize,
    /// Tasks that there may be: of runs, and those that ECS still takes down.
    in_flight: usize,
    /// Tasks placed a second, over the last ten; `limits.runTaskRate` is what may be.
    launches_per_second: f64,
    /// What is in force.
    limits: Limits,
    #[serde(flatten)]
    breakers: CircuitBreakers,
    /// Notifications that nobody has taken yet.
    outbox: usize,
    /// Destinations to which they cannot be delivered, 100 at most.
    delivery_failures: Vec<FailingDestination>,
    /// Those that are not among them.
    delivery_failures_left_out: usize,
    /// From the launch queue to RUNNING, by phase, over the last hour.
    phases: PhaseTimes,
    /// From an event's arrival in its queue to its decision being durable, over the last hour.
    event_lag: Spread,
    /// From the acceptance of a run to RunTask, over the last hour.
    first_wait: Spread,
    /// From the instant a retry was due to RunTask, over the last hour.
    retry_wait: Spread,
    /// The minutes of the last hour in which anything happened, oldest first.
    minutes: Vec<Minute>,
    /// Since the process began.
    counters: Counts,
    /// The id of the newest change in `/v1/stream`.
    last_event_id: String,
    /// Of a process of a fleet: who is alive, and who serves which cell.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    fleet: Option<FleetView>,
}

/// How long something took, in seconds.
#[derive(Debug, Serialize, ToSchema)]
struct Spread {
    /// How many were measured: of phases, tasks. The others are 0 when there was none.
    count: u64,
    p50: f64,
    p95: f64,
    p99: f64,
}

/// The phases of a start: of tasks, of which a run has one each attempt.
#[derive(Debug, Serialize, ToSchema)]
struct PhaseTimes {
    /// In the launch queue: to RunTask.
    queue: Spread,
    /// `createdAt` to `pullStartedAt`.
    provisioning: Spread,
    /// `pullStartedAt` to `pullStoppedAt`.
    pull: Spread,
    /// `pullStoppedAt` to `startedAt`.
    start: Spread,
    /// From the launch queue to `startedAt`.
    total: Spread,
}

/// What happened in one minute.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct Minute {
    /// When it began.
    #[schema(value_type = String, format = DateTime)]
    at: Timestamp,
    submitted: u64,
    /// Tasks placed.
    launched: u64,
    /// Tasks that reached RUNNING.
    started: u64,
    /// RunTask calls throttled.
    throttles: u64,
    /// Lost events made good by DescribeTasks.
    corrections: u64,
    events: u64,
    /// Runs ended, by status.
    ended: BTreeMap<&'static str, u64>,
    /// Attempts failed, by class.
    failures: BTreeMap<&'static str, u64>,
}

/// Counts since the process began.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct Counts {
    accepted: u64,
    refused: u64,
    /// RunTask calls.
    launches: u64,
    throttles: u64,
    events: u64,
    foreign_events: u64,
    malformed_events: u64,
    corrections: u64,
    notifications: u64,
    /// Runs ended, by status.
    ended: BTreeMap<&'static str, u64>,
    /// Attempts failed, by class.
    failures: BTreeMap<&'static str, u64>,
}

impl From<Quantiles> for Spread {
    fn from(Quantiles { count, p50, p95, p99 }: Quantiles) -> Self {
        Self { count, p50: p50.as_secs_f64(), p95: p95.as_secs_f64(), p99: p99.as_secs_f64() }
    }
}

impl From<Bucket> for Minute {
    fn from(bucket: Bucket) -> Self {
        Self {
            at: bucket.at,
            submitted: bucket.submitted,
            launched: bucket.launched,
            started: bucket.started,
            throttles: bucket.throttles,
            corrections: bucket.corrections,
            events: bucket.events,
            ended: bucket.ended.iter().map(|(status, n)| (status.as_str(), *n)).collect(),
            failures: bucket.failures.iter().map(|(class, n)| (class.as_str(), *n)).collect(),
        }
    }
}

async fn of(front: &Front) -> Summary {
    let (vitals, counts, figures) = (front.vitals(), front.counts().await, front.figures());
    let queues = vitals.waiting.len();
    let (delivery_failures, delivery_failures_left_out) = attention::delivery_failures(front);
    Summary {
        cell: front.name().to_owned(),
        version: env!("CARGO_PKG_VERSION"),
        began_at: front.began_at(),
        at: vitals.at,
        ready: vitals.not_ready.is_empty(),
        not_ready: vitals.not_ready,
        statuses: counts.statuses.iter().map(|(status, n)| (status.as_str(), *n)).collect(),
        failed: counts.failed.iter().map(|(class, n)| (class.as_str(), *n)).collect(),
        waiting: vitals.waiting.values().sum(),
        queues: longest(vitals.waiting),
        queues_left_out: queues.saturating_sub(MOST_QUEUES),
        in_flight: vitals.in_flight,
        launches_per_second: vitals.launch_rate,
        limits: front.limits(),
        breakers: attention::breakers(front),
        outbox: vitals.outbox,
        delivery_failures,
        delivery_failures_left_out,
        phases: phases(&figures),
        event_lag: figures.recent(|cell| &cell.counters().event_lag).into(),
        first_wait: figures.recent(|cell| &cell.counters().first_wait).into(),
        retry_wait: figures.recent(|cell| &cell.counters().retry_wait).into(),
        minutes: vitals.minutes.into_iter().map(Minute::from).collect(),
        counters: counters(&figures, &vitals.totals),
        last_event_id: stream::event_id(front, front.last_change()),
        fleet: front.fleet_view(),
    }
}

fn phases(figures: &Figures) -> PhaseTimes {
    PhaseTimes {
        queue: figures.recent(|cell| &cell.phases().queue).into(),
        provisioning: figures.recent(|cell| &cell.phases().provisioning).into(),
        pull: figures.recent(|cell| &cell.phases().pull).into(),
        start: figures.recent(|cell| &cell.phases().start).into(),
        total: figures.recent(|cell| &cell.phases().total).into(),
    }
}

fn counters(figures: &Figures, totals: &Totals) -> Counts {
    Counts {
        accepted: figures.count(|cell| &cell.counters().accepted),
        refused: figures.count(|cell| &cell.counters().refused),
        launches: figures.count(|cell| &cell.counters().launches),
        throttles: figures.count(|cell| &cell.counters().throttles),
        events: figures.count(|cell| &cell.counters().events),
        foreign_events: figures.count(|cell| &cell.counters().foreign),
        malformed_events: figures.count(|cell| &cell.counters().malformed),
        corrections: figures.count(|cell| &cell.counters().corrections),
        notifications: figures.count(|cell| &cell.counters().notified),
        ended: totals.ended.iter().map(|(status, n)| (status.as_str(), *n)).collect(),
        failures: totals.failures.iter().map(|(class, n)| (class.as_str(), *n)).collect(),
    }
}

/// The queues in which most wait.
pub(super) fn longest(waiting: BTreeMap<String, usize>) -> BTreeMap<String, usize> {
    if waiting.len() <= MOST_QUEUES {
        return waiting;
    }
    let mut queues: Vec<(String, usize)> = waiting.into_iter().collect();
    queues.sort_unstable_by(|a, b| b.1.cmp(&a.1).then_with(|| a.0.cmp(&b.0)));
    queues.truncate(MOST_QUEUES);
    queues.into_iter().collect()
}

/// The newest summary, shared by all who ask at about the same time.
#[derive(Clone, Default)]
pub(super) struct Latest(Arc<tokio::sync::Mutex<Option<Made>>>);

/// A summary and when it was made.
type Made = (Instant, Arc<Summary>);

impl Latest {
    pub(super) async fn get(&self, front: &Front) -> Arc<Summary> {
        let mut latest = self.0.lock().await;
        if let Some((_, summary)) = latest.as_ref().filter(|(made, _)| made.elapsed() < FRESH) {
            return Arc::clone(summary);
        }
        let summary = Arc::new(of(front).await);
        *latest = Some((Instant::now(), Arc::clone(&summary)));
        summary
    }
}

/// Shows the cell at a glance. It may be half a second old.
#[utoipa::path(get, path = "/v1/summary", tag = "cell", operation_id = "summary",
    responses((status = 200, description = "The cell at a glance", body = Summary)))]
pub(super) async fn summary(State(api): State<Api>) -> Json<Arc<Summary>> {
    Json(api.latest.get(&api.front).await)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_longest_queues_are_told_by_name() {
        let waiting: BTreeMap<String, usize> = (0..1_000).map(|n| (format!("q{n}"), n)).collect();
        let named = longest(waiting);
        assert_eq!((named.len(), named.get("q999"), named.get("q0")), (MOST_QUEUES, Some(&999), None));
    }
}
