//! A bare reason, as people paste it from a console, a log or a ticket.

use std::borrow::Cow;

use super::{Explanation, failed};
use crate::core::failure::{self, Failure};
use crate::core::task::{Container, Task};
use crate::core::verdict::{Deciders, Verdict};

/// Explains a text that is not JSON: what ECS says of a task that failed, or of a RunTask call. None for one that says nothing
/// that is known.
pub fn explain_reason(text: &str) -> Option<Explanation> {
    let text = text.trim().trim_matches(['"', '\'', '`']).trim();
    if !failure::says_something(text) && exit_code(text).is_none() {
        return None;
    }
    Some(failed(None, of_call(text).unwrap_or_else(|| of_task(text))))
}

/// The error of the call itself: `An error occurred (ClientException) when calling the RunTask operation: …`, as the AWS CLI and
/// boto3 print it, `ClientException: …`, or the reason of an entry of `failures[]`.
fn of_call(text: &str) -> Option<Failure> {
    if let Some((_, rest)) = text.split_once("An error occurred (") {
        let (name, rest) = rest.split_once(')')?;
        let message = rest.split_once(": ").map_or(rest, |(_, message)| message);
        return Some(failure::from_exception(name, message));
    }
    let (name, message) = text.split_once(':').unwrap_or((text, ""));
    let name = name.trim().trim_start_matches("ECS.");
    let word = |name: &str| !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric());
    if word(name) && name.ends_with("Exception") {
        return Some(failure::from_exception(name, message.trim()));
    }
    let reason = text.strip_prefix("AmazonECS.Unknown:").unwrap_or(text).trim();
    let refusal = !reason.contains(char::is_whitespace) && !reason.contains(|c: char| c.is_ascii_lowercase());
    (refusal || reason.len() < text.len()).then(|| failure::from_refusal(reason, None))
}

fn of_task(text: &str) -> Failure {
    // What tells of a container's own end stands in the container; `exited with 3` has its exit code.
    let exit_code = exit_code(text);
    let ended_itself = exit_code.is_some() || text.starts_with("OutOfMemory") || failure::is_container_exit(text);
    let container = Container {
        name: "unknown".into(),
        exit_code,
        reason: ended_itself.then_some(Cow::Borrowed(text)),
        ..Container::default()
    };
    let task = Task {
        last_status: "STOPPED".into(),
        stopped_reason: Some(if ended_itself { "Essential container in task exited".into() } else { text.into() }),
        containers: if ended_itself { vec![container] } else { Vec::new() },
        ..Task::default()
    };
    match task.verdict(Deciders::Unknown) {
        Verdict::Failed(failure) => Failure { cause: text.to_owned(), ..*failure },
        _ => failure::from_refusal(text, None),
    }
}

/// The code in `exited with code 3`, `Exit Code 137`, `exit code: 1`.
fn exit_code(text: &str) -> Option<i64> {
    let lower = text.to_ascii_lowercase();
    let (_, rest) = lower.split_once("exit")?;
    let rest = rest.strip_prefix("ed").unwrap_or(rest).trim_start();
    let rest = rest.strip_prefix("with").unwrap_or(rest).trim_start();
    let rest = rest.strip_prefix("code").unwrap_or(rest).trim_start_matches([' ', ':', '=']);
    let digits = rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len());
    rest[..digits].parse().ok().filter(|code| *code != 0)
}
