//! Pages of ended runs, newest first.
//!
//! One query a status: each walks one index in the order of ids, within what all filters leave, and stops at the page's end,
//! however many runs there are. Of one request, which has 10,000 runs at most, one query looks through all in an index that
//! has whatever may be asked for. Only the page's runs are read.

use rusqlite::types::ToSql;
use rusqlite::{Connection, OptionalExtension as _};
use uuid::Uuid;

use super::columns::one_more;
use super::read::{self, COLUMNS, Raw};
use super::{legacy, write};
use crate::core::run::{Run, Status};
use crate::store::{Key, Page, Query};

pub(super) fn finished(connection: &Connection, query: &Query) -> rusqlite::Result<Page<Run, Uuid>> {
    let is_legacy = legacy::is_there(connection)?;
    let mut ids = Vec::new();
    let statuses = query.finals();
    for statuses in statuses.chunks(Statement::statuses(query)) {
        if let Some(statement) = Statement::of(connection, query, statuses)? {
            ids.extend(statement.ids(connection)?);
        }
    }
    for status in statuses.into_iter().filter(|_| is_legacy) {
        ids.extend(legacy::ids(connection, query, status)?);
    }
    ids.sort_unstable_by(|a, b| b.cmp(a));
    let more = ids.len() > query.limit;
    ids.truncate(query.limit);
    let next = ids.last().copied().filter(|_| more);
    let mut items = Vec::with_capacity(ids.len());
    let mut raw = Vec::with_capacity(ids.len());
    let mut ended = connection.prepare_cached(&format!("SELECT {COLUMNS} FROM ended WHERE id = ?1"))?;
    for id in ids {
        match ended.query_row([id.as_bytes()], Raw::of).optional()? {
            Some(row) => raw.push(row),
            None => items.extend(legacy::find(connection, &Key::Run(id), 1)?),
        }
    }
    items.extend(read::runs(connection, raw)?);
    // An index says where a name may be: `n/0` is none of a request of one.
    items.retain(|run| query.fits(run));
    items.sort_unstable_by_key(|run| std::cmp::Reverse(run.id));
    Ok(Page { items, next })
}

/// A query for ids of some statuses, newest first.
pub(super) struct Statement {
    pub(super) sql: String,
    pub(super) values: Vec<Box<dyn ToSql>>,
}

impl Statement {
    /// How many statuses one statement is for.
    pub(super) const fn statuses(query: &Query) -> usize {
        if query.filter.name.is_some() { Status::ALL.len() } else { 1 }
    }

    /// `None`: nothing can fit.
    pub(super) fn of(connection: &Connection, query: &Query, statuses: &[Status]) -> rusqlite::Result<Option<Self>> {
        let mut error = None;
        if let Some(name) = &query.filter.error {
            let sql = "SELECT id FROM errors WHERE name = ?1";
            error = connection.prepare_cached(sql)?.query_row([name], |row| row.get::<_, i64>(0)).optional()?;
            if error.is_none() {
                return Ok(None);
            }
        }
        // The index is named: the planner would walk all runs of a status where it thinks that a name has many.
        let (table, index) = match (&query.filter.name, &query.filter.queue, error) {
            (Some(_), _, _) => ("ended", "INDEXED BY ended_by_request"),
            (None, Some(_), Some(_)) => ("ended_errors", "INDEXED BY ended_errors_by_queue"),
            (None, None, Some(_)) => ("ended_errors", ""),
            (None, Some(_), None) => ("ended", "INDEXED BY ended_by_queue"),
            (None, None, None) => ("ended", "INDEXED BY ended_by_status"),
        };
        let statuses: Vec<String> = statuses.iter().map(|status| write::number(*status).to_string()).collect();
        let sql = match statuses.as_slice() {
            [status] => format!("SELECT id FROM {table} {index} WHERE status = {status}"),
            more => format!("SELECT id FROM {table} {index} WHERE status IN ({})", more.join(", ")),
        };
        let mut statement = Self { sql, values: Vec::new() };
        if let Some(name) = &query.filter.name {
            let (request, number) = name.split_once('/').map_or((name.as_str(), None), |(r, n)| (r, Some(n)));
            statement.narrow("request = ?", request.to_owned());
            if let Some(number) = number {
                let Ok(number) = number.parse::<u32>() else { return Ok(None) };
                statement.narrow("number = ?", number);
            }
        }
        if let Some(queue) = &query.filter.queue {
            statement.narrow("queue = ?", queue.clone());
        }
        match error {
            Some(error) if table == "ended_errors" => statement.narrow("error = ?", error),
            Some(error) => statement.narrow("instr(errors, ?) > 0", format!("|{error}|")),
            None => {}
        }
        if let Some(before) = query.before {
            statement.narrow("id < ?", *before.as_bytes());
        }
        statement.sql.push_str(&format!(" ORDER BY id DESC LIMIT {}", one_more(query.limit)));
        Ok(Some(statement))
    }

    fn narrow(&mut self, condition: &str, value: impl ToSql + 'static) {
        self.values.push(Box::new(value));
        self.sql.push_str(&format!(" AND {}", condition.replace('?', &format!("?{}", self.values.len()))));
    }

    fn ids(&self, connection: &Connection) -> rusqlite::Result<Vec<Uuid>> {
        let mut statement = connection.prepare_cached(&self.sql)?;
        let values: Vec<&dyn ToSql> = self.values.iter().map(|value| &**value).collect();
        statement.query_map(values.as_slice(), |row| row.get(0).map(Uuid::from_bytes))?.collect()
    }
}
