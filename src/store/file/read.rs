//! Single reads: what there is beside the runs, pages of the outbox, runs by their keys. Each in a transaction, so that a run
//! that ends meanwhile is seen once, before or after.

use std::collections::hash_map::Entry;
use std::collections::{BTreeMap, HashMap};

use rusqlite::types::Type;
use rusqlite::{Connection, Row, params};
use uuid::Uuid;

use super::columns::{json, number, one_more};
use super::{legacy, write};
use crate::core::failure::Class;
use crate::core::notification::Destination;
use crate::core::run::{Run, Status};
use crate::store::codec::{self, Keys, Shared};
use crate::store::{Contents, EndedCounts, Key, Page, Posted, Runs};

/// A run as its row has it.
pub(super) struct Raw {
    keys: Keys,
    spec: i64,
    body: Vec<u8>,
}

/// What [`Raw::of`] reads.
pub(super) const COLUMNS: &str = "id, request, number, spec, body";

impl Raw {
    pub(super) fn of(row: &Row<'_>) -> rusqlite::Result<Self> {
        let keys = Keys { id: Uuid::from_bytes(row.get(0)?), request: row.get(1)?, index: row.get(2)? };
        Ok(Self { keys, spec: row.get(3)?, body: row.get(4)? })
    }

    pub(super) fn run(self, specs: &HashMap<i64, Shared>) -> rusqlite::Result<Run> {
        let name = format!("run {}/{}", self.keys.request, self.keys.index);
        let shared = specs.get(&self.spec).ok_or_else(|| unreadable(&name, codec::CodecError::Cut))?;
        codec::decode_run(self.keys, shared, &self.body).map_err(|e| unreadable(&name, e))
    }
}

#[derive(Debug, thiserror::Error)]
#[error("{what}: {error}")]
struct Unreadable {
    what: String,
    error: codec::CodecError,
}

pub(super) fn unreadable(what: &str, error: codec::CodecError) -> rusqlite::Error {
    let error = Unreadable { what: what.to_owned(), error };
    rusqlite::Error::FromSqlConversionFailure(4, Type::Blob, error.into())
}

/// Runs of rows, with their specs; siblings share theirs.
pub(super) fn runs(connection: &Connection, raw: Vec<Raw>) -> rusqlite::Result<Vec<Run>> {
    let mut specs = HashMap::new();
    for raw in &raw {
        if let Entry::Vacant(unread) = specs.entry(raw.spec) {
            let mut statement = connection.prepare_cached("SELECT body FROM specs WHERE id = ?1")?;
            let body: Vec<u8> = statement.query_row([raw.spec], |row| row.get(0))?;
            let shared = codec::decode_shared(&body);
            unread.insert(shared.map_err(|e| unreadable(&format!("request {}", raw.keys.request), e))?);
        }
    }
    raw.into_iter().map(|raw| raw.run(&specs)).collect()
}

/// What there is beside the runs.
pub(super) fn load(connection: &Connection) -> rusqlite::Result<Contents> {
    let mut statement = connection.prepare("SELECT name, body FROM notes")?;
    let notes = statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?.collect::<rusqlite::Result<_>>()?;
    let open: i64 = connection.query_row("SELECT count(*) FROM open", [], |row| row.get(0))?;
    let open = usize::try_from(open).unwrap_or_default() + legacy::open(connection)?;
    Ok(Contents { notes, undelivered: undelivered(connection)?, open, runs: Runs::ready(Vec::new()) })
}

