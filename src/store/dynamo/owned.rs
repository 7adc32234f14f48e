//! A cell that this process owns: its log, the table, and what is known of rows and names that the log does not say yet.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures::future::BoxFuture;
use tokio::sync::Notify;
use tokio::time::Instant;
use uuid::Uuid;

use super::cell;
use super::claims::Holder;
use super::ended;
use super::journal::Journal;
use super::kept::{Kept, Written};
use super::link::{JournalError, Link, Patience};
use super::records::Encoder;
use super::table::TableError;
use crate::core::time::Timestamp;
use crate::store::StoreError;

/// A row that was written so long ago is in the index as well: an index lags by less than that.
pub(super) const CONFIRMED_AFTER: Duration = Duration::from_secs(5);
/// Whether the cell is still ours is asked no more often.
const OWNED_FOR: Duration = Duration::from_millis(500);

/// Tries of a read, or of taking the cell over, before it is given up: some three seconds.
pub(super) const TRIES: u32 = 7;

/// How a store in DynamoDB is opened.
#[derive(Clone)]
pub struct DynamoOptions {
    /// As the settings name it, for messages: `dynamodb:TABLE`.
    pub place: String,
    /// How long an ended run is kept.
    pub keep: Duration,
    /// The time now.
    pub now: Arc<dyn Fn() -> Timestamp + Send + Sync>,
}

/// The cell, and all that works on it.
pub(super) struct Owned {
    pub(super) journal: Journal<Kept>,
    /// Given up after some tries; the journal's goes on for as long as it takes.
    pub(super) reading: Link,
    pub(super) cell: Arc<str>,
    pub(super) options: DynamoOptions,
    pub(super) encoder: Encoder,
    /// Locked inside of a look at the log, or without one: never around it.
    pub(super) known: Mutex<Known>,
    /// One commit at a time.
    pub(super) committing: tokio::sync::Mutex<()>,
    /// How often names of arrays were written. Held while it is decided that one is over, and while one is begun again.
    pub(super) names: tokio::sync::Mutex<u64>,
    pub(super) snapshot_due: Notify,
    pub(super) owned_at: Mutex<Option<Instant>>,
}

/// What became known since the last group, and goes with the next one.
#[derive(Default)]
pub(super) struct Known {
    /// Names that are not this cell's, and whose they are.
    pub(super) refused: BTreeMap<Arc<str>, Refusal>,
    /// Runs that have a row of a higher revision.
    pub(super) stale: Vec<Uuid>,
    /// Rows that were written, and when.
    pub(super) written: BTreeMap<Uuid, (Written, Instant)>,
    /// Arrays of which rows were written, and not asked since whether they are over. Until then the log keeps their runs: a
    /// next owner asks of what the log keeps.
    pub(super) unclosed: BTreeSet<Arc<str>>,
}

/// A name that another run has.
#[derive(Clone, Debug)]
pub(super) struct Refusal {
    /// `None`: nobody any more.
    pub(super) holder: Option<Holder>,
    pub(super) digest: Arc<str>,
}

impl Owned {
    pub(super) fn known(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Seconds since 1970.
    pub(super) fn now(&self) -> u64 {
        ended::seconds((self.options.now)())
    }

    pub(super) async fn said(&self, error: JournalError) -> StoreError {
        said(&self.options.place, &self.reading, &self.cell, self.journal.epoch(), error).await
    }

    /// Something of this owner's was written a moment ago.
    pub(super) fn note_owned(&self, since: Instant) {
        *self.owned_at.lock().unwrap_or_else(PoisonError::into_inner) = Some(since);
    }

    pub(super) async fn confirm_owner(&self) -> Result<(), StoreError> {
        let owned_at = *self.owned_at.lock().unwrap_or_else(PoisonError::into_inner);
        if owned_at.is_some_and(|at| at.elapsed() < OWNED_FOR) {
            return Ok(());
        }
        let asked_at = Instant::now();
        match cell::owner(&self.reading, &self.cell, self.journal.epoch()).await {
            Ok(None) => {
                self.note_owned(asked_at);
                Ok(())
            }
            Ok(Some(by)) => Err(StoreError::Fenced { by }),
            Err(error) => Err(self.said(error).await),
        }
    }

    /// After a commit: a snapshot, if it is time for one. It is written while commits go on.
    pub(super) fn wake_snapshots(&self) {
        if self.journal.is_snapshot_due() {
            self.snapshot_due.notify_one();
        }
    }

    /// There is no room in the log: a snapshot, whatever its size.
    pub(super) fn need_snapshot(&self) {
        self.snapshot_due.notify_one();
    }
}

/// What a user reads of an error: where, what, and what to do.
pub(super) async fn said(place: &str, link: &Link, cell: &str, epoch: u64, error: JournalError) -> StoreError {
    match error {
        JournalError::Table(TableError::Throttled(why)) => StoreError::Throttled(format!(
            "{place}: the table is throttled ({why}); it goes on by itself, more slowly. Raise the table's or the account's limits if that lasts"
        )),
        JournalError::Table(TableError::Unknown(why)) => {
            StoreError::Unavailable(format!("{place}: DynamoDB does not answer ({why}); it is asked again"))
        }
        JournalError::Table(TableError::Refused(why)) => StoreError::Unavailable(format!(
            "{place}: the table cannot be used ({why}); make it (taskwatch setup), or give this role the rights that docs/iam.md names"
        )),
        JournalError::Fenced { epoch: theirs } => {
            let by = cell::owner(link, cell, epoch).await.ok().flatten();
            StoreError::Fenced { by: by.unwrap_or_else(|| format!("another process (epoch {theirs})")) }
        }
        JournalError::Full(_) => StoreError::Unavailable(format!(
            "{place}: the log of cell {cell} is full until its snapshot is written; it goes on by itself"
        )),
        JournalError::Damaged(why) => StoreError::Corrupt(format!(
            "{place}: {why}; restore the table from its backup, or use the taskwatch that wrote it"
        )),
    }
}

/// 25 ms, doubled up to a second, so many times.
pub(super) struct Waits {
    pub(super) most: u32,
}

impl Patience for Waits {
    fn wait(&self, tries: u32) -> BoxFuture<'_, bool> {
        Box::pin(async move {
            if tries >= self.most {
                return false;
            }
            tokio::time::sleep(Duration::from_millis(25 << tries.min(6)).min(Duration::from_secs(1))).await;
            true
        })
    }
}
