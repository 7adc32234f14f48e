//! One change at a time, inside a transaction.

use rusqlite::{Connection, OptionalExtension as _, params};
use serde::Serialize;
use uuid::Uuid;

use super::columns::{number, unwritable};
use super::known::Known;
use super::legacy;
use crate::core::run::Run;
use crate::core::time::Timestamp;
use crate::store::{Change, codec};

/// Drops a spec that no run has any more.
pub(super) const UNUSED: &str = "DELETE FROM specs WHERE id = ?1
    AND NOT EXISTS (SELECT 1 FROM open WHERE open.spec = specs.id)
    AND NOT EXISTS (SELECT 1 FROM ended WHERE ended.spec = specs.id)";

pub(super) fn apply(to: &Connection, known: &mut Known, change: &Change) -> rusqlite::Result<()> {
    match change {
        Change::Put(run) => put(to, known, run),
        Change::Forget(id) => forget(to, known, *id),
        Change::Post(notification) => {
            let sql = "INSERT INTO outbox (id, outlet, run, body) VALUES (?1, ?2, ?3, ?4) ON CONFLICT DO NOTHING";
            let (run, body) = (notification.run.as_bytes(), text(&**notification)?);
            let row = params![notification.id, notification.destination.to_string(), run, body];
            to.prepare_cached(sql)?.execute(row).map(drop)
        }
        Change::Delivered(seq) => {
            let seq = i64::try_from(*seq).unwrap_or(i64::MAX);
            to.prepare_cached("DELETE FROM outbox WHERE seq = ?1")?.execute([seq]).map(drop)
        }
        Change::Note { name, text } => {
            let sql =
                "INSERT INTO notes (name, body) VALUES (?1, ?2) ON CONFLICT (name) DO UPDATE SET body = excluded.body";
            to.prepare_cached(sql)?.execute(params![name, text]).map(drop)
        }
    }
}

/// Any value as the text of a column.
pub(super) fn text(value: &impl Serialize) -> rusqlite::Result<String> {
    serde_json::to_string(value).map_err(|e| rusqlite::Error::ToSqlConversionFailure(e.into()))
}

fn put(to: &Connection, known: &mut Known, run: &Run) -> rusqlite::Result<()> {
    let revision = i64::try_from(run.revision).unwrap_or(i64::MAX);
    // A first revision is a new run's: nothing of it is there to change.
    if revision > 1 && !known.legacy && put_again(to, known, run, revision)? {
        return Ok(());
    }
    let open = open_revision(to, run.id)?;
    let ended = if open.is_some() { None } else { ended(to, run.id)? };
    let old = if known.legacy { legacy::revision(to, run.id)? } else { None };
    if [open, ended.as_ref().map(|(revision, _)| *revision), old].into_iter().flatten().any(|stored| stored >= revision)
    {
        return Ok(());
    }
    if old.is_some() {
        legacy::forget(to, run.id)?;
    }
    let spec = known.spec(to, run)?;
    let Some(finished_at) = ended_at(run) else {
        if ended.is_some() {
            // Begun again.
            remove_ended(to, run.id)?;
        }
        return put_open(to, run, spec, revision);
    };
    if open.is_some() {
        to.prepare_cached("DELETE FROM open WHERE id = ?1")?.execute([run.id.as_bytes()])?;
    }
    let (end, errors) = end(to, known, run, (spec, finished_at))?;
    match ended {
        // What is last seen of its task: no index has anything of that.
        Some((_, same)) if same == end => {
            let sql = "UPDATE ended SET revision = ?2, tasks = ?3, body = ?4 WHERE id = ?1";
            let body = codec::encode_run(run).map_err(unwritable)?;
            to.prepare_cached(sql)?.execute(params![run.id.as_bytes(), revision, tasks(run), body]).map(drop)
        }
        other => {
            if other.is_some() {
                // Another end: its rows by error are of the end before.
                remove_ended(to, run.id)?;
            }
            put_ended(to, run, revision, (&end, &errors))
        }
    }
}

/// The usual case, an open run that goes on or ends; whether it was that. What no index has changes in its row alone: an upsert
/// that names an indexed column writes a page of the index too, also where the value stays.
fn put_again(to: &Connection, known: &mut Known, run: &Run, revision: i64) -> rusqlite::Result<bool> {
    let Some(spec) = known.remembered(run) else { return Ok(false) };
    let id = run.id.as_bytes();
    let Some(finished_at) = ended_at(run) else {
        let sql = "UPDATE open SET revision = ?3, tasks = ?4, body = ?5 WHERE id = ?1 AND spec = ?2 AND revision < ?3";
        let body = codec::encode_run(run).map_err(unwritable)?;
        return Ok(to.prepare_cached(sql)?.execute(params![id, spec, revision, tasks(run), body])? > 0);
    };
    let sql = "DELETE FROM open WHERE id = ?1 AND revision < ?2";
    if to.prepare_cached(sql)?.execute(params![id, revision])? == 0 {
        return Ok(false);
    }
    let (end, errors) = end(to, known, run, (spec, finished_at))?;
    put_ended(to, run, revision, (&end, &errors)).map(|()| true)
}

/// When a run that is stored as ended did so, in milliseconds since 1970.
fn ended_at(run: &Run) -> Option<i64> {
    run.finished_at.filter(|_| run.status.is_final()).map(Timestamp::millis)
}

/// What listings find an ended run by.
#[derive(PartialEq, Eq)]
struct End {
    spec: i64,
    status: i64,
    /// Milliseconds since 1970.
    finished_at: i64,
    errors: Option<String>,
}

