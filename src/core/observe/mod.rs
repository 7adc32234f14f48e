//! Tasks that others launch: which of them failed, which launches were refused, and what is to be done about it.

mod policy;
mod record;
mod repeat;
#[cfg(test)]
mod repeat_tests;
mod repeating;
mod seen;
mod settings;
#[cfg(test)]
mod tests;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

pub use policy::{Action, Decision, Policy, RetryRules, decide};
pub use record::{CALL, RunTaskRecord};
pub use repeat::{Again, LaunchTarget, Repeat, TAG, repeated};
pub use repeating::{OpenSeries, Series, SeriesChange, Told};
pub use seen::{NOTES, Seen};
pub use settings::{OneOrMore, PolicySettings};

use super::failure::Failure;
use super::launcher::Launcher;
use super::log::LogPlace;
use super::name;
use super::task::Task;
use super::time::Timestamp;
use super::verdict::{Deciders, Verdict};

/// What failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "service", derive(utoipa::ToSchema))]
#[serde(rename_all = "kebab-case")]
pub enum FailureKind {
    /// A task that never ran, or whose program failed.
    TaskFailed,
    /// A RunTask call that placed fewer tasks than were asked for.
    LaunchRefused,
}

/// A failure of a task or a launch of somebody else's.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ObservedFailure {
    /// The same whenever and however often the same failure is told: a function of the task's ARN or the call's event id.
    pub id: Uuid,
    /// What failed.
    pub kind: FailureKind,
    /// When, by ECS or CloudTrail.
    pub at: Timestamp,
    /// Who launched it.
    pub launcher: Launcher,
    /// The IAM role or user that called RunTask; CloudTrail alone tells it.
    pub role: Option<String>,
    /// The cluster's name.
    pub cluster: String,
    /// `family:revision`; of a refused launch as the request names it.
    pub task_definition: String,
    /// The task, if there was one.
    pub task_arn: Option<String>,
    /// Of a refused launch: tasks asked for.
    pub count: Option<u32>,
    /// Of a refused launch: tasks that were not placed.
    pub missing: Option<u32>,
    /// Whether a container of it ran.
    pub ran: bool,
    /// The exit code that decided.
    pub exit_code: Option<i64>,
    /// Why.
    pub failure: Failure,
}

/// Where a task that failed wrote its lines.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ObservedLog {
    /// The task.
    pub task_arn: String,
    /// The log of the container that decided.
    pub place: LogPlace,
}

impl FailureKind {
    /// Both.
    pub const ALL: [Self; 2] = [Self::TaskFailed, Self::LaunchRefused];

    /// As answers have it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::TaskFailed => "task-failed",
            Self::LaunchRefused => "launch-refused",
        }
    }
}

impl ObservedFailure {
    /// The failure that a task's state tells of; none of a task that goes on, or ended well.
    pub fn of_task(task: &Task<'_>, deciders: Deciders<'_>, now: Timestamp) -> Option<Self> {
        let Verdict::Failed(failure) = task.has_ended().then(|| task.verdict(deciders))? else { return None };
        let started_by = task.started_by.as_deref();
        Some(Self {
            id: id("task", &task.task_arn),
            kind: FailureKind::TaskFailed,
            at: task.stopped_at.or(task.execution_stopped_at).unwrap_or(now),
            launcher: Launcher::of(started_by, task.group.as_deref(), &task.cluster_arn),
            role: None,
            cluster: name::in_arn(&task.cluster_arn).to_owned(),
            task_definition: name::in_arn(&task.task_definition_arn).to_owned(),
            task_arn: Some(task.task_arn.to_string()),
            count: None,
            missing: None,
            ran: task.has_run(),
            exit_code: task.exit_code(deciders),
            failure: *failure,
        })
    }

    /// What to do about it; of a program that failed with the command that shows what it wrote.
    pub fn hint(&self) -> String {
        let task = self.task_arn.as_deref().unwrap_or("TASK_ARN");
        self.failure.hint_with(&format!("taskwatch explain {task} --logs"))
    }

    /// The task definition's family.
    pub fn family(&self) -> &str {
        name::family_of(&self.task_definition)
    }
}

/// The id of a failure: of a task, or of a call.
fn id(what: &str, of: &str) -> Uuid {
    Uuid::new_v5(&Uuid::NAMESPACE_OID, format!("taskwatch observed {what} {of}").as_bytes())
}
