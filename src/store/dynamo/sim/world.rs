//! What happens: which call arrives next, whose answer is lost, who stands still, who is killed.

use std::collections::BTreeMap;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard};
use std::task::{Context, Waker};

use rand::rngs::SmallRng;
use rand::{Rng as _, SeedableRng as _};

use super::net::{Answer, Call, Flight, Wire};
use crate::store::dynamo::record::Record;
use crate::store::dynamo::table::{
    Attributes, Batch, Conditional, Item, Items, Key, Put, Query, TableError, Update, Value,
};

/// What a history came to; of several, the sum.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Lived {
    pub(super) histories: u64,
    pub(super) takeovers: u64,
    pub(super) commits: u64,
    pub(super) fenced: u64,
    pub(super) snapshots: u64,
    /// Looks at the log by those who read along.
    pub(super) read: u64,
    pub(super) hash: u64,
    /// What must not be.
    pub(super) violation: Option<String>,
}

impl Lived {
    pub(super) fn add(&mut self, other: &Self) {
        self.histories += 1;
        self.takeovers += other.takeovers;
        self.commits += other.commits;
        self.fenced += other.fenced;
        self.snapshots += other.snapshots;
        self.read += other.read;
        self.hash ^= other.hash;
    }
}

/// The table, and all that is on its way to it.
pub(super) struct World {
    pub(super) dice: SmallRng,
    pub(super) items: BTreeMap<Key, Attributes>,
    pub(super) net: Vec<Flight>,
    /// Clients that stand still, until which step.
    paused: BTreeMap<u32, u64>,
    steps: u64,
    /// Seconds since 1970.
    pub(super) now: u64,
    pub(super) lived: Lived,
    /// Of each kind the first.
    violations: BTreeMap<&'static str, String>,
    /// Every record of the cell `blue` that was ever written.
    pub(super) log: BTreeMap<u64, Record>,
    /// The highest epoch whose fence is known to stand.
    fence: u64,
    /// Calls arrive, in their order, and are answered.
    is_well: bool,
}

/// What a step did to a client.
enum Happened {
    Answered(u32),
    Killed(u32),
}

impl World {
    pub(super) fn new(seed: u64) -> Self {
        Self {
            dice: SmallRng::seed_from_u64(seed),
            items: BTreeMap::new(),
            net: Vec::new(),
            paused: BTreeMap::new(),
            steps: 0,
            now: 1_800_000_000,
            lived: Lived::default(),
            violations: BTreeMap::new(),
            log: BTreeMap::new(),
            fence: 0,
            is_well: false,
        }
    }

    pub(super) fn violate(&mut self, kind: &'static str, what: impl FnOnce() -> String) {
        self.violations.entry(kind).or_insert_with(what);
    }

    /// An owner stands behind its fence.
    pub(super) fn took_over(&mut self, epoch: u64) {
        self.lived.takeovers += 1;
        self.fence = self.fence.max(epoch);
    }

    fn chance(&mut self, percent: f64) -> bool {
        self.dice.random_bool(percent / 100.0)
    }

    fn stands_still(&self, client: u32) -> bool {
        self.paused.get(&client).is_some_and(|until| *until > self.steps)
    }

    fn step(&mut self) -> Option<Happened> {
        self.steps += 1;
        let at = self.next()?;
        let Flight { client, ref call, ref reply } = self.net[at];
        let waits = reply.is_some();
        let is_local = matches!(call, Call::Nap | Call::Answer(_));
        let y: f64 = if self.is_well || is_local { 0.0 } else { self.dice.random_range(0.0..100.0) };
        let heard = |answered: bool| (answered && waits).then_some(Happened::Answered(client));
        match y {
            ..76.0 => heard(self.arrive(at)),
            ..79.0 => heard(self.fail(at, true, TableError::Throttled("throttled".into()))),
            // The client gives up; the call is still on its way.
            ..88.0 => heard(self.fail(at, false, TableError::Unknown("no answer".into()))),
            // Lost on its way.
            ..91.0 => heard(self.fail(at, true, TableError::Unknown("lost".into()))),
            // On its way twice.
            ..93.0 => {
                let again = Flight { client, call: self.net[at].call.clone(), reply: None };
                self.net.push(again);
                None
            }
            ..93.5 if waits => {
                self.net.iter_mut().filter(|flight| flight.client == client).for_each(|flight| flight.reply = None);
                Some(Happened::Killed(client))
            }
            ..96.0 if waits => {
                let until = self.steps + self.dice.random_range(5..120);
                self.paused.insert(client, until);
                None
            }
            _ => None,
        }
    }

