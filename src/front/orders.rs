//! What operators order: stop runs, begin them again, change limits.

use std::collections::BTreeMap;
use std::sync::Arc;

use uuid::Uuid;

use super::runs::seen;
use super::{Front, Of, Order, Seen, Unmoved};
use crate::cell::{Cell, Limits, LimitsChange, LimitsError, RedriveError};

impl Front {
    /// Asks runs to stop; answers how they are then. Of runs that another process has, how they were.
    ///
    /// # Errors
    /// The cell of a run that another process has could not be reached.
    pub async fn stop(&self, runs: Vec<Seen>, reason: &str) -> Result<Vec<Seen>, Unmoved> {
        for (cell, ids) in by_cell(&runs) {
            match self.own(&cell) {
                Some(cell) => drop(cell.stop_all(&ids, reason).await),
                None => self.pass(&cell, Order::Stop { runs: ids, reason: reason.to_owned() }).await?,
            }
        }
        Ok(runs.into_iter().map(|one| self.now(one)).collect())
    }

    /// Begins runs again that failed, timed out or were aborted: for each, how it is then or why it was not. Of runs that
    /// another process has, how they were.
    pub async fn redrive(&self, runs: Vec<Seen>) -> Vec<Result<Seen, RedriveError>> {
        let mut redriven = Vec::with_capacity(runs.len());
        let mut by_id: BTreeMap<Uuid, Seen> = runs.iter().map(|one| (one.run.id, one.clone())).collect();
        for (name, ids) in by_cell(&runs) {
            match self.own(&name) {
                Some(cell) => {
                    let now = |run| seen(&cell, vec![run]).pop().ok_or(RedriveError::Gone);
                    redriven.extend(cell.redrive_all(&ids).await.into_iter().map(|one| one.and_then(now)));
                }
                None => {
                    let (good, bad): (Vec<Uuid>, Vec<Uuid>) =
                        ids.into_iter().partition(|id| by_id.get(id).is_some_and(|one| one.run.can_be_redriven()));
                    redriven.extend(
                        bad.iter()
                            .filter_map(|id| by_id.remove(id))
                            .map(|one| Err(RedriveError::NotRedrivable { status: one.run.status, name: one.run.name })),
                    );
                    let order = Order::Redrive { runs: good.clone() };
                    let passed = match good.is_empty() {
                        true => Ok(()),
                        false => self.pass(&name, order).await,
                    };
                    let answer = |one: Seen| match &passed {
                        Ok(()) => Ok(one),
                        Err(error) => Err(RedriveError::Unreachable(error.to_string())),
                    };
                    redriven.extend(good.iter().filter_map(|id| by_id.remove(id)).map(answer));
                }
            }
        }
        redriven
    }

    /// The limits and pauses in force.
    pub fn limits(&self) -> Limits {
        match &self.parts.of {
            Of::Cell(cell) => cell.limits(),
            Of::Fleet(fleet) => self.cells().first().map_or_else(|| fleet.limits.clone(), Cell::limits),
        }
    }

    /// Changes limits and pauses of every cell that the process serves; durable, and in force, when this answers.
    ///
    /// # Errors
    /// As [`Cell::change_limits`].
    pub async fn change_limits(&self, change: LimitsChange) -> Result<Limits, LimitsError> {
        let mut limits = None;
        for cell in self.cells().iter() {
            limits = Some(cell.change_limits(change.clone()).await?);
        }
        limits.ok_or(LimitsError::Closed)
    }

    fn own(&self, name: &str) -> Option<Cell> {
        let cells = self.cells();
        // A process of one cell has no other whose runs it could show.
        cells.iter().find(|cell| !self.is_fleet() || cell.name() == name).cloned()
    }

    async fn pass(&self, cell: &str, order: Order) -> Result<(), Unmoved> {
        match self.elsewhere() {
            Some(elsewhere) => elsewhere.order(cell, order).await,
            None => Err(Unmoved { cell: cell.to_owned(), why: "it is not served here any more".to_owned() }),
        }
    }
}

/// Runs by their cell, in order.
fn by_cell(runs: &[Seen]) -> BTreeMap<Arc<str>, Vec<Uuid>> {
    let mut cells: BTreeMap<Arc<str>, Vec<Uuid>> = BTreeMap::new();
    for one in runs {
        cells.entry(Arc::clone(&one.cell)).or_default().push(one.run.id);
    }
    cells
}
