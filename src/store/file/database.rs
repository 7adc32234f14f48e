//! The connection that writes: many changes in one transaction, with one fsync.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use rusqlite::limits::Limit;
use rusqlite::{Connection, ErrorCode, params};
use uuid::Uuid;

use super::known::Known;
use super::redo::{self, Log, Recovered};
use super::{legacy, said, schema, write};
use crate::core::time::Timestamp;
use crate::store::{Change, StoreError, codec};

/// The connection that writes.
pub(super) struct Database {
    connection: Connection,
    dir: PathBuf,
    known: Known,
    /// The last entry of the log that the database has.
    applied: u64,
}

impl Database {
    pub(super) fn new(connection: Connection, dir: &Path) -> Result<Self, StoreError> {
        let applied = schema::applied(&connection).map_err(|e| said(dir, &e))?;
        let known = Known::new(legacy::is_there(&connection).unwrap_or(true));
        Ok(Self { connection, dir: dir.to_owned(), known, applied })
    }

    pub(super) fn dir(&self) -> &Path {
        &self.dir
    }

    pub(super) const fn applied(&self) -> u64 {
        self.applied
    }

    /// Takes in what the log has and the database has not; the log, empty. None: the disk takes none.
    pub(super) fn recover(&mut self) -> Result<Option<Log>, StoreError> {
        let file = self.dir.join(redo::FILE);
        let of = schema::id(&self.connection).map_err(|e| said(&self.dir, &e))?;
        let dir = self.dir.display().to_string();
        let unreadable = |e| {
            let text = format!("file:{dir}: {} cannot be read ({e}); give this user the right to", redo::FILE);
            StoreError::Unavailable(text)
        };
        let recovered = Recovered::read(&file, of).map_err(unreadable)?;
        for (number, payload) in recovered.entries(self.applied) {
            let damaged = |e| {
                StoreError::Corrupt(format!(
                    "file:{dir}: entry {number} of {} cannot be read ({e}); use the taskwatch that wrote it, or restore the directory from its backup",
                    redo::FILE
                ))
            };
            let changes = codec::decode_changes(payload).map_err(damaged)?;
            self.commit(&changes, number)?;
        }
        Ok(recovered
            .emptied(self.applied)
            .inspect_err(|error| {
                tracing::warn!(file = %file.display(), %error, "{}", redo::NONE);
            })
            .ok())
    }

    #[cfg(any(test, debug_assertions))]
    pub(super) fn pragma(&self, pragma: &str) -> Result<(), StoreError> {
        let set = match pragma.strip_prefix("length=").and_then(|most| most.parse().ok()) {
            Some(most) => self.connection.set_limit(Limit::SQLITE_LIMIT_LENGTH, most).map(drop),
            None => self.connection.execute_batch(&format!("PRAGMA {pragma}")),
        };
        set.map_err(|e| said(&self.dir, &e))
    }

    /// Off the path of commits: while nothing is waiting.
    pub(super) fn checkpoint(&self) {
        let folded = self.connection.query_row("PRAGMA wal_checkpoint(PASSIVE)", [], |_| Ok(()));
        if let Err(error) = folded {
            tracing::debug!(%error, "the store's log was not folded in; it is tried again");
        }
    }

    /// Changes, after which the log is done with up to an entry.
    pub(super) fn commit<'a>(
        &mut self,
        changes: impl IntoIterator<Item = &'a Change>,
        number: u64,
    ) -> Result<(), StoreError> {
        let written = self.write_all(changes, number);
        match written {
            Ok(()) => self.applied = number,
            Err(_) => self.known.forget(),
        }
        written
    }

    fn write_all<'a>(&mut self, changes: impl IntoIterator<Item = &'a Change>, number: u64) -> Result<(), StoreError> {
        let dir = &self.dir;
        let wrong = |e: rusqlite::Error| said(dir, &e);
        let transaction = self.connection.transaction().map_err(wrong)?;
        for (place, change) in changes.into_iter().enumerate() {
            write::apply(&transaction, &mut self.known, change).map_err(|error| match error.sqlite_error_code() {
                Some(ErrorCode::TooBig) => too_large(&transaction, place, change),
                _ => wrong(error),
            })?;
        }
        if number > self.applied {
            schema::set_applied(&transaction, number).map_err(wrong)?;
        }
        transaction.commit().map_err(wrong)
    }

    pub(super) fn expire(&mut self, before: Timestamp, limit: usize) -> Result<usize, StoreError> {
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
