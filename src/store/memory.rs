//! A store that forgets with its process: for `taskwatch run`, the demo and tests.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use futures::future::BoxFuture;
use uuid::Uuid;

use super::{Change, Contents, Store, StoreError};
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
    outbox: BTreeMap<String, Notification>,
}

impl Store for MemoryStore {
    fn load(&self) -> BoxFuture<'_, Result<Contents, StoreError>> {
        let kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        let contents =
            Contents { runs: kept.runs.values().cloned().collect(), outbox: kept.outbox.values().cloned().collect() };
        Box::pin(async { Ok(contents) })
    }

    fn commit(&self, changes: Vec<Change>) -> BoxFuture<'_, Result<(), StoreError>> {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        for change in changes {
            match change {
                Change::Put(run) => drop(kept.runs.insert(run.id, *run)),
                Change::Forget(id) => drop(kept.runs.remove(&id)),
                Change::Post(notification) => drop(kept.outbox.insert(notification.id.clone(), *notification)),
                Change::Delivered(id) => drop(kept.outbox.remove(&id)),
            }
        }
        Box::pin(async { Ok(()) })
    }
}
