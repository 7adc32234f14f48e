//! Finds what there is to explain in a document, however it is wrapped.

use serde_json::{Map, Value};

use super::cut_off::closed;
use super::members::get;
use super::{Explained, Explanation, batch, explain_task, failed};
use crate::core::failure::{self, Class};
use crate::core::task::parse_task;
use crate::core::verdict::{Deciders, Verdict};

/// Wrappers hold wrappers: SNS in SQS in an answer of ReceiveMessage has 6 levels.
const DEEPEST: usize = 16;
/// A reason in the description of an event that is not about a task, in characters.
const LONGEST: usize = 200;

/// Explains one document. Each element of a list is one.
pub(super) fn document(value: &Value, deciders: Deciders<'_>, into: &mut Explained) {
    if let Value::Array(items) = value {
        return items.iter().for_each(|item| document(item, deciders, into));
    }
    let found = |into: &Explained| (into.tasks.len(), into.others.len(), into.empty);
    let before = found(into);
    visit(value, deciders, DEEPEST, into);
    into.skipped += into.others.len() - before.1;
    if found(into) == before {
        into.skipped += 1;
    }
}

/// Explains a text that may be the beginning of a document.
pub(super) fn cut_off(text: &str, deciders: Deciders<'_>, into: &mut Explained) {
    part(text, deciders, DEEPEST, into);
}

/// The failures that the beginning of a document tells of: whether all went well stands in the rest.
fn part(text: &str, deciders: Deciders<'_>, deeper: usize, into: &mut Explained) {
    let whole = closed(text).and_then(|whole| serde_json::from_str::<Value>(&whole).ok());
    let Some(whole) = whole else { return };
    let mut found = Explained::default();
    visit(&whole, deciders, deeper, &mut found);
    // An exit code that is not there may only be cut off.
    let by_absence = |task: &Explanation| {
        task.class == Some(Class::Host) && task.error.as_deref() == Some("EssentialContainerExited")
    };
    into.tasks.extend(found.tasks.into_iter().filter(|task| task.status == "FAILED" && !by_absence(task)));
}

fn visit(value: &Value, deciders: Deciders<'_>, deep: usize, into: &mut Explained) {
    let Some(deeper) = deep.checked_sub(1) else { return };
    match value {
        Value::Array(items) => items.iter().for_each(|item| visit(item, deciders, deeper, into)),
        // Step Functions' Cause, an SNS message, an SQS body, a log line: JSON in a string.
        Value::String(text) if text.trim_start().starts_with(['{', '[', '"']) => {
            match serde_json::from_str::<Value>(text) {
                Ok(inner) => visit(&inner, deciders, deeper, into),
                Err(_) => part(text, deciders, deeper, into),
            }
        }
        Value::Object(members) => {
            let known = event(members, deciders, deeper, into)
                || job(members, deciders, into)
                || answer(members, deciders, into)
                || task(value, members, deciders, into)
                || error(members, into);
            if !known {
                members.values().for_each(|member| visit(member, deciders, deeper, into));
            }
        }
        _ => {}
    }
}

/// An EventBridge event; `DetailType` and a text as detail are PutEvents'.
fn event(members: &Map<String, Value>, deciders: Deciders<'_>, deeper: usize, into: &mut Explained) -> bool {
    let Some(detail) = get(members, "detail") else { return false };
    let kind = ["detail-type", "detailType", "DetailType"].iter().find_map(|name| members.get(*name)?.as_str());
    let unpacked = detail.as_str().and_then(|text| serde_json::from_str::<Value>(text).ok());
    let Some(detail) = unpacked.as_ref().unwrap_or(detail).as_object() else { return false };
    let resource = || get(members, "resources").and_then(|r| r.get(0)?.as_str()).unwrap_or_default();
    match kind {
        Some("ECS Task State Change") => {}
        None if get(detail, "taskArn").is_some() || get(detail, "lastStatus").is_some() => {}
        None => return false,
        Some(kind) => {
            // CloudTrail's and Step Functions' events may hold a task, or RunTask's error; ECS's others do not.
            let found = into.tasks.len();
            if !kind.starts_with("ECS ") && !kind.starts_with("Taskwatch ") {
                visit(&Value::Object(detail.clone()), deciders, deeper, into);
            }
            if into.tasks.len() > found {
                return true;
            }
            into.others.push(named(kind, detail, resource()));
            return true;
        }
    }
    let mut task = parse_task(&Value::Object(detail.clone()));
    if task.task_arn.is_empty() {
        task.task_arn = resource().to_owned().into();
    }
    into.tasks.push(explain_task(&task, deciders));
    true
}

/// What an event that is not about a task is.
fn named(kind: &str, detail: &Map<String, Value>, resource: &str) -> String {
    let text = |name: &str| get(detail, name).and_then(Value::as_str);
    let told = [text("eventName").or_else(|| text("status")), text("reason"), Some(resource)];
    let told =
        told.into_iter().flatten().filter(|t| !t.is_empty()).map(|t| t.chars().take(LONGEST).collect::<String>());
    let told: Vec<String> = told.collect();
    if told.is_empty() { kind.to_owned() } else { format!("{kind}: {}", told.join(", ")) }
}

