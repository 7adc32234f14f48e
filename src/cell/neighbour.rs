//! Whether a neighbour of the cell (a queue, ECS, the store) does what it is asked: said when that changes, not by each
//! call, and kept for those who ask how the cell is.

use std::fmt::Display;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

/// How one neighbour does.
#[derive(Default)]
pub(super) struct Neighbour(Mutex<State>);

#[derive(Default)]
struct State {
    heard: bool,
    ill: Option<Ill>,
}

struct Ill {
    since: Instant,
    times: u32,
    why: String,
}

impl Neighbour {
    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// It did what it was asked; how long it had not, if it had not.
    pub(super) fn well(&self) -> Option<Duration> {
        let mut state = self.state();
        state.heard = true;
        state.ill.take().map(|ill| ill.since.elapsed())
    }

    /// The same of a call that began at an instant: one that was out when the trouble began says nothing of its end.
    pub(super) fn well_since(&self, began: Instant) -> Option<Duration> {
        let before = self.state().ill.as_ref().is_some_and(|ill| ill.since > began);
        if before { None } else { self.well() }
    }

    /// It did not; how often in a row by now.
    pub(super) fn ill(&self, why: &dyn Display) -> u32 {
        let mut state = self.state();
        let ill = state.ill.get_or_insert_with(|| Ill { since: Instant::now(), times: 0, why: String::new() });
        ill.times = ill.times.saturating_add(1);
        ill.why = why.to_string();
        ill.times
    }

    /// Whether it did when it was last asked, and was asked.
    pub(super) fn is_well(&self) -> bool {
        let state = self.state();
        state.heard && state.ill.is_none()
    }

    /// What it said last, if it did not do what it was asked so many times in a row.
    pub(super) fn trouble(&self, times: u32) -> Option<String> {
        self.state().ill.as_ref().filter(|ill| ill.times >= times).map(|ill| ill.why.clone())
    }
}
