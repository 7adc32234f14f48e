//! What happened to a task and what to do: for any ECS JSON a user has at hand.

mod batch;
mod cut_off;
mod documents;
mod embedded;
mod members;
mod plain_text;
mod reason;
#[cfg(test)]
mod tests;
#[cfg(test)]
mod unsaid_tests;
mod visit;
mod waiting;
mod warning;
#[cfg(test)]
mod wrapped_tests;

pub use documents::Broken;
pub use reason::{explain_reason, is_stop_code};
use serde::Serialize;

use super::failure::{self, Class, Failure, Transience};
use super::request::{document, may_be_yaml};
use super::task::{Container, Task};
use super::verdict::{Deciders, Verdict};

/// What happened to one task, or to one refusal of a task.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Explanation {
    /// The task; none for a refusal without one.
    pub task_arn: Option<String>,
    /// `SUCCEEDED`, `FAILED`, `RUNNING` or `STARTING`.
    pub status: &'static str,
    /// The most specific name of its failure.
    pub error: Option<String>,
    /// The failure's class.
    pub class: Option<Class>,
    /// Whether another try can help.
    pub transience: Option<Transience>,
    /// What ECS said; of a task that has not started, what it is at and since when.
    pub cause: Option<String>,
    /// What to do; none where nothing is wrong. One that runs and is to be stopped has a class and a hint, and no error yet.
    pub hint: Option<String>,
    /// The names that `ErrorEquals` can match.
    pub names: Vec<String>,
}

/// All that a text explains.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Explained {
    /// One for each task or refusal, in the text's order.
    pub tasks: Vec<Explanation>,
    /// Events about something else than a task, by what they are: `ECS Service Action: SERVICE_STEADY_STATE, arn:…`.
    pub others: Vec<String>,
    /// Answers without a task and without a failure.
    pub empty: usize,
    /// How many documents, these events among them, are not about a task.
    pub skipped: usize,
    /// What of the text is no JSON.
    pub broken: Vec<Broken>,
}

/// Explains every task in a text: ECS events, DescribeTasks and RunTask answers and errors, Step Functions' outputs and
/// causes, AWS Batch jobs, whatever wraps them (SQS and SNS messages, log events), as one document, an array, or one after the
/// other; one document in YAML too. What is no JSON is told beside them. A text without any JSON is read as bare reasons.
///
/// `decided_by` names the containers whose exit codes decide; empty: not known.
pub fn explain(text: &str, decided_by: &[String]) -> Explained {
    let deciders = if decided_by.is_empty() { Deciders::Unknown } else { Deciders::Named(decided_by) };
    let mut explained = Explained::default();
    let broken = documents::documents(text, |document| visit::document(document, deciders, &mut explained));
    let nothing = explained.tasks.is_empty() && explained.others.is_empty() && explained.empty == 0;
    if nothing && let Some(explained) = of_a_part(text, deciders) {
        return explained;
    }
    if nothing && !text.trim_start().starts_with(['{', '[']) {
        if let Some(explained) = of_yaml(text, deciders) {
            return explained;
        }
        let reasons = plain_text::explain(text);
        if !reasons.tasks.is_empty() || !reasons.broken.is_empty() {
            return reasons;
        }
        if text.trim().is_empty() {
            return explained;
        }
        explained.broken =
            vec![Broken { line: 1, column: 1, why: "it is a text, and no reason that is known".to_owned() }];
        return explained;
    }
    explained.broken = broken;
    explained
}

