//! Circuit breakers: the outcomes of runs go to `core::breaker`, the launch queue keeps to them, the store keeps
//! them, and operators are notified through the outbox; all in the commit of the failure that was one too many.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;
use uuid::Uuid;

use super::limits::Pause;
use crate::cell::clock::Clock;
use crate::cell::lifecycle::Lifecycle;
use crate::cell::view::Counters;
use crate::core::breaker::{
    AttemptOutcome, BreakerChange, BreakerRules, BreakerSnapshot, CircuitBreakers, Effects, OpenBreaker,
};
use crate::core::notification::{self, Destinations, Notification, Origin};
use crate::core::time::Timestamp;
use crate::core::transition::Transition;
use crate::store::Change;

/// The note in the store.
const NOTE: &str = "circuit-breakers";
/// Its name before; it is read where the store has no other.
const OLD_NOTE: &str = "storms";
/// The longest sleep; every change of a circuit ends it.
const LONGEST_WAIT: Duration = Duration::from_secs(3600);

/// The circuits of a cell's task definitions.
pub(in crate::cell) struct BreakerControl {
    circuits: Mutex<CircuitBreakers>,
    /// The version of what the launch queue is to keep to.
    version: AtomicU64,
    /// Task definitions whose breakers are open in other cells, which probe them; and how often that changed.
    elsewhere: Mutex<(u64, BTreeSet<String>)>,
    /// A circuit opened or closed, or its probe left or came back.
    moved: Notify,
    wake_launcher: Arc<Notify>,
    counters: Arc<Counters>,
    origin: Origin,
    destinations: Destinations,
}

/// What is committed with the transition that moved a circuit.
#[must_use]
pub(in crate::cell) struct Recorded<'b> {
    notifications: Vec<Notification>,
    note: Option<Change>,
    lock: BreakersLock<'b>,
}

impl Recorded<'_> {
    /// Whether no circuit moved.
    pub(in crate::cell) fn is_nothing(&self) -> bool {
        self.note.is_none() && self.notifications.is_empty()
    }

    /// Has it sent with its commit; the circuits stay locked until the commit has its place, so that notes are committed in
    /// the order they were made.
    pub(in crate::cell) fn send(self, send: impl FnOnce(Vec<Notification>, Option<Change>)) {
        let Self { notifications, note, lock } = self;
        send(notifications, note);
        drop(lock);
    }
}

/// The circuits, locked. After a run, or the launch queue, and never before.
struct BreakersLock<'b> {
    circuits: MutexGuard<'b, CircuitBreakers>,
    breakers: &'b BreakerControl,
    before: u64,
}

impl Drop for BreakersLock<'_> {
    fn drop(&mut self) {
        let now = self.circuits.version();
        if now != self.before {
            self.breakers.announce(now);
        }
    }
}

impl BreakerControl {
    /// Circuits as an earlier process left them. A note that cannot be read is no reason not to start, but must not go
    /// unseen.
    pub(in crate::cell) fn new(
        rules: BreakerRules,
        notes: &BTreeMap<String, String>,
        wake_launcher: Arc<Notify>,
        counters: Arc<Counters>,
        (origin, destinations): (Origin, Destinations),
    ) -> Self {
        let note = notes.get(NOTE).or_else(|| notes.get(OLD_NOTE)).map(String::as_str).unwrap_or("[]");
        let kept: Vec<OpenBreaker> = serde_json::from_str(note).unwrap_or_else(|error| {
            tracing::error!(%error, note, "the circuit breakers in the store cannot be read: nothing is paused by them");
            Vec::new()
        });
        for open in &kept {
            let (task_definition, error) = (&open.task_definition, &open.error);
            tracing::warn!(task_definition, error, "launches were paused before the restart");
        }
        let circuits = CircuitBreakers::new(rules, kept);
        let version = AtomicU64::new(circuits.version());
        let circuits = Mutex::new(circuits);
        let elsewhere = Mutex::default();
        Self { circuits, version, elsewhere, moved: Notify::new(), wake_launcher, counters, origin, destinations }
    }

