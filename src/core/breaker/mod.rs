//! Circuit breakers, one for each task definition: one that fails for the same permanent reason again and again is not
//! launched any more, until one run that is let through as a probe shows that the reason is gone.
//!
//! A task definition is named as requests name it. Its breaker is closed at first, open after so many failures in a window,
//! half-open while a probe is out. Pure: outcomes and the time are arguments.

mod outcome;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

pub use outcome::{AttemptOutcome, Outcome};

use super::failure::{Class, Failure};
use super::time::Timestamp;

/// Waits between probes grow to so many times the first one.
const MOST_PROBE_WAITS: u32 = 10;
/// A circuit that opens again within so long of its end goes on with the waits it had.
const REMEMBERED: Duration = Duration::from_secs(3600);
/// Reasons that are counted at once; what is older than the window is dropped before that.
const MOST_COUNTED: usize = 10_000;

/// When a circuit opens, and how often a probe is let through.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BreakerRules {
    /// So many failures of one task definition for one reason, none of it having started in between; 0: never.
    pub failures: u32,
    /// In so long.
    pub window: Duration,
    /// From the opening to the first probe. Each probe that fails doubles the wait, up to ten times this.
    pub probe: Duration,
}

impl Default for BreakerRules {
    fn default() -> Self {
        Self { failures: 20, window: Duration::from_secs(60), probe: Duration::from_secs(60) }
    }
}

/// What keeps a task definition from being launched.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct OpenBreaker {
    /// As requests name it: `family:revision` or `family`.
    pub task_definition: String,
    /// The failures' most specific name.
    pub error: String,
    /// Their class.
    pub class: Class,
    /// What ECS said, the last time.
    pub cause: String,
    /// What to do about it.
    pub hint: String,
    /// How many attempts failed so, those that were under way when launches were paused and the probes included.
    pub failures: u64,
    /// Runs that were last seen to fail so, by name.
    pub examples: VecDeque<String>,
    /// The first of the failures that were counted.
    pub since: Timestamp,
    /// When launches were paused.
    pub paused_at: Timestamp,
    /// How many probes failed.
    pub failed_probes: u32,
    /// When the next probe may go; none while one is out or may leave at any moment.
    pub next_probe_at: Option<Timestamp>,
}

/// Examples that are kept of a reason.
const EXAMPLES: usize = 5;

/// A change of a breaker, of which operators are notified.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum BreakerChange {
    /// Launches are paused.
    Opened(OpenBreaker),
    /// Launches go on.
    Closed(OpenBreaker, CloseReason),
}

/// Why a breaker closed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CloseReason {
    /// A task started.
    Started,
    /// A task failed for another reason.
    OtherReason,
    /// An operator said so.
    Operator,
}

/// What an outcome or an order changed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Effects {
    /// Changes of which operators are notified.
    pub changes: Vec<BreakerChange>,
    /// Whether what is kept over a restart changed.
    pub persist: bool,
}

/// Whether one run of a paused task definition may be launched.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Probe {
    /// Not before.
    At(Timestamp),
    /// The next one may.
    Allowed,
    /// This one was.
    Out(Uuid),
}

/// An open breaker: its reasons, and its probe.
#[derive(Clone, Debug)]
struct Breaker {
    reasons: Vec<OpenBreaker>,
    probe: Probe,
    failed_probes: u32,
}

type CountKey = (String, String, Class);

/// Failures for one reason, oldest first: when the attempt was launched, and when it failed.
#[derive(Clone, Debug, Default)]
struct Count {
    failures: VecDeque<(Timestamp, Timestamp)>,
    examples: VecDeque<String>,
}

/// Every task definition's circuit.
#[derive(Clone, Debug, Default)]
pub struct CircuitBreakers {
    rules: BreakerRules,
    counts: BTreeMap<CountKey, Count>,
    breakers: BTreeMap<String, Breaker>,
    /// When launches went on, and how many probes had failed by then.
    ended: BTreeMap<String, (Timestamp, u32)>,
    version: u64,
}

/// What is paused, for the launch queue: whether one run may leave all the same. Higher versions are newer.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct BreakerSnapshot {
    /// Rises with every change.
    pub version: u64,
    /// Task definitions as requests name them.
    pub paused: BTreeMap<String, bool>,
}

impl CircuitBreakers {
    /// Circuits as they were kept: all that is not kept is closed.
    pub fn new(rules: BreakerRules, kept: Vec<OpenBreaker>) -> Self {
        let mut breakers = Self { rules, ..Self::default() };
        for reason in kept.into_iter().filter(|_| rules.failures > 0) {
            let probe = reason.next_probe_at.map_or(Probe::Allowed, Probe::At);
            let failed_probes = reason.failed_probes;
            let breaker = breakers.breakers.entry(reason.task_definition.clone());
            breaker.or_insert_with(|| Breaker { reasons: Vec::new(), probe, failed_probes }).reasons.push(reason);
            breakers.version += 1;
        }
        breakers
    }

