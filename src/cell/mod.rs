//! The runtime that owns live runs and carries out what the core decides.
//!
//! Every input to a run goes through one door (`door.rs`): [`crate::core::machine::apply`] under the run's lock, then a
//! group commit, and only then effects, answers and deletes.

mod clock;
mod definitions;
mod door;
mod effects;
mod events;
mod expiry;
mod governor;
mod intake;
mod launcher;
mod limits;
mod outbox;
mod place;
pub mod ports;
mod queue;
mod receive;
mod reconcile;
mod registry;
mod start;
mod timers;
mod watcher;

use std::collections::{BTreeMap, VecDeque};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use dashmap::DashMap;
use tokio::sync::{Notify, Semaphore, broadcast, mpsc};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use uuid::Uuid;

pub use clock::Clock;
pub use events::{Count, Counters, RunChange, Times};
pub use intake::{SubmitError, Submitted};
pub use limits::{Hold, Limits, LimitsChange, LimitsError};
pub use outbox::Trouble;

use crate::core::machine::Input;
use crate::core::notification::{Origin, Outlets};
use crate::core::run::{Run, Status};
use crate::store::{Change, Key, Store, StoreError};
use governor::Governor;
use outbox::Outbox;
use ports::{Ecs, Notifier, Queue};
use queue::LaunchQueue;
use registry::Registry;
use timers::Timers;

/// For what is on its way to the store when everything else has ended.
const LAST_COMMITS: Duration = Duration::from_secs(2);

/// How a cell is to work.
#[derive(Clone, Debug)]
pub struct CellConfig {
    /// Its name: the prefix of every `startedBy` it sends. `A-Za-z0-9-_`.
    pub name: String,
    /// The AWS account, for notifications.
    pub account: String,
    /// The AWS region, for notifications.
    pub region: String,
    /// Where runs that name no topic are told of, and the bus that is told of all.
    pub outlets: Outlets,
    /// Tasks placed a second.
    pub run_task_rate: f64,
    /// Tasks placed at once after a rest.
    pub run_task_burst: u32,
    /// Most runs that may have a task.
    pub max_in_flight: usize,
    /// Most runs that may wait before the requests queue is left alone.
    pub max_queued: usize,
    /// Receivers on each queue.
    pub receivers: usize,
    /// A live task that was silent for so long is described.
    pub reconcile_after: Duration,
    /// Without an events queue: how often tasks are described.
    pub poll: Option<Duration>,
    /// Finished runs that are kept in memory; a durable store has the others.
    pub keep_finished: usize,
    /// How long a finished run can be asked for, and its name stands for it.
    pub keep: Duration,
}

impl CellConfig {
    /// The documented defaults: Fargate's quota of 20 launches a second, 100 at once.
    pub fn new(name: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            account: String::new(),
            region: String::new(),
            outlets: Outlets::default(),
            run_task_rate: 20.0,
            run_task_burst: 100,
            max_in_flight: 1_000_000,
            max_queued: 100_000,
            receivers: 4,
            reconcile_after: Duration::from_secs(300),
            poll: None,
            keep_finished: 100_000,
            keep: Duration::from_secs(7 * 24 * 3600),
        }
    }
}

/// What a cell works with.
#[derive(Clone)]
pub struct Ports {
    /// ECS.
    pub ecs: Arc<dyn Ecs>,
    /// Where ECS's events arrive; without one, tasks are described.
    pub events: Option<Arc<dyn Queue>>,
    /// Where run requests arrive.
    pub requests: Option<Arc<dyn Queue>>,
    /// Where refused requests go.
    pub requests_dlq: Option<Arc<dyn Queue>>,
    /// Where notifications go.
    pub notifier: Arc<dyn Notifier>,
    /// Where runs are kept.
    pub store: Arc<dyn Store>,
    /// The time.
    pub clock: Clock,
}

