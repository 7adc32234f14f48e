//! Failures that repeat: so many of one launcher, task definition and reason in a window are told together, one message
//! when it begins and one when it is over.

use std::collections::{BTreeMap, VecDeque};

use serde::{Deserialize, Serialize};

use super::{FailureKind, ObservedFailure, ObservedLog};
use crate::core::breaker::BreakerRules;
use crate::core::failure::Class;
use crate::core::launcher::Launcher;
use crate::core::time::Timestamp;

/// Series that are counted at once; beyond, failures are told singly.
const MOST: usize = 1_000;
/// Examples that are kept of a series.
const EXAMPLES: usize = 5;
/// Tasks whose lines go with the message of a series, the newest ones: each costs a call or two of two a second.
const LOGS: usize = 3;

/// What failures of one series have in common.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Key {
    launcher: Launcher,
    task_definition: String,
    error: String,
}

/// Failures that are told together.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct OpenSeries {
    /// What fails.
    pub kind: FailureKind,
    /// Who launches.
    pub launcher: Launcher,
    /// In which cluster, the last time.
    pub cluster: String,
    /// What is launched.
    pub task_definition: String,
    /// The failures' most specific name.
    pub error: String,
    /// Their class.
    pub class: Class,
    /// What ECS said, the last time.
    pub cause: String,
    /// What to do about it.
    pub hint: String,
    /// How many so far.
    pub failures: u64,
    /// The first that was counted.
    pub since: Timestamp,
    /// When it was told that they repeat.
    pub began_at: Timestamp,
    /// The last one.
    pub last_at: Timestamp,
    /// Tasks that failed so, by ARN.
    pub examples: VecDeque<String>,
}

/// A change of a series, of which operators are told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SeriesChange {
    /// From here on failures are told together.
    Repeating(OpenSeries),
    /// There was none for as long as the window is.
    Quiet(OpenSeries),
}

/// How a failure is told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Told {
    /// By itself.
    Singly,
    /// As the one with which a series begins, with the logs of some of its tasks.
    AsSeries(Box<OpenSeries>, Vec<ObservedLog>),
    /// With the others of its series; whether what is kept of it changed much.
    Counted {
        /// It doubled since it was last kept.
        persist: bool,
    },
}

/// Failures that are no series yet.
#[derive(Clone, Debug, Default)]
struct Count {
    times: VecDeque<Timestamp>,
    logs: VecDeque<ObservedLog>,
}

/// All series.
#[derive(Clone, Debug, Default)]
pub struct Series {
    rules: BreakerRules,
    counts: BTreeMap<Key, Count>,
    open: BTreeMap<Key, OpenSeries>,
}

impl Series {
    /// Those that an earlier process left open. The rules are the circuit breakers': so many failures in a window.
    pub fn new(rules: BreakerRules, kept: Vec<OpenSeries>) -> Self {
        let key = |open: &OpenSeries| Key {
            launcher: open.launcher.clone(),
            task_definition: open.task_definition.clone(),
            error: open.error.clone(),
        };
        Self { rules, counts: BTreeMap::new(), open: kept.into_iter().map(|open| (key(&open), open)).collect() }
    }

    /// Those that are open; also what is to be kept over a restart.
    pub fn open(&self) -> Vec<OpenSeries> {
        self.open.values().cloned().collect()
    }

    /// Takes a failure in, with where its lines are if they are asked for; how it is to be told.
    pub fn record(&mut self, failed: &ObservedFailure, log: Option<&ObservedLog>, now: Timestamp) -> Told {
        if self.rules.failures == 0 {
            return Told::Singly;
        }
        let key = Key {
            launcher: failed.launcher.clone(),
            task_definition: failed.task_definition.clone(),
            error: failed.failure.error.clone(),
        };
        if let Some(open) = self.open.get_mut(&key) {
            open.failures += 1;
            open.last_at = now;
            open.cause.clone_from(&failed.failure.cause);
            let room = EXAMPLES.saturating_sub(open.examples.len());
            open.examples.extend(failed.task_arn.iter().take(room).cloned());
            return Told::Counted { persist: open.failures.is_power_of_two() };
        }
        let window = self.rules.window;
        if self.counts.len() >= MOST {
            self.counts.retain(|_, count| count.times.back().is_some_and(|at| now.since(*at) <= window));
        }
        if (self.counts.len() >= MOST && !self.counts.contains_key(&key)) || self.open.len() >= MOST {
            return Told::Singly;
        }
        let Count { times, logs } = self.counts.entry(key.clone()).or_default();
        if let Some(log) = log {
            if logs.len() == LOGS {
                logs.pop_front();
            }
            logs.push_back(log.clone());
        }
        times.push_back(now);
        while times.front().is_some_and(|at| now.since(*at) > window) {
            times.pop_front();
        }
        if times.len() < self.rules.failures as usize {
            return Told::Singly;
        }
        let since = times.front().copied().unwrap_or(now);
        let failures = times.len() as u64;
        let logs = std::mem::take(logs).into();
        self.counts.remove(&key);
        let open = OpenSeries {
            kind: failed.kind,
            launcher: failed.launcher.clone(),
            cluster: failed.cluster.clone(),
            task_definition: failed.task_definition.clone(),
            error: failed.failure.error.clone(),
            class: failed.failure.class,
            cause: failed.failure.cause.clone(),
            hint: failed.hint(),
            failures,
            since,
            began_at: now,
            last_at: now,
            examples: failed.task_arn.iter().cloned().collect(),
        };
        self.open.insert(key, open.clone());
        Told::AsSeries(Box::new(open), logs)
    }

    /// The series that are over by now.
    pub fn due(&mut self, now: Timestamp) -> Vec<OpenSeries> {
        let window = self.rules.window;
        let over: Vec<Key> = self
            .open
            .iter()
            .filter(|(_, open)| now.since(open.last_at) >= window)
            .map(|(key, _)| key.clone())
            .collect();
        over.iter().filter_map(|key| self.open.remove(key)).collect()
    }

    /// When [`Self::due`] has something, if nothing fails before.
    pub fn next(&self) -> Option<Timestamp> {
        self.open.values().map(|open| open.last_at.plus(self.rules.window)).min()
    }
}
