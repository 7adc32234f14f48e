//! What every state of a state machine is held against.

use serde_json::{Map, Value};

use super::RequestError;
use crate::core::input::{kind, nearest};
pub(super) use crate::core::states::Language;

/// The longest timeout: ASL's own bound.
const MOST_SECONDS: u64 = 99_999_999;

/// Members of every Task state that have a counterpart, or none to need: a run's result goes nowhere but into its record.
pub(super) const TASK: [&str; 16] = [
    "Type",
    "Resource",
    "Comment",
    "Parameters",
    "Arguments",
    "Retry",
    "Catch",
    "Next",
    "End",
    "InputPath",
    "OutputPath",
    "ResultPath",
    "ResultSelector",
    "Output",
    "Assign",
    "QueryLanguage",
];

/// The state's own language, or else the machine's.
pub(super) fn language(
    state: &Map<String, Value>,
    machine: Option<Language>,
    path: &str,
) -> Result<Language, RequestError> {
    match state.get("QueryLanguage").map(Value::as_str) {
        None => {
            Ok(machine.unwrap_or(if state.contains_key("Arguments") { Language::Jsonata } else { Language::JsonPath }))
        }
        Some(Some("JSONPath")) => Ok(Language::JsonPath),
        Some(Some("JSONata")) => Ok(Language::Jsonata),
        Some(_) => Err(wrong(&format!("{path}.QueryLanguage"), "JSONPath or JSONata", state.get("QueryLanguage"))),
    }
}

/// Refuses the members of the other language, which Step Functions does not take either.
pub(super) fn of_language(state: &Map<String, Value>, language: Language, path: &str) -> Result<(), RequestError> {
    let (foreign, named, instead): (&[&str], _, _) = match language {
        Language::JsonPath => (&["Arguments", "Output"], "JSONata", "Parameters, ResultPath and OutputPath"),
        Language::Jsonata => (
            &["InputPath", "Parameters", "ResultSelector", "ResultPath", "OutputPath", "Result", "TimeoutSecondsPath"],
            "JSONPath",
            "Arguments, Output and Assign",
        ),
    };
    match foreign.iter().find(|member| state.contains_key(**member)) {
        Some(member) => {
            let own = if language == Language::JsonPath { "JSONPath" } else { "JSONata" };
            Err(RequestError::new(format!("{path}.{member}: is of {named}, and the state is of {own}: use {instead}")))
        }
        None => Ok(()),
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

/// A member that names a state.
pub(super) fn name<'v>(value: &'v Value, path: &str) -> Result<&'v str, RequestError> {
    value.as_str().ok_or_else(|| wrong(path, "the name of a state", Some(value)))
}

pub(super) fn seconds(value: &Value, path: &str) -> Result<u64, RequestError> {
    let whole = value.as_u64().filter(|s| (1..=MOST_SECONDS).contains(s));
    whole.ok_or_else(|| wrong(path, "a whole number of seconds from 1 to 99999999", Some(value)))
}

/// What was expected and what is there.
pub(super) fn wrong(path: &str, expected: &str, got: Option<&Value>) -> RequestError {
    let got = got.map_or_else(
        || "nothing".to_owned(),
        |v| format!("{} ({})", kind(v), v.to_string().chars().take(60).collect::<String>()),
    );
    RequestError::new(format!("{path}: expected {expected}, got {got}"))
}
