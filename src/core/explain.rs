//! What happened to a task and what to do: for any ECS JSON a user has at hand.

use serde::Serialize;
use serde_json::Value;

use super::failure::{self, Class, Failure, Transience};
use super::task::{Deciders, Task, Verdict, parse_task};

/// What happened to one task, or to one refusal of a task.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Explanation {
    /// The task; none for a refusal without one.
    pub task_arn: Option<String>,
    /// `SUCCEEDED`, `FAILED`, `RUNNING` or `STARTING`.
    pub status: &'static str,
    /// The most specific name of its failure.
    pub error: Option<String>,
    /// The failure's class.
    pub class: Option<Class>,
    /// Whether another try can help.
    pub transience: Option<Transience>,
    /// What ECS said.
    pub cause: Option<String>,
    /// What to do.
    pub hint: Option<String>,
    /// The names that `ErrorEquals` can match.
    pub names: Vec<String>,
}

/// All that a text explains.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Explained {
    /// One for each task or refusal, in the text's order.
    pub tasks: Vec<Explanation>,
    /// Events and documents about something else.
    pub skipped: usize,
}

/// A text that is no JSON.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not JSON: {0}")]
pub struct ExplainError(String);

/// Explains every task in a text: ECS events, DescribeTasks and RunTask answers, Step Functions' outputs and causes,
/// queue messages around them, as one document, an array, or one after the other.
///
/// `decided_by` names the containers whose exit codes decide; empty: not known.
///
/// # Errors
/// A text that is not JSON.
pub fn explain(text: &str, decided_by: &[String]) -> Result<Explained, ExplainError> {
    let deciders = if decided_by.is_empty() { Deciders::Unknown } else { Deciders::Named(decided_by) };
    let mut explained = Explained::default();
    for document in serde_json::Deserializer::from_str(text).into_iter::<Value>() {
        let document = document.map_err(|e| ExplainError(e.to_string()))?;
        visit(&document, deciders, &mut explained);
    }
    Ok(explained)
}

/// Explains one task that is known already.
pub fn explain_task(task: &Task<'_>, deciders: Deciders<'_>) -> Explanation {
    let arn = Some(task.task_arn.to_string()).filter(|a| !a.is_empty());
    match task.verdict(deciders) {
        Verdict::Succeeded => plain(arn, "SUCCEEDED"),
        Verdict::Starting => plain(arn, "STARTING"),
        Verdict::Stopping if task.started_at.is_none() => plain(arn, "STARTING"),
        Verdict::Running | Verdict::Stopping => plain(arn, "RUNNING"),
        Verdict::Failed(failure) => failed(arn, *failure),
    }
}

fn visit(value: &Value, deciders: Deciders<'_>, into: &mut Explained) {
    match value {
        Value::Array(items) => items.iter().for_each(|item| visit(item, deciders, into)),
        // Step Functions' Cause, an SNS message, an SQS body: JSON in a string.
        Value::String(text) => match serde_json::from_str::<Value>(text) {
            Ok(inner) if inner.is_object() || inner.is_array() => visit(&inner, deciders, into),
            _ => into.skipped += 1,
        },
        Value::Object(_) => visit_object(value, deciders, into),
        _ => into.skipped += 1,
    }
}

fn visit_object(value: &Value, deciders: Deciders<'_>, into: &mut Explained) {
    if let Some(detail) = value.get("detail") {
        let kind = value.get("detail-type").and_then(Value::as_str);
        if kind == Some("ECS Task State Change") || (kind.is_none() && has(detail, "taskArn")) {
            let mut task = parse_task(detail);
            if task.task_arn.is_empty() {
                task.task_arn = value["resources"][0].as_str().unwrap_or_default().to_owned().into();
            }
            into.tasks.push(explain_task(&task, deciders));
        } else {
            into.skipped += 1;
        }
        return;
    }
    if has(value, "tasks") || has(value, "failures") {
        for task in list(value, "tasks") {
            into.tasks.push(explain_task(&parse_task(task), deciders));
        }
        for refusal in list(value, "failures") {
            into.tasks.push(explain_refusal(refusal));
        }
        return;
    }
    if has(value, "lastStatus") || (has(value, "taskArn") && !has(value, "runTask")) {
        return into.tasks.push(explain_task(&parse_task(value), deciders));
    }
    let inside = ["messages", "cause", "output", "message", "body", "records", "events"];
    match inside.iter().find_map(|name| get(value, name).filter(|v| !v.is_null())) {
        Some(inner) => visit(inner, deciders, into),
        None => into.skipped += 1,
    }
}

