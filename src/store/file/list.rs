//! Pages of ended runs, newest first.
//!
//! One query a status: each walks one index in the order of ids, within what those filters leave that have an index, and
//! stops at the page's end, however many runs there are. Of one request, which has 10,000 runs at most, one query looks
//! through all in an index that has whatever may be asked for. Where another filter narrows it further (a pattern of names,
//! a task definition, a cluster), a page is of the next [`LOOKED_AT`] runs and may have few of them or none. Only the page's
//! runs are read.

use rusqlite::types::ToSql;
use rusqlite::{Connection, OptionalExtension as _};
use uuid::Uuid;

use super::columns::{number, one_more};
use super::legacy;
use super::read::{self, COLUMNS, Raw};
use crate::core::filter::is_named;
use crate::core::run::{Run, Status};
use crate::store::{Key, Page, Query};

/// Runs that a page looks at where no index has what it is to find.
pub(super) const LOOKED_AT: usize = 1_000;
/// What a run's request says that listings look for.
pub(super) const REQUEST: &str = "SELECT ended.request, ended.number, specs.task_definition, specs.cluster FROM ended
    JOIN specs ON specs.id = ended.spec WHERE ended.id = ?1";
/// Ids rise with the times of submission, as far as clocks do.
const CLOCKS_DIFFER: std::time::Duration = std::time::Duration::from_secs(3600);

pub(super) fn finished(connection: &Connection, query: &Query) -> rusqlite::Result<Page<Run, Uuid>> {
    let errors = match &query.filter.error {
        None => None,
        Some(wanted) => match named(connection, wanted)? {
            // None of them ended so.
            errors if errors.is_empty() => return Ok(Page { items: Vec::new(), next: None }),
            errors => Some(errors),
        },
    };
    let looks = looks_at_each(query);
    let most = if looks { LOOKED_AT.max(query.limit) } else { query.limit };
    let mut ids = candidates(connection, query, errors.as_deref(), most)?;
    let more = ids.len() > most;
    ids.truncate(most);
    let mut next = ids.last().copied().filter(|_| more);
    if looks {
        let found = fitting(connection, query, &ids)?;
        if found.len() > query.limit {
            next = query.limit.checked_sub(1).map(|last| found[last]);
        }
        ids = found;
        ids.truncate(query.limit);
    }
    Ok(Page { items: runs(connection, query, ids)?, next })
}

/// Whether it narrows the list by what no index has.
pub(super) fn looks_at_each(query: &Query) -> bool {
    let filter = &query.filter;
    filter.task_definition.is_some()
        || filter.cluster.is_some()
        || (filter.name.is_some() && filter.exact_name().is_none())
}

/// The names of failures for which `wanted` stands, and their rows.
fn named(connection: &Connection, wanted: &str) -> rusqlite::Result<Vec<(i64, String)>> {
    let mut statement = connection.prepare_cached("SELECT id, name FROM errors")?;
    let all = statement.query_map([], |row| Ok((row.get(0)?, row.get::<_, String>(1)?)))?;
    all.filter(|row| row.as_ref().map_or(true, |(_, name)| is_named(wanted, name))).collect()
}

/// The newest ids, and one more than `most` if there are more.
fn candidates(
    connection: &Connection,
    query: &Query,
    errors: Option<&[(i64, String)]>,
    most: usize,
) -> rusqlite::Result<Vec<Uuid>> {
    let is_legacy = legacy::is_there(connection)?;
    let errors: Vec<Option<&(i64, String)>> = errors.map_or(vec![None], |errors| errors.iter().map(Some).collect());
    let mut ids = Vec::new();
    let statuses = query.finals();
    for statuses in statuses.chunks(Statement::statuses(query)) {
        for error in &errors {
            if let Some(statement) = Statement::of(query, statuses, error.map(|(id, _)| *id), most) {
                ids.extend(statement.ids(connection)?);
            }
        }
    }
    for status in statuses.into_iter().filter(|_| is_legacy) {
        for error in &errors {
            ids.extend(legacy::ids(connection, query, status, error.map(|(_, name)| name), most)?);
        }
    }
    ids.sort_unstable_by(|a, b| b.cmp(a));
    // A failure may have two names that fit.
    ids.dedup();
    Ok(ids)
}

