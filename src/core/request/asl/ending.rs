//! What is said at a run's end, where that depends on how its task ended: the states behind the task are kept with the request, and
//! evaluated then.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use uuid::Uuid;

use super::RequestError;
use super::evaluation::Evaluation;
use super::flow::Flow;
use super::machine::{language, place};
use super::members::{name, wrong};
use super::publish::Publish;
use super::walk::{Outcome, States, Walk};
use super::ways::{Catcher, catchers, check_later};
use crate::core::failure::Failure;
use crate::core::request::Goal;
use crate::core::time::Timestamp;

/// Members of the task that have done their work when it has ended.
const DONE: [&str; 6] = ["Parameters", "Arguments", "InputPath", "Retry", "TimeoutSeconds", "TimeoutSecondsPath"];

/// The states behind a task, and what reached it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Ending {
    /// The state that ran the task.
    pub task: String,
    /// It, and those behind it.
    pub states: Map<String, Value>,
    /// The language of states that name none.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub query_language: Option<String>,
    /// What reached the task.
    pub input: Value,
    /// What was assigned before it.
    #[serde(skip_serializing_if = "Map::is_empty", default)]
    pub variables: Map<String, Value>,
    /// The context object.
    #[serde(skip_serializing_if = "Map::is_empty", default)]
    pub context: Map<String, Value>,
}

/// How a run ended.
pub struct Ended<'r> {
    /// The run: where chance comes from.
    pub run: Uuid,
    /// When.
    pub at: Timestamp,
    /// What it was to reach.
    pub goal: Goal,
    /// Why it did not.
    pub failure: Option<&'r Failure>,
    /// What ECS said of its task, as Step Functions shows it.
    pub task: Option<&'r Value>,
}

impl Ending {
    pub(super) fn new(task: &str, states: States, flow: &Flow<'_>, query_language: Option<String>) -> Self {
        let mut states = states;
        if let Some(task) = states.get_mut(task).and_then(Value::as_object_mut) {
            task.retain(|member, _| !DONE.contains(&member.as_str()));
        }
        let text = Value::Object(states.clone()).to_string();
        let context = flow.evaluation.context(text.contains("$$") || text.contains("$states.context"));
        Self {
            task: task.to_owned(),
            states,
            query_language,
            input: flow.data.clone(),
            variables: flow.variables.clone(),
            context,
        }
    }

    /// Reads it from a request in its native form.
    pub(in crate::core::request) fn read(value: &Value, path: &str) -> Result<Self, RequestError> {
        let read = serde_json::from_value::<Self>(value.clone());
        let ending = read.map_err(|error| RequestError::new(format!("{path}: {error}")))?;
        let at = |error: RequestError| RequestError::new(format!("{path}.{error}"));
        ending
            .with_flow((Uuid::nil(), Timestamp::default()), |flow| {
                check_later(&ending.states, &ending.task, flow).map(drop)
            })
            .map_err(at)?;
        Ok(ending)
    }

    fn with_flow<T>(
        &self,
        (seed, at): (Uuid, Timestamp),
        work: impl FnOnce(&Flow<'_>) -> Result<T, RequestError>,
    ) -> Result<T, RequestError> {
        let evaluation = Evaluation::of_an_end(self.input.clone(), self.context.clone(), seed, at);
        let mut machine = States::new();
        machine.extend(self.query_language.as_deref().map(|named| ("QueryLanguage".to_owned(), named.into())));
        let mut flow = Flow::new(&self.states, language(&machine), &evaluation);
        flow.variables = self.variables.clone();
        work(&flow)
    }

    /// What is published at this end, if anything is.
    ///
    /// # Errors
    /// An expression that has no value now: the line says which, and why.
    pub fn published(&self, ended: &Ended<'_>) -> Result<Option<Publish>, RequestError> {
        self.with_flow((ended.run, ended.at), |flow| {
            let path = place(&self.task);
            let task = self.states.get(&self.task).and_then(Value::as_object);
            let task = task.ok_or_else(|| wrong(&path, "a state (an object)", None))?;
            let walk = Walk { states: &self.states, flow, after_success: ended.failure.is_none() };
            let mut reached = Default::default();
            let (next, after) = match ended.failure {
                None => {
                    let Some(next) = task.get("Next") else { return Ok(None) };
                    let result = result(ended);
                    let after = Outcome::known("result", &result, task, &self.task, &path, flow)?;
                    (name(next, &format!("{path}.Next"))?, after)
                }
                Some(failure) => {
                    let catchers = catchers(task.get("Catch"), &format!("{path}.Catch"))?;
                    let Some(catcher) = catchers.iter().find(|catcher| catcher.matches(failure)) else {
                        return Ok(None);
                    };
                    let Catcher { members, path, next, .. } = catcher;
                    let output = error_output(ended, failure);
                    (*next, Outcome::known("errorOutput", &output, members, &self.task, path, flow)?)
                }
            };
            walk.from(next, after, &mut reached).map_err(super::walk::Unsaid::error)
        })
    }
}

/// What the task's state gives: of `ecs:runTask.sync` the task, of `ecs:runTask` the API's answer.
fn result(ended: &Ended<'_>) -> Value {
    let task = ended.task.cloned().unwrap_or_else(|| json!({}));
    match ended.goal {
        Goal::Running => json!({"Failures": [], "Tasks": [task]}),
        Goal::Stopped | Goal::Healthy => task,
    }
}

/// What a catcher gets: Step Functions' own name of the error, and as its cause the JSON of the task that failed, or the words of
/// the service that refused it (developer guide, "Run Amazon ECS or Fargate tasks with Step Functions").
fn error_output(ended: &Ended<'_>, failure: &Failure) -> Value {
    let has = |name: &str| failure.names.iter().any(|known| known == name);
    let of_api = || failure.error.starts_with("ECS.").then_some(failure.error.as_str());
    let error = match () {
        () if has("States.Timeout") => "States.Timeout",
        () if has("AmazonECS.Unknown") => "AmazonECS.Unknown",
        () => of_api().unwrap_or("States.TaskFailed"),
    };
    let cause = match ended.task.filter(|_| error == "States.TaskFailed") {
        Some(task) => task.to_string(),
        None => failure.cause.clone(),
    };
    json!({"Error": error, "Cause": cause})
}
