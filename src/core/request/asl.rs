//! Step Functions documents: a state machine around one `ecs:runTask` state, or that state alone.

use serde_json::{Map, Value};

use super::asl_members::{no_expressions, only, wrong};
use super::asl_notify;
use super::{Goal, RequestError, RunRequest, RunSpec};
use crate::core::retry::RetryPolicy;
use crate::core::run_task::RunTask;

const MACHINE: [&str; 6] = ["Comment", "StartAt", "States", "TimeoutSeconds", "Version", "QueryLanguage"];
/// Members of a Task state with a counterpart, or with none to need: a run's result goes nowhere but into its record.
const STATE: [&str; 16] = [
    "Type",
    "Resource",
    "Comment",
    "Parameters",
    "Arguments",
    "Retry",
    "Catch",
    "TimeoutSeconds",
    "Next",
    "End",
    "InputPath",
    "OutputPath",
    "ResultPath",
    "ResultSelector",
    "Output",
    "QueryLanguage",
];
const MOST_SECONDS: u64 = 99_999_999;

/// A state machine with one `ecs:runTask` state, which comes first.
pub(super) fn state_machine(machine: &Map<String, Value>) -> Result<RunRequest, RequestError> {
    only(machine, &MACHINE, "")?;
    let states = match machine.get("States") {
        Some(Value::Object(states)) => states,
        other => return Err(wrong("States", "an object of states", other)),
    };
    let start = match machine.get("StartAt") {
        Some(Value::String(start)) => start,
        other => return Err(wrong("StartAt", "the name of a state", other)),
    };
    let first = states
        .get(start)
        .and_then(Value::as_object)
        .ok_or_else(|| RequestError::new(format!("StartAt: there is no state {start:?} in States")))?;
    let path = format!("States[{start:?}]");
    let (mut spec, count) = run_task_state(first, &path)?;
    spec.timeout_seconds = machine.get("TimeoutSeconds").map(|v| seconds(v, "TimeoutSeconds")).transpose()?;
    spec.notify = asl_notify::notify(states, start, first)?;
    Ok(RunRequest { name: None, count, spec })
}

/// The state alone. Its Next and Catch lead to states that are not there: the cell's own topic tells of the end.
pub(super) fn lone_state(state: &Map<String, Value>) -> Result<RunRequest, RequestError> {
    let (spec, count) = run_task_state(state, "the state")?;
    Ok(RunRequest { name: None, count, spec })
}

fn run_task_state(state: &Map<String, Value>, path: &str) -> Result<(RunSpec, Option<u32>), RequestError> {
    let kind_of = state.get("Type").and_then(Value::as_str).unwrap_or_default();
    let resource = state.get("Resource").and_then(Value::as_str).unwrap_or_default();
    if kind_of != "Task" || !resource.contains(":ecs:runTask") {
        return Err(RequestError::new(format!(
            "{path}: a {kind_of} state {resource:?} has no counterpart; the first state must run the task, \
             with Resource arn:aws:states:::ecs:runTask.sync or arn:aws:states:::ecs:runTask"
        )));
    }
    let until = goal(resource, path)?;
    only(state, &STATE, &format!("{path}."))?;
    let parameters = match (state.get("Parameters"), state.get("Arguments")) {
        (Some(parameters), None) => (parameters, "Parameters"),
        (None, Some(arguments)) => (arguments, "Arguments"),
        _ => return Err(RequestError::new(format!("{path}: needs Parameters (or, in JSONata, Arguments)"))),
    };
    no_expressions(parameters.0, &format!("{path}.{}", parameters.1))?;
    let (run_task, count) = RunTask::from_value(parameters.0, &format!("{path}.{}", parameters.1))?;
    // ASL: without Retry, nothing is tried again.
    let retry = match state.get("Retry") {
        Some(retry) => RetryPolicy::from_value(retry, &format!("{path}.Retry"))?,
        None => RetryPolicy(Vec::new()),
    };
    let timeout = state.get("TimeoutSeconds").map(|v| seconds(v, &format!("{path}.TimeoutSeconds"))).transpose()?;
    Ok((RunSpec { until, retry, attempt_timeout_seconds: timeout, ..RunSpec::new(run_task) }, count))
}

/// What the integration pattern waits for.
fn goal(resource: &str, path: &str) -> Result<Goal, RequestError> {
    let pattern = resource.split(":ecs:runTask").nth(1).unwrap_or_default();
    match pattern {
        ".sync" | ".sync:2" => Ok(Goal::Stopped),
        "" => Ok(Goal::Running),
        other => Err(RequestError::new(format!(
            "{path}.Resource: the integration pattern {other:?} has no counterpart; use ecs:runTask.sync"
        ))),
    }
}

fn seconds(value: &Value, path: &str) -> Result<u64, RequestError> {
    let whole = value.as_u64().filter(|s| (1..=MOST_SECONDS).contains(s));
    whole.ok_or_else(|| wrong(path, "a whole number of seconds from 1 to 99999999", Some(value)))
}