/// What a document that is cut off explains, and what a program prints in the middle of a text.
fn of_a_part(text: &str, deciders: Deciders<'_>) -> Option<Explained> {
    let mut explained = Explained::default();
    if text.trim_start().starts_with(['{', '[']) {
        visit::cut_off(text, deciders, &mut explained);
        if !explained.tasks.is_empty() {
            let line = text.trim_end().lines().count();
            let why = "it is cut off; what is missing may say more".to_owned();
            explained.broken = vec![Broken { line, column: 1, why }];
            return Some(explained);
        }
    }
    embedded::values(text).iter().for_each(|value| visit::document(value, deciders, &mut explained));
    explained.skipped = 0;
    // A reason may stand beside an answer that holds no task.
    let empty = explained.tasks.is_empty() && explained.empty > 0;
    if empty && !text.trim_start().starts_with(['{', '[']) {
        let reasons = plain_text::explain(text);
        return Some(if reasons.tasks.is_empty() { explained } else { reasons });
    }
    (empty || !explained.tasks.is_empty()).then_some(explained)
}

/// What the AWS CLI's `--output yaml` explains; none of a text that is something else.
fn of_yaml(text: &str, deciders: Deciders<'_>) -> Option<Explained> {
    let document = may_be_yaml(text).then(|| document(text).ok()).flatten()?;
    let mut explained = Explained::default();
    visit::document(&document, deciders, &mut explained);
    (!explained.tasks.is_empty() || !explained.others.is_empty() || explained.empty > 0).then_some(explained)
}

/// Explains one task that is known already.
pub fn explain_task(task: &Task<'_>, deciders: Deciders<'_>) -> Explanation {
    let arn = Some(task.task_arn.to_string()).filter(|a| !a.is_empty());
    match task.verdict(deciders) {
        Verdict::Succeeded => succeeded(arn, task),
        Verdict::Starting => starting(arn, task),
        Verdict::Running => plain(arn, "RUNNING"),
        Verdict::Stopping if has_been_running(task) => warning::warned(task, plain(arn, "RUNNING")),
        Verdict::Stopping => starting(arn, task),
        Verdict::Failed(failure) => failed(arn, *failure),
    }
}

/// Whether a task that is to be stopped has been RUNNING: startedAt may be missing, and its status says as much.
fn has_been_running(task: &Task<'_>) -> bool {
    let is = |status: &str, any: &[&str]| any.iter().any(|one| status.eq_ignore_ascii_case(one));
    task.has_run()
        || is(&task.last_status, &["RUNNING", "DEACTIVATING"])
        || task.containers.iter().any(|container| is(&container.last_status, &["RUNNING"]))
}

fn starting(arn: Option<String>, task: &Task<'_>) -> Explanation {
    let (cause, hint) = waiting::waiting(task);
    Explanation { cause: Some(cause), hint: Some(hint), ..plain(arn, "STARTING") }
}

/// A container beside those that decide may have run out of memory all the same.
fn succeeded(arn: Option<String>, task: &Task<'_>) -> Explanation {
    let told = |c: &&Container<'_>| c.reason.as_deref().is_some_and(|reason| reason.contains("OutOfMemory"));
    let Some(container) = task.containers.iter().find(told) else { return plain(arn, "SUCCEEDED") };
    let reason = container.reason.as_deref().unwrap_or_default().trim();
    let exit = container.exit_code.map(|code| format!(" exited with {code}")).unwrap_or_default();
    let cause = format!("it succeeded, but container {:?}{exit}: {reason}", container.name);
    let hint = failure::out_of_memory_hint().to_owned();
    Explanation { cause: Some(cause), hint: Some(hint), ..plain(arn, "SUCCEEDED") }
}

fn plain(task_arn: Option<String>, status: &'static str) -> Explanation {
    let names = Vec::new();
    Explanation { task_arn, status, error: None, class: None, transience: None, cause: None, hint: None, names }
}

fn failed(task_arn: Option<String>, failure: Failure) -> Explanation {
    let lines = format!("taskwatch explain {} --logs", task_arn.as_deref().unwrap_or("TASK_ARN"));
    let hint = failure.hint_with(&lines);
    Explanation {
        task_arn,
        status: "FAILED",
        error: Some(failure.error),
        class: Some(failure.class),
        transience: Some(failure.transience),
        cause: Some(failure.cause),
        hint: Some(hint),
        names: failure.names,
    }
}
