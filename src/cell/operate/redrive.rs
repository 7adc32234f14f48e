//! Begins ended runs again, also those that only the store still has.

use std::sync::Arc;

use uuid::Uuid;

use crate::cell::commit::{PendingCommit, Pipeline, Retention};
use crate::cell::launch::{Expected, WaitingRuns};
use crate::cell::lifecycle::Lifecycle;
use crate::cell::runs::RunIndex;
use crate::cell::standstill::Standstill;
use crate::core::machine::Input;
use crate::core::order::Target;
use crate::core::run::{Run, Status};
use crate::store::{Key, Store, StoreError};

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
    /// Its cell makes nothing durable at the moment.
    #[error(transparent)]
    Standstill(#[from] Standstill),
    /// Another process has it, and could not be told.
    #[error("{0}")]
    Unreachable(String),
    /// The cell takes nothing more.
    #[error("the cell is shutting down; send the request again")]
    Closed,
}

impl RedriveError {
    /// This run is not one that can be redriven.
    pub(crate) fn of(run: &Run) -> Self {
        Self::NotRedrivable { name: run.name.clone(), status: run.status }
    }
}

/// Begins runs again.
pub(in crate::cell) struct Redrive {
    runs: Arc<RunIndex>,
    pipeline: Arc<Pipeline>,
    waiting: Arc<WaitingRuns>,
    retention: Arc<Retention>,
    store: Arc<dyn Store>,
    lifecycle: Arc<Lifecycle>,
    /// Held while runs that only the store has are taken back into memory: of two that find the same run in the store, the
    /// second must find it in memory.
    taking_back: tokio::sync::Mutex<()>,
}

impl Redrive {
    pub(in crate::cell) fn new(
        runs: Arc<RunIndex>,
        pipeline: Arc<Pipeline>,
        waiting: Arc<WaitingRuns>,
        retention: Arc<Retention>,
        store: Arc<dyn Store>,
        lifecycle: Arc<Lifecycle>,
    ) -> Self {
        Self { runs, pipeline, waiting, retention, store, lifecycle, taking_back: tokio::sync::Mutex::default() }
    }

    /// Begins runs again, all in as few commits as there must be; durable when this answers, for each.
    pub(in crate::cell) async fn redrive_all(&self, ids: &[Uuid]) -> Vec<Result<Run, RedriveError>> {
        self.redrive_each(ids.iter().map(|id| (*id, None))).await
    }

    /// The same of runs in the lives in which they were seen: one that was begun again since is left alone.
    pub(in crate::cell) async fn redrive_these(&self, runs: &[Target]) -> Vec<Result<Run, RedriveError>> {
        self.redrive_each(runs.iter().map(|target| (target.run, Some(target.redrives)))).await
    }

    async fn redrive_each(
        &self,
        runs: impl ExactSizeIterator<Item = (Uuid, Option<u32>)> + Clone,
    ) -> Vec<Result<Run, RedriveError>> {
        let mut begun = Vec::with_capacity(runs.len());
        for (id, redrives) in runs.clone() {
            begun.push(self.begin(id, redrives).await);
        }
        let mut redriven = Vec::with_capacity(runs.len());
        for ((id, _), begun) in runs.zip(begun) {
            redriven.push(match begun {
                // Its place in the launch queue is its own until it has taken it.
                Ok((made, _expected)) => self.result(id, made.durable().await),
                Err(error) => Err(error),
            });
        }
        redriven
    }

    async fn begin(&self, id: Uuid, redrives: Option<u32>) -> Result<(PendingCommit, Expected), RedriveError> {
        if self.lifecycle.is_draining() {
            return Err(RedriveError::Closed);
        }
        if self.waiting.is_full() {
            return Err(RedriveError::Full);
        }
        self.take_back(id).await?;
        let another_life = |run: &Run| redrives.is_some_and(|seen| seen != run.redrives).then(|| RedriveError::of(run));
        if let Some(error) = self.runs.read(id, another_life).flatten() {
            return Err(error);
        }
        let expected = self.waiting.expect(1);
        let made = self.pipeline.advance(id, Input::Redriven).await.ok_or(RedriveError::Gone)?;
        Ok((made, expected))
    }

    fn result(&self, id: Uuid, changed: Option<bool>) -> Result<Run, RedriveError> {
        let changed = changed.ok_or(RedriveError::Closed)?;
        let run = self.runs.read(id, Run::clone).ok_or(RedriveError::Gone)?;
        if changed { Ok(run) } else { Err(RedriveError::of(&run)) }
    }

    /// Takes a final run that left memory back into it.
    async fn take_back(&self, id: Uuid) -> Result<(), RedriveError> {
        let _one_at_a_time = self.taking_back.lock().await;
        if self.runs.has(id) {
            return Ok(());
        }
        let found = self.store.find(Key::Run(id), 1).await?.items;
        let run = found.into_iter().next().ok_or(RedriveError::Gone)?;
        if !run.can_be_redriven() {
            return Err(RedriveError::of(&run));
        }
        self.runs.insert(run);
        // Should it not be begun again after all, it leaves memory with the others.
        self.retention.take_back(id);
        Ok(())
    }
}
