//! How a cell is to work, and what it works with.

use std::sync::Arc;
use std::time::Duration;

use super::clock::Clock;
use super::ids::Ids;
use super::ports::{Ecs, Launchers, Notifier, Queue};
use crate::core::breaker::BreakerRules;
use crate::core::notification::Destinations;
use crate::core::observe::Policy;
use crate::store::{Store, StoreError};

/// Tasks a second on Fargate (AWS Fargate throttling quotas).
const RATE: f64 = 20.0;
/// Tasks at once on Fargate.
pub(super) const BURST: u32 = 100;

/// ECS's quotas of calls a second, where an account has others than the usual. What is not set is as the Amazon ECS developer guide
/// has it ("Request throttling for the Amazon ECS API", "AWS Fargate throttling quotas"); of launches it is taken to be raised
/// together with the task rate. If it was not, throttles will tell.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct CallRates {
    /// RunTask calls on Fargate: 20, and as many at once.
    pub fargate: Option<f64>,
    /// "Cluster resource modify", RunTask and StopTask: 40, and 100 at once.
    pub modify: Option<f64>,
    /// "Cluster resource read", DescribeTasks and ListTasks: 20, and 100 at once.
    pub read: Option<f64>,
}

impl CallRates {
    /// Those of the developer guide.
    pub const USUAL: Self = Self { fargate: None, modify: None, read: None };

    /// RunTask calls on Fargate a second, beside so many tasks a second.
    pub fn fargate(&self, task_rate: f64) -> f64 {
        self.fargate.unwrap_or(20.0 * raised(task_rate))
    }

    /// RunTask and StopTask calls a second, beside so many tasks a second.
    pub fn modify(&self, task_rate: f64) -> f64 {
        self.modify.unwrap_or(40.0 * raised(task_rate))
    }

    /// DescribeTasks and ListTasks calls a second.
    pub fn read(&self) -> f64 {
        self.read.unwrap_or(20.0)
    }
}

/// How many times the usual task rate that is; at least once.
fn raised(task_rate: f64) -> f64 {
    (task_rate / RATE).max(1.0)
}

/// How long after its last news a task is described where no queue brings its events.
pub const POLL: Duration = Duration::from_secs(1);

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
    pub destinations: Destinations,
    /// Tasks placed a second, on Fargate on demand and on Fargate Spot each.
    pub run_task_rate: f64,
    /// Tasks placed at once after a rest.
    pub run_task_burst: u32,
    /// Calls of ECS a second.
    pub call_rates: CallRates,
    /// Most tasks that there may be: one counts until ECS has taken it down.
    pub max_in_flight: usize,
    /// Most tasks in PROVISIONING in a cluster, where they wait for instances of an Auto Scaling group.
    pub max_provisioning: usize,
    /// Share of the DescribeTasks quota that is used, 0 to 1.
    pub describe_share: f64,
    /// Most runs that may wait before the requests queue is left alone.
    pub max_queued: usize,
    /// Most receives that are out on each queue at once; at an idle one it is one.
    pub receivers: usize,
    /// A live task without an event for so long is described.
    pub reconcile_after: Duration,
    /// Without an events queue: how long after its last news a task is described ([`POLL`] is decent), 100 a call. While
    /// nothing changes it is described ever more rarely: after a tenth of the time since, at most 16 times as long.
    pub poll: Option<Duration>,
    /// Finished runs that are kept in memory; a durable store has the others.
    pub keep_finished: usize,
    /// How long a finished run can be asked for, and its name stands for it.
    pub keep: Duration,
    /// When a task definition that fails again and again is paused.
    pub breaker: BreakerRules,
    /// What is done about failures of what others launch; what none is for is told.
    pub observe: Vec<Policy>,
}

impl CellConfig {
    /// The documented defaults: Fargate's quota of 20 launches a second, 100 at once.
    pub fn new(name: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            account: String::new(),
            region: String::new(),
            destinations: Destinations::default(),
            run_task_rate: RATE,
            run_task_burst: BURST,
            call_rates: CallRates::USUAL,
            max_in_flight: 1_000_000,
            max_provisioning: 500,
            describe_share: 0.1,
            max_queued: 100_000,
            receivers: 64,
            reconcile_after: Duration::from_secs(300),
            poll: None,
            keep_finished: 100_000,
            keep: Duration::from_secs(7 * 24 * 3600),
            breaker: BreakerRules::default(),
            observe: Vec::new(),
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
    /// What else launches tasks; without it no launch of others is repeated by what its rule or schedule says.
    pub launchers: Option<Arc<dyn Launchers>>,
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
    pub undelivered: usize,
}
