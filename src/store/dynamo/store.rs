//! A cell's store in a table of DynamoDB: its log, with the rows of its ended runs beside it.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures::future::BoxFuture;
use tokio::sync::Notify;
use tokio::task::JoinSet;
use uuid::Uuid;

use super::cell::{self, Layout};
use super::kept::Kept;
use super::link::{JournalError, Link};
use super::owned::{DynamoOptions, Owned, TRIES, Waits, said};
use super::reads::Reads;
use super::records::Encoder;
use super::rules::Rules;
use super::table::Table;
use super::takeover::{Taker, take_over};
use crate::core::notification::Destination;
use crate::core::run::Run;
use crate::core::time::Timestamp;
use crate::store::{Capabilities, Change, Contents, EndedCounts, Key, Page, Posted, Query, Store, StoreError};

/// So many records behind a snapshot at most, over so many partitions that none is the hot one: never changed for a cell.
const LAYOUT: Layout = Layout { places: 131_072, partitions: 16 };
/// Of a record's body: an item has at most 400 KB (DynamoDB's quotas).
const RECORD: usize = 350_000;
/// An ended run is written as a row so long after its end, or a little later: on Fargate what is last seen of its task comes
/// 13 s and more after that.
const ROWS_AFTER: Duration = Duration::from_secs(20);
const ROWS_EVERY: Duration = Duration::from_secs(2);
/// What need not be durable at once waits so long for what must.
const SOFT_WAIT: Duration = Duration::from_secs(1);

/// Runs and notifications of one cell in a table of DynamoDB, for one process: whoever opens it takes the cell from the
/// process before, which writes nothing more.
pub struct DynamoStore {
    pub(super) owned: Arc<Owned>,
    /// Snapshots and rows; they end with this.
    tasks: Mutex<JoinSet<()>>,
}

impl DynamoStore {
    /// Takes a cell from the process that has it, if one does, and reads what it has. `incarnation` names this start of the
    /// process: no other start has the same name.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] and [`StoreError::Throttled`]: the table does not answer, is not there, or may not be
    /// used; [`StoreError::Fenced`]: somebody else took the cell at the same time; [`StoreError::Corrupt`]: what is there
    /// cannot be read.
    pub async fn open(
        table: Arc<dyn Table>,
        cell: &str,
        incarnation: Arc<str>,
        options: DynamoOptions,
    ) -> Result<Self, StoreError> {
        Self::open_with(table, cell, Taker { incarnation, taken: None, layout: LAYOUT, most: RECORD }, options).await
    }

    /// Opens a cell that this incarnation has taken in this epoch ([`Directory::take`]), once.
    ///
    /// # Errors
    /// As [`Self::open`]; [`StoreError::Fenced`] if it was taken again meanwhile.
    ///
    /// [`Directory::take`]: super::Directory::take
    pub async fn open_taken(
        table: Arc<dyn Table>,
        (cell, epoch): (&str, u64),
        incarnation: Arc<str>,
        options: DynamoOptions,
    ) -> Result<Self, StoreError> {
        let taker = Taker { incarnation, taken: Some(epoch), layout: LAYOUT, most: RECORD };
        Self::open_with(table, cell, taker, options).await
    }

    pub(super) async fn open_with(
        table: Arc<dyn Table>,
        cell: &str,
        taker: Taker,
        options: DynamoOptions,
    ) -> Result<Self, StoreError> {
        let link =
            |most| Link { table: Arc::clone(&table), patience: Arc::new(Waits { most }), rules: Rules::default() };
        let reading = link(TRIES);
        let taken = take_over(reading.clone(), cell, &taker, Kept::default()).await;
        let journal = match taken {
            Ok(journal) => journal,
            Err(error) => return Err(said(&options.place, &reading, cell, 0, error).await),
        };
        journal.alter(Kept::whole);
        let owned = Owned {
            journal: journal.with_link(link(u32::MAX)),
            reading,
            cell: cell.into(),
            options,
            encoder: Encoder::default(),
            known: Mutex::default(),
            committing: tokio::sync::Mutex::default(),
            names: tokio::sync::Mutex::default(),
            snapshot_due: Notify::new(),
            owned_at: Mutex::default(),
        };
        let owned = Arc::new(owned);
        owned.claim_again().await?;
        let mut tasks = JoinSet::new();
        tasks.spawn(take_snapshots(Arc::clone(&owned)));
        tasks.spawn(write_rows(Arc::clone(&owned)));
        Ok(Self { owned, tasks: Mutex::new(tasks) })
    }

