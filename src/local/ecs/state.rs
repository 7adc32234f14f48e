//! Everything the endpoint's ECS knows, behind one lock.

use std::collections::{BTreeMap, BTreeSet, BinaryHeap, HashMap, VecDeque};
use std::sync::Arc;

use serde_json::Value;

use super::clusters::{Cluster, Clusters};
use super::definitions::Definitions;
use super::life::Step;
use super::logs::{CAPTURED, Captured};
use super::providers::Providers;
use super::quota::Buckets;
use super::snapshot::TaskSnapshot;
use super::task::Task;
use super::timers::{Timer, What};
use super::tokens::Tokens;
use super::{EcsOptions, Scope};
use crate::local::faults::{Engine, Span, Subject, hash_of};

/// What belongs to an account in a Region.
#[derive(Debug, Default)]
pub(super) struct Account {
    pub(super) clusters: Clusters,
    pub(super) definitions: Definitions,
    pub(super) providers: Providers,
    pub(super) tokens: Tokens,
    /// Task keys by task id.
    pub(super) ids: HashMap<String, u64>,
}

/// An event ready to be sent.
#[derive(Debug)]
pub(super) struct Outgoing {
    pub(super) scope: Scope,
    pub(super) event: Value,
}

/// The whole state.
pub(super) struct State {
    pub(super) options: EcsOptions,
    accounts: HashMap<Scope, Account>,
    pub(super) tasks: HashMap<u64, Task>,
    /// The keys of those that have not stopped.
    pub(super) live: BTreeSet<u64>,
    pub(super) next_key: u64,
    pub(super) timers: BinaryHeap<Timer>,
    next_timer: u64,
    pub(super) engine: Engine,
    pub(super) buckets: Buckets,
    /// Events to be sent before the answer of the call that is being handled.
    pub(super) early: Vec<Outgoing>,
    pub(super) sending_early: bool,
    pub(super) started: i64,
    pub(super) calls: BTreeMap<String, u64>,
    pub(super) throttled: BTreeMap<String, u64>,
    pub(super) events: super::snapshot::EventCounters,
    pub(super) archive: Vec<TaskSnapshot>,
    /// What ECS's event capture keeps.
    pub(super) captured: VecDeque<Captured>,
}

/// So long an event is held back for the task's next one to overtake it, unless the script says; a stuck task has none.
const HELD: Span = Span::exactly(60.0);

impl State {
    pub(super) fn new(options: EcsOptions, now: i64) -> Self {
        let engine = Engine::new(options.script.clone(), options.seed);
        Self {
            options,
            accounts: HashMap::new(),
            tasks: HashMap::new(),
            live: BTreeSet::new(),
            next_key: 0,
            timers: BinaryHeap::new(),
            next_timer: 0,
            engine,
            buckets: Buckets::default(),
            early: Vec::new(),
            sending_early: false,
            started: now,
            calls: BTreeMap::new(),
            throttled: BTreeMap::new(),
            events: super::snapshot::EventCounters::default(),
            archive: Vec::new(),
            captured: VecDeque::new(),
        }
    }

    pub(super) fn account(&self, scope: &Scope) -> Option<&Account> {
        self.accounts.get(scope)
    }

    /// The account, with its `default` cluster and those of the options.
    pub(super) fn account_mut(&mut self, scope: &Scope) -> &mut Account {
        if !self.accounts.contains_key(scope) {
            let mut account = Account::default();
            let names: BTreeSet<&str> =
                self.options.clusters.iter().map(String::as_str).chain(std::iter::once("default")).collect();
            account.clusters.extend(names.into_iter().map(|n| (n.to_owned(), Cluster::new())));
            self.accounts.insert(scope.clone(), account);
        }
        self.accounts.entry(scope.clone()).or_default()
    }

    pub(super) fn wait(&self, seconds: f64) -> i64 {
        super::scaled(seconds, self.options.time_scale)
    }

    /// Seconds of AWS's time since the start.
    pub(super) fn elapsed(&self, now: i64) -> f64 {
        (now - self.started).max(0) as f64 / 1000.0 * self.options.time_scale
    }

    pub(super) fn set_timer(&mut self, due: i64, what: What) {
        self.next_timer += 1;
        self.timers.push(Timer { due, order: self.next_timer, what });
    }

    /// Sets the timer for the task's next step.
    pub(super) fn schedule(&mut self, key: u64, now: i64) {
        let Some(task) = self.tasks.get(&key) else { return };
        let Some((seconds, _)) = task.steps.front() else { return };
        let (due, epoch) = (now + self.wait(*seconds), task.epoch);
        self.set_timer(due, What::Step { key, epoch });
    }

