//! One state of a machine, by its name: the input is what reaches it, or else what the execution begins with.

use std::collections::BTreeSet;

use serde_json::{Map, Value};

use super::before::Before;
use super::evaluation::Evaluation;
use super::{RequestError, RunRequest, machine, state};

/// The state as a run.
pub(super) fn request(
    document: &Map<String, Value>,
    name: &str,
    evaluation: &Evaluation<'_>,
) -> Result<RunRequest, RequestError> {
    let found = machine::find(document, name)?;
    let (path, language) = (machine::place(name), machine::language(document));
    let read = |data: &Value, variables: &Map<String, Value>| {
        state::request_from(found, name, &path, language, evaluation, data, variables)
    };
    let input = &evaluation.input;
    let alone = read(input, &Map::new());
    if alone.is_ok() || !state::runs_a_task(found) {
        return alone;
    }
    // Something is missing: states before it may have made it of the input.
    let before = Before::of(document, name, evaluation);
    let mut variables = before.as_ref().map(Before::variables).unwrap_or_default();
    for assigned in assigned_names(document) {
        if let Some(given) = input.get(assigned).filter(|_| !variables.contains_key(assigned)) {
            variables.insert(assigned.to_owned(), given.clone());
        }
    }
    let error = match read(input, &variables) {
        Ok(request) => return Ok(request),
        Err(error) => error,
    };
    let Some(before) = before else { return Err(error) };
    let [(data, variables), (other_data, other_variables)] = before.readings();
    match read(data, variables) {
        Ok(request) if before.is_known() => Ok(request),
        Ok(request) if read(other_data, other_variables).is_ok_and(|other| other == request) => Ok(request),
        _ => Err(said(&error, &before.hidden)),
    }
}

/// What is missing, and whose results would have it.
fn said(error: &RequestError, hidden: &[&str]) -> RequestError {
    let mut names: Vec<String> = hidden.iter().map(|name| format!("{name:?}")).collect();
    names.dedup();
    if names.is_empty() {
        return error.clone();
    }
    RequestError::new(format!("{error}; what {} gives is not known here", names.join(", ")))
}

/// The names of all variables that the machine assigns.
fn assigned_names(machine: &Map<String, Value>) -> BTreeSet<&str> {
    let (mut open, mut names): (Vec<&Map<String, Value>>, _) = (vec![machine], BTreeSet::new());
    while let Some(members) = open.pop() {
        if let Some(assigned) = members.get("Assign").and_then(Value::as_object) {
            names.extend(assigned.keys().map(|name| name.strip_suffix(".$").unwrap_or(name)));
        }
        for value in members.values() {
            let items = value.as_array().map(Vec::as_slice).unwrap_or_default();
            open.extend(items.iter().chain([value]).filter_map(Value::as_object));
        }
    }
    names
}