/// How many ended runs there are.
pub(super) fn ended(connection: &Connection) -> rusqlite::Result<EndedCounts> {
    let mut ended = EndedCounts::default();
    let mut statuses = connection.prepare_cached("SELECT status, runs FROM ended_counts WHERE runs > 0")?;
    let mut rows = statuses.query([])?;
    while let Some(row) = rows.next()? {
        let column: i64 = row.get(0)?;
        let status = Status::ALL.into_iter().find(|status| number(*status) == column);
        if let Some(status) = status {
            ended.statuses.insert(status, count(row)?);
        }
    }
    // Every failure has the name of its class among its names.
    let mut classes = connection.prepare_cached("SELECT name, runs FROM errors WHERE runs > 0")?;
    let mut rows = classes.query([])?;
    while let Some(row) = rows.next()? {
        let name = row.get_ref(0)?.as_str()?;
        let class = Class::ALL.into_iter().find(|class| class.as_str() == name);
        if let Some(class) = class {
            ended.classes.insert(class, count(row)?);
        }
    }
    Ok(ended)
}

/// What the second column counts.
fn count(row: &Row<'_>) -> rusqlite::Result<u64> {
    row.get::<_, i64>(1).map(|count| u64::try_from(count).unwrap_or_default())
}

fn undelivered(connection: &Connection) -> rusqlite::Result<BTreeMap<Destination, usize>> {
    let mut statement = connection.prepare("SELECT outlet, count(*) FROM outbox GROUP BY outlet")?;
    let of_destination = |row: &Row<'_>| {
        let (destination, count): (String, i64) = (row.get(0)?, row.get(1)?);
        Ok((Destination::from(destination.as_str()), usize::try_from(count).unwrap_or_default()))
    };
    statement.query_map([], of_destination)?.collect()
}

/// A page of a destination's part of the outbox.
pub(super) fn outbox(
    connection: &Connection,
    destination: &Destination,
    after: u64,
    limit: usize,
) -> rusqlite::Result<Page<Posted, u64>> {
    let sql = "SELECT seq, body FROM outbox WHERE outlet = ?1 AND seq > ?2 ORDER BY seq LIMIT ?3";
    let bounds = params![destination.to_string(), i64::try_from(after).unwrap_or(i64::MAX), one_more(limit)];
    let mut statement = connection.prepare_cached(sql)?;
    let posted = |row: &Row<'_>| {
        let seq: i64 = row.get(0)?;
        Ok(Posted { seq: u64::try_from(seq).unwrap_or_default(), notification: json(row, 1)? })
    };
    let mut items: Vec<Posted> = statement.query_map(bounds, posted)?.collect::<rusqlite::Result<_>>()?;
    let more = items.len() > limit;
    items.truncate(limit);
    let next = items.last().filter(|_| more).map(|last| last.seq);
    Ok(Page { items, next })
}

/// Runs by id, by their request's name, or by a task of theirs.
pub(super) fn find(connection: &Connection, key: &Key, limit: usize) -> rusqlite::Result<Page<Run, u32>> {
    let mut raw = Vec::new();
    for table in ["open", "ended"] {
        let wanted = format!("SELECT {COLUMNS} FROM {table}");
        let mut add = |condition: &str, values: &[&dyn rusqlite::ToSql]| -> rusqlite::Result<()> {
            let mut statement = connection.prepare_cached(&format!("{wanted} WHERE {condition}"))?;
            let rows = statement.query_map(values, Raw::of)?.collect::<rusqlite::Result<Vec<_>>>()?;
            raw.extend(rows);
            Ok(())
        };
        match key {
            Key::Run(id) => add("id = ?1", &[id.as_bytes()])?,
            Key::Request { name, from } => {
                add("request = ?1 AND number >= ?2 ORDER BY number LIMIT ?3", &[name, from, &one_more(limit)])?;
            }
            Key::Task { request, task_arn } => {
                add("request = ?1 AND instr(tasks, ?2) > 0", &[request, &write::mark(task_arn)])?;
            }
        }
    }
    let mut items = runs(connection, raw)?;
    items.extend(legacy::find(connection, key, limit)?);
    if let Key::Task { task_arn, .. } = key {
        items.retain(|run| run.had(task_arn));
    }
    items.sort_by_key(|run| run.index);
    let next = items.get(limit).map(|run| run.index);
    items.truncate(limit);
    Ok(Page { items, next })
}
