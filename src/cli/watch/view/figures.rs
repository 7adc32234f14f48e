//! Failures by class over time, the phases of a start, and all figures at once where the terminal is small.

use ratatui::text::{Line, Span};

use super::super::data::{Spread, Summary};
use super::super::state::State;
use super::head;
use super::look::Look;
use super::words::{cut, fit, seconds, spark, wrap};

/// Minutes that a summary tells of.
const MINUTES: usize = 60;
/// Cells of a class's name, and of its count.
const NAME: usize = 13;
const COUNT: usize = 5;

/// Attempts that failed in the last hour, by class: a line of minutes each, those with most first.
pub(super) fn failures(summary: &Summary, look: &Look, cells: usize, lines: usize) -> Vec<Line<'static>> {
    let columns = cells.saturating_sub(NAME + COUNT + 1).clamp(1, MINUTES);
    let classes = by_class(summary, columns);
    let top = classes.iter().flat_map(|(_, minutes)| minutes).copied().fold(0.0, f64::max);
    let mut shown = vec![heading(look, &fit("failed attempts, last hour", cells))];
    if classes.is_empty() {
        shown.push(Line::styled("none in the last hour", look.quiet()));
    }
    let room = lines.saturating_sub(1);
    let left_out = classes.len().saturating_sub(room);
    let told = if left_out > 0 { room.saturating_sub(1) } else { room };
    for (class, minutes) in classes.iter().take(told) {
        let count = minutes.iter().sum::<f64>();
        shown.push(Line::from(vec![
            Span::raw(fit(class, NAME)),
            Span::styled(format!("{count:>COUNT$} "), look.strong()),
            Span::styled(spark(minutes.iter().copied(), top), look.failure()),
        ]));
    }
    if left_out > 0 {
        shown.push(Line::styled(format!("and {} classes more: Tab", classes.len() - told), look.quiet()));
    }
    shown
}

/// Failures of the last sixty minutes in so many columns, the newest last.
fn by_class(summary: &Summary, columns: usize) -> Vec<(String, Vec<f64>)> {
    let mut classes: Vec<(String, Vec<f64>)> = Vec::new();
    for minute in &summary.minutes {
        let ago = usize::try_from((summary.at.millis() - minute.at.millis()) / 60_000).unwrap_or(MINUTES);
        let Some(at) = (MINUTES - 1).checked_sub(ago).map(|minute| minute * columns / MINUTES) else { continue };
        for (class, n) in minute.failures.iter().filter(|(_, n)| **n > 0) {
            let class = class.strip_prefix("Taskwatch.").unwrap_or(class);
            let known = classes.iter().position(|(name, _)| name == class).unwrap_or_else(|| {
                classes.push((class.to_owned(), vec![0.0; columns]));
                classes.len() - 1
            });
            classes[known].1[at] += *n as f64;
        }
    }
    let sum = |minutes: &[f64]| minutes.iter().sum::<f64>();
    classes.sort_by(|a, b| sum(&b.1).total_cmp(&sum(&a.1)).then_with(|| a.0.cmp(&b.0)));
    classes
}

/// From the launch queue to RUNNING, phase by phase.
pub(super) fn phases(summary: &Summary, look: &Look, cells: usize) -> Vec<Line<'static>> {
    let phases = &summary.phases;
    let rows = [
        ("queue", &phases.queue),
        ("provisioning", &phases.provisioning),
        ("pull", &phases.pull),
        ("start", &phases.start),
        ("to RUNNING", &phases.total),
    ];
    let mut lines = vec![heading(look, &fit(&row("phase, last hour", ["p50", "p95", "p99", "tasks"]), cells))];
    lines.extend(rows.iter().map(|(name, spread)| {
        let style = if *name == "to RUNNING" { look.strong() } else { ratatui::style::Style::new() };
        Line::styled(row(name, measured(spread).each_ref().map(String::as_str)), style)
    }));
    lines
}

fn row(name: &str, columns: [&str; 4]) -> String {
    let columns: String = columns.iter().map(|column| format!("{column:>6}")).collect();
    format!("{name:<16}{columns}")
}

fn measured(spread: &Spread) -> [String; 4] {
    if spread.count == 0 {
        return ["-", "-", "-", "0"].map(str::to_owned);
    }
    [seconds(spread.p50), seconds(spread.p95), seconds(spread.p99), spread.count.to_string()]
}

pub(super) fn heading(look: &Look, text: &str) -> Line<'static> {
    Line::styled(text.to_owned(), look.quiet().add_modifier(ratatui::style::Modifier::UNDERLINED))
}

/// All figures, one below the other, with cause and hint of what is paused automatically.
pub(super) fn all(state: &State, look: &Look, cells: usize) -> Vec<Line<'static>> {
    let summary = &state.summary;
    let mut lines = Vec::new();
    let attention = head::attention(state, look);
    if !attention.is_empty() {
        lines.extend(attention.into_iter().flat_map(|line| wrap("", &line.to_string(), cells, line.style)));
        for breaker in &summary.circuit_breakers {
            lines.push(Line::styled(cut(&breaker.task_definition, cells), look.strong()));
            lines.extend(wrap("  cause  ", &breaker.cause, cells, ratatui::style::Style::new()));
            lines.extend(wrap("  do     ", &breaker.hint, cells, look.good()));
            if breaker.failed_probes > 0 {
                lines.push(Line::raw(format!("  probes that failed: {}", breaker.failed_probes)));
            }
        }
        lines.push(Line::default());
    }
    lines.extend(head::figures(state, look, cells, false));
    lines.extend(head::statuses(summary, look, cells, true));
    lines.push(Line::default());
    lines.extend(phases(summary, look, cells));
    lines.push(Line::default());
    lines.extend(failures(summary, look, cells, usize::MAX));
    if !summary.queues.is_empty() {
        lines.push(Line::default());
        lines.push(heading(look, &fit("waiting for a launch slot, by queue", cells)));
        let mut queues: Vec<_> = summary.queues.iter().collect();
        queues.sort_by(|a, b| b.1.cmp(a.1));
        lines.extend(
            queues.iter().map(|(queue, n)| Line::raw(format!("{n:>7} {}", cut(queue, cells.saturating_sub(8))))),
        );
        if summary.queues_left_out > 0 {
            lines.push(Line::styled(format!("and {} queues more", summary.queues_left_out), look.quiet()));
        }
    }
    lines
}