    /// Carries out the task's next step and sets the timer for the one after it. Says what the step was.
    pub(super) fn advance(&mut self, key: u64, now: i64) -> Option<Step> {
        let scale = self.options.time_scale;
        let task = self.tasks.get_mut(&key)?;
        let (_, step) = task.steps.pop_front()?;
        if step == Step::Forgotten {
            self.forget(key);
            return Some(step);
        }
        let tells = task.apply(&step, now, scale);
        if !task.live() {
            self.live.remove(&key);
        }
        if tells {
            self.tell(key, now);
        }
        self.schedule(key, now);
        Some(step)
    }

    fn forget(&mut self, key: u64) {
        let Some(task) = self.tasks.remove(&key) else { return };
        let launch = task.launch.clone();
        if self.options.archive {
            self.archive.push(TaskSnapshot::of(&task));
        }
        let account = self.account_mut(&launch.scope);
        account.ids.remove(&task.id);
        if let Some(cluster) = account.clusters.get_mut(&launch.cluster) {
            cluster.tasks.remove(&key);
        }
    }

    /// Sends the event of the task's present state, or what the script makes of it.
    pub(super) fn tell(&mut self, key: u64, now: i64) {
        let seconds = self.elapsed(now);
        let Some(task) = self.tasks.get_mut(&key) else { return };
        let (event, launch) = (task.event(), task.launch.clone());
        let capture =
            Captured { at: now, scope: launch.scope.clone(), cluster: launch.cluster.clone(), event: event.clone() };
        self.captured.push_back(capture);
        if self.captured.len() > CAPTURED {
            self.captured.pop_front();
        }
        let (last, held) = (!task.live(), task.held.take());
        let provider = task.place.capacity_provider.clone().unwrap_or_default();
        let subject = Subject {
            operation: "",
            cluster: &launch.cluster,
            images: &[],
            family: &launch.definition.family,
            task_definition: launch.definition.name(),
            launch_type: task.place.launch_type,
            capacity_provider: &provider,
            subnets: &launch.subnets,
            started_by: launch.started_by.as_deref().unwrap_or_default(),
            last_status: task.status.name(),
            attempt: task.attempt,
            seconds,
            key: hash_of(&(task.key, task.version, task.stopping_wanted)),
        };
        let (dice, version) = (subject.key, task.version);
        let delivery = self.engine.for_event(&subject);
        let share = (dice >> 11) as f64 / (1_u64 << 53) as f64;
        let within = |span: Span| self.wait(span.0 + (span.1 - span.0) * share);
        let (wait, longest) = (delivery.delay.map_or(0, within), within(delivery.hold.unwrap_or(HELD)));
        if delivery.drop {
            self.events.dropped += 1;
        } else if delivery.reorder && !last && held.is_none() {
            // Overtaken by the task's next event, if one comes in time.
            self.events.reordered += 1;
            self.set_timer(now + longest, What::Release { key, version });
            if let Some(task) = self.tasks.get_mut(&key) {
                task.held = Some(event);
            }
        } else {
            self.events.delayed += u64::from(wait > 0);
            self.events.duplicated += u64::from(delivery.copies.max(1) - 1);
            for copy in 0..delivery.copies.max(1) {
                self.send(&launch.scope, again(&event, copy), now, wait);
            }
        }
        if let Some(held) = held {
            self.send(&launch.scope, held, now, 0);
        }
    }

    /// Sends an event that nothing has overtaken in time.
    pub(super) fn release(&mut self, key: u64, version: u32, now: i64) {
        let Some(task) = self.tasks.get_mut(&key) else { return };
        let scope = task.launch.scope.clone();
        if let Some(event) = task.held.take_if(|held| held["detail"]["version"] == version) {
            self.send(&scope, event, now, 0);
        }
    }

    fn send(&mut self, scope: &Scope, event: Value, now: i64, wait: i64) {
        self.events.sent += 1;
        let outgoing = Outgoing { scope: scope.clone(), event };
        if self.sending_early && wait == 0 {
            self.early.push(outgoing);
        } else {
            self.set_timer(now + wait, What::Send(Arc::new(outgoing)));
        }
    }
}

/// A copy of the event. Whether AWS's copies share their `id` is not documented: the first copy here does, the rest do not.
fn again(event: &Value, copy: u32) -> Value {
    let mut event = event.clone();
    if copy > 1 {
        let dice = hash_of(&(event["id"].as_str(), copy));
        let id = uuid::Builder::from_random_bytes((u128::from(dice) << 64 | u128::from(copy)).to_be_bytes());
        event["id"] = Value::String(id.into_uuid().to_string());
    }
    event
}
