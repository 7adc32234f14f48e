//! The `ecs:runTask` state.

use serde_json::{Map, Value};

use super::RequestError;
use super::evaluation::{Evaluation, InState};
use super::members::{Language, TASK, language, of_language, only, seconds};
use crate::core::request::{Goal, RunRequest, RunSpec};
use crate::core::retry::RetryPolicy;
use crate::core::run_task::RunTask;

/// Members that only the state of a task has.
const TIMEOUTS: [&str; 2] = ["TimeoutSeconds", "TimeoutSecondsPath"];

/// Whether a state runs a task.
pub(super) fn runs_a_task(state: &Map<String, Value>) -> bool {
    let text = |name: &str| state.get(name).and_then(Value::as_str).unwrap_or_default();
    text("Type") == "Task" && text("Resource").contains(":ecs:runTask")
}

/// The state by itself: its input is the execution's.
pub(super) fn request(
    state: &Map<String, Value>,
    name: &str,
    path: &str,
    machine: Option<Language>,
    evaluation: &Evaluation<'_>,
) -> Result<RunRequest, RequestError> {
    request_from(state, name, path, machine, evaluation, &evaluation.input, &Map::new())
}

/// The state with the data and variables that reach it.
pub(super) fn request_from(
    state: &Map<String, Value>,
    name: &str,
    path: &str,
    machine: Option<Language>,
    evaluation: &Evaluation<'_>,
    data: &Value,
    variables: &Map<String, Value>,
) -> Result<RunRequest, RequestError> {
    if !runs_a_task(state) {
        let kind = state.get("Type").and_then(Value::as_str).unwrap_or_default();
        let resource = state.get("Resource").map_or_else(String::new, |resource| format!(" of {resource}"));
        return Err(RequestError::new(format!(
            "{path}: a {kind} state{resource} is no run: only a Task state with Resource arn:aws:states:::ecs:runTask.sync or \
             arn:aws:states:::ecs:runTask is"
        )));
    }
    let resource = state.get("Resource").and_then(Value::as_str).unwrap_or_default();
    let until = goal(resource, path)?;
    only(state, &[&TASK[..], &TIMEOUTS].concat(), &format!("{path}."))?;
    let language = language(state, machine, path)?;
    of_language(state, language, path)?;
    let evaluator = evaluation.state(name, path, language, variables);
    let effective = match language {
        Language::JsonPath => evaluator.at_path("InputPath", state.get("InputPath"), data)?,
        Language::Jsonata => data.clone(),
    };
    let (parameters, member) = parameters(state, &evaluator, &effective)?;
    let (run_task, count) = RunTask::from_value(&parameters, &format!("{path}.{member}"))?;
    // ASL: without Retry, nothing is tried again.
    let retry = match state.get("Retry") {
        Some(retry) => RetryPolicy::from_value(retry, &format!("{path}.Retry"))?,
        None => RetryPolicy(Vec::new()),
    };
    let timeout = timeout(state, &evaluator, &effective)?;
    let spec = RunSpec {
        until,
        retry,
        attempt_timeout_seconds: timeout,
        start_timeout_seconds: None,
        ..RunSpec::new(run_task)
    };
    Ok(RunRequest { name: None, count, spec, identity: None })
}

/// The RunTask request, and the member that has it.
fn parameters(
    state: &Map<String, Value>,
    evaluator: &InState<'_>,
    data: &Value,
) -> Result<(Value, &'static str), RequestError> {
    let path = evaluator.path;
    match (state.get("Parameters"), state.get("Arguments")) {
        (Some(parameters), None) => Ok((evaluator.template("Parameters", parameters, data)?, "Parameters")),
        (None, Some(arguments)) => Ok((evaluator.template("Arguments", arguments, data)?, "Arguments")),
        // Then the API gets what reaches the state.
        (None, None) if data.as_object().is_some_and(|data| !data.is_empty()) => Ok((data.clone(), "input")),
        _ => Err(RequestError::new(format!(
            "{path}: needs Parameters in JSONPath, or Arguments in JSONata; without them its input is the RunTask request: give it with \
             --input (\"input\" in a request)"
        ))),
    }
}

fn timeout(state: &Map<String, Value>, evaluator: &InState<'_>, data: &Value) -> Result<Option<u64>, RequestError> {
    let path = evaluator.path;
    match (state.get("TimeoutSeconds"), state.get("TimeoutSecondsPath")) {
        (None, None) => Ok(None),
        (Some(value), None) => {
            let value = evaluator.template("TimeoutSeconds", value, data)?;
            seconds(&value, &format!("{path}.TimeoutSeconds")).map(Some)
        }
        (None, Some(by_path)) => {
            let value = evaluator.expression("TimeoutSecondsPath", by_path, data)?;
            seconds(&value, &format!("{path}.TimeoutSecondsPath")).map(Some)
        }
        _ => Err(RequestError::new(format!("{path}: has both TimeoutSeconds and TimeoutSecondsPath; one of them"))),
    }
}

/// What the integration pattern waits for.
pub(super) fn goal(resource: &str, path: &str) -> Result<Goal, RequestError> {
    let pattern = resource.split(":ecs:runTask").nth(1).unwrap_or_default();
    match pattern {
        ".sync" | ".sync:2" => Ok(Goal::Stopped),
        "" => Ok(Goal::Running),
        ".waitForTaskToken" => Err(RequestError::new(format!(
            "{path}.Resource: a token that the container answers is made by Step Functions alone; a run ends with its task: use \
             ecs:runTask.sync and leave $$.Task.Token out"
        ))),
        other => Err(RequestError::new(format!(
            "{path}.Resource: the integration pattern {other:?} has no counterpart; use ecs:runTask.sync"
        ))),
    }
}