    /// One client is often much faster than the others: those are the ones that stand still.
    fn next(&mut self) -> Option<usize> {
        if self.net.is_empty() {
            return None;
        }
        if self.is_well {
            return Some(0);
        }
        let slowest = self.net.iter().position(|flight| flight.client == 0 && flight.reply.is_some());
        if let Some(at) = slowest
            && self.chance(20.0)
        {
            return Some(at);
        }
        let at = if self.chance(30.0) {
            self.dice.random_range(0..self.net.len())
        } else {
            let waits = |flight: &Flight| flight.reply.is_some() && !self.stands_still(flight.client);
            let all = self.net.iter().enumerate();
            let fastest =
                all.max_by_key(|(at, flight)| (if waits(flight) { flight.client } else { 0 }, usize::MAX - at));
            fastest.map_or(0, |(at, _)| at)
        };
        let flight = &self.net[at];
        (flight.reply.is_none() || !self.stands_still(flight.client)).then_some(at)
    }

    /// A call comes to the table; whether its client has an answer now.
    fn arrive(&mut self, at: usize) -> bool {
        let Flight { client, call, reply } = self.net.remove(at);
        let is_local = matches!(call, Call::Nap | Call::Answer(_));
        let answer = self.apply(client, call);
        let Some(reply) = reply else { return false };
        let is_late = !self.is_well && !is_local && self.chance(10.0);
        if is_late {
            self.net.push(Flight { client, call: Call::Answer(Box::new(answer)), reply: Some(reply) });
            return false;
        }
        let is_lost = !self.is_well && !is_local && self.chance(11.0);
        let answer = if is_lost { Answer::Failed(TableError::Unknown("the answer is lost".into())) } else { answer };
        *reply.lock().unwrap() = Some(answer);
        true
    }

    fn fail(&mut self, at: usize, is_gone: bool, error: TableError) -> bool {
        let reply = if is_gone { self.net.remove(at).reply } else { self.net[at].reply.take() };
        if let Some(reply) = &reply {
            *reply.lock().unwrap() = Some(Answer::Failed(error));
        }
        reply.is_some()
    }

    fn apply(&mut self, client: u32, call: Call) -> Answer {
        let kind = match &call {
            Call::Put(_) => 1,
            Call::Update(_) => 2,
            Call::Get(_) => 3,
            Call::Query(_) => 4,
            _ => 5,
        };
        self.lived.hash = (self.lived.hash ^ (u64::from(client) << 3 | kind)).wrapping_mul(0x0100_0000_01b3);
        match call {
            Call::Put(put) => Answer::Put(self.put(put)),
            Call::Update(update) => Answer::Update(self.update(update)),
            Call::Get(key) => Answer::Get(self.get(&key)),
            Call::Query(query) => Answer::Query(self.query(query)),
            Call::BatchGet(keys) => Answer::BatchGet(self.batch_get(keys)),
            Call::DeleteLog(upto) => {
                let upto = Value::number(upto);
                self.items.retain(|key, item| !key.pk.starts_with("L#") || item.get("n").is_some_and(|n| *n > upto));
                Answer::Done
            }
            Call::Nap => Answer::Done,
            Call::Answer(answer) => *answer,
        }
    }

    fn get(&self, key: &Key) -> Option<Item> {
        self.items.get(key).map(|attributes| Item { key: key.clone(), attributes: attributes.clone() })
    }

    /// Not every endpoint answers with the item that refused.
    fn refused<T>(&mut self, key: &Key) -> Conditional<T> {
        let says = self.chance(80.0);
        Conditional::Refused(self.get(key).filter(|_| says))
    }

    fn put(&mut self, Put { item, condition }: Put) -> Conditional<()> {
        if !condition.holds(self.items.get(&item.key)) {
            return self.refused(&item.key);
        }
        if item.key.pk.starts_with("L#blue#") {
            let record = Record::read(&item).unwrap();
            if record.author.epoch < self.fence {
                let (position, epoch, fence) = (record.position, record.author.epoch, self.fence);
                let what = || format!("epoch {epoch} wrote position {position} when epoch {fence} had begun");
                self.violate("wrote behind a fence", what);
            }
            self.log.insert(record.position, record);
        }
        self.items.insert(item.key, item.attributes);
        Conditional::Written(())
    }

