//! A store that forgets with its process: for `taskwatch run`, the demo and tests.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use futures::future::BoxFuture;
use uuid::Uuid;

use super::{Change, Contents, Posted, Store, StoreError};
use crate::core::notification::Notification;
use crate::core::run::Run;

/// Keeps runs until they are forgotten, and notifications until they are delivered.
#[derive(Debug, Default)]
pub struct MemoryStore {
    kept: Mutex<Kept>,
}

#[derive(Debug, Default)]
struct Kept {
    runs: BTreeMap<Uuid, Run>,
    outbox: BTreeMap<u64, Notification>,
    places: BTreeMap<String, u64>,
    posted: u64,
}

impl Kept {
    fn apply(&mut self, change: Change) {
        match change {
            Change::Put(run) => drop(self.runs.insert(run.id, *run)),
            Change::Forget(id) => drop(self.runs.remove(&id)),
            Change::Post(notification) => {
                self.posted += 1;
                self.places.insert(notification.id.clone(), self.posted);
                self.outbox.insert(self.posted, *notification);
            }
            Change::Delivered(id) => {
                if let Some(seq) = self.places.remove(&id) {
                    self.outbox.remove(&seq);
                }
            }
        }
    }
}

impl MemoryStore {
    fn kept(&self) -> MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Store for MemoryStore {
    fn load(&self) -> BoxFuture<'_, Result<Contents, StoreError>> {
        let kept = self.kept();
        let contents = Contents { runs: kept.runs.values().cloned().collect(), undelivered: kept.outbox.len() };
        Box::pin(async { Ok(contents) })
    }

    fn commit(&self, changes: Vec<Change>) -> BoxFuture<'_, Result<(), StoreError>> {
        let mut kept = self.kept();
        changes.into_iter().for_each(|change| kept.apply(change));
        Box::pin(async { Ok(()) })
    }

    fn outbox(&self, after: u64, limit: usize) -> BoxFuture<'_, Result<Vec<Posted>, StoreError>> {
        let kept = self.kept();
        let behind = kept.outbox.range(after + 1..).take(limit);
        let page = behind.map(|(seq, notification)| Posted { seq: *seq, notification: notification.clone() }).collect();
        Box::pin(async { Ok(page) })
    }
}
