//! What the format before left: its tables are set aside whole, whatever their size, and read beside the new ones. A run goes
//! over when it is written, the others leave when they expire, and the tables go when they are empty.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use rusqlite::types::{ToSql, Type};
use rusqlite::{Connection, OptionalExtension as _, Row, params};
use serde::Deserialize;
use uuid::Uuid;

use super::columns::{json, number, one_more};
use crate::core::failure::Failure;
use crate::core::request::RunSpec;
use crate::core::retry::RetryCounts;
use crate::core::run::{Attempts, Run, Status};
use crate::core::time::Timestamp;
use crate::store::{Key, Query};

/// A run as format 1 wrote it.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Body {
    name: String,
    index: u32,
    digest: [u8; 32],
    status: Status,
    attempts: Attempts,
    counts: RetryCounts,
    submitted_at: Timestamp,
    finished_at: Option<Timestamp>,
    retry_at: Option<Timestamp>,
    stop_asked: Option<String>,
    timed_out: bool,
    #[serde(default)]
    redrives: u32,
    #[serde(default)]
    redriven_at: Option<Timestamp>,
    ended_by: Option<Failure>,
    revision: u64,
}

const SELECT: &str =
    "SELECT old_runs.id, old_runs.body, old_specs.body FROM old_runs JOIN old_specs ON old_specs.id = old_runs.spec";
const UNUSED: &str =
    "DELETE FROM old_specs WHERE id = ?1 AND NOT EXISTS (SELECT 1 FROM old_runs WHERE old_runs.spec = old_specs.id)";

/// Makes room for the tables of this format. Touches no row.
pub(super) fn set_aside(connection: &Connection) -> rusqlite::Result<()> {
    connection.execute_batch("ALTER TABLE runs RENAME TO old_runs; ALTER TABLE specs RENAME TO old_specs;")
}

/// Adds its ended runs to those that are counted, and has them taken off as they go: one walk over them, once.
pub(super) fn count(connection: &Connection) -> rusqlite::Result<()> {
    if !is_there(connection)? {
        return Ok(());
    }
    let sql = "SELECT status, names, count(*) FROM old_runs WHERE finished_at IS NOT NULL GROUP BY status, names";
    let mut statement = connection.prepare(sql)?;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        let (status, names, runs): (String, Option<String>, i64) = (row.get(0)?, row.get(1)?, row.get(2)?);
        let status: Status =
            status.parse().map_err(|e| rusqlite::Error::FromSqlConversionFailure(0, Type::Text, Box::new(e)))?;
        let add = "UPDATE ended_counts SET runs = runs + ?2 WHERE status = ?1";
        connection.execute(add, params![number(status), runs])?;
        for name in names.unwrap_or_default().split('|').filter(|name| !name.is_empty()) {
            let add =
                "INSERT INTO errors (name, runs) VALUES (?1, ?2) ON CONFLICT (name) DO UPDATE SET runs = runs + ?2";
            connection.execute(add, params![name, runs])?;
        }
    }
    connection.execute_batch(&format!(
        "CREATE TRIGGER old_run_goes AFTER DELETE ON old_runs WHEN OLD.finished_at IS NOT NULL BEGIN
            UPDATE ended_counts SET runs = runs - 1 WHERE status = CASE OLD.status {} END;
            UPDATE errors SET runs = runs - 1 WHERE instr(OLD.names, '|' || name || '|') > 0;
        END;",
        Status::ALL.map(|status| format!("WHEN '{}' THEN {}", status.as_str(), number(status))).join(" ")
    ))
}

pub(super) fn drop_if_empty(connection: &Connection) -> rusqlite::Result<()> {
    let is_empty = |table: &str| {
        connection.query_row(&format!("SELECT NOT EXISTS (SELECT 1 FROM {table})"), [], |row| row.get::<_, bool>(0))
    };
    if is_there(connection)? && is_empty("old_runs")? {
        connection.execute_batch("DROP TABLE old_runs; DROP TABLE old_specs;")?;
    }
    Ok(())
}

pub(super) fn is_there(connection: &Connection) -> rusqlite::Result<bool> {
    let sql = "SELECT EXISTS (SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = 'old_runs')";
    connection.prepare_cached(sql)?.query_row([], |row| row.get(0))
}

fn found(row: &Row<'_>) -> rusqlite::Result<Run> {
    run(row, Arc::new(json(row, 2)?))
}

/// Columns `id, body` and the run's spec.
fn run(row: &Row<'_>, spec: Arc<RunSpec>) -> rusqlite::Result<Run> {
    let body: Body = json(row, 1)?;
    Ok(Run {
        id: Uuid::from_bytes(row.get(0)?),
        name: body.name,
        index: body.index,
        spec,
        digest: body.digest,
        status: body.status,
        attempts: body.attempts,
        counts: body.counts,
        submitted_at: body.submitted_at,
        finished_at: body.finished_at,
        retry_at: body.retry_at,
        stop_asked: body.stop_asked,
        timed_out: body.timed_out,
        redrives: body.redrives,
        redriven_at: body.redriven_at,
        ended_by: body.ended_by.map(Arc::new),
        revision: body.revision,
    })
}

/// How many runs are open.
pub(super) fn open(connection: &Connection) -> rusqlite::Result<usize> {
    if !is_there(connection)? {
        return Ok(0);
    }
    let sql = "SELECT count(*) FROM old_runs WHERE finished_at IS NULL";
    connection.query_row(sql, [], |row| row.get::<_, i64>(0)).map(|count| usize::try_from(count).unwrap_or_default())
}

