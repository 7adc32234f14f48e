//! The `sns:publish` states of a state machine: who is notified of what, by the path that leads to them.

use std::collections::BTreeSet;

use serde_json::Value;

use super::RequestError;
use super::ending::Ending;
use super::flow::Flow;
use super::machine::place;
use super::members::name;
use super::publish::Publish;
use super::walk::{Outcome, States, Unsaid, Walk};
use super::ways::{catchers, check_later};
use crate::core::request::Notify;
use crate::core::status::Status;

/// What the states after the task say to whom. Every state must be reached: what is not would be dropped.
pub(super) fn notify(
    states: &States,
    task: &str,
    first: &States,
    flow: &Flow<'_>,
    query_language: Option<&Value>,
) -> Result<Notify, RequestError> {
    match said_now(states, task, first, flow) {
        Ok(notify) => Ok(notify),
        Err(Unsaid::Wrong(error)) => Err(error),
        Err(Unsaid::Later(_)) => {
            let later = check_later(states, task, flow)?;
            refuse_unreached(states, &later.reached, flow)?;
            let behind: States = states
                .iter()
                .filter(|(name, _)| later.reached.contains(name.as_str()) && !flow.passed.contains(&name.as_str()))
                .map(|(name, state)| (name.clone(), state.clone()))
                .collect();
            let query_language = query_language.and_then(Value::as_str).map(str::to_owned);
            // Where a message cannot be said in its own words, its topic is told all the same.
            let topic_arn = the_topic(&behind);
            let ending = Ending::new(task, behind, flow, query_language);
            Ok(Notify { on: Some(later.on), topic_arn, after_task: Some(Box::new(ending)), ..Notify::default() })
        }
    }
}

/// The topic of all messages, if it is one that is written down.
fn the_topic(states: &States) -> Option<String> {
    let arguments = states.values().filter_map(|state| state.get("Parameters").or_else(|| state.get("Arguments")));
    let topics: BTreeSet<&str> = arguments.filter_map(|of| of.get("TopicArn")?.as_str()).collect();
    topics.first().filter(|topic| topics.len() == 1 && topic.starts_with("arn:")).map(|topic| (*topic).to_owned())
}

/// The messages, where the input alone says what they are.
fn said_now(states: &States, task: &str, first: &States, flow: &Flow<'_>) -> Result<Notify, Unsaid> {
    let mut reached: BTreeSet<&str> = flow.passed.iter().copied().chain([task]).collect();
    let mut notify = Notify::default();
    let path = place(task);
    let after = Outcome::not_known("result", first, task, &path, flow)?;
    if let Some(next) = first.get("Next") {
        let next = name(next, &format!("{path}.Next"))?;
        let walk = Walk { states, flow, after_success: true };
        let published = walk.from(next, after, &mut reached)?;
        published.into_iter().for_each(|publish| publish.add_to(&mut notify, Status::Succeeded));
    }
    let mut caught = BTreeSet::new();
    for catcher in catchers(first.get("Catch"), &format!("{path}.Catch"))? {
        let after = Outcome::not_known("errorOutput", catcher.members, task, &catcher.path, flow)?;
        let walk = Walk { states, flow, after_success: false };
        let published = walk.from(catcher.next, after, &mut reached)?;
        let statuses = catcher.statuses().ok_or_else(|| {
            Unsaid::Later(RequestError::new(format!(
                "{}.ErrorEquals: which error it is shows at the end",
                catcher.path
            )))
        })?;
        // The first catcher that matches decides, also when it notifies nobody.
        for status in statuses.into_iter().filter(|status| caught.insert(*status)) {
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
    let chosen = reached.iter().chain(&flow.passed).any(|passed| states[*passed]["Type"] == "Choice");
    match states.keys().find(|state| !reached.contains(state.as_str())) {
        Some(unreached) if !chosen => Err(RequestError::new(format!(
            "{}: is not reached from the state that runs the task by Next or Catch; take it out",
            place(unreached)
        ))),
        _ => Ok(()),
    }
}

impl Publish {
    fn add_to(self, notify: &mut Notify, status: Status) {
        notify.topics.insert(status, self.topic);
        notify.messages.insert(status, self.message);
        if let Some(subject) = self.subject {
            notify.subjects.insert(status, subject);
        }
        if !self.attributes.is_empty() {
            notify.attributes.insert(status, self.attributes);
        }
        if self.by_protocol {
            notify.structures.insert(status, "json".to_owned());
        }
    }
}
