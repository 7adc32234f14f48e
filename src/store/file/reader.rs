//! A connection that reads: one look at a time, and whoever waits for it holds no thread.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use futures::future::BoxFuture;
use rusqlite::{Connection, OpenFlags};
use tokio::sync::Mutex;

use super::redo::Progress;
use super::{said, schema};
use crate::store::StoreError;

/// Reads wait until the database has what was committed, and for no later commit: WAL readers see the last one.
#[derive(Clone)]
pub(super) struct Reader {
    connection: Arc<Mutex<Connection>>,
    dir: PathBuf,
    progress: Arc<Progress>,
}

impl Reader {
    pub(super) fn open(database: &Path, dir: &Path, progress: Arc<Progress>) -> rusqlite::Result<Self> {
        let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let connection = Connection::open_with_flags(database, flags)?;
        connection.busy_timeout(schema::BUSY)?;
        connection.set_prepared_statement_cache_capacity(64);
        Ok(Self { connection: Arc::new(Mutex::new(connection)), dir: dir.to_owned(), progress })
    }

    /// Reads, off the runtime's threads. All of an answer is of one moment.
    pub(super) fn read<T: Send + 'static>(
        &self,
        look: impl FnOnce(&Connection) -> rusqlite::Result<T> + Send + 'static,
    ) -> BoxFuture<'static, Result<T, StoreError>> {
        let Self { connection, dir, progress } = self.clone();
        Box::pin(async move {
            progress.level().await?;
            // Before there is a thread: thousands may want to read at once, as where thousands of requests come.
            let connection = connection.lock_owned().await;
            let looked = tokio::task::spawn_blocking(move || {
                let looked = connection.unchecked_transaction().and_then(|moment| look(&moment));
                // Who is next begins when this thread is free for it.
                (looked.map_err(|e| said(&dir, &e)), connection)
            });
            let looked = looked.await.map(|(looked, _)| looked);
            looked.map_err(|e| StoreError::Unavailable(format!("a read of the store broke off: {e}")))?
        })
    }

    /// Reads for long, in a thread of its own; `look` is told the directory.
    pub(super) fn read_on(&self, look: impl FnOnce(&Connection, &Path) + Send + 'static) {
        let Self { connection, dir, .. } = self.clone();
        tokio::task::spawn_blocking(move || look(&connection.blocking_lock(), &dir));
    }
}
