//! A look inside for tests and for the curious: what the tasks did, whatever was told of it.

use std::collections::BTreeMap;

use serde::Serialize;

use super::task::Task;

/// What one task has done so far.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct TaskSnapshot {
    /// The task's ARN.
    pub arn: String,
    /// The family of its task definition.
    pub family: String,
    /// The `startedBy` of its request.
    pub started_by: Option<String>,
    /// The `clientToken` of its request.
    pub client_token: Option<String>,
    /// The environment of its first container, task definition and overrides together.
    pub environment: Vec<(String, String)>,
    /// Which launch of the same work this was, from 1.
    pub attempt: u32,
    /// `lastStatus`.
    pub status: String,
    /// `desiredStatus`.
    pub desired_status: String,
    /// The version of its last event.
    pub version: u32,
    /// `stopCode`, once there is one.
    pub stop_code: Option<String>,
    /// The exit code of its first container, once that has ended: ECS shows it later.
    pub exit_code: Option<i64>,
    /// `stoppedReason`, once there is one.
    pub stopped_reason: Option<String>,
    /// When RunTask answered with it.
    pub created_millis: i64,
    /// When its containers started, if they did.
    pub started_millis: Option<i64>,
    /// When the last of its containers ended. From `started_millis` to here the program ran.
    pub execution_stopped_millis: Option<i64>,
    /// When it was STOPPED.
    pub stopped_millis: Option<i64>,
}

impl TaskSnapshot {
    pub(super) fn of(task: &Task) -> Self {
        Self {
            arn: task.arn.clone(),
            family: task.launch.definition.family.clone(),
            started_by: task.launch.started_by.clone(),
            client_token: task.launch.client_token.clone(),
            environment: task.launch.containers.first().map(|c| c.environment.clone()).unwrap_or_default(),
            attempt: task.attempt,
            status: task.status.name().to_owned(),
            desired_status: if task.stopping_wanted { "STOPPED" } else { "RUNNING" }.to_owned(),
            version: task.version,
            stop_code: task.stop_code.clone(),
            exit_code: exit_code(task),
            stopped_reason: task.stopped_reason.clone(),
            created_millis: task.created,
            started_millis: task.started,
            execution_stopped_millis: task.execution_stopped.or(task.ending.as_ref().and_then(|e| e.at)),
            stopped_millis: task.stopped,
        }
    }
}

fn exit_code(task: &Task) -> Option<i64> {
    let coming = || task.ending.as_ref().and_then(|ending| ending.exits.first()).and_then(|(code, _)| *code);
    task.containers.first().and_then(|container| container.exit_code).or_else(coming)
}

/// What became of the events.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct EventCounters {
    /// Given to the bus, copies included.
    pub sent: u64,
    /// Lost by the script.
    pub dropped: u64,
    /// Copies beyond the first.
    pub duplicated: u64,
    /// Held back for a time.
    pub delayed: u64,
    /// Overtaken by the task's next event.
    pub reordered: u64,
}

/// What was asked of the service, and what became of it.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Counters {
    /// Calls by operation.
    pub calls: BTreeMap<String, u64>,
    /// Calls that a quota refused, by operation.
    pub throttled: BTreeMap<String, u64>,
    /// How often each fault of the script struck, by its name.
    pub faults: BTreeMap<String, u64>,
    /// The events.
    pub events: EventCounters,
    /// Tasks that ECS still knows.
    pub tasks: usize,
}
