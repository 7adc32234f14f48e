//! The way from the task to an end: what is published on it, as far as that is known.

use std::collections::BTreeSet;

use serde_json::{Map, Value};

use super::RequestError;
use super::flow::{Choice, Flow, assigned, output, place_result, stays};
use super::machine::{named, place};
use super::members::{Language, TASK, language, name, of_language, only, wrong};
use super::publish::{PUBLISH, Publish, is_publish, text_of};
use crate::core::states::UNKNOWN;

pub(super) type States = Map<String, Value>;

/// States on one way.
const MOST_STATES: usize = 200;

/// Why a way does not say what is published.
pub(super) enum Unsaid {
    /// It depends on what the task ends with; the text says how that would be refused.
    Later(RequestError),
    /// It never will.
    Wrong(RequestError),
}

impl From<RequestError> for Unsaid {
    fn from(error: RequestError) -> Self {
        Self::Wrong(error)
    }
}

impl Unsaid {
    pub(super) fn error(self) -> RequestError {
        match self {
            Self::Later(error) | Self::Wrong(error) => error,
        }
    }
}

/// What reaches a state: data, and what was assigned before.
#[derive(Clone, PartialEq)]
pub(super) struct Reached {
    data: Value,
    variables: States,
}

/// What reaches a state behind the task. Before the task has ended it is read twice, with two stand-ins for the outcome: what reads
/// differently depends on it. Once it has ended there is one.
#[derive(Clone)]
pub(super) struct Outcome(Vec<Reached>);

impl Outcome {
    /// What follows on a task that has not ended, by its own Output and Assign, or by those of a catcher: `of` has them, and stands
    /// at `path`.
    pub(super) fn not_known(
        kind: &'static str,
        of: &States,
        task: &str,
        path: &str,
        flow: &Flow<'_>,
    ) -> Result<Self, RequestError> {
        UNKNOWN
            .into_iter()
            .map(|unknown| {
                let (data, variables) = after(kind, &unknown.into(), of, task, path, flow)?;
                // What cannot be said before the outcome is known stays unknown.
                Ok(Reached {
                    data: data.unwrap_or_else(|_| unknown.into()),
                    variables: with(&flow.variables, variables.unwrap_or_default()),
                })
            })
            .collect::<Result<_, RequestError>>()
            .map(Self)
    }

    /// The same of one that ended with `result`.
    pub(super) fn known(
        kind: &'static str,
        result: &Value,
        of: &States,
        task: &str,
        path: &str,
        flow: &Flow<'_>,
    ) -> Result<Self, RequestError> {
        let (data, variables) = after(kind, result, of, task, path, flow)?;
        Ok(Self(vec![Reached { data: data?, variables: with(&flow.variables, variables?) }]))
    }

    pub(super) fn unknown(variables: &States) -> Self {
        Self(UNKNOWN.map(|data| Reached { data: data.into(), variables: variables.clone() }).into())
    }

    fn is_known(&self) -> bool {
        self.0.len() == 1
    }

    /// What a state makes of it.
    fn through(&self, step: impl Fn(&Reached) -> Result<(Value, States), RequestError>) -> Result<Self, RequestError> {
        let after = |(before, unknown): (&Reached, &str)| match step(before) {
            Ok((data, assigned)) => Ok(Reached { data, variables: with(&before.variables, assigned) }),
            Err(error) if self.is_known() => Err(error),
            Err(_) => Ok(Reached { data: unknown.into(), variables: before.variables.clone() }),
        };
        self.0.iter().zip(UNKNOWN).map(after).collect::<Result<_, _>>().map(Self)
    }

    /// A value, if it does not depend on what is not known.
    fn value<T: PartialEq>(&self, path: &str, read: impl Fn(&Reached) -> Result<T, RequestError>) -> Result<T, Unsaid> {
        let mut values = self.0.iter().map(read);
        let one = values.next().unwrap_or_else(|| Err(RequestError::new(format!("{path}: is not reached"))));
        if self.is_known() {
            return Ok(one?);
        }
        let unknown = "what the task ends with is not known when the request is accepted";
        let one = one.map_err(|error| Unsaid::Later(RequestError::new(format!("{error}; {unknown}"))))?;
        match values.next() {
            Some(Ok(two)) if one == two => Ok(one),
            _ => Err(Unsaid::Later(RequestError::new(format!("{path}: is of the task's outcome; {unknown}")))),
        }
    }
}

fn with(variables: &States, more: States) -> States {
    let mut all = variables.clone();
    all.extend(more);
    all
}

type Evaluated<T> = Result<T, RequestError>;

