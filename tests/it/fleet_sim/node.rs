//! Processes: each begins, is killed, stands still, or hands its cells over to a newer one.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures::future::{BoxFuture, FutureExt as _};
use rand::Rng as _;
use taskwatch::cell::{CallRates, Cell, CellConfig, Ids, Ports};
use taskwatch::core::notification::Destinations;
use taskwatch::fleet::Takeover;
use taskwatch::host::{Host, HostConfig, HostPorts, Quotas, Supply};
use taskwatch::store::dynamo::fake::open_small;
use taskwatch::store::dynamo::{CellRow, Directory};
use taskwatch::store::{Store, StoreError};
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use super::ports::Line;
use super::wire::Wire;
use super::world::{FLEET, Trouble, World, options};

/// Processes that the fleet is to have.
const PROCESSES: usize = 3;
/// A world that has not come to its end so long after the last fault never will.
const REST: u32 = 240;
const QUOTAS: Quotas = Quotas {
    run_task_rate: 20.0,
    run_task_burst: 100,
    call_rates: CallRates::USUAL,
    max_in_flight: 1_000,
    describe_share: 0.5,
};

/// Whether a process stands still. Whoever waits for it to go on does so in the order in which they came: that of a `watch` is
/// by chance.
#[derive(Default)]
struct Still {
    is_so: AtomicBool,
    over: Notify,
}

impl Still {
    fn set(&self, is_so: bool) {
        self.is_so.store(is_so, Ordering::Relaxed);
        if !is_so {
            self.over.notify_waiters();
        }
    }
}

/// A process, as all that it calls sees it.
#[derive(Clone)]
pub(super) struct Life {
    pub(super) world: Arc<World>,
    stands_still: Arc<Still>,
    dead: CancellationToken,
    cut_off: Arc<AtomicBool>,
}

impl Life {
    /// Waits while the process stands still; for ever once it is dead.
    pub(super) async fn goes_on(&self) {
        while self.stands_still.is_so.load(Ordering::Relaxed) {
            self.stands_still.over.notified().await;
        }
        if self.is_dead() {
            std::future::pending().await
        }
    }

    pub(super) fn is_dead(&self) -> bool {
        self.dead.is_cancelled()
    }

    pub(super) async fn dies(&self) {
        self.dead.cancelled().await;
    }

    /// Its own way to the table is broken.
    pub(super) fn is_cut_off(&self) -> bool {
        self.cut_off.load(Ordering::Relaxed)
    }
}

#[derive(Clone)]
pub(super) struct Node {
    name: String,
    pub(super) host: Host,
    pub(super) life: Life,
}

impl Node {
    pub(super) fn cells(&self) -> Arc<[Cell]> {
        Arc::clone(&self.host.own().borrow())
    }
}

/// All processes.
pub(super) struct Fleet {
    pub(super) world: Arc<World>,
    nodes: Mutex<Vec<Node>>,
    begun: AtomicU64,
}

impl Fleet {
    pub(super) fn new(world: &Arc<World>) -> Arc<Self> {
        let fleet = Self { world: Arc::clone(world), nodes: Mutex::default(), begun: AtomicU64::new(0) };
        (0..PROCESSES).for_each(|_| fleet.begin());
        Arc::new(fleet)
    }

    fn all(&self) -> MutexGuard<'_, Vec<Node>> {
        self.nodes.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Those that live.
    pub(super) fn nodes(&self) -> Vec<Node> {
        self.all().clone()
    }

    pub(super) fn begin(&self) {
        let number = self.begun.fetch_add(1, Ordering::Relaxed) + 1;
        let name = format!("p{number}");
        let (world, dead) = (Arc::clone(&self.world), CancellationToken::new());
        let life = Life { world, stands_still: Arc::default(), dead, cut_off: Arc::default() };
        let ids = Ids::seeded(self.world.seed << 16 | number << 8);
        let supply = Supplied { life: life.clone(), ids: ids.clone() };
        let ports = HostPorts {
            directory: Directory::new(Arc::new(Wire(life.clone())), FLEET),
            supply: Arc::new(supply),
            clock: self.world.clock.clone(),
            ids,
        };
        let mut quotas = QUOTAS;
        if let Trouble::Narrow(most) = self.world.state().trouble {
            quotas.max_in_flight = most;
        }
        let host = Host::start(HostConfig { name: name.clone(), url: String::new(), quotas }, ports);
        self.world.state().note(format!("{name}: begins"));
        self.all().push(Node { name, host, life });
    }

