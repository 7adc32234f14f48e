//! The only place that writes to stdout and stderr. What came from outside can hide escape sequences: none leaves here.

#[cfg(feature = "service")]
mod ask;
#[cfg(feature = "service")]
mod values;

use std::borrow::Cow;
use std::io::Write as _;

use serde::Serialize;

#[cfg(feature = "service")]
pub(crate) use ask::ask;
#[cfg(feature = "service")]
pub(crate) use values::{JsonList, cell};

/// Data, for pipes: a reader that has gone away is no error.
pub(crate) fn data(text: &str) {
    let _ = writeln!(std::io::stdout().lock(), "{}", lines(text.trim_end()));
}

/// A word to the person at the terminal.
pub(crate) fn problem(text: &str) {
    let _ = writeln!(std::io::stderr().lock(), "{}", lines(text));
}

/// A value as indented JSON. What a terminal would obey is escaped: the value is the same.
pub(crate) fn json(value: &impl Serialize) {
    let text = serde_json::to_string_pretty(value).unwrap_or_default();
    data(&escaped(&text));
}

/// Whether a terminal obeys this character instead of showing it: the control characters, and those that turn or hide text.
fn commands(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}')
}

/// A text from outside as one line that any terminal can have.
pub(crate) fn plain(text: &str) -> Cow<'_, str> {
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
pub(crate) fn table<T>(header: &[&str], rows: &[T], row: impl Fn(&T) -> Vec<String>) {
    let mut table = comfy_table::Table::new();
    table.load_preset(comfy_table::presets::NOTHING).set_header(header);
    for item in rows {
        table.add_row(row(item).iter().map(|cell| plain(cell)));
    }
    data(&table.to_string());
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

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
