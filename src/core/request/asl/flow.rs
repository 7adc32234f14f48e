//! The states before the task: evaluated with the input, they say what reaches it.

use serde_json::{Map, Value, json};

use super::RequestError;
use super::evaluation::{Evaluation, InState};
use super::machine::place;
use super::members::{Language, language, name, no_jsonata, only, wrong};
use super::state::runs_a_task;
use crate::core::states::{Path, Segment, choice};

const PASS: [&str; 12] = [
    "Type",
    "Comment",
    "InputPath",
    "OutputPath",
    "ResultPath",
    "Parameters",
    "Result",
    "Assign",
    "Output",
    "Next",
    "End",
    "QueryLanguage",
];
const CHOICE: [&str; 9] =
    ["Type", "Comment", "InputPath", "OutputPath", "Choices", "Default", "Assign", "Output", "QueryLanguage"];
/// States on the way to the task: a loop that counts ends, one that does not is ended here.
const MOST_STEPS: usize = 1000;

type States = Map<String, Value>;

/// The data on its way through a machine's states.
pub(super) struct Flow<'a> {
    states: &'a States,
    machine: Option<Language>,
    pub(super) evaluation: &'a Evaluation<'a>,
    /// What the next state gets.
    pub(super) data: Value,
    /// What states assigned.
    pub(super) variables: Map<String, Value>,
    /// The names of the states that were passed.
    pub(super) passed: Vec<&'a str>,
}

impl<'a> Flow<'a> {
    pub(super) fn new(states: &'a States, machine: Option<Language>, evaluation: &'a Evaluation<'a>) -> Self {
        let data = evaluation.input.clone();
        Self { states, machine, evaluation, data, variables: Map::new(), passed: Vec::new() }
    }

