//! Run requests in all forms that users have them in: native, bare RunTask, Step Functions.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::retry::RetryPolicy;
use super::run::Status;
use super::run_task::RunTask;

/// When a run has reached what it is for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Goal {
    /// The task reached RUNNING.
    #[default]
    Running,
    /// Every deciding container exited with 0.
    Stopped,
    /// RUNNING and HEALTHY.
    Healthy,
}

/// Who is told what at the end.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Notify {
    /// The SNS topic; the cell's when left out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub topic_arn: Option<String>,
    /// The final statuses to tell of; all four when left out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub on: Option<Vec<Status>>,
    /// A plain text in place of the JSON body, by status.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub messages: BTreeMap<Status, String>,
    /// A subject in place of the usual one, by status (Step Functions' sns:publish may set one).
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub subjects: BTreeMap<Status, String>,
    /// A topic for one status where it differs (Step Functions' two publish states may name two topics).
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub topics: BTreeMap<Status, String>,
}

/// What all runs of one request share.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RunSpec {
    /// The RunTask request.
    pub run_task: RunTask,
    /// When the run has reached what it is for.
    pub until: Goal,
    /// What to try again, how often and when.
    pub retry: RetryPolicy,
    /// Seconds an attempt may take to reach RUNNING.
    pub start_timeout_seconds: u64,
    /// Seconds the whole run may take, from submission.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub timeout_seconds: Option<u64>,
    /// Seconds one attempt may take: ASL's TimeoutSeconds of a state, which Retry sees.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub attempt_timeout_seconds: Option<u64>,
    /// The containers whose exit codes decide; empty: the essential ones of the task definition.
    pub decided_by: Vec<String>,
    /// Partial RunTask requests for attempts that another place may cure.
    pub placements: Vec<Map<String, Value>>,
    /// The queue whose share of the launch slots it takes.
    pub queue: String,
    /// Higher goes first inside its queue.
    pub priority: i64,
    /// Whether containers are told run, attempt and index in their environment.
    pub inject_env: bool,
    /// Who is told what at the end.
    pub notify: Notify,
}

/// A checked request: one run, or `count` of them.
#[derive(Clone, Debug, PartialEq)]
pub struct RunRequest {
    /// The idempotency key, if given.
    pub name: Option<String>,
    /// How many runs; `None` when the request names no count (then the run is called `name`, not `name/0`).
    pub count: Option<u32>,
    /// What they share.
    pub spec: RunSpec,
}

/// A request that cannot be taken: what is wrong, where, and what would be right.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct RequestError {
    /// One line for the user.
    pub message: String,
}

impl RunRequest {
    /// Reads one request in any of its forms.
    pub fn parse(text: &str) -> Result<Self, RequestError> {
        let value: Value =
            serde_json::from_str(text).map_err(|e| RequestError { message: format!("not JSON: {e}") })?;
        Self::from_value(value)
    }

    /// Reads one request in any of its forms from parsed JSON.
    pub fn from_value(value: Value) -> Result<Self, RequestError> {
        Err(RequestError { message: format!("not a run request: {value}") })
    }

    /// A digest of all that decides what runs (not of `name`): equal bodies, equal digests, whatever the order of members.
    pub fn digest(&self) -> [u8; 32] {
        [0; 32]
    }
}
