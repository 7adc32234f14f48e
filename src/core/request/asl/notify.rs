//! The `sns:publish` states of a state machine: who is notified of what, by the path that leads to them.

use std::collections::BTreeSet;

use serde_json::{Map, Value};

use super::RequestError;
use super::flow::{Flow, assigned, output, place_result, stays};
use super::machine::place;
use super::members::{Language, TASK, language, name, of_language, only, wrong};
use crate::core::request::{Notify, native};
use crate::core::states::UNKNOWN;
use crate::core::status::Status;

type States = Map<String, Value>;

const CATCHER: [&str; 6] = ["ErrorEquals", "Next", "ResultPath", "Comment", "Output", "Assign"];

/// What the states after the task say to whom. Every state must be reached: what is not would be dropped.
pub(super) fn notify(states: &States, task: &str, first: &States, flow: &Flow<'_>) -> Result<Notify, RequestError> {
    let mut reached: BTreeSet<&str> = flow.passed.iter().copied().chain([task]).collect();
    let mut notify = Notify::default();
    let path = place(task);
    let after = Outcome::of("result", first, task, &path, flow)?;
    if let Some(next) = first.get("Next") {
        let next = name(next, &format!("{path}.Next"))?;
        let walk = Walk { states, flow, after_success: true };
        let published = walk.from(next, after, &mut reached)?;
        published.into_iter().for_each(|publish| publish.add_to(&mut notify, Status::Succeeded));
    }
    let mut caught = BTreeSet::new();
    for catcher in catchers(first.get("Catch"), &format!("{path}.Catch"))? {
        let after = Outcome::of("errorOutput", catcher.members, task, &catcher.path, flow)?;
        let walk = Walk { states, flow, after_success: false };
        let published = walk.from(catcher.next, after, &mut reached)?;
        // The first catcher that matches decides, also when it notifies nobody.
        for status in catcher.statuses.into_iter().filter(|status| caught.insert(*status)) {
            published.iter().for_each(|publish| publish.clone().add_to(&mut notify, status));
        }
    }
    refuse_unreached(states, &reached, flow)?;
    if !notify.messages.is_empty() {
        notify.on = Some(notify.messages.keys().copied().collect());
    }
    Ok(notify)
}

/// What neither the input nor the task's end leads to would be dropped; what another input leads to is not meant.
fn refuse_unreached(states: &States, reached: &BTreeSet<&str>, flow: &Flow<'_>) -> Result<(), RequestError> {
    let chosen = flow.passed.iter().any(|passed| states[*passed]["Type"] == "Choice");
    match states.keys().find(|state| !reached.contains(state.as_str())) {
        Some(unreached) if !chosen => Err(RequestError::new(format!(
            "{}: is not reached from the state that runs the task by Next or Catch; take it out",
            place(unreached)
        ))),
        _ => Ok(()),
    }
}

/// What reaches a state: data, and what was assigned before.
#[derive(Clone, PartialEq)]
struct Reached {
    data: Value,
    variables: States,
}

/// What reaches a state behind the task, twice, with two stand-ins for the outcome, which is not known yet: what reads differently
/// depends on it.
#[derive(Clone)]
struct Outcome([Reached; 2]);

impl Outcome {
    fn unknown(variables: &States) -> Self {
        Self(UNKNOWN.map(|data| Reached { data: data.into(), variables: variables.clone() }))
    }

