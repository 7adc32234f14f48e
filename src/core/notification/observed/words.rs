//! What others launched, in words for people: messages for a chat, and for a mail.

use serde_json::json;

use super::super::chat::{Message, block, code, escaped};
use super::super::fit::FULL;
use super::{About, ObservedAction, ObservedOutcome};
use crate::core::console;
use crate::core::name;
use crate::core::observe::{FailureKind, ObservedFailure, OpenSeries, SeriesChange};

impl About<'_> {
    /// The message of a mail.
    pub(super) fn text(&self) -> String {
        match self {
            Self::Failure(failed, outcome) => text_of_failure(failed, outcome),
            Self::Series(change) => of_series(change),
        }
    }

    /// The message of a chat: with its id, type and thread.
    pub(super) fn chat<'m>(&self, cell: &str, named: (&'m str, &'m str, String)) -> Message<'m> {
        match self {
            Self::Failure(failed, outcome) => chat_of_failure(failed, outcome, cell, named),
            Self::Series(change) => chat_of_series(change, cell, named),
        }
    }
}

/// What repeats, for people.
pub(super) fn of_series(change: &SeriesChange) -> String {
    match change {
        SeriesChange::Repeating(open) => format!(
            "{} failures of {} with {} since {}, launched by {}. The following ones are counted and not sent singly. What to do: {}.",
            open.failures, open.task_definition, open.error, open.since, open.launcher, open.hint
        ),
        SeriesChange::Quiet(open) => format!(
            "No more failures of {} with {}, launched by {}, since {}. There were {} since {}.",
            open.task_definition, open.error, open.launcher, open.last_at, open.failures, open.since
        ),
    }
}

/// `etl:7 never ran`, `etl:7 failed`, `etl:7 was refused`.
fn what_happened(failed: &ObservedFailure) -> String {
    let words = match failed.kind {
        FailureKind::LaunchRefused => "was refused",
        FailureKind::TaskFailed if failed.ran => "failed",
        FailureKind::TaskFailed => "never ran",
    };
    format!("{} {words}", failed.task_definition)
}

/// Who launched it, and how much of it is missing.
fn who_launched_it(failed: &ObservedFailure) -> String {
    let role = failed.role.as_deref().map(|role| format!(" as {}", name::in_arn(role))).unwrap_or_default();
    let missing = match (failed.missing, failed.count) {
        (Some(missing), Some(count)) => format!(" {missing} of {count} tasks were not placed."),
        _ => String::new(),
    };
    format!("Launched by {}{role} in cluster {}.{missing}", failed.launcher, failed.cluster)
}

/// Whether it is launched once more, where a policy asks for that.
fn once_more(outcome: &ObservedOutcome) -> Option<String> {
    match &outcome.run {
        Some(run) => Some(format!("Launched once more, as run {run}.")),
        None if outcome.action == ObservedAction::Retry => Some(format!("Not launched once more: {}.", outcome.why)),
        None => None,
    }
}

fn text_of_failure(failed: &ObservedFailure, outcome: &ObservedOutcome) -> String {
    let failure = &failed.failure;
    let mut lines = vec![format!("{}: {}.", what_happened(failed), FULL.cut(&failure.error)), who_launched_it(failed)];
    lines.push(format!("Cause: {}", FULL.cut(&failure.cause)));
    lines.push(format!("What to do: {}", failed.hint()));
    lines.extend(once_more(outcome));
    if let Some(task) = &failed.task_arn {
        lines.push(format!("Task: {}", console::task(task).unwrap_or_else(|| task.clone())));
    }
    lines.join("\n")
}

fn chat_of_failure<'m>(
    failed: &ObservedFailure,
    outcome: &ObservedOutcome,
    cell: &str,
    (id, event_type, thread): (&'m str, &'m str, String),
) -> Message<'m> {
    let failure = &failed.failure;
    let sign = if outcome.run.is_some() { "🔁" } else { "❌" };
    let mut description = vec![escaped(&who_launched_it(failed)), block(&FULL.cut(&failure.cause))];
    description.extend(once_more(outcome).map(|text| escaped(&text)));
    let mut next_steps = vec![escaped(&failed.hint())];
    next_steps.extend(outcome.run.iter().map(|run| code(&format!("taskwatch show {run}"))));
    let task = failed.task_arn.as_deref();
    next_steps.extend(task.and_then(console::task).map(|url| format!("The task: {url}")));
    Message {
        id,
        thread,
        event_type,
        title: format!("{sign} {}: {}", escaped(&what_happened(failed)), escaped(&failure.error)),
        description: description.join("\n"),
        next_steps,
        keywords: vec![failure.class.as_str().to_owned(), failed.family().to_owned()],
        resources: failed.task_arn.iter().cloned().collect(),
        context: json!({
            "cell": cell,
            "launcher": failed.launcher.to_string(),
            "cluster": failed.cluster,
            "taskDefinition": failed.task_definition,
            "status": "FAILED",
        }),
    }
}

fn chat_of_series<'m>(
    change: &SeriesChange,
    cell: &str,
    (id, event_type, thread): (&'m str, &'m str, String),
) -> Message<'m> {
    let (open, status, sign, words) = match change {
        SeriesChange::Repeating(open) => (open, "REPEATING", "❌", format!("fails repeatedly: {}", open.error)),
        SeriesChange::Quiet(open) => (open, "QUIET", "ℹ️", format!("no longer fails with {}", open.error)),
    };
    let OpenSeries { task_definition, launcher, cluster, cause, hint, class, examples, .. } = open;
    let next_steps = match change {
        SeriesChange::Repeating(_) => vec![escaped(hint)],
        SeriesChange::Quiet(_) => Vec::new(),
    };
    Message {
        id,
        thread,
        event_type,
        title: format!("{sign} {} {}", escaped(task_definition), escaped(&words)),
        description: format!("{}\n{}", escaped(&of_series(change)), block(&FULL.cut(cause))),
        next_steps,
        keywords: vec![class.as_str().to_owned(), name::family_of(task_definition).to_owned()],
        resources: examples.iter().cloned().collect(),
        context: json!({
            "cell": cell,
            "launcher": launcher.to_string(),
            "cluster": cluster,
            "taskDefinition": task_definition,
            "status": status,
        }),
    }
}
