//! Many runs in numbers: by status, and a line for each group of failures and of waits; of the selected one all that is known.

use ratatui::style::Style;
use ratatui::text::Line;

use super::super::causes::{Causes, Group};
use super::super::filter::{ENDED, OPEN};
use super::super::state::State;
use super::figures::heading;
use super::head::tally;
use super::look::Look;
use super::words::{cut, fit, flow, instants, wrap};
use crate::cli::failure::Failure;

const RUNS: usize = 6;
const STATUS: usize = 13;

/// The lines, and which of them are the selected group's.
pub(super) fn lines(causes: &Causes, state: &State, look: &Look, cells: usize) -> (Vec<Line<'static>>, usize) {
    let filter = causes.filter.text();
    let of = if filter.is_empty() { String::new() } else { format!(" with {filter}") };
    let Some(counted) = &causes.counted else {
        let text = causes.problem.as_deref().unwrap_or("asking the cell …");
        let mut lines = vec![Line::styled(cut(&format!("runs{of}"), cells), look.strong())];
        lines.extend(wrap("", text, cells, if causes.problem.is_some() { look.bad() } else { look.quiet() }));
        return (lines, 0);
    };
    let newest = if counted.complete { "" } else { "the newest " };
    let mut lines = vec![Line::styled(cut(&format!("{newest}{} runs{of}", counted.runs), cells), look.strong())];
    if let Some(problem) = &causes.problem {
        lines.extend(wrap("", &format!("this may be old: {problem}"), cells, look.bad()));
    }
    let statuses = OPEN.iter().chain(&ENDED).filter_map(|status| Some((*status, *counted.statuses.get(*status)?)));
    lines.extend(flow(statuses.map(|(status, runs)| tally(look, status, runs)).collect(), cells));
    lines.push(Line::default());
    lines.push(heading(look, &fit(&format!("{:>RUNS$} {:<STATUS$} WHAT", "RUNS", "STATUS"), cells)));
    let mut end = 0;
    for (n, group) in causes.groups().enumerate() {
        let is_selected = n == causes.at();
        let line = row(&group, state, cells);
        lines.push(if is_selected { Line::styled(line, look.selected()) } else { Line::raw(line) });
        if is_selected {
            lines.extend(about(&group, state, look, cells));
            end = lines.len();
        }
    }
    if end == 0 {
        lines.push(Line::styled("none of them failed, and none waits", look.quiet()));
    }
    for (left_out, of) in [(counted.causes_left_out, "causes"), (counted.waits_left_out, "things that runs wait for")] {
        if left_out > 0 {
            lines.push(Line::styled(format!("and {left_out} other {of}"), look.quiet()));
        }
    }
    (lines, end)
}

fn row(group: &Group<'_>, state: &State, cells: usize) -> String {
    let (runs, status, what) = match group {
        Group::Failed(group) => {
            let failure = Failure::of(group.error.as_deref(), group.cause.as_deref(), group.exit_code);
            (group.runs, &group.status, failure.line())
        }
        Group::Waits(group) => (group.runs, &group.status, instants(&group.text, state.now())),
    };
    fit(&format!("{runs:>RUNS$} {status:<STATUS$} {what}"), cells)
}

/// What is known of the selected group beside its line.
fn about(group: &Group<'_>, state: &State, look: &Look, cells: usize) -> Vec<Line<'static>> {
    let indent = " ".repeat(RUNS + 1);
    let head = |name: &str| format!("{indent}{name:<7}");
    let mut lines = Vec::new();
    let (runs, examples) = match group {
        Group::Failed(group) => {
            let texts = [("cause", &group.cause, Style::new()), ("do", &group.hint, look.good())];
            for (name, text, style) in texts {
                lines.extend(text.iter().flat_map(|text| wrap(&head(name), text, cells, style)));
            }
            (group.runs, &group.examples)
        }
        Group::Waits(group) => {
            lines.extend(wrap(&head("waits"), &instants(&group.text, state.now()), cells, look.warn()));
            (group.runs, &group.examples)
        }
    };
    let others = runs.saturating_sub(examples.len() as u64);
    let more = if others > 0 { format!(" and {others} more: Enter") } else { String::new() };
    lines.extend(wrap(&head("runs"), &format!("{}{more}", examples.join(", ")), cells, look.quiet()));
    lines
}
