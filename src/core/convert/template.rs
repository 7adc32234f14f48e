//! CloudFormation templates: their resources that start ECS tasks.

use serde_json::{Map, Value, json};

use super::members::Source;
use super::{Converted, convert};
use crate::core::input::RequestError;
use crate::core::request::Acceptance;
use crate::core::request::document;
use crate::core::request::symbols::{fill, placeholders, symbolic};

/// The run requests of all resources that have one. References are placeholders, filled in where the template has their values.
pub(super) fn resources(template: &Map<String, Value>, at: &Acceptance) -> Result<Vec<Converted>, RequestError> {
    let mut template = Value::Object(template.clone());
    symbolic(&mut template);
    let defaults = defaults(&template);
    fill(&mut template, &defaults);
    let template = template.as_object().cloned().unwrap_or_default();
    let source = Source::new(&template, "");
    let resources = source.object("Resources")?.ok_or_else(|| source.wrong("Resources", "an object"))?;
    let (mut all, mut refused) = (Vec::new(), Vec::new());
    for (name, members) in resources.members() {
        let Some(members) = members.as_object() else { continue };
        let about = |error: RequestError| RequestError::new(format!("Resources.{name}: {error}"));
        match resource(&Source::new(members, ""), at) {
            Ok(found) => all.extend(found.unwrap_or_default().into_iter().map(|converted| named(name, converted))),
            Err(error) => refused.push(about(error)),
        }
    }
    // Of a template with several, one that cannot be taken keeps nobody from the others.
    match (all.first_mut(), refused.is_empty()) {
        (Some(first), _) => first.notes.extend(refused.into_iter().map(|error| format!("not converted: {error}"))),
        (None, true) => return Err(nothing("Resources")),
        (None, false) => return Err(refused.swap_remove(0)),
    }
    Ok(all)
}

/// The default values of a template's parameters.
fn defaults(template: &Value) -> Map<String, Value> {
    let parameters = template.get("Parameters").and_then(Value::as_object).into_iter().flatten();
    let default = |(name, parameter): (&String, &Value)| {
        let default = parameter.get("Default").filter(|default| default.is_string() || default.is_number())?;
        let list = parameter["Type"].as_str().is_some_and(|kind| kind.contains("List"));
        let text = default.as_str().map_or_else(|| default.to_string(), str::to_owned);
        Some((name.clone(), if list { text.split(',').map(str::trim).collect() } else { text.into() }))
    };
    parameters.filter_map(default).filter(|(_, value): &(String, Value)| value != "").collect()
}

/// What came of a part, with the part's name, and with the placeholders that are left in it.
fn named(name: &str, converted: Converted) -> Converted {
    let mut notes = converted.notes;
    let left = placeholders(&converted.request["runTask"]);
    notes.extend(
        left.iter()
            .map(|left| format!("runTask: the placeholder ${{{left}}} is left in it; give it by --set {left}=VALUE")),
    );
    Converted { what: format!("{name}: {}", converted.what), request: converted.request, notes }
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
    let state = file.get("stateName").and_then(Value::as_str);
    let has_state = |machine: &Value| {
        state.is_none_or(|name| machine.pointer("/definition/States").is_some_and(|states| states.get(name).is_some()))
    };
    let machines = match machines.values().any(has_state) {
        true => machines.into_iter().filter(|(_, machine)| has_state(machine)).collect(),
        false => machines,
    };
    let machine = |(name, machine): (&String, &Value)| {
        let about = |error: RequestError| RequestError::new(format!("stateMachines.{name}: {error}"));
        let definition = machine.get("definition").filter(|definition| definition.is_object());
        let definition =
            definition.ok_or_else(|| about(RequestError::new("definition: expected the machine itself")))?;
        let mut document = Map::from_iter([("stateMachine".to_owned(), definition.clone())]);
        let beside =
            ["stateName", "input"].into_iter().filter_map(|name| Some((name.to_owned(), file.get(name)?.clone())));
        document.extend(beside);
        let converted = convert(Value::Object(document), at).map_err(about)?;
        Ok(converted.into_iter().map(|converted| named(name, converted)).collect::<Vec<_>>())
    };
    let all = machines.iter().map(machine).collect::<Result<Vec<_>, RequestError>>()?;
    Ok(all.into_iter().flatten().collect())
}

/// What one resource starts; none where it is of another kind.
pub(super) fn resource(source: &Source<'_>, at: &Acceptance) -> Result<Option<Vec<Converted>>, RequestError> {
    let Some(properties) = source.object("Properties")? else { return Ok(None) };
    let document = match source.text("Type")?.unwrap_or_default() {
        "AWS::Events::Rule" if properties.get("Targets").is_some() => properties.members().clone(),
        "AWS::Scheduler::Schedule" | "AWS::Batch::JobDefinition" | "AWS::ECS::TaskDefinition" => {
            properties.members().clone()
        }
        "AWS::StepFunctions::StateMachine" | "AWS::Serverless::StateMachine" => machine(&properties)?,
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
