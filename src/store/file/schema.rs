//! The tables, and their version.

use std::time::Duration;

use rusqlite::Connection;

/// "twch": marks the file as ours for `file` and for people (<https://www.sqlite.org/pragma.html#pragma_application_id>).
const APPLICATION: i32 = 0x7477_6368;
/// What this program reads and writes.
const VERSION: i32 = 4;
/// The first format: `legacy.rs` reads what is left of it.
const FIRST: i32 = 1;
/// From this one on ended runs are counted.
const COUNTED: i32 = 3;
/// From this one on small commits are in a log first.
const LOGGED: i32 = 4;
/// How long a reader waits for a checkpoint.
pub(super) const BUSY: Duration = Duration::from_secs(10);

/// `specs` holds what runs of one request share, once, by a digest of it. Open runs and ended ones are apart: the open ones
/// are few, written often, and all read at a start; the ended ones are many, written once, and listed.
/// `body` is a record of `store/codec`. `status` is a number of `write.rs`, `tasks` the ends of digests of task ARNs.
/// `ended_errors` has a row for each name of a run's failure, each with what a listing may ask for beside it: so each
/// filter is a walk along one index; `ended_by_request` has it all for the runs of one request. `notes` is what the cell keeps for itself, such as changed limits.
const TABLES: &str = "
CREATE TABLE specs (id INTEGER PRIMARY KEY, digest BLOB NOT NULL UNIQUE, body BLOB NOT NULL) STRICT;
CREATE TABLE open (
    id BLOB PRIMARY KEY, request TEXT NOT NULL, number INTEGER NOT NULL, spec INTEGER NOT NULL REFERENCES specs (id),
    revision INTEGER NOT NULL, tasks BLOB, body BLOB NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX open_by_request ON open (request, number);
CREATE INDEX open_by_spec ON open (spec);
CREATE TABLE ended (
    id BLOB PRIMARY KEY, request TEXT NOT NULL, number INTEGER NOT NULL, spec INTEGER NOT NULL REFERENCES specs (id),
    revision INTEGER NOT NULL, status INTEGER NOT NULL, finished_at INTEGER NOT NULL, queue TEXT NOT NULL, errors TEXT,
    tasks BLOB, body BLOB NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX ended_by_request ON ended (request, number, status, queue, errors);
CREATE INDEX ended_by_status ON ended (status, id);
CREATE INDEX ended_by_queue ON ended (queue, status, id);
CREATE INDEX ended_by_end ON ended (finished_at);
CREATE INDEX ended_by_spec ON ended (spec);
CREATE TABLE errors (id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE) STRICT;
CREATE TABLE ended_errors (
    error INTEGER NOT NULL, status INTEGER NOT NULL, id BLOB NOT NULL, queue TEXT NOT NULL, PRIMARY KEY (error, status, id)
) STRICT, WITHOUT ROWID;
CREATE INDEX ended_errors_by_queue ON ended_errors (queue, error, status, id);
";

/// Format 3. `ended_counts` has ended runs by status, `errors.runs` by the names of their failures: the database itself counts
/// what comes and goes, in the transaction in which it does, whichever statement it is. `specs` says what listings look for.
const COUNTS: &str = "
ALTER TABLE specs ADD COLUMN task_definition TEXT;
ALTER TABLE specs ADD COLUMN cluster TEXT;
ALTER TABLE errors ADD COLUMN runs INTEGER NOT NULL DEFAULT 0;
CREATE TABLE ended_counts (status INTEGER PRIMARY KEY, runs INTEGER NOT NULL) STRICT;
INSERT INTO ended_counts (status, runs)
    SELECT value, (SELECT count(*) FROM ended INDEXED BY ended_by_status WHERE status = value) FROM json_each('[4, 5, 6, 7]');
UPDATE errors SET runs = (SELECT count(*) FROM ended_errors WHERE error = errors.id);
CREATE TRIGGER ended_comes AFTER INSERT ON ended BEGIN
    UPDATE ended_counts SET runs = runs + 1 WHERE status = NEW.status;
END;
CREATE TRIGGER ended_goes AFTER DELETE ON ended BEGIN
    UPDATE ended_counts SET runs = runs - 1 WHERE status = OLD.status;
END;
CREATE TRIGGER ended_error_comes AFTER INSERT ON ended_errors BEGIN
    UPDATE errors SET runs = runs + 1 WHERE id = NEW.error;
END;
CREATE TRIGGER ended_error_goes AFTER DELETE ON ended_errors BEGIN
    UPDATE errors SET runs = runs - 1 WHERE id = OLD.error;
END;
";

/// The same in all formats.
const KEPT_TABLES: &str = "
CREATE TABLE outbox (
    seq INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT NOT NULL, outlet TEXT NOT NULL, run BLOB NOT NULL, body TEXT NOT NULL,
    UNIQUE (id, outlet)
) STRICT;
CREATE INDEX outbox_by_run ON outbox (run);
CREATE TABLE notes (name TEXT PRIMARY KEY, body TEXT NOT NULL) STRICT, WITHOUT ROWID;
CREATE INDEX outbox_by_outlet ON outbox (outlet, seq);
";

/// Format 4. Whose log it is, and its last entry that is in the tables.
const LOG: &str = "
CREATE TABLE redo (id BLOB NOT NULL, applied INTEGER NOT NULL) STRICT;
INSERT INTO redo (id, applied) VALUES (randomblob(16), 0);
";

/// Why a database is not for this program.
#[derive(Debug, thiserror::Error)]
pub(super) enum SchemaError {
    #[error(transparent)]
    Sqlite(#[from] rusqlite::Error),
    #[error("the database has format {0}, this taskwatch writes format {VERSION}: use the newer taskwatch")]
    Newer(i32),
    #[error("taskwatch.db is another program's database; name another directory")]
    Foreign,
}

/// Sets the connection up and makes the tables where there are none.
pub(super) fn prepare(connection: &mut Connection) -> Result<(), SchemaError> {
    connection.busy_timeout(BUSY)?;
    // Before anything is set: the journal's mode stays with the file, and another program's stays as it is.
    let version: i32 = connection.pragma_query_value(None, "user_version", |row| row.get(0))?;
    let application: i32 = connection.pragma_query_value(None, "application_id", |row| row.get(0))?;
    let tables: i64 = connection.query_row("SELECT count(*) FROM sqlite_master", [], |row| row.get(0))?;
    match (tables, application, version) {
        (0, ..) | (_, APPLICATION, FIRST..=VERSION) => {}
        (_, APPLICATION, newer) => return Err(SchemaError::Newer(newer)),
        _ => return Err(SchemaError::Foreign),
    }
    connection.pragma_update(None, "journal_mode", "WAL")?;
    // A commit is on the disk when it answers, also through a power cut.
    connection.pragma_update(None, "synchronous", "FULL")?;
    // Checkpoints run between commits, on the writer's idle time, and at 64 MiB whether idle or not.
    connection.pragma_update(None, "wal_autocheckpoint", 16_384)?;
    connection.pragma_update(None, "journal_size_limit", 64 * 1024 * 1024)?;
    connection.pragma_update(None, "cache_size", -32 * 1024)?;
    connection.set_prepared_statement_cache_capacity(64);
    make(connection, tables > 0, version)?;
    Ok(())
}

fn make(connection: &mut Connection, is_there: bool, version: i32) -> rusqlite::Result<()> {
    let transaction = connection.transaction()?;
    if !is_there {
        transaction.execute_batch(KEPT_TABLES)?;
        transaction.pragma_update(None, "application_id", APPLICATION)?;
    }
    if is_there && version == FIRST {
        super::legacy::set_aside(&transaction)?;
    }
    if !is_there || version == FIRST {
        transaction.execute_batch(TABLES)?;
    }
    if !is_there || version < COUNTED {
        transaction.execute_batch(COUNTS)?;
        super::legacy::count(&transaction)?;
    }
    if !is_there || version < LOGGED {
        transaction.execute_batch(LOG)?;
        transaction.pragma_update(None, "user_version", VERSION)?;
    }
    super::legacy::drop_if_empty(&transaction)?;
    transaction.commit()
}

/// Which database it is.
pub(super) fn id(of: &Connection) -> rusqlite::Result<[u8; 16]> {
    of.query_row("SELECT id FROM redo", [], |row| row.get(0))
}

/// The last entry of the log that is in the tables.
pub(super) fn applied(of: &Connection) -> rusqlite::Result<u64> {
    of.query_row("SELECT applied FROM redo", [], |row| row.get(0))
        .map(|number: i64| u64::try_from(number).unwrap_or_default())
}

/// All of the log up to an entry is in the tables.
pub(super) fn set_applied(to: &Connection, number: u64) -> rusqlite::Result<()> {
    to.prepare_cached("UPDATE redo SET applied = ?1")?.execute([i64::try_from(number).unwrap_or(i64::MAX)]).map(drop)
}
