//! What happened, counted since the cell began.

use super::times::Times;

/// Counts since the cell began.
#[derive(Debug, Default)]
pub struct Counters {
    /// Messages of the events queue that were task events of this cell.
    pub events: Count,
    /// Task events that are not this cell's, and other events: deleted.
    pub foreign: Count,
    /// Of those, events of foreign tasks with this cell's name: another cell has its name.
    pub duplicate_cell_name: Count,
    /// Tasks of this cell's calls that no run had: stopped.
    pub strays: Count,
    /// Messages that are no events: deleted.
    pub malformed: Count,
    /// Messages of either queue that were done with and could not be deleted: they come again, and change nothing.
    pub undeleted: Count,
    /// Requests accepted.
    pub accepted: Count,
    /// Requests refused.
    pub refused: Count,
    /// RunTask calls made.
    pub launches: Count,
    /// RunTask calls that were throttled.
    pub throttles: Count,
    /// Times that launches of a task definition were paused because it failed repeatedly.
    pub breakers_opened: Count,
    /// Events that were lost: DescribeTasks told what they had to tell, and they did not come within a minute after.
    pub corrections: Count,
    /// Notifications delivered.
    pub notified: Count,
    /// Times that a destination rejected a notification; it is kept and tried again.
    pub notifications_rejected: Count,
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
