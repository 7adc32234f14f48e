//! The state as a picture: pure, from plain values to the cells of a terminal.

mod causes;
mod figures;
mod head;
mod list;
mod look;
mod prompt;
mod run;
mod words;

#[cfg(test)]
mod tests;

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::text::Line;

pub(super) use look::Look;

use super::state::{Drawn, State};

/// Fewer lines than these leave no room for panels.
const LOW: u16 = 20;
/// And fewer than these none for anything but launches and the runs.
const LOWEST: u16 = 11;
/// From here on there are lines to spare.
const HIGH: u16 = 30;
/// Narrower than this, panels do not fit side by side.
const NARROW: usize = 76;
/// Lines of a panel.
const PANEL: usize = 6;
/// Lines of what an operator is to look after, on top.
const ATTENTION: usize = 3;

/// Draws the state; how much of it could be seen.
pub(super) fn draw(state: &State, look: &Look, area: Rect, buffer: &mut Buffer) -> Drawn {
    if area.is_empty() {
        return state.drawn;
    }
    let cells = usize::from(area.width);
    let mut top = head::title(state, look, cells);
    let body = |top: &[Line<'_>]| usize::from(area.height).saturating_sub(top.len() + 1);
    let mut drawn = Drawn { page: body(&top), below: 0 };
    let lines = match &state.looked {
        Some(looked) => scrolled(run::lines(looked, state, look, cells), state, &mut drawn),
        None if state.figures => scrolled(figures::all(state, look, cells), state, &mut drawn),
        None if state.causes.is_some() => group_lines(state, look, cells, drawn.page),
        None => {
            top.extend(overview(state, look, area));
            let (lines, page) = list::lines(state, look, cells, body(&top));
            drawn.page = page;
            lines
        }
    };
    let room = Rect { height: area.height.saturating_sub(1), ..area };
    put(top.iter().chain(&lines), room, buffer);
    let foot = prompt::foot(state, look, cells);
    put([&foot].into_iter(), Rect { y: area.bottom() - 1, height: 1, ..area }, buffer);
    prompt::draw(state, look, area, buffer);
    drawn
}

/// The runs in numbers, so far down that the selected group is seen.
fn group_lines(state: &State, look: &Look, cells: usize, page: usize) -> Vec<Line<'static>> {
    let Some(causes) = &state.causes else { return Vec::new() };
    let (lines, end) = causes::lines(causes, state, look, cells);
    lines.into_iter().skip(end.saturating_sub(page)).collect()
}

/// What is above the list: as much as leaves room for it.
fn overview(state: &State, look: &Look, area: Rect) -> Vec<Line<'static>> {
    let cells = usize::from(area.width);
    let low = area.height < LOW;
    let mut lines = head::figures(state, look, cells, low);
    if area.height < LOWEST {
        lines.truncate(1);
        return lines;
    }
    lines.extend(head::statuses(&state.summary, look, cells, !low && cells >= 60));
    let attention = head::attention(state, look);
    let shown = if attention.len() > ATTENTION { ATTENTION - 1 } else { attention.len() };
    let more = attention.len() - shown;
    lines.extend(attention.into_iter().take(shown));
    if more > 0 {
        lines.push(Line::styled(format!("and {more} more: Tab"), look.bad()));
    }
    if low {
        return lines;
    }
    if cells >= NARROW {
        lines.push(Line::default());
        lines.extend(beside(state, look, cells));
    }
    if area.height >= HIGH {
        lines.push(Line::default());
    }
    lines
}

/// Two panels side by side: phases, and failures with the rest of the width.
fn beside(state: &State, look: &Look, cells: usize) -> Vec<Line<'static>> {
    const PHASES: usize = 40;
    const GAP: usize = 3;
    let mut right = figures::failures(&state.summary, look, cells - PHASES - GAP, PANEL).into_iter();
    let left = figures::phases(&state.summary, look, PHASES).into_iter();
    left.map(|mut line| {
        let fill = (PHASES + GAP).saturating_sub(line.width());
        // The blanks between the panels have the style of neither.
        let style = std::mem::take(&mut line.style);
        line.spans.iter_mut().for_each(|span| span.style = style.patch(span.style));
        line.push_span(" ".repeat(fill));
        if let Some(other) = right.next() {
            let style = other.style;
            other.spans.into_iter().for_each(|span| {
                let own = style.patch(span.style);
                line.push_span(span.style(own));
            });
        }
        line
    })
    .collect()
}

/// The part of the lines that the reader has scrolled to.
fn scrolled(lines: Vec<Line<'static>>, state: &State, drawn: &mut Drawn) -> Vec<Line<'static>> {
    drawn.below = lines.len().saturating_sub(drawn.page);
    lines.into_iter().skip(state.scroll.min(drawn.below)).collect()
}

fn put<'a>(lines: impl Iterator<Item = &'a Line<'static>>, area: Rect, buffer: &mut Buffer) {
    for (line, y) in lines.zip(area.y..area.bottom()) {
        buffer.set_line(area.x, y, line, area.width);
    }
}

/// The picture as text, without the blanks at the ends of lines.
pub(super) fn text(buffer: &Buffer) -> String {
    let lines = (buffer.area.y..buffer.area.bottom()).map(|y| {
        let (mut line, mut x) = (String::new(), buffer.area.x);
        while x < buffer.area.right() {
            let symbol = buffer[(x, y)].symbol();
            line.push_str(symbol);
            // A wide character covers the cells behind it.
            x += u16::try_from(words::width(symbol)).unwrap_or(1).max(1);
        }
        line.trim_end().to_owned()
    });
    lines.collect::<Vec<_>>().join("\n")
}
