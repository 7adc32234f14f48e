//! What operators order: stop runs, begin them again, change limits.

use std::collections::BTreeMap;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use uuid::Uuid;

use super::runs::seen;
use super::{Elsewhere, Front, Holder, Of, Seen, StopError};
use crate::cell::{Cell, Limits, LimitsChange, LimitsError, RedriveError, Standstill};
use crate::core::order::{Order, Target};

/// While an order is carried out it is looked so often whether it still can be.
const LOOK: Duration = Duration::from_millis(500);

impl Front {
    /// Whether the process can order anything at the moment.
    ///
    /// # Errors
    /// [`Standstill::Suspended`]: its fleet does not hear from it.
    pub fn takes_orders(&self) -> Result<(), Standstill> {
        let is_suspended = self.elsewhere().is_some_and(|elsewhere| elsewhere.is_suspended());
        if is_suspended { Err(Standstill::Suspended) } else { Ok(()) }
    }

    /// Asks runs to stop; answers how they are then. Of runs that another process has, how they were.
    ///
    /// # Errors
    /// The cell makes nothing durable at the moment; the cell of a run that another process has could not be reached.
    pub async fn stop(&self, runs: Vec<Seen>, reason: &str) -> Result<Vec<Seen>, StopError> {
        for (name, runs) in by_cell(&runs) {
            match self.holder(&name) {
                Holder::Own(cell) => {
                    let stopped = unless_it_stands_still(&cell, cell.stop_all(&ids(&runs), reason)).await?;
                    if stopped.contains(&false) && cell.standstill() == Some(Standstill::Closed) {
                        return Err(Standstill::Closed.into());
                    }
                }
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
                Holder::Own(cell) => {
                    let (ids, still) = (ids(&runs), |why: &Standstill| Err(RedriveError::from(why.clone())));
                    let begun = unless_it_stands_still(&cell, begin_again(&cell, &ids)).await;
                    begun.unwrap_or_else(|why| ids.iter().map(|_| still(&why)).collect())
                }
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

/// What a cell does, unless it makes nothing durable: whoever asked is not to wait for that to pass. What was begun may be done
/// then all the same, and harms nobody: a run is stopped once, and begun again once.
async fn unless_it_stands_still<T>(cell: &Cell, work: impl Future<Output = T>) -> Result<T, Standstill> {
    let mut work = pin!(work);
    loop {
        if let Some(why) = cell.standstill() {
            return Err(why);
        }
        if let Ok(done) = tokio::time::timeout(LOOK, &mut work).await {
            return Ok(done);
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
