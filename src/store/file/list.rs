//! Pages of final runs, newest first.
//!
//! One query a status: each walks an index in the order of ids and stops at the page's end, however many runs there are.

use std::cmp::Reverse;

use rusqlite::Connection;
use rusqlite::types::ToSql;
use uuid::Uuid;

use super::record::{self, SELECT};
use crate::core::name::request_of;
use crate::core::run::{Run, Status};
use crate::store::{Page, Query};

pub(super) fn finished(connection: &Connection, query: &Query) -> rusqlite::Result<Page<Run, Uuid>> {
    let mut items = Vec::new();
    for status in query.finals() {
        items.extend(of_status(connection, query, status)?);
    }
    items.sort_unstable_by_key(|run: &Run| Reverse(run.id));
    let more = items.len() > query.limit;
    items.truncate(query.limit);
    let next = items.last().filter(|_| more).map(|run| run.id);
    Ok(Page { items, next })
}

fn of_status(connection: &Connection, query: &Query, status: Status) -> rusqlite::Result<Vec<Run>> {
    let mut sql = format!("{SELECT} WHERE runs.finished_at IS NOT NULL AND runs.status = ?1");
    let status = status.as_str();
    let mut values: Vec<&dyn ToSql> = vec![&status];
    let mut narrow = |condition: &str, value| {
        values.push(value);
        sql.push_str(" AND ");
        sql.push_str(&condition.replace('?', &format!("?{}", values.len())));
    };
    let before = query.before.map(|id| *id.as_bytes());
    let named = query.filter.name.as_deref().map(|name| (name, request_of(name)));
    let error = query.filter.error.as_ref().map(|name| format!("|{name}|"));
    if let Some(before) = &before {
        narrow("runs.id < ?", before);
    }
    if let Some(queue) = &query.filter.queue {
        narrow("runs.queue = ?", queue);
    }
    if let Some(error) = &error {
        narrow("instr(runs.names, ?) > 0", error);
    }
    if let Some((name, request)) = &named {
        narrow("runs.request = ?", request);
        // Of `name/3` only the one; of `name` all.
        if name != request {
            narrow("json_extract(runs.body, '$.name') = ?", name);
        }
    }
    sql.push_str(&format!(" ORDER BY runs.id DESC LIMIT {}", record::one_more(query.limit)));
    let mut statement = connection.prepare_cached(&sql)?;
    statement.query_map(values.as_slice(), record::found)?.collect()
}
