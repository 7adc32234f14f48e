//! Storms: a task definition that fails for the same permanent reason again and again is not launched any more, until one
//! run that is let through as a probe shows that the reason is gone.
//!
//! A circuit breaker for each task definition, as requests name it: closed while all is well, open after so many failures in
//! a window, half-open while a probe is out. Pure: what was seen and the time are arguments.

mod seen;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

pub use seen::{Outcome, Seen};

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
pub struct StormRules {
    /// So many failures of one task definition for one reason, none of it having started in between; 0: never.
    pub failures: u32,
    /// In so long.
    pub window: Duration,
    /// From the opening to the first probe. Each probe that fails doubles the wait, up to ten times this.
    pub probe: Duration,
}

impl Default for StormRules {
    fn default() -> Self {
        Self { failures: 20, window: Duration::from_secs(60), probe: Duration::from_secs(60) }
    }
}

/// What keeps a task definition from being launched.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Storm {
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

/// Something that operators are told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Turn {
    /// Launches are paused.
    Paused(Storm),
    /// Launches go on.
    Resumed(Storm, Why),
}

/// Why launches go on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Why {
    /// A task started.
    Started,
    /// A task failed for another reason.
    OtherReason,
    /// An operator said so.
    Operator,
}

/// What follows from something that was seen.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Follows {
    /// What operators are told.
    pub turns: Vec<Turn>,
    /// Whether what is kept over a restart changed.
    pub keep: bool,
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

/// A paused task definition: its reasons, and its probe.
#[derive(Clone, Debug)]
struct Pause {
    storms: Vec<Storm>,
    probe: Probe,
    failed_probes: u32,
}

type Reason = (String, String, Class);

/// Failures for one reason, oldest first: when the attempt was launched, and when it failed.
#[derive(Clone, Debug, Default)]
struct Count {
    failures: VecDeque<(Timestamp, Timestamp)>,
    examples: VecDeque<String>,
}

/// Every task definition's circuit.
#[derive(Clone, Debug, Default)]
pub struct Storms {
    rules: StormRules,
    counts: BTreeMap<Reason, Count>,
    pauses: BTreeMap<String, Pause>,
    /// When launches went on, and how many probes had failed by then.
    ended: BTreeMap<String, (Timestamp, u32)>,
    version: u64,
}

/// What is paused, for the launch queue: whether one run may leave all the same. Higher versions are newer.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Gate {
    /// Rises with every change.
    pub version: u64,
    /// Task definitions as requests name them.
    pub paused: BTreeMap<String, bool>,
}

impl Storms {
    /// Circuits as they were kept: all that is not kept is closed.
    pub fn new(rules: StormRules, kept: Vec<Storm>) -> Self {
        let mut storms = Self { rules, ..Self::default() };
        for storm in kept.into_iter().filter(|_| rules.failures > 0) {
            let probe = storm.next_probe_at.map_or(Probe::Allowed, Probe::At);
            let failed_probes = storm.failed_probes;
            let pause = storms.pauses.entry(storm.task_definition.clone());
            pause.or_insert_with(|| Pause { storms: Vec::new(), probe, failed_probes }).storms.push(storm);
            storms.version += 1;
        }
        storms
    }

    /// What is paused and why; also what is to be kept over a restart.
    pub fn storms(&self) -> Vec<Storm> {
        let shown = |pause: &Pause| {
            let next_probe_at = match pause.probe {
                Probe::At(at) => Some(at),
                Probe::Allowed | Probe::Out(_) => None,
            };
            let with = |storm: &Storm| Storm { next_probe_at, failed_probes: pause.failed_probes, ..storm.clone() };
            pause.storms.iter().map(with).collect::<Vec<_>>()
        };
        self.pauses.values().flat_map(shown).collect()
    }

    /// What the launch queue is not to let go.
    pub fn gate(&self) -> Gate {
        let may = |pause: &Pause| pause.probe == Probe::Allowed;
        Gate {
            version: self.version,
            paused: self.pauses.iter().map(|(name, pause)| (name.clone(), may(pause))).collect(),
        }
    }

