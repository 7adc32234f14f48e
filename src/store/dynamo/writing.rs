//! Writes the rows of ended runs, some seconds after their ends: each once everybody who is to know of the end was told.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use futures::future::join_all;
use tokio::time::Instant;
use uuid::Uuid;

use super::ended;
use super::kept::{Stored, Written, digest};
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
    /// Writes rows until there are none to write, and gives up the names of arrays that are over by them.
    ///
    /// Of runs that ended longer ago than `after` only: what is last seen of a task comes some seconds after its run's end, and
    /// a row should be written once.
    pub(super) async fn write_ready_rows(&self, after: Duration) -> Result<(), JournalError> {
        let rows = self.write_all_rows(after).await;
        // Those that are written need not wait for the others.
        self.close_names().await?;
        rows
    }

    async fn write_all_rows(&self, after: Duration) -> Result<(), JournalError> {
        loop {
            let ready = self.unwritten(after);
            let count = ready.len();
            self.write_rows_of(ready).await?;
            if count < MOST {
                return Ok(());
            }
        }
    }

    async fn close_names(&self) -> Result<(), TableError> {
        let unclosed: Vec<Arc<str>> = self.known().unclosed.iter().cloned().collect();
        for request in unclosed {
            if !self.close_if_over(&request).await? {
                break;
            }
            self.known().unclosed.remove(&request);
        }
        Ok(())
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
        for some in runs.chunks(AT_ONCE) {
            // Those that are written are so, whatever becomes of the others.
            let written = join_all(some.iter().map(|run| self.write_row(run))).await;
            for (run, written) in some.iter().zip(&written) {
                written.iter().for_each(|written| self.note_written(run, *written));
            }
            written.into_iter().collect::<Result<Vec<_>, _>>()?;
        }
        Ok(())
    }

    fn note_written(&self, run: &Run, written: Written) {
        let mut known = self.known();
        known.written.insert(run.id, (written, Instant::now()));
        let row = self.row_of(run);
        known.unclosed.extend(row.index.map(|_| row.request));
    }

    async fn write_row(&self, run: &Run) -> Result<Written, JournalError> {
        let ttl = ended::ttl(run.finished_at.unwrap_or(run.submitted_at), self.options.keep);
        let attributes = ended::attributes(run, &self.cell, ttl, &digest(run))
            .map_err(|e| JournalError::Damaged(format!("run {} cannot be written: {e}", run.name)))?;
        let stands = rows::write(&self.reading, &self.row_of(run), attributes, self.now()).await?;
        // The name is another run's: this one is forgotten.
        let ttl = if stands == Stands::Ours { ttl } else { 0 };
        Ok(Written { id: run.id, revision: run.revision, ttl })
    }

    /// Where the rows were the last of an array: its name is free when they are forgotten. False: that cannot be said now.
    async fn close_if_over(&self, request: &Arc<str>) -> Result<bool, TableError> {
        let mut numbers = {
            let _between_commits = self.committing.lock().await;
            // What a commit has left that failed may begin one of them again. One that goes on would hold the names.
            if self.journal.is_pending() {
                return Ok(false);
            }
            self.names.lock().await
        };
        let is_over = self.journal.read(|kept| {
            let known = self.known();
            let has_row = |id: Uuid| {
                let revision = kept.run(id).filter(|run| run.end.is_some()).map(|run| run.revision);
                known.written.get(&id).is_some_and(|(written, _)| revision == Some(written.revision))
            };
            kept.of_request(request, 0).all(has_row)
        });
        if is_over {
            let number = self.number(&mut numbers);
            let name = NameRow { request: Arc::clone(request), cell: Arc::clone(&self.cell), number };
            let ttl = ended::ttl((self.options.now)(), self.options.keep);
            rows::close_name(&self.reading, &name, ttl).await?;
        }
        Ok(true)
    }
}

#[cfg(test)]
mod tests;