/// Why a cell cannot begin.
#[derive(Debug, thiserror::Error)]
pub enum CellError {
    /// The store cannot be read.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A name that `startedBy` cannot carry.
    #[error("cell name {0:?}: use 1 to 64 characters of A-Z a-z 0-9 - _")]
    Name(String),
}

/// A cell's runs, counted.
#[derive(Clone, Debug, Default)]
pub struct Summary {
    /// By status.
    pub statuses: BTreeMap<Status, usize>,
    /// Those that wait for a launch slot, by queue.
    pub waiting: BTreeMap<String, usize>,
}

/// A running cell. Clones are the same cell.
#[derive(Clone)]
pub struct Cell {
    inner: Arc<Inner>,
}

struct Inner {
    config: CellConfig,
    ports: Ports,
    origin: Origin,
    registry: Registry,
    timers: Timers,
    commits: mpsc::Sender<door::Commit>,
    changes: broadcast::Sender<RunChange>,
    queue: Mutex<LaunchQueue>,
    standing: Mutex<limits::Standing>,
    /// Held while limits are changed.
    changing: tokio::sync::Mutex<()>,
    queued: Notify,
    slot_free: Notify,
    /// Runs that left the launch queue and are not counted as live yet.
    leaving: AtomicUsize,
    /// Durable notifications that were not delivered yet.
    untold: AtomicUsize,
    outbox: Outbox,
    delivered: Notify,
    governor: Governor,
    calls: Arc<Semaphore>,
    stops: Arc<Semaphore>,
    /// Held while an ARN is given to a member of a call, so that two tasks never go to one.
    binding: tokio::sync::Mutex<()>,
    describing: tokio::sync::Mutex<()>,
    definitions: DashMap<String, definitions::Known>,
    finished: Mutex<VecDeque<Uuid>>,
    /// By `receive::From`.
    receiving: [receive::Receiving; 2],
    /// The store refused the last commit: nothing goes on until it takes one.
    store_fails: AtomicBool,
    counters: Counters,
    draining: CancellationToken,
    ended: CancellationToken,
    receivers: TaskTracker,
    launches: TaskTracker,
    tasks: TaskTracker,
}

impl Cell {
    /// Every change of every run from here on. A slow listener misses the oldest.
    pub fn subscribe(&self) -> broadcast::Receiver<RunChange> {
        self.inner.changes.subscribe()
    }

    /// One run as it is now.
    pub fn run(&self, id: Uuid) -> Option<Run> {
        self.inner.registry.read(id, Run::clone)
    }

    /// The runs that an id, a name, or the name of many stands for: in memory, else in the store.
    ///
    /// # Errors
    /// The store cannot be read.
    pub async fn find(&self, name: &str) -> Result<Vec<Run>, StoreError> {
        let found = self.find_in_memory(name);
        if !found.is_empty() || !self.inner.ports.store.is_durable() {
            return Ok(found);
        }
        if let Ok(id) = Uuid::parse_str(name) {
            let found = self.inner.ports.store.find(Key::Run(id)).await?;
            if !found.is_empty() {
                return Ok(found);
            }
        }
        let request = name.split('/').next().unwrap_or_default().to_owned();
        let mut found = self.inner.ports.store.find(Key::Request(request)).await?;
        found.retain(|run| run.name == name || run.request_name() == name);
        Ok(found)
    }

    fn find_in_memory(&self, name: &str) -> Vec<Run> {
        if let Some(run) = Uuid::parse_str(name).ok().and_then(|id| self.run(id)) {
            return vec![run];
        }
        let of_request = self.inner.registry.of_name(name.split('/').next().unwrap_or_default());
        let runs = of_request.into_iter().filter_map(|id| self.run(id));
        runs.filter(|run| run.name == name || run.request_name() == name).collect()
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.inner.config.name
    }

    /// The ids of the runs that fit.
    pub fn ids(&self, fits: impl Fn(&Run) -> bool) -> Vec<Uuid> {
        self.inner.registry.collect(|run| fits(run).then_some(run.id))
    }

