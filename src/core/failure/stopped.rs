//! Why a task that has ended was no success. The stop code says which text to believe; the table says what it means.

use super::table::{self, Meaning};
use super::text;
use super::{Class, Failure, Transience};
use crate::core::task::{Container, Task};

/// The failure of an ended task; `culprit` is the container whose end decided, if one did.
pub(in crate::core) fn stopped(task: &Task<'_>, culprit: Option<&Container<'_>>) -> Failure {
    let code = stop_code(task);
    let (meaning, text) = by_stop_code(task, code)
        .or_else(|| by_exit(task, culprit))
        .or_else(|| by_text(task, culprit))
        .or_else(|| by_code_alone(culprit))
        .or_else(|| by_name(code))
        .unwrap_or_else(|| (silent(task), ""));
    let meaning = if task.is_on_fargate() { meaning.on_fargate() } else { meaning };
    let prefix = text::prefix(text).unwrap_or_default();
    Failure::new(&[prefix, placement_name(text), code], meaning, cause(task, culprit))
}

/// Why a task is being stopped that has not ended yet, where its stop code settles it: the warning of Spot, a StopTask, maintenance.
pub(in crate::core) fn warned(task: &Task<'_>) -> Option<Failure> {
    let code = stop_code(task);
    let (meaning, reason) = by_stop_code(task, code)?;
    Some(Failure::new(&[code], meaning, reason.trim()))
}

/// ECS's stop code, or what it would be: events of 2017 and 2018 have none, and later ones lack it now and then.
fn stop_code<'t>(task: &'t Task<'_>) -> &'t str {
    let reason = || task.stopped_reason.as_deref().unwrap_or_default();
    let says = |begin: &str| reason().get(..begin.len()).is_some_and(|r| r.eq_ignore_ascii_case(begin));
    match task.stop_code.as_deref() {
        Some(code) => code,
        None if is_container_exit(reason()) => "EssentialContainerExited",
        None if says("Task failed to start") => "TaskFailedToStart",
        None if says("Your Spot Task was interrupted") => "SpotInterruption",
        None if says("Task stopped by user") => "UserInitiated",
        None if says("Scaling activity initiated by") => "ServiceSchedulerInitiated",
        None => "",
    }
}

/// Stop codes that settle it (DescribeTasks' `stopCode`; an open enum, and absent in old events).
fn by_stop_code<'t>(task: &'t Task<'_>, code: &str) -> Option<(Meaning, &'t str)> {
    let reason = task.stopped_reason.as_deref().unwrap_or_default();
    // Most tasks end by themselves: the table is asked only where its answer counts.
    let known = || table::known(reason);
    let or = |class, transience, hint| known().unwrap_or(Meaning::new(class, transience, table::hint(hint)));
    let meaning = match code {
        // Any text is possible here: it is the StopTask caller's.
        "UserInitiated" => Meaning::new(Class::Stopped, Transience::Permanent, table::hint("user")),
        "ServiceSchedulerInitiated" => {
            // The scheduler stops what is unhealthy, and what AWS must move, as well as what is one too many.
            let ill = || table::words(reason).filter(|m| matches!(m.class, Class::Application | Class::Host));
            let stopped = || Meaning::new(Class::Stopped, Transience::Permanent, table::hint("service"));
            known().or_else(ill).unwrap_or_else(stopped)
        }
        "SpotInterruption" => {
            let transience = known().filter(|k| k.class == Class::Spot).map_or(Transience::Elsewhere, |k| k.transience);
            Meaning::new(Class::Spot, transience, table::hint("spot"))
        }
        "TerminationNotice" => or(Class::Host, Transience::Transient, "maintenance"),
        "InfrastructureHealth" => or(Class::Host, Transience::Transient, "maintenance"),
        _ => return None,
    };
    Some((meaning, reason))
}

/// The program ended itself (or was killed in its own container).
fn by_exit<'t>(task: &'t Task<'_>, culprit: Option<&'t Container<'_>>) -> Option<(Meaning, &'t str)> {
    let ended_itself = match task.stopped_reason.as_deref() {
        Some(reason) => is_container_exit(reason),
        None => task.stop_code.as_deref() != Some("TaskFailedToStart"),
    };
    let container = culprit.filter(|_| ended_itself)?;
    let reason = container.reason.as_deref().unwrap_or_default();
    // Most programs end without one: the table is asked only where its answer counts. That the container ended says nothing more.
    let tells = !reason.is_empty() && !is_container_exit(text::message(reason));
    let told = if tells { table::meaning(reason) } else { None };
    told.or_else(|| by_code_alone(Some(container)).map(|(meaning, _)| meaning)).map(|meaning| (meaning, reason))
}

/// A container's exit code, where no text says more.
fn by_code_alone<'t>(culprit: Option<&'t Container<'_>>) -> Option<(Meaning, &'t str)> {
    let code = culprit?.exit_code.filter(|code| *code != 0)?;
    let meaning = Meaning::new(Class::Application, Transience::Application, exit_hint(code));
    Some((meaning, ""))
}

