//! A memory store behind a gate: while it is shut, nothing becomes durable. It sees in which order revisions are put.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures::future::{BoxFuture, FutureExt as _};
use taskwatch::core::notification::Destination;
use taskwatch::core::run::{Run, Status};
use taskwatch::core::time::Timestamp;
use taskwatch::store::{
    Capabilities, Change, Contents, EndedCounts, Key, MemoryStore, Page, Posted, Query, Store, StoreError,
};
use tokio::sync::watch;
use uuid::Uuid;

use super::Journal;

pub(crate) struct FakeStore {
    journal: Journal,
    kept: MemoryStore,
    gate: watch::Sender<bool>,
    durable: AtomicBool,
    commits: AtomicUsize,
    /// The last revision of each run that was put.
    revisions: Mutex<HashMap<Uuid, u64>>,
    disorders: AtomicUsize,
    /// Another process has the cell.
    pub(crate) fenced: AtomicBool,
    /// It takes no changes.
    pub(crate) away: AtomicBool,
    /// The next put of a run of this name and status is too large.
    pub(crate) too_large: Mutex<Option<(&'static str, Status)>>,
    /// The name of another cell's run: who has it, and whether by the same request.
    pub(crate) taken: Mutex<Option<(&'static str, bool)>>,
    /// What need not be durable at once waits so long, in milliseconds.
    pub(crate) soft_wait: AtomicU64,
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
            revisions: Mutex::default(),
            disorders: AtomicUsize::new(0),
            fenced: AtomicBool::new(false),
            away: AtomicBool::new(false),
            too_large: Mutex::default(),
            taken: Mutex::default(),
            soft_wait: AtomicU64::new(0),
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

    /// How often a run was put that is not newer than what was put before, or not first with its acceptance.
    pub(crate) fn disorders(&self) -> usize {
        self.disorders.load(Ordering::Relaxed)
    }

    fn see(&self, run: &Run) {
        let mut revisions = self.revisions.lock().unwrap_or_else(PoisonError::into_inner);
        let last = revisions.insert(run.id, run.revision);
        if last.map_or(run.revision != 1, |last| run.revision <= last) {
            self.disorders.fetch_add(1, Ordering::Relaxed);
        }
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

impl FakeStore {
    /// What the store refuses these changes for.
    fn refusal(&self, changes: &[Change]) -> Option<StoreError> {
        if self.fenced.load(Ordering::Relaxed) {
            return Some(StoreError::Fenced { by: "process 7 on elsewhere".into() });
        }
        if self.away.load(Ordering::Relaxed) {
            return Some(StoreError::Unavailable("the disk is full".into()));
        }
        if let Some((name, same)) = *self.taken.lock().unwrap_or_else(PoisonError::into_inner) {
            let is_its = |change: &Change| matches!(change, Change::Put(run) if run.request_name() == name);
            if let Some(change) = changes.iter().position(is_its) {
                return Some(StoreError::NameTaken { change, name: name.into(), cell: "green".into(), same });
            }
        }
        let mut too_large = self.too_large.lock().unwrap_or_else(PoisonError::into_inner);
        let (name, status) = (*too_large)?;
        let fits = |change: &Change| matches!(change, Change::Put(run) if run.name == name && run.status == status);
        let change = changes.iter().position(fits)?;
        too_large.take();
        let run = changes[change].run();
        Some(StoreError::TooLarge { change, run, what: format!("run {name}"), bytes: 500_000, most: 400_000 })
    }
}

impl Store for FakeStore {
    fn load(&self) -> BoxFuture<'_, Result<Contents, StoreError>> {
        self.kept.load()
    }

    fn commit(&self, changes: Arc<[Change]>) -> BoxFuture<'_, Result<(), StoreError>> {
        self.commits.fetch_add(1, Ordering::Relaxed);
        for change in &*changes {
            if let Change::Put(run) = change {
                self.see(run);
            }
        }
        async move {
            let mut gate = self.gate.subscribe();
            let _ = gate.wait_for(|open| *open).await;
            if let Some(refusal) = self.refusal(&changes) {
                return Err(refusal);
            }
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

    fn ended(&self) -> BoxFuture<'_, Result<EndedCounts, StoreError>> {
        self.kept.ended()
    }

    fn expire(&self, ended_before: Timestamp, limit: usize) -> BoxFuture<'_, Result<usize, StoreError>> {
        self.kept.expire(ended_before, limit)
    }

    fn capabilities(&self) -> Capabilities {
        let durable = self.durable.load(Ordering::Relaxed);
        Capabilities {
            ended_runs: durable,
            ended_names: durable,
            outlives_process: durable,
            soft_wait: Duration::from_millis(self.soft_wait.load(Ordering::Relaxed)),
        }
    }
}
