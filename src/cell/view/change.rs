//! How a run looks to those who follow the cell.

use std::sync::Arc;

use uuid::Uuid;

use crate::core::failure::Class;
use crate::core::filter::{Filtered, is_named};
use crate::core::ids::TaskArn;
use crate::core::pattern;
use crate::core::request::RunSpec;
use crate::core::run::{Run, Status};
use crate::core::task::TaskStatus;
use crate::core::time::Timestamp;

/// A run changed, durably or in a way that need not be (see [`crate::core::machine::ChangeKind`]).
#[derive(Clone, Debug)]
pub struct RunChange {
    /// The run.
    pub run: Uuid,
    /// Its name.
    pub name: String,
    /// Its status now.
    pub status: Status,
    /// Whether that is its last.
    pub is_final: bool,
    /// What it shares with its siblings.
    pub spec: Arc<RunSpec>,
    /// The number of its newest attempt.
    pub attempt: u32,
    /// How many attempts were launched.
    pub launched: usize,
    /// That attempt's task.
    pub task_arn: Option<TaskArn>,
    /// The exit code that decided.
    pub exit_code: Option<i64>,
    /// When it was accepted.
    pub submitted_at: Timestamp,
    /// When it ended.
    pub finished_at: Option<Timestamp>,
    /// When its next attempt is due.
    pub retry_at: Option<Timestamp>,
    /// How often it was begun again after its end.
    pub redrives: u32,
    /// When it was last begun again.
    pub redriven_at: Option<Timestamp>,
    /// The task's last status seen.
    pub last_status: Option<TaskStatus>,
    /// The newest attempt's failure.
    pub error: Option<String>,
    /// The class of that failure.
    pub class: Option<Class>,
    /// What ECS said of it.
    pub cause: Option<String>,
    /// What to do about it.
    pub hint: Option<String>,
}

/// What a follower of another process's cells learns.
#[derive(Clone, Debug)]
pub enum Moved {
    /// A run changed.
    Change(Arc<RunChange>),
    /// There were changes that are not told one by one.
    Missed,
}

impl RunChange {
    /// How a run looks now.
    pub fn of(run: &Run) -> Self {
        let last = run.attempt();
        Self {
            run: run.id,
            name: run.name.clone(),
            status: run.status,
            is_final: run.status.is_final(),
            spec: Arc::clone(&run.spec),
            attempt: last.map_or(0, |a| a.number),
            launched: run.attempts.launched(),
            task_arn: last.and_then(|a| a.task_arn.clone()),
            exit_code: last.and_then(|a| a.exit_code),
            submitted_at: run.submitted_at,
            finished_at: run.finished_at,
            retry_at: run.retry_at,
            redrives: run.redrives,
            redriven_at: run.redriven_at,
            last_status: last.and_then(|a| a.last_status.clone()),
            error: run.failure().map(|f| f.error.clone()),
            class: run.failure().map(|f| f.class),
            cause: run.failure().map(|f| f.cause.clone()),
            hint: run.failure().map(|f| f.hint_for(&run.name)),
        }
    }
}

impl Filtered for RunChange {
    fn status(&self) -> Option<Status> {
        Some(self.status)
    }

    fn queue(&self) -> &str {
        &self.spec.queue
    }

    fn name(&self) -> &str {
        &self.name
    }

    fn failed_with(&self, error: &str) -> bool {
        self.error.as_deref().is_some_and(|known| is_named(error, known))
    }

    fn exit_code(&self) -> Option<i64> {
        self.exit_code
    }

    fn cause_has(&self, wanted: &str) -> bool {
        self.cause.as_deref().is_some_and(|cause| pattern::finds(wanted, cause))
    }

    fn task_definition(&self) -> &str {
        self.spec.run_task.task_definition()
    }

    fn cluster(&self) -> &str {
        self.spec.run_task.cluster()
    }

    fn submitted_at(&self) -> Timestamp {
        self.submitted_at
    }
}

impl RunChange {
    /// Tells the log of an attempt that failed and of a run that ended.
    pub(in crate::cell) fn log(&self) {
        let Self { run, name, attempt, task_arn, error, cause, .. } = self;
        let task_arn = task_arn.as_ref().map(tracing::field::display);
        let status = self.status.as_str();
        match (self.status, error) {
            (Status::Succeeded, _) => tracing::info!(%run, name, attempt, task_arn, status, "a run ended"),
            (Status::PendingRetry, Some(error)) => {
                tracing::info!(%run, name, attempt, task_arn, error, cause, "an attempt failed")
            }
            (_, Some(error)) if self.is_final => {
                tracing::warn!(%run, name, attempt, task_arn, status, error, cause, "a run ended")
            }
            _ => {
                let last_status = self.last_status.as_ref().map(TaskStatus::as_str);
                tracing::debug!(%run, name, attempt, task_arn, status, last_status, "a run changed")
            }
        }
    }
}
