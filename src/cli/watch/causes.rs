//! Many runs in numbers: by status, and in groups by what they failed of and wait for.

use std::time::Duration;

use super::data::{CauseGroup, Counted, WaitGroup};
use super::filter::Filter;
use crate::core::time::Timestamp;

/// The cell is asked for them at most so often: it reads each run that fits.
const AGAIN: Duration = Duration::from_secs(2);

/// The numbers that are looked at.
#[derive(Debug)]
pub(super) struct Causes {
    /// Of which runs.
    pub(super) filter: Filter,
    pub(super) counted: Option<Box<Counted>>,
    pub(super) problem: Option<String>,
    at: usize,
    stale: bool,
    asked_at: Option<Timestamp>,
    is_asked: bool,
}

/// The group that is selected.
pub(super) enum Group<'c> {
    Failed(&'c CauseGroup),
    Waits(&'c WaitGroup),
}

impl Causes {
    pub(super) fn new(filter: Filter) -> Self {
        Self { filter, counted: None, problem: None, at: 0, stale: true, asked_at: None, is_asked: false }
    }

    /// A run has changed: it may be one of them, or have been.
    pub(super) fn doubt(&mut self) {
        self.stale = true;
    }

    /// The connection is gone, and with it the answer.
    pub(super) fn forget_question(&mut self) {
        (self.stale, self.is_asked) = (true, false);
    }

    /// Of which runs the cell is to be asked now, if it is.
    pub(super) fn question(&mut self, now: Timestamp) -> Option<Filter> {
        let is_due = self.asked_at.is_none_or(|asked| now.since(asked) >= AGAIN);
        let asks = self.stale && !self.is_asked && is_due;
        asks.then(|| {
            (self.stale, self.is_asked, self.asked_at) = (false, true, Some(now));
            self.filter.clone()
        })
    }

    /// An answer, unless it is of other runs.
    pub(super) fn answered(&mut self, filter: &Filter, answer: Result<Box<Counted>, String>) {
        if *filter != self.filter {
            return;
        }
        self.is_asked = false;
        match answer {
            Ok(counted) => (self.counted, self.problem) = (Some(counted), None),
            Err(why) => (self.problem, self.stale) = (Some(why), true),
        }
        self.step(0);
    }

    /// The groups, failures first.
    pub(super) fn groups(&self) -> impl Iterator<Item = Group<'_>> {
        let failed = self.counted.iter().flat_map(|counted| &counted.causes).map(Group::Failed);
        failed.chain(self.counted.iter().flat_map(|counted| &counted.waits).map(Group::Waits))
    }

    pub(super) fn at(&self) -> usize {
        self.at
    }

    /// Moves by so many groups.
    pub(super) fn step(&mut self, by: isize) {
        let last = self.groups().count().saturating_sub(1);
        self.at = self.at.saturating_add_signed(by).min(last);
    }

    /// The runs of the selected group.
    pub(super) fn selected(&self) -> Option<Filter> {
        self.groups().nth(self.at).map(|group| match group {
            Group::Failed(group) => self.filter.failed_so(group),
            Group::Waits(group) => self.filter.in_status(&group.status),
        })
    }
}
