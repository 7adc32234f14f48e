//! Figures and texts as they fit into a terminal's cells.

use std::time::Duration;

use ratatui::style::Style;
use ratatui::text::{Line, Span};

pub(super) use crate::cli::duration::{seconds, whole};
use crate::core::time::Timestamp;

/// From one instant to a later one.
pub(super) fn between(from: Timestamp, to: Timestamp) -> String {
    seconds(to.since(from).as_secs_f64())
}

/// How long ago, in one unit.
pub(super) fn age(from: Timestamp, now: Timestamp) -> String {
    whole(now.since(from))
}

/// An instant to the second, in UTC.
pub(super) fn second(at: Timestamp) -> String {
    at.to_string().get(..19).map_or_else(String::new, |text| text.replace('T', " ") + " UTC")
}

/// A text of the cell's with its instants as they are told here: only the time of day where that is within a day, and how long
/// until then where it is to come.
pub(super) fn instants(text: &str, now: Timestamp) -> String {
    let told = |word: &str| {
        let bare = word.trim_end_matches([',', ';', ':', '.']);
        let at = Timestamp::parse(bare).filter(|_| bare.ends_with('Z'))?;
        let far = at.since(now).max(now.since(at)) >= DAY;
        let clock = second(at);
        let clock = if far { &clock } else { clock.get(11..).unwrap_or_default() };
        let ahead = if at > now { format!(" (in {})", whole(at.since(now))) } else { String::new() };
        Some(format!("{clock}{ahead}{}", &word[bare.len()..]))
    };
    text.split(' ').map(|word| told(word).unwrap_or_else(|| word.to_owned())).collect::<Vec<_>>().join(" ")
}

/// A count in few characters.
pub(super) fn brief(n: u64) -> String {
    match n {
        0..10_000 => n.to_string(),
        10_000..1_000_000 => format!("{}k", n / 1000),
        _ => format!("{}M", n / 1_000_000),
    }
}

pub(super) fn rate(rate: f64) -> String {
    if rate < 100.0 { format!("{rate:.1}") } else { format!("{rate:.0}") }
}

pub(super) fn width(text: &str) -> usize {
    Span::raw(text).width()
}

/// A text in so many cells: cut, or filled up.
pub(super) fn fit(text: &str, cells: usize) -> String {
    let cut = cut(text, cells);
    let missing = cells.saturating_sub(width(&cut));
    cut + &" ".repeat(missing)
}

/// A text in at most so many cells.
pub(super) fn cut(text: &str, cells: usize) -> String {
    if width(text) <= cells {
        return text.to_owned();
    }
    let mut short = String::new();
    for c in text.chars() {
        short.push(c);
        if width(&short) > cells.saturating_sub(1) {
            short.pop();
            break;
        }
    }
    if cells > 0 { short + "…" } else { short }
}

const DAY: Duration = Duration::from_secs(86_400);
const LEVELS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];

/// Values as a line of columns, the greatest being `top`; blank where there is nothing.
pub(super) fn spark(values: impl IntoIterator<Item = f64>, top: f64) -> String {
    let level = |value: f64| match value / top {
        share if share > 0.0 => LEVELS[((share * 8.0).ceil() as usize).clamp(1, 8) - 1],
        _ => ' ',
    };
    values.into_iter().map(level).collect()
}

/// A share of a whole as a bar.
pub(super) fn bar(share: f64, cells: usize) -> String {
    let full = (share.clamp(0.0, 1.0) * cells as f64).round() as usize;
    "█".repeat(full) + &"░".repeat(cells - full)
}

