//! What a process of a fleet knows beside the runs that its own cells have in memory.

use std::collections::BTreeMap;

use futures::future::BoxFuture;
use tokio::sync::broadcast;
use uuid::Uuid;

use super::Seen;
use crate::cell::{Hindrance, Limits, LimitsChange, LimitsError, Moved, ObservedItem, RunCounts, Standstill};
use crate::core::order::Order;
use crate::fleet::{FleetView, Takeovers};
use crate::store::{Page, Query, StoreError};

/// An order was not passed on.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("cell {cell} could not be reached by its queue: {why}; send the request again")]
pub struct Unmoved {
    /// Whose runs they are.
    pub cell: String,
    /// What its queue said.
    pub why: String,
}

/// Why runs were not stopped.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum StopError {
    /// They are of a cell of this process, which makes nothing durable at the moment.
    #[error(transparent)]
    Standstill(#[from] Standstill),
    /// They are of another process's cell.
    #[error(transparent)]
    Unmoved(#[from] Unmoved),
}

/// The runs of a fleet that are not in the memory of the process's own cells: the open ones of all other cells, whoever
/// serves them, as this process last read them; and the ended ones of all cells.
///
/// What is told of an open run of another cell may be some seconds old.
pub trait Elsewhere: Send + Sync + 'static {
    /// The fleet, as the process last read it.
    fn fleet(&self) -> FleetView;

    /// Whether the fleet does not hear from the process: it does nothing that another could do.
    fn is_suspended(&self) -> bool;

    /// What keeps the process from its part in the fleet.
    fn hindrances(&self) -> Vec<Hindrance>;

    /// How often the process came by each cell of the fleet, in each way.
    fn takeovers(&self) -> Takeovers;

    /// At most `query.limit` of those that fit, newest first. The next page is of those before [`Page::next`].
    fn list(&self, query: Query) -> BoxFuture<'_, Result<Page<Seen, Uuid>, StoreError>>;

    /// At most `limit` of the runs that an id, a name, or the name of an array stands for, by their index, from `from` on.
    fn find<'a>(&'a self, name: &'a str, from: u32, limit: usize)
    -> BoxFuture<'a, Result<Page<Seen, u32>, StoreError>>;

    /// How many the other cells have.
    fn counts(&self) -> BoxFuture<'_, RunCounts>;

    /// Of the open runs of the other cells those that wait for their launch, by queue.
    fn waiting(&self) -> BTreeMap<String, usize>;

    /// How many runs of the other cells may have a task.
    fn in_flight(&self) -> usize;

    /// Failures that the other cells observed, in no order: the newest of each.
    fn observed(&self) -> Vec<ObservedItem>;

    /// Every change of a run of another cell from here on, and when some were missed.
    fn changes(&self) -> broadcast::Receiver<Moved>;

    /// The limits and pauses in force in the fleet.
    fn limits(&self) -> Limits;

    /// Changes the limits and pauses of the fleet: durable when this answers, in force in the process's own cells, and soon in
    /// the others.
    fn change_limits(&self, change: LimitsChange) -> BoxFuture<'_, Result<Limits, LimitsError>>;

    /// Passes an order to the cell that has the runs, whoever serves it, or will.
    fn order<'a>(&'a self, cell: &'a str, order: Order) -> BoxFuture<'a, Result<(), Unmoved>>;
}
