//! CloudFormation templates: their resources that start ECS tasks.

use serde_json::{Map, Value, json};

use super::members::Source;
use super::{Converted, convert};
use crate::core::input::RequestError;
use crate::core::request::Acceptance;
use crate::core::request::document;
use crate::core::request::intrinsics::{defaults, resolve};
use crate::core::request::symbols::{fill, placeholders, symbolic};

/// Resources that are state machines.
const MACHINES: [&str; 2] = ["AWS::StepFunctions::StateMachine", "AWS::Serverless::StateMachine"];

/// The run requests of all resources that have one. References are placeholders, filled in where the template has their values.
pub(super) fn resources(template: &Map<String, Value>, at: &Acceptance) -> Result<Vec<Converted>, RequestError> {
    let beside = Beside::of(template);
    let mut template = Value::Object(template.clone());
    resolve(&mut template, &Map::new())?;
    symbolic(&mut template);
    let mut defaults = defaults(&template);
    // What has no value was to be given.
    defaults.retain(|_, value| *value != "");
    fill(&mut template, &defaults);
    let template = template.as_object().cloned().unwrap_or_default();
    let source = Source::new(&template, "");
    let resources = source.object("Resources")?.ok_or_else(|| source.wrong("Resources", "an object"))?;
    let (mut all, mut refused) = (Vec::new(), Vec::new());
    let resources = resources.members().iter().filter_map(|(name, members)| Some((name, members.as_object()?)));
    for (name, members) in beside.chosen(resources.collect())? {
        let about = |error: RequestError| RequestError::new(format!("Resources.{name}: {error}"));
        match resource(&Source::new(members, ""), &beside, at) {
            Ok(found) => all.extend(found.unwrap_or_default().into_iter().map(|converted| named(name, converted))),
            Err(error) => refused.push(about(error)),
        }
    }
    // Of a template with several, one that cannot be taken keeps nobody from the others.
    match (all.first_mut(), refused.is_empty()) {
        (Some(first), _) => first.refused.extend(refused.into_iter().map(|error| error.message)),
        (None, true) => return Err(nothing("Resources")),
        (None, false) => return Err(refused.swap_remove(0)),
    }
    Ok(all)
}

/// A resource of a template, and its name.
type Named<'v> = (&'v String, &'v Map<String, Value>);

/// What was said beside a file with machines: which state is meant, and the execution's input.
#[derive(Default)]
pub(super) struct Beside {
    members: Map<String, Value>,
}

impl Beside {
    pub(super) fn of(file: &Map<String, Value>) -> Self {
        let given =
            ["stateName", "input"].into_iter().filter_map(|name| Some((name.to_owned(), file.get(name)?.clone())));
        Self { members: given.collect() }
    }

    /// Whether the state that is named is one of this machine, however deep.
    fn is_for(&self, machine: &Value) -> bool {
        self.members.get("stateName").and_then(Value::as_str).is_none_or(|name| has_state(machine, name))
    }

    /// The resources that it is about: the machines, and of those the ones that have the state, if any has.
    fn chosen<'v>(&self, resources: Vec<Named<'v>>) -> Result<Vec<Named<'v>>, RequestError> {
        if self.members.is_empty() {
            return Ok(resources);
        }
        let is_machine = |members: &Map<String, Value>| {
            members.get("Type").and_then(Value::as_str).is_some_and(|kind| MACHINES.contains(&kind))
        };
        let machines: Vec<_> = resources.into_iter().filter(|(_, members)| is_machine(members)).collect();
        if machines.is_empty() {
            return Err(RequestError::new(
                "--state and --input are for Step Functions, and the template has no state machine",
            ));
        }
        let has_it = |(_, members): &&Named<'_>| {
            let definition = |name: &str| members.get("Properties").and_then(|properties| properties.get(name));
            let given = ["Definition", "DefinitionString"].into_iter().find_map(definition);
            let read = given.and_then(Value::as_str).and_then(|text| document(text).ok());
            read.as_ref().or(given).is_some_and(|machine| self.is_for(machine))
        };
        let with_it: Vec<_> = machines.iter().filter(has_it).copied().collect();
        Ok(if with_it.is_empty() { machines } else { with_it })
    }
}

/// Whether a state of this name is in a machine or in its branches.
fn has_state(value: &Value, name: &str) -> bool {
    match value {
        Value::Object(members) => {
            let here = members.get("States").and_then(|states| states.get(name)).is_some();
            here || members.values().any(|value| has_state(value, name))
        }
        Value::Array(items) => items.iter().any(|item| has_state(item, name)),
        _ => false,
    }
}

/// What came of a part, with the part's name, and with the placeholders that are left in it.
fn named(name: &str, converted: Converted) -> Converted {
    let mut notes = converted.notes.clone();
    let left = placeholders(&converted.request["runTask"]);
    notes.extend(
        left.iter()
            .map(|left| format!("runTask: the placeholder ${{{left}}} is left in it; give it by --set {left}=VALUE")),
    );
    Converted { what: format!("{name}: {}", converted.what), notes, ..converted }
}

