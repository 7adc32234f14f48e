//! The one thread that writes. A batch of changes is one transaction and one fsync.

use std::collections::{BTreeSet, HashMap};
use std::path::PathBuf;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::sync::{Arc, Weak};
use std::time::Duration;

use rusqlite::limits::Limit;
use rusqlite::{Connection, ErrorCode, Transaction, params};
use sha2::{Digest, Sha256};
use tokio::sync::oneshot;

use super::{record, said};
use crate::core::request::RunSpec;
use crate::core::run::Run;
use crate::core::time::Timestamp;
use crate::store::{Change, StoreError};

/// So long without a commit, the log is folded into the database.
const IDLE: Duration = Duration::from_millis(500);
/// Specs remembered by address before those that nobody uses are dropped.
const SPECS: usize = 10_000;
/// Drops a spec that no run has any more.
pub(super) const UNUSED: &str =
    "DELETE FROM specs WHERE id = ?1 AND NOT EXISTS (SELECT 1 FROM runs WHERE runs.spec = specs.id)";

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
        let thread = Thread { connection, dir, specs: HashMap::new(), written: false };
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
    /// Rows of specs by the address they are shared at; the weak reference tells whether it is still the same one.
    specs: HashMap<usize, (Weak<RunSpec>, i64)>,
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
            // What the transaction took back may include specs.
            self.specs.clear();
        }
        written
    }

    fn write_all(&mut self, changes: &[Change]) -> Result<(), StoreError> {
        let dir = &self.dir;
        let wrong = |e: rusqlite::Error| said(dir, &e);
        let transaction = self.connection.transaction().map_err(wrong)?;
        for (place, change) in changes.iter().enumerate() {
            write(&transaction, &mut self.specs, change).map_err(|error| match error.sqlite_error_code() {
                Some(ErrorCode::TooBig) => too_large(&transaction, place, change),
                _ => wrong(error),
            })?;
        }
        transaction.commit().map_err(wrong)
    }

    fn expire(&mut self, before: Timestamp, limit: usize) -> Result<usize, StoreError> {
        self.written = true;
        self.specs.clear();
        let expired = (|| {
            let transaction = self.connection.transaction()?;
            let specs: Vec<i64> = {
                let mut old = transaction.prepare_cached(
                    "DELETE FROM runs WHERE id IN (SELECT id FROM runs WHERE finished_at < ?1
                        AND NOT EXISTS (SELECT 1 FROM outbox WHERE outbox.run = runs.id) ORDER BY finished_at LIMIT ?2)
                     RETURNING spec",
                )?;
                let bounds = params![before.millis(), i64::try_from(limit).unwrap_or(i64::MAX)];
                old.query_map(bounds, |row| row.get(0))?.collect::<rusqlite::Result<_>>()?
            };
            // Theirs only: a look at every spec, each time, would hold up commits for longer the more there are.
            for spec in specs.iter().collect::<BTreeSet<_>>() {
                transaction.prepare_cached(UNUSED)?.execute([spec])?;
            }
            let count = specs.len();
            transaction.commit()?;
            Ok(count)
        })();
        expired.map_err(|e: rusqlite::Error| said(&self.dir, &e))
    }
}

/// The change that SQLite refuses for its size: the others can go on without it.
fn too_large(connection: &Connection, place: usize, change: &Change) -> StoreError {
    let size = |text: rusqlite::Result<String>| text.map(|text| text.len()).unwrap_or_default();
    let (what, bytes) = match change {
        Change::Put(run) => (format!("run {}", run.name), size(record::body(run)).max(size(record::text(&*run.spec)))),
        Change::Post(told) => (format!("the notification about run {}", told.run), size(record::text(&**told))),
        Change::Note { name, text } => (format!("the note {name:?}"), text.len()),
        Change::Forget(_) | Change::Delivered(_) => ("a change".to_owned(), 0),
    };
    let most = connection.limit(Limit::SQLITE_LIMIT_LENGTH).unwrap_or_default();
    let most = usize::try_from(most).unwrap_or_default();
    StoreError::TooLarge { change: place, run: change.run(), what, bytes, most }
}

type Specs = HashMap<usize, (Weak<RunSpec>, i64)>;

