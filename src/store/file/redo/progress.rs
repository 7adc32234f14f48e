//! How far the database is behind the log.

use std::sync::atomic::{AtomicU64, Ordering};

use tokio::sync::watch;

use crate::store::StoreError;

/// Numbers of entries: the last one that is durable in the log, and the last one that the database has.
pub(in crate::store::file) struct Progress {
    logged: AtomicU64,
    applied: watch::Sender<Applied>,
}

struct Applied {
    last: u64,
    /// Why the database does not take the next one.
    failure: Option<StoreError>,
}

impl Progress {
    /// Both are at entry `last`.
    pub(in crate::store::file) fn new(last: u64) -> Self {
        Self { logged: AtomicU64::new(last), applied: watch::Sender::new(Applied { last, failure: None }) }
    }

    /// An entry is durable in the log.
    pub(in crate::store::file) fn logged(&self, last: u64) {
        self.logged.store(last, Ordering::Release);
    }

    /// The database has all up to an entry.
    pub(in crate::store::file) fn applied(&self, last: u64) {
        self.applied.send_replace(Applied { last, failure: None });
    }

    /// The database does not take the next entry.
    pub(in crate::store::file) fn failed(&self, why: StoreError) {
        self.applied.send_modify(|applied| applied.failure = Some(why));
    }

    /// Whether the database has all that the log has.
    pub(in crate::store::file) fn is_level(&self) -> bool {
        self.applied.borrow().last >= self.logged.load(Ordering::Acquire)
    }

    /// Whether the database does not take what the log has.
    pub(in crate::store::file) fn is_failing(&self) -> bool {
        self.applied.borrow().failure.is_some()
    }

    /// Waits until the database has all that the log has now.
    ///
    /// # Errors
    /// It does not take it.
    pub(in crate::store::file) async fn level(&self) -> Result<(), StoreError> {
        let logged = self.logged.load(Ordering::Acquire);
        let mut applied = self.applied.subscribe();
        let is_over = |applied: &Applied| applied.last >= logged || applied.failure.is_some();
        // It is closed with `self` only.
        match applied.wait_for(is_over).await.ok().filter(|now| now.last < logged).and_then(|now| now.failure.clone()) {
            Some(why) => Err(why),
            None => Ok(()),
        }
    }
}
