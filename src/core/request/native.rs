//! The native form: `runTask` and what taskwatch adds to it.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use super::attribute::{attributes, check_structure};
use super::given::{members, seconds, wrong};
use super::{Ending, Goal, MessageAttributes, MessageFormat, Notify, RequestError, RunRequest, RunSpec, callback};
use crate::core::retry::RetryPolicy;
use crate::core::run_task::RunTask;
use crate::core::status::Status;
use crate::core::time::Timestamp;

const MEMBERS: [&str; 16] = [
    "name",
    "runTask",
    "until",
    "retry",
    "startAt",
    "startTimeoutSeconds",
    "timeoutSeconds",
    "attemptTimeoutSeconds",
    "decidedBy",
    "placements",
    "queue",
    "priority",
    "injectEnv",
    "notify",
    "count",
    "comment",
];
const NOTIFY: [&str; 14] = [
    "topicArn",
    "on",
    "messages",
    "subjects",
    "attributes",
    "structures",
    "topics",
    "format",
    "logLines",
    "afterTask",
    "taskToken",
    "durableCallback",
    "heartbeatSeconds",
    "stopOnTaskTimeout",
];
/// Of a notification.
const MOST_LOG_LINES: u32 = 50;

/// `until` is the goal of a request that does not say.
pub(super) fn read(given: &Map<String, Value>, until: Goal) -> Result<RunRequest, RequestError> {
    let members = members(given, &MEMBERS, "")?;
    let get = |name: &str| members.get(name).copied().filter(|v| !v.is_null());
    let run_task = get("runTask").ok_or_else(|| RequestError::new("runTask: is required"))?;
    let (run_task, inner_count) = RunTask::from_value(run_task, "runTask")?;
    if get("count").is_some() {
        return Err(RequestError::new("count: belongs into runTask, as RunTask has it"));
    }
    let mut spec = RunSpec::new(run_task);
    spec.until = get("until").map_or(Ok(until), goal)?;
    if let Some(retry) = get("retry") {
        spec.retry = RetryPolicy::from_value(retry, "retry")?;
    }
    spec.start_at = get("startAt").map(start_at).transpose()?;
    if let Some(value) = members.get("startTimeoutSeconds") {
        // null is none here, and not the default: how an imported state machine is written down.
        let limit = Some(*value).filter(|value| !value.is_null());
        spec.start_timeout_seconds = limit.map(|value| seconds(value, "startTimeoutSeconds")).transpose()?;
    }
    spec.timeout_seconds = get("timeoutSeconds").map(|v| seconds(v, "timeoutSeconds")).transpose()?;
    spec.attempt_timeout_seconds =
        get("attemptTimeoutSeconds").map(|v| seconds(v, "attemptTimeoutSeconds")).transpose()?;
    spec.decided_by = get("decidedBy").map_or(Ok(Vec::new()), |v| strings(v, "decidedBy"))?;
    spec.placements = get("placements").map_or(Ok(Vec::new()), |v| placements(v, &spec.run_task))?;
    if let Some(value) = get("queue") {
        spec.queue = queue(value)?;
    }
    if let Some(value) = get("priority") {
        spec.priority = value.as_i64().ok_or_else(|| wrong("priority", "a whole number", value))?;
    }
    if let Some(value) = get("injectEnv") {
        spec.inject_env = value.as_bool().ok_or_else(|| wrong("injectEnv", "true or false", value))?;
    }
    if let Some(value) = get("notify") {
        spec.notify = notify(value)?;
    }
    let name = get("name").map(name).transpose()?;
    Ok(RunRequest { name, count: inner_count, spec, identity: None })
}

/// Days from acceptance within which a run starts.
const MOST_DAYS: u64 = 366;

fn start_at(value: &Value) -> Result<Timestamp, RequestError> {
    let instant = value.as_str().and_then(Timestamp::parse);
    instant.ok_or_else(|| wrong("startAt", "an instant in ISO 8601, such as 2026-11-22T03:00:00Z", value))
}

/// Refuses a start that is more than a year away.
pub(super) fn check_start(start_at: Option<Timestamp>, now: Timestamp) -> Result<(), RequestError> {
    let latest = now.plus(std::time::Duration::from_secs(MOST_DAYS * 24 * 3600));
    match start_at.filter(|at| *at > latest) {
        Some(at) => {
            Err(RequestError::new(format!("startAt: {at} is more than {MOST_DAYS} days from now; send it later")))
        }
        None => Ok(()),
    }
}

/// Whether a member belongs beside `runTask`, not into it.
pub(super) fn is_member(name: &str) -> bool {
    name != "count" && MEMBERS.contains(&name)
}

/// 1-128 of `A-Za-z0-9_.:-`.
fn name(value: &Value) -> Result<String, RequestError> {
    let allowed = |c: char| c.is_ascii_alphanumeric() || "_.:-".contains(c);
    value
        .as_str()
        .filter(|n| (1..=128).contains(&n.len()) && n.chars().all(allowed))
        .map(str::to_owned)
        .ok_or_else(|| wrong("name", "1 to 128 characters of A-Z a-z 0-9 _ . : -", value))
}

fn goal(value: &Value) -> Result<Goal, RequestError> {
    match value.as_str() {
        Some("running") => Ok(Goal::Running),
        Some("stopped") => Ok(Goal::Stopped),
        Some("healthy") => Ok(Goal::Healthy),
        _ => Err(wrong("until", "running, stopped or healthy", value)),
    }
}

