//! JSON values of any kind: long lists of them, and single ones as cells of a table.

use std::io::Write as _;

use serde::Serialize;
use serde_json::Value;

use super::{escaped, plain};

/// A JSON value as a table's cell: a text without its quotes, in one plain line; `-` for nothing.
pub(crate) fn cell(value: &Value) -> String {
    match value {
        Value::Null => "-".to_owned(),
        Value::String(text) => plain(text).into_owned(),
        other => other.to_string(),
    }
}

/// `{"NAME": [...]}` as [`json`](super::json) writes it, an item at a time: the whole is never held.
pub(crate) struct JsonList {
    open: bool,
}

impl JsonList {
    /// Writes its beginning.
    pub(crate) fn begin(name: &str) -> Self {
        write(&format!("{{\n  {}: [", serde_json::Value::from(name)));
        Self { open: false }
    }

    /// Writes one more.
    pub(crate) fn item(&mut self, item: &impl Serialize) {
        let text = serde_json::to_string_pretty(item).unwrap_or_default();
        let comma = if std::mem::replace(&mut self.open, true) { "," } else { "" };
        write(&format!("{comma}\n    {}", escaped(&text).replace('\n', "\n    ")));
    }

    /// Writes its end.
    pub(crate) fn end(self) {
        write("\n  ]\n}\n");
    }
}

fn write(text: &str) {
    let _ = std::io::stdout().lock().write_all(text.as_bytes());
}