/// An answer of RunTask or DescribeTasks, which may have tasks and failures both.
fn answer(members: &Map<String, Value>, deciders: Deciders<'_>, into: &mut Explained) -> bool {
    let list = |name: &str| get(members, name).and_then(Value::as_array);
    let empty = |name: &str| list(name).is_some_and(Vec::is_empty);
    if list("tasks").is_none() && list("failures").is_none() {
        // Of DescribeJobs and of ListTasks.
        let none = empty("jobs") || empty("taskArns");
        into.empty += usize::from(none);
        return none;
    }
    let given = ["tasks", "failures"].iter().any(|name| list(name).is_some_and(|list| !list.is_empty()));
    into.empty += usize::from(!given);
    let (tasks, failures) = (list("tasks").into_iter().flatten(), list("failures").into_iter().flatten());
    into.tasks.extend(tasks.filter(|t| t.is_object()).map(|task| explain_task(&parse_task(task), deciders)));
    for refusal in failures.filter_map(Value::as_object) {
        let text = |name: &str| get(refusal, name).and_then(Value::as_str).filter(|t| !t.is_empty());
        let failure = failure::from_refusal(text("reason").unwrap_or_default(), text("detail"));
        into.tasks.push(failed(text("arn").map(str::to_owned), failure));
    }
    true
}

/// An AWS Batch job, in an answer of DescribeJobs or in an event.
fn job(members: &Map<String, Value>, deciders: Deciders<'_>, into: &mut Explained) -> bool {
    let Some(job) = batch::task(members) else { return false };
    let task = parse_task(&job.task);
    let mut explanation = match task.verdict(deciders) {
        // The log is found by the task, and a job is none.
        Verdict::Failed(mut failure) if !job.names_its_task => {
            failure.hint = failure.hint_without_log();
            failed(Some(task.task_arn.into_owned()), *failure)
        }
        _ => explain_task(&task, deciders),
    };
    if let Some((cause, hint)) = batch::waits(members) {
        (explanation.cause, explanation.hint) = (Some(cause), Some(hint.to_owned()));
    }
    if explanation.class == Some(Class::Stopped)
        && let Some(hint) = batch::stopped_by(members)
    {
        explanation.hint = Some(hint.to_owned());
    }
    into.tasks.push(explanation);
    true
}

/// A task by itself. A run request has `runTask`, a container has `containerArn`; what has a task's ARN and nothing else of
/// a task only mentions one, as our own explanations do.
fn task(value: &Value, members: &Map<String, Value>, deciders: Deciders<'_>, into: &mut Explained) -> bool {
    let has = |name: &str| get(members, name).is_some();
    let told = ["stopCode", "stoppedReason", "containers", "desiredStatus"];
    let named = has("taskArn") || (has("taskDefinitionArn") && has("stopCode"));
    let tells = has("lastStatus") || (named && told.into_iter().any(has));
    let is_task = tells && !has("runTask") && !has("containerArn");
    if is_task {
        into.tasks.push(explain_task(&parse_task(value), deciders));
    }
    is_task
}

/// An error of the RunTask call: as the API answers it, as boto3 and CloudTrail show it, or as Step Functions does.
fn error(members: &Map<String, Value>, into: &mut Explained) -> bool {
    let text = |name: &str| get(members, name).and_then(Value::as_str);
    let inner = get(members, "error").and_then(Value::as_object);
    let inner = inner.and_then(|e| Some((get(e, "code")?.as_str()?, get(e, "message").and_then(Value::as_str))));
    let failure = match (text("error"), text("cause")) {
        (Some(name), cause)
            if name.starts_with("States.")
                && !cause.is_some_and(|cause| holds_json(cause) || cause.starts_with('"')) =>
        {
            failure::from_step_functions(name, cause.unwrap_or_default())
        }
        (Some("AmazonECS.Unknown"), Some(cause)) if !holds_json(cause) => failure::from_refusal(cause, None),
        (Some(name), Some(cause)) if !holds_json(cause) => {
            // `ECS.InvalidParameterException`; older integrations write `Ecs.`.
            let Some((_, name)) = name.split_once('.').filter(|(of, _)| of.eq_ignore_ascii_case("ecs")) else {
                return false;
            };
            failure::from_exception(name, cause)
        }
        _ => {
            // As the wire has it; as JavaScript's SDKs print it, version 3 and version 2.
            let (v3, v2) = (members.contains_key("$metadata"), members.contains_key("requestId"));
            let plain = text("__type").or_else(|| text("name").filter(|_| v3)).or_else(|| text("code").filter(|_| v2));
            let plain = plain.map(|name| (name, text("message")));
            // CloudTrail records every call of every service.
            let ours = text("eventName").is_none_or(|call| ["RunTask", "StartTask"].contains(&call));
            let trail = text("errorCode").filter(|_| ours).map(|name| (name, text("errorMessage")));
            let Some((name, message)) = plain.or(inner).or(trail) else { return false };
            failure::from_exception(name, message.unwrap_or_default())
        }
    };
    into.tasks.push(failed(None, failure));
    true
}

fn holds_json(text: &str) -> bool {
    text.trim_start().starts_with(['{', '['])
}
