//! What all processes share: ECS, the queues, the topic, the table, one source of chance, and what must not be.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use rand::rngs::SmallRng;
use rand::{Rng as _, SeedableRng as _};
use taskwatch::cell::Clock;
use taskwatch::core::time::Timestamp;
use taskwatch::store::dynamo::fake::{FakeTable, open_small};
use taskwatch::store::dynamo::{Directory, DynamoOptions, NewCell};
use tokio::sync::Notify;
use tokio::time::Instant;

use super::ecs::Ecs;
use super::queue::Mailbox;

pub(super) const CELLS: usize = 4;
pub(super) const FLEET: &str = "blue";
pub(super) const KEEP: Duration = Duration::from_secs(7 * 86_400);
/// Nothing goes wrong any more from then on.
const HORIZON: Duration = Duration::from_secs(240);

/// What befalls a fleet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Trouble {
    /// Everything.
    Much,
    /// Processes are replaced by newer ones, one after another; calls of the table are late now and then.
    Deployments,
    /// The same of a fleet that may have so few tasks at once that its cells and processes wait for each other.
    Narrow(usize),
    /// None: requests for so many runs come, so many at once every three seconds, and ECS throttles whoever calls faster than
    /// AWS's default quotas.
    Load(usize, usize),
}

/// What a history came to; of several, the sum.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Sum {
    pub(super) fleets: u64,
    pub(super) runs: u64,
    pub(super) tasks: u64,
    pub(super) killed: u64,
    pub(super) paused: u64,
    pub(super) deployed: u64,
    pub(super) outages: u64,
    /// Cells taken from dead processes, and from those that gave them back.
    pub(super) died: u64,
    pub(super) handed_over: u64,
    /// The most tasks that there were at once.
    pub(super) most_tasks: usize,
    pub(super) hash: u64,
    /// Of [`Trouble::Load`]: the part of the quota that was used, and calls that were throttled.
    pub(super) used: f64,
    pub(super) throttled: usize,
}

impl Sum {
    pub(super) fn add(&mut self, other: &Self) {
        self.fleets += other.fleets;
        self.runs += other.runs;
        self.tasks += other.tasks;
        self.killed += other.killed;
        self.paused += other.paused;
        self.deployed += other.deployed;
        self.outages += other.outages;
        self.died += other.died;
        self.handed_over += other.handed_over;
        self.most_tasks = self.most_tasks.max(other.most_tasks);
        self.hash ^= other.hash;
    }
}

pub(super) struct State {
    pub(super) dice: SmallRng,
    pub(super) trouble: Trouble,
    begun: Instant,
    pub(super) ecs: Ecs,
    pub(super) requests: Mailbox,
    pub(super) events: BTreeMap<String, Mailbox>,
    /// The ids under which each run was told of, by its name.
    pub(super) told: BTreeMap<String, BTreeSet<String>>,
    /// Runs that somebody was told are accepted: the cell that has each.
    pub(super) accepted: BTreeMap<String, String>,
    /// Requests, and how many runs each has; 0: one, with its name.
    pub(super) awaited: BTreeMap<String, usize>,
    pub(super) table_is_away: bool,
    pub(super) sum: Sum,
    trace: Vec<String>,
    violations: Vec<String>,
}

/// The world.
pub(super) struct World {
    state: Mutex<State>,
    pub(super) seed: u64,
    pub(super) table: Arc<FakeTable>,
    pub(super) clock: Clock,
    /// A message came into a queue.
    pub(super) came: Notify,
}

/// The cells' names.
pub(super) fn cells() -> Vec<String> {
    (0..CELLS).map(|n| format!("{FLEET}-{n}")).collect()
}

impl World {
    pub(super) async fn new(seed: u64, trouble: Trouble) -> Arc<Self> {
        let table = Arc::<FakeTable>::default();
        let clock = Clock::starting_at(Timestamp::from_millis(1_800_000_000_000));
        for name in cells() {
            // Its ring has few places: snapshots are everyday. With it, it joins the fleet.
            let options = options(&clock);
            let first = open_small(Arc::clone(&table) as _, (&name, None), "the first".into(), options);
            first.await.expect("a cell").release().await.expect("it is given up");
        }
        let new = |name: String| NewCell { events: format!("https://sqs/{name}"), name };
        let new: Vec<NewCell> = cells().into_iter().map(new).collect();
        Directory::new(Arc::clone(&table) as _, FLEET).add_cells(&new).await.expect("cells");
        let state = State {
            dice: SmallRng::seed_from_u64(seed ^ 0x00f1_ee75),
            trouble,
            begun: Instant::now(),
            ecs: Ecs::default(),
            requests: Mailbox::default(),
            events: cells().into_iter().map(|name| (name, Mailbox::default())).collect(),
            told: BTreeMap::new(),
            accepted: BTreeMap::new(),
            awaited: BTreeMap::new(),
            table_is_away: false,
            sum: Sum { fleets: 1, ..Sum::default() },
            trace: Vec::new(),
            violations: Vec::new(),
        };
        Arc::new(Self { state: Mutex::new(state), seed, table, clock, came: Notify::new() })
    }

    pub(super) fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn sum(&self) -> Sum {
        self.state().sum.clone()
    }

    /// The first thing that must not be, with what happened to the request concerned, or lately.
    pub(super) fn report(&self) -> Option<String> {
        let state = self.state();
        if number_of_seed() {
            state.trace.iter().for_each(|line| println!("{line}"));
        }
        let first = state.violations.first()?;
        let about = first.split([' ', ':', '/']).next().unwrap_or_default();
        let history: Vec<&String> = state.trace.iter().filter(|line| line.contains(about)).collect();
        let history: Vec<&str> = history.iter().rev().take(60).rev().map(|line| line.as_str()).collect();
        let all = state.violations.iter().take(10).cloned().collect::<Vec<_>>().join("\n  ");
        Some(format!("{all}\nhistory:\n{}", history.join("\n")))
    }
}

fn number_of_seed() -> bool {
    std::env::var_os("TASKWATCH_SIM_SEED").is_some()
}

pub(super) fn options(clock: &Clock) -> DynamoOptions {
    let clock = clock.clone();
    DynamoOptions { place: "dynamodb:sim".into(), keep: KEEP, now: Arc::new(move || clock.now()) }
}

impl State {
    pub(super) fn now(&self) -> Duration {
        self.begun.elapsed()
    }

    pub(super) fn horizon(&self) -> Instant {
        self.begun + HORIZON
    }

    /// A chance that something goes wrong: none once the world has become calm.
    pub(super) fn fault(&mut self, chance: f64) -> bool {
        let is_calm = self.now() >= HORIZON || self.trouble != Trouble::Much;
        !is_calm && self.dice.random_bool(chance)
    }

    /// So many milliseconds.
    pub(super) fn millis(&mut self, from: u64, to: u64) -> Duration {
        Duration::from_millis(self.dice.random_range(from..=to))
    }

    pub(super) fn note(&mut self, line: impl Into<String>) {
        let line = format!("{:9.3} {}", self.now().as_secs_f64(), line.into());
        for byte in line.bytes() {
            self.sum.hash = (self.sum.hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
        }
        self.trace.push(line);
    }

    /// `what` begins with the name of what it is about.
    pub(super) fn violate(&mut self, what: impl Into<String>) {
        let what = what.into();
        self.note(format!("VIOLATED: {what}"));
        self.violations.push(what);
    }
}
