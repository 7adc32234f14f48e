//! Whether what the cell depends on (a queue, ECS, the store) answers: logged when that changes, not by each call, and kept
//! for those who ask how the cell is.

use std::fmt::Display;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

/// The health of one dependency.
#[derive(Default)]
pub(super) struct DependencyHealth(Mutex<State>);

#[derive(Default)]
struct State {
    was_asked: bool,
    failing: Option<Failing>,
}

struct Failing {
    since: Instant,
    times: u32,
    why: String,
}

impl DependencyHealth {
    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A call succeeded; how long calls had failed before, if they had.
    pub(super) fn succeeded(&self) -> Option<Duration> {
        let mut state = self.state();
        state.was_asked = true;
        state.failing.take().map(|failing| failing.since.elapsed())
    }

    /// The same of a call that began at an instant: one that was out when the failures began does not end them.
    pub(super) fn succeeded_since(&self, began: Instant) -> Option<Duration> {
        let before = self.state().failing.as_ref().is_some_and(|failing| failing.since > began);
        if before { None } else { self.succeeded() }
    }

    /// A call failed; how many in a row by now.
    pub(super) fn failed(&self, why: &dyn Display) -> u32 {
        let mut state = self.state();
        let new = || Failing { since: Instant::now(), times: 0, why: String::new() };
        let failing = state.failing.get_or_insert_with(new);
        failing.times = failing.times.saturating_add(1);
        failing.why = why.to_string();
        failing.times
    }

    /// Whether the last call succeeded, and there was one.
    pub(super) fn is_healthy(&self) -> bool {
        let state = self.state();
        state.was_asked && state.failing.is_none()
    }

    /// Whether the last call failed.
    pub(super) fn is_failing(&self) -> bool {
        self.state().failing.is_some()
    }

    /// What the last call said, if so many failed in a row.
    pub(super) fn failure(&self, times: u32) -> Option<String> {
        self.state().failing.as_ref().filter(|failing| failing.times >= times).map(|failing| failing.why.clone())
    }
}
