//! What ECS says about a task, in an event or in a DescribeTasks answer.

mod lenient;
mod outcome;
mod parse;
mod status;
#[cfg(test)]
mod tests;

#[cfg(feature = "service")]
pub(crate) use outcome::members;
pub use parse::{parse_notice, parse_task};
pub use status::TaskStatus;

use std::borrow::Cow;

use super::time::Timestamp;

/// One ECS task as an event's `detail` or DescribeTasks shows it.
#[derive(Clone, Debug, Default)]
pub struct Task<'a> {
    /// The task's ARN.
    pub task_arn: Cow<'a, str>,
    /// The cluster's ARN.
    pub cluster_arn: Cow<'a, str>,
    /// The task definition's ARN, with revision.
    pub task_definition_arn: Cow<'a, str>,
    /// Who started it: `<cell>/<token>` for ours.
    pub started_by: Option<Cow<'a, str>>,
    /// `family:F` unless the launcher said otherwise; `service:NAME` of a service's.
    pub group: Option<Cow<'a, str>>,
    /// Rises with each change; equal in duplicates. 0 when not given.
    pub version: i64,
    /// PROVISIONING … STOPPED, or a status not known today.
    pub last_status: Cow<'a, str>,
    /// RUNNING or STOPPED.
    pub desired_status: Cow<'a, str>,
    /// EC2, FARGATE, EXTERNAL or MANAGED_INSTANCES; of Fargate's capacity providers FARGATE.
    pub launch_type: Option<Cow<'a, str>>,
    /// An open enum; absent in old events.
    pub stop_code: Option<Cow<'a, str>>,
    /// Free text.
    pub stopped_reason: Option<Cow<'a, str>>,
    /// HEALTHY, UNHEALTHY or UNKNOWN: DescribeTasks only, events carry none.
    pub health_status: Option<Cow<'a, str>>,
    /// When RunTask took it.
    pub created_at: Option<Timestamp>,
    /// When it reached RUNNING.
    pub started_at: Option<Timestamp>,
    /// When its containers had ended.
    pub execution_stopped_at: Option<Timestamp>,
    /// When it was STOPPED.
    pub stopped_at: Option<Timestamp>,
    /// When image pull began.
    pub pull_started_at: Option<Timestamp>,
    /// When image pull ended.
    pub pull_stopped_at: Option<Timestamp>,
    /// CONNECTED or DISCONNECTED: the agent's link (or Fargate's).
    pub connectivity: Option<Cow<'a, str>>,
    /// Why an attachment failed: `statusReason` of an EBS volume (API reference, Attachment).
    pub attachment_reason: Option<Cow<'a, str>>,
    /// In no order that means anything; may be empty.
    pub containers: Vec<Container<'a>>,
    /// All that ECS said, as JSON: the event, or the task alone. Nobody reads it unless a run's messages or callback need it.
    pub whole: Option<Cow<'a, str>>,
}

/// One container of a task.
#[derive(Clone, Debug, Default)]
pub struct Container<'a> {
    /// Its name in the task definition.
    pub name: Cow<'a, str>,
    /// Its own status.
    pub last_status: Cow<'a, str>,
    /// Absent when it never ran or nobody knows: absent is not 0.
    pub exit_code: Option<i64>,
    /// Free text, with ECS's prefix.
    pub reason: Option<Cow<'a, str>>,
    /// Docker's id of it, or Fargate's: absent until it was made.
    pub runtime_id: Option<Cow<'a, str>>,
}

/// An EventBridge envelope around a task.
#[derive(Clone, Debug, Default)]
pub struct TaskEvent<'a> {
    /// EventBridge's event id.
    pub id: Cow<'a, str>,
    /// The account of the task.
    pub account: Cow<'a, str>,
    /// The region of the task.
    pub region: Cow<'a, str>,
    /// The task.
    pub task: Task<'a>,
}

/// What a message of the events queue holds.
#[derive(Clone, Debug)]
pub enum Notice<'a> {
    /// An ECS Task State Change.
    Task(Box<TaskEvent<'a>>),
    /// Some other event, by source and detail-type: counted and deleted.
    Foreign(String),
}

/// A message that is no event at all.
#[derive(Clone, Debug, thiserror::Error)]
#[error("not an EventBridge event: {0}")]
pub struct EventError(pub String);

fn own(text: Cow<'_, str>) -> Cow<'static, str> {
    Cow::Owned(text.into_owned())
}

impl Task<'_> {
    /// Whether it is known to run on Fargate.
    pub fn is_on_fargate(&self) -> bool {
        self.launch_type.as_deref().is_some_and(|kind| kind.eq_ignore_ascii_case("FARGATE"))
    }

    /// Whether its state says how it ended. DEPROVISIONING does, 13 s and more before STOPPED on Fargate.
    pub fn has_ended(&self) -> bool {
        matches!(self.last_status.as_ref(), "DEPROVISIONING" | "STOPPED" | "DELETED")
    }

    /// Whether ECS has taken it down: its network interface and its vCPUs are free.
    pub fn has_stopped(&self) -> bool {
        matches!(self.last_status.as_ref(), "STOPPED" | "DELETED")
    }

    /// Whether a container of it may have done anything: it reached RUNNING, or one of its containers has an exit code.
    pub fn has_run(&self) -> bool {
        self.started_at.is_some() || self.containers.iter().any(|container| container.exit_code.is_some())
    }

    /// The same task, holding its own text.
    pub fn into_owned(self) -> Task<'static> {
        Task {
            task_arn: own(self.task_arn),
            cluster_arn: own(self.cluster_arn),
            task_definition_arn: own(self.task_definition_arn),
            started_by: self.started_by.map(own),
            group: self.group.map(own),
            version: self.version,
            last_status: own(self.last_status),
            desired_status: own(self.desired_status),
            launch_type: self.launch_type.map(own),
            stop_code: self.stop_code.map(own),
            stopped_reason: self.stopped_reason.map(own),
            health_status: self.health_status.map(own),
            attachment_reason: self.attachment_reason.map(own),
            created_at: self.created_at,
            started_at: self.started_at,
            execution_stopped_at: self.execution_stopped_at,
            stopped_at: self.stopped_at,
            pull_started_at: self.pull_started_at,
            pull_stopped_at: self.pull_stopped_at,
            connectivity: self.connectivity.map(own),
            containers: self.containers.into_iter().map(Container::into_owned).collect(),
            whole: self.whole.map(own),
        }
    }
}

impl Container<'_> {
    /// The same container, holding its own text.
    pub fn into_owned(self) -> Container<'static> {
        Container {
            name: own(self.name),
            last_status: own(self.last_status),
            exit_code: self.exit_code,
            reason: self.reason.map(own),
            runtime_id: self.runtime_id.map(own),
        }
    }
}
