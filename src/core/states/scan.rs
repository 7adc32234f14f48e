//! A cursor over the text of an expression.

use super::ExpressionError;

/// The text behind what was read.
pub(super) struct Scan<'t> {
    text: &'t str,
    at: usize,
}

impl<'t> Scan<'t> {
    pub(super) fn new(text: &'t str) -> Self {
        Self { text, at: 0 }
    }

    pub(super) fn rest(&self) -> &'t str {
        &self.text[self.at..]
    }

    pub(super) fn peek(&self) -> Option<char> {
        self.rest().chars().next()
    }

    pub(super) fn next(&mut self) -> Option<char> {
        let next = self.peek()?;
        self.at += next.len_utf8();
        Some(next)
    }

    /// Reads `what` if it is next.
    pub(super) fn eat(&mut self, what: &str) -> bool {
        let next = self.rest().starts_with(what);
        if next {
            self.at += what.len();
        }
        next
    }

    pub(super) fn blanks(&mut self) {
        self.take(char::is_whitespace);
    }

    /// Reads as long as the characters fit.
    pub(super) fn take(&mut self, fits: impl Fn(char) -> bool) -> &'t str {
        let rest = self.rest();
        let end = rest.find(|c| !fits(c)).unwrap_or(rest.len());
        self.at += end;
        &rest[..end]
    }

    /// A text in quotes, whose opening one is next; what stands behind a backslash stays, with it, as it is.
    pub(super) fn quoted(&mut self) -> Result<&'t str, ExpressionError> {
        let quote = self.next();
        let start = self.at;
        while let Some(c) = self.next() {
            if c == '\\' {
                self.next();
            } else if Some(c) == quote {
                return Ok(&self.text[start..self.at - c.len_utf8()]);
            }
        }
        Err(ExpressionError::Syntax("a quote is not closed".to_owned()))
    }

    /// A whole number.
    pub(super) fn integer(&mut self) -> Option<i64> {
        let rest = self.rest();
        let digits = rest.strip_prefix('-').unwrap_or(rest);
        let end = digits.find(|c: char| !c.is_ascii_digit()).unwrap_or(digits.len());
        let text = &rest[..rest.len() - digits.len() + end];
        let number = text.parse().ok()?;
        self.at += text.len();
        Some(number)
    }

    /// What is wrong here.
    pub(super) fn unexpected(&self, expected: &str) -> ExpressionError {
        let found = self.peek().map_or_else(|| "the end".to_owned(), |c| format!("{c:?}"));
        ExpressionError::Syntax(format!("expected {expected} at character {}, got {found}", self.at + 1))
    }
}