fn queue(value: &Value) -> Result<String, RequestError> {
    value
        .as_str()
        .filter(|q| (1..=128).contains(&q.len()))
        .map(str::to_owned)
        .ok_or_else(|| wrong("queue", "a name of 1 to 128 characters", value))
}

fn strings(value: &Value, path: &str) -> Result<Vec<String>, RequestError> {
    let items = value.as_array().ok_or_else(|| wrong(path, "an array of strings", value))?;
    items
        .iter()
        .enumerate()
        .map(|(i, v)| v.as_str().map(str::to_owned).ok_or_else(|| wrong(&format!("{path}[{i}]"), "a string", v)))
        .collect()
}

fn placements(value: &Value, run_task: &RunTask) -> Result<Vec<Map<String, Value>>, RequestError> {
    let items = value.as_array().ok_or_else(|| wrong("placements", "an array of partial RunTask requests", value))?;
    let placement = |(i, item): (usize, &Value)| {
        let path = format!("placements[{i}]");
        let placement = RunTask::placement(item, &path)?;
        run_task.check_at(&placement, &path)?;
        Ok(placement)
    };
    items.iter().enumerate().map(placement).collect()
}

fn notify(value: &Value) -> Result<Notify, RequestError> {
    let Value::Object(given) = value else { return Err(wrong("notify", "an object", value)) };
    let members = members(given, &NOTIFY, "notify.")?;
    let get = |name: &str| members.get(name).copied().filter(|v| !v.is_null());
    let texts = |name: &'static str| get(name).map_or(Ok(BTreeMap::new()), |v| by_status(v, &format!("notify.{name}")));
    let mut notify = Notify {
        topic_arn: get("topicArn").map(|v| topic(v, "notify.topicArn")).transpose()?,
        on: get("on").map(statuses).transpose()?,
        messages: texts("messages")?,
        subjects: texts("subjects")?,
        attributes: get("attributes").map_or(Ok(BTreeMap::new()), attributes_by_status)?,
        structures: texts("structures")?,
        topics: texts("topics")?,
        after_task: get("afterTask").map(|v| Ending::read(v, "notify.afterTask").map(Box::new)).transpose()?,
        format: get("format").map(message_format).transpose()?,
        log_lines: get("logLines").map(log_lines).transpose()?.filter(|lines| *lines > 0),
        ..Notify::default()
    };
    check_structures(&notify)?;
    callback::read(&mut notify, get)?;
    Ok(notify)
}

fn attributes_by_status(value: &Value) -> Result<BTreeMap<Status, MessageAttributes>, RequestError> {
    let path = "notify.attributes";
    let given = value.as_object().ok_or_else(|| wrong(path, "an object of message attributes by status", value))?;
    given.iter().map(|(key, value)| Ok((status(key, path)?, attributes(value, &format!("{path}.{key}"))?))).collect()
}

/// A message with a structure is one for each protocol.
fn check_structures(notify: &Notify) -> Result<(), RequestError> {
    for (status, structure) in &notify.structures {
        let path = format!("notify.structures.{}", status.as_str());
        if structure != "json" {
            return Err(wrong(&path, "json", &Value::from(structure.as_str())));
        }
        let message = notify.messages.get(status);
        let message =
            message.ok_or_else(|| RequestError::new(format!("{path}: notify.messages has no text for it")))?;
        check_structure(message, &format!("notify.messages.{}", status.as_str()))?;
    }
    Ok(())
}

fn message_format(value: &Value) -> Result<MessageFormat, RequestError> {
    let named = value.as_str().and_then(|text| text.parse().ok());
    named.ok_or_else(|| wrong("notify.format", "json, chat or text", value))
}

fn log_lines(value: &Value) -> Result<u32, RequestError> {
    let lines = value.as_u64().and_then(|lines| u32::try_from(lines).ok()).filter(|lines| *lines <= MOST_LOG_LINES);
    lines.ok_or_else(|| wrong("notify.logLines", "a number of lines from 0 to 50", value))
}

pub(super) fn topic(value: &Value, path: &str) -> Result<String, RequestError> {
    value
        .as_str()
        .filter(|t| {
            t.starts_with("arn:")
                && t.split(':').nth(2) == Some("sns")
                && t.split(':').count() >= 6
                && !t.contains("${")
        })
        .map(str::to_owned)
        .ok_or_else(|| wrong(path, "the ARN of an SNS topic", value))
}

fn statuses(value: &Value) -> Result<Vec<Status>, RequestError> {
    strings(value, "notify.on")?.iter().map(|s| status(s, "notify.on")).collect()
}

fn status(text: &str, path: &str) -> Result<Status, RequestError> {
    let finals = [Status::Succeeded, Status::Failed, Status::TimedOut, Status::Aborted];
    finals.into_iter().find(|s| s.as_str() == text).ok_or_else(|| {
        RequestError::new(format!("{path}: expected SUCCEEDED, FAILED, TIMED_OUT or ABORTED, got {text:?}"))
    })
}

fn by_status(value: &Value, path: &str) -> Result<BTreeMap<Status, String>, RequestError> {
    let given = value.as_object().ok_or_else(|| wrong(path, "an object of texts by status", value))?;
    given
        .iter()
        .map(|(key, text)| {
            let text = text.as_str().ok_or_else(|| wrong(&format!("{path}.{key}"), "a string", text))?;
            Ok((status(key, path)?, text.to_owned()))
        })
        .collect()
}
