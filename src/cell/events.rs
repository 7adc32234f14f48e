//! What a cell tells those who watch it.

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
    /// DescribeTasks answers that told something an event should have.
    pub corrections: Count,
    /// Notifications delivered.
    pub notified: Count,
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
