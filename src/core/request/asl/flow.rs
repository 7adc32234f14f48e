//! The states before the task: evaluated with the input, they say what reaches it.

use serde_json::{Map, Value, json};

use super::RequestError;
use super::evaluation::{Evaluation, InState};
use super::machine::{named, place};
use super::members::{Language, language, name, of_language, only, wrong};
use super::state::runs_a_task;
use super::wait;
use crate::core::states::{Path, Segment, choice};
use crate::core::time::Timestamp;

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
    /// The end of the Wait states that were passed.
    pub(super) starts_at: Option<Timestamp>,
    /// The names of the states that were passed.
    pub(super) passed: Vec<&'a str>,
}

impl<'a> Flow<'a> {
    pub(super) fn new(states: &'a States, machine: Option<Language>, evaluation: &'a Evaluation<'a>) -> Self {
        let data = evaluation.input.clone();
        Self { states, machine, evaluation, data, variables: Map::new(), starts_at: None, passed: Vec::new() }
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
                let (output, assigned) = self.pass(at, state, path, &self.data, &self.variables)?;
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
            "Wait" => self.wait(at, state, path),
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
        variables: &Map<String, Value>,
    ) -> Result<(Value, Map<String, Value>), RequestError> {
        only(state, &PASS, &format!("{path}."))?;
        let language = self.language_of_state(state, path)?;
        of_language(state, language, path)?;
        let evaluator = self.evaluation.state(at, path, language, variables);
        if language == Language::Jsonata {
            let assigned = assigned(&evaluator, state.get("Assign"), data)?;
            return Ok((output(&evaluator, "Output", state.get("Output"), data, data)?, assigned));
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
        let Choice { next, member, output, assigned } = self.choice(at, state, path, &self.data, &self.variables)?;
        self.variables.extend(assigned);
        self.data = output;
        named(self.states, &next, &format!("{path}.{member}"))
    }

    /// What a Choice state chooses.
    pub(super) fn choice(
        &self,
        at: &str,
        state: &States,
        path: &str,
        data: &Value,
        variables: &Map<String, Value>,
    ) -> Result<Choice, RequestError> {
        only(state, &CHOICE, &format!("{path}."))?;
        let choices = state.get("Choices").and_then(Value::as_array);
        let choices = choices.ok_or_else(|| wrong(&format!("{path}.Choices"), "an array", state.get("Choices")))?;
        let language = self.language_of_state(state, path)?;
        of_language(state, language, path)?;
        let evaluator = self.evaluation.state(at, path, language, variables);
        let input = evaluator.at_path("InputPath", state.get("InputPath"), data)?;
        let mut chosen = (state.get("Default"), "Default".to_owned(), Some(state));
        for (n, rule) in choices.iter().enumerate() {
            let here = format!("Choices[{n}]");
            if holds(&evaluator, rule, &here, &input)? {
                chosen = (rule.get("Next"), format!("{here}.Next"), rule.as_object());
                break;
            }
        }
        let (next, member, chosen) = chosen;
        let next = next.ok_or_else(|| {
            RequestError::new(format!("{path}: no rule of the Choice holds with this input, and there is no Default"))
        })?;
        let chosen = |member: &str| chosen.and_then(|chosen| chosen.get(member));
        let assigned = assigned(&evaluator, chosen("Assign"), &input)?;
        let output = match language {
            Language::JsonPath => evaluator.at_path("OutputPath", state.get("OutputPath"), &input)?,
            Language::Jsonata => output(&evaluator, "Output", chosen("Output"), &input, &input)?,
        };
        let next = name(next, &format!("{path}.{member}"))?.to_owned();
        Ok(Choice { next, member, output, assigned })
    }

    /// A Wait: the task starts so much later.
    fn wait(&mut self, at: &str, state: &'a States, path: &str) -> Result<&'a str, RequestError> {
        only(state, &wait::MEMBERS, &format!("{path}."))?;
        let evaluator = self.state(at, state, path)?;
        let input = evaluator.at_path("InputPath", state.get("InputPath"), &self.data)?;
        let until = wait::until(state, &evaluator, &input, self.starts_at.unwrap_or(self.evaluation.now()))?;
        let (output, assigned) = self.waited(at, state, path)?;
        self.starts_at = Some(until);
        self.variables.extend(assigned);
        self.data = output;
        let next = state.get("Next");
        let next = next.ok_or_else(|| RequestError::new(format!("{path}: the machine ends here, before a task")))?;
        name(next, &format!("{path}.Next"))
    }

    /// The output of a Wait, and what it assigns.
    pub(super) fn waited(&self, at: &str, state: &States, path: &str) -> Result<(Value, States), RequestError> {
        let evaluator = self.state(at, state, path)?;
        let input = evaluator.at_path("InputPath", state.get("InputPath"), &self.data)?;
        let assigned = assigned(&evaluator, state.get("Assign"), &input)?;
        let output = match evaluator.language {
            Language::JsonPath => evaluator.at_path("OutputPath", state.get("OutputPath"), &input)?,
            Language::Jsonata => output(&evaluator, "Output", state.get("Output"), &input, &input)?,
        };
        Ok((output, assigned))
    }

    /// A state's own language, or else the machine's.
    pub(super) fn language_of_state(&self, state: &States, path: &str) -> Result<Language, RequestError> {
        language(state, self.machine, path)
    }

    /// The language of the state of this name, which what stands in it without one of its own has.
    pub(super) fn language_of(&self, name: &str) -> Result<Option<Language>, RequestError> {
        let state = self.states.get(name).and_then(Value::as_object);
        state.map_or(Ok(self.machine), |state| self.language_of_state(state, &place(name)).map(Some))
    }

    /// What evaluates a state's expressions, in its language.
    fn state<'s>(&'s self, at: &'s str, state: &States, path: &'s str) -> Result<InState<'s>, RequestError> {
        let language = self.language_of_state(state, path)?;
        of_language(state, language, path)?;
        Ok(self.evaluation.state(at, path, language, &self.variables))
    }
}

