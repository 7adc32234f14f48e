//! Run requests out of the documents that start ECS tasks elsewhere: EventBridge targets and schedules, AWS Batch job definitions,
//! CloudFormation templates of these, and all that is a run request already.
//!
//! Sources: EventBridge API reference, EcsParameters; EventBridge Scheduler API reference, EcsParameters; AWS Batch API reference,
//! RegisterJobDefinition, RetryStrategy and EvaluateOnExit.

mod batch;
mod members;
mod target;
mod template;
#[cfg(test)]
mod tests;

use serde_json::{Map, Value, json};

use super::input::RequestError;
use super::request::foreign::{self, Foreign};
use super::request::{Acceptance, Goal, RunRequest, left_out};
use members::Source;
use template::Beside;

/// What became of one document, or of one part of it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Converted {
    /// What it was, in words.
    pub what: String,
    /// The run request.
    pub request: Value,
    /// What of it has no place in the request, and where it goes; one line each.
    pub notes: Vec<String>,
    /// Other parts of the document that could not be converted, and why; they are with the first that could.
    pub refused: Vec<String>,
}

/// The run requests of a document. A Step Functions document is evaluated as if its execution began at `at`.
///
/// # Errors
/// The document is of no known form, or something in it has no counterpart; the message says which and what to do.
pub fn convert(document: Value, at: &Acceptance) -> Result<Vec<Converted>, RequestError> {
    let form = document.as_object().and_then(|members| foreign::of(members).map(|form| (form, members)));
    let Some((form, members)) = form else { return requested(document, at).map(|one| vec![one]) };
    let source = Source::new(members, "");
    let converted = match form {
        Foreign::Target => vec![target::rule(&source)?],
        Foreign::Targets => target::all(&source)?,
        Foreign::Schedule => vec![target::schedule(&source, at)?],
        Foreign::JobDefinition => vec![batch::definition(&source)?],
        Foreign::JobDefinitions => batch::definitions(&source)?,
        Foreign::Job => vec![batch::job(&source)?],
        Foreign::Template => return template::resources(members, at),
        Foreign::Serverless => return template::serverless(members, at),
        Foreign::Resource => {
            return template::resource(&source, &Beside::of(members), at)?.ok_or_else(|| template::nothing("Type"));
        }
        Foreign::TaskDefinition => vec![task_definition(&source)?],
        Foreign::Service => {
            return Err(RequestError::new(format!(
                "{}: it keeps tasks running, and a run is one task that ends; write the RunTask request of that task",
                form.name()
            )));
        }
    };
    converted.into_iter().map(|converted| checked(converted, at)).collect()
}

/// Whether a document is of a form that this module knows.
pub fn is_known(document: &Value) -> bool {
    let is_request = |members: &Map<String, Value>| {
        ["StartAt", "States", "stateMachine", "runTask", "taskDefinition"]
            .iter()
            .any(|name| members.contains_key(*name))
    };
    document.as_object().is_some_and(|members| foreign::of(members).is_some() || is_request(members))
}

/// What is a run request already, in the native form.
fn requested(mut document: Value, at: &Acceptance) -> Result<Converted, RequestError> {
    let mut notes = Vec::new();
    if is_skeleton(&document) {
        without_blanks(&mut document);
        notes.push("members without a value are left out".to_owned());
    }
    notes.extend(left_out(&document));
    let request = RunRequest::accept_until(document, at, Goal::Stopped)?;
    Ok(Converted { what: "a run request".to_owned(), request: request.to_value(), notes, ..Converted::default() })
}

/// What `aws ecs run-task --generate-cli-skeleton` prints: all members, most of them empty.
fn is_skeleton(document: &Value) -> bool {
    let is_bare = document.get("taskDefinition").is_some() && document.get("runTask").is_none();
    is_bare
        && ["clientToken", "startedBy", "referenceId", "group"]
            .iter()
            .any(|name| document.get(name) == Some(&json!("")))
}

/// Takes out what says nothing; answers whether nothing is left.
fn without_blanks(value: &mut Value) -> bool {
    match value {
        Value::Object(members) => {
            members.retain(|_, value| !without_blanks(value));
            members.is_empty()
        }
        Value::Array(items) => {
            items.retain_mut(|item| !without_blanks(item));
            items.is_empty()
        }
        Value::String(text) => text.is_empty(),
        Value::Number(number) => number.as_f64() == Some(0.0),
        Value::Null => true,
        Value::Bool(_) => false,
    }
}

/// A task definition is run by its family.
fn task_definition(source: &Source<'_>) -> Result<Converted, RequestError> {
    let inner = source.object("taskDefinition")?;
    let family = inner.as_ref().unwrap_or(source).text("family")?;
    let family = family.ok_or_else(|| source.wrong("family", "the family under which it is registered"))?;
    let mut notes = vec!["register the task definition: a run starts it by its family".to_owned()];
    notes.push("cluster, launchType and networkConfiguration are the run's: add them to runTask".to_owned());
    Ok(Converted {
        what: Foreign::TaskDefinition.name().to_owned(),
        request: json!({"runTask": {"taskDefinition": family}, "until": "stopped"}),
        notes,
        ..Converted::default()
    })
}

/// What was converted has to be a run request.
fn checked(converted: Converted, at: &Acceptance) -> Result<Converted, RequestError> {
    RunRequest::accept(converted.request.clone(), at)?;
    Ok(converted)
}

/// A request around a RunTask request.
fn around(run_task: Map<String, Value>) -> Value {
    json!({"runTask": run_task, "until": "stopped"})
}
