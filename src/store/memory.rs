//! A store that forgets with its process: for `taskwatch run`, the demo and tests.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, MutexGuard, PoisonError};

use futures::future::BoxFuture;
use uuid::Uuid;

use super::{Change, Contents, Key, Posted, Query, Store, StoreError};
use crate::core::notification::{Notification, Outlet};
use crate::core::run::Run;
use crate::core::time::Timestamp;

/// Keeps runs until they are forgotten, and notifications until they are delivered.
#[derive(Debug, Default)]
pub struct MemoryStore {
    kept: Mutex<Kept>,
}

#[derive(Debug, Default)]
struct Kept {
    runs: BTreeMap<Uuid, Run>,
    outbox: BTreeMap<u64, Notification>,
    places: BTreeMap<Outlet, BTreeSet<u64>>,
    posted: u64,
    notes: BTreeMap<String, String>,
}

impl Kept {
    fn apply(&mut self, change: Change) {
        match change {
            Change::Put(run) => drop(self.runs.insert(run.id, *run)),
            Change::Forget(id) => drop(self.runs.remove(&id)),
            Change::Post(notification) => {
                self.posted += 1;
                self.places.entry(notification.outlet.clone()).or_default().insert(self.posted);
                self.outbox.insert(self.posted, *notification);
            }
            Change::Delivered(seq) => {
                if let Some(delivered) = self.outbox.remove(&seq)
                    && let Some(places) = self.places.get_mut(&delivered.outlet)
                {
                    places.remove(&seq);
                    if places.is_empty() {
                        self.places.remove(&delivered.outlet);
                    }
                }
            }
            Change::Note { name, text } => drop(self.notes.insert(name.to_owned(), text)),
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
        let runs = kept.runs.values().cloned().collect();
        let undelivered = kept.places.iter().map(|(outlet, places)| (outlet.clone(), places.len())).collect();
        let contents = Contents { runs, undelivered, notes: kept.notes.clone() };
        Box::pin(async { Ok(contents) })
    }

    fn commit(&self, changes: Vec<Change>) -> BoxFuture<'_, Result<(), StoreError>> {
        let mut kept = self.kept();
        changes.into_iter().for_each(|change| kept.apply(change));
        Box::pin(async { Ok(()) })
    }

    fn outbox(&self, outlet: &Outlet, after: u64, limit: usize) -> BoxFuture<'_, Result<Vec<Posted>, StoreError>> {
        let kept = self.kept();
        let places = kept.places.get(outlet);
        let behind = places.into_iter().flat_map(|places| places.range(after + 1..)).take(limit);
        let posted = |seq: &u64| Some(Posted { seq: *seq, notification: kept.outbox.get(seq)?.clone() });
        let page = behind.filter_map(posted).collect();
        Box::pin(async { Ok(page) })
    }

    fn find(&self, key: Key) -> BoxFuture<'_, Result<Vec<Run>, StoreError>> {
        let kept = self.kept();
        let fits = |run: &&Run| match &key {
            Key::Run(id) => run.id == *id,
            Key::Request(name) => run.request_name() == name,
            Key::Task { request, task_arn } => run.request_name() == request && run.had(task_arn),
        };
        let mut found: Vec<Run> = kept.runs.values().filter(fits).cloned().collect();
        found.sort_by_key(|run| run.index);
        Box::pin(async { Ok(found) })
    }

    fn finished(&self, query: Query) -> BoxFuture<'_, Result<Vec<Run>, StoreError>> {
        let kept = self.kept();
        let fits = |run: &&Run| run.status.is_final() && query.fits(run);
        let page = kept.runs.values().rev().filter(fits).take(query.limit).cloned().collect();
        Box::pin(async { Ok(page) })
    }

    fn expire(&self, ended_before: Timestamp, limit: usize) -> BoxFuture<'_, Result<usize, StoreError>> {
        let mut kept = self.kept();
        let untold: BTreeSet<Uuid> = kept.outbox.values().map(|notification| notification.run).collect();
        let old = |run: &&Run| run.status.is_final() && run.finished_at.is_some_and(|at| at < ended_before);
        let old = kept.runs.values().filter(old).map(|run| run.id).filter(|id| !untold.contains(id));
        let old: Vec<Uuid> = old.take(limit).collect();
        old.iter().for_each(|id| drop(kept.runs.remove(id)));
        Box::pin(async move { Ok(old.len()) })
    }

    fn is_durable(&self) -> bool {
        false
    }
}
