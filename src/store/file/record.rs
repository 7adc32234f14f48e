//! Runs as rows: JSON, so that an operator can read them and a later version can add to them.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use rusqlite::types::Type;
use rusqlite::{Connection, Row, params};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::core::failure::Failure;
use crate::core::notification::Outlet;
use crate::core::request::RunSpec;
use crate::core::retry::RetryCounts;
use crate::core::run::{Attempts, Run, Status};
use crate::core::time::Timestamp;
use crate::store::{Contents, Key, Page, Posted, Runs};

/// A run without what it shares with its siblings. `A` is its attempts, owned or borrowed.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Body<A, C, F, S> {
    name: S,
    index: u32,
    digest: [u8; 32],
    status: Status,
    attempts: A,
    counts: C,
    submitted_at: Timestamp,
    finished_at: Option<Timestamp>,
    retry_at: Option<Timestamp>,
    stop_asked: Option<S>,
    timed_out: bool,
    #[serde(default)]
    redrives: u32,
    #[serde(default)]
    redriven_at: Option<Timestamp>,
    ended_by: Option<F>,
    revision: u64,
}

type Owned = Body<Attempts, RetryCounts, Failure, String>;

/// Any value as the text of a column.
pub(super) fn text(value: &impl Serialize) -> rusqlite::Result<String> {
    serde_json::to_string(value).map_err(|e| rusqlite::Error::ToSqlConversionFailure(e.into()))
}

/// A run's body. Every member is named, so that one that is added is not forgotten here.
pub(super) fn body(run: &Run) -> rusqlite::Result<String> {
    let Run {
        id: _,
        name,
        index,
        spec: _,
        digest,
        status,
        attempts,
        counts,
        submitted_at,
        finished_at,
        retry_at,
        stop_asked,
        timed_out,
        redrives,
        redriven_at,
        ended_by,
        revision,
    } = run;
    text(&Body {
        name: name.as_str(),
        index: *index,
        digest: *digest,
        status: *status,
        attempts,
        counts,
        submitted_at: *submitted_at,
        finished_at: *finished_at,
        retry_at: *retry_at,
        stop_asked: stop_asked.as_deref(),
        timed_out: *timed_out,
        redrives: *redrives,
        redriven_at: *redriven_at,
        ended_by: ended_by.as_ref(),
        revision: *revision,
    })
}

fn read<T: for<'de> Deserialize<'de>>(row: &Row<'_>, column: usize) -> rusqlite::Result<T> {
    let text = row.get_ref(column)?.as_str()?;
    serde_json::from_str(text).map_err(|e| rusqlite::Error::FromSqlConversionFailure(column, Type::Text, e.into()))
}

/// What [`found`] reads.
pub(super) const SELECT: &str = "SELECT runs.id, runs.body, specs.body FROM runs JOIN specs ON specs.id = runs.spec";

/// A row of [`SELECT`].
pub(super) fn found(row: &Row<'_>) -> rusqlite::Result<Run> {
    run(row, Arc::new(read(row, 2)?))
}

/// Columns `id, body` and the run's spec.
fn run(row: &Row<'_>, spec: Arc<RunSpec>) -> rusqlite::Result<Run> {
    let body: Owned = read(row, 1)?;
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
        ended_by: body.ended_by,
        revision: body.revision,
    })
}

/// What there is beside the runs.
pub(super) fn load(connection: &Connection) -> rusqlite::Result<Contents> {
    let mut statement = connection.prepare("SELECT name, body FROM notes")?;
    let notes = statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?.collect::<rusqlite::Result<_>>()?;
    let open: i64 =
        connection.query_row("SELECT count(*) FROM runs WHERE finished_at IS NULL", [], |row| row.get(0))?;
    let open = usize::try_from(open).unwrap_or_default();
    Ok(Contents { notes, undelivered: undelivered(connection)?, open, runs: Runs::ready(Vec::new()) })
}

