//! What every reading of the database needs.

use rusqlite::Row;
use rusqlite::types::Type;
use serde::Deserialize;

/// What stands in a column as JSON.
pub(super) fn json<T: for<'de> Deserialize<'de>>(row: &Row<'_>, column: usize) -> rusqlite::Result<T> {
    let text = row.get_ref(column)?.as_str()?;
    serde_json::from_str(text).map_err(|e| rusqlite::Error::FromSqlConversionFailure(column, Type::Text, e.into()))
}

/// For `LIMIT`: one more than the page tells whether there is another.
pub(super) fn one_more(limit: usize) -> i64 {
    i64::try_from(limit.saturating_add(1)).unwrap_or(i64::MAX)
}
