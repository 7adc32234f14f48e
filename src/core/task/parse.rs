//! Reads events and tasks: borrowed where it can be, lenient in what it takes.

use std::borrow::Cow;
use std::sync::LazyLock;

use memchr::memmem::Finder;
use serde::de::{IgnoredAny, MapAccess};
use serde_json::Value;
use serde_json::value::RawValue;

use super::lenient::{Instant, List, Members, Object, Text, Whole};
use super::{Container, EventError, Notice, Task, TaskEvent};

/// An EventBridge envelope, or SNS's around one.
#[derive(Default)]
struct Envelope<'a> {
    id: Text<'a>,
    source: Text<'a>,
    detail_type: Text<'a>,
    account: Text<'a>,
    region: Text<'a>,
    resources: List<Text<'a>>,
    detail: Option<Task<'a>>,
    /// SNS: `Notification`, and the text it carries.
    kind: Text<'a>,
    message: Text<'a>,
}

impl<'de> Members<'de> for Envelope<'de> {
    fn member<A: MapAccess<'de>>(&mut self, name: &str, map: &mut A) -> Result<(), A::Error> {
        match name {
            "id" => self.id = map.next_value()?,
            "source" => self.source = map.next_value()?,
            "detail-type" => self.detail_type = map.next_value()?,
            "account" => self.account = map.next_value()?,
            "region" => self.region = map.next_value()?,
            "resources" => self.resources = map.next_value()?,
            "detail" => self.detail = Some(map.next_value::<Object<Task<'de>>>()?.0),
            "type" => self.kind = map.next_value()?,
            "message" => self.message = map.next_value()?,
            _ => drop(map.next_value::<IgnoredAny>()?),
        }
        Ok(())
    }
}

impl<'de> Members<'de> for Task<'de> {
    fn member<A: MapAccess<'de>>(&mut self, name: &str, map: &mut A) -> Result<(), A::Error> {
        match name {
            "taskArn" => self.task_arn = text(map)?,
            "clusterArn" => self.cluster_arn = text(map)?,
            "taskDefinitionArn" => self.task_definition_arn = text(map)?,
            "startedBy" => self.started_by = map.next_value::<Text<'de>>()?.0,
            "group" => self.group = map.next_value::<Text<'de>>()?.0,
            "version" => self.version = map.next_value::<Whole>()?.0.unwrap_or(0),
            "lastStatus" => self.last_status = text(map)?,
            "desiredStatus" => self.desired_status = text(map)?,
            "launchType" => self.launch_type = map.next_value::<Text<'de>>()?.0,
            "stopCode" => self.stop_code = map.next_value::<Text<'de>>()?.0,
            "stoppedReason" => self.stopped_reason = map.next_value::<Text<'de>>()?.0,
            "healthStatus" => self.health_status = map.next_value::<Text<'de>>()?.0,
            "createdAt" => self.created_at = map.next_value::<Instant>()?.0,
            "startedAt" => self.started_at = map.next_value::<Instant>()?.0,
            "executionStoppedAt" => self.execution_stopped_at = map.next_value::<Instant>()?.0,
            "stoppedAt" => self.stopped_at = map.next_value::<Instant>()?.0,
            "pullStartedAt" => self.pull_started_at = map.next_value::<Instant>()?.0,
            "pullStoppedAt" => self.pull_stopped_at = map.next_value::<Instant>()?.0,
            "connectivity" => self.connectivity = map.next_value::<Text<'de>>()?.0,
            "attachments" => self.attachment_reason = attachment_reason(map.next_value()?),
            "containers" => {
                let containers: List<Object<Container<'de>>> = map.next_value()?;
                self.containers = containers.0.into_iter().map(|c| c.0).collect();
            }
            _ => drop(map.next_value::<IgnoredAny>()?),
        }
        Ok(())
    }
}

impl<'de> Members<'de> for Container<'de> {
    fn member<A: MapAccess<'de>>(&mut self, name: &str, map: &mut A) -> Result<(), A::Error> {
        match name {
            "name" => self.name = text(map)?,
            "lastStatus" => self.last_status = text(map)?,
            "exitCode" => self.exit_code = map.next_value::<Whole>()?.0,
            "reason" => self.reason = map.next_value::<Text<'de>>()?.0,
            "runtimeId" => self.runtime_id = map.next_value::<Text<'de>>()?.0,
            _ => drop(map.next_value::<IgnoredAny>()?),
        }
        Ok(())
    }
}

/// One attachment, and one detail of it.
#[derive(Default)]
struct Attachment<'a> {
    details: List<Object<Detail<'a>>>,
}

