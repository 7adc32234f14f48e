//! The processes, what befalls them, and what users ask for.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures::future::{BoxFuture, FutureExt as _};
use rand::Rng as _;
use serde_json::json;
use taskwatch::cell::{CallRates, Cell, CellConfig, Demand, Ids, Ports};
use taskwatch::core::notification::Destinations;
use taskwatch::fleet::Takeover;
use taskwatch::host::{Host, HostConfig, HostPorts, Quotas, Supply};
use taskwatch::store::dynamo::{CellRow, Directory, DynamoStore};
use taskwatch::store::{Store, StoreError};
use tokio_util::sync::CancellationToken;

use crate::plan::{ARRAY, ZONES};
use crate::ports::{Life, Line, Wire};
use crate::record::Minute;
use crate::world::{BEFORE, FLEET, World, options};

/// Of a lost process's place, until another begins.
const REPLACED_AFTER: Duration = Duration::from_secs(60);
/// What has not ended so long after the last request never will.
const REST: u64 = 240;

#[derive(Clone)]
struct Node {
    name: String,
    host: Host,
    life: Life,
}

impl Node {
    fn cells(&self) -> Arc<[Cell]> {
        Arc::clone(&self.host.own().borrow())
    }
}

/// All processes.
pub(crate) struct Fleet {
    world: Arc<World>,
    nodes: Mutex<Vec<Node>>,
    begun: AtomicU64,
}

impl Fleet {
    pub(crate) fn begin(world: &Arc<World>) -> Arc<Self> {
        let fleet = Self { world: Arc::clone(world), nodes: Mutex::default(), begun: AtomicU64::new(0) };
        (0..world.plan.processes).for_each(|_| fleet.start());
        Arc::new(fleet)
    }

    fn all(&self) -> MutexGuard<'_, Vec<Node>> {
        self.nodes.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn nodes(&self) -> Vec<Node> {
        self.all().clone()
    }

    fn start(&self) {
        let number = self.begun.fetch_add(1, Ordering::Relaxed) + 1;
        let name = format!("p{number}");
        let life = Life { world: Arc::clone(&self.world), dead: CancellationToken::new() };
        let ids = Ids::seeded(self.world.plan.seed << 16 | number << 8);
        let plan = &self.world.plan;
        let quotas = Quotas {
            run_task_rate: plan.rate,
            run_task_burst: plan.burst,
            call_rates: CallRates::USUAL,
            max_in_flight: 1_000_000,
            describe_share: 0.5,
        };
        let ports = HostPorts {
            directory: Directory::new(Arc::new(Wire(life.clone())), FLEET),
            supply: Arc::new(Supplied { life: life.clone(), ids: ids.clone(), quotas }),
            clock: self.world.clock.clone(),
            ids,
        };
        let host = Host::start(HostConfig { name: name.clone(), url: String::new(), quotas }, ports);
        self.all().push(Node { name, host, life });
    }

    fn gone(&self, node: &Node) {
        let takeovers = node.host.takeovers();
        let of = |kind| takeovers.values().filter_map(|cell| cell.get(&kind)).sum::<u64>();
        let [died, handed_over] = &mut self.world.state().takeovers;
        *died += of(Takeover::Died);
        *handed_over += of(Takeover::HandedOver);
        self.all().retain(|one| one.name != node.name);
    }

    /// A process is lost with all that it had in hand.
    fn kill(self: &Arc<Self>) {
        let nodes = self.nodes();
        let place = self.world.state().dice.random_range(0..nodes.len().max(1));
        let Some(node) = nodes.get(place) else { return };
        self.world.state().record.killed += 1;
        self.gone(node);
        node.life.dead.cancel();
        node.host.abandon();
        let fleet = Arc::clone(self);
        tokio::spawn(async move {
            tokio::time::sleep(REPLACED_AFTER).await;
            fleet.start();
        });
    }

    /// For each process a newer one begins, and then it ends.
    async fn deploy(self: Arc<Self>) {
        for node in self.nodes() {
            if node.life.dead.is_cancelled() {
                continue;
            }
            self.start();
            tokio::time::sleep(Duration::from_secs(10)).await;
            node.host.drain(Duration::from_secs(20)).await;
            self.world.state().record.replaced += 1;
            self.gone(&node);
            node.life.dead.cancel();
            node.host.abandon();
        }
    }

    /// Writes down each minute, until all has ended.
    pub(crate) async fn live(&self) {
        tokio::time::sleep(BEFORE).await;
        let all = self.world.plan.requests() * ARRAY;
        let last = self.world.plan.arrival.as_secs() / 60 + REST;
        for minute in 1..=last {
            tokio::time::sleep(Duration::from_secs(60)).await;
            self.sample(minute);
            let (told, undelivered) = {
                let state = self.world.state();
                (state.record.told.count(), state.events.values().map(|queue| queue.len()).sum::<usize>())
            };
            if told >= all && undelivered == 0 {
                break;
            }
        }
        self.nodes().iter().for_each(|node| self.gone(node));
    }

