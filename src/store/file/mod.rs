//! A directory with an SQLite database, and a log in front of it: one fsync for a batch of changes, one process at a time.
//!
//! SQLite in WAL mode with `synchronous = FULL` makes a commit durable when it answers, and a database that was cut off
//! anywhere opens as of its last commit (<https://www.sqlite.org/wal.html>, <https://www.sqlite.org/atomiccommit.html>).

mod columns;
mod commits;
#[cfg(test)]
mod commits_tests;
mod database;
mod known;
mod legacy;
#[cfg(test)]
mod legacy_tests;
mod list;
mod load;
mod lock;
mod logger;
mod private;
mod read;
mod reader;
mod redo;
mod schema;
#[cfg(test)]
mod tests;
mod write;
mod writer;

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use futures::future::BoxFuture;
use rusqlite::{Connection, ErrorCode};
use uuid::Uuid;

use super::{Capabilities, Change, Contents, EndedCounts, Key, Page, Posted, Query, Store, StoreError};
use crate::core::notification::Destination;
use crate::core::run::Run;
use crate::core::time::Timestamp;
use commits::Commits;
use database::Database;
use lock::Lock;
use reader::Reader;

/// The database inside the directory.
const FILE: &str = "taskwatch.db";

/// Runs and notifications in a directory, for one process.
pub struct FileStore {
    commits: Commits,
    reader: Reader,
    /// Listings may read long; what the cell itself needs to read does not wait for them.
    lister: Reader,
    lock: Lock,
}

impl FileStore {
    /// Opens the store in `dir`, and makes both if they are not there.
    ///
    /// # Errors
    /// The directory cannot be written, another process has it (named), or the database is of a later version or broken.
    pub fn open(dir: &Path) -> Result<Self, StoreError> {
        let unavailable = |e: &dyn std::fmt::Display| StoreError::Unavailable(format!("file:{}: {e}", dir.display()));
        let cannot_make =
            |e| unavailable(&format!("the directory cannot be made ({e}); name one that this user may write"));
        private::make_dir(dir).map_err(cannot_make)?;
        let lock = Lock::take(dir).map_err(|e| unavailable(&e))?;
        let path = dir.join(FILE);
        // Before SQLite makes it, with whatever the umask leaves to others.
        private::options()
            .open(&path)
            .map_err(|e| unavailable(&format!("{FILE} cannot be opened ({e}); give this user the right to")))?;
        [FILE.to_owned(), format!("{FILE}-wal"), format!("{FILE}-shm"), redo::FILE.to_owned()]
            .iter()
            .for_each(|f| private::tighten(&dir.join(f)));
        let wrong = |e: rusqlite::Error| said(dir, &e);
        let mut connection = Connection::open(&path).map_err(wrong)?;
        schema::prepare(&mut connection).map_err(|e| match e {
            schema::SchemaError::Sqlite(e) => wrong(e),
            other => unavailable(&other),
        })?;
        let mut database = Database::new(connection, dir)?;
        let log = database.recover()?;
        let commits = Commits::start(database, log).map_err(|e| unavailable(&e))?;
        let reader = || Reader::open(&path, dir, Arc::clone(commits.progress())).map_err(wrong);
        let (reader, lister) = (reader()?, reader()?);
        Ok(Self { commits, reader, lister, lock })
    }

    /// Sets one of SQLite's limits, as in `max_page_count=10`: a full or a read-only disk for tests.
    #[cfg(any(test, debug_assertions))]
    #[doc(hidden)]
    pub async fn pragma(&self, pragma: &str) {
        self.commits.pragma(pragma).await;
    }
}

impl Store for FileStore {
    fn capabilities(&self) -> Capabilities {
        Capabilities { ended_runs: true, ended_names: true, outlives_process: true, soft_wait: Duration::ZERO }
    }

    fn load(&self) -> BoxFuture<'_, Result<Contents, StoreError>> {
        Box::pin(async move {
            let mut contents = self.reader.read(read::load).await?;
            contents.runs = load::open_runs(&self.reader);
            Ok(contents)
        })
    }

    fn commit(&self, changes: Arc<[Change]>) -> BoxFuture<'_, Result<(), StoreError>> {
        Box::pin(self.commits.commit(changes))
    }

    fn confirm_owner(&self) -> BoxFuture<'_, Result<(), StoreError>> {
        let owner = self.lock.other_holder().map_or(Ok(()), |by| Err(StoreError::Fenced { by }));
        Box::pin(async { owner })
    }

    fn outbox(
        &self,
        destination: &Destination,
        after: u64,
        limit: usize,
    ) -> BoxFuture<'_, Result<Page<Posted, u64>, StoreError>> {
        let destination = destination.clone();
        self.reader.read(move |connection| read::outbox(connection, &destination, after, limit))
    }

    fn find(&self, key: Key, limit: usize) -> BoxFuture<'_, Result<Page<Run, u32>, StoreError>> {
        self.reader.read(move |connection| read::find(connection, &key, limit))
    }

    fn finished(&self, query: Query) -> BoxFuture<'_, Result<Page<Run, Uuid>, StoreError>> {
        self.lister.read(move |connection| list::finished(connection, &query))
    }

    fn ended(&self) -> BoxFuture<'_, Result<EndedCounts, StoreError>> {
        self.reader.read(read::ended)
    }

    fn expire(&self, ended_before: Timestamp, limit: usize) -> BoxFuture<'_, Result<usize, StoreError>> {
        Box::pin(self.commits.expire(ended_before, limit))
    }
}

/// An error of SQLite as a user reads it: what, where, what to do.
fn said(dir: &Path, error: &rusqlite::Error) -> StoreError {
    let said = |advice: &str| format!("file:{}: {advice} ({error})", dir.display());
    if let rusqlite::Error::FromSqlConversionFailure(..) = error {
        return StoreError::Corrupt(said(
            "a record cannot be read; use the taskwatch that wrote it, or restore the directory from its backup",
        ));
    }
    let advice = match error.sqlite_error_code() {
        Some(ErrorCode::DiskFull) => "the disk is full; make room, and it goes on by itself",
        Some(ErrorCode::ReadOnly | ErrorCode::PermissionDenied | ErrorCode::CannotOpen) => {
            "the directory or the database cannot be written; give this user the right to"
        }
        Some(ErrorCode::SystemIoFailure) => "the disk does not read or write; look at the machine's log",
        Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) => {
            return StoreError::Corrupt(said(
                "the database is damaged; set it aside and restore the directory from its backup",
            ));
        }
        _ => "the store cannot do this",
    };
    StoreError::Unavailable(said(advice))
}
