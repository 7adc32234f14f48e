//! Run requests in all forms that users have them in: native, bare RunTask, Step Functions.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

mod asl;
mod attribute;
mod callback;
#[cfg(test)]
mod ending_tests;
pub mod foreign;
mod given;
pub mod intrinsics;
#[cfg(test)]
mod machine_tests;
mod mask;
#[cfg(test)]
mod named_tests;
mod native;
mod programs;
mod relaxed;
mod snapshot;
pub mod symbols;
mod terraform;
#[cfg(test)]
mod tests;
mod text;
mod unique;

pub use asl::{Ended, Ending, Publish, left_out};
use sha2::{Digest, Sha256};

pub use super::input::RequestError;
use super::input::{kind, meant};
use super::retry::{RetryError, RetryPolicy};
use super::run_task::RunTask;
pub use super::states::Acceptance;
use super::status::Status;
use super::time::Timestamp;
pub use attribute::{MessageAttribute, MessageAttributes};
pub use callback::{Callback, DurableCallback, Secret, Waiter, waiting};
pub use text::{document, documents, may_be_yaml};
pub use unique::json;

/// When a run has reached what it is for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "service", derive(utoipa::ToSchema))]
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
    /// Message attributes beside the usual ones, by status (`MessageAttributes` of sns:publish).
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub attributes: BTreeMap<Status, MessageAttributes>,
    /// `json` where the message of a status is an object of texts by protocol (`MessageStructure` of sns:publish).
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub structures: BTreeMap<Status, String>,
    /// A topic for one status where it differs (Step Functions' two publish states may name two topics).
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub topics: BTreeMap<Status, String>,
    /// What kind of message a topic gets; the cell's when left out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub format: Option<MessageFormat>,
    /// How many of the last lines of the container that failed are in the message, 1 to 50; none when left out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub log_lines: Option<u32>,
    /// What a state machine says behind its task, where that depends on how the task ended: evaluated then.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub after_task: Option<Box<Ending>>,
    /// The token of a Step Functions task that waits for the run (`.waitForTaskToken`): at the end it succeeds or fails, whatever `on` says.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub task_token: Option<Secret>,
    /// The callback of a Lambda durable function that waits for the run.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub durable_callback: Option<DurableCallback>,
    /// The time within which whoever waits must hear that the run lives (a state's `HeartbeatSeconds`): a heartbeat is sent three times in it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub heartbeat_seconds: Option<u64>,
    /// The run is stopped once nobody waits for it any more.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub stop_on_task_timeout: bool,
}

/// What kind of message a topic gets.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum MessageFormat {
    /// An event in EventBridge's envelope, for programs.
    #[default]
    Json,
    /// Amazon Q Developer's custom notification, for Slack and Teams.
    Chat,
    /// A few sentences, for mail.
    Text,
}

impl std::str::FromStr for MessageFormat {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "json" => Ok(Self::Json),
            "chat" => Ok(Self::Chat),
            "text" => Ok(Self::Text),
            _ => Err("expected json, chat or text".to_owned()),
        }
    }
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
    /// The first attempt is launched no earlier: an instant in ISO 8601.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub start_at: Option<Timestamp>,
    /// Seconds an attempt may take to reach RUNNING; none for imported state machines, as Step Functions has none.
    pub start_timeout_seconds: Option<u64>,
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
///
/// From JSON in any of its forms, checked as it is read; what is in it can then be changed by type:
///
/// ```
/// use taskwatch::{Goal, RunRequest};
///
/// let mut request: RunRequest = r#"{"cluster": "batch", "taskDefinition": "etl:7"}"#.parse()?;
/// request.spec.until = Goal::Stopped;
/// request.spec.timeout_seconds = Some(3600);
///
/// let wrong = r#"{"clustr": "batch", "taskDefinition": "etl:7"}"#.parse::<RunRequest>();
/// assert!(wrong.unwrap_err().message.contains("did you mean cluster"));
/// # Ok::<(), taskwatch::RequestError>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct RunRequest {
    /// The idempotency key, if given.
    pub name: Option<String>,
    /// How many runs; `None` when the request names no count (then the run is called `name`, not `name/0`).
    pub count: Option<u32>,
    /// What they share.
    pub spec: RunSpec,
    /// The digest of the document it was read from, where another acceptance would read it differently (`$$`, `States.UUID`): then
    /// this is what the same name is the same request by.
    pub identity: Option<[u8; 32]>,
}

