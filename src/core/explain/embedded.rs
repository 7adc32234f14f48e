//! Values in the middle of a text, as programs print what an SDK answered: JSON, or Python's own way, `{'tasks': [], 'failures': [{'reason':
//! 'RESOURCE:CPU'}]}` with `True`, `None` and `datetime.datetime(2026, 11, 22, 3, 0)`.

use serde_json::{Map, Value, json};

/// Values in each other.
const MOST_LEVELS: usize = 64;
/// Beginnings of values that are tried in one text.
const MOST_TRIED: usize = 200;

/// The objects and lists that a text has in it, in order. A list of refusals is an answer of RunTask.
pub(super) fn values(text: &str) -> Vec<Value> {
    let (mut found, mut rest, mut tried) = (Vec::new(), text, 0);
    while let Some(begin) = rest.find(['{', '[']).filter(|_| tried < MOST_TRIED) {
        tried += 1;
        rest = &rest[begin..];
        let mut reader = Reader { rest };
        match reader.value(0).filter(|value| value.is_object() || value.is_array()) {
            Some(value) => {
                rest = reader.rest;
                found.push(answer(value));
            }
            None => rest = &rest[1..],
        }
    }
    found
}

/// What wrappers print of a RunTask that placed nothing is its `failures` alone.
fn answer(value: Value) -> Value {
    let refusals = value.as_array().filter(|items| !items.is_empty() && items.iter().all(is_refusal));
    if refusals.is_some() { json!({"failures": value}) } else { value }
}

/// An entry of `failures[]`.
fn is_refusal(value: &Value) -> bool {
    let names = ["arn", "reason", "detail"];
    value.get("reason").is_some_and(Value::is_string)
        && value.as_object().is_some_and(|members| members.keys().all(|name| names.contains(&name.as_str())))
}

struct Reader<'t> {
    rest: &'t str,
}

impl<'t> Reader<'t> {
    fn blanks(&mut self) {
        self.rest = self.rest.trim_start();
    }

    fn took(&mut self, what: char) -> bool {
        self.blanks();
        let behind = self.rest.strip_prefix(what);
        self.rest = behind.unwrap_or(self.rest);
        behind.is_some()
    }

    fn value(&mut self, level: usize) -> Option<Value> {
        self.blanks();
        match self.rest.chars().next().filter(|_| level < MOST_LEVELS)? {
            '{' => self.object(level),
            '[' => self.list(']', level),
            '(' => self.list(')', level),
            quote @ ('\'' | '"') => self.string(quote).map(Value::String),
            _ => self.word(),
        }
    }

    fn object(&mut self, level: usize) -> Option<Value> {
        let mut members = Map::new();
        self.took('{');
        while !self.took('}') {
            self.blanks();
            let quote = self.rest.chars().next().filter(|c| matches!(c, '\'' | '"'))?;
            let name = self.string(quote)?;
            let value = self.took(':').then(|| self.value(level + 1))??;
            members.insert(name, value);
            if !self.took(',') {
                return self.took('}').then_some(Value::Object(members));
            }
        }
        Some(Value::Object(members))
    }

    fn list(&mut self, end: char, level: usize) -> Option<Value> {
        let mut items = Vec::new();
        self.rest = self.rest.get(1..)?;
        while !self.took(end) {
            items.push(self.value(level + 1)?);
            if !self.took(',') {
                return self.took(end).then_some(Value::Array(items));
            }
        }
        Some(Value::Array(items))
    }

    fn string(&mut self, quote: char) -> Option<String> {
        let (mut text, mut characters) = (String::new(), self.rest.char_indices().skip(1));
        while let Some((at, c)) = characters.next() {
            match c {
                '\\' => match characters.next()?.1 {
                    'n' => text.push('\n'),
                    't' => text.push('\t'),
                    'r' => {}
                    'u' => {
                        let digits: String = characters.by_ref().take(4).map(|(_, c)| c).collect();
                        text.push(char::from_u32(u32::from_str_radix(&digits, 16).ok()?).unwrap_or('\u{fffd}'));
                    }
                    c => text.push(c),
                },
                c if c == quote => {
                    self.rest = &self.rest[at + c.len_utf8()..];
                    return Some(text);
                }
                c => text.push(c),
            }
        }
        None
    }

    /// A number, a constant, or a call; of calls an instant alone has a value.
    fn word(&mut self) -> Option<Value> {
        let is_word = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | '-' | '+');
        let end = self.rest.find(|c| !is_word(c)).unwrap_or(self.rest.len());
        let (word, behind) = self.rest.split_at(end);
        self.rest = behind;
        if word.is_empty() {
            return None;
        }
        if behind.starts_with('(') {
            let given = self.call()?;
            let is_instant = word.ends_with("datetime");
            return Some(if is_instant { instant(given).map_or(Value::Null, Value::String) } else { Value::Null });
        }
        match word {
            "True" | "true" => Some(Value::Bool(true)),
            "False" | "false" => Some(Value::Bool(false)),
            "None" | "null" => Some(Value::Null),
            number => serde_json::from_str::<serde_json::Number>(number).ok().map(Value::Number),
        }
    }

    /// What stands in the parentheses that begin here.
    fn call(&mut self) -> Option<&'t str> {
        let mut depth = 0_usize;
        let end = self.rest.find(|c| {
            match c {
                '(' => depth += 1,
                ')' => depth -= 1,
                _ => {}
            }
            depth == 0
        })?;
        let given = &self.rest[1..end];
        self.rest = &self.rest[end + 1..];
        Some(given)
    }
}

/// `2026, 11, 22, 3, 0, 5, tzinfo=tzlocal()` as an instant; the zone is left out.
fn instant(given: &str) -> Option<String> {
    let numbers: Vec<u32> = given.split(',').map_while(|part| part.trim().parse().ok()).collect();
    let [year, month, day, time @ ..] = numbers.as_slice() else { return None };
    let of = |n: usize| time.get(n).copied().unwrap_or_default();
    Some(format!("{year:04}-{month:02}-{day:02}T{:02}:{:02}:{:02}Z", of(0), of(1), of(2)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_python_and_javascript_print_is_read() {
        for (text, expected) in [
            (
                "x {'a': [1, -2.5, True, None], 'b': (\"it's\", 'a\\'b\\u00fc')} y",
                vec![json!({"a": [1, -2.5, true, null], "b": ["it's", "a'bü"]})],
            ),
            (
                "{'at': datetime.datetime(2026, 11, 22, 3, 4, 5, 678000, tzinfo=tzlocal()), 'zone': tzutc(), 'e': {}}",
                vec![json!({"at": "2026-11-22T03:04:05Z", "zone": null, "e": {}})],
            ),
            ("Failed: [{'arn': 'a', 'reason': 'AGENT'}]", vec![json!({"failures": [{"arn": "a", "reason": "AGENT"}]})]),
            ("a [b] {\"c\": true} [1", vec![json!({"c": true})]),
            ("{'a': 'b", vec![]),
            ("{'a' 'b'} {1: 2} {'a': }", vec![]),
        ] {
            assert_eq!(values(text), expected, "{text}");
        }
    }

    #[test]
    fn no_text_is_too_much() {
        for text in ["[".repeat(100_000), "{'a': ".repeat(50_000), "datetime(".repeat(50_000), "[f(".repeat(20_000)] {
            assert_eq!(values(&text), Vec::<Value>::new());
        }
    }
}
