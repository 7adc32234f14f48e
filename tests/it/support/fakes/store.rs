//! A memory store behind a gate: while it is shut, nothing becomes durable.

use std::sync::atomic::{AtomicBool, Ordering};

use futures::future::{BoxFuture, FutureExt as _};
use taskwatch::core::notification::Outlet;
use taskwatch::core::run::Run;
use taskwatch::core::time::Timestamp;
use taskwatch::store::{Change, Contents, Key, MemoryStore, Posted, Query, Store, StoreError};
use tokio::sync::watch;

use super::Journal;

pub(crate) struct FakeStore {
    journal: Journal,
    kept: MemoryStore,
    gate: watch::Sender<bool>,
    durable: AtomicBool,
}

impl FakeStore {
    pub(crate) fn new(journal: Journal) -> Self {
        Self { journal, kept: MemoryStore::default(), gate: watch::Sender::new(true), durable: AtomicBool::new(false) }
    }

    pub(crate) fn shut(&self) {
        self.gate.send_replace(false);
    }

    /// From now on the cell may forget final runs, as it does with a store on a disk.
    pub(crate) fn keeps_final_runs(&self) {
        self.durable.store(true, Ordering::Relaxed);
    }

    pub(crate) fn open(&self) {
        self.gate.send_replace(true);
    }
}

impl Store for FakeStore {
    fn load(&self) -> BoxFuture<'_, Result<Contents, StoreError>> {
        self.kept.load()
    }

    fn commit(&self, changes: Vec<Change>) -> BoxFuture<'_, Result<(), StoreError>> {
        async move {
            let mut gate = self.gate.subscribe();
            let _ = gate.wait_for(|open| *open).await;
            for change in &changes {
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

    fn outbox(&self, outlet: &Outlet, after: u64, limit: usize) -> BoxFuture<'_, Result<Vec<Posted>, StoreError>> {
        self.kept.outbox(outlet, after, limit)
    }

    fn find(&self, key: Key) -> BoxFuture<'_, Result<Vec<Run>, StoreError>> {
        self.journal.note(format!("Find {key:?}"));
        self.kept.find(key)
    }

    fn finished(&self, query: Query) -> BoxFuture<'_, Result<Vec<Run>, StoreError>> {
        self.kept.finished(query)
    }

    fn expire(&self, ended_before: Timestamp, limit: usize) -> BoxFuture<'_, Result<usize, StoreError>> {
        self.kept.expire(ended_before, limit)
    }

    fn is_durable(&self) -> bool {
        self.durable.load(Ordering::Relaxed)
    }
}
