//! Limits of RunTask that ECS would refuse for, so that a request is refused before it waits for a slot.

use serde_json::{Map, Value};

use super::check::unfilled;
use crate::core::input::RequestError;
use crate::core::placeholder::Placeholder;

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
    for list in ["subnets", "securityGroups"] {
        let items =
            whole.pointer(&format!("/networkConfiguration/awsvpcConfiguration/{list}")).and_then(Value::as_array);
        let left = items.into_iter().flatten().filter_map(Value::as_str).find_map(Placeholder::in_name);
        if let Some(left) = left {
            let at = format!("{path}.networkConfiguration.awsvpcConfiguration.{list}");
            return Err(RequestError::new(unfilled(&at, left)));
        }
    }
    let overrides = members.get("overrides").map_or(0, |o| o.to_string().chars().count());
    if overrides > OVERRIDES_CHARS {
        return refuse(".overrides", format!("at most {OVERRIDES_CHARS} characters as JSON, got {overrides}"));
    }
    for name in ["cluster", "taskDefinition", "group", "platformVersion"] {
        let text = members.get(name).and_then(Value::as_str);
        if let Some(left) = text.and_then(Placeholder::in_name) {
            return Err(RequestError::new(unfilled(&format!("{path}.{name}"), left)));
        }
        if text == Some("") {
            return refuse(&format!(".{name}"), "is empty; fill it in or leave it out".into());
        }
    }
    Ok(())
}