#[derive(Default)]
struct Detail<'a> {
    name: Text<'a>,
    value: Text<'a>,
}

impl<'de> Members<'de> for Attachment<'de> {
    fn member<A: MapAccess<'de>>(&mut self, name: &str, map: &mut A) -> Result<(), A::Error> {
        match name {
            "details" => self.details = map.next_value()?,
            _ => drop(map.next_value::<IgnoredAny>()?),
        }
        Ok(())
    }
}

impl<'de> Members<'de> for Detail<'de> {
    fn member<A: MapAccess<'de>>(&mut self, name: &str, map: &mut A) -> Result<(), A::Error> {
        match name {
            "name" => self.name = map.next_value()?,
            "value" => self.value = map.next_value()?,
            _ => drop(map.next_value::<IgnoredAny>()?),
        }
        Ok(())
    }
}

/// The name of the detail that tells why an attachment failed.
const REASON: &str = "statusReason";
/// `str::contains` would prepare its search for every event, which takes as long as the search.
static HAS_REASON: LazyLock<Finder<'static>> = LazyLock::new(|| Finder::new(REASON));

/// Nearly every task has attachments, and next to none of them a reason: they are read only where one is.
fn attachment_reason<'de>(attachments: &'de RawValue) -> Option<Cow<'de, str>> {
    let text = Some(attachments.get()).filter(|text| HAS_REASON.find(text.as_bytes()).is_some())?;
    let List(attachments) = serde_json::from_str::<List<Object<Attachment<'_>>>>(text).ok()?;
    let mut details = attachments.into_iter().flat_map(|a| a.0.details.0);
    details.find_map(|d| d.0.value.0.filter(|_| d.0.name.0.as_deref() == Some(REASON)))
}

fn text<'de, A: MapAccess<'de>>(map: &mut A) -> Result<Cow<'de, str>, A::Error> {
    Ok(map.next_value::<Text<'de>>()?.0.unwrap_or_default())
}

/// Reads one message body of the events queue without copying what it can borrow.
///
/// # Errors
/// A body that is no JSON object, or a task event that names no task.
pub fn parse_notice(body: &str) -> Result<Notice<'_>, EventError> {
    let wrong = |why: &str| EventError(format!("{why}: {}", body.chars().take(80).collect::<String>()));
    if !body.trim_start().starts_with('{') {
        return Err(wrong("no JSON object"));
    }
    let Object(envelope) = serde_json::from_str::<Object<Envelope<'_>>>(body).map_err(|e| wrong(&e.to_string()))?;
    if let (Some("Notification"), Some(message)) = (envelope.kind.0.as_deref(), &envelope.message.0) {
        // A topic without raw delivery stands between the rule and the queue. Its message is escaped, so it is copied.
        return from_topic(message).ok_or_else(|| wrong("an SNS notification without an event"));
    }
    notice(envelope, body).ok_or_else(|| wrong("a task event that names no task"))
}

fn from_topic(message: &str) -> Option<Notice<'static>> {
    let Object(envelope) = serde_json::from_str::<Object<Envelope<'_>>>(message).ok()?;
    match notice(envelope, message)? {
        Notice::Foreign(what) => Some(Notice::Foreign(what)),
        Notice::Task(event) => Some(Notice::Task(Box::new(TaskEvent {
            id: Cow::Owned(event.id.into_owned()),
            account: Cow::Owned(event.account.into_owned()),
            region: Cow::Owned(event.region.into_owned()),
            task: event.task.into_owned(),
        }))),
    }
}

fn notice<'a>(envelope: Envelope<'a>, body: &'a str) -> Option<Notice<'a>> {
    let source = envelope.source.0.unwrap_or_default();
    let detail_type = envelope.detail_type.0.unwrap_or_default();
    if source != "aws.ecs" || detail_type != "ECS Task State Change" {
        return Some(Notice::Foreign(format!("{source}: {detail_type}")));
    }
    let mut task = envelope.detail.unwrap_or_default();
    task.whole = Some(Cow::Borrowed(body));
    if task.task_arn.is_empty() {
        task.task_arn = envelope.resources.0.into_iter().find_map(|r| r.0)?;
    }
    Some(Notice::Task(Box::new(TaskEvent {
        id: envelope.id.0.unwrap_or_default(),
        account: envelope.account.0.unwrap_or_default(),
        region: envelope.region.0.unwrap_or_default(),
        task,
    })))
}

/// Reads a task as the API or Step Functions shows it, in camelCase or PascalCase.
pub fn parse_task(value: &Value) -> Task<'static> {
    serde_json::from_str::<Object<Task<'_>>>(&value.to_string()).map(|task| task.0.into_owned()).unwrap_or_default()
}