/// The data and the variables that follow on a result.
pub(super) fn after(
    kind: &'static str,
    result: &Value,
    of: &States,
    task: &str,
    path: &str,
    flow: &Flow<'_>,
) -> Evaluated<(Evaluated<Value>, Evaluated<States>)> {
    let language = language(of, flow.language_of(task)?, path)?;
    of_language(of, language, path)?;
    let evaluator = flow.evaluation.state(task, path, language, &flow.variables);
    let ended = evaluator.ended(kind, result);
    if language == Language::Jsonata {
        let data = output(&ended, "Output", of.get("Output"), &flow.data, result);
        return Ok((data, assigned(&ended, of.get("Assign"), &flow.data)));
    }
    let selected = match of.get("ResultSelector") {
        Some(selector) => ended.template("ResultSelector", selector, result),
        None => Ok(result.clone()),
    };
    let variables = selected.clone().and_then(|selected| assigned(&ended, of.get("Assign"), &selected));
    let data = selected.and_then(|selected| {
        let placed = place_result(of.get("ResultPath"), path, &flow.data, selected)?;
        ended.at_path("OutputPath", of.get("OutputPath"), &placed)
    });
    Ok((data, variables))
}

/// The way from the task to an end.
pub(super) struct Walk<'w, 'f> {
    pub(super) states: &'w States,
    pub(super) flow: &'f Flow<'f>,
    pub(super) after_success: bool,
}

