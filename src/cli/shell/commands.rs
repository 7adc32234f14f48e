//! Where a text has commands of the AWS CLI that launch tasks, whatever the program is called there.

use std::borrow::Cow;

use super::quotes::Open;

/// A command that launches: `ecs run-task`, with what stands before and behind it.
pub(super) struct Command<'t> {
    /// Where `ecs` stands.
    pub(super) at: usize,
    /// The program, where it is a variable: its value may bring options.
    pub(super) program: &'t str,
    /// The words behind the program, up to the end of what they are quoted in.
    pub(super) text: Cow<'t, str>,
    /// Whether the program is known to be the AWS CLI.
    pub(super) is_known: bool,
}

/// All of them, in order.
pub(super) fn commands(text: &str) -> Vec<Command<'_>> {
    text.match_indices("run-task").filter_map(|(at, word)| command(text, at, at + word.len())).collect()
}

/// The command whose `run-task` stands here.
fn command(text: &str, at: usize, end: usize) -> Option<Command<'_>> {
    if text[end..].starts_with(|c: char| c.is_ascii_alphanumeric() || "-_.".contains(c)) {
        return None;
    }
    let before = without_blanks(&text[..at]);
    let ecs = before.strip_suffix("ecs").filter(|_| before.len() < at)?.len();
    if text[..ecs].chars().next_back().is_some_and(|c| !c.is_whitespace() && !"\"'`(".contains(c)) {
        return None;
    }
    let begin = line_begin(text, ecs);
    let (whole, begin_of_line) = (text, begin);
    let physical = text[..ecs].rfind('\n').map_or(0, |newline| newline + 1).max(begin);
    let open = Open::at_end_of(&text[begin..ecs]);
    let (program, behind, is_known) = program(text, begin + open.command.min(ecs - begin), ecs);
    let behind = if behind > begin { behind } else { physical };
    // The program may stand before the quotes: `-ArgumentList "ecs run-task …"`.
    let quote = open.quote();
    let behind = if quote.is_some_and(|quote| text[behind..ecs].contains(quote)) { ecs } else { behind };
    let text = match quote {
        Some(quote) => unquoted(&text[behind..], quote),
        None => Cow::Borrowed(&text[behind..]),
    };
    // `%w[aws ecs run-task …]` of Ruby ends with its bracket.
    let listed = ["%w[", "%W["].iter().any(|begin| whole[begin_of_line..ecs].contains(begin));
    let text = match text.find(']').filter(|_| listed) {
        Some(end) => Cow::Owned(text[..end].to_owned()),
        None => text,
    };
    Some(Command { at: ecs, program, text, is_known })
}

/// The text without the blanks at its end, and without the signs by which a line goes on.
fn without_blanks(text: &str) -> &str {
    let mut text = text;
    loop {
        let trimmed = text.trim_end();
        let newline = text[trimmed.len()..].contains('\n');
        match trimmed.strip_suffix(['\\', '`', '^']).filter(|_| newline) {
            Some(before) => text = before,
            None => return trimmed,
        }
    }
}

/// Where the line begins in which a place is, lines that go on taken together.
fn line_begin(text: &str, at: usize) -> usize {
    let mut begin = at;
    loop {
        begin = text[..begin].rfind('\n').map_or(0, |newline| newline + 1);
        let before = text[..begin].trim_end_matches(['\n', '\r']);
        if begin == 0 || !before.ends_with(['\\', '`', '^']) || text[before.len()..begin].matches('\n').count() > 1 {
            return begin;
        }
        begin = before.len();
    }
}

/// The program between these places, if it is a variable; where the words behind it begin; whether it is the AWS CLI.
fn program(text: &str, begin: usize, ecs: usize) -> (&str, usize, bool) {
    let words = words_between(text, begin, ecs);
    // What another command of the line has is no matter here.
    let ends = |word: &str| word.ends_with([';', '&', '|']) || ["then", "do", "else"].contains(&word);
    let words = &words[words.iter().rposition(|(_, word)| ends(word)).map_or(0, |end| end + 1)..];
    if let Some((at, word)) = words.iter().rev().find(|(_, word)| is_aws(word)) {
        return ("", at + word.len(), true);
    }
    // A value of an option is no program: `--region $REGION`.
    let variable = words.iter().enumerate().rev().find(|(n, (_, word))| {
        let of_option = n.checked_sub(1).is_some_and(|before| words[before].1.starts_with('-'));
        opened(word).starts_with('$') && !of_option
    });
    match variable {
        Some((_, (at, word))) => (opened(word).trim_end_matches(['"', '\'']), at + word.len(), true),
        None => ("", ecs, false),
    }
}

fn words_between(text: &str, begin: usize, end: usize) -> Vec<(usize, &str)> {
    let (mut words, mut at) = (Vec::new(), begin);
    for word in text[begin..end].split_inclusive(char::is_whitespace) {
        let trimmed = word.trim_end();
        if !trimmed.is_empty() {
            words.push((at, trimmed));
        }
        at += word.len();
    }
    words
}

/// A word without what opens a quote or a command before it: `X=$(aws`, `system("aws`.
fn opened(word: &str) -> &str {
    let inner = word.trim_end_matches(['"', '\'', ')', '`']);
    let begin = inner.rfind(['`', '"', '\'', '@', '=', ';', '&', '|']).map_or(0, |at| at + 1);
    let word = &word[begin..];
    // `X=$($AWS` opens a command, `$(AWS)` is a variable of make.
    match word.rfind("$(") {
        Some(at) if word[at + 2..].contains(')') => &word[at..],
        Some(at) => &word[at + 2..],
        None => word.rfind('(').map_or(word, |at| &word[at + 1..]),
    }
}

/// Whether a word is the AWS CLI: `aws`, a path to it, its image.
fn is_aws(word: &str) -> bool {
    let name = opened(word).trim_end_matches(['"', '\'', ')', '`']);
    let name = name.rsplit(['/', '\\']).next().unwrap_or(name);
    let name = name.split([':', '@']).next().unwrap_or(name).to_ascii_lowercase();
    ["aws", "aws2", "awslocal", "aws.exe", "aws.cmd", "aws-cli", "awscli"].contains(&name.as_str())
}

/// What is quoted here, without the escapes of JSON, YAML and shells.
fn unquoted(text: &str, quote: char) -> Cow<'_, str> {
    let (mut inner, mut characters) = (String::new(), text.chars().peekable());
    while let Some(c) = characters.next() {
        match c {
            '\\' if quote == '"' && characters.peek().is_some_and(|c| "\"\\$`".contains(*c)) => {
                inner.extend(characters.next());
            }
            c if c == quote && quote == '\'' && characters.next_if_eq(&'\'').is_some() => inner.push(c),
            c if c == quote => return Cow::Owned(inner),
            c => inner.push(c),
        }
    }
    // It is not closed: the quote belongs to something else.
    Cow::Borrowed(text)
}
