//! Before the log says that ended runs are begun again, their rows are open: TTL takes no row, and no name, of an open run.
//!
//! A row may be open, and the commit fail all the same: the answer is lost, another row is throttled, the process ends. Such a
//! row says what to do again, and nothing of what is durable: that is for the log, and for the run as it ended.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use tokio::sync::MutexGuard;
use uuid::Uuid;

use super::commit::{Failed, puts, taken};
use super::ended;
use super::kept::RowFact;
use super::owned::Owned;
use super::rows::{self, NameRow, Row, Stands};
use crate::core::run::Run;
use crate::store::Change;

impl Owned {
    /// Opens the rows of the ended runs that the commit begins again. What this answers is held until it is durable that they
    /// are open: their names must not be given up meanwhile.
    pub(super) async fn reopen_rows(
        &self,
        changes: &[Change],
        rows: &HashMap<Uuid, RowFact>,
    ) -> Result<Option<MutexGuard<'_, u64>>, Failed> {
        let redriven = self.redriven(changes, rows);
        if redriven.is_empty() {
            return Ok(None);
        }
        let mut numbers = self.names.lock().await;
        for (place, run) in redriven {
            let was = rows.get(&run.id).and_then(|row| row.ttl);
            if !self.reopen(run, was, self.number(&mut numbers)).await? {
                return Err(taken(place, run, "another", false).into());
            }
        }
        Ok(Some(numbers))
    }

    /// The ended runs that the commit begins again, each by its first step: a row that bears a later one would be higher than
    /// what the log may say in the end.
    fn redriven<'c>(&self, changes: &'c [Change], rows: &HashMap<Uuid, RowFact>) -> Vec<(usize, &'c Run)> {
        let ended = |run: &Run| match rows.get(&run.id) {
            Some(row) => Some(row.revision),
            None => self.journal.read(|kept| kept.run(run.id).filter(|run| run.end.is_some()).map(|run| run.revision)),
        };
        let mut begun = HashSet::new();
        let open = puts(changes).filter(|(_, run)| !run.status.is_final());
        open.filter(|(_, run)| ended(run).is_some_and(|ended| ended < run.revision) && begun.insert(run.id))
            .map(|(n, run)| (n, &**run))
            .collect()
    }

    /// False: it is forgotten, or another's name.
    async fn reopen(&self, run: &Run, was: Option<u64>, number: u64) -> Result<bool, Failed> {
        let (row, now) = (self.row_of(run), self.now());
        let is_array = row.index.is_some();
        let mut stands = rows::reopen(&self.reading, &row, was, now).await?;
        if stands == Stands::Another && is_array {
            stands = rows::hold(&self.reading, &row, now).await?;
        }
        if stands == Stands::Ours && is_array {
            let name = NameRow { request: row.request, cell: Arc::clone(&self.cell), number };
            stands = rows::keep_name(&self.reading, &name, now).await?;
        }
        Ok(stands == Stands::Ours)
    }

    /// Which row is this run's, as this owner writes it.
    pub(super) fn row_of(&self, run: &Run) -> Row {
        ended::row_of(run, self.journal.epoch())
    }
}

#[cfg(test)]
mod tests;
