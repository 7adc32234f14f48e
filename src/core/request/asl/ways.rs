//! The ways that lead from a task, by Next and by Catch.

use std::collections::BTreeSet;

use serde_json::{Map, Value};

use super::RequestError;
use super::flow::Flow;
use super::machine::place;
use super::members::{name, only, wrong};
use super::walk::{States, Walk};
use crate::core::failure::Failure;
use crate::core::status::Status;

const CATCHER: [&str; 6] = ["ErrorEquals", "Next", "ResultPath", "Comment", "Output", "Assign"];

/// What the ways from a task come to, whichever is taken.
pub(super) struct Later<'s> {
    pub(super) reached: BTreeSet<&'s str>,
    /// The ends of which somebody may be told.
    pub(super) on: Vec<Status>,
}

/// Checks every way that the end may take.
pub(super) fn check_later<'s>(states: &'s States, task: &'s str, flow: &Flow<'s>) -> Result<Later<'s>, RequestError> {
    let path = place(task);
    let first = states.get(task).and_then(Value::as_object);
    let first = first.ok_or_else(|| wrong(&path, "a state (an object)", None))?;
    let mut later = Later { reached: flow.passed.iter().copied().chain([task]).collect(), on: Vec::new() };
    if let Some(next) = first.get("Next") {
        let walk = Walk { states, flow, after_success: true };
        walk.check(name(next, &format!("{path}.Next"))?, &mut later.reached)?;
        later.on.push(Status::Succeeded);
    }
    for catcher in catchers(first.get("Catch"), &format!("{path}.Catch"))? {
        let walk = Walk { states, flow, after_success: false };
        walk.check(catcher.next, &mut later.reached)?;
        let statuses = catcher.statuses().unwrap_or_else(|| vec![Status::Failed, Status::TimedOut]);
        later.on.extend(statuses);
    }
    later.on.sort_unstable();
    later.on.dedup();
    Ok(later)
}

/// One entry of a Catch.
pub(super) struct Catcher<'v> {
    /// The errors it is for.
    names: Vec<&'v str>,
    pub(super) next: &'v str,
    /// Its members, and where they stand.
    pub(super) members: &'v States,
    pub(super) path: String,
}

impl Catcher<'_> {
    /// The ends it is for, if statuses say that.
    pub(super) fn statuses(&self) -> Option<Vec<Status>> {
        let mut statuses = Vec::new();
        for name in &self.names {
            statuses.extend(match *name {
                "States.ALL" => &[Status::Failed, Status::TimedOut][..],
                "States.TaskFailed" => &[Status::Failed],
                "States.Timeout" => &[Status::TimedOut],
                _ => return None,
            });
        }
        Some(statuses)
    }

    /// Whether it is for this failure, by the rules of `Retry`.
    pub(super) fn matches(&self, failure: &Failure) -> bool {
        let has = |name: &str| failure.names.iter().any(|known| known == name);
        self.names.iter().any(|name| match *name {
            "States.ALL" => true,
            "States.TaskFailed" => !has("States.Timeout"),
            name => has(name),
        })
    }
}

/// The catchers, in order.
pub(super) fn catchers<'v>(value: Option<&'v Value>, path: &str) -> Result<Vec<Catcher<'v>>, RequestError> {
    let Some(value) = value else { return Ok(Vec::new()) };
    let items = value.as_array().ok_or_else(|| wrong(path, "an array of catchers", Some(value)))?;
    items.iter().enumerate().map(|(i, item)| catcher(item, &format!("{path}[{i}]"))).collect()
}

fn catcher<'v>(item: &'v Value, path: &str) -> Result<Catcher<'v>, RequestError> {
    let catcher: &Map<String, Value> =
        item.as_object().ok_or_else(|| wrong(path, "a catcher (an object)", Some(item)))?;
    only(catcher, &CATCHER, &format!("{path}."))?;
    let here = format!("{path}.ErrorEquals");
    let names = catcher.get("ErrorEquals").and_then(Value::as_array);
    let names = names.ok_or_else(|| wrong(&here, "an array", catcher.get("ErrorEquals")))?;
    let text = |name: &'v Value| name.as_str().ok_or_else(|| wrong(&here, "names of errors", Some(name)));
    let names = names.iter().map(text).collect::<Result<_, _>>()?;
    let next = catcher.get("Next").ok_or_else(|| wrong(&format!("{path}.Next"), "the name of a state", None))?;
    Ok(Catcher { names, next: name(next, &format!("{path}.Next"))?, members: catcher, path: path.to_owned() })
}
