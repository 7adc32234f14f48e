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

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::{mpsc, oneshot, watch};

pub use limits::change_limits;
pub use others::Others;
pub use ports::{Opened, Supply};

use crate::cell::{Cell, Clock, FleetLimits, Hindrance, Lease};
use crate::fleet::FleetView;
use crate::store::dynamo::Directory;
use process::{News, Process};

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
}

/// A running process of a fleet. Clones are the same.
#[derive(Clone)]
pub struct Host {
    own: watch::Receiver<Arc<[Cell]>>,
    said: Arc<Mutex<Said>>,
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
    /// What the table said instead of answering, the last time.
    table: Option<String>,
}

impl Host {
    /// Begins to take part.
    pub fn start(config: HostConfig, ports: HostPorts) -> Self {
        let (sender, own) = watch::channel(Arc::from([]));
        let (news, came) = mpsc::unbounded_channel();
        let said = Arc::<Mutex<Said>>::default();
        let (clock, lease) = (ports.clock.clone(), Lease::new(ports.clock.clone()));
        let process = Process::new(config, ports, sender, news.clone(), (Arc::clone(&said), lease.clone()));
        tokio::spawn(process.run(came));
        Self { own, said, lease, clock, news }
    }

    /// The cells that it serves, as they come and go.
    pub fn own(&self) -> watch::Receiver<Arc<[Cell]>> {
        self.own.clone()
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

    /// What keeps it from its part in the fleet.
    pub fn hindrances(&self) -> Vec<Hindrance> {
        let what = "its fleet's table does not answer, so it takes, launches and decides nothing".to_owned();
        let why = self.said().table.clone();
        (!self.lease.is_held()).then_some(Hindrance { what, why }).into_iter().collect()
    }

    /// What operators changed for all cells of the fleet, as far as it knows.
    pub fn limits(&self) -> FleetLimits {
        self.said().limits.clone()
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