    /// Rises with every change of [`Self::gate`].
    pub fn gate_version(&self) -> u64 {
        self.version
    }

    /// When [`Self::due`] has something to do, if nothing else happens before.
    pub fn next(&self) -> Option<Timestamp> {
        let at = |pause: &Pause| match pause.probe {
            Probe::At(at) => Some(at),
            Probe::Allowed | Probe::Out(_) => None,
        };
        self.pauses.values().filter_map(at).min()
    }

    /// Lets a probe through where it is time; whether there is any.
    pub fn due(&mut self, now: Timestamp) -> bool {
        let mut any = false;
        for pause in self.pauses.values_mut() {
            if matches!(pause.probe, Probe::At(at) if at <= now) {
                pause.probe = Probe::Allowed;
                any = true;
            }
        }
        self.version += u64::from(any);
        any
    }

    /// This run leaves the launch queue as a probe.
    pub fn probing(&mut self, task_definition: &str, run: Uuid) {
        if let Some(pause) = self.pauses.get_mut(task_definition) {
            pause.probe = Probe::Out(run);
            self.version += 1;
        }
    }

    /// This run waits in the launch queue again: if it was the probe, another may go in its place. Whether it was.
    pub fn waits_again(&mut self, run: Uuid) -> bool {
        let Some(pause) = self.pauses.values_mut().find(|pause| pause.probe == Probe::Out(run)) else { return false };
        pause.probe = Probe::Allowed;
        self.version += 1;
        true
    }

    /// Takes in what an attempt came to.
    pub fn saw(&mut self, seen: &Seen<'_>, now: Timestamp) -> Follows {
        if self.rules.failures == 0 {
            return Follows::default();
        }
        match seen.outcome {
            Outcome::Started => self.started(seen, now),
            Outcome::Failed(failure) => self.failed(seen, failure, now),
            Outcome::Inconclusive => self.inconclusive(seen, now),
        }
    }

    /// An operator lets task definitions go: those for which `fits` says so.
    pub fn resume(&mut self, fits: impl Fn(&str) -> bool, now: Timestamp) -> Follows {
        let names: Vec<String> = self.pauses.keys().filter(|name| fits(name)).cloned().collect();
        let end = |storms: &mut Self, name: &String| storms.end(name, Why::Operator, now, |_| true);
        let turns: Vec<Turn> = names.iter().flat_map(|name| end(self, name)).collect();
        // Whoever mended it is not to wait as long, should it fail once more.
        for name in &names {
            self.ended.remove(name);
        }
        Follows { keep: !turns.is_empty(), turns }
    }

    /// What was launched at or before the launch of a task that started says nothing any more.
    fn started(&mut self, seen: &Seen<'_>, now: Timestamp) -> Follows {
        let Some(launched) = seen.launched_at else { return Follows::default() };
        // Its own reasons only, which stand together: this is for every task that starts.
        let first = (seen.task_definition.to_owned(), String::new(), Class::ALL[0]);
        let its = self.counts.range_mut(first..).take_while(|((definition, ..), _)| definition == seen.task_definition);
        its.for_each(|(_, count)| count.failures.retain(|(failed_launch, _)| *failed_launch > launched));
        let turns = self.end(seen.task_definition, Why::Started, now, |storm| storm.paused_at <= launched);
        Follows { keep: !turns.is_empty(), turns }
    }

    fn failed(&mut self, seen: &Seen<'_>, failure: &Failure, now: Timestamp) -> Follows {
        let Some(launched) = seen.launched_at else { return self.inconclusive(seen, now) };
        let is_this = |storm: &Storm| storm.error == failure.error && storm.class == failure.class;
        // The reason of a pause is gone when a task launched since then fails for another one.
        let other = |storm: &Storm| !is_this(storm) && storm.paused_at <= launched;
        let mut turns = self.end(seen.task_definition, Why::OtherReason, now, other);
        let mut keep = !turns.is_empty();
        let probe = self.rules.probe;
        if let Some(pause) = self.pauses.get_mut(seen.task_definition)
            && let Some(storm) = pause.storms.iter_mut().find(|storm| is_this(storm))
        {
            storm.failures += 1;
            storm.cause.clone_from(&failure.cause);
            push(&mut storm.examples, seen.name);
            if pause.probe == Probe::Out(seen.run) {
                pause.failed_probes = pause.failed_probes.saturating_add(1);
                pause.probe = Probe::At(now.plus(wait(probe, pause.failed_probes)));
                self.version += 1;
                keep = true;
            }
        } else if let Some(storm) = self.counted(seen, failure, launched, now) {
            turns.push(Turn::Paused(storm));
            keep = true;
        }
        Follows { turns, keep }
    }

