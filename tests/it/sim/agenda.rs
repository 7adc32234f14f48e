//! What the world has in store, in order of time: the one place from which things happen by themselves.

use std::collections::BTreeMap;

use super::ecs::Step;

/// Something that will happen.
#[derive(Debug)]
pub(super) enum Act {
    /// A task goes on, unless it was stopped since (its epoch moved).
    Task { task: usize, epoch: u32, step: Step },
    /// A message arrives in the events queue.
    Deliver(String),
    /// A user sends a request, by its place in the fleet; `other`: with the same name and another body.
    Submit { request: usize, other: bool },
    /// An operator stops the runs of a request.
    Stop(usize),
    /// An operator begins the runs of a request again that failed, timed out or were aborted.
    Redrive(usize),
    /// The machine sleeps for so long.
    Suspend(u64),
    /// Somebody else launches.
    Launch(usize),
    /// A task of a call of somebody else's, which had refused it.
    LateTask(usize),
    /// Somebody stops a task that somebody else has launched.
    StopOfOthers(usize),
    /// The process is killed.
    Crash,
    /// The process is asked to end, and begins anew.
    Restart,
}

#[derive(Default)]
pub(super) struct Agenda {
    acts: BTreeMap<(u64, u64), Act>,
    next: u64,
}

impl Agenda {
    pub(super) fn add(&mut self, at: u64, act: Act) {
        self.acts.insert((at, self.next), act);
        self.next += 1;
    }

    /// When the next one is due.
    pub(super) fn next_at(&self) -> Option<u64> {
        self.acts.keys().next().map(|(at, _)| *at)
    }

    pub(super) fn pop(&mut self, now: u64) -> Option<Act> {
        self.next_at().filter(|at| *at <= now)?;
        self.acts.pop_first().map(|(_, act)| act)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.acts.is_empty()
    }
}