    /// Goes from `start` to the state that runs the task; answers its name.
    pub(super) fn reach_the_task(&mut self, start: &'a str) -> Result<&'a str, RequestError> {
        let mut at = start;
        for _ in 0..MOST_STEPS {
            let path = place(at);
            let state = self.states.get(at).and_then(Value::as_object);
            let state = state.ok_or_else(|| RequestError::new(format!("{path}: there is no such state")))?;
            if runs_a_task(state) {
                return Ok(at);
            }
            self.passed.push(at);
            at = self.step(at, state, &path)?;
        }
        Err(RequestError::new(format!("{}: no task is reached within {MOST_STEPS} states", place(at))))
    }

    /// Evaluates one state; answers the next.
    fn step(&mut self, at: &str, state: &'a States, path: &str) -> Result<&'a str, RequestError> {
        let kind = state.get("Type").and_then(Value::as_str).unwrap_or_default();
        match kind {
            "Pass" => {
                let (output, assigned) = self.pass(at, state, path, &self.data)?;
                self.data = output;
                self.variables.extend(assigned);
                let next = state.get("Next");
                let next =
                    next.ok_or_else(|| RequestError::new(format!("{path}: the machine ends here, before a task")))?;
                name(next, &format!("{path}.Next"))
            }
            "Choice" => self.choose(at, state, path),
            "Succeed" => Err(RequestError::new(format!(
                "{path}: with this input the machine succeeds here, before a task: there is nothing to run"
            ))),
            "Fail" => Err(RequestError::new(format!("{path}: with this input the machine fails here, before a task"))),
            "Wait" => Err(RequestError::new(format!(
                "{path}: a Wait state is not evaluated yet; take it out, and send the request when its time has come"
            ))),
            _ => Err(stays(state, path)),
        }
    }

    /// The output of a Pass state, and what it assigns.
    pub(super) fn pass(
        &self,
        at: &str,
        state: &States,
        path: &str,
        data: &Value,
    ) -> Result<(Value, Map<String, Value>), RequestError> {
        only(state, &PASS, &format!("{path}."))?;
        let evaluator = self.evaluation.state(at, path, &self.variables);
        if language(state, self.machine, path)? == Language::Jsonata {
            return jsonata_pass(state, path, data);
        }
        let input = evaluator.at_path("InputPath", state.get("InputPath"), data)?;
        let input = match state.get("Parameters") {
            Some(parameters) => evaluator.template("Parameters", parameters, &input)?,
            None => input,
        };
        let result = state.get("Result").cloned().unwrap_or(input);
        let assigned = assigned(&evaluator, state.get("Assign"), &result)?;
        let placed = place_result(state.get("ResultPath"), path, data, result)?;
        Ok((evaluator.at_path("OutputPath", state.get("OutputPath"), &placed)?, assigned))
    }

    fn choose(&mut self, at: &str, state: &'a States, path: &str) -> Result<&'a str, RequestError> {
        only(state, &CHOICE, &format!("{path}."))?;
        if language(state, self.machine, path)? == Language::Jsonata {
            return Err(RequestError::new(format!(
                "{path}: QueryLanguage JSONata is not evaluated yet: write the Choice in JSONPath"
            )));
        }
        let choices = state.get("Choices").and_then(Value::as_array);
        let choices = choices.ok_or_else(|| wrong(&format!("{path}.Choices"), "an array", state.get("Choices")))?;
        let evaluator = self.evaluation.state(at, path, &self.variables);
        let input = evaluator.at_path("InputPath", state.get("InputPath"), &self.data)?;
        let mut chosen = (state.get("Default"), format!("{path}.Default"), state.get("Assign"));
        for (n, rule) in choices.iter().enumerate() {
            let here = format!("{path}.Choices[{n}]");
            if evaluator.run(&input, |scope| choice::holds(rule, &here, scope))? {
                chosen = (rule.get("Next"), format!("{here}.Next"), rule.get("Assign"));
                break;
            }
        }
        let (next, place, assign) = chosen;
        let next = next.ok_or_else(|| {
            RequestError::new(format!("{path}: no rule of the Choice holds with this input, and there is no Default"))
        })?;
        let assigned = assigned(&evaluator, assign, &input)?;
        let output = evaluator.at_path("OutputPath", state.get("OutputPath"), &input)?;
        self.variables.extend(assigned);
        self.data = output;
        name(next, &place)
    }
}

/// A state that is no part of a run.
pub(super) fn stays(state: &States, path: &str) -> RequestError {
    let kind = state.get("Type").and_then(Value::as_str).unwrap_or("nameless");
    let resource = state.get("Resource").map_or_else(String::new, |resource| format!(" of {resource}"));
    RequestError::new(format!("{path}: a {kind} state{resource} stays Step Functions' work"))
}

fn assigned(evaluator: &InState<'_>, assign: Option<&Value>, data: &Value) -> Result<Map<String, Value>, RequestError> {
    match assign.map(|assign| evaluator.template("Assign", assign, data)).transpose()? {
        None => Ok(Map::new()),
        Some(Value::Object(assigned)) => Ok(assigned),
        other => Err(wrong(&format!("{}.Assign", evaluator.path), "an object of variables", other.as_ref())),
    }
}

/// Plain values are taken in JSONata as in any language.
fn jsonata_pass(state: &States, path: &str, data: &Value) -> Result<(Value, Map<String, Value>), RequestError> {
    let assigned = state.get("Assign").cloned().unwrap_or_else(|| json!({}));
    no_jsonata(&assigned, &format!("{path}.Assign"))?;
    let output = state.get("Output").unwrap_or(data);
    no_jsonata(output, &format!("{path}.Output"))?;
    Ok((output.clone(), assigned.as_object().cloned().unwrap_or_default()))
}

/// The state's input with its result where ResultPath says.
pub(super) fn place_result(
    result_path: Option<&Value>,
    path: &str,
    data: &Value,
    result: Value,
) -> Result<Value, RequestError> {
    let at = match result_path {
        None => return Ok(result),
        Some(Value::Null) => return Ok(data.clone()),
        Some(at) => at,
    };
    let here = format!("{path}.ResultPath");
    let text = at.as_str().ok_or_else(|| wrong(&here, "a reference path or null", Some(at)))?;
    let at = Path::parse(text).ok().filter(choice::is_reference);
    let at = at.ok_or_else(|| RequestError::new(format!("{here}: {text:?} is no reference path, such as $.result")))?;
    let mut whole = data.clone();
    let mut target = &mut whole;
    for segment in &at.segments {
        let next = match segment {
            Segment::Name(name) => {
                // What is no object gives way, as in Step Functions.
                if !target.is_object() {
                    *target = json!({});
                }
                target.as_object_mut().map(|members| members.entry(name.clone()).or_insert(Value::Null))
            }
            Segment::Index(index) => usize::try_from(*index).ok().and_then(|index| target.get_mut(index)),
            _ => None,
        };
        target = next.ok_or_else(|| RequestError::new(format!("{here}: {text:?}: there is no such item")))?;
    }
    *target = result;
    Ok(whole)
}
