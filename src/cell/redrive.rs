//! Begins ended runs again, also those that only the store still has.

use std::sync::PoisonError;

use uuid::Uuid;

use super::{Cell, Inner};
use crate::core::machine::Input;
use crate::core::run::{Run, Status};
use crate::store::{Key, StoreError};

/// Why a run was not begun again.
#[derive(Debug, thiserror::Error)]
pub enum RedriveError {
    /// It is open, or reached its goal.
    #[error("{name:?} is {}: only a run that is FAILED, TIMED_OUT or ABORTED can be redriven", .status.as_str())]
    NotRedrivable {
        /// The run.
        name: String,
        /// Where it is.
        status: Status,
    },
    /// As many runs wait for their launch as may.
    #[error("the cell has as many waiting runs as it may: redrive the run later")]
    Full,
    /// There is no such run (any more).
    #[error("there is no such run any more")]
    Gone,
    /// The store cannot be read.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The cell takes nothing more.
    #[error("the cell is shutting down; send the request again")]
    Closed,
}

impl Cell {
    /// Begins a run again that ended short of its goal; durable when this answers. Its retries and `timeoutSeconds` count anew,
    /// its attempts are numbered on, and its next end is told under an id of its own.
    ///
    /// # Errors
    /// [`RedriveError::NotRedrivable`] for a run that is open or SUCCEEDED; see the others.
    pub async fn redrive(&self, id: Uuid) -> Result<Run, RedriveError> {
        let inner = &self.inner;
        if inner.draining.is_cancelled() {
            return Err(RedriveError::Closed);
        }
        if inner.is_full() {
            return Err(RedriveError::Full);
        }
        inner.take_back(id).await?;
        let made = inner.advance(id, Input::Redriven).await.ok_or(RedriveError::Gone)?;
        let changed = made.durable().await.ok_or(RedriveError::Closed)?;
        let run = self.run(id).ok_or(RedriveError::Gone)?;
        if changed { Ok(run) } else { Err(RedriveError::NotRedrivable { name: run.name, status: run.status }) }
    }
}

impl Inner {
    /// Takes a final run that left memory back into it.
    async fn take_back(&self, id: Uuid) -> Result<(), RedriveError> {
        // One at a time: of two that find the same run in the store, the second must find it in memory.
        let _one_at_a_time = self.redriving.lock().await;
        if self.registry.has(id) {
            return Ok(());
        }
        let found = self.ports.store.find(Key::Run(id), 1).await?;
        let run = found.items.into_iter().next().ok_or(RedriveError::Gone)?;
        if !run.can_be_redriven() {
            return Err(RedriveError::NotRedrivable { name: run.name, status: run.status });
        }
        self.registry.insert(run);
        // Should it not be begun again after all, it leaves memory with the others.
        self.finished.lock().unwrap_or_else(PoisonError::into_inner).push_back(id);
        Ok(())
    }
}
