//! Messages of a few sentences, as people read them in a mail.

use super::fit::Fit;
use crate::core::console;
use crate::core::name;
use crate::core::run::{Run, Status};

/// The message of a run's end.
pub(super) fn of_run(run: &Run, fit: &Fit) -> String {
    let failure = run.failure().filter(|_| run.ended_by.is_some());
    let words = match run.status {
        Status::Succeeded => "succeeded",
        Status::TimedOut => "timed out",
        Status::Aborted => "was aborted",
        _ => "failed",
    };
    let attempts = match run.attempts.total() {
        1 => "1 attempt".to_owned(),
        total => format!("{total} attempts"),
    };
    let why = failure.map(|failure| format!(": {}", fit.cut(&failure.error))).unwrap_or_default();
    let (definition, cluster) = (name::in_arn(run.task_definition()), name::in_arn(run.cluster()));
    let mut lines = vec![format!("{} {words} after {attempts}{why}.", run.name)];
    lines.push(format!("Task definition {definition}, cluster {cluster}."));
    if let Some(failure) = failure {
        lines.push(format!("Cause: {}", fit.cut(&failure.cause)));
        lines.push(format!("What to do: {}", failure.hint_for(&run.name)));
        let attempt = run.attempt();
        let task = attempt.and_then(|attempt| attempt.task_arn.as_ref()).map(ToString::to_string);
        if let Some(task) = task {
            lines.push(format!("Task: {}", console::task(&task).unwrap_or(task)));
        }
        let log = attempt.filter(|attempt| attempt.has_run()).and_then(|attempt| attempt.log_view());
        lines.extend(log.and_then(|log| log.url.or(log.why)).map(|place| format!("Log: {place}")));
    }
    lines.push(format!("Run: {}", run.id));
    lines.join("\n")
}
