//! The forms in which a document comes: as it is, under `stateMachine` with a state's name and an input, or as the answer of
//! `aws stepfunctions describe-state-machine`.

use std::borrow::Cow;

use serde_json::{Map, Value, json};

use super::members::wrong;
use super::{RequestError, RunRequest};
use crate::core::input::meant;
use crate::core::request::foreign::{self, Foreign};
use crate::core::request::native;
use crate::core::states::MachineNames;

/// Types of states.
const KINDS: [&str; 8] = ["Task", "Pass", "Choice", "Wait", "Succeed", "Fail", "Parallel", "Map"];
const OWN: [&str; 3] = ["stateMachine", "stateName", "input"];

/// A document, and what is given beside it.
pub(super) struct Document<'v> {
    /// The machine, or one state.
    pub(super) machine: Cow<'v, Map<String, Value>>,
    /// The state that is meant.
    pub(super) state: Option<&'v str>,
    /// The execution's input.
    pub(super) input: Option<&'v Value>,
    /// The run's name, if it is given.
    pub(super) name: Option<&'v str>,
    pub(super) names: MachineNames,
    /// taskwatch's own members beside it.
    native: Map<String, Value>,
}

pub(super) fn is_document(members: &Map<String, Value>) -> bool {
    let has = |name: &str| members.contains_key(name);
    let is_state = has("Type") && has("Resource");
    has("States") || has("StartAt") || is_state || has(OWN[0]) || is_described(members) || are_states(members)
}

/// States with their names, as they are copied out of a machine.
fn are_states(members: &Map<String, Value>) -> bool {
    let is_state = |value: &Value| value.get("Type").and_then(Value::as_str).is_some_and(|kind| KINDS.contains(&kind));
    !members.is_empty() && members.values().all(is_state)
}

/// An answer of describe-state-machine.
fn is_described(members: &Map<String, Value>) -> bool {
    members.contains_key("stateMachineArn") && members.contains_key("definition")
}

/// The document with a state's name and an input beside it. A file of the Serverless framework or a CloudFormation
/// template has them for its machines.
pub(in crate::core::request) fn with_input(
    document: Value,
    state: Option<&str>,
    input: Option<Value>,
) -> Result<Value, RequestError> {
    let mut request = match document.as_object() {
        Some(members)
            if matches!(foreign::of(members), Some(Foreign::Serverless | Foreign::Template | Foreign::Resource)) =>
        {
            document
        }
        Some(members) if !is_document(members) => return Err(not_a_machine()),
        Some(members) if members.contains_key(OWN[0]) => document,
        Some(_) => json!({OWN[0]: document}),
        None => return Err(not_a_machine()),
    };
    if let Some(state) = state {
        request[OWN[1]] = state.into();
    }
    if let Some(input) = input {
        request[OWN[2]] = input;
    }
    Ok(request)
}

fn not_a_machine() -> RequestError {
    RequestError::new("--state and --input are for a Step Functions document, which this is not")
}

impl<'v> Document<'v> {
    pub(super) fn read(members: &'v Map<String, Value>) -> Result<Self, RequestError> {
        let Some(machine) = members.get(OWN[0]) else {
            let (machine, names) = machine(Cow::Borrowed(members), "definition")?;
            return Ok(Self { machine, names, state: None, input: None, name: None, native: Map::new() });
        };
        let machine = match machine {
            Value::Object(machine) => Cow::Borrowed(machine),
            // The API's own form: the definition as a text.
            Value::String(text) => Cow::Owned(definition(text, OWN[0])?),
            other => return Err(wrong(OWN[0], "a Step Functions document", Some(other))),
        };
        let (machine, names) = self::machine(machine, "stateMachine.definition")?;
        if !is_document(&machine) {
            return Err(RequestError::new("stateMachine: expected a machine (StartAt, States) or a Task state"));
        }
        let state = members.get(OWN[1]).filter(|state| !state.is_null());
        let state = state.map(|state| super::members::name(state, OWN[1])).transpose()?;
        let native = native_members(members)?;
        let name = members.get("name").or_else(|| members.get("Name")).and_then(Value::as_str);
        Ok(Self { machine, state, input: members.get(OWN[2]), name, names, native })
    }

    /// The request with the members that stand beside the document laid over it.
    pub(super) fn overlaid(self, request: RunRequest) -> Result<RunRequest, RequestError> {
        if self.native.is_empty() {
            return Ok(request);
        }
        let mut value = request.to_value();
        if let Value::Object(members) = &mut value {
            members.extend(self.native);
        }
        let identity = request.identity;
        match value {
            Value::Object(members) => {
                native::read(&members, request.spec.until).map(|request| RunRequest { identity, ..request })
            }
            _ => Ok(request),
        }
    }
}

/// The members beside `stateMachine`, in camelCase.
fn native_members(members: &Map<String, Value>) -> Result<Map<String, Value>, RequestError> {
    let mut own = Map::new();
    for (name, value) in members.iter().filter(|(name, _)| !OWN.contains(&name.as_str())) {
        let camel: String = name.chars().take(1).flat_map(char::to_lowercase).chain(name.chars().skip(1)).collect();
        if camel == "runTask" {
            return Err(RequestError::new(format!(
                "{name}: the state's Parameters are the RunTask request; leave it out"
            )));
        }
        if let Some(near) = meant(name, &OWN).filter(|_| !native::is_member(&camel)) {
            return Err(RequestError::new(format!("{name}: unknown; did you mean {near}?")));
        }
        own.insert(camel, value.clone());
    }
    Ok(own)
}

/// The machine itself, out of describe-state-machine's answer if it comes in one.
fn machine<'v>(
    given: Cow<'v, Map<String, Value>>,
    path: &str,
) -> Result<(Cow<'v, Map<String, Value>>, MachineNames), RequestError> {
    if are_states(&given) {
        let machine = Map::from_iter([("States".to_owned(), Value::Object(given.into_owned()))]);
        return Ok((Cow::Owned(machine), MachineNames::default()));
    }
    if !is_described(&given) {
        return Ok((given, MachineNames::default()));
    }
    let text = |name: &str| given.get(name).and_then(Value::as_str);
    let machine = definition(text("definition").unwrap_or_default(), path)?;
    let names =
        MachineNames { arn: text("stateMachineArn").map(str::to_owned), role: text("roleArn").map(str::to_owned) };
    Ok((Cow::Owned(machine), names))
}

fn definition(text: &str, path: &str) -> Result<Map<String, Value>, RequestError> {
    serde_json::from_str(text).map_err(|error| RequestError::new(format!("{path}: not JSON: {error}")))
}
