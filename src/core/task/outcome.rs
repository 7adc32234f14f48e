//! A task as Step Functions shows it: the output of `ecs:runTask.sync`, and the `Cause` of its failure.

use serde_json::{Map, Value, json};

use super::{Container, Task};
use crate::core::time::Timestamp;

/// SendTaskSuccess takes an output of 262,144 bytes (API reference); a task has a few thousand.
const MOST_BYTES: usize = 240 * 1024;
/// Members that may be large and say little of how the task ended.
const LARGE: [&str; 3] = ["Overrides", "Attachments", "Attributes"];

impl Task<'_> {
    /// All that ECS said of it, in PascalCase, with times in milliseconds, as Step Functions has it. Values of the
    /// environment are masked. At most 240 KiB.
    pub fn outcome(&self) -> Value {
        let told = self.whole.as_deref().and_then(|text| serde_json::from_str::<Value>(text).ok());
        let detail = told.map(|mut told| match told.get_mut("detail") {
            Some(detail) => detail.take(),
            None => told,
        });
        match detail.filter(Value::is_object).map(pascal) {
            Some(whole) => fitting(whole),
            None => self.of_members(),
        }
    }

    /// What is known of it where nothing else was kept.
    fn of_members(&self) -> Value {
        let text = |text: &str| Some(text).filter(|text| !text.is_empty()).map(Value::from);
        let at = |at: Option<Timestamp>| at.map(|at| at.millis().into());
        members([
            ("ClusterArn", text(&self.cluster_arn)),
            ("Connectivity", self.connectivity.as_deref().map(Value::from)),
            ("Containers", Some(self.containers.iter().map(container).collect())),
            ("CreatedAt", at(self.created_at)),
            ("DesiredStatus", text(&self.desired_status)),
            ("ExecutionStoppedAt", at(self.execution_stopped_at)),
            ("HealthStatus", self.health_status.as_deref().map(Value::from)),
            ("LastStatus", text(&self.last_status)),
            ("LaunchType", self.launch_type.as_deref().map(Value::from)),
            ("PullStartedAt", at(self.pull_started_at)),
            ("PullStoppedAt", at(self.pull_stopped_at)),
            ("StartedAt", at(self.started_at)),
            ("StartedBy", self.started_by.as_deref().map(Value::from)),
            ("StopCode", self.stop_code.as_deref().map(Value::from)),
            ("StoppedAt", at(self.stopped_at)),
            ("StoppedReason", self.stopped_reason.as_deref().map(Value::from)),
            ("TaskArn", text(&self.task_arn)),
            ("TaskDefinitionArn", text(&self.task_definition_arn)),
            ("Version", Some(self.version.into())),
        ])
    }
}

fn container(container: &Container<'_>) -> Value {
    members([
        ("ExitCode", container.exit_code.map(Value::from)),
        ("LastStatus", Some(container.last_status.as_ref().into())),
        ("Name", Some(container.name.as_ref().into())),
        ("Reason", container.reason.as_deref().map(Value::from)),
    ])
}

/// An object of those members that have a value.
pub(crate) fn members<const N: usize>(given: [(&str, Option<Value>); N]) -> Value {
    let given = given.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?)));
    Value::Object(given.collect())
}

/// A value with its members in PascalCase, instants in milliseconds, and no values of the environment.
fn pascal(value: Value) -> Value {
    match value {
        Value::Array(items) => Value::Array(items.into_iter().map(pascal).collect()),
        Value::Object(members) => Value::Object(members.into_iter().map(member).collect::<Map<_, _>>()),
        plain => plain,
    }
}

fn member((name, value): (String, Value)) -> (String, Value) {
    let upper = name.chars().take(1).flat_map(char::to_uppercase).chain(name.chars().skip(1)).collect::<String>();
    let value = match (upper.as_str(), value) {
        ("Environment", Value::Array(variables)) => Value::Array(variables.into_iter().map(masked).collect()),
        (name, Value::String(text)) if name.ends_with("At") => {
            Timestamp::parse(&text).map_or(Value::String(text), |at| at.millis().into())
        }
        (_, value) => pascal(value),
    };
    (upper, value)
}

fn masked(variable: Value) -> Value {
    let mut variable = pascal(variable);
    if let Some(value) = variable.get_mut("Value") {
        *value = "***".into();
    }
    variable
}

/// Leaves out what is too large, the largest kinds first.
fn fitting(mut whole: Value) -> Value {
    for name in LARGE {
        if whole.to_string().len() <= MOST_BYTES {
            return whole;
        }
        whole.as_object_mut().map(|members| members.remove(name));
    }
    match whole.to_string().len() <= MOST_BYTES {
        true => whole,
        // No task that ECS has comes here: ten containers at most, with reasons of 1,024 characters.
        false => whole.get("TaskArn").map_or_else(|| json!({}), |arn| json!({"TaskArn": arn})),
    }
}
