//! What the keys do.

use crossterm::event::{KeyCode, KeyEvent, KeyEventKind, KeyModifiers};

use super::causes::Causes;
use super::filter::Filter;
use super::list::List;
use super::order::{self, Order};
use super::state::{Effect, Prompt, State};

/// Longer filters nobody types.
const MOST_TYPED: usize = 300;
/// The exit code after an interrupt, as of any command.
const INTERRUPTED: u8 = 130;

/// Every key and what it does, for the help.
pub(super) const KEYS: [(&str, &str); 16] = [
    ("↑ ↓  j k", "move from run to run; scroll a run"),
    ("PgUp PgDn  g G", "move by pages; to the first, to the last"),
    ("Enter", "show the run: attempts, cause, what to do"),
    ("Esc", "back; in the list: no marks, then no filter"),
    ("/", "filter: part of a name, a status, queue= error= …"),
    ("c", "the listed runs in numbers, failures by cause"),
    ("a", "the same of this run's array request"),
    ("N S A T D", "sort by name, status, age, tries, duration"),
    ("Space", "mark the run; Ctrl-Space: all from the last mark"),
    ("*", "mark all listed runs, or none"),
    ("Tab", "all figures, and back"),
    ("s", "stop the marked runs or this one (asks first)"),
    ("r", "redrive the marked runs or this one (asks first)"),
    ("p", "pause or resume a queue or task definition"),
    ("?", "this help"),
    ("q  Ctrl-C", "quit"),
];

/// A key was pressed.
pub(super) fn press(state: &mut State, key: KeyEvent) -> Vec<Effect> {
    if key.kind == KeyEventKind::Release {
        return Vec::new();
    }
    let control = key.modifiers.contains(KeyModifiers::CONTROL);
    if control && key.code == KeyCode::Char('c') {
        return vec![Effect::Quit(INTERRUPTED)];
    }
    match std::mem::replace(&mut state.prompt, Prompt::None) {
        Prompt::Filter(text, _) => typing(state, text, key.code, control),
        Prompt::Confirm(order) => return answer(state, order, key.code),
        Prompt::Choose(orders, at) => return choose(state, orders, at, key.code),
        // Any key puts it away.
        Prompt::Help => {}
        Prompt::None => return command(state, key.code, control),
    }
    state.wants()
}

fn command(state: &mut State, key: KeyCode, control: bool) -> Vec<Effect> {
    let in_list = state.looked.is_none() && !state.figures && state.causes.is_none();
    let page = isize::try_from(state.drawn.page.max(1)).unwrap_or(isize::MAX);
    match key {
        KeyCode::Char('q') => return vec![Effect::Quit(0)],
        KeyCode::Char('?') => state.prompt = Prompt::Help,
        KeyCode::Down | KeyCode::Char('j') => step(state, 1),
        KeyCode::Up | KeyCode::Char('k') => step(state, -1),
        KeyCode::PageDown => step(state, page),
        KeyCode::PageUp => step(state, -page),
        KeyCode::Char('f') if control => step(state, page),
        KeyCode::Char('b') if control => step(state, -page),
        KeyCode::Char(' ') if in_list => mark(state, control),
        KeyCode::Null if in_list => mark(state, true),
        KeyCode::Char('*') if in_list => state.list.marks.toggle_all(&state.list.rows),
        KeyCode::Home | KeyCode::Char('g') => step(state, -isize::MAX),
        KeyCode::End | KeyCode::Char('G') => step(state, isize::MAX),
        KeyCode::Enter if in_list => state.look(),
        KeyCode::Enter => list_group(state),
        KeyCode::Char('c') => state.count(),
        KeyCode::Char('a') => state.count_array(),
        KeyCode::Tab => {
            (state.figures, state.scroll) = (!state.figures, 0);
            (state.looked, state.causes) = (None, None);
        }
        KeyCode::Esc | KeyCode::Backspace | KeyCode::Left => back(state, key == KeyCode::Esc),
        KeyCode::Char('/') => {
            (state.looked, state.causes, state.figures) = (None, None, false);
            let typed = state.list.filter.text();
            state.prompt = Prompt::Filter(if typed.is_empty() { typed } else { typed + " " }, None);
        }
        KeyCode::Char('s') if !state.figures && state.causes.is_none() => {
            ask(state, order::stop(state.subjects().into_iter()))
        }
        KeyCode::Char('r') if !state.figures && state.causes.is_none() => {
            ask(state, order::redrive(state.subjects().into_iter()))
        }
        KeyCode::Char('p') => {
            let near = state.neighbours().filter(|_| !state.figures);
            match order::choices(near, Some(&state.summary)) {
                orders if orders.is_empty() => state.say("there is nothing to pause or resume", false),
                orders => state.prompt = Prompt::Choose(orders, 0),
            }
        }
        KeyCode::Char(key) if in_list => {
            if let Some(sort) = state.list.sort.pressed(key) {
                let now = state.now();
                state.list.order(sort, now);
            }
        }
        _ => {}
    }
    state.wants()
}

