//! The only place that writes to stdout and stderr.

use std::io::Write;

use serde_json::Value;

/// Data, for pipes: a reader that has gone away is no error.
pub(super) fn data(text: &str) {
    let _ = writeln!(std::io::stdout().lock(), "{}", text.trim_end());
}

/// A word to the person at the terminal.
pub(super) fn problem(text: &str) {
    let _ = writeln!(std::io::stderr().lock(), "{text}");
}

/// A value as indented JSON.
pub(super) fn json(value: &Value) {
    data(&serde_json::to_string_pretty(value).unwrap_or_default());
}

/// Rows under a header, in columns.
pub(super) fn table<T>(header: &[&str], rows: &[T], row: impl Fn(&T) -> Vec<String>) {
    let mut table = comfy_table::Table::new();
    table.load_preset(comfy_table::presets::NOTHING).set_header(header);
    for item in rows {
        table.add_row(row(item));
    }
    data(&table.to_string());
}

/// A JSON value as a table's cell: a text without its quotes, `-` for nothing.
pub(super) fn cell(value: &Value) -> String {
    match value {
        Value::Null => "-".to_owned(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}