impl From<RetryError> for RequestError {
    fn from(error: RetryError) -> Self {
        Self::new(error.0)
    }
}

impl RunRequest {
    /// Reads one request in any of its forms.
    pub fn parse(text: &str) -> Result<Self, RequestError> {
        Self::from_value(document(text)?)
    }

    /// Reads one request in any of its forms from parsed JSON. A Step Functions document that uses the context object or
    /// chance needs [`accept`](Self::accept).
    pub fn from_value(value: Value) -> Result<Self, RequestError> {
        Self::read(value, None, Goal::default())
    }

    /// Reads one request in any of its forms, and evaluates a Step Functions document as if its execution began at `at`.
    pub fn accept(value: Value, at: &Acceptance) -> Result<Self, RequestError> {
        Self::read(value, Some(at), Goal::default())
    }

    /// The same, where a request that does not say `until` has this goal: `taskwatch run` waits for the end.
    pub fn accept_until(value: Value, at: &Acceptance, goal: Goal) -> Result<Self, RequestError> {
        Self::read(value, Some(at), goal)
    }

    /// The same from its text.
    pub fn accept_text(text: &str, at: &Acceptance) -> Result<Self, RequestError> {
        Self::accept(document(text)?, at)
    }

    fn read(value: Value, at: Option<&Acceptance>, goal: Goal) -> Result<Self, RequestError> {
        if value.is_array() {
            return Err(RequestError::new(
                "an array is not a run request: send each of its requests by itself (a message of its own in the requests \
                 queue, a line of its own in NDJSON), or the array to POST /v1/runs or taskwatch submit",
            ));
        }
        if value.is_string() {
            return Err(RequestError::new(
                "this is neither JSON nor YAML of a request; of a machine in Terraform, CDK or Serverless take what is deployed: \
                 aws stepfunctions describe-state-machine --state-machine-arn ARN, terraform show -json, cdk synth",
            ));
        }
        let Value::Object(members) = &value else {
            return Err(RequestError::new(format!("a run request is a JSON object, not {}", kind(&value))));
        };
        let has = |name: &str| members.contains_key(name);
        let request = if asl::is_document(members) {
            asl::read(members, at)
        } else if has("runTask") || has("RunTask") {
            native::read(members, goal)
        } else if has("taskDefinition") || has("TaskDefinition") {
            bare(&value, goal)
        } else {
            Err(no_form(members))
        }?;
        callback::check(&request.spec.notify, request.count)?;
        if let Some(at) = at {
            native::check_start(request.spec.start_at, at.now)?;
        }
        Ok(request)
    }

    /// The request in its native form, with every default written out.
    pub fn to_value(&self) -> Value {
        let mut value = serde_json::to_value(&self.spec).unwrap_or_default();
        if let Some(name) = &self.name {
            value["name"] = Value::from(name.as_str());
        }
        if let Some(count) = self.count {
            value["runTask"]["count"] = Value::from(count);
        }
        value
    }

    /// The same as people are shown it: values of the environment and tokens of callbacks are masked, the values also where
    /// they stand in what a state machine does after its task.
    pub fn masked(&self) -> Value {
        let mut spec = self.spec.clone();
        spec.notify = spec.notify.masked();
        let mut value = Self { spec, ..self.clone() }.to_value();
        let count = value["runTask"]["count"].take();
        value["runTask"] = self.spec.run_task.masked();
        if !count.is_null() {
            value["runTask"]["count"] = count;
        }
        let placements: Vec<RunTask> = self.spec.placements.iter().cloned().map(RunTask).collect();
        value["placements"] = placements.iter().map(RunTask::masked).collect();
        if let Some(after) = value.pointer_mut("/notify/afterTask") {
            let all = std::iter::once(&self.spec.run_task).chain(&placements);
            mask::hide(after, &all.flat_map(RunTask::environment_values).filter(|value| !value.is_empty()).collect());
        }
        value
    }

