//! What a cell tells those who watch it.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use hdrhistogram::Histogram;
use serde::Serialize;
use uuid::Uuid;

use crate::core::run::{Run, Status};

/// A run changed, durably.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct RunChange {
    /// The run.
    pub run: Uuid,
    /// Its name.
    pub name: String,
    /// Its status now.
    pub status: Status,
    /// Whether that is its last.
    pub is_final: bool,
    /// The number of its newest attempt.
    pub attempt: u32,
    /// The task's last status seen.
    pub last_status: Option<String>,
    /// The newest attempt's failure.
    pub error: Option<String>,
    /// What ECS said of it.
    pub cause: Option<String>,
}

impl RunChange {
    /// How a run looks now.
    pub fn of(run: &Run) -> Self {
        Self {
            run: run.id,
            name: run.name.clone(),
            status: run.status,
            is_final: run.status.is_final(),
            attempt: run.attempt().map_or(0, |a| a.number),
            last_status: run.attempt().and_then(|a| a.last_status.clone()),
            error: run.failure().map(|f| f.error.clone()),
            cause: run.failure().map(|f| f.cause.clone()),
        }
    }
}

impl RunChange {
    /// Tells the log of an attempt that failed and of a run that ended.
    pub(super) fn log(&self) {
        let Self { run, name, attempt, error, cause, .. } = self;
        let status = self.status.as_str();
        match (self.status, error) {
            (Status::Succeeded, _) => tracing::info!(%run, name, attempt, status, "a run ended"),
            (Status::PendingRetry, Some(error)) => {
                tracing::info!(%run, name, attempt, error, cause, "an attempt failed")
            }
            (_, Some(error)) if self.is_final => {
                tracing::warn!(%run, name, attempt, status, error, cause, "a run ended")
            }
            _ => tracing::debug!(%run, name, attempt, status, task = self.last_status, "a run changed"),
        }
    }
}

/// Counts since the cell began.
#[derive(Debug, Default)]
pub struct Counters {
    /// Messages of the events queue that were task events of this cell.
    pub events: Count,
    /// Task events that are not this cell's, and other events: deleted.
    pub foreign: Count,
    /// Messages that are no events: deleted.
    pub malformed: Count,
    /// Requests accepted.
    pub accepted: Count,
    /// Requests refused.
    pub refused: Count,
    /// RunTask calls made.
    pub launches: Count,
    /// RunTask calls that were throttled.
    pub throttles: Count,
    /// Times that launches of a task definition were paused because it failed again and again.
    pub storms: Count,
    /// DescribeTasks answers that told something an event should have.
    pub corrections: Count,
    /// Notifications delivered.
    pub notified: Count,
    /// Times that an outlet refused a notification for what it is; it is kept and tried again.
    pub untaken: Count,
    /// From an event's arrival in its queue to its decision being durable.
    pub event_lag: Times,
    /// From the acceptance of a run to the RunTask call of its first attempt.
    pub first_wait: Times,
    /// From the instant a retry was due to its RunTask call.
    pub retry_wait: Times,
}

/// A number that only rises.
#[derive(Debug, Default)]
pub struct Count(std::sync::atomic::AtomicU64);

impl Count {
    /// One more.
    pub fn add(&self, n: usize) {
        self.0.fetch_add(n as u64, std::sync::atomic::Ordering::Relaxed);
    }

    /// How many.
    pub fn get(&self) -> u64 {
        self.0.load(std::sync::atomic::Ordering::Relaxed)
    }
}

/// How long things took: milliseconds, up to a day, to 1 %.
#[derive(Debug)]
pub struct Times(Mutex<Option<Histogram<u32>>>);

const LONGEST_MILLIS: u64 = 24 * 3600 * 1000;

impl Default for Times {
    fn default() -> Self {
        Self(Mutex::new(Histogram::new_with_bounds(1, LONGEST_MILLIS, 2).ok()))
    }
}

impl Times {
    fn histogram(&self) -> MutexGuard<'_, Option<Histogram<u32>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn record(&self, took: Duration) {
        if let Some(histogram) = self.histogram().as_mut() {
            histogram.saturating_record(u64::try_from(took.as_millis()).unwrap_or(LONGEST_MILLIS));
        }
    }

    /// How many were recorded.
    pub fn count(&self) -> u64 {
        self.histogram().as_ref().map_or(0, Histogram::len)
    }

    /// What a share of them (0.5, 0.99) took at most.
    pub fn quantile(&self, share: f64) -> Duration {
        Duration::from_millis(self.histogram().as_ref().map_or(0, |all| all.value_at_quantile(share)))
    }
}
