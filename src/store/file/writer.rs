//! The one thread that writes. A batch of changes is one transaction and one fsync.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::time::Duration;

use rusqlite::limits::Limit;
use rusqlite::{Connection, ErrorCode, params};
use tokio::sync::oneshot;
use uuid::Uuid;

use super::known::Known;
use super::{legacy, said, write};
use crate::core::time::Timestamp;
use crate::store::{Change, StoreError, codec};

/// So long without a commit, the log is folded into the database.
const IDLE: Duration = Duration::from_millis(500);

enum Job {
    Commit(Arc<[Change]>, oneshot::Sender<Result<(), StoreError>>),
    Expire(Timestamp, usize, oneshot::Sender<Result<usize, StoreError>>),
    #[cfg(any(test, debug_assertions))]
    Pragma(String, oneshot::Sender<Result<(), StoreError>>),
}

/// The way to the writing thread. It ends, with its last job done, when this is dropped.
pub(super) struct Writer(Sender<Job>);

impl Writer {
    pub(super) fn start(connection: Connection, dir: PathBuf) -> std::io::Result<Self> {
        let (sender, jobs) = channel();
        let known = Known::new(legacy::is_there(&connection).unwrap_or(true));
        let thread = Thread { connection, dir, known, written: false };
        std::thread::Builder::new().name("store".into()).spawn(move || thread.work(&jobs))?;
        Ok(Self(sender))
    }

    /// Bounded by its caller: one commit is under way at a time.
    pub(super) async fn commit(&self, changes: Arc<[Change]>) -> Result<(), StoreError> {
        let (done, committed) = oneshot::channel();
        self.ask(Job::Commit(changes, done), committed).await
    }

    pub(super) async fn expire(&self, ended_before: Timestamp, limit: usize) -> Result<usize, StoreError> {
        let (done, expired) = oneshot::channel();
        self.ask(Job::Expire(ended_before, limit, done), expired).await
    }

    /// Sets one of SQLite's limits, as in `max_page_count=10`.
    #[cfg(any(test, debug_assertions))]
    pub(super) async fn pragma(&self, pragma: &str) {
        let (done, set) = oneshot::channel();
        let _ = self.ask(Job::Pragma(pragma.to_owned(), done), set).await;
    }

    async fn ask<T>(&self, job: Job, answer: oneshot::Receiver<Result<T, StoreError>>) -> Result<T, StoreError> {
        let gone = || StoreError::Unavailable("the store's writer has ended; start taskwatch again".into());
        self.0.send(job).map_err(|_| gone())?;
        answer.await.map_err(|_| gone())?
    }
}

struct Thread {
    connection: Connection,
    dir: PathBuf,
    known: Known,
    written: bool,
}

impl Thread {
    fn work(mut self, jobs: &Receiver<Job>) {
        loop {
            match jobs.recv_timeout(IDLE) {
                // Nobody waiting for the answer any more is no error.
                Ok(Job::Commit(changes, done)) => drop(done.send(self.commit(&changes))),
                Ok(Job::Expire(before, limit, done)) => drop(done.send(self.expire(before, limit))),
                #[cfg(any(test, debug_assertions))]
                Ok(Job::Pragma(pragma, done)) => {
                    let set = match pragma.strip_prefix("length=").and_then(|most| most.parse().ok()) {
                        Some(most) => self.connection.set_limit(Limit::SQLITE_LIMIT_LENGTH, most).map(drop),
                        None => self.connection.execute_batch(&format!("PRAGMA {pragma}")),
                    };
                    drop(done.send(set.map_err(|e| said(&self.dir, &e))));
                }
                Err(RecvTimeoutError::Timeout) => self.checkpoint(),
                Err(RecvTimeoutError::Disconnected) => return,
            }
        }
    }

    /// Off the path of commits: while nothing is waiting.
    fn checkpoint(&mut self) {
        if std::mem::take(&mut self.written) {
            let folded = self.connection.query_row("PRAGMA wal_checkpoint(PASSIVE)", [], |_| Ok(()));
            if let Err(error) = folded {
                tracing::debug!(%error, "the store's log was not folded in; it is tried again");
            }
        }
    }

    fn commit(&mut self, changes: &[Change]) -> Result<(), StoreError> {
        self.written = true;
        let written = self.write_all(changes);
        if written.is_err() {
            self.known.forget();
        }
        written
    }

    fn write_all(&mut self, changes: &[Change]) -> Result<(), StoreError> {
        let dir = &self.dir;
        let wrong = |e: rusqlite::Error| said(dir, &e);
        let transaction = self.connection.transaction().map_err(wrong)?;
        for (place, change) in changes.iter().enumerate() {
            write::apply(&transaction, &mut self.known, change).map_err(|error| match error.sqlite_error_code() {
                Some(ErrorCode::TooBig) => too_large(&transaction, place, change),
                _ => wrong(error),
            })?;
        }
        transaction.commit().map_err(wrong)
    }

    fn expire(&mut self, before: Timestamp, limit: usize) -> Result<usize, StoreError> {
        self.written = true;
        self.known.forget();
        let is_legacy = self.known.legacy;
        let expired = (|| {
            let transaction = self.connection.transaction()?;
            let mut count = if is_legacy { legacy::expire(&transaction, before, limit)? } else { 0 };
            let old: Vec<[u8; 16]> = {
                let mut old = transaction.prepare_cached(
                    "SELECT id FROM ended WHERE finished_at < ?1
                        AND NOT EXISTS (SELECT 1 FROM outbox WHERE outbox.run = ended.id) ORDER BY finished_at LIMIT ?2",
                )?;
                let bounds = params![before.millis(), i64::try_from(limit - count).unwrap_or(i64::MAX)];
                old.query_map(bounds, |row| row.get(0))?.collect::<rusqlite::Result<_>>()?
            };
            count += old.len();
            let mut specs = BTreeSet::new();
            for id in old {
                specs.extend(write::remove_ended(&transaction, Uuid::from_bytes(id))?);
            }
            // Theirs only: a look at every spec, each time, would hold up commits for longer the more there are.
            for spec in specs {
                transaction.prepare_cached(write::UNUSED)?.execute([spec])?;
            }
            transaction.commit()?;
            Ok(count)
        })();
        expired.map_err(|e: rusqlite::Error| said(&self.dir, &e))
    }
}

/// The change that SQLite refuses for its size: the others can go on without it.
fn too_large(connection: &Connection, place: usize, change: &Change) -> StoreError {
    let (what, bytes) = match change {
        Change::Put(run) => {
            let shared = codec::encode_shared(&run.spec, &run.digest).map_or(0, |(body, _)| body.len());
            let own = codec::encode_run(run).map_or(0, |body| body.len());
            (format!("run {}", run.name), own.max(shared))
        }
        Change::Post(told) => {
            let body = write::text(&**told).map_or(0, |body| body.len());
            (format!("the notification about run {}", told.run), body)
        }
        Change::Note { name, text } => (format!("the note {name:?}"), text.len()),
        Change::Forget(_) | Change::Delivered(_) => ("a change".to_owned(), 0),
    };
    let most = connection.limit(Limit::SQLITE_LIMIT_LENGTH).unwrap_or_default();
    let most = usize::try_from(most).unwrap_or_default();
    StoreError::TooLarge { change: place, run: change.run(), what, bytes, most }
}
