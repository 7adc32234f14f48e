//! What belongs together on its way to the store, and what follows once it is there.

use std::sync::Arc;

use tokio::sync::oneshot;
use uuid::Uuid;

use crate::cell::view::RunChange;
use crate::core::machine::Effect;
use crate::core::notification::{Destination, Notification};
use crate::core::run::{Run, Stage};
use crate::store::Change;

/// A run's effects, and how it looks now.
pub(super) struct After {
    pub(super) run: Uuid,
    pub(super) effects: Vec<Effect>,
    pub(super) change: RunChange,
}

/// Runs of a request that is accepted with this commit: nothing shows them before it is durable.
pub(super) struct Accepted {
    pub(super) runs: Vec<Run>,
    /// Held until they are visible: the claim of their name, their places in the launch queue.
    pub(super) until_visible: Box<dyn Send>,
}

/// Changes that become durable together.
#[derive(Default)]
pub(in crate::cell) struct Commit {
    pub(super) changes: Vec<Change>,
    /// What need not be durable when this is, and is written with what comes.
    pub(super) later: Option<Change>,
    pub(super) after: Vec<After>,
    pub(super) accepted: Option<Accepted>,
    /// Destinations for which it puts a notification into the outbox.
    pub(super) destinations: Vec<Destination>,
    pub(super) done: Option<oneshot::Sender<Result<(), NotDurable>>>,
}

/// Why a commit did not become durable.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(in crate::cell) enum NotDurable {
    /// The cell ended before: nobody was told, and what caused it comes again.
    #[error("the cell ended")]
    Ended,
    /// The store cannot hold it.
    #[error("{0}")]
    TooLarge(String),
    /// Its name is another run's, as only the store could know.
    #[error("{name:?} is the name of another run, which cell {cell} accepted")]
    NameTaken {
        /// The name.
        name: String,
        /// The cell that has it.
        cell: String,
        /// The request is the same one.
        same: bool,
    },
}

impl Commit {
    /// Changes of no run; the second value resolves once they are durable.
    pub(in crate::cell) fn of(changes: Vec<Change>) -> (Self, PendingCommit) {
        let (done, durable) = oneshot::channel();
        (Self { changes, done: Some(done), ..Self::default() }, PendingCommit { changed: true, durable })
    }

    /// Nothing: resolves once all that came before is durable.
    pub(super) fn barrier() -> (Self, PendingCommit) {
        let (commit, pending) = Self::of(Vec::new());
        (commit, PendingCommit { changed: false, ..pending })
    }

    /// Puts notifications into the outbox.
    pub(in crate::cell) fn post(&mut self, notifications: Vec<Notification>) {
        self.destinations.extend(notifications.iter().map(|notification| notification.destination.clone()));
        self.changes.extend(notifications.into_iter().map(|notification| Change::Post(Arc::new(notification))));
    }

    /// Whether nothing that must survive a crash waits for it. A task that was placed or is RUNNING is found again by its
    /// token or by DescribeTasks, and a notification goes out again under its id.
    pub(super) fn is_soft(&self) -> bool {
        let is_on_its_way =
            |run: &Run| !run.status.is_final() && run.attempt().is_some_and(|attempt| attempt.stage == Stage::Placed);
        let is_soft = |change: &Change| match change {
            Change::Delivered(_) => true,
            Change::Put(run) => is_on_its_way(run),
            Change::Forget(_) | Change::Post(_) | Change::Note { .. } => false,
        };
        self.accepted.is_none()
            && self.changes.iter().all(is_soft)
            && self.after.iter().all(|after| after.effects.is_empty())
    }

    /// Whether it says only that notifications were taken. Lost, they go out again under their ids.
    pub(super) fn is_delivered(&self) -> bool {
        !self.changes.is_empty() && self.changes.iter().all(|change| matches!(change, Change::Delivered(_)))
    }

    /// Adds a change that belongs to it.
    pub(in crate::cell) fn push(&mut self, change: Change) {
        self.changes.push(change);
    }

    pub(super) fn settle(self, outcome: Result<(), NotDurable>) {
        if let Some(done) = self.done {
            // Nobody waiting is no error.
            let _ = done.send(outcome);
        }
    }
}

/// A transition that was made, on its way to the store.
#[must_use]
pub(in crate::cell) struct PendingCommit {
    /// Whether anything changed that must survive a crash.
    pub(in crate::cell) changed: bool,
    pub(super) durable: oneshot::Receiver<Result<(), NotDurable>>,
}

impl PendingCommit {
    /// Waits for the commit; whether there was anything to commit. `None`: it did not become durable.
    pub(in crate::cell) async fn durable(self) -> Option<bool> {
        self.outcome().await.ok()
    }

    /// The same, with the reason.
    pub(in crate::cell) async fn outcome(self) -> Result<bool, NotDurable> {
        self.durable.await.unwrap_or(Err(NotDurable::Ended)).map(|()| self.changed)
    }
}