/// Things side by side, in as many lines as they need.
pub(super) fn flow(things: Vec<Vec<Span<'static>>>, cells: usize) -> Vec<Line<'static>> {
    let mut lines: Vec<Line<'static>> = Vec::new();
    for thing in things {
        let needed: usize = thing.iter().map(Span::width).sum();
        match lines.last_mut() {
            Some(line) if line.width() + 2 + needed <= cells => {
                line.push_span("  ");
                thing.into_iter().for_each(|span| line.push_span(span));
            }
            _ => lines.push(Line::from(thing)),
        }
    }
    lines
}

/// A text broken between words, each line behind so many blanks but the first behind `head`.
pub(super) fn wrap(head: &str, text: &str, cells: usize, style: Style) -> Vec<Line<'static>> {
    let indent = width(head);
    let room = cells.saturating_sub(indent).max(8);
    let mut broken: Vec<String> = vec![String::new()];
    for word in text.split_whitespace() {
        for piece in pieces(word, room) {
            let line = broken.last_mut().filter(|line| line.is_empty() || width(line) + 1 + width(&piece) <= room);
            match line {
                Some(line) if line.is_empty() => line.push_str(&piece),
                Some(line) => {
                    line.push(' ');
                    line.push_str(&piece);
                }
                None => broken.push(piece),
            }
        }
    }
    let before = |at: usize| if at == 0 { head.to_owned() } else { " ".repeat(indent) };
    let lines = broken.into_iter().enumerate();
    lines.map(|(at, text)| Line::from(vec![Span::raw(before(at)), Span::styled(text, style)])).collect()
}

/// A word that is wider than the room, in pieces.
fn pieces(word: &str, room: usize) -> Vec<String> {
    let mut pieces = vec![String::new()];
    for c in word.chars() {
        let piece = pieces.last_mut().filter(|piece| width(piece) + width(c.encode_utf8(&mut [0; 4])) <= room);
        match piece {
            Some(piece) => piece.push(c),
            None => pieces.push(c.to_string()),
        }
    }
    pieces
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_have_as_many_digits_as_matter() {
        for (value, text) in [
            (0.0, "0s"),
            (0.042, "42ms"),
            (4.25, "4.2s"),
            (42.0, "42s"),
            (185.0, "3m05s"),
            (18_120.0, "5h02m"),
            (100_000.0, "1d03h"),
        ] {
            assert_eq!(seconds(value), text);
        }
    }

    #[test]
    fn instants_in_a_text_are_told_in_utc_and_how_far_ahead_they_are() {
        let now = Timestamp::parse("2026-11-26T02:00:00Z").expect("an instant");
        let text = "paused since 2026-11-26T01:00:00.000Z: by ann; next at 2026-11-26T02:00:33.100Z";
        assert_eq!(instants(text, now), "paused since 01:00:00 UTC: by ann; next at 02:00:33 UTC (in 33s)");
        assert_eq!(instants("since 2026-11-20T01:00:00.000Z", now), "since 2026-11-20 01:00:00 UTC");
        assert_eq!(instants("2026 Z  x:", now), "2026 Z  x:");
    }

    #[test]
    fn counts_are_short() {
        let shown = [9_999, 10_000, 999_999, 1_000_000].map(brief);
        assert_eq!(shown, ["9999", "10k", "999k", "1M"]);
    }

    #[test]
    fn wide_characters_take_the_cells_they_take() {
        assert_eq!((cut("漢字漢字", 5), fit("ab", 4), cut("abc", 0)), ("漢字…".into(), "ab  ".into(), String::new()));
    }

    #[test]
    fn long_texts_are_broken_between_words_and_longer_words_anywhere() {
        let lines = wrap("  do  ", "one two three abcdefghijklmnop", 16, Style::new());
        let texts: Vec<String> = lines.iter().map(ToString::to_string).collect();
        assert_eq!(texts, ["  do  one two", "      three", "      abcdefghij", "      klmnop"]);
    }

    #[test]
    fn a_line_of_columns_keeps_the_smallest_visible() {
        assert_eq!(spark([0.0, 0.1, 50.0, 100.0], 100.0), " ▁▄█");
        assert_eq!(spark([0.0], 0.0), " ");
        assert_eq!((bar(0.5, 4), bar(7.0, 2)), ("██░░".into(), "██".into()));
    }
}