/// Those whose request fits, until there is one more than the page has.
fn fitting(connection: &Connection, query: &Query, ids: &[Uuid]) -> rusqlite::Result<Vec<Uuid>> {
    let mut statement = connection.prepare_cached(REQUEST)?;
    let mut found = Vec::new();
    for id in ids {
        let told = statement.query_row([id.as_bytes()], |row| {
            let (request, number): (String, u32) = (row.get(0)?, row.get(1)?);
            let (definition, cluster): (Option<String>, Option<String>) = (row.get(2)?, row.get(3)?);
            Ok((request, number, definition.zip(cluster)))
        });
        let fits = match told.optional()? {
            // What `request` alone cannot tell, the run's own name does at the end.
            Some((request, number, Some((definition, cluster)))) => {
                query.filter.fits_request(&format!("{request}/{number}"), &definition, &cluster)
            }
            // Written before requests told of it: the record says.
            _ => true,
        };
        if fits {
            found.push(*id);
        }
        if found.len() > query.limit {
            break;
        }
    }
    Ok(found)
}

/// The runs of these ids, as far as they fit: an index says where a name may be, and `n/0` is none of a request of one.
fn runs(connection: &Connection, query: &Query, ids: Vec<Uuid>) -> rusqlite::Result<Vec<Run>> {
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
    items.retain(|run| query.fits(run));
    items.sort_unstable_by_key(|run| std::cmp::Reverse(run.id));
    Ok(items)
}

/// A query for ids of some statuses, newest first.
pub(super) struct Statement {
    pub(super) sql: String,
    pub(super) values: Vec<Box<dyn ToSql>>,
}

impl Statement {
    /// How many statuses one statement is for.
    pub(super) fn statuses(query: &Query) -> usize {
        if query.filter.exact_name().is_some() { Status::ALL.len() } else { 1 }
    }

    /// `None`: nothing can fit.
    pub(super) fn of(query: &Query, statuses: &[Status], error: Option<i64>, most: usize) -> Option<Self> {
        let name = query.filter.exact_name();
        // The index is named: the planner would walk all runs of a status where it thinks that a name has many.
        let (table, index) = match (name, &query.filter.queue, error) {
            (Some(_), _, _) => ("ended", "INDEXED BY ended_by_request"),
            (None, Some(_), Some(_)) => ("ended_errors", "INDEXED BY ended_errors_by_queue"),
            (None, None, Some(_)) => ("ended_errors", ""),
            (None, Some(_), None) => ("ended", "INDEXED BY ended_by_queue"),
            (None, None, None) => ("ended", "INDEXED BY ended_by_status"),
        };
        let statuses: Vec<String> = statuses.iter().map(|status| number(*status).to_string()).collect();
        let sql = match statuses.as_slice() {
            [status] => format!("SELECT id FROM {table} {index} WHERE status = {status}"),
            more => format!("SELECT id FROM {table} {index} WHERE status IN ({})", more.join(", ")),
        };
        let mut statement = Self { sql, values: Vec::new() };
        if let Some(name) = name {
            let (request, number) = name.split_once('/').map_or((name, None), |(r, n)| (r, Some(n)));
            statement.narrow("request = ?", request.to_owned());
            if let Some(number) = number {
                statement.narrow("number = ?", number.parse::<u32>().ok()?);
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
        if let Some(first) = first_id(query) {
            statement.narrow("id >= ?", *first.as_bytes());
        }
        statement.sql.push_str(&format!(" ORDER BY id DESC LIMIT {}", one_more(most)));
        Some(statement)
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

/// No run that was submitted when it may have been has a lower id: a UUIDv7 begins with its milliseconds (RFC 9562).
pub(super) fn first_id(query: &Query) -> Option<Uuid> {
    let since = query.filter.since?.minus(CLOCKS_DIFFER);
    let millis = u128::try_from(since.millis()).ok()?;
    Some(Uuid::from_u128(millis << 80))
}
