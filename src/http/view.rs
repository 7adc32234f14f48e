//! Runs as the API shows them. Values of environment variables never leave the process here.

use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::cell::{RunChange, WaitingFor};
use crate::core::failure::{Class, Transience};
use crate::core::ids::TaskArn;
use crate::core::log::LogView;
use crate::core::request::Goal;
use crate::core::run::{Attempt, Run, Stage, Status};
use crate::core::task::TaskStatus;
use crate::core::time::Timestamp;
use crate::front::Seen;

/// What a list shows of a cause; the whole of it is with the run's attempt.
const CAUSE_CHARS: usize = 300;

/// A run in a list or in the stream.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = RunSummary)]
pub(super) struct Brief {
    /// Its id.
    run: Uuid,
    /// Its idempotency key.
    name: String,
    status: Status,
    /// Whether that is its last status.
    #[serde(rename = "final")]
    is_final: bool,
    /// The queue whose share of the launch slots it takes.
    queue: String,
    /// As the request names it.
    task_definition: String,
    /// As the request names it.
    cluster: String,
    /// How many attempts were launched: 0 as long as it waits for its first task.
    attempts: usize,
    /// How often it was begun again after its end.
    redrives: u32,
    /// When it was last begun again: how long it took counts from here, else from `submittedAt`.
    #[schema(value_type = Option<String>, format = DateTime)]
    redriven_at: Option<Timestamp>,
    /// Why it has no task yet: while it is `QUEUED` or `PENDING_RETRY`, and not in the stream.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    waiting_for: Option<WaitingFor>,
    /// The newest attempt's task.
    #[schema(value_type = Option<String>)]
    task_arn: Option<TaskArn>,
    /// The task's last status seen.
    #[schema(value_type = Option<String>)]
    last_status: Option<TaskStatus>,
    /// What ended it, or the newest attempt's failure.
    error: Option<String>,
    class: Option<Class>,
    /// What ECS said of it, cut.
    cause: Option<String>,
    /// What to do about it.
    hint: Option<String>,
    /// The exit code that decided.
    exit_code: Option<i64>,
    #[schema(value_type = String, format = DateTime)]
    submitted_at: Timestamp,
    /// When its next attempt is due.
    #[schema(value_type = Option<String>, format = DateTime)]
    retry_at: Option<Timestamp>,
    #[schema(value_type = Option<String>, format = DateTime)]
    finished_at: Option<Timestamp>,
}

impl From<&RunChange> for Brief {
    fn from(change: &RunChange) -> Self {
        Self {
            run: change.run,
            name: change.name.clone(),
            status: change.status,
            is_final: change.is_final,
            queue: change.spec.queue.clone(),
            task_definition: change.spec.run_task.task_definition().to_owned(),
            cluster: change.spec.run_task.cluster().to_owned(),
            attempts: change.launched,
            redrives: change.redrives,
            redriven_at: change.redriven_at,
            waiting_for: None,
            task_arn: change.task_arn.clone(),
            last_status: change.last_status.clone(),
            error: change.error.clone(),
            class: change.class,
            cause: change.cause.as_deref().map(cut),
            hint: change.hint.clone(),
            exit_code: change.exit_code,
            submitted_at: change.submitted_at,
            retry_at: change.retry_at,
            finished_at: change.finished_at,
        }
    }
}

/// A cause as lists have it.
pub(super) fn cut(cause: &str) -> String {
    cause.chars().take(CAUSE_CHARS).collect()
}

/// Runs in a list, as they are now.
pub(super) fn briefs(runs: &[Seen]) -> Vec<Brief> {
    let brief = |one: &Seen| Brief { waiting_for: one.waiting_for.clone(), ..Brief::from(&RunChange::of(&one.run)) };
    runs.iter().map(brief).collect()
}

/// A run with every attempt.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = Run)]
pub(super) struct Full {
    run: Uuid,
    name: String,
    /// The cell that has it.
    cell: String,
    status: Status,
    #[serde(rename = "final")]
    is_final: bool,
    /// What ended it, unless it succeeded.
    error: Option<String>,
    class: Option<Class>,
    cause: Option<String>,
    /// What to do about it.
    hint: Option<String>,
    exit_code: Option<i64>,
    /// Why it has no task yet: while it is `QUEUED` or `PENDING_RETRY`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    waiting_for: Option<WaitingFor>,
    /// Oldest first. Of very many, the first 10 and the last 50 at least.
    attempts: Vec<Try>,
    /// How many attempts are left out, between the first and the last ones.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    attempts_omitted: Option<usize>,
    /// The RunTask request, every environment value as `***`.
    #[schema(value_type = Object)]
    run_task: Value,
    until: Goal,
    queue: String,
    priority: i64,
    redrives: u32,
    #[schema(value_type = Option<String>, format = DateTime)]
    redriven_at: Option<Timestamp>,
    /// Why somebody asked it to stop.
    stop_reason: Option<String>,
    #[schema(value_type = String, format = DateTime)]
    submitted_at: Timestamp,
    /// When its next attempt is due.
    #[schema(value_type = Option<String>, format = DateTime)]
    retry_at: Option<Timestamp>,
    #[schema(value_type = Option<String>, format = DateTime)]
    finished_at: Option<Timestamp>,
}

