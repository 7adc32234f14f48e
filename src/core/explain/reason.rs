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
    if let Some(reason) = of_stop_code(text) {
        return Some(failed(None, of_reason(text, reason)));
    }
    let tells =
        failure::says_something(text) || exit_code(text).is_some() || names_an_exit(text) || refused_in(text).is_some();
    if !tells && !text.starts_with("States.") && !text.contains("An error occurred (") && of_an_sdk(text).is_none() {
        return None;
    }
    Some(failed(None, of_call(text).unwrap_or_else(|| of_task(text))))
}

/// What ECS says beside a stop code that stands alone.
fn of_stop_code(text: &str) -> Option<&'static str> {
    match text {
        "TaskFailedToStart" => Some("Task failed to start"),
        "EssentialContainerExited" => Some("Essential container in task exited"),
        "UserInitiated" => Some("Task stopped by user"),
        "ServiceSchedulerInitiated" => Some("Scaling activity initiated by the service scheduler"),
        "SpotInterruption" => Some("Your Spot Task was interrupted."),
        "TerminationNotice" => Some("Host EC2 (instance) terminated."),
        "InfrastructureHealth" => Some("Infrastructure health"),
        _ => None,
    }
}

/// Whether a text is a stop code of ECS's, without anything else.
pub fn is_stop_code(text: &str) -> bool {
    of_stop_code(text).is_some()
}

/// `ECS task 1 failed: Essential container in task exited`.
fn names_an_exit(text: &str) -> bool {
    !failure::has_ecs_name(text) && text.to_ascii_lowercase().contains("essential container in task exited")
}

/// The error of the call itself: `An error occurred (ClientException) when calling the RunTask operation: …`, as the AWS CLI and
/// boto3 print it, `ClientException: …`, or the reason of an entry of `failures[]`.
fn of_call(text: &str) -> Option<Failure> {
    if let Some((_, rest)) = text.split_once("An error occurred (") {
        let (name, rest) = rest.split_once(')')?;
        // `… when calling the RunTask operation (reached max retries: 4): Rate exceeded`.
        let (_, rest) = rest.split_once(" operation").unwrap_or(("", rest));
        let rest = rest.strip_prefix(" (").and_then(|rest| rest.split_once(')')).map_or(rest, |(_, rest)| rest);
        let message = rest.split_once(':').map_or(rest, |(_, message)| message);
        return Some(failure::from_exception(name, message.trim()));
    }
    if let Some(name) = text.strip_prefix("States.") {
        let end = name.find(|c: char| !c.is_ascii_alphanumeric()).unwrap_or(name.len());
        let cause = name[end..].trim_start_matches([':', ',', ' ']);
        return Some(failure::from_step_functions(&text[.."States.".len() + end], cause));
    }
    if let Some((name, message)) = of_an_sdk(text) {
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
    if refusal || reason.len() < text.len() {
        return Some(failure::from_refusal(reason, None));
    }
    refused_in(text).map(|reason| failure::from_refusal(reason, None))
}

/// The reason of an entry of `failures[]` that a program prints: `unable to run tasks: RESOURCE:MEMORY`. What ECS says of a task that
/// it had taken (`TaskFailedToStart: RESOURCE:MEMORY`) is the task's.
fn refused_in(text: &str) -> Option<&str> {
    const NAMES: [&str; 5] = ["AGENT", "ATTRIBUTE", "LOCATION", "MISSING", "INACTIVE"];
    if failure::has_ecs_name(text) || text.to_ascii_lowercase().contains("failedtostart") {
        return None;
    }
    if let Some(at) = text.find("RESOURCE:") {
        let end =
            text[at..].find(|c: char| !matches!(c, 'A'..='Z' | ':' | '_' | '*')).map_or(text.len(), |end| at + end);
        return Some(text[at..end].trim_end_matches(':')).filter(|reason| *reason != "RESOURCE");
    }
    // Other words in capitals are words: only what ends the text, behind a sign, is its reason.
    let signs = |c: char| matches!(c, '"' | '\'' | '`' | ')' | ']' | '}' | '.') || c.is_whitespace();
    let text = text.trim_end_matches(signs);
    let name = NAMES.into_iter().find(|name| text.ends_with(name))?;
    let before = text[..text.len() - name.len()].trim_end();
    before.ends_with([':', '=', '[', '(', '"', '\'', '`']).then_some(name)
}

/// An exception of RunTask in the words of SDKs, services and programs: `software.amazon.awssdk.services.ecs.model.ClientException: …`,
/// `operation error ECS: RunTask, …, InvalidParameterException: …`, `ERROR_CODE=…, ERROR_MESSAGE=…`, `Failed to run task: …`.
fn of_an_sdk(text: &str) -> Option<(&str, &str)> {
    const SAID: [&str; 7] = [
        "services.ecs.",
        "operation error ecs",
        "runtask",
        "run-task",
        "run task",
        "run ecs task",
        "invocation of ecs target",
    ];
    let lower = text.to_ascii_lowercase();
    if failure::has_ecs_name(text) || !SAID.iter().any(|said| lower.contains(said)) {
        return None;
    }
    let mut ends = text.match_indices("Exception").map(|(at, word)| at + word.len());
    ends.find_map(|end| {
        let begin = text[..end].rfind(|c: char| !c.is_ascii_alphanumeric()).map_or(0, |at| at + 1);
        let message = [": ", ", ERROR_MESSAGE="].iter().find_map(|sign| text[end..].strip_prefix(sign));
        let message = message.or_else(|| text[end..].is_empty().then_some(""))?;
        let is_name =
            text[begin..end].len() > "Exception".len() && text[begin..].starts_with(|c: char| c.is_ascii_uppercase());
        is_name.then_some((&text[begin..end], message))
    })
}

/// The failure of a task that is known by its stop code, and by what ECS says beside it.
fn of_reason(code: &str, reason: &str) -> Failure {
    let task = Task {
        last_status: "STOPPED".into(),
        stop_code: Some(code.into()),
        stopped_reason: Some(reason.into()),
        ..Task::default()
    };
    match task.verdict(Deciders::Unknown) {
        Verdict::Failed(failure) => Failure { cause: code.to_owned(), ..*failure },
        _ => failure::from_refusal(code, None),
    }
}

fn of_task(text: &str) -> Failure {
    // What tells of a container's own end stands in the container; `exited with 3` has its exit code.
    let exit_code = exit_code(text);
    let ended_itself = exit_code.is_some()
        || text.starts_with("OutOfMemory")
        || failure::is_container_exit(text)
        || names_an_exit(text);
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

/// The code in `exited with code 3`, `Exit Code 137`, `exit code: 1`, `exit status 2`.
fn exit_code(text: &str) -> Option<i64> {
    let lower = text.to_ascii_lowercase();
    // A program that calls the AWS CLI tells of the CLI's own end.
    if lower.contains("returned non-zero") {
        return None;
    }
    lower.match_indices("exit").find_map(|(at, exit)| {
        let rest = &lower[at + exit.len()..];
        let rest = rest.strip_prefix("ed").unwrap_or(rest).trim_start();
        let rest = rest.strip_prefix("with").unwrap_or(rest).trim_start();
        let status = rest.strip_prefix("status").filter(|_| !failure::has_ecs_name(text));
        let rest = status.or_else(|| rest.strip_prefix("code")).unwrap_or(rest).trim_start_matches([' ', ':', '=']);
        let digits = rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len());
        rest[..digits].parse().ok().filter(|code| *code != 0)
    })
}
