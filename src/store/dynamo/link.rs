//! Calls of the table, and how they are tried again.

use std::sync::Arc;

use futures::future::BoxFuture;

use super::ring::Position;
use super::rules::Rules;
use super::table::{Item, Key, Malformed, Table, TableError};

/// Why the journal of a cell does not go on.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum JournalError {
    /// A call failed; the same again may succeed.
    #[error(transparent)]
    Table(#[from] TableError),
    /// Another process has taken the cell.
    #[error("epoch {epoch} has the cell")]
    Fenced {
        /// The epoch that is known of it; its own or a higher one.
        epoch: u64,
    },
    /// The ring is full of records that no snapshot has: first a snapshot.
    #[error("the log is full: position {0} is still needed")]
    Full(Position),
    /// What is in the table was not written by this protocol.
    #[error("{0}")]
    Damaged(String),
}

impl From<Malformed> for JournalError {
    fn from(error: Malformed) -> Self {
        Self::Damaged(error.to_string())
    }
}

/// How long is waited between tries, and for how long it is tried.
pub(super) trait Patience: Send + Sync {
    /// Waits after a call has failed so many times; whether it is to be tried again.
    fn wait(&self, tries: u32) -> BoxFuture<'_, bool>;
}

/// The table, and how it is called.
#[derive(Clone)]
pub(super) struct Link {
    pub(super) table: Arc<dyn Table>,
    pub(super) patience: Arc<dyn Patience>,
    pub(super) rules: Rules,
}

impl Link {
    /// The same call until it is answered.
    pub(super) async fn again<T, Answer>(&self, call: impl Fn() -> Answer) -> Result<T, TableError>
    where
        Answer: Future<Output = Result<T, TableError>>,
    {
        let mut tries = 0;
        loop {
            let error = match call().await {
                Ok(answer) => return Ok(answer),
                Err(error) => error,
            };
            tries += 1;
            if matches!(error, TableError::Refused(_)) || !self.patience.wait(tries).await {
                return Err(error);
            }
        }
    }

    /// The item that refused a write: as the answer has it, else as it is now. One try.
    pub(super) async fn refused_by(&self, old: &Option<Item>, key: &Key) -> Result<Item, TableError> {
        let item = match old {
            Some(item) => Some(item.clone()),
            None => self.table.get(key.clone()).await?,
        };
        // Nothing is there that could have refused it, or not any more: it may be written now.
        item.ok_or_else(|| TableError::Unknown(format!("{key} is not there, and cannot be written")))
    }
}