/// Every open run; siblings share their spec again.
pub(super) fn each_open(connection: &Connection, mut take: impl FnMut(Run)) -> rusqlite::Result<()> {
    if !is_there(connection)? {
        return Ok(());
    }
    let mut specs: HashMap<i64, Arc<RunSpec>> = HashMap::new();
    let sql = "SELECT old_runs.id, old_runs.body, old_specs.body, old_runs.spec FROM old_runs
        JOIN old_specs ON old_specs.id = old_runs.spec WHERE old_runs.finished_at IS NULL";
    let mut statement = connection.prepare(sql)?;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        let number = row.get(3)?;
        let spec = match specs.get(&number) {
            Some(spec) => Arc::clone(spec),
            None => Arc::clone(specs.entry(number).or_insert(Arc::new(json(row, 2)?))),
        };
        take(run(row, spec)?);
    }
    Ok(())
}

/// The revision of a run that is still here.
pub(super) fn revision(connection: &Connection, id: Uuid) -> rusqlite::Result<Option<i64>> {
    let sql = "SELECT json_extract(body, '$.revision') FROM old_runs WHERE id = ?1";
    connection.prepare_cached(sql)?.query_row([id.as_bytes()], |row| row.get(0)).optional()
}

/// Takes a run out, and its request with the last of its runs.
pub(super) fn forget(connection: &Connection, id: Uuid) -> rusqlite::Result<()> {
    let mut delete = connection.prepare_cached("DELETE FROM old_runs WHERE id = ?1 RETURNING spec")?;
    let specs: Vec<i64> = delete.query_map([id.as_bytes()], |row| row.get(0))?.collect::<rusqlite::Result<_>>()?;
    drop_unused(connection, specs)
}

fn drop_unused(connection: &Connection, specs: Vec<i64>) -> rusqlite::Result<()> {
    for spec in specs.into_iter().collect::<BTreeSet<_>>() {
        connection.prepare_cached(UNUSED)?.execute([spec])?;
    }
    Ok(())
}

/// Forgets up to `limit` runs that ended before an instant and have been told of.
pub(super) fn expire(connection: &Connection, before: Timestamp, limit: usize) -> rusqlite::Result<usize> {
    let mut old = connection.prepare_cached(
        "DELETE FROM old_runs WHERE id IN (SELECT id FROM old_runs WHERE finished_at < ?1
            AND NOT EXISTS (SELECT 1 FROM outbox WHERE outbox.run = old_runs.id) ORDER BY finished_at LIMIT ?2)
         RETURNING spec",
    )?;
    let bounds = params![before.millis(), i64::try_from(limit).unwrap_or(i64::MAX)];
    let specs: Vec<i64> = old.query_map(bounds, |row| row.get(0))?.collect::<rusqlite::Result<_>>()?;
    let count = specs.len();
    drop_unused(connection, specs)?;
    Ok(count)
}

/// Runs by their keys, in the order of their index.
pub(super) fn find(connection: &Connection, key: &Key, limit: usize) -> rusqlite::Result<Vec<Run>> {
    if !is_there(connection)? {
        return Ok(Vec::new());
    }
    let read = |condition: &str, values: &[&dyn ToSql]| {
        let mut statement = connection.prepare_cached(&format!("{SELECT} WHERE {condition}"))?;
        statement.query_map(values, found)?.collect()
    };
    match key {
        Key::Run(id) => read("old_runs.id = ?1", &[id.as_bytes()]),
        Key::Request { name, from } => read(
            "old_runs.request = ?1 AND old_runs.number >= ?2 ORDER BY old_runs.number LIMIT ?3",
            &[name, from, &one_more(limit)],
        ),
        // Those that do not name the task are not parsed.
        Key::Task { request, task_arn } => {
            read("old_runs.request = ?1 AND instr(old_runs.body, ?2) > 0", &[request, task_arn])
        }
    }
}

/// Ids of the newest ended runs of one status that may fit, newest first: `most`, and one more if there are more.
pub(super) fn ids(
    connection: &Connection,
    query: &Query,
    status: Status,
    error: Option<&String>,
    most: usize,
) -> rusqlite::Result<Vec<Uuid>> {
    let named = query.filter.exact_name().map(crate::core::name::request_of);
    let index = match (named, &query.filter.queue) {
        (Some(_), _) => "runs_by_request",
        (None, Some(_)) => "runs_by_queue",
        (None, None) => "runs_by_status",
    };
    let mut sql = format!("SELECT id FROM old_runs INDEXED BY {index} WHERE finished_at IS NOT NULL AND status = ?1");
    let (status, before) = (status.as_str(), query.before.map(|id| *id.as_bytes()));
    let error = error.map(|name| format!("|{name}|"));
    let mut values: Vec<&dyn ToSql> = vec![&status];
    let mut narrow = |condition: &str, value| {
        values.push(value);
        sql.push_str(&format!(" AND {}", condition.replace('?', &format!("?{}", values.len()))));
    };
    if let Some(before) = &before {
        narrow("id < ?", before);
    }
    if let Some(queue) = &query.filter.queue {
        narrow("queue = ?", queue);
    }
    if let Some(error) = &error {
        narrow("instr(names, ?) > 0", error);
    }
    if let Some(request) = &named {
        narrow("request = ?", request);
    }
    sql.push_str(&format!(" ORDER BY id DESC LIMIT {}", one_more(most)));
    let mut statement = connection.prepare_cached(&sql)?;
    statement.query_map(values.as_slice(), |row| row.get(0).map(Uuid::from_bytes))?.collect()
}
