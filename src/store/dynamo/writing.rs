//! Writes the rows of ended runs, some seconds after their ends: each once everybody who is to know of the end was told.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use futures::future::try_join_all;
use tokio::time::Instant;
use uuid::Uuid;

use super::ended;
use super::kept::{Kept, Stored, Written, digest};
use super::link::JournalError;
use super::owned::Owned;
use super::rows::{self, NameRow, Stands};
use super::table::TableError;
use crate::core::run::Run;

/// Rows that are written at once.
const AT_ONCE: usize = 16;
/// Most in one go.
const MOST: usize = 256;

impl Owned {
    /// Writes rows until there are none to write.
    ///
    /// Of runs that ended longer ago than `after` only: what is last seen of a task comes some seconds after its run's end, and
    /// a row should be written once.
    pub(super) async fn write_ready_rows(&self, after: Duration) -> Result<(), JournalError> {
        loop {
            let ready = self.unwritten(after);
            let count = ready.len();
            self.write_rows_of(ready).await?;
            if count < MOST {
                return Ok(());
            }
        }
    }

    /// Ended runs that were told of and have no row of their revision.
    fn unwritten(&self, after: Duration) -> Vec<Stored> {
        let before = (self.options.now)().minus(after).millis();
        let is_old = |stored: &Stored| stored.run.end.as_ref().is_some_and(|end| end.at <= before);
        self.journal.read(|kept| {
            let known = self.known();
            let is_written = |stored: &Stored| {
                known.written.get(&stored.id).is_some_and(|(written, _)| written.revision == stored.run.revision)
            };
            let ready = kept.ready().filter_map(|id| kept.shown(id));
            ready.filter(|stored| is_old(stored) && !is_written(stored)).take(MOST).collect()
        })
    }

    async fn write_rows_of(&self, ready: Vec<Stored>) -> Result<(), JournalError> {
        let (mut specs, mut runs) = (BTreeMap::new(), Vec::with_capacity(ready.len()));
        for stored in ready {
            let name = Arc::clone(&stored.run.request);
            let run = stored.unpack(&mut specs);
            runs.push(run.map_err(|e| JournalError::Damaged(format!("a run of request {name} is {e}")))?);
        }
        let mut written = Vec::with_capacity(runs.len());
        for some in runs.chunks(AT_ONCE) {
            written.extend(try_join_all(some.iter().map(|run| self.write_row(run))).await?);
        }
        let arrays: BTreeSet<Arc<str>> = runs
            .iter()
            .filter_map(|run| {
                let row = self.row_of(run);
                row.index.map(|_| row.request)
            })
            .collect();
        for request in arrays {
            self.close_if_over(&request, &written).await?;
        }
        let at = Instant::now();
        self.known().written.extend(written.into_iter().map(|written| (written.id, (written, at))));
        Ok(())
    }

    async fn write_row(&self, run: &Run) -> Result<Written, JournalError> {
        let ttl = ended::ttl(run.finished_at.unwrap_or(run.submitted_at), self.options.keep);
        let attributes = ended::attributes(run, &self.cell, ttl, &digest(run))
            .map_err(|e| JournalError::Damaged(format!("run {} cannot be written: {e}", run.name)))?;
        let stands = rows::write(&self.reading, &self.row_of(run), attributes).await?;
        // The name is another run's: this one is forgotten.
        let ttl = if stands == Stands::Ours { ttl } else { 0 };
        Ok(Written { id: run.id, revision: run.revision, ttl })
    }

    /// Where these rows were the last of an array: its name is free when they are forgotten.
    async fn close_if_over(&self, request: &Arc<str>, written: &[Written]) -> Result<(), TableError> {
        let mut numbers = self.names.lock().await;
        // A group that is on its way may begin one of them again.
        if self.journal.is_pending() {
            return Err(TableError::Unknown("a commit is on its way".to_owned()));
        }
        let is_over = self.journal.read(|kept| {
            let known = self.known();
            let has_row = |id: Uuid| {
                let earlier = known.written.get(&id).map(|(written, _)| written);
                let these = written.iter().find(|written| written.id == id);
                let revision = |kept: &Kept| kept.run(id).filter(|run| run.end.is_some()).map(|run| run.revision);
                earlier.into_iter().chain(these).any(|written| revision(kept) == Some(written.revision))
            };
            kept.of_request(request, 0).all(has_row)
        });
        if is_over {
            let number = self.number(&mut numbers);
            let name = NameRow { request: Arc::clone(request), cell: Arc::clone(&self.cell), number };
            let ttl = ended::ttl((self.options.now)(), self.options.keep);
            rows::close_name(&self.reading, &name, ttl).await?;
        }
        Ok(())
    }
}
