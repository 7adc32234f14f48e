//! The runtime that owns live runs and carries out what the core decides.
//!
//! Every input to a run goes through one door (`door.rs`): [`crate::core::machine::apply`] under the run's lock, then a
//! group commit, and only then effects, answers and deletes.

mod bucket;
mod clock;
mod definitions;
mod door;
mod effects;
mod events;
mod expiry;
mod feed;
mod governor;
mod ids;
mod intake;
mod launcher;
mod limits;
mod list;
mod neighbour;
mod outbox;
mod place;
pub mod ports;
mod queue;
mod receive;
mod reconcile;
mod redrive;
mod registry;
mod settle;
mod silence;
mod slots;
mod start;
mod stats;
mod storm;
mod timers;
mod times;
mod vitals;
mod watcher;

use std::collections::{BTreeSet, VecDeque};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use dashmap::DashMap;
use tokio::sync::{Notify, broadcast, mpsc};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use uuid::Uuid;

pub use clock::Clock;
pub use events::{Count, Counters, RunChange};
pub use feed::Numbered;
pub use governor::Pace;
pub use ids::Ids;
pub use intake::{SubmitError, Submitted};
pub use limits::{Hold, Limits, LimitsChange, LimitsError};
pub use list::Page;
pub use outbox::Trouble;
pub use redrive::RedriveError;
pub use stats::{BUCKET, BUCKETS, Bucket, Phases, Totals};
pub use times::{Quantiles, STEPS, Steps, Times};
pub use vitals::Vitals;

use crate::core::machine::Input;
use crate::core::name;
use crate::core::notification::{Origin, Outlets};
use crate::core::run::Run;
use crate::core::storm::{StormRules, Storms};
use crate::store::{Change, Key, Store, StoreError};
use feed::Feed;
use governor::Governor;
use neighbour::Neighbour;
use outbox::Outbox;
use ports::{Ecs, Notifier, Queue};
use queue::LaunchQueue;
use registry::Registry;
use stats::Stats;
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
    /// Tasks placed a second, on Fargate on demand and on Fargate Spot each.
    pub run_task_rate: f64,
    /// Tasks placed at once after a rest.
    pub run_task_burst: u32,
    /// Most runs that may have a task.
    pub max_in_flight: usize,
    /// Most tasks in PROVISIONING in a cluster, where they wait for instances of an Auto Scaling group.
    pub max_provisioning: usize,
    /// Share of the DescribeTasks quota that is used, 0 to 1.
    pub describe_share: f64,
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
    /// When a task definition that fails again and again is paused.
    pub storm: StormRules,
}

impl CellConfig {
    /// The documented defaults: Fargate's quota of 20 launches a second, 100 at once.
    pub fn new(name: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            account: String::new(),
            region: String::new(),
            outlets: Outlets::default(),
            run_task_rate: governor::RATE,
            run_task_burst: governor::BURST,
            max_in_flight: 1_000_000,
            max_provisioning: 500,
            describe_share: 0.1,
            max_queued: 100_000,
            receivers: 4,
            reconcile_after: Duration::from_secs(300),
            poll: None,
            keep_finished: 100_000,
            keep: Duration::from_secs(7 * 24 * 3600),
            storm: StormRules::default(),
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
    /// The ids of runs.
    pub ids: Ids,
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
    /// The store has runs of a cell with another name: their tasks bear that name, and their events go to its queue.
    #[error(
        "the store has runs of cell {theirs:?} that have not ended ({open}), and this cell is {ours:?}: set TASKWATCH_CELL to \
         {theirs}, or name another store (TASKWATCH_STORE)"
    )]
    OtherCell {
        /// The name in the store.
        theirs: String,
        /// The name in the settings.
        ours: String,
        /// Runs that have not ended.
        open: usize,
    },
}

/// How much a cell holds in memory: what must not grow with the runs that have ended.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Sizes {
    /// Runs, open and lately finished.
    pub runs: usize,
    /// Tasks by which a run is found.
    pub tasks: usize,
    /// Launch tokens by which a run is found.
    pub tokens: usize,
    /// Names by which runs are found.
    pub names: usize,
    /// Deadlines.
    pub timers: usize,
    /// Runs that wait for a launch slot.
    pub waiting: usize,
    /// Runs that may have a task, or are about to.
    pub live: usize,
    /// Notifications that are durable and not delivered.
    pub untold: usize,
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
    feed: Feed,
    stats: Stats,
    /// Held while a run that only the store has is taken back into memory.
    redriving: tokio::sync::Mutex<()>,
    queue: Mutex<LaunchQueue>,
    standing: Mutex<limits::Standing>,
    /// Held while limits are changed.
    changing: tokio::sync::Mutex<()>,
    /// Something may be launched that could not be before.
    look_again: Notify,
    storms: Mutex<Storms>,
    /// A circuit opened or closed, or its probe left or came back.
    gate_moved: Notify,
    /// Runs that left the launch queue and are not counted as live yet.
    leaving: AtomicUsize,
    /// Runs on their way into the launch queue for the first time.
    admitting: AtomicUsize,
    /// Durable notifications that were not delivered yet.
    untold: AtomicUsize,
    outbox: Outbox,
    delivered: Notify,
    governor: Arc<Governor>,
    calls: slots::Calls,
    stops: effects::Stops,
    /// Held while an ARN is given to a member of a call, so that two tasks never go to one.
    binding: tokio::sync::Mutex<()>,
    describing: tokio::sync::Mutex<()>,
    definitions: DashMap<String, definitions::Known>,
    finished: Mutex<VecDeque<Uuid>>,
    /// By `receive::From`.
    receiving: [Neighbour; 2],
    /// Ill: it refused the last commit, and nothing goes on until it takes one.
    storing: Neighbour,
    /// Ill: RunTask was not answered, neither yes nor no.
    launching: Neighbour,
    /// Clusters of which the last DescribeTasks gave no answer.
    undescribed: Mutex<BTreeSet<String>>,
    counters: Counters,
    listens_since: Mutex<Instant>,
    began_at: crate::core::time::Timestamp,
    draining: CancellationToken,
    ended: CancellationToken,
    receivers: TaskTracker,
    launches: TaskTracker,
    tasks: TaskTracker,
}

