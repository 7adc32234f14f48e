//! How many runs there are: the open ones, which are in memory, and the ended ones, which the store counts.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use crate::cell::runs::RunIndex;
use crate::core::failure::Class;
use crate::core::run::Status;
use crate::store::{EndedCounts, Store};

/// Runs, counted: all that can be asked for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RunCounts {
    /// By status, every status named.
    pub statuses: BTreeMap<Status, u64>,
    /// Those that failed, timed out or were aborted, by the class of the failure that ended them.
    pub failed: BTreeMap<Class, u64>,
}

/// Counts runs.
pub(in crate::cell) struct Counting {
    runs: Arc<RunIndex>,
    store: Arc<dyn Store>,
    /// For as long as the store does not answer.
    last: Mutex<EndedCounts>,
}

impl Counting {
    pub(in crate::cell) fn new(runs: Arc<RunIndex>, store: Arc<dyn Store>) -> Self {
        Self { runs, store, last: Mutex::default() }
    }

    /// The open ones.
    pub(in crate::cell) fn open(&self) -> BTreeMap<Status, u64> {
        let open = self.runs.by_status().into_iter().filter(|(status, _)| !status.is_final());
        open.map(|(status, runs)| (status, runs as u64)).collect()
    }

    /// The runs there are. While the store does not answer, the ended ones are those of the last time.
    pub(in crate::cell) async fn now(&self) -> RunCounts {
        let ended = self.store.ended().await;
        let EndedCounts { statuses, classes } = {
            let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
            match ended {
                Ok(ended) => *last = ended,
                Err(error) => tracing::debug!(%error, "ended runs could not be counted"),
            }
            last.clone()
        };
        let mut all = self.open();
        for status in Status::ALL.into_iter().filter(|status| status.is_final()) {
            all.insert(status, statuses.get(&status).copied().unwrap_or(0));
        }
        RunCounts { statuses: all, failed: classes }
    }
}
