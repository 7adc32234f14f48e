//! The words of an expression.

use std::rc::Rc;

use super::numbers::Number;
use super::pattern::Pattern;
use crate::core::states::ExpressionError;

#[derive(Clone, Debug, PartialEq)]
pub(super) enum Token {
    Name(Rc<str>),
    /// A name in backticks, which is no word of the language.
    Quoted(Rc<str>),
    Variable(Rc<str>),
    Text(Rc<str>),
    Number(Number),
    Regex(Rc<Pattern>),
    Sign(&'static str),
    End,
}

/// Longer ones first.
const SIGNS: [&str; 37] = [
    "**", "..", ":=", "!=", "<=", ">=", "~>", "?:", "??", ".", "[", "]", "{", "}", "(", ")", ",", "@", "#", ";", ":",
    "?", "+", "-", "*", "/", "%", "|", "=", "<", ">", "^", "&", "!", "~", "$", "`",
];

/// The words of a text, one after the other.
pub(super) struct Lexer<'t> {
    text: &'t str,
    at: usize,
    /// A value ends here, so `/` divides; elsewhere it begins a regular expression.
    behind_value: bool,
}

impl<'t> Lexer<'t> {
    pub(super) fn new(text: &'t str) -> Self {
        Self { text, at: 0, behind_value: false }
    }

    /// Where the next word begins, in bytes.
    pub(super) fn start(&mut self) -> Result<usize, ExpressionError> {
        self.blanks()?;
        Ok(self.at)
    }

    /// The word before was a value, which its sign does not tell: `*`, `**` and `%` are values and operators.
    pub(super) fn is_behind_value(&mut self) {
        self.behind_value = true;
    }

    /// A place as people count: from 1, in characters.
    pub(super) fn column(&self, at: usize) -> usize {
        self.text[..at].chars().count() + 1
    }

    fn rest(&self) -> &'t str {
        &self.text[self.at..]
    }

    pub(super) fn next(&mut self) -> Result<Token, ExpressionError> {
        self.blanks()?;
        let token = self.token()?;
        self.behind_value = match &token {
            Token::Sign(sign) => [")", "]", "}"].contains(sign),
            Token::Name(name) => !["and", "or", "in"].contains(&&**name),
            _ => true,
        };
        Ok(token)
    }

    fn token(&mut self) -> Result<Token, ExpressionError> {
        let rest = self.rest();
        let Some(first) = rest.chars().next() else { return Ok(Token::End) };
        if first == '/' && !self.behind_value {
            return self.regex();
        }
        match first {
            '"' | '\'' => self.quoted(first).map(|text| Token::Text(text.into())),
            '`' => {
                let end = rest[1..].find('`').ok_or_else(|| self.wrong("a ` is not closed"))?;
                self.at += end + 2;
                Ok(Token::Quoted(rest[1..=end].into()))
            }
            '0'..='9' => self.number(),
            '$' => {
                self.at += 1;
                let name = if self.rest().starts_with('$') {
                    self.at += 1;
                    "$"
                } else {
                    self.word()
                };
                Ok(Token::Variable(name.into()))
            }
            _ => {
                if let Some(sign) = SIGNS.iter().find(|sign| rest.starts_with(**sign)) {
                    self.at += sign.len();
                    return Ok(Token::Sign(sign));
                }
                Ok(Token::Name(self.word().into()))
            }
        }
    }

    /// Blanks and comments.
    fn blanks(&mut self) -> Result<(), ExpressionError> {
        loop {
            let rest = self.rest();
            self.at += rest.len() - rest.trim_start().len();
            if !self.rest().starts_with("/*") {
                return Ok(());
            }
            let end = self.rest().find("*/").ok_or_else(|| self.wrong("a comment is not closed"))?;
            self.at += end + 2;
        }
    }

    /// A name: up to a blank or a sign.
    fn word(&mut self) -> &'t str {
        let rest = self.rest();
        let ends = |c: char| c.is_whitespace() || (c.is_ascii_punctuation() && c != '_' && c != '\\');
        let end = rest.find(ends).unwrap_or(rest.len());
        self.at += end;
        &rest[..end]
    }

    fn number(&mut self) -> Result<Token, ExpressionError> {
        let rest = self.rest();
        let digits = |from: usize| {
            let behind = &rest[from..];
            from + behind.find(|c: char| !c.is_ascii_digit()).unwrap_or(behind.len())
        };
        let mut end = if rest.starts_with('0') { 1 } else { digits(0) };
        // `[1..3]` is a range, no fraction.
        if rest[end..].starts_with('.') && digits(end + 1) > end + 1 {
            end = digits(end + 1);
        }
        if rest[end..].starts_with(['e', 'E']) {
            let sign = usize::from(rest[end + 1..].starts_with(['+', '-']));
            let start = end + 1 + sign;
            if digits(start) > start {
                end = digits(start);
            }
        }
        let number = Number::read(&rest[..end]);
        let number = number.ok_or_else(|| self.wrong("the number is too large"))?;
        self.at += end;
        Ok(Token::Number(number))
    }

    fn quoted(&mut self, quote: char) -> Result<String, ExpressionError> {
        let mut units: Vec<u16> = Vec::new();
        let mut characters = self.rest().char_indices().skip(1);
        let mut buffer = [0; 2];
        while let Some((at, c)) = characters.next() {
            if c == quote {
                self.at += at + 1;
                return Ok(String::from_utf16_lossy(&units));
            }
            if c != '\\' {
                units.extend_from_slice(c.encode_utf16(&mut buffer));
                continue;
            }
            units.push(match characters.next().map(|(_, c)| c) {
                Some(c @ ('"' | '\\' | '/')) => c as u16,
                Some('b') => 8,
                Some('f') => 12,
                Some('n') => 10,
                Some('r') => 13,
                Some('t') => 9,
                Some('u') => {
                    let hex: String = characters.by_ref().take(4).map(|(_, c)| c).collect();
                    let unit = Some(hex).filter(|hex| hex.len() == 4 && hex.chars().all(|c| c.is_ascii_hexdigit()));
                    let unit = unit.and_then(|hex| u16::from_str_radix(&hex, 16).ok());
                    unit.ok_or_else(|| self.wrong("\\u takes four hexadecimal digits"))?
                }
                _ => {
                    return Err(self.wrong(
                        "of the characters behind a backslash JSONata knows \" \\ / b f n r t u; a quote goes into a text of \
                         the other kind of quotes",
                    ));
                }
            });
        }
        Err(self.wrong("a quote is not closed"))
    }

    fn regex(&mut self) -> Result<Token, ExpressionError> {
        let rest = self.rest();
        let (mut escaped, mut end) = (false, None);
        for (at, c) in rest.char_indices().skip(1) {
            if c == '/' && !escaped {
                end = Some(at);
                break;
            }
            escaped = c == '\\' && !escaped;
        }
        let end = end.ok_or_else(|| self.wrong("a regular expression is not closed"))?;
        let flags = &rest[end + 1..];
        let flags = &flags[..flags.find(|c: char| c != 'i' && c != 'm').unwrap_or(flags.len())];
        let pattern = Pattern::new(&rest[1..end], flags)?;
        self.at += end + 1 + flags.len();
        Ok(Token::Regex(Rc::new(pattern)))
    }

    fn wrong(&self, what: &str) -> ExpressionError {
        ExpressionError::Syntax(format!("{what}, from character {}", self.column(self.at)))
    }
}