impl Cell {
    /// Every change of every run from here on. A slow listener misses the oldest.
    pub fn subscribe(&self) -> broadcast::Receiver<Numbered> {
        self.inner.feed.listen()
    }

    /// What came after the change of this number, and every change from here on; `None` when some of it is no longer kept.
    pub fn subscribe_after(&self, number: u64) -> Option<(Vec<Numbered>, broadcast::Receiver<Numbered>)> {
        self.inner.feed.listen_after(number)
    }

    /// The number of the newest change.
    pub fn last_change(&self) -> u64 {
        self.inner.feed.last()
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
        if let Ok(id) = Uuid::parse_str(name) {
            if let Some(run) = self.run(id) {
                return Ok(vec![run]);
            }
            let found = self.inner.ports.store.find(Key::Run(id)).await?;
            if !found.is_empty() {
                return Ok(found);
            }
        }
        let request = name::request_of(name);
        // One of many that is in memory costs no reading of the others.
        if let Some(run) = self.inner.one_of_request(request, name) {
            return Ok(vec![run]);
        }
        let mut found = self.inner.runs_of_request(request).await?;
        found.retain(|run| name::stands_for(name, &run.name));
        Ok(found)
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.inner.config.name
    }

    /// How much it holds in memory.
    pub fn sizes(&self) -> Sizes {
        let inner = &self.inner;
        let (runs, tasks, tokens, names) = inner.registry.sizes();
        Sizes {
            runs,
            tasks,
            tokens,
            names,
            timers: inner.timers.len(),
            waiting: inner.waiting_by_queue().values().sum(),
            live: inner.registry.live() + inner.leaving.load(Ordering::Acquire),
            untold: inner.untold.load(Ordering::Acquire),
        }
    }

    /// Every run as it is now.
    pub fn runs(&self) -> Vec<Run> {
        self.inner.registry.collect(|run| Some(run.clone()))
    }

    /// How fast AWS is called now, bucket by bucket.
    pub fn paces(&self) -> Vec<Pace> {
        self.inner.governor.paces()
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
        self.not_ready().is_empty()
    }

    /// Asks a run to stop; false if there is none or it has ended.
    pub async fn stop(&self, id: Uuid, reason: &str) -> bool {
        let input = Input::StopAsked { reason: reason.to_owned() };
        match self.inner.advance(id, input).await {
            Some(made) => made.durable().await.unwrap_or(false),
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
                    biased;
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
        // Receivers that were cut off give back what they have in hand.
        let last = async { tokio::join!(inner.tasks.wait(), inner.receivers.wait()) };
        let _ = tokio::time::timeout(LAST_COMMITS, last).await;
    }

    /// Ends at once and waits for nothing, as a process does that is killed: tasks go on, and a durable store has what the
    /// next start needs.
    pub fn abandon(&self) {
        let inner = &self.inner;
        inner.draining.cancel();
        inner.ended.cancel();
        for loops in [&inner.receivers, &inner.launches, &inner.tasks] {
            loops.close();
        }
    }
}

impl Inner {
    /// Every run of a request's name, in order. Of a request of many some may have ended long ago: the store has those.
    async fn runs_of_request(&self, name: &str) -> Result<Vec<Run>, StoreError> {
        let ids = self.registry.of_name(name);
        let mut found: Vec<Run> = ids.into_iter().filter_map(|id| self.registry.read(id, Run::clone)).collect();
        let is_whole = found.iter().any(|run| run.name == name);
        if !is_whole && self.ports.store.is_durable() {
            let stored = self.ports.store.find(Key::Request(name.to_owned())).await?;
            let known: BTreeSet<Uuid> = found.iter().map(|run| run.id).collect();
            found.extend(stored.into_iter().filter(|run| !known.contains(&run.id)));
        }
        found.sort_by_key(|run| run.index);
        Ok(found)
    }

    /// The run of this name, if it is one of a request of many and in memory.
    fn one_of_request(&self, request: &str, name: &str) -> Option<Run> {
        let this = |run: &Run| (run.name == name).then(|| run.clone());
        let ids = if name == request { Vec::new() } else { self.registry.of_name(request) };
        ids.into_iter().find_map(|id| self.registry.read(id, this).flatten())
    }

    /// Keeps a final run for a while, and forgets the oldest when there are too many.
    fn retire(&self, id: Uuid) {
        let mut finished = self.finished.lock().unwrap_or_else(PoisonError::into_inner);
        finished.push_back(id);
        while finished.len() > self.config.keep_finished {
            let Some(oldest) = finished.pop_front() else { break };
            // One that was redriven meanwhile is open, and comes here again when it ends.
            if self.registry.forget(oldest) && !self.ports.store.is_durable() {
                // If the commit queue is full it is forgotten when its time is over.
                let _ = self.commits.try_send(door::Commit::bare(vec![Change::Forget(oldest)]).0);
            }
        }
    }
}