    /// One of those that live, if any does.
    pub(super) fn any(&self) -> Option<Node> {
        let nodes = self.nodes();
        let place = self.world.state().dice.random_range(0..nodes.len().max(1));
        nodes.get(place).cloned()
    }

    fn gone(&self, node: &Node) {
        self.count(node);
        self.all().retain(|one| one.name != node.name);
    }

    fn count(&self, node: &Node) {
        let takeovers = node.host.takeovers();
        let of = |kind| takeovers.values().filter_map(|cell| cell.get(&kind)).sum::<u64>();
        let sum = &mut self.world.state().sum;
        sum.died += of(Takeover::Died);
        sum.handed_over += of(Takeover::HandedOver);
    }

    /// Lives until all has come to its end.
    pub(super) async fn live(self: &Arc<Self>) {
        let horizon = self.world.state().horizon();
        let trouble = self.world.state().trouble;
        match trouble {
            Trouble::Much => {
                let outages = tokio::spawn(Arc::clone(self).go_away());
                while tokio::time::Instant::now() < horizon {
                    self.misfortune().await;
                }
                let _ = outages.await;
            }
            Trouble::Deployments | Trouble::Narrow(_) => {
                while tokio::time::Instant::now() < horizon {
                    self.deploy().await;
                    tokio::time::sleep(Duration::from_secs(20)).await;
                }
            }
            Trouble::Load(..) => {}
        }
        while self.nodes().len() < 2 {
            self.begin();
        }
        for _ in 0..REST {
            tokio::time::sleep(Duration::from_secs(30)).await;
            if self.is_settled() {
                // What has ended is a row after a while.
                tokio::time::sleep(Duration::from_secs(90)).await;
                break;
            }
        }
        if !self.is_settled() {
            let nodes = self.nodes();
            let open = |cell: &Cell| format!("{}: {} open", cell.name(), cell.open());
            let all = nodes.iter().map(|node| {
                let cells: Vec<String> = node.cells().iter().map(open).collect();
                format!("{} has {cells:?}, {:?}", node.name, node.host.hindrances())
            });
            let all: Vec<String> = all.collect();
            self.world.state().violate(format!("fleet does not come to its end: {all:?}"));
        }
        self.nodes().iter().for_each(|node| self.count(node));
    }

    fn is_settled(&self) -> bool {
        let nodes = self.nodes();
        let served: usize = nodes.iter().map(|node| node.cells().len()).sum();
        let open: usize = nodes.iter().flat_map(|node| node.cells().to_vec()).map(|cell| cell.open()).sum();
        let undelivered: usize =
            nodes.iter().flat_map(|node| node.cells().to_vec()).map(|cell| cell.vitals().outbox).sum();
        let mut state = self.world.state();
        let queues = state.requests.is_empty() && state.events.values_mut().all(|queue| queue.is_empty());
        served == super::world::CELLS && open + undelivered == 0 && queues && state.ecs.is_idle() && !state.is_awaited()
    }

    /// What befalls one process, after a while.
    async fn misfortune(self: &Arc<Self>) {
        let (after, what) = {
            let mut state = self.world.state();
            (state.millis(1_000, 30_000), state.dice.random_range(0..10))
        };
        tokio::time::sleep(after).await;
        let Some(node) = self.any() else { return self.begin() };
        match what {
            0..=2 => self.kill(&node),
            3..=5 => self.pause(&node),
            6 => self.cut_off(&node),
            7 | 8 => self.deploy().await,
            _ if self.nodes().len() < PROCESSES + 1 => self.begin(),
            _ => {}
        }
    }

