//! A directory with an SQLite database: one writing thread, one fsync for a batch of changes, one process at a time.
//!
//! SQLite in WAL mode with `synchronous = FULL` makes a commit durable when it answers, and a database that was cut off
//! anywhere opens as of its last commit (<https://www.sqlite.org/wal.html>, <https://www.sqlite.org/atomiccommit.html>).

mod columns;
mod legacy;
#[cfg(test)]
mod legacy_tests;
mod list;
mod load;
mod lock;
mod private;
mod read;
mod schema;
#[cfg(test)]
mod tests;
mod write;
mod writer;

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures::future::BoxFuture;
use rusqlite::{Connection, ErrorCode, OpenFlags};
use uuid::Uuid;

use super::{Capabilities, Change, Contents, EndedCounts, Key, Page, Posted, Query, Store, StoreError};
use crate::core::notification::Destination;
use crate::core::run::Run;
use crate::core::time::Timestamp;
use lock::Lock;
use writer::Writer;

/// The database inside the directory.
const FILE: &str = "taskwatch.db";

/// Runs and notifications in a directory, for one process.
pub struct FileStore {
    writer: Writer,
    /// Reads do not wait for the writer: WAL readers see the last commit.
    reader: Arc<Mutex<Connection>>,
    /// Listings may read long; what the cell itself needs to read does not wait for them.
    lister: Arc<Mutex<Connection>>,
    dir: PathBuf,
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
        [FILE.to_owned(), format!("{FILE}-wal"), format!("{FILE}-shm")]
            .iter()
            .for_each(|f| private::tighten(&dir.join(f)));
        let wrong = |e: rusqlite::Error| said(dir, &e);
        let mut connection = Connection::open(&path).map_err(wrong)?;
        schema::prepare(&mut connection).map_err(|e| match e {
            schema::SchemaError::Sqlite(e) => wrong(e),
            other => unavailable(&other),
        })?;
        let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let read_only = || {
            let connection = Connection::open_with_flags(&path, flags)?;
            connection.busy_timeout(schema::BUSY)?;
            connection.set_prepared_statement_cache_capacity(64);
            Ok(Arc::new(Mutex::new(connection)))
        };
        let (reader, lister) = (read_only().map_err(wrong)?, read_only().map_err(wrong)?);
        let writer = Writer::start(connection, dir.to_owned()).map_err(|e| unavailable(&e))?;
        Ok(Self { writer, reader, lister, dir: dir.to_owned(), lock })
    }

    /// Sets one of SQLite's limits, as in `max_page_count=10`: a full or a read-only disk for tests.
    #[cfg(any(test, debug_assertions))]
    #[doc(hidden)]
    pub async fn pragma(&self, pragma: &str) {
        self.writer.pragma(pragma).await;
    }

    /// Reads, off the runtime's threads.
    fn read<T: Send + 'static>(
        &self,
        connection: &Arc<Mutex<Connection>>,
        look: impl FnOnce(&Connection) -> rusqlite::Result<T> + Send + 'static,
    ) -> BoxFuture<'_, Result<T, StoreError>> {
        let (reader, dir) = (Arc::clone(connection), self.dir.clone());
        Box::pin(async move {
            let looked = tokio::task::spawn_blocking(move || {
                let connection = reader.lock().unwrap_or_else(PoisonError::into_inner);
                // All of an answer is of one moment.
                let looked = connection.unchecked_transaction().and_then(|moment| look(&moment));
                looked.map_err(|e| said(&dir, &e))
            });
            looked.await.map_err(|e| StoreError::Unavailable(format!("a read of the store broke off: {e}")))?
        })
    }
}

impl Store for FileStore {
    fn capabilities(&self) -> Capabilities {
        Capabilities { ended_runs: true, ended_names: true, outlives_process: true, soft_wait: Duration::ZERO }
    }

    fn load(&self) -> BoxFuture<'_, Result<Contents, StoreError>> {
        Box::pin(async move {
            let mut contents = self.read(&self.reader, read::load).await?;
            contents.runs = load::open_runs(Arc::clone(&self.reader), self.dir.clone());
            Ok(contents)
        })
    }

    fn commit(&self, changes: Arc<[Change]>) -> BoxFuture<'_, Result<(), StoreError>> {
        Box::pin(self.writer.commit(changes))
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
        self.read(&self.reader, move |connection| read::outbox(connection, &destination, after, limit))
    }

    fn find(&self, key: Key, limit: usize) -> BoxFuture<'_, Result<Page<Run, u32>, StoreError>> {
        self.read(&self.reader, move |connection| read::find(connection, &key, limit))
    }

    fn finished(&self, query: Query) -> BoxFuture<'_, Result<Page<Run, Uuid>, StoreError>> {
        self.read(&self.lister, move |connection| list::finished(connection, &query))
    }

    fn ended(&self) -> BoxFuture<'_, Result<EndedCounts, StoreError>> {
        self.read(&self.reader, read::ended)
    }

    fn expire(&self, ended_before: Timestamp, limit: usize) -> BoxFuture<'_, Result<usize, StoreError>> {
        Box::pin(self.writer.expire(ended_before, limit))
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
