//! The states of a machine, wherever they stand in it, and which of them a run can be.

use serde_json::{Map, Value};

use super::RequestError;
use super::members::{Language, name as state_name, only, wrong};
use super::state::goal;
use crate::core::input::nearest;

const MACHINE: [&str; 6] = ["Comment", "StartAt", "States", "TimeoutSeconds", "Version", "QueryLanguage"];

/// A state by its place.
pub(super) fn place(name: &str) -> String {
    format!("States[{name:?}]")
}

/// The name of a state as the document has it, which lives as long; `path` says where it is named.
pub(super) fn named<'s>(states: &'s Map<String, Value>, name: &str, path: &str) -> Result<&'s str, RequestError> {
    let known = states.keys().find(|known| *known == name).map(String::as_str);
    known.ok_or_else(|| RequestError::new(format!("{path}: {}: there is no such state", place(name))))
}

/// The states at the top.
pub(super) fn states(machine: &Map<String, Value>) -> Result<&Map<String, Value>, RequestError> {
    only(machine, &MACHINE, "")?;
    match machine.get("States") {
        Some(Value::Object(states)) => Ok(states),
        other => Err(wrong("States", "an object of states", other)),
    }
}

/// The state that is meant where states come without a machine around them: the only one that runs a task.
pub(super) fn only_state(machine: &Map<String, Value>) -> Option<&str> {
    let able = candidates(machine);
    able.first().copied().filter(|_| able.len() == 1 && !machine.contains_key("StartAt"))
}

/// Where the machine begins.
pub(super) fn start(machine: &Map<String, Value>) -> Result<&str, RequestError> {
    match machine.get("StartAt") {
        Some(start) => state_name(start, "StartAt"),
        None => Err(wrong("StartAt", "the name of a state", None)),
    }
}

/// The language of states that name none.
pub(super) fn language(machine: &Map<String, Value>) -> Option<Language> {
    match machine.get("QueryLanguage").and_then(Value::as_str) {
        Some("JSONata") => Some(Language::Jsonata),
        _ => Some(Language::JsonPath).filter(|_| machine.contains_key("QueryLanguage")),
    }
}

/// The state of this name, also inside Parallel and Map.
pub(super) fn find<'v>(machine: &'v Map<String, Value>, name: &str) -> Result<&'v Map<String, Value>, RequestError> {
    let all = all_states(machine);
    if let Some((_, found)) = all.iter().find(|(known, _)| *known == name) {
        return Ok(found);
    }
    let names: Vec<&str> = all.iter().map(|(known, _)| *known).collect();
    let advice = match candidates(machine) {
        able if able.is_empty() => format!("the nearest is {:?}", nearest(name, &names)),
        able => format!("those that run a task: {}", quoted(&able)),
    };
    Err(RequestError::new(format!("stateName: the machine has no state {name:?}; {advice}")))
}

/// Says of a machine that cannot be taken whole which of its states can.
pub(super) fn advise(machine: &Map<String, Value>, error: &RequestError) -> RequestError {
    let able = candidates(machine);
    if able.is_empty() {
        let waiting: Vec<&str> =
            all_states(machine).into_iter().filter(|(_, state)| waits_for_token(state)).map(|(name, _)| name).collect();
        return RequestError::new(match waiting.as_slice() {
            [] => format!("{error}; no state of this machine could be a run by itself"),
            _ => format!(
                "{error}; its states that run a task ({}) wait for a token that the task sends back (ecs:runTask.waitForTaskToken), \
                 which is Step Functions' work: where the token only says that the task has ended, write ecs:runTask.sync and leave \
                 $$.Task.Token out, and --state takes it",
                quoted(&waiting)
            ),
        });
    }
    let flags: Vec<String> = able.iter().map(|name| format!("--state {name:?}")).collect();
    RequestError::new(format!(
        "{error}; a run can be one of its states by itself: {} (\"stateName\" in a request), with that state's input by --input \
         (\"input\"); Map, Parallel, Lambda and other services stay Step Functions' work",
        flags.join(" or ")
    ))
}

/// Whether a state runs a task that is to send its token back.
fn waits_for_token(state: &Map<String, Value>) -> bool {
    state
        .get("Resource")
        .and_then(Value::as_str)
        .is_some_and(|resource| resource.ends_with(":ecs:runTask.waitForTaskToken"))
}

fn quoted(names: &[&str]) -> String {
    names.iter().map(|name| format!("{name:?}")).collect::<Vec<_>>().join(", ")
}

/// The states that a run can be.
fn candidates(machine: &Map<String, Value>) -> Vec<&str> {
    let able = |state: &Map<String, Value>| {
        let resource = state.get("Resource").and_then(Value::as_str).unwrap_or_default();
        let kind = state.get("Type").and_then(Value::as_str);
        kind == Some("Task") && resource.contains(":ecs:runTask") && goal(resource, "").is_ok()
    };
    all_states(machine).into_iter().filter(|(_, state)| able(state)).map(|(name, _)| name).collect()
}

/// The states among which one stands, from the first of them to it.
pub(super) struct Level<'v> {
    pub(super) states: &'v Map<String, Value>,
    pub(super) start: &'v str,
    pub(super) target: &'v str,
}

/// The levels that lead to the state of this name: through Parallel and Map states, if it stands in some.
pub(super) fn way_to<'v>(machine: &'v Map<String, Value>, name: &str) -> Option<Vec<Level<'v>>> {
    let states = machine.get("States")?.as_object()?;
    let start = machine.get("StartAt")?.as_str()?;
    if let Some((target, _)) = states.get_key_value(name) {
        return Some(vec![Level { states, start, target }]);
    }
    states.iter().find_map(|(target, state)| {
        let inner = bodies(state.as_object()?).find_map(|body| way_to(body, name))?;
        Some([Level { states, start, target }].into_iter().chain(inner).collect())
    })
}

/// The machines inside a state: the branches of Parallel, what Map does with each item.
fn bodies(state: &Map<String, Value>) -> impl Iterator<Item = &Map<String, Value>> {
    let branches = state.get("Branches").and_then(Value::as_array).into_iter().flatten();
    let of_map = ["ItemProcessor", "Iterator"].into_iter().filter_map(|body| state.get(body));
    branches.chain(of_map).filter_map(Value::as_object)
}

/// Every state with its name, those of branches and of Map behind the one they are in.
fn all_states(machine: &Map<String, Value>) -> Vec<(&str, &Map<String, Value>)> {
    let states = machine.get("States").and_then(Value::as_object);
    let mut all = Vec::new();
    for (name, state) in states.into_iter().flatten() {
        let Some(state) = state.as_object() else { continue };
        all.push((name.as_str(), state));
        all.extend(bodies(state).flat_map(all_states));
    }
    all
}
