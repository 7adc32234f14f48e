//! What every reading and writing of the database needs.

use rusqlite::Row;
use rusqlite::types::Type;
use serde::Deserialize;

use crate::core::run::Status;
use crate::store::codec::CodecError;

/// What stands in a column as JSON.
pub(super) fn json<T: for<'de> Deserialize<'de>>(row: &Row<'_>, column: usize) -> rusqlite::Result<T> {
    let text = row.get_ref(column)?.as_str()?;
    serde_json::from_str(text).map_err(|e| rusqlite::Error::FromSqlConversionFailure(column, Type::Text, e.into()))
}

/// A record that cannot be written.
pub(super) fn unwritable(error: CodecError) -> rusqlite::Error {
    rusqlite::Error::ToSqlConversionFailure(error.into())
}

/// For `LIMIT`: one more than the page tells whether there is another.
pub(super) fn one_more(limit: usize) -> i64 {
    i64::try_from(limit.saturating_add(1)).unwrap_or(i64::MAX)
}

/// A status as the column of ended runs has it. Numbers stay what they are.
pub(super) const fn number(status: Status) -> i64 {
    match status {
        Status::Queued => 0,
        Status::Starting => 1,
        Status::Running => 2,
        Status::PendingRetry => 3,
        Status::Succeeded => 4,
        Status::Failed => 5,
        Status::TimedOut => 6,
        Status::Aborted => 7,
    }
}
