//! Every deadline of the cell in one ordered set, watched by one task.

use std::collections::BTreeSet;
use std::sync::{Mutex, PoisonError};

use tokio::sync::Notify;
use uuid::Uuid;

use crate::core::time::Timestamp;

/// When which run is due.
#[derive(Default)]
pub(super) struct Deadlines {
    set: Mutex<BTreeSet<(Timestamp, Uuid)>>,
    earlier: Notify,
}

impl Deadlines {
    /// Moves a run's deadline.
    pub(super) fn rearm(&self, id: Uuid, old: Option<Timestamp>, new: Option<Timestamp>) {
        if old == new {
            return;
        }
        let mut set = self.set.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(old) = old {
            set.remove(&(old, id));
        }
        if let Some(new) = new {
            set.insert((new, id));
            if set.first() == Some(&(new, id)) {
                self.earlier.notify_one();
            }
        }
    }

    /// The runs that are due, taken out; or else when the next one is.
    pub(super) fn due(&self, now: Timestamp) -> Result<Vec<Uuid>, Option<Timestamp>> {
        let mut set = self.set.lock().unwrap_or_else(PoisonError::into_inner);
        let mut due = Vec::new();
        while set.first().is_some_and(|(at, _)| *at <= now) {
            due.extend(set.pop_first().map(|(_, id)| id));
        }
        if due.is_empty() { Err(set.first().map(|(at, _)| *at)) } else { Ok(due) }
    }

    /// How many there are.
    pub(super) fn len(&self) -> usize {
        self.set.lock().unwrap_or_else(PoisonError::into_inner).len()
    }

    /// Resolves when a deadline came before all others.
    pub(super) async fn changed(&self) {
        self.earlier.notified().await;
    }
}
