//! A memory store behind a gate: while it is shut, nothing becomes durable.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use futures::future::{BoxFuture, FutureExt as _};
use taskwatch::core::notification::Destination;
use taskwatch::core::run::Run;
use taskwatch::core::time::Timestamp;
use taskwatch::store::{Capabilities, Change, Contents, Key, MemoryStore, Page, Posted, Query, Store, StoreError};
use tokio::sync::watch;
use uuid::Uuid;

use super::Journal;

pub(crate) struct FakeStore {
    journal: Journal,
    kept: MemoryStore,
    gate: watch::Sender<bool>,
    durable: AtomicBool,
    commits: AtomicUsize,
    /// Items in a page at most.
    page: AtomicUsize,
}

impl FakeStore {
    pub(crate) fn new(journal: Journal) -> Self {
        Self {
            journal,
            kept: MemoryStore::default(),
            gate: watch::Sender::new(true),
            durable: AtomicBool::new(false),
            commits: AtomicUsize::new(0),
            page: AtomicUsize::new(usize::MAX),
        }
    }

    pub(crate) fn shut(&self) {
        self.gate.send_replace(false);
    }

    /// From now on the cell may forget final runs, as it does with a store on a disk.
    pub(crate) fn keeps_final_runs(&self) {
        self.durable.store(true, Ordering::Relaxed);
    }

    /// How often the cell has committed.
    pub(crate) fn commits(&self) -> usize {
        self.commits.load(Ordering::Relaxed)
    }

    /// From now on no page has more items, however many are asked for.
    pub(crate) fn gives_short_pages(&self, of: usize) {
        self.page.store(of, Ordering::Relaxed);
    }

    fn shorter(&self, limit: usize) -> usize {
        limit.min(self.page.load(Ordering::Relaxed))
    }

    pub(crate) fn open(&self) {
        self.gate.send_replace(true);
    }
}

impl Store for FakeStore {
    fn load(&self) -> BoxFuture<'_, Result<Contents, StoreError>> {
        self.kept.load()
    }

    fn commit(&self, changes: Arc<[Change]>) -> BoxFuture<'_, Result<(), StoreError>> {
        self.commits.fetch_add(1, Ordering::Relaxed);
        async move {
            let mut gate = self.gate.subscribe();
            let _ = gate.wait_for(|open| *open).await;
            for change in &*changes {
                match change {
                    Change::Put(run) => {
                        let stage = run.attempt().map(|a| format!("{:?}", a.stage)).unwrap_or_default();
                        self.journal.note(format!("Commit {} {} {stage}", run.name, run.status.as_str()));
                    }
                    Change::Post(notification) => self.journal.note(format!("Commit post {}", notification.id)),
                    Change::Delivered(id) => self.journal.note(format!("Commit delivered {id}")),
                    Change::Forget(id) => self.journal.note(format!("Commit forget {id}")),
                    Change::Note { name, .. } => self.journal.note(format!("Commit note {name}")),
                }
            }
            self.kept.commit(changes).await
        }
        .boxed()
    }

    fn confirm_owner(&self) -> BoxFuture<'_, Result<(), StoreError>> {
        self.kept.confirm_owner()
    }

    fn outbox(
        &self,
        destination: &Destination,
        after: u64,
        limit: usize,
    ) -> BoxFuture<'_, Result<Page<Posted, u64>, StoreError>> {
        self.kept.outbox(destination, after, self.shorter(limit))
    }

    fn find(&self, key: Key, limit: usize) -> BoxFuture<'_, Result<Page<Run, u32>, StoreError>> {
        self.journal.note(format!("Find {key:?}"));
        self.kept.find(key, self.shorter(limit))
    }

    fn finished(&self, query: Query) -> BoxFuture<'_, Result<Page<Run, Uuid>, StoreError>> {
        let limit = self.shorter(query.limit);
        self.kept.finished(Query { limit, ..query })
    }

    fn expire(&self, ended_before: Timestamp, limit: usize) -> BoxFuture<'_, Result<usize, StoreError>> {
        self.kept.expire(ended_before, limit)
    }

    fn capabilities(&self) -> Capabilities {
        let durable = self.durable.load(Ordering::Relaxed);
        Capabilities { ended_runs: durable, ended_names: durable, outlives_process: durable }
    }
}