/// Every open run, in parts, for as long as they are taken; siblings share their spec again.
pub(super) fn each_open(
    connection: &Connection,
    part: usize,
    mut take: impl FnMut(Vec<Run>) -> bool,
) -> rusqlite::Result<()> {
    let mut specs: HashMap<i64, Arc<RunSpec>> = HashMap::new();
    let open = "SELECT DISTINCT specs.id, specs.body FROM specs JOIN runs ON runs.spec = specs.id WHERE runs.finished_at IS NULL";
    let mut statement = connection.prepare(open)?;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        specs.insert(row.get(0)?, Arc::new(read(row, 1)?));
    }
    let mut statement = connection.prepare("SELECT id, body, spec FROM runs WHERE finished_at IS NULL")?;
    let mut rows = statement.query([])?;
    let mut runs = Vec::with_capacity(part);
    while let Some(row) = rows.next()? {
        let number: i64 = row.get(2)?;
        let spec = specs.get(&number).cloned().ok_or(rusqlite::Error::IntegralValueOutOfRange(2, number))?;
        runs.push(run(row, spec)?);
        if runs.len() >= part && !take(std::mem::replace(&mut runs, Vec::with_capacity(part))) {
            return Ok(());
        }
    }
    take(runs);
    Ok(())
}

fn undelivered(connection: &Connection) -> rusqlite::Result<BTreeMap<Outlet, usize>> {
    let mut statement = connection.prepare("SELECT outlet, count(*) FROM outbox GROUP BY outlet")?;
    let of_outlet = |row: &Row<'_>| {
        let (outlet, count): (String, i64) = (row.get(0)?, row.get(1)?);
        Ok((Outlet::from(outlet.as_str()), usize::try_from(count).unwrap_or_default()))
    };
    statement.query_map([], of_outlet)?.collect()
}

/// A page of an outlet's part of the outbox.
pub(super) fn outbox(
    connection: &Connection,
    outlet: &Outlet,
    after: u64,
    limit: usize,
) -> rusqlite::Result<Page<Posted, u64>> {
    let sql = "SELECT seq, body FROM outbox WHERE outlet = ?1 AND seq > ?2 ORDER BY seq LIMIT ?3";
    let bounds = params![outlet.to_string(), i64::try_from(after).unwrap_or(i64::MAX), one_more(limit)];
    let mut statement = connection.prepare_cached(sql)?;
    let posted = |row: &Row<'_>| {
        let seq: i64 = row.get(0)?;
        Ok(Posted { seq: u64::try_from(seq).unwrap_or_default(), notification: read(row, 1)? })
    };
    let mut items: Vec<Posted> = statement.query_map(bounds, posted)?.collect::<rusqlite::Result<_>>()?;
    let more = items.len() > limit;
    items.truncate(limit);
    let next = items.last().filter(|_| more).map(|last| last.seq);
    Ok(Page { items, next })
}

/// For `LIMIT`: one more than the page tells whether there is another.
pub(super) fn one_more(limit: usize) -> i64 {
    i64::try_from(limit.saturating_add(1)).unwrap_or(i64::MAX)
}

/// Runs by id, by their request's name, or by a task of theirs.
pub(super) fn find(connection: &Connection, key: &Key, limit: usize) -> rusqlite::Result<Page<Run, u32>> {
    let mut items: Vec<Run> = match key {
        Key::Run(id) => {
            let mut statement = connection.prepare_cached(&format!("{SELECT} WHERE runs.id = ?1"))?;
            statement.query_map([id.as_bytes()], found)?.collect::<rusqlite::Result<_>>()?
        }
        Key::Request { name, from } => {
            let sql = format!("{SELECT} WHERE runs.request = ?1 AND runs.number >= ?2 ORDER BY runs.number LIMIT ?3");
            let bounds = params![name, from, one_more(limit)];
            connection.prepare_cached(&sql)?.query_map(bounds, found)?.collect::<rusqlite::Result<_>>()?
        }
        Key::Task { request, task_arn } => {
            // Of thousands of siblings only those that name the task are read.
            let sql = format!("{SELECT} WHERE runs.request = ?1 AND instr(runs.body, ?2) > 0");
            let named = text(task_arn)?;
            let mut statement = connection.prepare_cached(&sql)?;
            let named: Vec<Run> = statement.query_map([request, &named], found)?.collect::<rusqlite::Result<_>>()?;
            named.into_iter().filter(|run| run.had(task_arn)).collect()
        }
    };
    let next = items.get(limit).map(|run| run.index);
    items.truncate(limit);
    Ok(Page { items, next })
}