    fn lock(&self) -> BreakersLock<'_> {
        let circuits = self.circuits.lock().unwrap_or_else(PoisonError::into_inner);
        let before = circuits.version();
        BreakersLock { circuits, breakers: self, before }
    }

    /// The launch queue is to keep to another snapshot.
    fn announce(&self, version: u64) {
        self.version.store(version, Ordering::Release);
        self.moved.notify_one();
        self.wake_launcher.notify_one();
    }

    /// The open circuits.
    pub(in crate::cell) fn open(&self) -> Vec<OpenBreaker> {
        self.lock().circuits.open()
    }

    /// The version of [`Self::snapshot`].
    pub(in crate::cell) fn version(&self) -> u64 {
        self.version.load(Ordering::Acquire) + self.elsewhere().0
    }

    /// What the launch queue is to keep to.
    pub(in crate::cell) fn snapshot(&self) -> BreakerSnapshot {
        self.with_elsewhere(self.lock().circuits.snapshot())
    }

    fn elsewhere(&self) -> MutexGuard<'_, (u64, BTreeSet<String>)> {
        self.elsewhere.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// With what other cells found out: a task definition that is paused there is paused here, and the probe is theirs.
    fn with_elsewhere(&self, mut snapshot: BreakerSnapshot) -> BreakerSnapshot {
        let elsewhere = self.elsewhere();
        snapshot.version += elsewhere.0;
        for definition in &elsewhere.1 {
            snapshot.paused.entry(definition.clone()).or_insert(false);
        }
        snapshot
    }

    /// The task definitions whose breakers are open in other cells.
    pub(in crate::cell) fn set_elsewhere(&self, definitions: BTreeSet<String>) {
        let mut elsewhere = self.elsewhere();
        if elsewhere.1 != definitions {
            *elsewhere = (elsewhere.0 + 1, definitions);
            self.wake_launcher.notify_one();
        }
    }

    /// Whether a task definition is paused because of what another cell found out.
    pub(in crate::cell) fn is_open_elsewhere(&self, definition: &str) -> bool {
        self.elsewhere().1.contains(definition)
    }

    /// Records what a transition says of its task definition; `None` if it says nothing. `waits_again`: its call came to
    /// nothing, and if it was a probe another may go.
    pub(in crate::cell) fn record(
        &self,
        transition: &Transition<'_>,
        waits_again: bool,
        now: Timestamp,
    ) -> Option<Recorded<'_>> {
        let seen = AttemptOutcome::of(transition);
        if seen.is_none() && !waits_again {
            return None;
        }
        let mut lock = self.lock();
        if waits_again {
            lock.circuits.waits_again(transition.run().id);
        }
        let effects = seen.map(|seen| lock.circuits.record_outcome(&seen, now)).unwrap_or_default();
        Some(self.recorded(lock, effects, now))
    }

    /// An operator lets task definitions go.
    pub(in crate::cell) fn resume(&self, pauses: &[Pause], now: Timestamp) -> Recorded<'_> {
        let mut lock = self.lock();
        let effects = lock.circuits.resume(|definition| pauses.iter().any(|pause| pause.is_for(definition)), now);
        self.recorded(lock, effects, now)
    }

    /// The notifications for operators, and the note that is kept.
    fn recorded<'b>(&self, lock: BreakersLock<'b>, effects: Effects, now: Timestamp) -> Recorded<'b> {
        let mut notifications = Vec::new();
        for change in &effects.changes {
            log(change);
            self.counters.breakers_opened.add(usize::from(matches!(change, BreakerChange::Opened(_))));
            notifications.extend(notification::digest(change, now, &self.origin, &self.destinations));
        }
        // Plain data with text keys: it cannot fail.
        let text = || serde_json::to_string(&lock.circuits.open()).unwrap_or_else(|_| "[]".into());
        let note = effects.persist.then(|| Change::Note { name: NOTE.into(), text: text() });
        Recorded { notifications, note, lock }
    }

    /// A run leaves the launch queue as its task definition's probe; what the queue is to keep to from here on.
    pub(in crate::cell) fn send_probe(&self, definition: &str, run: Uuid) -> BreakerSnapshot {
        let mut lock = self.lock();
        lock.circuits.probing(definition, run);
        tracing::info!(task_definition = definition, %run, "one run is let through, to see whether it starts");
        self.with_elsewhere(lock.circuits.snapshot())
    }

    /// The run was not launched: if it was a probe another may go in its place.
    pub(in crate::cell) fn waits_again(&self, run: Uuid) {
        self.lock().circuits.waits_again(run);
    }
}

/// Lets probes through when it is time, until the cell ends.
pub(in crate::cell) async fn time_probes(breakers: Arc<BreakerControl>, clock: Clock, lifecycle: Arc<Lifecycle>) {
    loop {
        let now = clock.now();
        let next = {
            let mut lock = breakers.lock();
            lock.circuits.due(now);
            lock.circuits.next()
        };
        let wait = next.map_or(LONGEST_WAIT, |at| at.since(now).max(Duration::from_millis(1)));
        tokio::select! {
            biased;
            () = lifecycle.ended() => return,
            () = breakers.moved.notified() => {}
            () = tokio::time::sleep(wait.min(LONGEST_WAIT)) => {}
        }
    }
}

fn log(change: &BreakerChange) {
    match change {
        BreakerChange::Opened(breaker) => tracing::warn!(
            task_definition = breaker.task_definition,
            error = breaker.error,
            cause = breaker.cause,
            failures = breaker.failures,
            "launches of this task definition are paused automatically: a retry does not help"
        ),
        BreakerChange::Closed(breaker, why) => {
            tracing::info!(task_definition = breaker.task_definition, error = breaker.error, ?why, "launches go on");
        }
    }
}
