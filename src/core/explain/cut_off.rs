//! JSON that was cut off: consoles, logs and tickets end it anywhere.

/// The text with all that is open in it closed; none of a text in which nothing is open. What had no value yet is left out.
pub(super) fn closed(text: &str) -> Option<String> {
    let mut open: Vec<Open> = Vec::new();
    // Up to where all is complete. What is open there is open at the end: every beginning and end of a value is such a place.
    let (mut complete, mut string, mut escaped) = (0, None, false);
    for (at, c) in text.char_indices() {
        match c {
            _ if escaped => escaped = false,
            '\\' if string.is_some() => escaped = true,
            '"' if string.is_some() => {
                string = None;
                if open.last().is_some_and(|inner| !inner.is_name) {
                    complete = at + 1;
                }
            }
            _ if string.is_some() => {}
            '"' => string = Some(at),
            '{' | '[' => {
                let end = if c == '{' { '}' } else { ']' };
                open.push(Open { end, is_name: c == '{' });
                complete = at + 1;
            }
            '}' | ']' => {
                open.pop().filter(|inner| inner.end == c)?;
                complete = at + 1;
            }
            ':' => open.last_mut()?.is_name = false,
            ',' => {
                complete = at;
                let inner = open.last_mut()?;
                inner.is_name = inner.end == '}';
            }
            _ => {}
        }
    }
    let inner = open.last()?;
    let mut whole = match string {
        Some(begin) if !inner.is_name => {
            let end = without_half_an_escape(&text[begin..]).len() + begin;
            format!("{}\"", &text[..end])
        }
        _ => text[..complete].to_owned(),
    };
    whole.extend(open.iter().rev().map(|one| one.end));
    Some(whole)
}

/// An object or a list whose end has not come, and whether the name of a member comes next.
struct Open {
    end: char,
    is_name: bool,
}

/// The text up to the escape that it ends in the middle of.
fn without_half_an_escape(text: &str) -> &str {
    let slashes = text.len() - text.trim_end_matches('\\').len();
    if !slashes.is_multiple_of(2) {
        return &text[..text.len() - 1];
    }
    let Some(at) = text.rfind("\\u").filter(|at| text.len() - at < 6) else { return text };
    let before = text[..at].len() - text[..at].trim_end_matches('\\').len();
    if before.is_multiple_of(2) { &text[..at] } else { text }
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;

    #[test]
    fn what_is_open_is_closed_wherever_the_text_ends() {
        for (text, whole) in [
            ("{\"a\": \"b", "{\"a\": \"b\"}"),
            ("{\"a\": \"b\\", "{\"a\": \"b\"}"),
            ("{\"a\": \"b\\u00", "{\"a\": \"b\"}"),
            ("{\"a\": 1, \"b", "{\"a\": 1}"),
            ("{\"a\": [1, {\"b\":", "{\"a\": [1, {}]}"),
            ("[\"x\", tru", "[\"x\"]"),
            ("{\"a\": \"b\"", "{\"a\": \"b\"}"),
        ] {
            assert_eq!(closed(text).as_deref(), Some(whole), "{text}");
        }
        for text in ["", "{}", "x", "\"a", "[}"] {
            assert_eq!(closed(text), None, "{text}");
        }
    }

    #[test]
    fn a_text_that_is_deep_takes_no_longer_than_one_that_is_long() {
        let deep = "[".repeat(1_000_000);
        assert_eq!(closed(&deep).map(|whole| whole.len()), Some(2_000_000));
    }

    #[test]
    fn a_document_that_is_cut_off_anywhere_is_json() {
        let text = "{\"a\": [\"b\\\\\\\"\\u00fc\", {\"c\": -1.5, \"d\": null}], \"e\": {\"f\": \"{\\\"g\\\": [1]}\"}, \"h\": true}";
        for (at, _) in text.char_indices().skip(1) {
            let whole = closed(&text[..at]).expect("something is open");
            assert!(serde_json::from_str::<Value>(&whole).is_ok(), "{whole}");
        }
    }
}
