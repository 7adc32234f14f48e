//! A process of a fleet: it beats, reads who else does, takes cells, serves them, and gives them back.
//!
//! What it decides is `fleet`'s, pure and simulated; this carries it out. One task owns the process's state; opening a cell and
//! handing it over are tasks beside it, so that beats go on.

mod cells;
mod incarnation;
mod limits;
mod others;
mod ports;
mod process;
mod rows;
mod shares;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::{mpsc, oneshot, watch};

pub use limits::change_limits;
pub use others::Others;
pub use ports::Supply;

use crate::cell::{CallRates, Cell, CellConfig, Clock, ElsewhereCell, FleetLimits, Hindrance, Ids, Lease, WaitingFor};
use crate::core::run::Run;
use crate::fleet::{FleetView, Takeover, Takeovers};
use crate::store::dynamo::Directory;
use cells::Taken;
use process::{News, Process};
use rows::Breakers;

/// How a process is to take part in its fleet.
#[derive(Clone, Debug)]
pub struct HostConfig {
    /// Its name: the first part of each of its incarnations' names. A host name, say.
    pub name: String,
    /// Where the others reach its API; empty: nowhere.
    pub url: String,
    /// What the whole fleet may launch.
    pub quotas: Quotas,
}

/// The launch quotas of a fleet.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Quotas {
    /// Tasks a second, of each kind of capacity on Fargate.
    pub run_task_rate: f64,
    /// Tasks at once after a rest.
    pub run_task_burst: u32,
    /// Calls of ECS a second.
    pub call_rates: CallRates,
    /// Most runs that may have a task.
    pub max_in_flight: usize,
    /// Share of the DescribeTasks quota.
    pub describe_share: f64,
}

/// What it works with.
#[derive(Clone)]
pub struct HostPorts {
    /// The rows of its fleet. Its calls are bounded in time.
    pub directory: Directory,
    /// What cells work with.
    pub supply: Arc<dyn Supply>,
    /// The time, of a clock that goes on while the machine sleeps.
    pub clock: Clock,
    /// What makes the names of its incarnations its own.
    pub ids: Ids,
}

/// A running process of a fleet. Clones are the same.
#[derive(Clone)]
pub struct Host {
    own: watch::Receiver<Arc<[Cell]>>,
    said: Arc<Mutex<Said>>,
    taken: Arc<Mutex<Taken>>,
    lease: Lease,
    clock: Clock,
    news: mpsc::UnboundedSender<News>,
}

/// What it says of itself and its fleet.
#[derive(Default)]
struct Said {
    view: FleetView,
    /// When it read that.
    read_at: Duration,
    /// What operators changed for all cells.
    limits: FleetLimits,
    /// Of the other processes: their open circuit breakers by cell, and where their APIs are.
    breakers: Breakers,
    urls: BTreeMap<String, String>,
    /// What the table said instead of answering, the last time.
    table: Option<String>,
}

impl Host {
    /// Begins to take part.
    pub fn start(config: HostConfig, ports: HostPorts) -> Self {
        let (sender, own) = watch::channel(Arc::from([]));
        let (news, came) = mpsc::unbounded_channel();
        let (said, taken) = (Arc::<Mutex<Said>>::default(), Arc::<Mutex<Taken>>::default());
        let (clock, lease) = (ports.clock.clone(), Lease::new(ports.clock.clone()));
        let own_cells = (sender, Arc::clone(&taken));
        let process = Process::new(config, ports, own_cells, news.clone(), (Arc::clone(&said), lease.clone()));
        tokio::spawn(process.run(came));
        Self { own, said, taken, lease, clock, news }
    }

    /// The cells that it serves, as they come and go.
    pub fn own(&self) -> watch::Receiver<Arc<[Cell]>> {
        self.own.clone()
    }

    /// How it came by a cell that it serves.
    pub fn took(&self, cell: &str) -> Option<Takeover> {
        self.taken().now.get(cell).copied()
    }

    /// How often it came by each cell of the fleet since it began, in each way.
    pub fn takeovers(&self) -> Takeovers {
        let mut all = self.taken().ever.clone();
        for cell in &self.said().view.cells {
            all.entry(cell.name.clone()).or_default();
        }
        all
    }

    fn taken(&self) -> MutexGuard<'_, Taken> {
        self.taken.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The fleet, as it last saw it.
    pub fn view(&self) -> FleetView {
        let said = self.said();
        let now = Duration::from_millis(u64::try_from(self.clock.now().millis()).unwrap_or_default());
        let since = rows::seconds(now.saturating_sub(said.read_at));
        let mut view = said.view.clone();
        view.processes.iter_mut().for_each(|process| process.last_beat_seconds_ago += since);
        view
    }

    fn said(&self) -> MutexGuard<'_, Said> {
        self.said.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether the fleet does not hear from it: it does nothing that another process could do.
    pub fn is_suspended(&self) -> bool {
        !self.lease.is_held()
    }

    /// What keeps it from its part in the fleet.
    pub fn hindrances(&self) -> Vec<Hindrance> {
        let what = "its fleet's table does not answer, so it takes, launches and decides nothing".to_owned();
        let why = self.said().table.clone();
        self.is_suspended().then_some(Hindrance { what, why }).into_iter().collect()
    }

    /// What operators changed for all cells of the fleet, as far as it knows.
    pub fn limits(&self) -> FleetLimits {
        self.said().limits.clone()
    }

    /// Why runs of other cells have no task yet, as far as this process knows: for each with its cell, in order. Its own settings are
    /// `config`.
    pub fn waiting_elsewhere<'r>(
        &self,
        runs: impl Iterator<Item = (&'r str, &'r Run)>,
        config: &CellConfig,
    ) -> Vec<Option<WaitingFor>> {
        let (said, none) = (self.said(), BTreeSet::new());
        let limits = said.limits.in_force(config);
        let waiting = |(cell, run): (&str, &Run)| {
            let owner =
                said.view.cells.iter().find(|known| known.name == cell).and_then(|known| known.owner.as_deref());
            let url = owner.and_then(|owner| said.urls.get(owner)).map(String::as_str);
            let open_breakers = said.breakers.get(cell).unwrap_or(&none);
            ElsewhereCell { name: cell, owner, url, open_breakers }.waiting_for(run, &limits)
        };
        runs.map(waiting).collect()
    }

    /// Follows what was just written as this revision, without waiting for the next read.
    pub fn follow(&self, limits: FleetLimits, revision: u64) {
        let _ = self.news.send(News::Limits(limits, revision));
    }

    /// Ends well, in `longest` at most: hands its cells over and leaves the fleet.
    pub async fn drain(&self, longest: Duration) {
        let (done, ended) = oneshot::channel();
        if self.news.send(News::Leave(done)).is_ok() {
            let _ = tokio::time::timeout(longest, ended).await;
        }
    }

    /// Ends at once and waits for nothing, as a process does that is killed.
    pub fn abandon(&self) {
        let _ = self.news.send(News::Abandon);
    }
}
