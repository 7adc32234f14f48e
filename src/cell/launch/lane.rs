//! The runs of one queue that go to one target.

use std::cmp::Reverse;
use std::collections::{BTreeMap, HashMap};

use foldhash::fast::RandomState;
use uuid::Uuid;

/// Runs with equal keys may go in one RunTask call: one request, one placement, no environment of their own.
pub(super) type GroupKey = (usize, usize, Box<str>);

/// Highest priority first, then the order of arrival.
pub(super) type Turn = (Reverse<i64>, u64);

/// How far behind its first run a call looks for others like it.
const WINDOW: usize = 100;

/// Runs in the order in which they go.
#[derive(Default)]
pub(super) struct Lane {
    runs: BTreeMap<Turn, (Uuid, Option<GroupKey>)>,
    turns: HashMap<Uuid, Turn, RandomState>,
    pub(super) paused: bool,
    /// Its task definition is paused because it fails again and again; whether one run may leave, as a probe.
    pub(super) probe_allowed: Option<bool>,
}

impl Lane {
    pub(super) fn new(paused: bool, probe_allowed: Option<bool>) -> Self {
        Self { paused, probe_allowed, ..Self::default() }
    }

    pub(super) fn len(&self) -> usize {
        self.runs.len()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.runs.is_empty()
    }

    /// The turn of its first run.
    pub(super) fn first(&self) -> Option<Turn> {
        self.runs.first_key_value().map(|(turn, _)| *turn)
    }

    /// Adds a run; whether it is new. One that is here goes by its new turn.
    pub(super) fn add(&mut self, turn: Turn, run: Uuid, key: Option<GroupKey>) -> bool {
        let before = self.turns.insert(run, turn);
        if let Some(before) = before {
            self.runs.remove(&before);
        }
        self.runs.insert(turn, (run, key));
        before.is_none()
    }

    /// Takes a run out, wherever it stands; whether it was here.
    pub(super) fn withdraw(&mut self, run: Uuid) -> bool {
        self.turns.remove(&run).is_some_and(|turn| self.runs.remove(&turn).is_some())
    }

    /// Takes out the run whose turn it is.
    pub(super) fn remove(&mut self, turn: &Turn) -> Option<Uuid> {
        let (run, _) = self.runs.remove(turn)?;
        self.turns.remove(&run);
        Some(run)
    }

    /// Lets go of runs at the front that wait no more; how many.
    pub(super) fn drop_ended(&mut self, waits: &impl Fn(Uuid) -> bool) -> usize {
        let mut gone = 0;
        while let Some(first) = self.runs.first_entry().filter(|first| !waits(first.get().0)) {
            let (run, _) = first.remove();
            self.turns.remove(&run);
            gone += 1;
        }
        gone
    }

    /// The first run and those behind it that may share its call.
    pub(super) fn alike(&self, most: usize, waits: &impl Fn(Uuid) -> bool) -> Vec<Turn> {
        let Some((first, (_, key))) = self.runs.first_key_value() else { return Vec::new() };
        let shares = |other: &Option<GroupKey>| key.is_some() && other == key;
        let behind = self.runs.iter().take(WINDOW).skip(1);
        let others = behind.filter(|(_, (run, other))| shares(other) && waits(*run)).map(|(turn, _)| *turn);
        std::iter::once(*first).chain(others).take(most).collect()
    }
}
