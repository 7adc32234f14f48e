//! CloudFormation templates: their resources that start ECS tasks.

use serde_json::{Map, Value, json};

use super::members::Source;
use super::{Converted, convert};
use crate::core::input::RequestError;
use crate::core::request::Acceptance;

/// The run requests of all resources that have one.
pub(super) fn resources(source: &Source<'_>, at: &Acceptance) -> Result<Vec<Converted>, RequestError> {
    let resources = source.object("Resources")?.ok_or_else(|| source.wrong("Resources", "an object"))?;
    let mut all = Vec::new();
    for (name, members) in resources.members() {
        let Some(members) = members.as_object() else { continue };
        let about = |error: RequestError| RequestError::new(format!("Resources.{name}: {error}"));
        let found = resource(&Source::new(members, ""), at).map_err(about)?.unwrap_or_default();
        all.extend(
            found.into_iter().map(|converted| Converted { what: format!("{name}: {}", converted.what), ..converted }),
        );
    }
    if all.is_empty() { Err(nothing("Resources")) } else { Ok(all) }
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
            Ok(Map::from_iter([("stateMachine".to_owned(), machine.clone())]))
        }
        Some((name, _)) => Err(properties.wrong(name, "the machine itself")),
        None => Err(RequestError::new("the definition is in another file: convert that file")),
    }
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
