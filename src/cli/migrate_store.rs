//! `taskwatch migrate-store`: moves a cell's runs from one store to another while nobody serves it.

use std::sync::Arc;
use std::time::Duration;

use clap::Args;
use serde_json::json;

use super::error::CliError;
use super::options::{Format, Global};
use super::settings::{Settings, StoreSetting};
use super::{aws, output, store};
use crate::aws::Clients;
use crate::cell::Clock;
use crate::core::time::Timestamp;
use crate::store::dynamo::{Table, owner_of};
use crate::store::migrate::{Counts, Ledger, copy};
use crate::store::{DynamoStore, FileStore, Store};

/// `taskwatch migrate-store`.
#[derive(Debug, Args)]
pub(super) struct MigrateStoreArgs {
    /// The store that has the runs: file:DIR or dynamodb:TABLE
    #[arg(value_name = "FROM")]
    from: String,
    /// The store that gets them: dynamodb:TABLE or file:DIR
    #[arg(value_name = "TO")]
    to: String,
    /// Name of the cell [default: TASKWATCH_CELL]
    #[arg(long)]
    cell: Option<String>,
    /// Take a cell in a table from its owner, who was killed: one that lives loses it at once
    #[arg(long)]
    force: bool,
}

pub(super) const MIGRATE_STORE_EXAMPLES: &str = "\
Examples:
  taskwatch migrate-store file:taskwatch-data dynamodb:blue --cell blue-0

Stop the cell first. Open and ended runs, notifications that are still to be delivered, and the cell's limits and pauses are copied, and then \
compared by count and digest. A cell keeps its name, for it is in the startedBy of its tasks. The old store stays as it is: never serve the cell \
from it again. The command can be repeated until it succeeds; a store that has runs of its own is refused.";

pub(super) async fn migrate_store(
    arguments: MigrateStoreArgs,
    global: &Global,
    settings: &Settings,
) -> Result<u8, CliError> {
    let cell = arguments.cell.clone().or_else(|| settings.cell.clone());
    let cell = cell.ok_or_else(|| CliError::usage("no cell is named: give --cell, or set TASKWATCH_CELL"))?;
    let [from, to] = [("FROM", &arguments.from), ("TO", &arguments.to)].map(|(which, text)| setting(which, text));
    let (from, to) = (from?, to?);
    if from == to {
        return Err(CliError::usage(format!("FROM and TO are both {:?}", arguments.from)));
    }
    // Whoever calls is asked for, so that what is wrong with the credentials is said as everywhere.
    let (clients, _) = aws::caller(global).await?;
    let opener = Opener { clients, cell, keep: settings.cell_config("").keep, force: arguments.force };
    let moved = opener.migrate([(&from, &arguments.from), (&to, &arguments.to)]).await?;
    let Counts { open, ended, undelivered, notes, digest } = &moved;
    if global.output == Some(Format::Json) {
        output::json(&json!({"cell": opener.cell, "from": arguments.from, "to": arguments.to, "moved": moved}));
    } else {
        output::data(&format!(
            "{} has now what {} has of the cell {}: {open} open and {ended} ended runs, {undelivered} undelivered notifications, {notes} notes (digest {})",
            arguments.to,
            arguments.from,
            opener.cell,
            &digest[..12],
        ));
        output::problem(&format!(
            "serve the cell with TASKWATCH_STORE={} from now on, and never from {} again",
            arguments.to, arguments.from
        ));
    }
    Ok(0)
}

fn setting(which: &str, text: &str) -> Result<StoreSetting, CliError> {
    match StoreSetting::read(text) {
        Ok(StoreSetting::Memory) => Err(CliError::usage(format!("{which} is {text:?}: memory: has nothing to move"))),
        Ok(setting) => Ok(setting),
        Err(allowed) => Err(CliError::usage(format!("{which} is {text:?}: {allowed}"))),
    }
}

/// A store that is open, and how it is closed.
struct Open {
    store: Arc<dyn Store>,
    table: Option<Arc<DynamoStore>>,
}

impl Open {
    /// Gives it up: a cell in a table has no owner then.
    async fn close(self) -> Result<(), CliError> {
        match &self.table {
            Some(table) => table.release().await.map_err(failed),
            None => Ok(()),
        }
    }
}

/// Opens stores of a cell.
struct Opener {
    clients: Clients,
    cell: String,
    keep: Duration,
    force: bool,
}

impl Opener {
    async fn migrate(&self, [from, to]: [(&StoreSetting, &String); 2]) -> Result<Counts, CliError> {
        for (setting, text) in [from, to] {
            self.check_free(setting, text).await?;
        }
        let old = self.open(from).await?;
        let (has, open) = Ledger::read(&*old.store).await.map_err(failed)?;
        if let Some(theirs) = has.cell().filter(|theirs| *theirs != self.cell) {
            return Err(CliError::usage(format!("{} has the runs of the cell {theirs}, not of {}", from.1, self.cell)));
        }
        let new = self.open(to).await?;
        let (there, _) = Ledger::read(&*new.store).await.map_err(failed)?;
        output::problem(&format!("{} has {}; copying what {} lacks", from.1, said(&has.counts(self.since())), to.1));
        copy(&*old.store, &has, open, &*new.store, &there, self.since()).await.map_err(failed)?;
        new.close().await?;
        // As the next process will read it.
        let new = self.open(to).await?;
        let (there, _) = Ledger::read(&*new.store).await.map_err(failed)?;
        let since = self.since();
        has.check(&there, since).map_err(failed)?;
        new.close().await?;
        old.close().await?;
        Ok(has.counts(since))
    }

    /// Runs that ended earlier are not kept any more.
    fn since(&self) -> Timestamp {
        Clock::system().now().minus(self.keep)
    }

    /// A directory has a lock; a cell in a table has an owner.
    async fn check_free(&self, setting: &StoreSetting, text: &str) -> Result<(), CliError> {
        let StoreSetting::Table(name) = setting else { return Ok(()) };
        let table: Arc<dyn Table> = Arc::new(self.clients.table(name));
        let owner = owner_of(&*table, &self.cell).await.map_err(|error| {
            let todo = "taskwatch setup --fleet NAME --store makes a table";
            CliError::other(format!("{text}: {error}; {todo}"))
        })?;
        match owner.filter(|_| !self.force) {
            Some(owner) => Err(CliError::usage(format!(
                "the cell {} in {text} is served by {owner}: stop that process; if it was killed, --force takes the cell from it",
                self.cell
            ))),
            None => Ok(()),
        }
    }

    async fn open(&self, (setting, text): (&StoreSetting, &String)) -> Result<Open, CliError> {
        Ok(match setting {
            StoreSetting::Table(name) => {
                let options = store::table_options(name, self.keep, &Clock::system());
                let table: Arc<dyn Table> = Arc::new(self.clients.table(name));
                let opened = DynamoStore::open(table, &self.cell, store::incarnation().into(), options).await;
                let opened = Arc::new(opened.map_err(failed)?);
                Open { store: Arc::clone(&opened) as _, table: Some(opened) }
            }
            StoreSetting::File(dir) => Open { store: Arc::new(FileStore::open(dir).map_err(failed)?), table: None },
            StoreSetting::Memory => return Err(CliError::usage(format!("{text} has nothing to move"))),
        })
    }
}

fn said(counts: &Counts) -> String {
    format!("{} open and {} ended runs", counts.open, counts.ended)
}

fn failed(error: impl std::fmt::Display) -> CliError {
    CliError::other(error.to_string())
}
