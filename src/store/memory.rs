//! A store that forgets with its process: for `taskwatch run`, the demo and tests.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures::future::BoxFuture;
use uuid::Uuid;

use super::{Capabilities, Change, Contents, EndedCounts, Key, Page, Posted, Query, Runs, Store, StoreError};
use crate::core::notification::{Destination, Notification};
use crate::core::run::Run;
use crate::core::time::Timestamp;

/// Keeps runs until they are forgotten, and notifications until they are delivered.
#[derive(Debug, Default)]
pub struct MemoryStore {
    kept: Mutex<Kept>,
}

#[derive(Debug, Default)]
struct Kept {
    runs: BTreeMap<Uuid, Arc<Run>>,
    ended: EndedCounts,
    outbox: BTreeMap<u64, Arc<Notification>>,
    sequences: BTreeMap<Destination, BTreeSet<u64>>,
    /// Undelivered notifications by what makes them the same.
    ids: BTreeSet<(String, Destination)>,
    posted: u64,
    notes: BTreeMap<String, String>,
}

impl Kept {
    fn apply(&mut self, change: &Change) {
        match change {
            Change::Put(run) => {
                if self.runs.get(&run.id).is_none_or(|known| known.revision < run.revision) {
                    self.forget(run.id);
                    self.ended.add(run);
                    self.runs.insert(run.id, Arc::clone(run));
                }
            }
            Change::Forget(id) => self.forget(*id),
            Change::Post(notification) => self.post(notification),
            Change::Delivered(seq) => self.deliver(*seq),
            Change::Note { name, text } => drop(self.notes.insert(name.clone().into_owned(), text.clone())),
        }
    }

    fn forget(&mut self, id: Uuid) {
        if let Some(run) = self.runs.remove(&id) {
            self.ended.remove(&run);
        }
    }

    fn post(&mut self, notification: &Arc<Notification>) {
        let destination = &notification.destination;
        if self.ids.insert((notification.id.clone(), destination.clone())) {
            self.posted += 1;
            self.sequences.entry(destination.clone()).or_default().insert(self.posted);
            self.outbox.insert(self.posted, Arc::clone(notification));
        }
    }

    fn deliver(&mut self, seq: u64) {
        let Some(delivered) = self.outbox.remove(&seq) else { return };
        self.ids.remove(&(delivered.id.clone(), delivered.destination.clone()));
        if let Some(sequences) = self.sequences.get_mut(&delivered.destination) {
            sequences.remove(&seq);
            if sequences.is_empty() {
                self.sequences.remove(&delivered.destination);
            }
        }
    }

    fn find(&self, key: &Key) -> Vec<&Arc<Run>> {
        let fits = |run: &&Arc<Run>| match key {
            Key::Run(id) => run.id == *id,
            Key::Request { name, from } => run.request_name() == name && run.index >= *from,
            Key::Task { request, task_arn } => run.request_name() == request && run.had(task_arn),
        };
        let mut found: Vec<&Arc<Run>> = self.runs.values().filter(fits).collect();
        found.sort_by_key(|run| run.index);
        found
    }
}

impl MemoryStore {
    fn kept(&self) -> MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The first `limit` items as a page; `position` tells where one stands, and the page behind it begins.
fn page<T, P>(mut items: Vec<T>, limit: usize, position: impl Fn(&[T], Option<&T>) -> Option<P>) -> Page<T, P> {
    let rest = items.split_off(items.len().min(limit));
    let next = rest.first().and_then(|first| position(&items, Some(first)));
    Page { items, next }
}

fn cloned(runs: Vec<&Arc<Run>>) -> Vec<Run> {
    runs.into_iter().map(|run| Run::clone(run)).collect()
}

impl Store for MemoryStore {
    fn capabilities(&self) -> Capabilities {
        Capabilities { ended_runs: false, ended_names: false, outlives_process: false, soft_wait: Duration::ZERO }
    }

    fn load(&self) -> BoxFuture<'_, Result<Contents, StoreError>> {
        let kept = self.kept();
        let contents = Contents {
            notes: kept.notes.clone(),
            undelivered: kept
                .sequences
                .iter()
                .map(|(destination, sequences)| (destination.clone(), sequences.len()))
                .collect(),
            open: kept.runs.values().filter(|run| !run.status.is_final()).count(),
            runs: Runs::ready(cloned(kept.runs.values().collect())),
        };
        Box::pin(async { Ok(contents) })
    }

    fn commit(&self, changes: Arc<[Change]>) -> BoxFuture<'_, Result<(), StoreError>> {
        let mut kept = self.kept();
        changes.iter().for_each(|change| kept.apply(change));
        Box::pin(async { Ok(()) })
    }

    fn confirm_owner(&self) -> BoxFuture<'_, Result<(), StoreError>> {
        Box::pin(async { Ok(()) })
    }

    fn outbox(
        &self,
        destination: &Destination,
        after: u64,
        limit: usize,
    ) -> BoxFuture<'_, Result<Page<Posted, u64>, StoreError>> {
        let kept = self.kept();
        let sequences = kept.sequences.get(destination);
        let behind =
            sequences.into_iter().flat_map(|sequences| sequences.range(after + 1..)).take(limit.saturating_add(1));
        let posted = |seq: &u64| Some(Posted { seq: *seq, notification: Notification::clone(kept.outbox.get(seq)?) });
        let page = page(behind.filter_map(posted).collect(), limit, |items, _| items.last().map(|last| last.seq));
        Box::pin(async { Ok(page) })
    }

    fn find(&self, key: Key, limit: usize) -> BoxFuture<'_, Result<Page<Run, u32>, StoreError>> {
        let kept = self.kept();
        let found = page(kept.find(&key), limit, |_, first| first.map(|run| run.index));
        let page = Page { items: cloned(found.items), next: found.next };
        Box::pin(async { Ok(page) })
    }

    fn finished(&self, query: Query) -> BoxFuture<'_, Result<Page<Run, Uuid>, StoreError>> {
        let kept = self.kept();
        let fits = |run: &&Arc<Run>| run.status.is_final() && query.fits(run);
        let newest = kept.runs.values().rev().filter(fits).take(query.limit.saturating_add(1)).collect();
        let found = page(newest, query.limit, |items, _| items.last().map(|run| run.id));
        let page = Page { items: cloned(found.items), next: found.next };
        Box::pin(async { Ok(page) })
    }

    fn ended(&self) -> BoxFuture<'_, Result<EndedCounts, StoreError>> {
        let ended = self.kept().ended.clone();
        Box::pin(async { Ok(ended) })
    }

    fn expire(&self, ended_before: Timestamp, limit: usize) -> BoxFuture<'_, Result<usize, StoreError>> {
        let mut kept = self.kept();
        let undelivered: BTreeSet<Uuid> = kept.outbox.values().map(|notification| notification.run).collect();
        let old = |run: &&Arc<Run>| run.status.is_final() && run.finished_at.is_some_and(|at| at < ended_before);
        let old = kept.runs.values().filter(old).map(|run| run.id).filter(|id| !undelivered.contains(id));
        let old: Vec<Uuid> = old.take(limit).collect();
        old.iter().for_each(|id| kept.forget(*id));
        Box::pin(async move { Ok(old.len()) })
    }
}
