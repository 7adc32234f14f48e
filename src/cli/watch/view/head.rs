//! The top of the screen: which cell, whether it is connected, its figures, and what needs an operator.

use ratatui::text::{Line, Span};

use super::super::data::{Paused, Spread, Summary};
use super::super::filter::{ENDED, OPEN};
use super::super::state::{self, State};
use super::look::Look;
use super::words::{age, bar, brief, cut, flow, rate, seconds, spark, whole, width};

/// Cells of the bar of launches.
const BAR: usize = 12;

/// The first line, and a second while there is no connection.
pub(super) fn title(state: &State, look: &Look, cells: usize) -> Vec<Line<'static>> {
    let summary = &state.summary;
    let live = state.line == state::Line::Live;
    let right = if live { format!("live {} UTC", state::clock(state.now())) } else { "NOT CONNECTED".to_owned() };
    let name = if summary.cell.is_empty() { &state.url } else { &summary.cell };
    let more = format!("  up {}  v{}  {}", age(summary.began_at, state.now()), summary.version, state.url);
    let room = cells.saturating_sub(width(&right) + 1);
    let mut line = Line::from(vec![Span::styled(cut(&format!("taskwatch {name}"), room), look.strong())]);
    let room = room.saturating_sub(line.width());
    if room > 12 {
        line.push_span(Span::styled(cut(&more, room), look.quiet()));
    }
    line.push_span(" ".repeat(cells.saturating_sub(line.width() + width(&right))));
    line.push_span(Span::styled(right, if live { look.good() } else { look.bad() }));
    let mut lines = vec![line];
    if let state::Line::Lost(since, why) = &state.line {
        let lost = whole(state.for_so_long(*since));
        // The address is above.
        let why = why.strip_prefix(&format!("{}: ", state.url)).unwrap_or(why);
        let text = format!("no connection for {lost}, trying again: {why}");
        lines.push(Line::styled(cut(&text, cells), look.bad()));
    }
    lines
}

/// Launches, what is in flight, event lag, what was lost and found.
pub(super) fn figures(state: &State, look: &Look, cells: usize, low: bool) -> Vec<Line<'static>> {
    let summary = &state.summary;
    let quota = summary.limits.run_task_rate;
    let mut launches = vec![
        Span::raw("launches "),
        Span::styled(rate(summary.launches_per_second), look.strong()),
        Span::raw(format!("/s of {} ", rate(quota))),
    ];
    if cells >= 60 {
        let share = if quota > 0.0 { summary.launches_per_second / quota } else { 0.0 };
        launches.push(Span::styled(bar(share, BAR), look.figure()));
    }
    let queues = summary.queues.len() as u64 + summary.queues_left_out;
    let (mut waiting, mut flying) = (brief(summary.waiting), brief(summary.in_flight));
    if !low {
        flying += &format!(" of {}", brief(summary.limits.max_in_flight));
        if queues > 1 {
            waiting += &format!(" in {queues} queues");
        }
    }
    let mut things = vec![launches, pair(look, "in flight", &flying), pair(look, "waiting", &waiting)];
    if !low {
        things.extend([
            pair(look, "event lag", &spread(&summary.event_lag)),
            pair(look, "throttled", &brief(summary.counters.throttles)),
            pair(look, "corrections", &brief(summary.counters.corrections)),
            pair(look, "undelivered", &brief(summary.outbox)),
        ]);
    }
    let mut lines = flow(things, cells);
    // The launch rates of the last minutes, where the first line has room for them.
    if let Some(first) = lines.first_mut() {
        let room = cells.saturating_sub(first.width() + 2).min(state.rates.len());
        if room >= 10 && !low {
            let newest = state.rates.iter().skip(state.rates.len() - room).copied();
            let top = state.rates.iter().copied().fold(quota, f64::max);
            first.push_span("  ");
            first.push_span(Span::styled(spark(newest, top), look.figure()));
        }
    }
    lines
}

fn pair(look: &Look, name: &str, value: &str) -> Vec<Span<'static>> {
    vec![Span::raw(format!("{name} ")), Span::styled(value.to_owned(), look.strong())]
}

fn spread(spread: &Spread) -> String {
    match spread.count {
        0 => "-".to_owned(),
        _ => format!("p50 {} p95 {} p99 {}", seconds(spread.p50), seconds(spread.p95), seconds(spread.p99)),
    }
}

/// Runs by status. With `all`, also those of which there is none.
pub(super) fn statuses(summary: &Summary, look: &Look, cells: usize, all: bool) -> Vec<Line<'static>> {
    let count = |status: &'static str| (status, summary.statuses.get(status).copied().unwrap_or(0));
    let shown = |names: [&'static str; 4]| -> Vec<Vec<Span<'static>>> {
        let counts = names.into_iter().map(count).filter(|(_, n)| all || *n > 0);
        counts.map(|(status, n)| tally(look, status, n)).collect()
    };
    let (open, ended) = (shown(OPEN), shown(ENDED));
    if open.is_empty() && ended.is_empty() {
        return vec![Line::styled("no runs yet", look.quiet())];
    }
    let together: Vec<_> = open.iter().chain(&ended).cloned().collect();
    match flow(together, cells) {
        lines if lines.len() == 1 => lines,
        _ => flow(open, cells).into_iter().chain(flow(ended, cells)).collect(),
    }
}

pub(super) fn tally(look: &Look, status: &str, n: u64) -> Vec<Span<'static>> {
    let style = look.status(status);
    let number = if n > 0 { look.strong() } else { look.quiet() };
    vec![
        Span::styled(format!("{status} "), if n > 0 { style } else { look.quiet() }),
        Span::styled(n.to_string(), number),
    ]
}

/// A line for each thing that needs an operator.
pub(super) fn attention(state: &State, look: &Look) -> Vec<Line<'static>> {
    let summary = &state.summary;
    let bad = |text: String| Line::styled(text, look.bad());
    let mut lines: Vec<Line<'static>> = summary.not_ready.iter().map(|why| bad(format!("not ready: {why}"))).collect();
    lines.extend(summary.circuit_breakers.iter().map(|breaker| {
        let next = match breaker.next_probe_at {
            Some(at) if at > state.now() => format!("probe in {}", whole(at.since(state.now()))),
            _ => "a probe is due".to_owned(),
        };
        bad(format!(
            "paused automatically: {}: {}, {} failed, {next}",
            breaker.task_definition, breaker.error, breaker.failures
        ))
    }));
    let failing = summary.delivery_failures.iter();
    lines.extend(failing.map(|t| bad(format!("notifications not delivered to {}: {}", t.destination, t.error))));
    let left_out = summary.circuit_breakers_left_out + summary.delivery_failures_left_out;
    if left_out > 0 {
        lines.push(bad(format!("and {left_out} more")));
    }
    lines.extend(summary.limits.pauses.iter().map(|paused| Line::styled(by_hand(paused, state), look.warn())));
    lines
}

/// What an operator paused: since when, who, and why, as far as they said.
fn by_hand(paused: &Paused, state: &State) -> String {
    let told = [
        paused.since.map(|at| format!("{} ago", age(at, state.now()))),
        paused.by.as_ref().map(|by| format!("by {by}")),
        paused.reason.clone(),
    ];
    let told: Vec<String> = told.into_iter().flatten().collect();
    let told = if told.is_empty() { String::new() } else { format!(" ({})", told.join(", ")) };
    format!("paused: {}{told}", paused.what)
}
