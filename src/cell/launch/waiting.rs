//! The runs that wait for a launch slot, and how many more may come.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;
use uuid::Uuid;

use super::lane::GroupKey;
use super::queue::{Group, LaunchQueue};
use super::quota::{Demand, QuotaPart};
use super::room::Took;
use crate::cell::control::{BreakerControl, EffectiveLimits};
use crate::cell::runs::RunIndex;
use crate::cell::target::LaunchTarget;
use crate::core::run::{Run, Stage};

/// The launch queue, its limits, and what has left it and has no task yet.
pub(in crate::cell) struct WaitingRuns {
    queue: Mutex<Queue>,
    runs: Arc<RunIndex>,
    limits: Arc<EffectiveLimits>,
    breakers: Arc<BreakerControl>,
    wake: Arc<Notify>,
    part: Arc<QuotaPart>,
    /// Most runs that may wait before no more are accepted.
    most: usize,
    /// Runs that are being accepted.
    expected: Arc<AtomicUsize>,
    /// Runs that left the queue and are not counted as live yet.
    leaving: AtomicUsize,
}

#[derive(Default)]
struct Queue {
    waiting: LaunchQueue,
    /// The versions of the limits and the circuit breakers that it keeps to.
    keeps_to: (u64, u64),
}

/// Runs that are being accepted, counted for as long as this lives.
pub(in crate::cell) struct Expected(Arc<AtomicUsize>, usize);

impl Drop for Expected {
    fn drop(&mut self) {
        self.0.fetch_sub(self.1, Ordering::AcqRel);
    }
}

impl WaitingRuns {
    pub(in crate::cell) fn new(
        runs: Arc<RunIndex>,
        limits: Arc<EffectiveLimits>,
        breakers: Arc<BreakerControl>,
        (wake, part): (Arc<Notify>, Arc<QuotaPart>),
        most: usize,
    ) -> Self {
        let (queue, expected, leaving) = Default::default();
        Self { queue, runs, limits, breakers, wake, part, most, expected, leaving }
    }

    /// The queue as the limits and circuit breakers of now have it.
    fn queue(&self) -> MutexGuard<'_, Queue> {
        let mut queue = self.queue.lock().unwrap_or_else(PoisonError::into_inner);
        let now = (self.limits.version(), self.breakers.version());
        if queue.keeps_to.0 != now.0 {
            queue.waiting.set_pauses(self.limits.current().pauses.iter().map(|paused| paused.what.clone()).collect());
        }
        if queue.keeps_to.1 != now.1 {
            queue.waiting.set_breakers(self.breakers.snapshot());
        }
        queue.keeps_to = now;
        queue
    }

    /// Puts a run whose attempt waits into the queue.
    pub(in crate::cell) fn push(&self, id: Uuid) {
        let waits = |run: &Run| (Arc::clone(&run.spec), LaunchTarget::of(run), group_key(run));
        if let Some((spec, target, key)) = self.runs.read(id, waits) {
            self.queue().waiting.push(&spec.queue, spec.priority, target, id, key);
            self.wake.notify_one();
        }
    }

    /// A run has ended: it waits no more.
    pub(in crate::cell) fn withdraw(&self, id: Uuid) {
        // One with a token had left already, as nearly every run that ends.
        let waited = |run: &Run| run.attempt().is_some_and(|attempt| attempt.token.is_none());
        let place = |run: &Run| waited(run).then(|| (Arc::clone(&run.spec), LaunchTarget::of(run)));
        if let Some((spec, target)) = self.runs.read(id, place).flatten() {
            self.queue().waiting.withdraw(&spec.queue, &target, id);
        }
    }

    /// Runs that wait, by queue.
    pub(in crate::cell) fn by_queue(&self) -> BTreeMap<String, usize> {
        self.queue().waiting.by_queue()
    }

    /// What it would launch if it could.
    pub(in crate::cell) fn demand(&self) -> Demand {
        let live = self.part.note_live(|| self.live());
        Demand { live, ..self.queue().waiting.demand() }
    }

    /// How much of a turn this cell gets beside the others of its process.
    pub(in crate::cell) fn set_weight(&self, weight: f64) {
        self.part.set_weight(weight);
    }

    /// Counts runs that are being accepted, so that no more are than may wait.
    pub(in crate::cell) fn expect(&self, runs: usize) -> Expected {
        self.expected.fetch_add(runs, Ordering::AcqRel);
        Expected(Arc::clone(&self.expected), runs)
    }

    /// Whether as many wait as may, those that are being accepted counted; or as many are open as may be, those that wait
    /// for a retry counted.
    pub(in crate::cell) fn is_full(&self) -> bool {
        self.is_full_with(0)
    }

    /// The same when so many more come.
    pub(in crate::cell) fn is_full_with(&self, more: usize) -> bool {
        let waiting = self.queue().waiting.len() + self.expected.load(Ordering::Acquire) + more;
        let most_open = self.most.saturating_add(self.limits.current().max_in_flight);
        waiting >= self.most || self.runs.open() >= most_open
    }

    /// Runs that may have a task, or are about to.
    pub(in crate::cell) fn live(&self) -> usize {
        self.runs.live() + self.leaving.load(Ordering::Acquire)
    }

    /// The runs whose turn it is, counted as leaving. `admit` says how many of those alike may go to a target now. `Err`: when to
    /// ask again, unless it is woken before.
    pub(super) fn take(&self, admit: impl FnMut(&LaunchTarget, usize) -> usize) -> Result<Group, Option<Duration>> {
        let most = self.limits.current().max_in_flight;
        let waits = |id| self.runs.read(id, is_waiting).unwrap_or(false);
        let mut queue = self.queue();
        let take = |room_of_all: usize| {
            let room = most.saturating_sub(self.live());
            match queue.waiting.take(room.min(room_of_all), admit, waits) {
                Some(group) => {
                    let tasks = group.runs.len();
                    // Before another thread counts the runs that may have a task.
                    self.leaving.fetch_add(tasks, Ordering::AcqRel);
                    Took::Runs(group, tasks)
                }
                None if room_of_all == 0 && room > 0 && queue.waiting.would_launch() => Took::LacksRoom,
                None => Took::Nothing,
            }
        };
        let group = self.part.take(|| self.live(), take)?;
        if group.probe {
            let snapshots = group.runs.iter().map(|run| self.breakers.send_probe(&group.target.definition, *run));
            snapshots.for_each(|snapshot| queue.waiting.set_breakers(snapshot));
        }
        Ok(group)
    }

    /// So many that had left are counted as live now, or wait again, or have ended.
    pub(super) fn left(&self, runs: usize) {
        self.leaving.fetch_sub(runs, Ordering::AcqRel);
    }
}

fn is_waiting(run: &Run) -> bool {
    run.attempt().is_some_and(|a| a.stage == Stage::Waiting)
}

/// Runs may share a call if they are of one request and one placement, and nothing tells one from another. Equal requests
/// under other names do not, though they may share their spec after a restart: which member of a call had a task is known
/// by the request's name ([`super::assign::Assignments`]).
fn group_key(run: &Run) -> Option<GroupKey> {
    let placement = run.attempt().map_or(0, |a| a.placement);
    let of_array = run.name.len() > run.request_name().len();
    let spec = Arc::as_ptr(&run.spec) as usize;
    (of_array && !run.spec.inject_env).then(|| (spec, placement, run.request_name().into()))
}
