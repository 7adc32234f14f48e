//! What operators order: stop runs, begin them again, change limits.

use std::collections::BTreeMap;
use std::sync::Arc;

use uuid::Uuid;

use super::runs::seen;
use super::{Elsewhere, Front, Holder, Of, Seen, Unmoved};
use crate::cell::{Cell, Limits, LimitsChange, LimitsError, RedriveError};
use crate::core::order::{Order, Target};

impl Front {
    /// Asks runs to stop; answers how they are then. Of runs that another process has, how they were.
    ///
    /// # Errors
    /// The cell of a run that another process has could not be reached.
    pub async fn stop(&self, runs: Vec<Seen>, reason: &str) -> Result<Vec<Seen>, Unmoved> {
        for (name, runs) in by_cell(&runs) {
            match self.holder(&name) {
                Holder::Own(cell) => drop(cell.stop_all(&ids(&runs), reason).await),
                Holder::Another(others) => {
                    let order = Order::Stop { runs: targets(&runs), reason: reason.to_owned() };
                    others.order(&name, order).await?;
                }
            }
        }
        Ok(runs.into_iter().map(|one| self.now(one)).collect())
    }

    /// Begins runs again that failed, timed out or were aborted: for each, how it is then or why it was not. Of runs that
    /// another process has, how they were.
    pub async fn redrive(&self, runs: Vec<Seen>) -> Vec<Result<Seen, RedriveError>> {
        let mut redriven = Vec::with_capacity(runs.len());
        for (name, runs) in by_cell(&runs) {
            redriven.extend(match self.holder(&name) {
                Holder::Own(cell) => begin_again(&cell, &ids(&runs)).await,
                Holder::Another(others) => order_again(&**others, &name, runs).await,
            });
        }
        redriven
    }

    /// The limits and pauses in force.
    pub fn limits(&self) -> Limits {
        match &self.parts.of {
            Of::Cell(cell) => cell.limits(),
            Of::Fleet(fleet) => fleet.elsewhere.limits(),
        }
    }

    /// Changes limits and pauses, of a fleet those of all its cells; durable, and in force here, when this answers.
    ///
    /// # Errors
    /// As [`Cell::change_limits`]; of a fleet [`LimitsError::Table`].
    pub async fn change_limits(&self, change: LimitsChange) -> Result<Limits, LimitsError> {
        match &self.parts.of {
            Of::Cell(cell) => cell.change_limits(change).await,
            Of::Fleet(fleet) => fleet.elsewhere.change_limits(change).await,
        }
    }
}

async fn begin_again(cell: &Cell, ids: &[Uuid]) -> Vec<Result<Seen, RedriveError>> {
    let now = |run| seen(cell, vec![run]).pop().ok_or(RedriveError::Gone);
    cell.redrive_all(ids).await.into_iter().map(|one| one.and_then(now)).collect()
}

async fn order_again(others: &dyn Elsewhere, cell: &str, runs: Vec<&Seen>) -> Vec<Result<Seen, RedriveError>> {
    let (good, bad): (Vec<&Seen>, Vec<&Seen>) = runs.into_iter().partition(|one| one.run.can_be_redriven());
    let mut answers: Vec<_> = bad.iter().map(|one| Err(RedriveError::of(&one.run))).collect();
    if good.is_empty() {
        return answers;
    }
    let passed = others.order(cell, Order::Redrive { runs: targets(&good) }).await;
    answers.extend(good.into_iter().map(|one| match &passed {
        Ok(()) => Ok(one.clone()),
        Err(error) => Err(RedriveError::Unreachable(error.to_string())),
    }));
    answers
}

/// Runs by their cell, in order.
fn by_cell(runs: &[Seen]) -> BTreeMap<Arc<str>, Vec<&Seen>> {
    let mut cells: BTreeMap<Arc<str>, Vec<&Seen>> = BTreeMap::new();
    for one in runs {
        cells.entry(Arc::clone(&one.cell)).or_default().push(one);
    }
    cells
}

fn ids(runs: &[&Seen]) -> Vec<Uuid> {
    runs.iter().map(|one| one.run.id).collect()
}

fn targets(runs: &[&Seen]) -> Vec<Target> {
    runs.iter().map(|one| Target::from(&one.run)).collect()
}
