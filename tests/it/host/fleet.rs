//! A fleet on a table in memory. Each cell has a world, which all processes see, and a store that knows who owns it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use futures::future::{BoxFuture, FutureExt as _};
use taskwatch::cell::{CallRates, Cell, CellConfig, Clock, Ids, Ports};
use taskwatch::core::notification::Destination;
use taskwatch::core::run::Run;
use taskwatch::core::time::Timestamp;
use taskwatch::host::{Host, HostConfig, HostPorts, Quotas, Supply};
use taskwatch::store::dynamo::{CellRow, Directory, NewCell};
use taskwatch::store::{Capabilities, Change, Contents, EndedCounts, Key, Page, Posted, Query, Store, StoreError};
use uuid::Uuid;

use crate::support::fakes::table::FakeTable;
use crate::support::fakes::{FakeStore, World, eventually};

/// What all processes of the fleet see.
pub(super) struct Fleet {
    pub(super) table: FakeTable,
    pub(super) quotas: Quotas,
    shared: Arc<Shared>,
}

struct Shared {
    cells: BTreeMap<String, World>,
    epochs: BTreeMap<String, AtomicU64>,
    opened: AtomicUsize,
    fenced: AtomicUsize,
    closed: Mutex<BTreeSet<String>>,
    seeds: AtomicU64,
}

/// A process, and its door to the table.
pub(super) struct Process {
    pub(super) host: Host,
    pub(super) table: FakeTable,
}

/// The names of the cells that it serves.
pub(super) fn cells_of(host: &Host) -> Vec<String> {
    host.own().borrow().iter().map(|cell| cell.name().to_owned()).collect()
}

impl Process {
    /// A cell that it serves.
    pub(super) fn cell(&self, name: &str) -> Cell {
        self.host.own().borrow().iter().find(|cell| cell.name() == name).cloned().expect("its cell")
    }
}

impl Fleet {
    pub(super) async fn of(count: usize) -> Self {
        let table = FakeTable::default();
        let names: Vec<String> = (0..count).map(|n| format!("blue-{n}")).collect();
        let new = |name: &String| NewCell { name: name.clone(), events: format!("https://sqs/{name}-events") };
        let new: Vec<NewCell> = names.iter().map(new).collect();
        Directory::new(Arc::new(table.clone()), "blue").add_cells(&new).await.expect("cells");
        let world = |name: &String| (name.clone(), World::of_cell(name, 1));
        let shared = Shared {
            cells: names.iter().map(world).collect(),
            epochs: names.iter().map(|name| (name.clone(), AtomicU64::new(0))).collect(),
            opened: AtomicUsize::new(0),
            fenced: AtomicUsize::new(0),
            closed: Mutex::default(),
            seeds: AtomicU64::new(1),
        };
        let quotas = Quotas {
            run_task_rate: 20.0,
            run_task_burst: 100,
            call_rates: CallRates::USUAL,
            max_in_flight: 1_000_000,
            describe_share: 0.1,
        };
        Self { table, quotas, shared: Arc::new(shared) }
    }

    pub(super) fn process(&self, name: &str) -> Process {
        let table = self.table.another_door();
        let clock = Clock::starting_at(Timestamp::from_millis(1_800_000_000_000));
        let directory = Directory::new(Arc::new(table.clone()), "blue");
        let supply = Arc::new(Supplied { shared: Arc::clone(&self.shared), clock: clock.clone() });
        let config = HostConfig { name: name.to_owned(), url: String::new(), quotas: self.quotas };
        Process { host: Host::start(config, HostPorts { directory, supply, clock, ids: Ids::default() }), table }
    }

    pub(super) async fn two_with_equal_parts(&self) -> [Process; 2] {
        let one = self.process("one");
        eventually("it has all", || cells_of(&one.host).len() == self.shared.cells.len()).await;
        let other = self.process("other");
        let half = self.shared.cells.len() / 2;
        eventually("both have as many", || [&one, &other].iter().all(|p| cells_of(&p.host).len() == half)).await;
        [one, other]
    }

    pub(super) fn world(&self, cell: &str) -> &World {
        &self.shared.cells[cell]
    }

    /// Another owner has written its fence.
    pub(super) fn fence(&self, cell: &str) {
        self.shared.epochs[cell].fetch_add(100, Ordering::SeqCst);
    }

