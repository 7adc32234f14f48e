//! Every change of every run, from here on.

use std::sync::Arc;

use futures::stream::{self, BoxStream, SelectAll, StreamExt as _};
use tokio::sync::broadcast::{Receiver, error::RecvError};
use tokio::sync::watch;

use super::{Front, OwnCells};
use crate::cell::{Cell, Moved, Numbered, RunChange};

/// What came.
#[derive(Clone, Debug)]
pub enum Came {
    /// A run changed. Changes of a single cell have a number.
    Change(Option<u64>, Arc<RunChange>),
    /// Some changes were missed: so many, where that is known.
    Missed(Option<u64>),
}

/// Changes as they come.
pub struct Changes {
    all: SelectAll<BoxStream<'static, Came>>,
    /// Of a fleet: its cells come and go.
    own: Option<watch::Receiver<OwnCells>>,
    known: Vec<Cell>,
}

impl Front {
    /// Every change from here on. A slow listener misses the oldest.
    pub fn changes(&self) -> Changes {
        let mut own = self.parts.own.clone();
        let known = own.borrow_and_update().to_vec();
        let mut all: SelectAll<_> = known.iter().map(|cell| of_cell(cell.subscribe(), !self.is_fleet())).collect();
        if let Some(elsewhere) = self.elsewhere() {
            all.push(of_others(elsewhere.changes()));
        }
        Changes { all, own: self.is_fleet().then_some(own), known }
    }

    /// What came after the change of this number, and every change from here on. `None` when some of it is no longer kept, and
    /// in a fleet: its changes have no common order.
    pub fn changes_after(&self, number: u64) -> Option<(Vec<Numbered>, Changes)> {
        let cells = self.cells();
        let cell = cells.first().filter(|_| !self.is_fleet())?;
        let (missed, coming) = cell.subscribe_after(number)?;
        let all = [of_cell(coming, true)].into_iter().collect();
        Some((missed, Changes { all, own: None, known: Vec::new() }))
    }

    /// The number of the newest change; 0 in a fleet.
    pub fn last_change(&self) -> u64 {
        self.cells().first().filter(|_| !self.is_fleet()).map_or(0, Cell::last_change)
    }
}

impl Changes {
    /// The next change; `None` once there will be no more.
    pub async fn next(&mut self) -> Option<Came> {
        loop {
            let Some(own) = &mut self.own else { return self.all.next().await };
            tokio::select! {
                came = self.all.next(), if !self.all.is_empty() => {
                    if let Some(came) = came {
                        return Some(came);
                    }
                }
                changed = own.changed() => {
                    changed.ok()?;
                    let cells = Arc::clone(&own.borrow_and_update());
                    if self.follow(&cells) {
                        // What the cell did before is not told one by one.
                        return Some(Came::Missed(None));
                    }
                }
            }
        }
    }

    /// Listens to the cells that are new; whether there were any.
    fn follow(&mut self, cells: &[Cell]) -> bool {
        let (before, known) = (std::mem::take(&mut self.known), cells.to_vec());
        self.known = known;
        let new: Vec<&Cell> = cells.iter().filter(|cell| !before.iter().any(|old| old.is(cell))).collect();
        new.iter().for_each(|cell| self.all.push(of_cell(cell.subscribe(), false)));
        !new.is_empty()
    }
}

fn of_cell(changes: Receiver<Numbered>, is_only: bool) -> BoxStream<'static, Came> {
    received(changes, move |numbered| Came::Change(is_only.then_some(numbered.number), numbered.change))
}

fn of_others(changes: Receiver<Moved>) -> BoxStream<'static, Came> {
    received(changes, |moved| match moved {
        Moved::Change(change) => Came::Change(None, change),
        Moved::Missed => Came::Missed(None),
    })
}

fn received<T: Clone + Send + 'static>(
    changes: Receiver<T>,
    came: impl Fn(T) -> Came + Copy + Send + 'static,
) -> BoxStream<'static, Came> {
    let next = move |mut changes: Receiver<T>| async move {
        match changes.recv().await {
            Ok(change) => Some((came(change), changes)),
            Err(RecvError::Lagged(missed)) => Some((Came::Missed(Some(missed)), changes)),
            Err(RecvError::Closed) => None,
        }
    };
    stream::unfold(changes, next).boxed()
}
