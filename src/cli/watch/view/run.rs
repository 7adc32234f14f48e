//! One run: what was asked, and every attempt with its times, its cause and what to do, the newest first.

use ratatui::style::Style;
use ratatui::text::{Line, Span};

use super::super::data::{Attempt, Full};
use super::super::state::{Looked, State};
use super::figures::heading;
use super::look::Look;
use super::words::{age, between, fit, flow, instants, second, whole, wrap};
use crate::cli::failure::Failure;
use crate::core::time::Timestamp;

pub(super) fn lines(looked: &Looked, state: &State, look: &Look, cells: usize) -> Vec<Line<'static>> {
    let Some(full) = &looked.full else {
        let text = looked.problem.as_deref().unwrap_or("asking the cell …");
        let mut lines = vec![Line::styled(looked.name.clone(), look.strong())];
        lines.extend(wrap("", text, cells, if looked.problem.is_some() { look.bad() } else { look.quiet() }));
        return lines;
    };
    let mut lines = about(full, state, look, cells);
    if let Some(problem) = &looked.problem {
        lines.extend(wrap("", &format!("this may be old: {problem}"), cells, look.bad()));
    }
    let mut later: Option<u32> = None;
    for attempt in full.attempts.iter().rev() {
        lines.push(Line::default());
        let omitted = later.map_or(0, |later| later.saturating_sub(attempt.number + 1));
        if omitted > 0 {
            lines.push(Line::styled(format!("{omitted} attempts are left out"), look.quiet()));
            lines.push(Line::default());
        }
        later = Some(attempt.number);
        lines.extend(tried(attempt, state.now(), look, cells));
    }
    lines
}

fn about(full: &Full, state: &State, look: &Look, cells: usize) -> Vec<Line<'static>> {
    let now = state.now();
    let mut lines = wrap("", &full.name, cells, look.strong());
    let mut head = vec![vec![Span::styled(full.status.clone(), look.status(&full.status).patch(look.strong()))]];
    let ago = |at: Timestamp| format!("{} ({} ago)", second(at), age(at, now));
    let began = full.redriven_at.unwrap_or(full.submitted_at);
    let ended = full.finished_at.map(|at| format!("ended {}, after {}", second(at), between(began, at)));
    let again = full.retry_at.filter(|_| !full.is_final).map(|at| {
        let what = if full.attempts.is_empty() { "starts" } else { "again" };
        format!("{what} in {}", whole(at.since(now)))
    });
    let redrives = (full.redrives > 0).then(|| format!("redriven {} times", full.redrives));
    let task = &full.run_task;
    let asked = [
        Some(format!("task definition {}", task.task_definition)),
        task.cluster.as_ref().map(|cluster| format!("cluster {cluster}")),
        task.launch_type.clone(),
        Some(format!("until {}", full.until)),
        Some(format!("queue {}", full.queue)),
        Some(format!("run {}", full.run)),
    ];
    let told = [Some(format!("submitted {}", ago(full.submitted_at))), ended, again, redrives];
    let plain = |text: String| vec![Span::raw(text)];
    head.extend(told.into_iter().flatten().map(plain));
    lines.extend(flow(head, cells));
    lines.extend(flow(asked.into_iter().flatten().map(plain).collect(), cells));
    if let Some(reason) = &full.stop_reason {
        lines.extend(wrap("stop requested: ", reason, cells, look.warn()));
    }
    if let Some(waiting) = &full.waiting_for {
        lines.extend(wrap("waits: ", &instants(&waiting.text, now), cells, look.warn()));
    }
    lines
}

fn tried(attempt: &Attempt, now: Timestamp, look: &Look, cells: usize) -> Vec<Line<'static>> {
    let mut head = format!("attempt {}  {}", attempt.number, stage(attempt));
    match attempt.exit_code {
        Some(0) => head += "  exit 0",
        Some(_) => {
            let failure = Failure::of(attempt.error.as_deref(), attempt.cause.as_deref(), attempt.exit_code);
            head += &format!(": {}", failure.head);
        }
        None => {}
    }
    if attempt.placement > 0 {
        head += &format!("  placement {}", attempt.placement);
    }
    let mut lines = vec![heading(look, &fit(&head, cells))];
    let times = times(attempt, now);
    if !times.is_empty() {
        lines.extend(wrap("  times  ", &times, cells, Style::new()));
    }
    if let Some(task) = &attempt.task_arn {
        lines.extend(wrap("  task   ", task, cells, look.quiet()));
        lines.extend(attempt.console.iter().flat_map(|page| wrap("         ", page, cells, look.quiet())));
    }
    if let Some(error) = &attempt.error {
        let mut kind: Vec<&str> =
            [&attempt.class, &attempt.transience].into_iter().filter_map(Option::as_deref).collect();
        // A program's own end is both.
        kind.dedup();
        lines.extend(wrap("  error  ", &format!("{error} ({})", kind.join(", ")), cells, look.bad()));
    }
    let cause = attempt.cause.as_deref().filter(|cause| !cause.is_empty());
    lines.extend(cause.into_iter().flat_map(|cause| wrap("  cause  ", cause, cells, Style::new())));
    let hint = attempt.hint.as_deref().filter(|hint| !hint.is_empty());
    lines.extend(hint.into_iter().flat_map(|hint| wrap("  do     ", hint, cells, look.good())));
    lines
}

/// Where it is, in ECS's word for its task where there is one.
fn stage(attempt: &Attempt) -> &str {
    match (attempt.stage.as_str(), attempt.error.is_some()) {
        ("Over", true) => "failed",
        ("Over", false) => "ended",
        ("Waiting", _) => "waiting for a launch slot",
        ("Launching", _) => "RunTask was called",
        ("Stopping", _) => "being stopped",
        (stage, _) => attempt.last_status.as_deref().unwrap_or(stage),
    }
}

/// How long each phase took; the one that goes on, so far.
fn times(attempt: &Attempt, now: Timestamp) -> String {
    let marks = [
        ("", attempt.queued_at),
        ("in the queue", attempt.launched_at),
        ("to be created", attempt.created_at),
        ("provisioning", attempt.pull_started_at),
        ("pull", attempt.pull_stopped_at),
        ("start", attempt.started_at),
        (last(attempt), attempt.stopped_at.or_else(|| (attempt.stage != "Over").then_some(now))),
    ];
    let mut told: Vec<String> = Vec::new();
    let mut before = None;
    for (name, at) in marks {
        let Some(at) = at else { continue };
        if let Some(before) = before {
            told.push(format!("{name} {}", between(before, at)));
        }
        before = Some(at);
    }
    told.join(" · ")
}

/// What the time since the last known instant was spent with. No instant tells when a task left PROVISIONING; its status does.
fn last(attempt: &Attempt) -> &'static str {
    let over = attempt.stage == "Over";
    match (attempt.started_at, attempt.pull_stopped_at, attempt.pull_started_at) {
        (Some(_), ..) if over => "ran",
        (Some(_), ..) => "running for",
        (None, Some(_), _) if over => "did not start, stopped after",
        (None, Some(_), _) => "starting for",
        (None, None, Some(_)) if over => "pull failed or was stopped after",
        (None, None, Some(_)) => "pulling for",
        _ if over => "did not start, stopped after",
        _ if attempt.launched_at.is_none() => "in the queue for",
        _ => match attempt.last_status.as_deref() {
            Some("PENDING") => "provisioning, now PENDING, for",
            Some("PROVISIONING") => "provisioning for",
            _ => "not started for",
        },
    }
}
