//! The only place that writes to stdout and stderr. What came from outside can hide escape sequences: none leaves here.

use std::borrow::Cow;
use std::io::{IsTerminal, Write};

use serde::Serialize;
use serde_json::Value;

/// Data, for pipes: a reader that has gone away is no error.
pub(super) fn data(text: &str) {
    let _ = writeln!(std::io::stdout().lock(), "{}", lines(text.trim_end()));
}

/// A word to the person at the terminal.
pub(super) fn problem(text: &str) {
    let _ = writeln!(std::io::stderr().lock(), "{}", lines(text));
}

/// A value as indented JSON. What a terminal would obey is escaped: the value is the same.
pub(super) fn json(value: &impl Serialize) {
    let text = serde_json::to_string_pretty(value).unwrap_or_default();
    data(&escaped(&text));
}

/// `{"NAME": [...]}` as [`json`] writes it, an item at a time: the whole is never held.
pub(super) struct JsonList {
    open: bool,
}

impl JsonList {
    /// Writes its beginning.
    pub(super) fn begin(name: &str) -> Self {
        write(&format!("{{\n  {}: [", serde_json::Value::from(name)));
        Self { open: false }
    }

    /// Writes one more.
    pub(super) fn item(&mut self, item: &impl Serialize) {
        let text = serde_json::to_string_pretty(item).unwrap_or_default();
        let comma = if std::mem::replace(&mut self.open, true) { "," } else { "" };
        write(&format!("{comma}\n    {}", escaped(&text).replace('\n', "\n    ")));
    }

    /// Writes its end.
    pub(super) fn end(self) {
        write("\n  ]\n}\n");
    }
}

/// Asks the person at the terminal; `None` where there is none.
pub(super) fn ask(question: &str) -> Option<String> {
    if !(std::io::stdin().is_terminal() && std::io::stderr().is_terminal()) {
        return None;
    }
    let mut answer = String::new();
    let _ = write!(std::io::stderr().lock(), "{}", plain(question));
    std::io::stdin().read_line(&mut answer).ok()?;
    Some(answer)
}

fn write(text: &str) {
    let _ = std::io::stdout().lock().write_all(text.as_bytes());
}

/// Whether a terminal obeys this character instead of showing it: the control characters, and those that turn or hide text.
fn commands(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}')
}

/// A text from outside as one line that any terminal can have.
pub(super) fn plain(text: &str) -> Cow<'_, str> {
    without(text, commands)
}

/// The same for what may have several lines.
fn lines(text: &str) -> Cow<'_, str> {
    without(text, |c| commands(c) && !matches!(c, '\n' | '\t'))
}

fn without(text: &str, unwanted: impl Fn(char) -> bool) -> Cow<'_, str> {
    if !text.contains(&unwanted) {
        return Cow::Borrowed(text);
    }
    text.chars().map(|c| if unwanted(c) { ' ' } else { c }).collect()
}

/// JSON text in which the characters that [`commands`] knows are escaped. Outside its strings there are none but line breaks.
fn escaped(json: &str) -> String {
    let mut text = String::with_capacity(json.len());
    for c in json.chars() {
        if commands(c) && c != '\n' {
            c.encode_utf16(&mut [0; 2]).iter().for_each(|unit| text.push_str(&format!("\\u{unit:04x}")));
        } else {
            text.push(c);
        }
    }
    text
}

/// Rows under a header, in columns.
pub(super) fn table<T>(header: &[&str], rows: &[T], row: impl Fn(&T) -> Vec<String>) {
    let mut table = comfy_table::Table::new();
    table.load_preset(comfy_table::presets::NOTHING).set_header(header);
    for item in rows {
        table.add_row(row(item).iter().map(|cell| plain(cell)));
    }
    data(&table.to_string());
}

/// A JSON value as a table's cell: a text without its quotes, in one plain line; `-` for nothing.
pub(super) fn cell(value: &Value) -> String {
    match value {
        Value::Null => "-".to_owned(),
        Value::String(text) => plain(text).into_owned(),
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_terminal_would_obey_becomes_blank() {
        let hostile = "a\u{1b}]0;title\u{7}b\r\nc\u{9b}2Jd\u{7f}e\u{202e}f";
        assert_eq!(plain(hostile), "a ]0;title b  c 2Jd e f");
        assert_eq!(lines("a\n\tb\u{1b}[2J"), "a\n\tb [2J");
        assert!(matches!(plain("ü → 漢"), Cow::Borrowed("ü → 漢")));
    }

    #[test]
    fn json_says_the_same_in_other_characters() {
        let value = serde_json::json!({"cause": "a\u{9b}2J\u{7f}\u{e0001}\u{1b}[0m\n", "n": [1]});
        let text = escaped(&serde_json::to_string_pretty(&value).expect("JSON"));
        assert!(!text.contains(|c| commands(c) && c != '\n'), "{text:?}");
        assert_eq!(serde_json::from_str::<Value>(&text).expect("JSON"), value);
    }
}