    /// The epoch of this process' ownership of the cell: every later owner has a higher one.
    pub fn epoch(&self) -> u64 {
        self.owned.journal.epoch()
    }

    /// Gives the cell up, if it is still this process's: the next owner need not wait. Nothing is to be committed any more.
    ///
    /// # Errors
    /// The table does not answer.
    pub async fn release(&self) -> Result<(), StoreError> {
        self.tasks.lock().unwrap_or_else(PoisonError::into_inner).abort_all();
        let Owned { reading, cell, .. } = &*self.owned;
        match cell::release(reading, cell, self.epoch()).await {
            Ok(_) => Ok(()),
            Err(error) => Err(self.owned.said(error.into()).await),
        }
    }
}

#[cfg(test)]
impl DynamoStore {
    /// The largest record that is taken, from now on.
    pub(in crate::store) fn take_at_most(&self, bytes: Option<usize>) {
        self.owned.encoder.take_at_most(bytes);
    }

    /// As if some seconds had passed: what has ended and was told of is a row, and nothing else.
    pub(in crate::store) async fn settle(&self) -> Result<(), StoreError> {
        if let Err(error) = self.owned.write_ready_rows(Duration::ZERO).await {
            return Err(self.owned.said(error).await);
        }
        let long_ago = tokio::time::Instant::now()
            .checked_sub(super::owned::CONFIRMED_AFTER)
            .unwrap_or_else(tokio::time::Instant::now);
        self.owned.known().written.values_mut().for_each(|(_, at)| *at = long_ago);
        self.owned.commit(&[]).await
    }
}

/// Writes snapshots when it is time, while commits go on.
async fn take_snapshots(owned: Arc<Owned>) {
    loop {
        owned.snapshot_due.notified().await;
        match owned.journal.snapshot().await {
            Ok(()) => tracing::debug!(cell = &*owned.cell, "a snapshot was written"),
            // The next commit learns of it.
            Err(JournalError::Fenced { .. }) => return,
            // One behind the next commit.
            Err(error) => tracing::warn!(%error, "a snapshot was not written; it is tried again"),
        }
    }
}

/// Writes ended runs as rows.
async fn write_rows(owned: Arc<Owned>) {
    loop {
        tokio::time::sleep(ROWS_EVERY).await;
        if let Err(error) = owned.write_ready_rows(ROWS_AFTER).await {
            tracing::debug!(%error, "rows of ended runs were not written; they are tried again");
        }
    }
}

impl Store for DynamoStore {
    fn capabilities(&self) -> Capabilities {
        Capabilities { ended_runs: true, ended_names: false, outlives_process: true, soft_wait: SOFT_WAIT }
    }

    fn load(&self) -> BoxFuture<'_, Result<Contents, StoreError>> {
        let contents = Reads(&self.owned).contents();
        Box::pin(async { Ok(contents) })
    }

    fn commit(&self, changes: Arc<[Change]>) -> BoxFuture<'_, Result<(), StoreError>> {
        Box::pin(async move { self.owned.commit(&changes).await })
    }

    fn confirm_owner(&self) -> BoxFuture<'_, Result<(), StoreError>> {
        Box::pin(self.owned.confirm_owner())
    }

    fn outbox(
        &self,
        destination: &Destination,
        after: u64,
        limit: usize,
    ) -> BoxFuture<'_, Result<Page<Posted, u64>, StoreError>> {
        let page = Reads(&self.owned).outbox(destination, after, limit);
        Box::pin(async { page })
    }

    fn find(&self, key: Key, limit: usize) -> BoxFuture<'_, Result<Page<Run, u32>, StoreError>> {
        Box::pin(async move { Reads(&self.owned).find(key, limit).await })
    }

    fn finished(&self, query: Query) -> BoxFuture<'_, Result<Page<Run, Uuid>, StoreError>> {
        Box::pin(async move { Reads(&self.owned).finished(query).await })
    }

    fn ended(&self) -> BoxFuture<'_, Result<EndedCounts, StoreError>> {
        let counts = self.owned.journal.read(|kept| kept.counts(self.owned.now()));
        Box::pin(async { Ok(counts) })
    }

    /// Nothing: each row bears the time from which it is not shown, and DynamoDB deletes it then by itself.
    fn expire(&self, _: Timestamp, _: usize) -> BoxFuture<'_, Result<usize, StoreError>> {
        Box::pin(async { Ok(0) })
    }
}

#[cfg(test)]
mod tests;