    fn kill(self: &Arc<Self>, node: &Node) {
        let after = {
            let mut state = self.world.state();
            state.note(format!("{}: is killed", node.name));
            state.sum.killed += 1;
            state.millis(500, 60_000)
        };
        self.gone(node);
        node.life.dead.cancel();
        node.life.stands_still.set(false);
        node.host.abandon();
        let fleet = Arc::clone(self);
        tokio::spawn(async move {
            tokio::time::sleep(after).await;
            if fleet.nodes().len() < PROCESSES {
                fleet.begin();
            }
        });
    }

    fn pause(&self, node: &Node) {
        let (node, long) = {
            let mut state = self.world.state();
            let long = state.millis(500, 30_000);
            state.note(format!("{}: stands still for {long:?}", node.name));
            state.sum.paused += 1;
            (node.clone(), long)
        };
        node.life.stands_still.set(true);
        tokio::spawn(async move {
            tokio::time::sleep(long).await;
            node.life.stands_still.set(false);
            node.life.world.state().note(format!("{}: goes on", node.name));
        });
    }

    fn cut_off(&self, node: &Node) {
        let (node, long) = {
            let mut state = self.world.state();
            let long = state.millis(1_000, 40_000);
            state.note(format!("{}: does not reach the table for {long:?}", node.name));
            (node.clone(), long)
        };
        node.life.cut_off.store(true, Ordering::Relaxed);
        tokio::spawn(async move {
            tokio::time::sleep(long).await;
            node.life.cut_off.store(false, Ordering::Relaxed);
        });
    }

    /// A newer process, and then the oldest one ends.
    async fn deploy(&self) {
        self.world.state().sum.deployed += 1;
        self.begin();
        tokio::time::sleep(Duration::from_secs(6)).await;
        let Some(oldest) = self.nodes().first().cloned() else { return };
        self.world.state().note(format!("{}: is asked to end", oldest.name));
        oldest.host.drain(Duration::from_secs(7)).await;
        self.gone(&oldest);
        oldest.life.dead.cancel();
        oldest.host.abandon();
    }

    /// The table answers nobody, now and then.
    async fn go_away(self: Arc<Self>) {
        let horizon = self.world.state().horizon();
        loop {
            let (after, long) = {
                let mut state = self.world.state();
                (state.millis(20_000, 200_000), state.millis(2_000, 60_000))
            };
            tokio::time::sleep(after).await;
            if tokio::time::Instant::now() + long >= horizon {
                return;
            }
            {
                let mut state = self.world.state();
                state.note(format!("table: answers nobody for {long:?}"));
                state.sum.outages += 1;
                state.table_is_away = true;
            }
            tokio::time::sleep(long).await;
            self.world.state().table_is_away = false;
        }
    }
}

/// What a process's cells work with.
struct Supplied {
    life: Life,
    ids: Ids,
}

impl Supply for Supplied {
    fn open<'a>(
        &'a self,
        cell: &'a CellRow,
        epoch: u64,
        incarnation: &'a str,
    ) -> BoxFuture<'a, Result<Arc<dyn Store>, StoreError>> {
        async move {
            let (table, options) = (Arc::new(Wire(self.life.clone())), options(&self.life.world.clock));
            let store = open_small(table, (&cell.name, Some(epoch)), incarnation.into(), options).await?;
            self.life.world.state().note(format!("{}: opened by {incarnation} in epoch {epoch}", cell.name));
            Ok(Arc::new(store) as Arc<dyn Store>)
        }
        .boxed()
    }

    fn equip(&self, cell: &CellRow, store: Arc<dyn Store>) -> (CellConfig, Ports) {
        let config = CellConfig {
            destinations: Destinations { topic: Some("arn:aws:sns:x:1:t".into()), ..Destinations::default() },
            reconcile_after: Duration::from_secs(60),
            receivers: 1,
            ..CellConfig::new(&*cell.name)
        };
        let ports = Ports {
            ecs: Arc::new(self.life.clone()),
            events: Some(Arc::new(Line(self.life.clone(), Some(cell.name.to_string())))),
            requests: Some(Arc::new(Line(self.life.clone(), None))),
            requests_dlq: None,
            launchers: None,
            notifier: Arc::new(self.life.clone()),
            store,
            clock: self.life.world.clock.clone(),
            ids: self.ids.clone(),
        };
        (config, ports)
    }
}
