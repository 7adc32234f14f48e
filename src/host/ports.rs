//! What a process of a fleet needs to serve a cell.

use std::sync::Arc;

use futures::future::BoxFuture;

use crate::cell::{CellConfig, Ports};
use crate::store::dynamo::CellRow;
use crate::store::{Store, StoreError};

/// The store of a cell that was taken.
pub struct Opened {
    /// It.
    pub store: Arc<dyn Store>,
    /// The epoch in which it is this process's.
    pub epoch: u64,
}

/// Gives cells what they work with.
pub trait Supply: Send + Sync + 'static {
    /// Opens the store of a cell, which this incarnation has taken.
    fn open<'a>(&'a self, cell: &'a CellRow, incarnation: &'a str) -> BoxFuture<'a, Result<Opened, StoreError>>;

    /// How the cell is to work on that store, and with what.
    fn equip(&self, cell: &CellRow, store: Arc<dyn Store>) -> (CellConfig, Ports);
}