    fn sample(&self, minute: u64) {
        let cells: Vec<Cell> = self.nodes().iter().flat_map(|node| node.cells().to_vec()).collect();
        let waiting = cells.iter().map(|cell| cell.vitals().waiting.values().sum::<usize>()).sum();
        let demands: Vec<Demand> = cells.iter().map(Cell::demand).collect();
        let waiting_by_kind = [|demand: &Demand| demand.fargate, |demand: &Demand| demand.spot];
        let waiting_by_kind = waiting_by_kind.map(|of| demands.iter().map(of).sum());
        let mut state = self.world.state();
        let live = state.tasks.now_live;
        let record = &mut state.record;
        let sum = |of: fn(&Minute) -> usize| record.minutes.iter().map(of).sum::<usize>();
        let now = Minute {
            minute,
            submitted: record.submitted - sum(|minute| minute.submitted),
            launched: record.launched - sum(|minute| minute.launched),
            refused: record.refused - sum(|minute| minute.refused),
            asked: [0, 1]
                .map(|kind| record.asked[kind] - record.minutes.iter().map(|one| one.asked[kind]).sum::<usize>()),
            calls: record.run_task_calls - sum(|minute| minute.calls),
            ended: record.ended - sum(|minute| minute.ended),
            told: record.told.count() - sum(|minute| minute.told),
            throttled: record.throttled - sum(|minute| minute.throttled),
            waiting,
            waiting_by_kind,
            live,
            open: cells.iter().map(Cell::open).sum(),
            most_open_of_a_cell: cells.iter().map(Cell::open).max().unwrap_or(0),
            served: cells.len(),
            memory_mb: memory(),
        };
        println!(
            "minute {minute}: {} submitted, {} launched and {} refused by {} calls, {} throttled, {} ended, {} told; {:?} wait, {} live, {} cells served, {:.0} MB",
            now.submitted,
            now.launched,
            now.refused,
            now.calls,
            now.throttled,
            now.ended,
            now.told,
            now.waiting_by_kind,
            now.live,
            now.served,
            now.memory_mb
        );
        record.minutes.push(now);
    }
}

/// What this process has in memory, in MB.
fn memory() -> f64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kb = line.and_then(|line| line.trim().trim_end_matches(" kB").parse::<f64>().ok());
    kb.unwrap_or(0.0) / 1_024.0
}

/// Processes are lost, and all are replaced once.
pub(crate) async fn misfortunes(fleet: Arc<Fleet>) {
    let plan = fleet.world.plan.clone();
    tokio::time::sleep(BEFORE).await;
    let deploying = Arc::clone(&fleet);
    tokio::spawn(async move {
        tokio::time::sleep(plan.deployment).await;
        deploying.deploy().await;
    });
    let losses = plan.arrival.as_secs() / plan.loss_every.as_secs().max(1);
    for _ in 0..losses {
        tokio::time::sleep(plan.loss_every.saturating_sub(Duration::from_secs(90))).await;
        fleet.kill();
        tokio::time::sleep(Duration::from_secs(90)).await;
    }
}

/// Sends the requests.
pub(crate) async fn users(world: Arc<World>) {
    let count = world.plan.requests();
    let every = world.plan.arrival / count.max(1) as u32;
    tokio::time::sleep(BEFORE).await;
    for n in 0..count {
        let subnet = |zone: usize| json!({"awsvpcConfiguration": {"subnets": [format!("subnet-{}", zone % ZONES)]}});
        let (name, zone) = (format!("batch-{n}"), n % ZONES);
        let mut run_task = json!({"cluster": "batch", "taskDefinition": format!("app-{}:1", n % 50), "count": ARRAY,
            "group": name, "networkConfiguration": subnet(zone)});
        match n % 2 {
            0 => run_task["launchType"] = "FARGATE".into(),
            _ => run_task["capacityProviderStrategy"] = json!([{"capacityProvider": "FARGATE_SPOT", "weight": 1}]),
        }
        let placements: Vec<_> = (1..ZONES).map(|more| json!({"networkConfiguration": subnet(zone + more)})).collect();
        let request = json!({"name": name, "until": "stopped", "queue": format!("team-{}", n % 20),
            "runTask": run_task, "placements": placements});
        world.requests.put(request.to_string());
        world.state().record.submitted += ARRAY;
        tokio::time::sleep(every).await;
    }
}

/// What a process's cells work with.
struct Supplied {
    life: Life,
    ids: Ids,
    quotas: Quotas,
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
            let store = DynamoStore::open_taken(table, (&cell.name, epoch), incarnation.into(), options).await?;
            Ok(Arc::new(store) as Arc<dyn Store>)
        }
        .boxed()
    }

    fn equip(&self, cell: &CellRow, store: Arc<dyn Store>) -> (CellConfig, Ports) {
        let config = CellConfig {
            destinations: Destinations { topic: Some("arn:aws:sns:x:1:t".into()), ..Destinations::default() },
            run_task_rate: self.quotas.run_task_rate,
            run_task_burst: self.quotas.run_task_burst,
            describe_share: self.quotas.describe_share,
            keep_finished: 10_000,
            ..CellConfig::new(&*cell.name)
        };
        let world = &self.life.world;
        let events = world.state().events.get(&*cell.name).map(Arc::clone);
        let events = events.map(|events| Arc::new(Line(self.life.clone(), events)) as _);
        let requests = Arc::new(Line(self.life.clone(), Arc::clone(&world.requests)));
        let ports = Ports {
            ecs: Arc::new(self.life.clone()),
            events,
            requests: Some(requests),
            requests_dlq: None,
            launchers: None,
            notifier: Arc::new(self.life.clone()),
            store,
            clock: world.clock.clone(),
            ids: self.ids.clone(),
        };
        (config, ports)
    }
}
