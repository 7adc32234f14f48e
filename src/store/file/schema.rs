//! The tables, and their version.

use std::time::Duration;

use rusqlite::Connection;

/// "twch": marks the file as ours for `file` and for people (<https://www.sqlite.org/pragma.html#pragma_application_id>).
const APPLICATION: i32 = 0x7477_6368;
/// What this program reads and writes.
const VERSION: i32 = 2;
/// How long a reader waits for a checkpoint.
pub(super) const BUSY: Duration = Duration::from_secs(10);

/// `specs` holds what runs of one request share, once. `runs.body` is JSON without it. A final run has `finished_at`.
/// `notes` is what the cell keeps for itself, such as changed limits.
/// `names` are those of its failure, each between bars: what a listing by error looks through.
const TABLES: &str = "
CREATE TABLE specs (id INTEGER PRIMARY KEY, digest BLOB NOT NULL UNIQUE, body TEXT NOT NULL) STRICT;
CREATE TABLE runs (
    id BLOB PRIMARY KEY, request TEXT NOT NULL, number INTEGER NOT NULL, spec INTEGER NOT NULL REFERENCES specs (id),
    status TEXT NOT NULL, finished_at INTEGER, queue TEXT NOT NULL, names TEXT, body TEXT NOT NULL,
    revision INTEGER NOT NULL DEFAULT 0
) STRICT, WITHOUT ROWID;
CREATE INDEX runs_by_request ON runs (request, number);
CREATE INDEX runs_open ON runs (id) WHERE finished_at IS NULL;
CREATE INDEX runs_finished ON runs (finished_at) WHERE finished_at IS NOT NULL;
CREATE INDEX runs_by_spec ON runs (spec);
CREATE INDEX runs_by_status ON runs (status, id) WHERE finished_at IS NOT NULL;
CREATE INDEX runs_by_queue ON runs (queue, status, id) WHERE finished_at IS NOT NULL;
CREATE TABLE outbox (
    seq INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT NOT NULL, outlet TEXT NOT NULL, run BLOB NOT NULL, body TEXT NOT NULL,
    UNIQUE (id, outlet)
) STRICT;
CREATE INDEX outbox_by_run ON outbox (run);
CREATE TABLE notes (name TEXT PRIMARY KEY, body TEXT NOT NULL) STRICT, WITHOUT ROWID;
CREATE INDEX outbox_by_outlet ON outbox (outlet, seq);
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
    // Before anything is set: the journal's mode stays with the file, and a stranger's is left as it is.
    let version: i32 = connection.pragma_query_value(None, "user_version", |row| row.get(0))?;
    let application: i32 = connection.pragma_query_value(None, "application_id", |row| row.get(0))?;
    let tables: i64 = connection.query_row("SELECT count(*) FROM sqlite_master", [], |row| row.get(0))?;
    match (tables, application, version) {
        (0, ..) | (_, APPLICATION, 1 | VERSION) => {}
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
    if version == 1 {
        let transaction = connection.transaction()?;
        // Changes no row: it takes no longer the more there are.
        transaction.execute_batch("ALTER TABLE runs ADD COLUMN revision INTEGER NOT NULL DEFAULT 0")?;
        transaction.pragma_update(None, "user_version", VERSION)?;
        transaction.commit()?;
    }
    if tables == 0 {
        let transaction = connection.transaction()?;
        transaction.execute_batch(TABLES)?;
        transaction.pragma_update(None, "application_id", APPLICATION)?;
        transaction.pragma_update(None, "user_version", VERSION)?;
        transaction.commit()?;
    }
    Ok(())
}