fn mark(state: &mut State, range: bool) {
    let at = state.list.at();
    let List { marks, rows, .. } = &mut state.list;
    match rows.get(at) {
        Some(_) if range => marks.range(rows, at),
        Some(row) => marks.toggle(row),
        None => {}
    }
}

/// Lists the runs of the selected group.
fn list_group(state: &mut State) {
    if let Some(filter) = state.causes.as_ref().and_then(Causes::selected) {
        state.causes = None;
        state.list.narrow(filter);
    }
}

fn step(state: &mut State, by: isize) {
    if let Some(causes) = state.causes.as_mut().filter(|_| state.looked.is_none() && !state.figures) {
        causes.step(by);
    } else if state.looked.is_some() || state.figures {
        state.scroll = state.scroll.saturating_add_signed(by).min(state.drawn.below);
    } else {
        state.list.step(by);
    }
}

fn back(state: &mut State, all: bool) {
    state.scroll = 0;
    if state.looked.take().is_some() {
        return;
    }
    if std::mem::take(&mut state.figures) || state.causes.take().is_some() || !all {
        return;
    }
    if state.list.marks.len() > 0 {
        state.list.marks.clear();
    } else if state.list.filter != Filter::default() {
        state.list.narrow(Filter::default());
    }
}

/// Asks whether an order is meant, or says why there is none.
fn ask(state: &mut State, order: Result<Order, String>) {
    match order {
        Ok(order) => state.prompt = Prompt::Confirm(order),
        Err(why) => state.say(&why, true),
    }
}

/// Only `y` means yes.
fn answer(state: &mut State, order: Order, key: KeyCode) -> Vec<Effect> {
    match key {
        KeyCode::Char('y' | 'Y') => return vec![Effect::Do(order)],
        KeyCode::Char('n' | 'N' | 'q') | KeyCode::Esc => {}
        _ => state.prompt = Prompt::Confirm(order),
    }
    Vec::new()
}

fn choose(state: &mut State, mut orders: Vec<Order>, at: usize, key: KeyCode) -> Vec<Effect> {
    let last = orders.len().saturating_sub(1);
    let at = match key {
        KeyCode::Down | KeyCode::Char('j') => (at + 1).min(last),
        KeyCode::Up | KeyCode::Char('k') => at.saturating_sub(1),
        KeyCode::Enter => return vec![Effect::Do(orders.swap_remove(at.min(last)))],
        KeyCode::Esc | KeyCode::Char('q' | 'p') => return Vec::new(),
        _ => at,
    };
    state.prompt = Prompt::Choose(orders, at);
    Vec::new()
}

fn typing(state: &mut State, mut text: String, key: KeyCode, control: bool) {
    match key {
        KeyCode::Esc => return,
        KeyCode::Enter => match Filter::parse(&text, state.now()) {
            Ok(filter) => return state.list.narrow(filter),
            Err(why) => return state.prompt = Prompt::Filter(text, Some(why)),
        },
        KeyCode::Char('u') if control => text.clear(),
        KeyCode::Char('w') if control => {
            let kept = text.trim_end().rfind(' ').map_or(0, |at| at + 1);
            text.truncate(kept);
        }
        KeyCode::Char(c) if !control && text.len() < MOST_TYPED => text.push(c),
        KeyCode::Backspace => drop(text.pop()),
        _ => {}
    }
    state.prompt = Prompt::Filter(text, None);
}