/// A stop code that is not known today still is made of words.
fn by_name(code: &str) -> Option<(Meaning, &str)> {
    let known = code.is_empty() || ["TaskFailedToStart", "EssentialContainerExited"].contains(&code);
    let meaning = if known { None } else { table::words(code) };
    meaning.map(|meaning| (meaning, ""))
}

/// The first text that the table knows, else the first whose words say something.
fn by_text<'t>(task: &'t Task<'_>, culprit: Option<&'t Container<'_>>) -> Option<(Meaning, &'t str)> {
    let containers = culprit.into_iter().chain(&task.containers).filter_map(|c| c.reason.as_deref());
    let telling = |text: &&str| !is_container_exit(text::message(text)) && !says_nothing(text);
    let texts = task.stopped_reason.as_deref().into_iter().chain(containers).chain(task.attachment_reason.as_deref());
    let texts: Vec<&str> = texts.filter(telling).collect();
    let look = |f: fn(&str) -> Option<Meaning>| texts.iter().find_map(|text| f(text).map(|m| (m, *text)));
    // A prefix is ECS's own name of the failure, also where nothing else is known of it.
    let prefixed = || texts.iter().find(|t| text::prefix(t).is_some()).map(|t| (silent(task), *t));
    look(table::known).or_else(|| look(table::meaning)).or_else(prefixed)
}

fn silent(task: &Task<'_>) -> Meaning {
    let disconnected = task.connectivity.as_deref() == Some("DISCONNECTED");
    if disconnected {
        return Meaning::new(Class::Host, Transience::Elsewhere, table::hint("agent"));
    }
    if stop_code(task) == "EssentialContainerExited" {
        return Meaning::new(Class::Host, Transience::Transient, table::hint("no-exit-code"));
    }
    let told = task.containers.iter().any(|c| c.reason.is_some());
    let hint = match task.stopped_reason.as_deref() {
        None if !told => table::hint("nothing"),
        Some(reason) if !told && says_nothing(reason) => table::hint("start"),
        _ => table::hint("unknown-stop"),
    };
    Meaning::new(Class::Service, Transience::Transient, hint)
}

/// `Essential container in task exited` is the reason of success as well as of failure.
pub(in crate::core) fn is_container_exit(text: &str) -> bool {
    let text = text.trim_start().to_ascii_lowercase();
    text.starts_with("essential container") || text.starts_with("essentialcontainerexited")
}

/// A reason beside `EssentialContainerExited` that is known to tell of something worse than a container's end.
pub(in crate::core) fn has_another_cause(text: &str) -> bool {
    table::known(text).is_some()
}

fn says_nothing(text: &str) -> bool {
    let text = text.trim().trim_end_matches('.');
    ["Task failed to start", "TaskFailedToStart"].iter().any(|nothing| text.eq_ignore_ascii_case(nothing))
}

/// `RESOURCE:MEMORY` in `TaskFailedToStart: RESOURCE:MEMORY`: the reason that RunTask itself would have given.
fn placement_name(text: &str) -> &str {
    let reason = text::message(text);
    let name = reason.split_whitespace().next().unwrap_or_default();
    let is_name = name == reason.trim() && !name.is_empty() && !name.chars().any(|c| c.is_ascii_lowercase());
    if is_name { name } else { "" }
}

fn cause(task: &Task<'_>, culprit: Option<&Container<'_>>) -> String {
    let mut parts: Vec<String> = task.stopped_reason.iter().map(|r| r.trim().to_owned()).collect();
    let others = task.containers.iter().filter(|c| c.reason.is_some());
    let mut told: Vec<&str> = Vec::new();
    for container in culprit.into_iter().chain(others) {
        if told.contains(&container.name.as_ref()) {
            continue;
        }
        told.push(&container.name);
        let exit = container.exit_code.map(|code| format!(" exited with {code}")).unwrap_or_default();
        let reason = container.reason.as_ref().map(|r| format!(": {}", r.trim())).unwrap_or_default();
        if !exit.is_empty() || !reason.is_empty() {
            parts.push(format!("container {:?}{exit}{reason}", container.name));
        }
    }
    parts.extend(task.attachment_reason.iter().map(|r| format!("attachment: {}", r.trim())));
    if parts.is_empty() {
        let code = task.stop_code.as_deref().unwrap_or("no stop code");
        return format!("the task ended ({code}) and ECS gave no reason and no exit code");
    }
    parts.join("; ")
}

/// Exit codes of shells and signals: 126, 127 by POSIX sh; 128 + n for signal n; 255 by runtimes and by `exit -1`.
fn exit_hint(code: i64) -> &'static str {
    match code {
        126 => "126: the command was found but is not executable",
        127 => "127: the command was not found in the image",
        134 => "134: the program aborted itself (SIGABRT)",
        137 => "137: killed (SIGKILL), most often for want of memory: raise memory; or it took too long to stop",
        139 => "139: the program crashed (segmentation fault)",
        143 => "143: it was asked to stop (SIGTERM): see what stopped it",
        255 => "255: the entry point failed, or the exit code was out of range",
        _ => table::hint("exit"),
    }
}
