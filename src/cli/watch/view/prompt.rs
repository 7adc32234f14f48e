//! What lies over the rest: questions, choices, help; and the last line.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::text::{Line, Span};
use ratatui::widgets::{Block, Clear, Widget as _};

use super::super::keys::KEYS;
use super::super::order::Order;
use super::super::state::{Prompt, State};
use super::look::Look;
use super::words::{cut, fit, flow, wrap};

/// The widest box.
const BOX: usize = 64;

/// The last line: what is typed, what was said, or the keys.
pub(super) fn foot(state: &State, look: &Look, cells: usize) -> Line<'static> {
    match (&state.prompt, &state.notice) {
        (Prompt::Filter(text, problem), _) => typed(text, problem.as_deref(), look, cells),
        (_, Some(notice)) => {
            let style = if notice.bad { look.bad() } else { look.good() };
            Line::styled(cut(&notice.text, cells), style)
        }
        _ => keys(state, look, cells),
    }
}

fn typed(text: &str, problem: Option<&str>, look: &Look, cells: usize) -> Line<'static> {
    let hint = problem.unwrap_or("part of a name, a status, queue= error= exit= cause= task= since= …   Enter, Esc");
    // The end is where one types.
    let room = cells.saturating_sub(2);
    let skipped = text.chars().count().saturating_sub(room);
    let end: String = text.chars().skip(skipped).collect();
    let mut line =
        Line::from(vec![Span::styled("/", look.strong()), Span::raw(end), Span::styled(" ", look.selected())]);
    let room = cells.saturating_sub(line.width() + 2);
    if room > 8 {
        let style = if problem.is_some() { look.bad() } else { look.quiet() };
        line.push_span("  ");
        line.push_span(Span::styled(cut(hint, room), style));
    }
    line
}

fn keys(state: &State, look: &Look, cells: usize) -> Line<'static> {
    let keys: &[(&str, &str)] = match (&state.looked, state.figures) {
        (None, false) if state.causes.is_some() => {
            &[("?", "help"), ("Enter", "list these runs"), ("Esc", "back"), ("j/k", "move"), ("q", "quit")]
        }
        (Some(_), _) => &[
            ("?", "help"),
            ("Esc", "back"),
            ("s", "stop"),
            ("r", "redrive"),
            ("p", "pause"),
            ("j/k", "scroll"),
            ("q", "quit"),
        ],
        (None, true) => &[("?", "help"), ("Tab", "runs"), ("p", "resume"), ("j/k", "scroll"), ("q", "quit")],
        (None, false) => &[
            ("?", "help"),
            ("Enter", "show"),
            ("/", "filter"),
            ("c", "causes"),
            ("s", "stop"),
            ("r", "redrive"),
            ("p", "pause"),
            ("q", "quit"),
            ("Space", "mark"),
            ("Tab", "figures"),
        ],
    };
    let key = |(key, does): &(&str, &str)| {
        vec![Span::styled((*key).to_owned(), look.strong()), Span::styled(format!(" {does}"), look.quiet())]
    };
    flow(keys.iter().map(key).collect(), cells).into_iter().next().unwrap_or_default()
}

/// Draws the box that has the keys, if one has.
pub(super) fn draw(state: &State, look: &Look, area: Rect, buffer: &mut Buffer) {
    let cells = BOX.min(usize::from(area.width).saturating_sub(4));
    let (title, lines) = match &state.prompt {
        Prompt::None | Prompt::Filter(..) => return,
        Prompt::Help => (" keys ", help(look, cells)),
        Prompt::Confirm(order) => {
            let mut lines = wrap("", &order.question(), cells, look.strong());
            lines.extend(wrap("", &order.meaning(), cells, ratatui::style::Style::new()));
            lines.push(Line::default());
            lines.push(Line::from(vec![
                Span::styled("y", look.strong()),
                Span::raw(" yes   "),
                Span::styled("n", look.strong()),
                Span::raw(" no"),
            ]));
            (" sure? ", lines)
        }
        Prompt::Choose(orders, at) => {
            let choice = |(n, order): (usize, &Order)| {
                let text = fit(order.question().trim_end_matches('?'), cells);
                Line::styled(text, if n == *at { look.selected() } else { ratatui::style::Style::new() })
            };
            // As many as fit, with the chosen one among them.
            let room = usize::from(area.height).saturating_sub(5).max(1);
            let mut lines: Vec<Line<'_>> =
                orders.iter().enumerate().skip((at + 1).saturating_sub(room)).take(room).map(choice).collect();
            let meaning = orders.get(*at).map_or_else(String::new, Order::meaning);
            lines.push(Line::styled(cut(&meaning, cells), look.quiet()));
            (" Enter does it, Esc does not ", lines)
        }
    };
    let height = u16::try_from(lines.len() + 2).unwrap_or(u16::MAX).min(area.height);
    let width = u16::try_from(cells + 4).unwrap_or(u16::MAX).min(area.width);
    let place = Rect::new(area.x + (area.width - width) / 2, area.y + (area.height - height) / 2, width, height);
    Clear.render(place, buffer);
    let block = Block::bordered().title(title);
    let inner = block.inner(place);
    block.render(place, buffer);
    for (line, y) in lines.iter().zip(inner.y..inner.bottom()) {
        buffer.set_line(inner.x + 1, y, line, inner.width.saturating_sub(2));
    }
}

fn help(look: &Look, cells: usize) -> Vec<Line<'static>> {
    let line = |(key, does): &(&str, &str)| {
        Line::from(vec![Span::styled(fit(key, 15), look.strong()), Span::raw(cut(does, cells.saturating_sub(15)))])
    };
    KEYS.iter().map(line).collect()
}
