//! What only tells of a command: comments, titles, what a line prints.

use super::quotes::Open;

/// What a line begins with that is no command.
const TITLES: [&str; 9] = ["#", "//", "/*", "* ", "::", "rem ", "name:", "description:", "displayname:"];
/// Commands that print what stands behind them.
const PRINTS: [&str; 5] = ["echo ", "printf ", "print(", "log ", "write-host "];

/// Whether a line only tells of the command that stands here.
pub(super) fn is_told(text: &str, at: usize) -> bool {
    let begin = text[..at].rfind('\n').map_or(0, |newline| newline + 1);
    let line = &text[begin..at];
    if starts(line, &TITLES) {
        return true;
    }
    let open = Open::at_end_of(line);
    if open.in_comment {
        return true;
    }
    // What a shell gets of it is run.
    let rest = text[at..].lines().next().unwrap_or_default();
    let is_run = rest.split('|').skip(1).any(|next| {
        let program = next.split_whitespace().find(|word| *word != "sudo").unwrap_or_default();
        ["sh", "bash", "zsh", "dash", "xargs", "parallel"].contains(&program)
    });
    starts(&line[open.command..], &PRINTS) && !is_run
}

fn starts(line: &str, words: &[&str]) -> bool {
    let begin = line.trim_start().trim_start_matches(['-', '@', ' ']);
    words.iter().any(|word| begin.get(..word.len()).is_some_and(|begin| begin.eq_ignore_ascii_case(word)))
}