    /// Counts a failure; the storm, if it is one too many.
    fn counted(&mut self, seen: &Seen<'_>, failure: &Failure, launched: Timestamp, now: Timestamp) -> Option<Storm> {
        let window = self.rules.window;
        if self.counts.len() >= MOST_COUNTED {
            let fresh = |at: Timestamp| now.since(at) <= window;
            self.counts.retain(|_, count| count.failures.back().is_some_and(|(_, at)| fresh(*at)));
        }
        let reason = (seen.task_definition.to_owned(), failure.error.clone(), failure.class);
        if self.counts.len() >= MOST_COUNTED && !self.counts.contains_key(&reason) {
            return None;
        }
        let count = self.counts.entry(reason.clone()).or_default();
        count.failures.push_back((launched, now));
        push(&mut count.examples, seen.name);
        while count.failures.front().is_some_and(|(_, at)| now.since(*at) > window) {
            count.failures.pop_front();
        }
        if count.failures.len() < self.rules.failures as usize {
            return None;
        }
        let count = self.counts.remove(&reason)?;
        let storm = Storm {
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
        Some(self.open(storm, now))
    }

    fn open(&mut self, storm: Storm, now: Timestamp) -> Storm {
        self.version += 1;
        self.ended.retain(|_, (at, _)| now.since(*at) < REMEMBERED);
        let before = self.ended.get(&storm.task_definition).map_or(0, |(_, failed)| failed.saturating_add(1));
        let first = Probe::At(now.plus(wait(self.rules.probe, before)));
        let pause = self.pauses.entry(storm.task_definition.clone());
        let pause = pause.or_insert_with(|| Pause { storms: Vec::new(), probe: first, failed_probes: before });
        let next_probe_at = if let Probe::At(at) = pause.probe { Some(at) } else { None };
        let storm = Storm { next_probe_at, ..storm };
        pause.storms.push(storm.clone());
        storm
    }

    /// The probe came to nothing that tells: another one goes after the usual wait.
    fn inconclusive(&mut self, seen: &Seen<'_>, now: Timestamp) -> Follows {
        let probe = self.rules.probe;
        let out = |pause: &&mut Pause| pause.probe == Probe::Out(seen.run);
        let Some(pause) = self.pauses.get_mut(seen.task_definition).filter(out) else { return Follows::default() };
        pause.probe = Probe::At(now.plus(probe));
        self.version += 1;
        Follows { turns: Vec::new(), keep: true }
    }

    /// Ends a task definition's storms for which `over` says so; with the last one its launches go on.
    fn end(&mut self, name: &str, why: Why, now: Timestamp, over: impl Fn(&Storm) -> bool) -> Vec<Turn> {
        let Some(pause) = self.pauses.get_mut(name) else { return Vec::new() };
        let failed_probes = pause.failed_probes;
        let (ended, left): (Vec<Storm>, Vec<Storm>) = std::mem::take(&mut pause.storms).into_iter().partition(&over);
        pause.storms = left;
        if pause.storms.is_empty() {
            self.pauses.remove(name);
            self.ended.insert(name.to_owned(), (now, failed_probes));
            self.counts.retain(|(definition, ..), _| definition != name);
        }
        self.version += u64::from(!ended.is_empty());
        ended
            .into_iter()
            .map(|storm| Turn::Resumed(Storm { failed_probes, next_probe_at: None, ..storm }, why))
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