fn open_revision(of: &Connection, id: Uuid) -> rusqlite::Result<Option<i64>> {
    let mut select = of.prepare_cached("SELECT revision FROM open WHERE id = ?1")?;
    select.query_row([id.as_bytes()], |row| row.get(0)).optional()
}

fn ended(of: &Connection, id: Uuid) -> rusqlite::Result<Option<(i64, End)>> {
    let sql = "SELECT revision, spec, status, finished_at, errors FROM ended WHERE id = ?1";
    let end = |row: &rusqlite::Row<'_>| {
        let end = End { spec: row.get(1)?, status: row.get(2)?, finished_at: row.get(3)?, errors: row.get(4)? };
        Ok((row.get(0)?, end))
    };
    of.prepare_cached(sql)?.query_row([id.as_bytes()], end).optional()
}

fn put_open(to: &Connection, run: &Run, spec: i64, revision: i64) -> rusqlite::Result<()> {
    let sql = "INSERT INTO open (id, request, number, spec, revision, tasks, body) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)
        ON CONFLICT (id) DO UPDATE SET spec = excluded.spec, revision = excluded.revision, tasks = excluded.tasks,
            body = excluded.body
        WHERE excluded.revision > open.revision";
    let body = codec::encode_run(run).map_err(unwritable)?;
    let row = params![run.id.as_bytes(), run.request_name(), run.index, spec, revision, tasks(run), body];
    to.prepare_cached(sql)?.execute(row).map(drop)
}

/// The rows of the names of a run's failure, each once.
fn errors(to: &Connection, known: &mut Known, run: &Run) -> rusqlite::Result<Vec<i64>> {
    let names = run.failure().map(|failure| failure.names.as_slice()).unwrap_or_default();
    let mut errors: Vec<i64> = names.iter().map(|name| known.error(to, name)).collect::<rusqlite::Result<_>>()?;
    errors.sort_unstable();
    errors.dedup();
    Ok(errors)
}

/// A run's end, and the rows of the names of its failure.
fn end(
    to: &Connection,
    known: &mut Known,
    run: &Run,
    (spec, finished_at): (i64, i64),
) -> rusqlite::Result<(End, Vec<i64>)> {
    let errors = errors(to, known, run)?;
    Ok((End { spec, status: number(run.status), finished_at, errors: marked(&errors) }, errors))
}

fn marked(errors: &[i64]) -> Option<String> {
    let marked = |error: &i64| format!("{error}|");
    (!errors.is_empty()).then(|| format!("|{}", errors.iter().map(marked).collect::<String>()))
}

fn put_ended(to: &Connection, run: &Run, revision: i64, (end, errors): (&End, &[i64])) -> rusqlite::Result<()> {
    let (id, queue) = (run.id.as_bytes(), &run.spec.queue);
    for error in errors {
        let sql = "INSERT INTO ended_errors (error, status, id, queue) VALUES (?1, ?2, ?3, ?4)";
        to.prepare_cached(sql)?.execute(params![error, end.status, id, queue])?;
    }
    let sql = "INSERT INTO ended
        (id, request, number, spec, revision, status, finished_at, queue, errors, tasks, body)
        VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)";
    let body = codec::encode_run(run).map_err(unwritable)?;
    let End { spec, status, finished_at, errors } = end;
    let (request, number) = (run.request_name(), run.index);
    let row = params![id, request, number, spec, revision, status, finished_at, queue, errors, tasks(run), body];
    to.prepare_cached(sql)?.execute(row).map(drop)
}

/// Takes an ended run out, with its rows by error; its spec, if it was there.
pub(super) fn remove_ended(from: &Connection, id: Uuid) -> rusqlite::Result<Option<i64>> {
    let sql = "DELETE FROM ended WHERE id = ?1 RETURNING spec, status, errors";
    let mut delete = from.prepare_cached(sql)?;
    let row = |row: &rusqlite::Row<'_>| Ok((row.get(0)?, row.get(1)?, row.get::<_, Option<String>>(2)?));
    // To its end: a statement that was not finished undoes nothing, but holds the transaction open.
    let removed = delete.query_map([id.as_bytes()], row)?.collect::<rusqlite::Result<Vec<_>>>()?;
    let Some((spec, status, errors)): Option<(i64, i64, _)> = removed.into_iter().next() else { return Ok(None) };
    for error in errors.unwrap_or_default().split('|').filter_map(|error| error.parse::<i64>().ok()) {
        let sql = "DELETE FROM ended_errors WHERE error = ?1 AND status = ?2 AND id = ?3";
        from.prepare_cached(sql)?.execute(params![error, status, id.as_bytes()])?;
    }
    Ok(Some(spec))
}

fn forget(from: &Connection, known: &Known, id: Uuid) -> rusqlite::Result<()> {
    from.prepare_cached("DELETE FROM open WHERE id = ?1")?.execute([id.as_bytes()])?;
    remove_ended(from, id)?;
    if known.legacy { legacy::forget(from, id) } else { Ok(()) }
}

/// Marks of the tasks that a run had, so that of thousands of siblings few are read to find a task's.
fn tasks(run: &Run) -> Option<Vec<u8>> {
    let tasks: Vec<u8> =
        run.attempts.iter().filter_map(|a| a.task_arn.as_ref()).flat_map(|arn| mark(&arn.to_string())).collect();
    (!tasks.is_empty()).then_some(tasks)
}

/// Four bytes of a digest of a task's ARN (FNV-1a): others may have the same.
pub(super) fn mark(task_arn: &str) -> [u8; 4] {
    let hash = task_arn
        .bytes()
        .fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3));
    let [a, b, c, d, ..] = hash.to_le_bytes();
    [a, b, c, d]
}