    fn update(&mut self, Update { key, set, remove, condition }: Update) -> Conditional<Item> {
        if !condition.holds(self.items.get(&key)) {
            return self.refused(&key);
        }
        let attributes = self.items.entry(key.clone()).or_default();
        attributes.extend(set);
        remove.iter().for_each(|name| drop(attributes.remove(name)));
        Conditional::Written(Item { key, attributes: attributes.clone() })
    }

    /// Pages are short, and at times empty.
    fn query(&mut self, query: Query) -> Items {
        let Query::Items { pk, from, to } = query else { panic!("the protocol reads no index") };
        let page = if self.chance(5.0) { 0 } else { self.dice.random_range(1..6) };
        let range = Key { pk: Arc::clone(&pk), sk: from }..=Key { pk, sk: to };
        let mut all = self.items.range(range);
        let items =
            all.by_ref().take(page).map(|(key, attributes)| Item { key: key.clone(), attributes: attributes.clone() });
        let items = items.collect();
        Items { items, more: all.next().is_some() }
    }

    fn batch_get(&mut self, mut keys: Vec<Key>) -> Batch {
        let unprocessed = keys.split_off(self.dice.random_range(0..=keys.len()));
        Batch { items: keys.iter().filter_map(|key| self.get(key)).collect(), unprocessed }
    }
}

type Script = Pin<Box<dyn Future<Output = ()>>>;

/// The processes of a history.
pub(super) struct Clients {
    world: Arc<Mutex<World>>,
    running: BTreeMap<u32, Script>,
    started: u32,
}

impl Clients {
    pub(super) fn new(seed: u64) -> Self {
        Self { world: Arc::new(Mutex::new(World::new(seed))), running: BTreeMap::new(), started: 0 }
    }

    pub(super) fn world(&self) -> MutexGuard<'_, World> {
        self.world.lock().unwrap()
    }

    /// Without the slowest.
    pub(super) fn running(&self) -> usize {
        self.running.keys().filter(|client| **client > 0).count()
    }

    pub(super) fn start<F: Future<Output = ()> + 'static>(&mut self, script: impl FnOnce(Wire) -> F) {
        self.started += 1;
        self.start_as(self.started, script);
    }

    /// Starts the one that is slower than all others, in place of the one that was.
    pub(super) fn start_slowest<F: Future<Output = ()> + 'static>(&mut self, script: impl FnOnce(Wire) -> F) {
        self.start_as(0, script);
    }

    fn start_as<F: Future<Output = ()> + 'static>(&mut self, client: u32, script: impl FnOnce(Wire) -> F) {
        let wire = Wire { client, world: Arc::clone(&self.world) };
        self.running.insert(client, Box::pin(script(wire)));
        self.poll(client);
    }

    fn poll(&mut self, client: u32) {
        let Some(script) = self.running.get_mut(&client) else { return };
        if script.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_ready() {
            self.running.remove(&client);
        }
    }

    /// One thing happens.
    pub(super) fn step(&mut self) {
        let happened = self.world().step();
        match happened {
            None => {}
            Some(Happened::Answered(client)) => self.poll(client),
            Some(Happened::Killed(client)) => drop(self.running.remove(&client)),
        }
    }

    /// Every process is killed, and what is on its way arrives, in any order.
    pub(super) fn kill_all(&mut self) {
        self.running.clear();
        let mut world = self.world();
        while !world.net.is_empty() {
            let waiting = world.net.len();
            let at = world.dice.random_range(0..waiting);
            let Flight { client, call, .. } = world.net.swap_remove(at);
            world.apply(client, call);
        }
    }

    /// One process lives to its end, and nothing goes wrong any more.
    pub(super) fn live_well<F: Future<Output = ()> + 'static>(&mut self, script: impl FnOnce(Wire) -> F) {
        self.kill_all();
        self.world().is_well = true;
        self.start(script);
        while !self.running.is_empty() {
            self.step();
        }
        self.world().is_well = false;
    }

    /// What the history came to.
    pub(super) fn lived(&self) -> Lived {
        let world = self.world();
        let violations: Vec<String> = world.violations.iter().map(|(kind, what)| format!("{kind}: {what}")).collect();
        let violation = (!violations.is_empty()).then(|| violations.join("; "));
        Lived { histories: 1, violation, ..world.lived.clone() }
    }
}