    /// A digest of all that decides what runs (not of `name`): equal bodies, equal digests, whatever the order of
    /// members or the form it came in.
    pub fn digest(&self) -> [u8; 32] {
        if let Some(identity) = self.identity {
            return identity;
        }
        // serde_json's maps are sorted, so equal values have equal texts.
        let canonical = serde_json::json!([self.count, self.spec]).to_string();
        Sha256::digest(canonical.as_bytes()).into()
    }
}

impl TryFrom<Value> for RunRequest {
    type Error = RequestError;

    fn try_from(value: Value) -> Result<Self, RequestError> {
        Self::from_value(value)
    }
}

impl TryFrom<&str> for RunRequest {
    type Error = RequestError;

    fn try_from(text: &str) -> Result<Self, RequestError> {
        Self::parse(text)
    }
}

impl std::str::FromStr for RunRequest {
    type Err = RequestError;

    fn from_str(text: &str) -> Result<Self, RequestError> {
        Self::parse(text)
    }
}

/// Every request in a file: one JSON document, an array of requests, or one request a line.
pub fn parse_many(text: &str) -> Vec<Result<RunRequest, RequestError>> {
    match unique::stream(text) {
        Ok(documents) => documents
            .into_iter()
            .flat_map(|document| match document {
                Value::Array(items) => items,
                one => vec![one],
            })
            .map(RunRequest::from_value)
            .collect(),
        Err(_) if text::may_be_yaml(text) => vec![RunRequest::parse(text)],
        // Some line is broken: say which, and take the others.
        Err(_) => {
            let lines: Vec<_> = text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty()).collect();
            let alone = lines.len() == 1 || lines.iter().all(|(_, line)| RunRequest::parse(line).is_err());
            if alone {
                return vec![RunRequest::parse(text)];
            }
            let at = |n: usize| move |e: RequestError| RequestError::new(format!("line {}: {e}", n + 1));
            lines.into_iter().map(|(n, line)| RunRequest::parse(line).map_err(at(n))).collect()
        }
    }
}

/// A Step Functions document with the name of the state that is meant and the execution's input beside it, as one request.
pub fn with_input(document: Value, state: Option<&str>, input: Option<Value>) -> Result<Value, RequestError> {
    asl::with_input(document, state, input)
}

/// What is said of an object in none of the forms: a letter may be all that is wrong.
fn no_form(members: &Map<String, Value>) -> RequestError {
    let heads = ["runTask", "taskDefinition", "StartAt", "stateMachine"];
    if let Some(foreign) = foreign::of(members) {
        return RequestError::new(format!("this is {}: {}", foreign.name(), foreign.advice()));
    }
    let event = members.get("detail").and_then(Value::as_object).unwrap_or(members);
    if event.get("eventName").is_some_and(|name| name == "RunTask") {
        return RequestError::new(
            "this is CloudTrail's event of a RunTask call: give its requestParameters, which are the RunTask request",
        );
    }
    let meant = members.keys().find_map(|name| Some((name, meant(name, &heads)?)));
    RequestError::new(match meant {
        Some((name, head)) => format!("{name}: unknown; did you mean {head}?"),
        None => "not a run request: expected runTask (taskwatch), taskDefinition (RunTask) or States (Step Functions)"
            .to_owned(),
    })
}

/// The form `aws ecs run-task --cli-input-json` and Step Functions' `Parameters` have.
fn bare(value: &Value, until: Goal) -> Result<RunRequest, RequestError> {
    let ours = value.as_object().and_then(|members| members.keys().find(|name| native::is_member(name)));
    if let Some(name) = ours {
        return Err(RequestError::new(format!(
            "{name}: is not RunTask's; write the RunTask request under runTask, and {name} beside it"
        )));
    }
    let (run_task, count) = RunTask::from_value(value, "runTask")?;
    Ok(RunRequest { name: None, count, spec: RunSpec { until, ..RunSpec::new(run_task) }, identity: None })
}

impl RunSpec {
    /// A spec with the defaults of a request that says nothing else.
    pub fn new(run_task: RunTask) -> Self {
        Self {
            run_task,
            until: Goal::Running,
            retry: RetryPolicy::standard(),
            start_at: None,
            start_timeout_seconds: Some(900),
            timeout_seconds: None,
            attempt_timeout_seconds: None,
            decided_by: Vec::new(),
            placements: Vec::new(),
            queue: "default".to_owned(),
            priority: 0,
            inject_env: false,
            notify: Notify::default(),
        }
    }
}
