//! What can go wrong in a program that launches: typed, one line each.

use std::convert::Infallible;

use crate::aws::{ConfigError, ProvisionError};
use crate::cell::{CellError, SubmitError};
use crate::core::request::RequestError;
use crate::store::StoreError;

/// Why [`Builder::connect`](super::Builder::connect) did not.
#[derive(Debug, thiserror::Error)]
pub enum ConnectError {
    /// No AWS region is set.
    #[error("no AWS region is set: use Builder::region or AWS_REGION")]
    NoRegion,
    /// The AWS configuration: a profile that is not there, or a file that cannot be read.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// The store outlives the process, and the cell's name would not.
    #[error("a store in a directory needs a name that stays: use Builder::cell (its runs are found again by it)")]
    NoName,
    /// A name that `startedBy` cannot carry, or a store that cannot be read.
    #[error(transparent)]
    Cell(#[from] CellError),
    /// The store cannot be opened: another process has it, say.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// Queue or rule could not be made.
    #[error(transparent)]
    Events(#[from] ProvisionError),
}

/// Why there is no outcome. How a task failed is not here but in [`Outcome::failure`](super::Outcome::failure).
#[derive(Debug, thiserror::Error)]
pub enum LaunchError {
    /// What is wrong with the request, where, and what would be right.
    #[error(transparent)]
    Request(#[from] RequestError),
    /// The cell did not take it: its name stands for another request, or too many wait.
    #[error(transparent)]
    Refused(#[from] SubmitError),
    /// The store cannot be read.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// `launch` waits for one run, and the request asks for so many.
    #[error("runTask.count is {0}: launch waits for one run; use launch_all")]
    Many(u32),
    /// It was shut down, or dropped, before the run had ended. Its task goes on.
    #[error("taskwatch was shut down before the run had ended; its task goes on")]
    Closed,
    /// The run ended so long ago that nothing is kept of it.
    #[error("the run is no longer kept")]
    Forgotten,
}

impl From<Infallible> for LaunchError {
    fn from(never: Infallible) -> Self {
        match never {}
    }
}
