//! RunTask calls as CloudTrail tells of them (EventBridge user guide, "AWS service events delivered via CloudTrail";
//! CloudTrail user guide, "CloudTrail record contents").
//!
//! `responseElements` has `tasks` and `failures`, as the API's answer. On EC2 `failures` may have an entry for each container instance
//! that did not fit, so what is missing is what was asked for less what was placed.

use serde::Deserialize;
use serde_json::{Map, Value};

use super::{FailureKind, ObservedFailure, id};
use crate::core::failure::{self, Failure};
use crate::core::launcher::Launcher;
use crate::core::name;
use crate::core::time::Timestamp;

/// The `source: detail-type` of such an event.
pub const CALL: &str = "aws.ecs: AWS API Call via CloudTrail";
/// The token had launched its tasks before: nothing is missing (ECS API reference, RunTask).
const CONFLICT: &str = "ConflictException";
/// RunTask takes no longer `startedBy` (API reference). Who sends one wants nothing launched: `doctor` asks so whether it may.
const MOST_STARTED_BY: usize = 128;
/// Reasons that are named in a cause.
const MOST_REASONS: usize = 5;

/// One RunTask call of anybody's.
#[derive(Clone, Debug, PartialEq)]
pub struct RunTaskRecord {
    /// CloudTrail's id of the call.
    pub event_id: String,
    /// When it was made.
    pub at: Timestamp,
    /// Who made it, by `startedBy`.
    pub launcher: Launcher,
    /// `startedBy` itself.
    pub started_by: Option<String>,
    /// The ARN of the role (or of the user) that made it.
    pub role: Option<String>,
    /// The request; values of environment variables are `HIDDEN_DUE_TO_SECURITY_REASONS`.
    pub request: Map<String, Value>,
    /// Tasks asked for.
    pub count: u32,
    /// Tasks that were placed, by ARN.
    pub tasks: Vec<String>,
    /// Why others were not: reason and detail, as ECS gave them.
    pub failures: Vec<(String, Option<String>)>,
    /// The exception that was answered, and its message.
    pub error: Option<(String, String)>,
    /// Whether the record has the answer: what is too large for a record is left out.
    pub is_answered: bool,
}

/// EventBridge's envelope, or SNS's around one.
#[derive(Deserialize)]
struct Envelope {
    #[serde(default)]
    detail: Detail,
    #[serde(rename = "Message")]
    message: Option<String>,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase", default)]
struct Detail {
    #[serde(rename = "eventID")]
    event_id: String,
    event_source: String,
    event_name: String,
    event_time: String,
    user_identity: Value,
    error_code: Option<String>,
    error_message: Option<String>,
    request_parameters: Option<Map<String, Value>>,
    response_elements: Option<Value>,
}

impl RunTaskRecord {
    /// Reads the message of such an event; none of another call than RunTask.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn read(message: &str) -> Result<Option<Self>, String> {
        let read = |text: &str| serde_json::from_str::<Envelope>(text).map_err(|e| e.to_string());
        let envelope = read(message)?;
        let detail = match &envelope.message {
            Some(inner) => read(inner)?.detail,
            None => envelope.detail,
        };
        Self::of_run_task(detail)
    }

    /// Reads a record by itself, as CloudTrail's event history has it.
    ///
    /// # Errors
    /// As of [`Self::read`].
    pub fn of_record(record: &Value) -> Result<Option<Self>, String> {
        Self::of_run_task(Detail::deserialize(record).map_err(|e| e.to_string())?)
    }

    fn of_run_task(detail: Detail) -> Result<Option<Self>, String> {
        if detail.event_source != "ecs.amazonaws.com" || detail.event_name != "RunTask" {
            return Ok(None);
        }
        let started_by = detail.request_parameters.as_ref().and_then(|request| request.get("startedBy")?.as_str());
        if started_by.is_some_and(|mark| mark.chars().count() > MOST_STARTED_BY) {
            return Ok(None);
        }
        if detail.event_id.is_empty() {
            return Err("a call without eventID".to_owned());
        }
        Ok(Some(Self::of(detail)))
    }

