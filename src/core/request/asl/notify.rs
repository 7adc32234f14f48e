//! The `sns:publish` states of a state machine: who is notified of what, by the path that leads to them.

use std::collections::BTreeSet;

use serde_json::{Map, Value};

use super::RequestError;
use super::flow::{Flow, place_result, stays};
use super::machine::place;
use super::members::{TASK, name, no_jsonata, only, wrong};
use crate::core::request::{Notify, native};
use crate::core::status::Status;

type States = Map<String, Value>;

const CATCHER: [&str; 6] = ["ErrorEquals", "Next", "ResultPath", "Comment", "Output", "Assign"];

/// What the states after the task say to whom. Every state must be reached: what is not would be dropped.
pub(super) fn notify(states: &States, task: &str, first: &States, flow: &Flow<'_>) -> Result<Notify, RequestError> {
    let mut reached: BTreeSet<&str> = flow.passed.iter().copied().chain([task]).collect();
    let mut notify = Notify::default();
    let path = place(task);
    let after = Outcome::placed(first.get("ResultPath"), &path, flow)?;
    let after = after.through(|data| {
        flow.evaluation.state(task, &path, &flow.variables).at_path("OutputPath", first.get("OutputPath"), data)
    });
    if let Some(next) = first.get("Next") {
        let next = name(next, &format!("{path}.Next"))?;
        let walk = Walk { states, flow, after_success: true };
        let published = walk.from(next, after, &mut reached)?;
        published.into_iter().for_each(|publish| publish.add_to(&mut notify, Status::Succeeded));
    }
    let mut caught = BTreeSet::new();
    for catcher in catchers(first.get("Catch"), &format!("{path}.Catch"))? {
        let after = Outcome::placed(catcher.result_path, &format!("{path}.Catch"), flow)?;
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

/// The data behind the task, twice, with two stand-ins for the outcome, which is not known yet: what reads differently depends on it.
#[derive(Clone)]
struct Outcome([Value; 2]);

impl Outcome {
    fn unknown() -> Self {
        Self(["\u{0}1".into(), "\u{0}2".into()])
    }

    /// Where a ResultPath puts it.
    fn placed(result_path: Option<&Value>, path: &str, flow: &Flow<'_>) -> Result<Self, RequestError> {
        let [one, two] = Self::unknown().0;
        let place = |outcome| place_result(result_path, path, &flow.data, outcome);
        Ok(Self([place(one)?, place(two)?]))
    }

    /// What a state makes of it; what cannot be said before the outcome is known stays unknown.
    fn through(&self, step: impl Fn(&Value) -> Result<Value, RequestError>) -> Self {
        match (step(&self.0[0]), step(&self.0[1])) {
            (Ok(one), Ok(two)) => Self([one, two]),
            _ => Self::unknown(),
        }
    }

    /// A value that does not depend on it.
    fn value(&self, path: &str, read: impl Fn(&Value) -> Result<Value, RequestError>) -> Result<Value, RequestError> {
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
                    data = Outcome::unknown();
                }
                "Pass" => data = data.through(|data| self.flow.pass(at, state, &path, data).map(|(output, _)| output)),
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
        let parameters = state.get("Parameters").or_else(|| state.get("Arguments"));
        let Some(Value::Object(given)) = parameters else {
            return Err(wrong(&format!("{path}.Parameters"), "an object", parameters));
        };
        let evaluator = self.flow.evaluation.state(at, path, &self.flow.variables);
        let here = format!("{path}.Parameters");
        let mut values = States::new();
        for (member, value) in given {
            no_jsonata(value, &format!("{here}.{member}"))?;
            let one = Value::Object(States::from_iter([(member.clone(), value.clone())]));
            let read = |data: &Value| {
                let data = evaluator.at_path("InputPath", state.get("InputPath"), data)?;
                evaluator.template("Parameters", &one, &data)
            };
            if let Value::Object(read) = data.value(&format!("{here}.{member}"), read)? {
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
    result_path: Option<&'v Value>,
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
    Ok(Catcher { statuses, next, result_path: catcher.get("ResultPath") })
}