    /// What follows on the task by its own Output and Assign, or by those of a catcher: `of` has them, and stands at `path`.
    fn of(kind: &'static str, of: &States, task: &str, path: &str, flow: &Flow<'_>) -> Result<Self, RequestError> {
        let language = language(of, flow.language_of(task)?, path)?;
        of_language(of, language, path)?;
        let evaluator = flow.evaluation.state(task, path, language, &flow.variables);
        let reach = |outcome: &str| -> Result<Reached, RequestError> {
            let result = Value::from(outcome);
            let ended = evaluator.ended(kind, &result);
            let (data, of_assign) = match language {
                Language::JsonPath => {
                    let placed = place_result(of.get("ResultPath"), path, &flow.data, result.clone())?;
                    (ended.at_path("OutputPath", of.get("OutputPath"), &placed), &result)
                }
                Language::Jsonata => (output(&ended, "Output", of.get("Output"), &flow.data, &result), &flow.data),
            };
            // What cannot be said before the outcome is known stays unknown.
            let mut variables = flow.variables.clone();
            let assigned = assigned(&ended, of.get("Assign"), of_assign).unwrap_or_default();
            variables.extend(assigned);
            Ok(Reached { data: data.unwrap_or_else(|_| outcome.into()), variables })
        };
        Ok(Self([reach(UNKNOWN[0])?, reach(UNKNOWN[1])?]))
    }

    /// What a state makes of it.
    fn through(&self, step: impl Fn(&Reached) -> Result<(Value, States), RequestError>) -> Self {
        let [one, two] = &self.0;
        let after = |before: &Reached, unknown: &str| match step(before) {
            Ok((data, assigned)) => {
                let mut variables = before.variables.clone();
                variables.extend(assigned);
                Reached { data, variables }
            }
            Err(_) => Reached { data: unknown.into(), variables: before.variables.clone() },
        };
        Self([after(one, UNKNOWN[0]), after(two, UNKNOWN[1])])
    }

    /// A value that does not depend on it.
    fn value(&self, path: &str, read: impl Fn(&Reached) -> Result<Value, RequestError>) -> Result<Value, RequestError> {
        let unknown = "what the task ends with is not known when the request is accepted: write the text itself";
        let one = read(&self.0[0]).map_err(|error| RequestError::new(format!("{error}; {unknown}")))?;
        if read(&self.0[1]).is_ok_and(|two| one == two) {
            Ok(one)
        } else {
            Err(RequestError::new(format!("{path}: is of the task's outcome; {unknown}")))
        }
    }
}

/// One `sns:publish` state.
#[derive(Clone)]
struct Publish {
    topic: String,
    message: String,
    subject: Option<String>,
}

impl Publish {
    fn add_to(self, notify: &mut Notify, status: Status) {
        notify.topics.insert(status, self.topic);
        notify.messages.insert(status, self.message);
        if let Some(subject) = self.subject {
            notify.subjects.insert(status, subject);
        }
    }
}

/// The way from the task to an end.
struct Walk<'a> {
    states: &'a States,
    flow: &'a Flow<'a>,
    after_success: bool,
}

impl<'a> Walk<'a> {
    /// Follows Next from `from` to the end; answers the publish state on the way, if there is one.
    fn from(
        &self,
        from: &'a str,
        mut data: Outcome,
        reached: &mut BTreeSet<&'a str>,
    ) -> Result<Option<Publish>, RequestError> {
        let mut published = None;
        let mut seen = BTreeSet::new();
        let mut at = from;
        loop {
            let path = place(at);
            let state = self.states.get(at).and_then(Value::as_object);
            let state = state.ok_or_else(|| RequestError::new(format!("{path}: there is no such state")))?;
            if !seen.insert(at) {
                return Err(RequestError::new(format!("{path}: comes round again; a loop has no counterpart")));
            }
            reached.insert(at);
            match state.get("Type").and_then(Value::as_str).unwrap_or_default() {
                "Task" if super::state::runs_a_task(state) => {
                    return Err(RequestError::new(format!("{path}: runs a second task, and a run is one task")));
                }
                "Task" if published.is_some() => {
                    return Err(RequestError::new(format!("{path}: a second message for one end has no counterpart")));
                }
                "Task" => {
                    published = Some(self.publish(at, state, &path, &data)?);
                    data = Outcome::unknown(&data.0[0].variables);
                }
                "Pass" => {
                    data = data.through(|before| self.flow.pass(at, state, &path, &before.data, &before.variables));
                }
                "Succeed" => return Ok(published),
                "Fail" if !self.after_success => return Ok(published),
                "Fail" => return Err(RequestError::new(format!("{path}: to fail after success has no counterpart"))),
                _ => return Err(stays(state, &path)),
            }
            match state.get("Next") {
                Some(next) => at = name(next, &format!("{path}.Next"))?,
                None => return Ok(published),
            }
        }
    }