fn write(transaction: &Transaction<'_>, specs: &mut Specs, change: &Change) -> rusqlite::Result<()> {
    match change {
        Change::Put(run) => put(transaction, specs, run),
        Change::Forget(id) => {
            transaction.prepare_cached("DELETE FROM runs WHERE id = ?1")?.execute([id.as_bytes()]).map(drop)
        }
        Change::Post(notification) => {
            let body = record::text(&**notification)?;
            let sql = "INSERT INTO outbox (id, outlet, run, body) VALUES (?1, ?2, ?3, ?4) ON CONFLICT DO NOTHING";
            let row = params![notification.id, notification.outlet.to_string(), notification.run.as_bytes(), body];
            transaction.prepare_cached(sql)?.execute(row).map(drop)
        }
        Change::Delivered(seq) => {
            let seq = i64::try_from(*seq).unwrap_or(i64::MAX);
            transaction.prepare_cached("DELETE FROM outbox WHERE seq = ?1")?.execute([seq]).map(drop)
        }
        Change::Note { name, text } => {
            let sql =
                "INSERT INTO notes (name, body) VALUES (?1, ?2) ON CONFLICT (name) DO UPDATE SET body = excluded.body";
            transaction.prepare_cached(sql)?.execute(params![name, text]).map(drop)
        }
    }
}

fn put(transaction: &Transaction<'_>, specs: &mut Specs, run: &Run) -> rusqlite::Result<()> {
    let spec = spec(transaction, specs, &run.spec)?;
    let finished = run.finished_at.filter(|_| run.status.is_final()).map(Timestamp::millis);
    let body = record::body(run)?;
    let sql = "INSERT INTO runs (id, request, number, spec, status, finished_at, queue, names, revision, body)
        VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)
        ON CONFLICT (id) DO UPDATE SET status = excluded.status, finished_at = excluded.finished_at,
            names = excluded.names, revision = excluded.revision, body = excluded.body
        WHERE excluded.revision > runs.revision";
    // Open runs are listed from memory.
    let names = run.failure().filter(|_| finished.is_some()).map(|f| format!("|{}|", f.names.join("|")));
    let (id, status, queue) = (run.id.as_bytes(), run.status.as_str(), &run.spec.queue);
    let revision = i64::try_from(run.revision).unwrap_or(i64::MAX);
    let row = params![id, run.request_name(), run.index, spec, status, finished, queue, names, revision, body];
    transaction.prepare_cached(sql)?.execute(row).map(drop)
}

/// The row of a spec; runs of one request share it.
fn spec(transaction: &Transaction<'_>, specs: &mut Specs, spec: &Arc<RunSpec>) -> rusqlite::Result<i64> {
    let address = Arc::as_ptr(spec) as usize;
    let known = specs.get(&address).filter(|(weak, _)| weak.upgrade().is_some_and(|known| Arc::ptr_eq(&known, spec)));
    if let Some((_, row)) = known {
        return Ok(*row);
    }
    let body = record::text(&**spec)?;
    let digest: [u8; 32] = Sha256::digest(body.as_bytes()).into();
    let insert = "INSERT INTO specs (digest, body) VALUES (?1, ?2) ON CONFLICT (digest) DO NOTHING";
    transaction.prepare_cached(insert)?.execute(params![digest, body])?;
    let row =
        transaction.prepare_cached("SELECT id FROM specs WHERE digest = ?1")?.query_row([digest], |row| row.get(0))?;
    if specs.len() >= SPECS {
        specs.retain(|_, (weak, _)| weak.strong_count() > 0);
    }
    if specs.len() < SPECS {
        specs.insert(address, (Arc::downgrade(spec), row));
    }
    Ok(row)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::request::RunRequest;

    #[test]
    fn specs_that_nobody_uses_make_room_and_those_in_use_stay() {
        let mut connection = Connection::open_in_memory().unwrap();
        connection.execute_batch("CREATE TABLE specs (id INTEGER PRIMARY KEY, digest BLOB UNIQUE, body TEXT)").unwrap();
        let transaction = connection.transaction().unwrap();
        let mut specs = Specs::new();
        let one = || Arc::new(RunRequest::parse(r#"{"runTask": {"taskDefinition": "x"}}"#).unwrap().spec);
        let used = one();
        let row = spec(&transaction, &mut specs, &used).unwrap();
        // As if as many as may be remembered were none's any more.
        for address in 0..SPECS - 1 {
            specs.insert(address, (Weak::new(), 0));
        }
        let new = one();
        assert_eq!(spec(&transaction, &mut specs, &new).unwrap(), row, "of equal specs there is one row");
        let remembered: BTreeSet<usize> = specs.keys().copied().collect();
        assert_eq!(remembered, BTreeSet::from([&used, &new].map(|spec| Arc::as_ptr(spec) as usize)));
    }
}