    /// What is paused and why; also what is to be kept over a restart.
    pub fn open(&self) -> Vec<OpenBreaker> {
        let shown = |breaker: &Breaker| {
            let next_probe_at = match breaker.probe {
                Probe::At(at) => Some(at),
                Probe::Allowed | Probe::Out(_) => None,
            };
            let with = |reason: &OpenBreaker| OpenBreaker {
                next_probe_at,
                failed_probes: breaker.failed_probes,
                ..reason.clone()
            };
            breaker.reasons.iter().map(with).collect::<Vec<_>>()
        };
        self.breakers.values().flat_map(shown).collect()
    }

    /// What the launch queue is not to let go.
    pub fn snapshot(&self) -> BreakerSnapshot {
        let may = |breaker: &Breaker| breaker.probe == Probe::Allowed;
        BreakerSnapshot {
            version: self.version,
            paused: self.breakers.iter().map(|(name, breaker)| (name.clone(), may(breaker))).collect(),
        }
    }

    /// Rises with every change of [`Self::snapshot`].
    pub fn version(&self) -> u64 {
        self.version
    }

    /// When [`Self::due`] has something to do, if nothing else happens before.
    pub fn next(&self) -> Option<Timestamp> {
        let at = |breaker: &Breaker| match breaker.probe {
            Probe::At(at) => Some(at),
            Probe::Allowed | Probe::Out(_) => None,
        };
        self.breakers.values().filter_map(at).min()
    }

    /// Lets a probe through where it is time; whether there is any.
    pub fn due(&mut self, now: Timestamp) -> bool {
        let mut any = false;
        for breaker in self.breakers.values_mut() {
            if matches!(breaker.probe, Probe::At(at) if at <= now) {
                breaker.probe = Probe::Allowed;
                any = true;
            }
        }
        self.version += u64::from(any);
        any
    }

    /// This run leaves the launch queue as a probe.
    pub fn probing(&mut self, task_definition: &str, run: Uuid) {
        if let Some(breaker) = self.breakers.get_mut(task_definition) {
            breaker.probe = Probe::Out(run);
            self.version += 1;
        }
    }

    /// This run waits in the launch queue again: if it was the probe, another may go in its place. Whether it was.
    pub fn waits_again(&mut self, run: Uuid) -> bool {
        let Some(breaker) = self.breakers.values_mut().find(|breaker| breaker.probe == Probe::Out(run)) else {
            return false;
        };
        breaker.probe = Probe::Allowed;
        self.version += 1;
        true
    }

    /// Takes in what an attempt came to.
    pub fn record_outcome(&mut self, seen: &AttemptOutcome<'_>, now: Timestamp) -> Effects {
        if self.rules.failures == 0 {
            return Effects::default();
        }
        let effects = match seen.outcome {
            Outcome::Started => self.started(seen, now),
            Outcome::Failed(failure) => self.failed(seen, failure, now),
            Outcome::Inconclusive => Effects::default(),
        };
        let again = self.probes_again(seen, now);
        Effects { persist: effects.persist || again, ..effects }
    }

    /// An operator lets task definitions go: those for which `fits` says so.
    pub fn resume(&mut self, fits: impl Fn(&str) -> bool, now: Timestamp) -> Effects {
        let names: Vec<String> = self.breakers.keys().filter(|name| fits(name)).cloned().collect();
        let end = |breakers: &mut Self, name: &String| breakers.end(name, CloseReason::Operator, now, |_| true);
        let changes: Vec<BreakerChange> = names.iter().flat_map(|name| end(self, name)).collect();
        // Whoever mended it is not to wait as long, should it fail once more.
        for name in &names {
            self.ended.remove(name);
        }
        Effects { persist: !changes.is_empty(), changes }
    }

    /// What was launched at or before the launch of a task that started says nothing any more.
    fn started(&mut self, seen: &AttemptOutcome<'_>, now: Timestamp) -> Effects {
        let Some(launched) = seen.launched_at else { return Effects::default() };
        // Its own reasons only, which stand together: this is for every task that starts.
        let first = (seen.task_definition.to_owned(), String::new(), Class::ALL[0]);
        let its = self.counts.range_mut(first..).take_while(|((definition, ..), _)| definition == seen.task_definition);
        its.for_each(|(_, count)| count.failures.retain(|(failed_launch, _)| *failed_launch > launched));
        let changes = self.end(seen.task_definition, CloseReason::Started, now, |reason| reason.paused_at <= launched);
        Effects { persist: !changes.is_empty(), changes }
    }

    fn failed(&mut self, seen: &AttemptOutcome<'_>, failure: &Failure, now: Timestamp) -> Effects {
        let Some(launched) = seen.launched_at else { return Effects::default() };
        let is_this = |reason: &OpenBreaker| reason.error == failure.error && reason.class == failure.class;
        // The reason is gone when a task launched since then fails for another one.
        let other = |reason: &OpenBreaker| !is_this(reason) && reason.paused_at <= launched;
        let mut changes = self.end(seen.task_definition, CloseReason::OtherReason, now, other);
        let mut persist = !changes.is_empty();
        let probe = self.rules.probe;
        if let Some(breaker) = self.breakers.get_mut(seen.task_definition)
            && let Some(reason) = breaker.reasons.iter_mut().find(|reason| is_this(reason))
        {
            reason.failures += 1;
            reason.cause.clone_from(&failure.cause);
            push(&mut reason.examples, seen.name);
            if breaker.probe == Probe::Out(seen.run) {
                breaker.failed_probes = breaker.failed_probes.saturating_add(1);
                breaker.probe = Probe::At(now.plus(wait(probe, breaker.failed_probes)));
                self.version += 1;
                persist = true;
            }
        } else if let Some(reason) = self.counted(seen, failure, launched, now) {
            changes.push(BreakerChange::Opened(reason));
            persist = true;
        }
        Effects { changes, persist }
    }