    /// How many runs there are by status, and how many wait in each queue.
    pub fn summary(&self) -> Summary {
        let mut statuses: BTreeMap<Status, usize> = BTreeMap::new();
        self.inner.registry.each(|run| *statuses.entry(run.status).or_default() += 1);
        Summary { statuses, waiting: self.inner.waiting_by_queue() }
    }

    /// Every run as it is now.
    pub fn runs(&self) -> Vec<Run> {
        self.inner.registry.collect(|run| Some(run.clone()))
    }

    /// Counts since the cell began.
    pub fn counters(&self) -> &Counters {
        &self.inner.counters
    }

    /// Durable notifications that no outlet has taken yet.
    pub fn undelivered(&self) -> usize {
        self.inner.untold.load(Ordering::Acquire)
    }

    /// The outlets that do not take what they are given.
    pub fn troubles(&self) -> Vec<Trouble> {
        self.inner.outbox.troubles()
    }

    /// Whether it receives what it is to receive.
    pub fn ready(&self) -> bool {
        let ports = &self.inner.ports;
        let queues = [ports.events.is_some(), ports.requests.is_some()];
        let receives = queues.iter().zip(&self.inner.receiving).all(|(there, receiving)| !there || receiving.is_well());
        let healthy = !self.inner.draining.is_cancelled() && !self.inner.store_fails.load(Ordering::Relaxed);
        healthy && receives
    }

    /// Asks a run to stop; false if there is none or it has ended.
    pub async fn stop(&self, id: Uuid, reason: &str) -> bool {
        let input = Input::StopAsked { reason: reason.to_owned() };
        match self.inner.advance(id, input).await {
            Some(made) => made.durable().await,
            None => false,
        }
    }

    /// Waits until a run has ended.
    pub async fn finished(&self, id: Uuid) -> Option<Run> {
        let mut changes = self.subscribe();
        loop {
            let run = self.run(id)?;
            if run.status.is_final() {
                return Some(run);
            }
            if let Err(broadcast::error::RecvError::Closed) = changes.recv().await {
                return self.run(id);
            }
        }
    }

    /// Waits until every notification so far was delivered, at most so long.
    pub async fn flush(&self, longest: Duration) {
        let told = async {
            while self.inner.untold.load(Ordering::Acquire) > 0 {
                let delivered = self.inner.delivered.notified();
                tokio::select! {
                    () = delivered => {}
                    () = tokio::time::sleep(Duration::from_millis(20)) => {}
                }
            }
        };
        let _ = tokio::time::timeout(longest, told).await;
    }

    /// Ends well, in `longest` at most: takes nothing more, launches nothing more, waits for the calls that are out,
    /// delivers what is in the outbox, and stops. What is left stays in the store for the next start.
    pub async fn drain(&self, longest: Duration) {
        let inner = &self.inner;
        let until = Instant::now() + longest;
        inner.draining.cancel();
        inner.receivers.close();
        inner.launches.close();
        let _ = tokio::time::timeout_at(until, inner.receivers.wait()).await;
        let _ = tokio::time::timeout_at(until, inner.launches.wait()).await;
        self.flush(until.duration_since(Instant::now())).await;
        inner.ended.cancel();
        inner.tasks.close();
        let _ = tokio::time::timeout(LAST_COMMITS, inner.tasks.wait()).await;
    }
}

impl Inner {
    /// Keeps a final run for a while, and forgets the oldest when there are too many.
    fn retire(&self, id: Uuid) {
        self.slot_free.notify_one();
        let mut finished = self.finished.lock().unwrap_or_else(PoisonError::into_inner);
        finished.push_back(id);
        while finished.len() > self.config.keep_finished {
            let Some(oldest) = finished.pop_front() else { break };
            if !self.ports.store.is_durable() {
                // If the commit queue is full it is forgotten when its time is over.
                let _ = self.commits.try_send(door::Commit::bare(vec![Change::Forget(oldest)]).0);
            }
            self.registry.forget(oldest);
        }
    }
}