    pub(super) fn cannot_open(&self, cell: &str) {
        self.shared.closed.lock().unwrap_or_else(PoisonError::into_inner).insert(cell.to_owned());
    }

    pub(super) fn can_open(&self, cell: &str) {
        self.shared.closed.lock().unwrap_or_else(PoisonError::into_inner).remove(cell);
    }

    /// How often a cell was opened.
    pub(super) fn opened(&self) -> usize {
        self.shared.opened.load(Ordering::SeqCst)
    }

    /// Commits of owners that had been replaced.
    pub(super) fn fenced_commits(&self) -> usize {
        self.shared.fenced.load(Ordering::SeqCst)
    }
}

struct Supplied {
    shared: Arc<Shared>,
    clock: Clock,
}

impl Supply for Supplied {
    fn open<'a>(&'a self, cell: &'a CellRow, _: u64, _: &'a str) -> BoxFuture<'a, Result<Arc<dyn Store>, StoreError>> {
        async move {
            let name = &*cell.name;
            if self.shared.closed.lock().unwrap_or_else(PoisonError::into_inner).contains(name) {
                return Err(StoreError::Corrupt(format!("cell {name} has a hole")));
            }
            self.shared.opened.fetch_add(1, Ordering::SeqCst);
            // The fence: whoever opens it is its owner from here on.
            let epoch = self.shared.epochs[name].fetch_add(1, Ordering::SeqCst) + 1;
            let kept = Arc::clone(&self.shared.cells[name].store);
            let store = Owned { kept, shared: Arc::clone(&self.shared), cell: name.to_owned(), epoch };
            Ok(Arc::new(store) as Arc<dyn Store>)
        }
        .boxed()
    }

    fn equip(&self, cell: &CellRow, store: Arc<dyn Store>) -> (CellConfig, Ports) {
        let world = &self.shared.cells[&*cell.name];
        let ports = Ports {
            ecs: Arc::clone(&world.ecs) as _,
            events: Some(Arc::clone(&world.events) as _),
            requests: Some(Arc::clone(&world.requests) as _),
            requests_dlq: None,
            launchers: None,
            notifier: Arc::clone(&world.topic) as _,
            store,
            clock: self.clock.clone(),
            ids: Ids::seeded(self.shared.seeds.fetch_add(1, Ordering::SeqCst)),
        };
        (world.config.clone(), ports)
    }
}

/// A store that takes changes of its newest owner only.
struct Owned {
    kept: Arc<FakeStore>,
    shared: Arc<Shared>,
    cell: String,
    epoch: u64,
}

impl Owned {
    fn check(&self) -> Result<(), StoreError> {
        let now = self.shared.epochs[&self.cell].load(Ordering::SeqCst);
        if now == self.epoch {
            return Ok(());
        }
        self.shared.fenced.fetch_add(1, Ordering::SeqCst);
        Err(StoreError::Fenced { by: format!("epoch {now}") })
    }
}

impl Store for Owned {
    fn capabilities(&self) -> Capabilities {
        self.kept.capabilities()
    }

    fn load(&self) -> BoxFuture<'_, Result<Contents, StoreError>> {
        self.kept.load()
    }

    fn commit(&self, changes: Arc<[Change]>) -> BoxFuture<'_, Result<(), StoreError>> {
        async move {
            self.check()?;
            self.kept.commit(changes).await
        }
        .boxed()
    }

    fn confirm_owner(&self) -> BoxFuture<'_, Result<(), StoreError>> {
        async move { self.check() }.boxed()
    }

    fn outbox(
        &self,
        destination: &Destination,
        after: u64,
        limit: usize,
    ) -> BoxFuture<'_, Result<Page<Posted, u64>, StoreError>> {
        self.kept.outbox(destination, after, limit)
    }

    fn find(&self, key: Key, limit: usize) -> BoxFuture<'_, Result<Page<Run, u32>, StoreError>> {
        self.kept.find(key, limit)
    }

    fn finished(&self, query: Query) -> BoxFuture<'_, Result<Page<Run, Uuid>, StoreError>> {
        self.kept.finished(query)
    }

    fn ended(&self) -> BoxFuture<'_, Result<EndedCounts, StoreError>> {
        self.kept.ended()
    }

    fn expire(&self, ended_before: Timestamp, limit: usize) -> BoxFuture<'_, Result<usize, StoreError>> {
        self.kept.expire(ended_before, limit)
    }
}
