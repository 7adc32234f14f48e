//! Regular expressions. JSONata has JavaScript's; here they are those of the regex crate, which take time linear in the text.
//! What only a backtracking engine could match is refused by name.

use regex::{Regex, RegexBuilder};

use crate::core::states::ExpressionError;

/// Bytes of a compiled expression: some hundred states, so that a long text is matched fast whatever the expression.
const MOST_BYTES: usize = 1 << 17;

#[derive(Debug)]
pub(super) struct Pattern {
    regex: Regex,
}

impl PartialEq for Pattern {
    fn eq(&self, other: &Self) -> bool {
        self.regex.as_str() == other.regex.as_str()
    }
}

/// One place that fits.
pub(super) struct Found<'t> {
    pub(super) text: &'t str,
    pub(super) start: usize,
    pub(super) end: usize,
    pub(super) groups: Vec<&'t str>,
}

impl Pattern {
    /// The expression between the slashes, and the flags behind them.
    pub(super) fn new(text: &str, flags: &str) -> Result<Self, ExpressionError> {
        if text.is_empty() {
            return Err(ExpressionError::Syntax("a regular expression is empty".to_owned()));
        }
        for (sign, what) in
            [("(?=", "look-ahead"), ("(?!", "look-ahead"), ("(?<=", "look-behind"), ("(?<!", "look-behind")]
        {
            if text.contains(sign) {
                return Err(refused(what));
            }
        }
        let translated = as_in_javascript(text)?;
        let built = RegexBuilder::new(&translated)
            .case_insensitive(flags.contains('i'))
            .multi_line(flags.contains('m'))
            .size_limit(MOST_BYTES)
            .dfa_size_limit(MOST_BYTES)
            .nest_limit(50)
            .build();
        match built {
            Ok(regex) => Ok(Self { regex }),
            Err(regex::Error::CompiledTooBig(_)) => {
                Err(ExpressionError::Failed("a regular expression is too large: it repeats too much".to_owned()))
            }
            Err(_) => Err(ExpressionError::Syntax(format!("/{text}/ is no regular expression that can be taken"))),
        }
    }

    /// The first place from `from` on.
    pub(super) fn find<'t>(&self, text: &'t str, from: usize) -> Option<Found<'t>> {
        let captures = self.regex.captures_at(text, from)?;
        let found = captures.get(0)?;
        // A group that took no part is an empty text.
        let groups = captures.iter().skip(1).map(|group| group.map_or("", |group| group.as_str())).collect();
        Some(Found { text: found.as_str(), start: found.start(), end: found.end(), groups })
    }
}

/// The classes mean ASCII, as in JavaScript; a group named by number behind a backslash is no expression of this kind.
fn as_in_javascript(text: &str) -> Result<String, ExpressionError> {
    let mut out = String::with_capacity(text.len());
    let (mut characters, mut in_class) = (text.chars().peekable(), false);
    while let Some(c) = characters.next() {
        match c {
            '\\' => match characters.next() {
                Some('1'..='9') if !in_class => return Err(refused("a reference back to a group")),
                Some('k') if !in_class => return Err(refused("a reference back to a group")),
                Some('d') => out.push_str(if in_class { "0-9" } else { "[0-9]" }),
                Some('w') => out.push_str(if in_class { "0-9A-Za-z_" } else { "[0-9A-Za-z_]" }),
                Some('D') => out.push_str("[^0-9]"),
                Some('W') => out.push_str("[^0-9A-Za-z_]"),
                Some('b') if !in_class => out.push_str(r"(?-u:\b)"),
                Some('/') => out.push('/'),
                Some(other) if other.is_ascii_punctuation() => out.push_str(&regex::escape(&other.to_string())),
                Some(other) => out.extend(['\\', other]),
                None => out.push('\\'),
            },
            '[' if in_class => out.push_str(r"\["),
            '&' | '~' if in_class => out.extend(['\\', c]),
            '[' => {
                in_class = true;
                out.push('[');
            }
            ']' if in_class => {
                in_class = false;
                out.push(']');
            }
            c => out.push(c),
        }
    }
    Ok(out)
}

fn refused(what: &str) -> ExpressionError {
    ExpressionError::Syntax(format!(
        "{what} in a regular expression is not evaluated here: its time could not be bounded"
    ))
}
