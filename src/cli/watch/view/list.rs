//! The list of runs, as much of it as fits, around the selected one.

use ratatui::text::{Line, Span};

use super::super::data::Row;
use super::super::list::{List, MOST};
use super::super::state::State;
use super::figures::heading;
use super::look::Look;
use super::words::{age, between, cut, fit, whole, width};

const STATUS: usize = 13;
const TRIES: usize = 5;
const AGE: usize = 4;
/// The name gets no less, as long as there is room for anything else.
const NAME: usize = 16;

/// Cells of the columns; 0: there is no room for it.
struct Columns {
    name: usize,
    tries: usize,
    what: usize,
}

impl Columns {
    fn of(list: &List, cells: usize) -> Self {
        let rest = cells.saturating_sub(STATUS + 1 + AGE + 1);
        let longest = list.rows.iter().map(|row| width(&row.name)).max().unwrap_or(0).max(NAME);
        if rest < NAME + 1 + TRIES + 1 + 12 {
            return Self { name: rest, tries: 0, what: 0 };
        }
        let rest = rest - TRIES - 2;
        let name = longest.min(rest / 2);
        Self { name, tries: TRIES, what: rest - name }
    }
}

/// The list in so many lines; and how many rows of it fit.
pub(super) fn lines(state: &State, look: &Look, cells: usize, height: usize) -> (Vec<Line<'static>>, usize) {
    let list = &state.list;
    let columns = Columns::of(list, cells);
    let page = height.saturating_sub(2);
    let mut lines = vec![above(list, look, cells), heads(&columns, look, cells)];
    if list.rows.is_empty() {
        let text = match (list.loaded, list.filter.text().is_empty()) {
            (false, _) => "asking the cell …",
            (true, true) => "no runs yet: hand some in with taskwatch submit",
            (true, false) => "no run matches the filter: Esc shows all",
        };
        lines.push(Line::styled(cut(text, cells), look.quiet()));
    }
    let at = list.at();
    let first = at.saturating_sub(page / 2).min(list.rows.len().saturating_sub(page));
    let rows = list.rows.iter().enumerate().skip(first).take(page);
    lines.extend(rows.map(|(n, row)| {
        let line = line(row, &columns, state, look);
        if n == at { line.patch_style(look.selected()) } else { line }
    }));
    (lines, page)
}

/// What is listed, and where in it the reader is.
fn above(list: &List, look: &Look, cells: usize) -> Line<'static> {
    let filter = list.filter.text();
    let what = if filter.is_empty() { "runs, newest first".to_owned() } else { format!("runs with {filter}") };
    let place = match (list.rows.len(), list.more) {
        (0, _) => String::new(),
        (n, false) => format!("{}/{n}", list.at() + 1),
        (n, true) if n >= MOST => format!("{}/{n}, older: /", list.at() + 1),
        (n, true) => format!("{}/{n}+", list.at() + 1),
    };
    let room = cells.saturating_sub(width(&place) + 1);
    Line::from(vec![Span::styled(fit(&what, room), look.strong()), Span::raw(" "), Span::styled(place, look.quiet())])
}

fn heads(columns: &Columns, look: &Look, cells: usize) -> Line<'static> {
    let mut text = format!("{} {}", fit("STATUS", STATUS), fit("NAME", columns.name));
    if columns.tries > 0 {
        text += &format!(" {:>TRIES$} {}", "TRIES", fit("WHAT", columns.what));
    }
    text += &format!(" {:>AGE$}", "AGE");
    heading(look, &fit(&text, cells))
}

fn line(row: &Row, columns: &Columns, state: &State, look: &Look) -> Line<'static> {
    let mut spans = vec![
        Span::styled(fit(&row.status, STATUS), look.status(&row.status)),
        Span::raw(format!(" {}", fit(&row.name, columns.name))),
    ];
    if columns.tries > 0 {
        spans.push(Span::raw(format!(" {:>TRIES$} ", row.attempts)));
        spans.push(Span::raw(fit(&what(row, state), columns.what)));
    }
    spans.push(Span::raw(format!(" {:>AGE$}", age(row.submitted_at, state.now()))));
    Line::from(spans)
}

/// What happened to it, or what it waits for.
fn what(row: &Row, state: &State) -> String {
    let failure = match (row.error.as_str(), row.cause.as_str()) {
        ("", cause) => cause.to_owned(),
        (error, "") => error.to_owned(),
        // ECS's texts mostly begin with the error's name.
        (error, cause) if cause.starts_with(error) => cause.to_owned(),
        (error, cause) => format!("{error}: {cause}"),
    };
    match row.status.as_str() {
        "PENDING_RETRY" => match row.retry_at {
            Some(at) if at > state.now() => format!("again in {}: {failure}", whole(at.since(state.now()))),
            _ => format!("again now: {failure}"),
        },
        "SUCCEEDED" => row.finished_at.map_or(String::new(), |at| format!("after {}", between(row.submitted_at, at))),
        _ if row.is_final => failure,
        status if row.last_status == status => String::new(),
        "QUEUED" if row.attempts < 2 => String::new(),
        _ if row.last_status.is_empty() => failure,
        _ => format!("task {}", row.last_status),
    }
}
