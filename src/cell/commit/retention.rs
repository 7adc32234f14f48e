//! Finished runs: kept in memory for a while, forgotten when there are too many or when their time is over.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use uuid::Uuid;

use crate::cell::clock::Clock;
use crate::cell::lifecycle::Lifecycle;
use crate::cell::runs::RunIndex;
use crate::core::time::Timestamp;
use crate::store::Store;

const ROUND: Duration = Duration::from_secs(60);
/// Runs forgotten in one transaction: commits wait for it.
const AT_ONCE: usize = 1_000;

/// The finished runs in memory, in the order of their ends.
pub(in crate::cell) struct Retention {
    runs: Arc<RunIndex>,
    /// Most that are kept.
    most: usize,
    /// How long.
    keep: Duration,
    finished: Mutex<VecDeque<Uuid>>,
}

impl Retention {
    pub(in crate::cell) fn new(runs: Arc<RunIndex>, most: usize, keep: Duration) -> Self {
        Self { runs, most, keep, finished: Mutex::default() }
    }

    fn finished(&self) -> MutexGuard<'_, VecDeque<Uuid>> {
        self.finished.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Keeps a final run, and forgets the oldest while there are too many: those.
    pub(in crate::cell) fn retire(&self, id: Uuid) -> Vec<Uuid> {
        let mut finished = self.finished();
        finished.push_back(id);
        let mut forgotten = Vec::new();
        while finished.len() > self.most {
            let Some(oldest) = finished.pop_front() else { break };
            // One that was redriven meanwhile is open, and comes here again when it ends.
            if self.runs.forget(oldest) {
                forgotten.push(oldest);
            }
        }
        forgotten
    }

    /// Keeps a final run that was read back from the store; too many are put right when the next one ends.
    pub(in crate::cell) fn take_back(&self, id: Uuid) {
        self.finished().push_back(id);
    }

    /// Forgets those in memory that ended before an instant.
    fn expire(&self, before: Timestamp) {
        while let Some(id) = self.next_expired(before) {
            self.runs.forget(id);
        }
    }

    fn next_expired(&self, before: Timestamp) -> Option<Uuid> {
        let mut finished = self.finished();
        let first = *finished.front()?;
        // One that is open again stands behind as well once it ends.
        let stays = self.runs.read(first, |run| run.finished_at.is_some_and(|at| at >= before)).unwrap_or(false);
        if stays { None } else { finished.pop_front() }
    }
}

/// Forgets finished runs when their time is over, a little at a time, until the cell ends.
pub(in crate::cell) async fn expire_all(
    retention: Arc<Retention>,
    store: Arc<dyn Store>,
    clock: Clock,
    lifecycle: Arc<Lifecycle>,
) {
    while lifecycle.sleep(ROUND).await {
        let keep = i64::try_from(retention.keep.as_millis()).unwrap_or(i64::MAX);
        let before = Timestamp::from_millis(clock.now().millis().saturating_sub(keep));
        retention.expire(before);
        loop {
            match store.expire(before, AT_ONCE).await {
                Ok(AT_ONCE) => {}
                Ok(_) => break,
                Err(error) => {
                    tracing::warn!(%error, "old runs were not forgotten; it is tried again");
                    break;
                }
            }
        }
    }
}