/// Runs with every attempt and its times, as they are now.
pub(super) fn fulls(runs: &[Seen]) -> Vec<Full> {
    runs.iter().map(|one| full(&one.run, &one.cell, one.waiting_for.clone())).collect()
}

fn full(run: &Run, cell: &str, waiting_for: Option<WaitingFor>) -> Full {
    let failure = run.failure().filter(|_| run.status.is_final() && run.ended_by.is_some());
    Full {
        run: run.id,
        name: run.name.clone(),
        cell: cell.to_owned(),
        status: run.status,
        is_final: run.status.is_final(),
        error: failure.map(|f| f.error.clone()),
        class: failure.map(|f| f.class),
        cause: failure.map(|f| f.cause.clone()),
        hint: failure.map(|f| f.hint_for(&run.name)),
        exit_code: run.attempt().and_then(|a| a.exit_code),
        waiting_for,
        attempts: run.attempts.iter().map(|attempt| Try::of(attempt, &run.name)).collect(),
        attempts_omitted: Some(run.attempts.omitted()).filter(|omitted| *omitted > 0),
        run_task: run.spec.run_task.masked(),
        until: run.spec.until,
        queue: run.spec.queue.clone(),
        priority: run.spec.priority,
        redrives: run.redrives,
        redriven_at: run.redriven_at,
        stop_reason: run.stop_asked.clone(),
        submitted_at: run.submitted_at,
        retry_at: run.retry_at,
        finished_at: run.finished_at,
    }
}

/// One try of a run: one task, or one refusal.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = Attempt)]
struct Try {
    /// From 1.
    number: u32,
    stage: Stage,
    #[schema(value_type = Option<String>)]
    task_arn: Option<TaskArn>,
    #[schema(value_type = Option<String>)]
    last_status: Option<TaskStatus>,
    error: Option<String>,
    class: Option<Class>,
    transience: Option<Transience>,
    cause: Option<String>,
    /// What to do about it.
    hint: Option<String>,
    /// Every name that `ErrorEquals` can match.
    names: Option<Vec<String>>,
    exit_code: Option<i64>,
    /// 0 is the request as it stands, n the n-th of `placements`.
    placement: usize,
    /// When it began to wait for its launch slot.
    #[schema(value_type = Option<String>, format = DateTime)]
    queued_at: Option<Timestamp>,
    /// When RunTask was sent.
    #[schema(value_type = Option<String>, format = DateTime)]
    launched_at: Option<Timestamp>,
    #[schema(value_type = Option<String>, format = DateTime)]
    created_at: Option<Timestamp>,
    #[schema(value_type = Option<String>, format = DateTime)]
    pull_started_at: Option<Timestamp>,
    #[schema(value_type = Option<String>, format = DateTime)]
    pull_stopped_at: Option<Timestamp>,
    #[schema(value_type = Option<String>, format = DateTime)]
    started_at: Option<Timestamp>,
    #[schema(value_type = Option<String>, format = DateTime)]
    stopped_at: Option<Timestamp>,
    /// Where the lines of the container that decided are; null while the task has not ended, and where its task definition
    /// could not be read.
    log: Option<LogView>,
}

impl Try {
    fn of(attempt: &Attempt, run: &str) -> Self {
        let failure = attempt.failure.as_ref();
        Self {
            number: attempt.number,
            stage: attempt.stage,
            task_arn: attempt.task_arn.clone(),
            last_status: attempt.last_status.clone(),
            error: failure.map(|f| f.error.clone()),
            class: failure.map(|f| f.class),
            transience: failure.map(|f| f.transience),
            cause: failure.map(|f| f.cause.clone()),
            hint: failure.map(|f| f.hint_for(run)),
            names: failure.map(|f| f.names.clone()),
            exit_code: attempt.exit_code,
            placement: attempt.placement,
            queued_at: attempt.queued_at,
            launched_at: attempt.launched_at,
            created_at: attempt.created_at,
            pull_started_at: attempt.pull_started_at,
            pull_stopped_at: attempt.pull_stopped_at,
            started_at: attempt.started_at,
            stopped_at: attempt.stopped_at,
            log: attempt.log_view(),
        }
    }
}
