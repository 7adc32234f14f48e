//! What every state of a state machine is held against.

use serde_json::{Map, Value};

use super::RequestError;
use crate::core::input::{kind, nearest};

/// JSONPath and JSONata are for data that flows between states; a run has none.
pub(super) fn no_expressions(value: &Value, path: &str) -> Result<(), RequestError> {
    match value {
        Value::Object(members) => members.iter().try_for_each(|(name, value)| {
            if name.ends_with(".$") {
                let why = "a JSONPath is not supported; write the value itself";
                return Err(RequestError::new(format!("{path}.{name}: {why}")));
            }
            no_expressions(value, &format!("{path}.{name}"))
        }),
        Value::Array(items) => {
            items.iter().enumerate().try_for_each(|(i, item)| no_expressions(item, &format!("{path}[{i}]")))
        }
        Value::String(text) if text.trim_start().starts_with("{%") => {
            Err(RequestError::new(format!("{path}: a JSONata expression is not supported; write the value itself")))
        }
        _ => Ok(()),
    }
}

/// Refuses members that have no counterpart, by name.
pub(super) fn only(given: &Map<String, Value>, known: &[&'static str], path: &str) -> Result<(), RequestError> {
    match given.keys().find(|name| !known.contains(&name.as_str())) {
        Some(name) => {
            let near = nearest(name, known);
            let slip = strsim::jaro_winkler(name, near) > 0.9;
            let hint = if slip { format!("; did you mean {near}?") } else { String::new() };
            Err(RequestError::new(format!("{path}{name}: has no counterpart in a run{hint}")))
        }
        None => Ok(()),
    }
}

/// What was expected and what is there.
pub(super) fn wrong(path: &str, expected: &str, got: Option<&Value>) -> RequestError {
    let got = got.map_or_else(
        || "nothing".to_owned(),
        |v| format!("{} ({})", kind(v), v.to_string().chars().take(60).collect::<String>()),
    );
    RequestError::new(format!("{path}: expected {expected}, got {got}"))
}
