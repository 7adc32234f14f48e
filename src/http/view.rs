//! Runs as the API shows them. Values of environment variables never leave the process here.

use serde_json::{Value, json};

use crate::core::notification;
use crate::core::run::{Attempt, Run};

/// A run in a list.
pub(super) fn brief(run: &Run) -> Value {
    let last = run.attempt();
    json!({
        "run": run.id,
        "name": run.name,
        "status": run.status,
        "queue": run.spec.queue,
        "taskDefinition": run.spec.run_task.task_definition(),
        "attempts": run.attempts.len(),
        "taskArn": last.and_then(|a| a.task_arn.as_deref()),
        "error": run.failure().map(|f| &f.error),
        "class": run.failure().map(|f| f.class),
        "exitCode": last.and_then(|a| a.exit_code),
        "submittedAt": run.submitted_at,
        "finishedAt": run.finished_at,
    })
}

/// A run with every attempt and its times.
pub(super) fn full(run: &Run, cell: &str) -> Value {
    let mut value = notification::detail(run, cell);
    value["attempts"] = run.attempts.iter().map(attempt).collect();
    value["exitCode"] = run.attempt().and_then(|a| a.exit_code).into();
    value["queue"] = run.spec.queue.as_str().into();
    value["priority"] = run.spec.priority.into();
    value["until"] = json!(run.spec.until);
    value["retryAt"] = json!(run.retry_at);
    value
}

fn attempt(attempt: &Attempt) -> Value {
    let failure = attempt.failure.as_ref();
    json!({
        "number": attempt.number,
        "stage": attempt.stage,
        "taskArn": attempt.task_arn,
        "lastStatus": attempt.last_status,
        "error": failure.map(|f| &f.error),
        "class": failure.map(|f| f.class),
        "transience": failure.map(|f| f.transience),
        "cause": failure.map(|f| &f.cause),
        "hint": failure.map(|f| &f.hint),
        "names": failure.map(|f| &f.names),
        "exitCode": attempt.exit_code,
        "placement": attempt.placement,
        "queuedAt": attempt.queued_at,
        "launchedAt": attempt.launched_at,
        "createdAt": attempt.created_at,
        "startedAt": attempt.started_at,
        "stoppedAt": attempt.stopped_at,
    })
}
