//! The list of runs, as much of it as fits, around the selected one.

use ratatui::style::Style;
use ratatui::text::{Line, Span};

use super::super::data::Row;
use super::super::list::{List, MOST};
use super::super::sort::{Column, Sort};
use super::super::state::State;
use super::figures::heading;
use super::look::Look;
use super::words::{age, between, cut, fit, instants, whole, width};
use crate::cli::failure::Failure;
use crate::core::name::in_arn;

const STATUS: usize = 13;
const TRIES: usize = 6;
const AGE: usize = 4;
const TOOK: usize = 6;
/// The name gets no less, as long as there is room for anything else.
const NAME: usize = 16;
/// From so many cells on there is room for how long a run took, and for its task definition and queue.
const WIDE: usize = 110;
const WIDEST: usize = 150;
const DEFINITION: usize = 22;
const QUEUE: usize = 12;

/// Cells of the columns; 0: there is no room for it.
#[derive(Default)]
struct Columns {
    name: usize,
    tries: usize,
    definition: usize,
    queue: usize,
    what: usize,
    took: usize,
}

impl Columns {
    fn of(list: &List, cells: usize) -> Self {
        let rest = cells.saturating_sub(STATUS + 1 + AGE + 1);
        let longest = list.rows.iter().map(|row| width(&row.name)).max().unwrap_or(0).max(NAME);
        if rest < NAME + 1 + TRIES + 1 + 12 {
            return Self { name: rest, ..Self::default() };
        }
        let mut columns = Self { tries: TRIES, ..Self::default() };
        let mut rest = rest - TRIES - 2;
        if cells >= WIDE {
            columns.took = TOOK;
            rest -= TOOK + 1;
        }
        if cells >= WIDEST {
            (columns.definition, columns.queue) = (DEFINITION, QUEUE);
            rest -= DEFINITION + 1 + QUEUE + 1;
        }
        columns.name = longest.min(rest / 2);
        columns.what = rest - columns.name;
        columns
    }
}

/// The list in so many lines; and how many rows of it fit.
pub(super) fn lines(state: &State, look: &Look, cells: usize, height: usize) -> (Vec<Line<'static>>, usize) {
    let list = &state.list;
    let columns = Columns::of(list, cells);
    let page = height.saturating_sub(2);
    let mut lines = vec![above(list, look, cells), heads(list, &columns, look, cells)];
    if list.rows.is_empty() {
        let text = match (list.loaded, list.filter.text().is_empty()) {
            (false, _) => "asking the cell …",
            (true, true) => "no runs yet: submit some with taskwatch submit",
            (true, false) => "no runs match the filter: Esc shows all",
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

/// What is listed and in which order, and where in it the reader is.
fn above(list: &List, look: &Look, cells: usize) -> Line<'static> {
    let (filter, sort) = (list.filter.text(), list.sort);
    let what = if filter.is_empty() { "runs".to_owned() } else { format!("runs with {filter}") };
    let order = if sort == Sort::default() { "newest first".to_owned() } else { sort.text() };
    let marked = match list.marks.len() {
        0 => String::new(),
        n => format!("{n} marked  "),
    };
    let place = match (list.rows.len(), list.more) {
        (0, _) => String::new(),
        (n, false) => format!("{}/{n}", list.at() + 1),
        (n, true) if n >= MOST => format!("{} of the newest {n}, older: /", list.at() + 1),
        (n, true) => format!("{}/{n}+", list.at() + 1),
    };
    let room = cells.saturating_sub(width(&marked) + width(&place) + 1);
    Line::from(vec![
        Span::styled(fit(&format!("{what}, {order}"), room), look.strong()),
        Span::raw(" "),
        Span::styled(marked, look.warn()),
        Span::styled(place, look.quiet()),
    ])
}

fn heads(list: &List, columns: &Columns, look: &Look, cells: usize) -> Line<'static> {
    let title = |column: Column, text: &str| {
        let arrow = (list.sort != Sort::default() && list.sort.column == column).then(|| list.sort.arrow());
        format!("{text}{}", arrow.map(String::from).unwrap_or_default())
    };
    let (status, name) = (title(Column::Status, "STATUS"), title(Column::Name, "NAME"));
    let mut text = format!("{} {}", fit(&status, STATUS), fit(&name, columns.name));
    if columns.tries > 0 {
        text += &format!(" {:>TRIES$}", title(Column::Tries, "TRIES"));
    }
    if columns.definition > 0 {
        text += &format!(" {} {}", fit("TASK DEFINITION", columns.definition), fit("QUEUE", columns.queue));
    }
    if columns.what > 0 {
        text += &format!(" {}", fit("WHAT", columns.what));
    }
    if columns.took > 0 {
        text += &format!(" {:>TOOK$}", title(Column::Took, "TOOK"));
    }
    text += &format!(" {:>AGE$}", title(Column::Age, "AGE"));
    heading(look, &fit(&text, cells))
}

fn line(row: &Row, columns: &Columns, state: &State, look: &Look) -> Line<'static> {
    let marked = state.list.marks.has(&row.run);
    let mut spans = vec![
        Span::styled(fit(&row.status, STATUS), look.status(&row.status)),
        Span::styled(if marked { "*" } else { " " }, look.warn()),
        Span::styled(fit(&row.name, columns.name), if marked { look.strong() } else { Style::new() }),
    ];
    if columns.tries > 0 {
        spans.push(Span::raw(format!(" {:>TRIES$}", row.attempts)));
    }
    if columns.definition > 0 {
        let definition = fit(in_arn(&row.task_definition), columns.definition);
        spans.push(Span::raw(format!(" {definition} {}", fit(&row.queue, columns.queue))));
    }
    if columns.what > 0 {
        // A column of its own says how long a success took.
        let told = columns.took > 0 && row.status == "SUCCEEDED";
        let what = if told { String::new() } else { what(row, state) };
        spans.push(Span::raw(format!(" {}", fit(&what, columns.what))));
    }
    if columns.took > 0 {
        let took = between(row.began_at(), row.finished_at.unwrap_or_else(|| state.now()));
        spans.push(Span::raw(format!(" {took:>TOOK$}")));
    }
    spans.push(Span::raw(format!(" {:>AGE$}", age(row.submitted_at, state.now()))));
    Line::from(spans)
}

/// What happened to it, or what it waits for. An exit code comes first: it must be seen.
fn what(row: &Row, state: &State) -> String {
    let failure = Failure::of(Some(&row.error), Some(&row.cause), row.exit_code);
    let task = if row.last_status.is_empty() || row.last_status == row.status { "" } else { &row.last_status };
    match row.status.as_str() {
        "PENDING_RETRY" => {
            let at = row.retry_at.filter(|at| *at > state.now());
            let next = at.map_or("now".to_owned(), |at| format!("in {}", whole(at.since(state.now()))));
            if row.attempts == 0 {
                return format!("starts {next}");
            }
            // What may be cut off is the end of a text: neither an exit code nor the time.
            let (head, rest) = match row.exit_code {
                Some(1..) => (format!("{}, ", failure.head), failure.rest()),
                _ => (String::new(), failure.line()),
            };
            let rest = if rest.is_empty() { rest } else { format!(": {rest}") };
            format!("{head}again {next}{rest}")
        }
        "SUCCEEDED" => row.finished_at.map_or(String::new(), |at| format!("after {}", between(row.began_at(), at))),
        _ if row.is_final => failure.line(),
        "QUEUED" => row.waiting_for.as_ref().map_or_else(String::new, |w| instants(&w.text, state.now())),
        _ if task.is_empty() => String::new(),
        _ => format!("task {task}"),
    }
}
