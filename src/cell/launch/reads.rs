//! The right to read tasks: DescribeTasks and ListTasks, at a share of the quota.

use std::sync::Arc;

use super::governor::Governor;
use crate::cell::lifecycle::Lifecycle;

/// Gives out calls that read tasks.
pub(in crate::cell) struct Reads {
    governor: Arc<Governor>,
    lifecycle: Arc<Lifecycle>,
}

/// The right to one call, and how often the rate had been cut before.
pub(in crate::cell) struct Read(u64);

impl Reads {
    pub(in crate::cell) fn new(governor: Arc<Governor>, lifecycle: Arc<Lifecycle>) -> Self {
        Self { governor, lifecycle }
    }

    /// The right to one call. `None` once the cell has ended.
    pub(in crate::cell) async fn slot(&self) -> Option<Read> {
        loop {
            match self.governor.read() {
                Ok(backoff_generation) => return Some(Read(backoff_generation)),
                Err(wait) if !self.lifecycle.sleep(wait).await => return None,
                Err(_) => {}
            }
        }
    }

    /// Whether the call was throttled.
    pub(in crate::cell) fn went(&self, read: Read, throttled: bool) {
        self.governor.described(read.0, throttled);
    }
}
