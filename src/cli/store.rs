//! Opens the store that the settings name.

use std::sync::Arc;
use std::time::Duration;

use uuid::Uuid;

use super::error::CliError;
#[cfg(debug_assertions)]
use super::failpoints::Failpoints;
use super::settings::StoreSetting;
use crate::aws::Clients;
use crate::cell::{CellConfig, Clock};
use crate::store::dynamo::{DynamoOptions, Table};
use crate::store::{DynamoStore, FileStore, MemoryStore, Store};

/// A store that is open.
pub(super) struct Opened {
    pub(super) store: Arc<dyn Store>,
    /// The same, if it is in DynamoDB.
    table: Option<Arc<DynamoStore>>,
}

impl Opened {
    /// Opens the store of a cell.
    pub(super) async fn open(
        setting: StoreSetting,
        config: &CellConfig,
        clients: &Clients,
        clock: &Clock,
        #[cfg(debug_assertions)] failpoints: &Failpoints,
    ) -> Result<Self, CliError> {
        let of = |store: Arc<dyn Store>| Self { store, table: None };
        match setting {
            StoreSetting::Memory => Ok(of(Arc::new(MemoryStore::default()))),
            StoreSetting::File(dir) => {
                let store = FileStore::open(&dir).map_err(|e| CliError::other(e.to_string()))?;
                #[cfg(debug_assertions)]
                let store = failpoints.around_store(store);
                Ok(of(Arc::new(store)))
            }
            StoreSetting::Table(name) => {
                let table: Arc<dyn Table> = Arc::new(clients.table(&name));
                #[cfg(debug_assertions)]
                let table = failpoints.around_table(table);
                let options = table_options(&name, config.keep, clock);
                let opened = DynamoStore::open(table, &config.name, incarnation().into(), options).await;
                let store = Arc::new(opened.map_err(|e| CliError::other(e.to_string()))?);
                tracing::info!(cell = config.name, epoch = store.epoch(), "the cell is this process's");
                Ok(Self { store: Arc::clone(&store) as _, table: Some(store) })
            }
        }
    }

    /// Gives the cell up: nothing is committed any more.
    pub(super) async fn release(&self) {
        if let Some(table) = &self.table
            && let Err(error) = table.release().await
        {
            tracing::warn!(%error, "the cell was not given up; the next process takes it all the same");
        }
    }
}

/// How stores in a table are opened.
pub(super) fn table_options(table: &str, keep: Duration, clock: &Clock) -> DynamoOptions {
    let clock = clock.clone();
    DynamoOptions { place: format!("dynamodb:{table}"), keep, now: Arc::new(move || clock.now()) }
}

/// The machine's or container's name, if it has one.
pub(super) fn host_name() -> String {
    let host = std::env::var("HOSTNAME").ok().filter(|host| !host.trim().is_empty());
    let host = host.or_else(|| std::fs::read_to_string("/etc/hostname").ok()).unwrap_or_default();
    host.trim().to_owned()
}

/// A name of this start of the process, that no other start has, and that tells people where it is.
pub(super) fn incarnation() -> String {
    let host = host_name();
    let at = if host.is_empty() { String::new() } else { format!(" on {host}") };
    let start = Uuid::new_v4().simple().to_string();
    format!("process {}{at} ({})", std::process::id(), &start[..8])
}
