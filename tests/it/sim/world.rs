//! The simulated world: one state, one lock, one source of chance.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rand::rngs::SmallRng;
use rand::{Rng, SeedableRng};
use taskwatch::cell::Clock;
use taskwatch::store::dynamo::fake::FakeTable;
use tokio::sync::Notify;
use tokio::time::Instant;

use super::agenda::Agenda;
use super::disk::Disk;
use super::ecs::Ecs;
use super::fleet::Fleet;
use super::others::Others;
use super::plan::{Away, Plan};
use super::queue::{Sqs, Which};
use super::topic::Topic;
use super::trace::Trace;
use super::watch::Watch;

/// 2027-01-15: where the world's time begins, in Unix milliseconds.
const START: i64 = 1_800_000_000_000;

/// Something that must not be, and the request that it is about.
#[derive(Clone, Debug)]
pub(super) struct Violation {
    pub(super) request: Option<usize>,
    pub(super) what: String,
}

pub(super) struct State {
    pub(super) plan: Plan,
    pub(super) start: i64,
    begun: Instant,
    /// How much the world's time is ahead of the machine's monotonic clock, which stood still while it slept.
    pub(super) slept: u64,
    /// The clock of the cell that lives now.
    pub(super) clock: Option<Clock>,
    pub(super) dice: SmallRng,
    pub(super) trace: Trace,
    pub(super) agenda: Agenda,
    pub(super) ecs: Ecs,
    pub(super) events: Sqs,
    pub(super) requests: Sqs,
    /// Bodies of the requests DLQ, with their reasons.
    pub(super) dlq: Vec<(String, String)>,
    pub(super) topic: Topic,
    pub(super) disk: Disk,
    pub(super) fleet: Fleet,
    pub(super) others: Others,
    /// How often the process began.
    pub(super) lives: u64,
    pub(super) watch: Watch,
    pub(super) violations: Vec<Violation>,
}

/// The world, shared by all that act in it.
pub(super) struct World {
    state: Mutex<State>,
    /// Where the plan has a table in the place of a disk.
    pub(super) table: Arc<FakeTable>,
    /// The agenda has an earlier entry.
    pub(super) moved: Notify,
    came: [Notify; 2],
}

impl World {
    pub(super) fn new(plan: Plan) -> Arc<Self> {
        let mut dice = SmallRng::seed_from_u64(plan.seed ^ 0x005e_ed0f_1755);
        let fleet = Fleet::new(&plan, &mut dice);
        let mut state = State {
            start: START,
            begun: Instant::now(),
            slept: 0,
            clock: None,
            dice,
            trace: Trace::default(),
            agenda: Agenda::default(),
            ecs: Ecs::default(),
            events: Sqs::default(),
            requests: Sqs::default(),
            dlq: Vec::new(),
            topic: Topic::default(),
            disk: Disk::default(),
            fleet,
            others: Others::default(),
            lives: 0,
            watch: Watch::default(),
            violations: Vec::new(),
            plan,
        };
        state.schedule();
        Arc::new(Self {
            state: Mutex::new(state),
            table: Arc::default(),
            moved: Notify::new(),
            came: [Notify::new(), Notify::new()],
        })
    }

    pub(super) fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn came(&self, which: Which) -> &Notify {
        &self.came[which as usize]
    }

    /// Does something to the world, and lets the agenda be looked at again.
    pub(super) fn act<T>(&self, act: impl FnOnce(&mut State) -> T) -> T {
        let result = act(&mut self.state());
        self.moved.notify_one();
        result
    }
}

impl State {
    /// Milliseconds since the world began.
    pub(super) fn now(&self) -> u64 {
        self.slept + u64::try_from(self.begun.elapsed().as_millis()).unwrap_or(u64::MAX - self.slept)
    }

    /// When the world's time is this.
    pub(super) fn instant(&self, at: u64) -> Instant {
        self.begun + std::time::Duration::from_millis(at.saturating_sub(self.slept))
    }

    pub(super) fn chance(&mut self, probability: f64) -> bool {
        probability > 0.0 && self.dice.random::<f64>() < probability
    }

    /// A chance that something goes wrong: none once the world has become calm.
    pub(super) fn fault(&mut self, probability: f64) -> bool {
        self.now() < self.plan.horizon && self.chance(probability)
    }

    /// Milliseconds between two bounds.
    pub(super) fn between(&mut self, from: u64, to: u64) -> u64 {
        self.dice.random_range(from..=to.max(from))
    }

    pub(super) fn away(&self, what: Away) -> bool {
        self.plan.away(self.now(), what)
    }

    pub(super) fn note(&mut self, request: Option<usize>, line: String) {
        let now = self.now();
        self.trace.note(now, request, line);
    }

    pub(super) fn violate(&mut self, request: Option<usize>, what: String) {
        self.note(request, format!("VIOLATED: {what}"));
        self.violations.push(Violation { request, what });
    }
}