    fn of(detail: Detail) -> Self {
        let request = detail.request_parameters.unwrap_or_default();
        let text = |name: &str| request.get(name).and_then(Value::as_str).map(str::to_owned);
        let answer = detail.response_elements.unwrap_or_default();
        let list = |name: &str| answer[name].as_array().into_iter().flatten();
        let told = |value: &Value| value.as_str().filter(|text| !text.is_empty()).map(str::to_owned);
        let (started_by, group) = (text("startedBy"), text("group"));
        let count = request.get("count").and_then(Value::as_u64).and_then(|count| u32::try_from(count).ok());
        Self {
            event_id: detail.event_id,
            at: Timestamp::parse(&detail.event_time).unwrap_or_default(),
            launcher: Launcher::of(started_by.as_deref(), group.as_deref(), &text("cluster").unwrap_or_default()),
            started_by,
            role: role(&detail.user_identity),
            count: count.unwrap_or(1),
            tasks: list("tasks").filter_map(|task| told(&task["taskArn"])).collect(),
            failures: list("failures")
                .map(|failure| (told(&failure["reason"]).unwrap_or_default(), told(&failure["detail"])))
                .collect(),
            error: detail.error_code.map(|code| (code, detail.error_message.unwrap_or_default())),
            is_answered: answer.is_object(),
            request,
        }
    }

    /// How many tasks were not placed. None where the record does not tell.
    pub fn missing(&self) -> Option<u32> {
        match &self.error {
            Some((code, _)) if code.contains(CONFLICT) => None,
            Some(_) => Some(self.count),
            None if self.is_answered => {
                Some(self.count.saturating_sub(u32::try_from(self.tasks.len()).unwrap_or(u32::MAX)))
            }
            None => None,
        }
    }

    /// The launch that was refused, all of it or a part; none where nothing is missing.
    pub fn refusal(&self) -> Option<ObservedFailure> {
        let missing = self.missing().filter(|missing| *missing > 0)?;
        let text = |name: &str| self.request.get(name).and_then(Value::as_str);
        Some(ObservedFailure {
            id: id("call", &self.event_id),
            kind: FailureKind::LaunchRefused,
            at: self.at,
            launcher: self.launcher.clone(),
            role: self.role.clone(),
            cluster: name::in_arn(text("cluster").unwrap_or("default")).to_owned(),
            task_definition: name::in_arn(text("taskDefinition").unwrap_or_default()).to_owned(),
            task_arn: None,
            count: Some(self.count),
            missing: Some(missing),
            ran: false,
            exit_code: None,
            failure: self.failure(),
        })
    }

    /// By its first reason; the cause names the others too.
    fn failure(&self) -> Failure {
        if let Some((code, message)) = &self.error {
            return failure::from_exception(code, message);
        }
        let Some((reason, detail)) = self.failures.first() else { return failure::from_refusal("", None) };
        let failure = failure::from_refusal(reason, detail.as_deref());
        let mut others: Vec<&str> = Vec::new();
        for (reason, _) in self.failures.iter().skip(1) {
            if reason != &self.failures[0].0 && !others.contains(&reason.as_str()) && others.len() < MOST_REASONS {
                others.push(reason);
            }
        }
        if others.is_empty() {
            return failure;
        }
        Failure { cause: format!("{}; also {}", failure.cause, others.join(", ")), ..failure }
    }
}

/// The role whose session called, or whoever did.
fn role(identity: &Value) -> Option<String> {
    let text = |value: &Value| value.as_str().filter(|text| !text.is_empty()).map(str::to_owned);
    text(&identity["sessionContext"]["sessionIssuer"]["arn"]).or_else(|| text(&identity["arn"]))
}
