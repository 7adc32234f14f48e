//! The `sns:publish` states of a state machine: who is told what, by the path that leads to them.

use std::collections::BTreeSet;

use serde_json::{Map, Value};

use super::asl_members::{no_expressions, only, wrong};
use super::{Notify, RequestError, native};
use crate::core::status::Status;

type States = Map<String, Value>;

/// Members of an `sns:publish` state. Its Retry and Catch have nothing to do here: a notification is sent until SNS takes it.
const PUBLISH: [&str; 14] = [
    "Type",
    "Resource",
    "Comment",
    "Parameters",
    "Arguments",
    "Retry",
    "Catch",
    "Next",
    "End",
    "InputPath",
    "OutputPath",
    "ResultPath",
    "ResultSelector",
    "QueryLanguage",
];
const CATCHER: [&str; 6] = ["ErrorEquals", "Next", "ResultPath", "Comment", "Output", "Assign"];

/// What the states after `first` say to whom. Every state must be reached: what is not would be dropped.
pub(super) fn notify(states: &States, start: &str, first: &States) -> Result<Notify, RequestError> {
    let mut reached = BTreeSet::from([start.to_owned()]);
    let mut notify = Notify::default();
    if let Some(next) = first.get("Next") {
        let told = walk(states, name(next, &format!("States[{start:?}].Next"))?, true, &mut reached)?;
        told.into_iter().for_each(|publish| publish.tell(&mut notify, Status::Succeeded));
    }
    let mut caught = BTreeSet::new();
    for (statuses, next) in catchers(first.get("Catch"), &format!("States[{start:?}].Catch"))? {
        let told = walk(states, next, false, &mut reached)?;
        // The first catcher that matches decides, also when it tells nobody.
        for status in statuses.into_iter().filter(|status| caught.insert(*status)) {
            told.iter().for_each(|publish| publish.clone().tell(&mut notify, status));
        }
    }
    if let Some(unreached) = states.keys().find(|state| !reached.contains(*state)) {
        return Err(RequestError::new(format!(
            "States[{unreached:?}]: is not reached from the state that runs the task by Next or Catch; take it out"
        )));
    }
    if !notify.messages.is_empty() {
        notify.on = Some(notify.messages.keys().copied().collect());
    }
    Ok(notify)
}

/// One `sns:publish` state.
#[derive(Clone)]
struct Publish {
    topic: String,
    message: String,
    subject: Option<String>,
}

impl Publish {
    fn tell(self, notify: &mut Notify, status: Status) {
        notify.topics.insert(status, self.topic);
        notify.messages.insert(status, self.message);
        if let Some(subject) = self.subject {
            notify.subjects.insert(status, subject);
        }
    }
}

/// Follows Next from `from` to the end; answers the publish state on the way, if there is one.
fn walk(
    states: &States,
    from: &str,
    after_success: bool,
    reached: &mut BTreeSet<String>,
) -> Result<Option<Publish>, RequestError> {
    let mut told = None;
    let mut seen = BTreeSet::new();
    let mut at = from;
    loop {
        let path = format!("States[{at:?}]");
        let state = states.get(at).and_then(Value::as_object);
        let state = state.ok_or_else(|| RequestError::new(format!("{path}: there is no such state")))?;
        if !seen.insert(at) {
            return Err(RequestError::new(format!("{path}: comes round again; a loop has no counterpart")));
        }
        reached.insert(at.to_owned());
        match state.get("Type").and_then(Value::as_str).unwrap_or_default() {
            "Task" if told.is_some() => {
                return Err(RequestError::new(format!("{path}: a second message for one end has no counterpart")));
            }
            "Task" => told = Some(publish(state, &path)?),
            "Pass" => {}
            "Succeed" => return Ok(told),
            "Fail" if !after_success => return Ok(told),
            "Fail" => return Err(RequestError::new(format!("{path}: to fail after success has no counterpart"))),
            other => return Err(RequestError::new(format!("{path}: a {other} state has no counterpart in a run"))),
        }
        match state.get("Next") {
            Some(next) => at = name(next, &format!("{path}.Next"))?,
            None => return Ok(told),
        }
    }
}

fn publish(state: &States, path: &str) -> Result<Publish, RequestError> {
    let resource = state.get("Resource").and_then(Value::as_str).unwrap_or_default();
    if !resource.ends_with(":sns:publish") {
        return Err(RequestError::new(format!(
            "{path}: {resource:?} has no counterpart; after the task only sns:publish states can follow"
        )));
    }
    only(state, &PUBLISH, &format!("{path}."))?;
    let parameters = state.get("Parameters").or_else(|| state.get("Arguments"));
    let Some(Value::Object(given)) = parameters else {
        return Err(wrong(&format!("{path}.Parameters"), "an object", parameters));
    };
    let path = format!("{path}.Parameters");
    no_expressions(&Value::Object(given.clone()), &path)?;
    only(given, &["TopicArn", "Message", "Subject"], &format!("{path}."))?;
    let topic = given.get("TopicArn").ok_or_else(|| wrong(&format!("{path}.TopicArn"), "the ARN of a topic", None))?;
    let message = match given.get("Message") {
        Some(Value::String(text)) => text.clone(),
        // Step Functions sends an object as its JSON.
        Some(other @ Value::Object(_)) => other.to_string(),
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

/// The catchers, each with the ends it is for.
fn catchers<'v>(value: Option<&'v Value>, path: &str) -> Result<Vec<(Vec<Status>, &'v str)>, RequestError> {
    let Some(value) = value else { return Ok(Vec::new()) };
    let items = value.as_array().ok_or_else(|| wrong(path, "an array of catchers", Some(value)))?;
    items.iter().enumerate().map(|(i, item)| catcher(item, &format!("{path}[{i}]"))).collect()
}

fn catcher<'v>(item: &'v Value, path: &str) -> Result<(Vec<Status>, &'v str), RequestError> {
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
    Ok((statuses, name(next, &format!("{path}.Next"))?))
}

fn name<'v>(value: &'v Value, path: &str) -> Result<&'v str, RequestError> {
    value.as_str().ok_or_else(|| wrong(path, "the name of a state", Some(value)))
}
