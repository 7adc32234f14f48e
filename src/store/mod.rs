//! Where runs and undelivered notifications are kept.

mod file;
mod memory;
mod query;

pub use file::FileStore;
pub use memory::MemoryStore;
pub use query::Query;

use std::collections::BTreeMap;

use futures::future::BoxFuture;
use uuid::Uuid;

use crate::core::notification::{Notification, Outlet};
use crate::core::run::Run;
use crate::core::time::Timestamp;

/// One change to what is kept.
#[derive(Clone, Debug)]
pub enum Change {
    /// The run is now this.
    Put(Box<Run>),
    /// The run is forgotten.
    Forget(Uuid),
    /// This notification is to be delivered.
    Post(Box<Notification>),
    /// What the cell notes for itself under a name (its limits, say), in place of what it had noted before.
    Note {
        /// Which note.
        name: &'static str,
        /// JSON.
        text: String,
    },
    /// The notification at this place of the outbox was delivered.
    Delivered(u64),
}

/// What a store held when it was opened.
#[derive(Debug, Default)]
pub struct Contents {
    /// Every run that is not final; of a store that keeps final runs only while the process lives, those too.
    pub runs: Vec<Run>,
    /// The cell's notes by name.
    pub notes: BTreeMap<String, String>,
    /// How many notifications are not delivered, by outlet.
    pub undelivered: BTreeMap<Outlet, usize>,
}

/// A notification in the outbox.
#[derive(Clone, Debug)]
pub struct Posted {
    /// Its place: later ones have higher numbers.
    pub seq: u64,
    /// What is to be delivered.
    pub notification: Notification,
}

/// Which runs to look for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Key {
    /// By id.
    Run(Uuid),
    /// Every run of a request's name.
    Request(String),
    /// The run of a request's name that had this task, whichever attempt.
    Task {
        /// The request's name.
        request: String,
        /// `taskArn`.
        task_arn: String,
    },
}

/// Why a store cannot do its work.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// What is wrong and what to do.
    #[error("{0}")]
    Unavailable(String),
}

/// A place that keeps runs.
///
/// `commit` is called by one task only, with the changes of many runs at once (group commit): all of them are durable
/// when it answers, in order, or none is.
pub trait Store: Send + Sync + 'static {
    /// What there is to go on with; called once, before the first commit.
    fn load(&self) -> BoxFuture<'_, Result<Contents, StoreError>>;

    /// Makes the changes durable.
    fn commit(&self, changes: Vec<Change>) -> BoxFuture<'_, Result<(), StoreError>>;

    /// The oldest `limit` undelivered notifications of an outlet behind place `after` (0: from the first), in order.
    fn outbox(&self, outlet: &Outlet, after: u64, limit: usize) -> BoxFuture<'_, Result<Vec<Posted>, StoreError>>;

    /// Runs by id or by their request's name, in the order of their index.
    fn find(&self, key: Key) -> BoxFuture<'_, Result<Vec<Run>, StoreError>>;

    /// The newest `query.limit` final runs that fit, newest first: by id, which is a UUIDv7.
    fn finished(&self, query: Query) -> BoxFuture<'_, Result<Vec<Run>, StoreError>>;

    /// Forgets up to `limit` runs that ended before an instant and have been told of; how many it forgot.
    fn expire(&self, ended_before: Timestamp, limit: usize) -> BoxFuture<'_, Result<usize, StoreError>>;

    /// Whether it keeps final runs cheaply: then the cell need not keep them in memory.
    fn is_durable(&self) -> bool;
}