impl<'w> Walk<'w, '_> {
    /// Follows Next from `from` to the end; answers the publish state on the way, if there is one.
    pub(super) fn from(
        &self,
        from: &'w str,
        mut data: Outcome,
        reached: &mut BTreeSet<&'w str>,
    ) -> Result<Option<Publish>, Unsaid> {
        let mut published = None;
        let mut seen = BTreeSet::new();
        let mut at = from;
        loop {
            let path = place(at);
            let state = self.state(at)?;
            if !seen.insert(at) {
                return Err(again(&path).into());
            }
            reached.insert(at);
            match self.kind(state, &path)? {
                Kind::Publish if published.is_some() => return Err(second(&path).into()),
                Kind::Publish => {
                    published = Some(self.publish(at, state, &path, &data)?);
                    // Nobody but SNS knows the id that its result has; behind it nothing more is said.
                    data = Outcome::unknown(&data.0[0].variables);
                }
                Kind::Pass => {
                    data = data.through(|before| self.flow.pass(at, state, &path, &before.data, &before.variables))?;
                }
                // After the message nothing is left to choose.
                Kind::Choice if published.is_some() => return Ok(published),
                Kind::Choice => {
                    let choose = |before: &Reached| self.flow.choice(at, state, &path, &before.data, &before.variables);
                    let Choice { next, member, .. } = data.value(&path, choose)?;
                    data = data.through(|before| choose(before).map(|choice| (choice.output, choice.assigned)))?;
                    at = named(self.states, &next, &format!("{path}.{member}"))?;
                    continue;
                }
                Kind::End => return Ok(published),
            }
            match state.get("Next") {
                Some(next) => at = name(next, &format!("{path}.Next"))?,
                None => return Ok(published),
            }
        }
    }

    fn state(&self, at: &str) -> Result<&'w States, RequestError> {
        let state = self.states.get(at).and_then(Value::as_object);
        state.ok_or_else(|| RequestError::new(format!("{}: there is no such state", place(at))))
    }

    /// What a state behind the task is to the run; what it has no counterpart for is refused.
    fn kind(&self, state: &States, path: &str) -> Result<Kind, RequestError> {
        let refused = |why: &str| Err(RequestError::new(format!("{path}: {why}")));
        match state.get("Type").and_then(Value::as_str).unwrap_or_default() {
            "Task" if super::state::runs_a_task(state) => refused("runs a second task, and a run is one task"),
            "Task" if is_publish(state) => Ok(Kind::Publish),
            "Pass" => Ok(Kind::Pass),
            "Choice" => Ok(Kind::Choice),
            "Succeed" => Ok(Kind::End),
            "Fail" if !self.after_success => Ok(Kind::End),
            "Fail" => refused("to fail after success has no counterpart"),
            _ => Err(stays(state, path)),
        }
    }

    /// Every way that an end may take: each state on it has a counterpart, no way comes round, and none publishes twice. What can be
    /// known to be written wrong is refused.
    pub(super) fn check(&self, from: &'w str, reached: &mut BTreeSet<&'w str>) -> Result<(), RequestError> {
        self.check_from(from, false, &mut Vec::new(), &mut BTreeSet::new(), reached)
    }

    /// `way` leads here, and publishes or not; a state was `seen` with and without a message before it.
    fn check_from(
        &self,
        at: &'w str,
        publishes: bool,
        way: &mut Vec<&'w str>,
        seen: &mut BTreeSet<(&'w str, bool)>,
        reached: &mut BTreeSet<&'w str>,
    ) -> Result<(), RequestError> {
        let path = place(at);
        let state = self.state(at)?;
        if way.contains(&at) || way.len() > MOST_STATES {
            return Err(again(&path));
        }
        let kind = self.kind(state, &path)?;
        if kind == Kind::Publish && publishes {
            return Err(second(&path));
        }
        if reached.insert(at) {
            self.check_written(at, state, &path, kind)?;
        }
        if !seen.insert((at, publishes)) {
            return Ok(());
        }
        way.push(at);
        for (member, next) in self.nexts(state, &path, kind)? {
            let next = name(next, &format!("{path}.{member}"))?;
            self.check_from(next, publishes || kind == Kind::Publish, way, seen, reached)?;
        }
        way.pop();
        Ok(())
    }

    fn nexts(&self, state: &'w States, path: &str, kind: Kind) -> Result<Vec<(String, &'w Value)>, RequestError> {
        if kind == Kind::End {
            return Ok(Vec::new());
        }
        if kind != Kind::Choice {
            return Ok(state.get("Next").map(|next| ("Next".to_owned(), next)).into_iter().collect());
        }
        let choices = state.get("Choices").and_then(Value::as_array);
        let choices = choices.ok_or_else(|| wrong(&format!("{path}.Choices"), "an array", state.get("Choices")))?;
        let next = |(n, rule): (usize, &'w Value)| {
            let member = format!("Choices[{n}].Next");
            match rule.get("Next") {
                Some(next) => Ok((member, next)),
                None => Err(wrong(&format!("{path}.{member}"), "the name of a state", None)),
            }
        };
        let default = state.get("Default").map(|next| Ok(("Default".to_owned(), next)));
        choices.iter().enumerate().map(next).chain(default).collect()
    }

    /// Evaluates a state with nothing known, for what is wrong whatever the task ends with.
    fn check_written(&self, at: &str, state: &States, path: &str, kind: Kind) -> Result<(), RequestError> {
        let unknown = Outcome::unknown(&self.flow.variables);
        let evaluate = |before: &Reached| -> Result<(), RequestError> {
            match kind {
                Kind::Pass => self.flow.pass(at, state, path, &before.data, &before.variables).map(drop),
                Kind::Choice => self.flow.choice(at, state, path, &before.data, &before.variables).map(drop),
                _ => Ok(()),
            }
        };
        self.flow.evaluation.forget_slips();
        if kind == Kind::Publish {
            match self.publish(at, state, path, &unknown) {
                Err(Unsaid::Wrong(error)) => return Err(error),
                Ok(_) | Err(Unsaid::Later(_)) => {}
            }
        }
        for before in &unknown.0 {
            let _ = evaluate(before);
        }
        self.flow.evaluation.slip().map_or(Ok(()), Err)
    }

    fn publish(&self, at: &str, state: &States, path: &str, data: &Outcome) -> Result<Publish, Unsaid> {
        // Its Retry and Catch have nothing to do: a notification is sent until SNS takes it.
        only(state, &TASK, &format!("{path}."))?;
        let language = self.flow.language_of_state(state, path)?;
        of_language(state, language, path)?;
        let member = if language == Language::JsonPath { "Parameters" } else { "Arguments" };
        let here = format!("{path}.{member}");
        let Some(Value::Object(given)) = state.get(member) else {
            return Err(wrong(&here, "an object", state.get(member)).into());
        };
        let names = given.keys().map(|name| name.strip_suffix(".$").unwrap_or(name).to_owned());
        only(&names.map(|name| (name, Value::Null)).collect(), &PUBLISH, &format!("{here}."))?;
        if let Some(twice) = given.keys().find(|name| given.contains_key(&format!("{name}.$"))) {
            return Err(RequestError::new(format!("{here}.{twice}.$: {twice} is given as well; one of them")).into());
        }
        let mut values = States::new();
        for (name, value) in given {
            let one = Value::Object(States::from_iter([(name.clone(), value.clone())]));
            let read = |reached: &Reached| {
                let evaluator = self.flow.evaluation.state(at, path, language, &reached.variables);
                let data = evaluator.at_path("InputPath", state.get("InputPath"), &reached.data)?;
                evaluator.template(member, &one, &data)
            };
            if let Value::Object(read) = data.value(&format!("{here}.{name}"), read)? {
                values.extend(read);
            }
        }
        Ok(text_of(&values, &here)?)
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Publish,
    Pass,
    Choice,
    End,
}

fn again(path: &str) -> RequestError {
    RequestError::new(format!("{path}: comes round again; a loop has no counterpart"))
}

fn second(path: &str) -> RequestError {
    RequestError::new(format!("{path}: a second message for one end has no counterpart"))
}