    fn publish(&self, at: &str, state: &States, path: &str, data: &Outcome) -> Result<Publish, RequestError> {
        let resource = state.get("Resource").and_then(Value::as_str).unwrap_or_default();
        if !resource.ends_with(":sns:publish") {
            return Err(stays(state, path));
        }
        // Its Retry and Catch have nothing to do: a notification is sent until SNS takes it.
        only(state, &TASK, &format!("{path}."))?;
        let language = self.flow.language_of_state(state, path)?;
        of_language(state, language, path)?;
        let member = if language == Language::JsonPath { "Parameters" } else { "Arguments" };
        let here = format!("{path}.{member}");
        let Some(Value::Object(given)) = state.get(member) else {
            return Err(wrong(&here, "an object", state.get(member)));
        };
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
        only(&values, &["TopicArn", "Message", "Subject"], &format!("{here}."))?;
        text_of(&values, &here)
    }
}

/// What a publish state sends, and to whom.
fn text_of(given: &States, path: &str) -> Result<Publish, RequestError> {
    let topic = given.get("TopicArn").ok_or_else(|| wrong(&format!("{path}.TopicArn"), "the ARN of a topic", None))?;
    let message = match given.get("Message") {
        Some(Value::String(text)) => text.clone(),
        // Step Functions sends anything else as its JSON.
        Some(other @ (Value::Object(_) | Value::Array(_))) => other.to_string(),
        other => return Err(wrong(&format!("{path}.Message"), "a text", other)),
    };
    Ok(Publish {
        topic: native::topic(topic, &format!("{path}.TopicArn"))?,
        message,
        subject: match given.get("Subject") {
            None => None,
            Some(Value::String(text)) => Some(text.clone()),
            other => return Err(wrong(&format!("{path}.Subject"), "a text", other)),
        },
    })
}

/// One entry of a Catch.
struct Catcher<'v> {
    /// The ends it is for.
    statuses: Vec<Status>,
    next: &'v str,
    /// Its members, and where they stand.
    members: &'v States,
    path: String,
}

/// The catchers, in order.
fn catchers<'v>(value: Option<&'v Value>, path: &str) -> Result<Vec<Catcher<'v>>, RequestError> {
    let Some(value) = value else { return Ok(Vec::new()) };
    let items = value.as_array().ok_or_else(|| wrong(path, "an array of catchers", Some(value)))?;
    items.iter().enumerate().map(|(i, item)| catcher(item, &format!("{path}[{i}]"))).collect()
}

fn catcher<'v>(item: &'v Value, path: &str) -> Result<Catcher<'v>, RequestError> {
    let catcher = item.as_object().ok_or_else(|| wrong(path, "a catcher (an object)", Some(item)))?;
    only(catcher, &CATCHER, &format!("{path}."))?;
    let names = catcher.get("ErrorEquals").and_then(Value::as_array);
    let names = names.ok_or_else(|| wrong(&format!("{path}.ErrorEquals"), "an array", catcher.get("ErrorEquals")))?;
    let mut statuses = Vec::new();
    for error in names {
        statuses.extend(match error.as_str() {
            Some("States.ALL") => &[Status::Failed, Status::TimedOut][..],
            Some("States.TaskFailed") => &[Status::Failed],
            Some("States.Timeout") => &[Status::TimedOut],
            _ => {
                return Err(RequestError::new(format!(
                    "{path}.ErrorEquals: {error} has no counterpart: messages differ by status, not by error; \
                     use States.ALL, States.TaskFailed or States.Timeout"
                )));
            }
        });
    }
    let next = catcher.get("Next").ok_or_else(|| wrong(&format!("{path}.Next"), "the name of a state", None))?;
    let next = name(next, &format!("{path}.Next"))?;
    Ok(Catcher { statuses, next, members: catcher, path: path.to_owned() })
}
