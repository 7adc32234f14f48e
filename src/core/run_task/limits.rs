//! Limits of RunTask that ECS would refuse for, so that a request is refused before it waits for a slot.

use serde_json::{Map, Value};

use super::check;
use crate::core::input::RequestError;
use crate::core::placeholder::{Placeholder, the_same_goes_for};

/// The most runs one request can ask for; taskwatch launches them 10 a call.
const MOST_RUNS: u64 = 10_000;
/// How many items a list may have (Amazon ECS API reference, RunTask; service quotas).
const LENGTHS: [(&str, usize); 6] = [
    ("/tags", 50),
    ("/capacityProviderStrategy", 20),
    ("/placementConstraints", 10),
    ("/placementStrategy", 5),
    ("/networkConfiguration/awsvpcConfiguration/subnets", 16),
    ("/networkConfiguration/awsvpcConfiguration/securityGroups", 5),
];
/// "The total … of the overrides is limited to 8192 characters, including JSON formatting" (API reference, TaskOverride).
const OVERRIDES_CHARS: usize = 8192;

/// Takes `count` out: 1 to 10,000.
pub(super) fn take_count(members: &mut Map<String, Value>, path: &str) -> Result<Option<u32>, RequestError> {
    let Some(value) = members.remove("count") else { return Ok(None) };
    let count = value.as_u64().filter(|n| (1..=MOST_RUNS).contains(n)).and_then(|n| u32::try_from(n).ok());
    count.map(Some).ok_or_else(|| RequestError::new(format!("{path}.count: expected 1 to {MOST_RUNS}, got {value}")))
}

/// Members that are names, and lists of names.
const NAMES: [&str; 4] = ["cluster", "taskDefinition", "group", "platformVersion"];
const LISTS: [&str; 2] = ["subnets", "securityGroups"];

/// Refuses what ECS would refuse whatever the account.
pub(super) fn check(members: &Map<String, Value>, path: &str) -> Result<(), RequestError> {
    let refuse = |at: &str, why: String| Err(RequestError::new(format!("{path}{at}: {why}")));
    let whole = Value::Object(members.clone());
    for (pointer, most) in LENGTHS {
        let length = whole.pointer(pointer).and_then(Value::as_array).map_or(0, Vec::len);
        if length > most {
            return refuse(&pointer.replace('/', "."), format!("at most {most} items, got {length}"));
        }
    }
    if members.contains_key("launchType") && members.contains_key("capacityProviderStrategy") {
        return refuse(
            ".launchType",
            "leave it out where capacityProviderStrategy is given: ECS takes only one".into(),
        );
    }
    if members.get("propagateTags").and_then(Value::as_str) == Some("SERVICE") {
        return refuse(".propagateTags", "SERVICE is for services; RunTask takes TASK_DEFINITION or NONE".into());
    }
    if let Some(said) = unfilled(&placeholders(&whole)) {
        return Err(RequestError::new(format!("{path}{said}")));
    }
    let overrides = members.get("overrides").map_or(0, |o| o.to_string().chars().count());
    if overrides > OVERRIDES_CHARS {
        return refuse(".overrides", format!("at most {OVERRIDES_CHARS} characters as JSON, got {overrides}"));
    }
    for name in NAMES {
        if members.get(name).and_then(Value::as_str) == Some("") {
            return refuse(&format!(".{name}"), "is empty; fill it in or leave it out".into());
        }
    }
    Ok(())
}

/// Where placeholders are left in names, and which.
fn placeholders(members: &Value) -> Vec<(String, Placeholder<'_>)> {
    let mut left = Vec::new();
    for list in LISTS {
        let at = format!("/networkConfiguration/awsvpcConfiguration/{list}");
        let items = members.pointer(&at).and_then(Value::as_array).into_iter().flatten();
        let found = items.filter_map(Value::as_str).filter_map(Placeholder::in_name);
        left.extend(found.map(|one| (at.replace('/', "."), one)));
    }
    for name in NAMES {
        let found = members.get(name).and_then(Value::as_str).and_then(Placeholder::in_name);
        left.extend(found.map(|one| (format!(".{name}"), one)));
    }
    left
}

/// What to do about the first one, and which others there are.
fn unfilled(left: &[(String, Placeholder<'_>)]) -> Option<String> {
    let ((at, first), others) = left.split_first()?;
    let others = the_same_goes_for(first.shown, others.iter().map(|(_, other)| other.shown));
    Some(check::unfilled(at, *first) + &others)
}