/// What a Choice state chose. Two are the same if they lead to the same state.
pub(super) struct Choice {
    pub(super) next: String,
    /// The member that names it.
    pub(super) member: String,
    pub(super) output: Value,
    pub(super) assigned: Map<String, Value>,
}

impl PartialEq for Choice {
    fn eq(&self, other: &Self) -> bool {
        self.next == other.next
    }
}

/// A state that is no part of a run.
pub(super) fn stays(state: &States, path: &str) -> RequestError {
    let kind = state.get("Type").and_then(Value::as_str).unwrap_or("nameless");
    let resource = state.get("Resource").map_or_else(String::new, |resource| format!(" of {resource}"));
    RequestError::new(format!("{path}: a {kind} state{resource} stays Step Functions' work"))
}

/// What a state assigns.
pub(super) fn assigned(
    evaluator: &InState<'_>,
    assign: Option<&Value>,
    data: &Value,
) -> Result<Map<String, Value>, RequestError> {
    match assign.map(|assign| evaluator.template("Assign", assign, data)).transpose()? {
        None => Ok(Map::new()),
        Some(Value::Object(assigned)) => Ok(assigned),
        other => Err(wrong(&format!("{}.Assign", evaluator.path), "an object of variables", other.as_ref())),
    }
}

/// What a state of JSONata gives: its Output, or else `otherwise`.
pub(super) fn output(
    evaluator: &InState<'_>,
    member: &str,
    output: Option<&Value>,
    data: &Value,
    otherwise: &Value,
) -> Result<Value, RequestError> {
    output.map_or_else(|| Ok(otherwise.clone()), |output| evaluator.template(member, output, data))
}

/// Whether a rule of a Choice holds.
fn holds(evaluator: &InState<'_>, rule: &Value, member: &str, input: &Value) -> Result<bool, RequestError> {
    let here = format!("{}.{member}", evaluator.path);
    if evaluator.language == Language::JsonPath {
        return evaluator.run(input, |scope| choice::holds(rule, &here, scope));
    }
    let known = ["Condition", "Next", "Comment", "Assign", "Output"];
    let rule = rule.as_object().ok_or_else(|| wrong(&here, "a rule (an object)", Some(rule)))?;
    only(rule, &known, &format!("{here}."))?;
    let condition = rule.get("Condition").unwrap_or(&Value::Null);
    let value = evaluator.template(&format!("{member}.Condition"), condition, input)?;
    let what = "a boolean, or an expression that gives one ({% … %})";
    value.as_bool().ok_or_else(|| wrong(&format!("{here}.Condition"), what, Some(&value)))
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