/// The machines of a file of the Serverless framework.
pub(super) fn serverless(file: &Map<String, Value>, at: &Acceptance) -> Result<Vec<Converted>, RequestError> {
    let mut file = Value::Object(file.clone());
    symbolic(&mut file);
    // A machine may have a file of its own.
    let one = |file: &Value| {
        let name = file.get("name").and_then(Value::as_str).unwrap_or("machine");
        file.get("definition").map(|_| Map::from_iter([(name.to_owned(), file.clone())]))
    };
    let machines = file.pointer("/stepFunctions/stateMachines").or_else(|| file.get("stateMachines"));
    let machines = machines.and_then(Value::as_object).cloned().or_else(|| one(&file)).ok_or_else(|| {
        RequestError::new("stepFunctions.stateMachines: the machines are in another file: convert that file")
    })?;
    // What was said beside the file is of its machines: of those that have the state, where one is named.
    let beside = file.as_object().map(Beside::of).unwrap_or_default();
    let machines = match machines.values().any(|machine| beside.is_for(machine)) {
        true => machines.into_iter().filter(|(_, machine)| beside.is_for(machine)).collect(),
        false => machines,
    };
    let machine = |(name, machine): (&String, &Value)| {
        let about = |error: RequestError| RequestError::new(format!("stateMachines.{name}: {error}"));
        let definition = machine.get("definition").filter(|definition| definition.is_object());
        let definition =
            definition.ok_or_else(|| about(RequestError::new("definition: expected the machine itself")))?;
        let mut document = Map::from_iter([("stateMachine".to_owned(), definition.clone())]);
        document.extend(beside.members.clone());
        let converted = convert(Value::Object(document), at).map_err(about)?;
        Ok(converted.into_iter().map(|converted| named(name, converted)).collect::<Vec<_>>())
    };
    let all = machines.iter().map(machine).collect::<Result<Vec<_>, RequestError>>()?;
    Ok(all.into_iter().flatten().collect())
}

/// What one resource starts; none where it is of another kind.
pub(super) fn resource(
    source: &Source<'_>,
    beside: &Beside,
    at: &Acceptance,
) -> Result<Option<Vec<Converted>>, RequestError> {
    let Some(properties) = source.object("Properties")? else { return Ok(None) };
    let document = match source.text("Type")?.unwrap_or_default() {
        "AWS::Events::Rule" if properties.get("Targets").is_some() => properties.members().clone(),
        "AWS::Scheduler::Schedule" | "AWS::Batch::JobDefinition" | "AWS::ECS::TaskDefinition" => {
            properties.members().clone()
        }
        kind if MACHINES.contains(&kind) => {
            let mut machine = machine(&properties)?;
            machine.extend(beside.members.clone());
            machine
        }
        _ => return Ok(None),
    };
    match convert(Value::Object(document), at) {
        // A rule whose targets are something else is no matter here.
        Err(error) if error.message.ends_with("there is nothing to run") => Ok(None),
        converted => converted.map(Some),
    }
}

/// A state machine, with its definition as an object or as a text.
fn machine(properties: &Source<'_>) -> Result<Map<String, Value>, RequestError> {
    let given = ["Definition", "DefinitionString"].into_iter().find_map(|name| Some((name, properties.get(name)?)));
    match given {
        Some((_, machine @ (Value::Object(_) | Value::String(_)))) if !super::members::is_reference(machine) => {
            let none = Map::new();
            let values = properties.get("DefinitionSubstitutions").and_then(Value::as_object).unwrap_or(&none);
            Ok(Map::from_iter([("stateMachine".to_owned(), substituted(machine, values))]))
        }
        Some((name, _)) => Err(properties.wrong(name, "the machine itself")),
        None => Err(RequestError::new("the definition is in another file: convert that file")),
    }
}

/// A definition with its substitutions. One that is a text has them put into the text, quotes and all (`["${Subnets}"]` with
/// `a","b"`); where that is no JSON any more, a value was given as a list, and is put in as one.
fn substituted(definition: &Value, values: &Map<String, Value>) -> Value {
    let mut filled = definition.clone();
    fill(&mut filled, values);
    let Value::String(text) = definition else { return filled };
    if let Some(machine) = filled.as_str().and_then(|text| document(text).ok()) {
        return machine;
    }
    let Ok(mut machine) = document(text) else { return filled };
    let listed = |value: &Value| match value.as_str().filter(|text| text.contains("\",\"")) {
        Some(text) => text.split("\",\"").collect(),
        None => value.clone(),
    };
    fill(&mut machine, &values.iter().map(|(name, value)| (name.clone(), listed(value))).collect());
    machine
}

/// What is said of a template without any.
pub(super) fn nothing(place: &str) -> RequestError {
    RequestError::new(format!(
        "{place}: nothing here starts an ECS task: expected {}",
        json!([
            "AWS::Events::Rule",
            "AWS::Scheduler::Schedule",
            "AWS::Batch::JobDefinition",
            "AWS::StepFunctions::StateMachine",
            "AWS::ECS::TaskDefinition"
        ])
    ))
}
