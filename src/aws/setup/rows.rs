//! The rows of a fleet in its table: which cells and processes it has.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use super::{Clients, SetupError};
use crate::store::dynamo::{AddError, Directory, FleetRows, NewCell, ProcessRow, TableError};

/// A call that was not answered in time is made so often.
const TRIES: u32 = 5;
const BETWEEN: Duration = Duration::from_millis(300);
/// A process beats each 1.5 s: one that lives has done so within this, though a beat was lost.
const WATCHED: Duration = Duration::from_secs(4);

/// The rows of one fleet.
pub(in crate::aws) struct Rows {
    directory: Directory,
    table: String,
}

impl Rows {
    /// Those of a fleet in a table that is there.
    pub(in crate::aws) fn new(clients: &Clients, table: &str, fleet: &str) -> Self {
        Self { directory: Directory::new(Arc::new(clients.table(table)), fleet), table: table.to_owned() }
    }

    /// Reads them.
    pub(in crate::aws) async fn read(&self) -> Result<FleetRows, SetupError> {
        let mut tries = 1;
        loop {
            match self.directory.read().await {
                Ok(rows) => return Ok(rows),
                Err(error) => self.wait(&error, &mut tries).await?,
            }
        }
    }

    /// Makes cells, or names the queues of those that are there.
    pub(super) async fn add(&self, cells: &[NewCell]) -> Result<(), SetupError> {
        let mut tries = 1;
        loop {
            match self.directory.add_cells(cells).await {
                Ok(()) => return Ok(()),
                Err(AddError::Table(error)) => self.wait(&error, &mut tries).await?,
                Err(error @ AddError::OfAnother { .. }) => {
                    return Err(SetupError::usage(format!("table {}: {error}", self.table)));
                }
            }
        }
    }

    /// The processes that beat while they were watched, as they were last seen. The row of one that was killed stays until
    /// another process takes it away.
    pub(in crate::aws) async fn alive(&self) -> Result<Vec<ProcessRow>, SetupError> {
        let before = self.read().await?;
        if before.processes.is_empty() {
            return Ok(Vec::new());
        }
        tokio::time::sleep(WATCHED).await;
        let now = self.read().await?;
        let before: BTreeMap<_, _> = before.processes.iter().map(|process| (&process.id, process.beat)).collect();
        Ok(now.processes.into_iter().filter(|process| before.get(&process.id) != Some(&process.beat)).collect())
    }

    /// Waits before a call is made again; the error, where that is of no use.
    async fn wait(&self, error: &TableError, tries: &mut u32) -> Result<(), SetupError> {
        if *tries == TRIES || matches!(error, TableError::Refused(_)) {
            let denied = super::errors::is_denied(&error.to_string());
            let todo = if denied { "; the caller needs that action on the table (docs/iam.md)" } else { "" };
            return Err(SetupError::other(format!("table {}: {error}{todo}", self.table)));
        }
        *tries += 1;
        tokio::time::sleep(BETWEEN).await;
        Ok(())
    }
}