    /// Counts a failure; the breaker that it opens, if any.
    fn counted(
        &mut self,
        seen: &AttemptOutcome<'_>,
        failure: &Failure,
        launched: Timestamp,
        now: Timestamp,
    ) -> Option<OpenBreaker> {
        let window = self.rules.window;
        if self.counts.len() >= MOST_COUNTED {
            let fresh = |at: Timestamp| now.since(at) <= window;
            self.counts.retain(|_, count| count.failures.back().is_some_and(|(_, at)| fresh(*at)));
        }
        let key = (seen.task_definition.to_owned(), failure.error.clone(), failure.class);
        if self.counts.len() >= MOST_COUNTED && !self.counts.contains_key(&key) {
            return None;
        }
        let count = self.counts.entry(key.clone()).or_default();
        count.failures.push_back((launched, now));
        push(&mut count.examples, seen.name);
        while count.failures.front().is_some_and(|(_, at)| now.since(*at) > window) {
            count.failures.pop_front();
        }
        if count.failures.len() < self.rules.failures as usize {
            return None;
        }
        let count = self.counts.remove(&key)?;
        let reason = OpenBreaker {
            task_definition: seen.task_definition.to_owned(),
            error: failure.error.clone(),
            class: failure.class,
            cause: failure.cause.clone(),
            hint: failure.hint.clone(),
            failures: count.failures.len() as u64,
            examples: count.examples,
            since: count.failures.front().map_or(now, |(_, at)| *at),
            paused_at: now,
            failed_probes: 0,
            next_probe_at: None,
        };
        Some(self.trip(reason, now))
    }

    fn trip(&mut self, reason: OpenBreaker, now: Timestamp) -> OpenBreaker {
        self.version += 1;
        self.ended.retain(|_, (at, _)| now.since(*at) < REMEMBERED);
        let before = self.ended.get(&reason.task_definition).map_or(0, |(_, failed)| failed.saturating_add(1));
        let first = Probe::At(now.plus(wait(self.rules.probe, before)));
        let breaker = self.breakers.entry(reason.task_definition.clone());
        let breaker = breaker.or_insert_with(|| Breaker { reasons: Vec::new(), probe: first, failed_probes: before });
        let next_probe_at = if let Probe::At(at) = breaker.probe { Some(at) } else { None };
        let reason = OpenBreaker { next_probe_at, ..reason };
        breaker.reasons.push(reason.clone());
        reason
    }

    /// What the probe came to says nothing of the reasons that are left, which may have come after its launch: another one
    /// goes after the usual wait. Whether it was the probe.
    fn probes_again(&mut self, seen: &AttemptOutcome<'_>, now: Timestamp) -> bool {
        let probe = self.rules.probe;
        let out = |breaker: &&mut Breaker| breaker.probe == Probe::Out(seen.run);
        let Some(breaker) = self.breakers.get_mut(seen.task_definition).filter(out) else { return false };
        breaker.probe = Probe::At(now.plus(probe));
        self.version += 1;
        true
    }

    /// Ends a task definition's breakers for which `over` says so; with the last one its launches go on.
    fn end(
        &mut self,
        name: &str,
        why: CloseReason,
        now: Timestamp,
        over: impl Fn(&OpenBreaker) -> bool,
    ) -> Vec<BreakerChange> {
        let Some(breaker) = self.breakers.get_mut(name) else { return Vec::new() };
        let failed_probes = breaker.failed_probes;
        let (ended, left): (Vec<OpenBreaker>, Vec<OpenBreaker>) =
            std::mem::take(&mut breaker.reasons).into_iter().partition(&over);
        breaker.reasons = left;
        if breaker.reasons.is_empty() {
            self.breakers.remove(name);
            self.ended.insert(name.to_owned(), (now, failed_probes));
            self.counts.retain(|(definition, ..), _| definition != name);
        }
        self.version += u64::from(!ended.is_empty());
        ended
            .into_iter()
            .map(|reason| BreakerChange::Closed(OpenBreaker { failed_probes, next_probe_at: None, ..reason }, why))
            .collect()
    }
}

/// The wait for a probe after so many that failed: doubled each time.
fn wait(first: Duration, failed: u32) -> Duration {
    let times = 1_u32.checked_shl(failed).filter(|times| *times > 0).unwrap_or(u32::MAX);
    first.saturating_mul(times.min(MOST_PROBE_WAITS))
}

fn push(examples: &mut VecDeque<String>, name: &str) {
    if examples.len() == EXAMPLES {
        examples.pop_front();
    }
    examples.push_back(name.to_owned());
}
