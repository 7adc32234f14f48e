//! What a process of a fleet needs to serve a cell.

use std::sync::Arc;

use futures::future::BoxFuture;

use crate::cell::{CellConfig, Ports};
use crate::store::dynamo::CellRow;
use crate::store::{Store, StoreError};

/// Gives cells what they work with.
pub trait Supply: Send + Sync + 'static {
    /// Opens the store of a cell, which this incarnation has taken in this epoch.
    fn open<'a>(
        &'a self,
        cell: &'a CellRow,
        epoch: u64,
        incarnation: &'a str,
    ) -> BoxFuture<'a, Result<Arc<dyn Store>, StoreError>>;

    /// How the cell is to work on that store, and with what.
    fn equip(&self, cell: &CellRow, store: Arc<dyn Store>) -> (CellConfig, Ports);
}