fn explain_refusal(refusal: &Value) -> Explanation {
    let text = |name: &str| get(refusal, name).and_then(Value::as_str).filter(|t| !t.is_empty());
    let failure = failure::from_refusal(text("reason").unwrap_or_default(), text("detail"));
    failed(text("arn").map(str::to_owned), failure)
}

fn plain(task_arn: Option<String>, status: &'static str) -> Explanation {
    let names = Vec::new();
    Explanation { task_arn, status, error: None, class: None, transience: None, cause: None, hint: None, names }
}

fn failed(task_arn: Option<String>, failure: Failure) -> Explanation {
    Explanation {
        task_arn,
        status: "FAILED",
        error: Some(failure.error),
        class: Some(failure.class),
        transience: Some(failure.transience),
        cause: Some(failure.cause),
        hint: Some(failure.hint),
        names: failure.names,
    }
}

/// A member in camelCase or PascalCase.
fn get<'v>(value: &'v Value, name: &str) -> Option<&'v Value> {
    value.get(name).or_else(|| {
        let mut pascal = name.to_owned();
        pascal.get_mut(..1)?.make_ascii_uppercase();
        value.get(pascal)
    })
}

fn has(value: &Value, name: &str) -> bool {
    get(value, name).is_some()
}

fn list<'v>(value: &'v Value, name: &str) -> impl Iterator<Item = &'v Value> {
    get(value, name).and_then(Value::as_array).into_iter().flatten()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn statuses(text: &str) -> Vec<(&'static str, Option<Class>)> {
        explain(text, &[]).unwrap().tasks.iter().map(|e| (e.status, e.class)).collect()
    }

    #[test]
    fn answers_of_the_api_are_explained() {
        let task = json!({"taskArn": "arn:t", "lastStatus": "STOPPED", "stopCode": "TaskFailedToStart",
            "stoppedReason": "CannotPullContainerError: manifest unknown", "containers": [], "createdAt": 1_739_458_104.123});
        let answer = json!({"tasks": [task], "failures": [{"arn": null, "reason": "RESOURCE:MEMORY"}]});
        let expected = [("FAILED", Some(Class::Image)), ("FAILED", Some(Class::Capacity))];
        assert_eq!(statuses(&answer.to_string()), expected);
        // Step Functions: PascalCase, the task as a string in Cause.
        let pascal = json!({"TaskArn": "arn:t", "LastStatus": "STOPPED", "StopCode": "EssentialContainerExited",
            "StoppedReason": "Essential container in task exited", "Containers": [{"Name": "a", "ExitCode": 2}]});
        let cause = json!({"Error": "States.TaskFailed", "Cause": pascal.to_string()});
        assert_eq!(statuses(&cause.to_string()), [("FAILED", Some(Class::Application))]);
        let received = json!({"Messages": [{"Body": answer.to_string()}]});
        assert_eq!(statuses(&received.to_string()), expected);
    }

    #[test]
    fn many_documents_are_explained_in_order_and_others_counted() {
        let running = json!({"taskArn": "a", "lastStatus": "RUNNING"});
        let other = json!({"source": "aws.ecs", "detail-type": "ECS Service Action", "detail": {}});
        let explained = explain(&format!("{running}\n{other}\n[{running}]"), &[]).unwrap();
        assert_eq!((explained.tasks.len(), explained.skipped), (2, 1));
        assert!(explain("{", &[]).is_err());
        assert_eq!(explain("", &[]).unwrap(), Explained::default());
    }

    #[test]
    fn the_keys_are_the_contracts() {
        let explained = explain(r#"{"taskArn":"a","lastStatus":"RUNNING"}"#, &[]).unwrap();
        let value = serde_json::to_value(&explained.tasks[0]).unwrap();
        let mut keys: Vec<_> = value.as_object().unwrap().keys().map(String::as_str).collect();
        keys.sort_unstable();
        assert_eq!(keys, ["cause", "class", "error", "hint", "names", "status", "taskArn", "transience"]);
        assert!(value["error"].is_null());
    }
}
