//! The words of one command, as the shell that runs it reads them.

use super::unset::Unset;
use super::values::{OF_A_COMMAND, is_expression, is_of_template, variable};
use super::variables::{Place, Variables};
use super::{Characters, placeholders};
use crate::cli::error::CliError;

/// The words of one command, quotes and line ends read as a shell reads them. What only the shell has the value of is refused, all of
/// it in one error.
pub(super) fn command(text: &str, variables: &Variables<'_>, place: Place<'_>) -> Result<Vec<String>, CliError> {
    read(text, variables, place, true)
}

/// The words of a value. The first one that is not known ends it: what stands in values of values would be looked up in vain.
pub(super) fn words(text: &str, variables: &Variables<'_>, place: Place<'_>) -> Result<Vec<String>, CliError> {
    read(text, variables, place, false)
}

fn read(text: &str, variables: &Variables<'_>, place: Place<'_>, goes_on: bool) -> Result<Vec<String>, CliError> {
    let (characters, words) = (text.chars().peekable(), Vec::new());
    let mut reader = Reader { characters, words, word: None, variables, place, goes_on, unset: Vec::new() };
    while let Some(c) = reader.characters.next() {
        match reader.read(c) {
            Ok(true) => {}
            Ok(false) => break,
            Err(unset) => {
                reader.unset.push(unset);
                break;
            }
        }
    }
    reader.end_word();
    Unset::told(reader.unset).map_or(Ok(reader.words), Err)
}

struct Reader<'r> {
    characters: Characters<'r>,
    words: Vec<String>,
    word: Option<String>,
    variables: &'r Variables<'r>,
    place: Place<'r>,
    /// Reads on behind a value that is not known.
    goes_on: bool,
    unset: Vec<Unset>,
}

impl Reader<'_> {
    fn push(&mut self, c: char) {
        self.word.get_or_insert_default().push(c);
    }

    fn end_word(&mut self) {
        self.words.extend(self.word.take());
    }

    /// The value, or nothing in its place if the others are to be found too.
    fn or_go_on(&mut self, value: Result<String, Unset>) -> Result<String, Unset> {
        match value {
            Err(unset) if self.goes_on && unset.is_of_a_value() => {
                self.unset.push(unset);
                Ok(String::new())
            }
            value => value,
        }
    }

    fn placeholder(&mut self, c: char) -> Result<Option<String>, Unset> {
        let value = placeholders::begins(c, &mut self.characters, self.variables, self.place);
        value.transpose().map(|value| self.or_go_on(value)).transpose()
    }

    fn value(&mut self) -> Result<String, Unset> {
        let value = variable(&mut self.characters, self.variables, self.place);
        self.or_go_on(value)
    }

    /// Reads what begins with this sign; false at the command's end.
    fn read(&mut self, c: char) -> Result<bool, Unset> {
        if let Some(value) = self.placeholder(c)? {
            self.word.get_or_insert_default().push_str(&value);
            return Ok(true);
        }
        match c {
            '\\' => self.escape()?,
            '\'' => self.single_quoted()?,
            '"' => self.double_quoted()?,
            '$' => self.variable()?,
            // PowerShell and cmd.exe continue a line so.
            '`' | '^' if self.characters.peek().is_some_and(|c| "\r\n".contains(*c)) => {
                self.characters.next_if_eq(&'\r');
                self.characters.next();
                self.end_word();
            }
            '`' => return wrong(OF_A_COMMAND),
            // A folded text of YAML goes on in the next line; no command begins with an option.
            '\n' if goes_on(&self.characters) => self.end_word(),
            '\n' | ';' | '|' | '&' | ')' => return Ok(false),
            '>' | '<' => {
                // The number of what is redirected: `2>&1`.
                self.word = self.word.take().filter(|word| !word.chars().all(|c| c.is_ascii_digit()));
                return Ok(false);
            }
            '#' if self.characters.peek() == Some(&'{') => {
                return wrong("#{…} has its value in the program only: write the value into the line");
            }
            '#' if self.word.is_none() => return Ok(false),
            c if c.is_whitespace() => self.end_word(),
            c => self.push(c),
        }
        Ok(true)
    }

    fn escape(&mut self) -> Result<(), Unset> {
        // A blank is easily left behind the sign, and a shell then ends the command there.
        let mut behind = self.characters.clone().skip_while(|c| [' ', '\t'].contains(c));
        let ends_line = self.characters.peek().is_some_and(|c| [' ', '\t'].contains(c))
            && matches!(behind.next(), Some('\n' | '\r'));
        match self.characters.next() {
            _ if ends_line => {
                return wrong(
                    "a blank behind the \\ at a line's end: the command ends there; take the blank out, and the line goes on",
                );
            }
            Some('\n') | None => {}
            Some('\r') => drop(self.characters.next_if_eq(&'\n')),
            Some(c) => self.push(c),
        }
        Ok(())
    }

    fn single_quoted(&mut self) -> Result<(), Unset> {
        let begin = self.word.get_or_insert_default().len();
        loop {
            let c = self.characters.next();
            let word = self.word.get_or_insert_default();
            match c {
                Some('\'') => {
                    if let Some(text) = of_windows_powershell(&word[begin..]) {
                        word.truncate(begin);
                        word.push_str(&text);
                    }
                    return Ok(());
                }
                // GitHub Actions and Terraform put their values in before a shell reads the line.
                Some('$') if is_expression(&self.characters) || is_of_template(&self.characters) => {
                    let value = self.value()?;
                    self.word.get_or_insert_default().push_str(&value);
                }
                Some(c) => self.quoted(c)?,
                None => return wrong(NOT_CLOSED),
            }
        }
    }

    fn double_quoted(&mut self) -> Result<(), Unset> {
        loop {
            let c = self.characters.next();
            let word = self.word.get_or_insert_default();
            match c {
                Some('"') => return Ok(()),
                Some('\\') if self.characters.peek().is_some_and(|c| "\"\\$`".contains(*c)) => {
                    word.extend(self.characters.next());
                }
                Some('\\') if self.characters.next_if_eq(&'\n').is_some() => {}
                Some('$') => {
                    let value = self.value()?;
                    self.word.get_or_insert_default().push_str(&value);
                }
                Some('`') => return wrong(OF_A_COMMAND),
                Some(c) => self.quoted(c)?,
                None => return wrong(NOT_CLOSED),
            }
        }
    }

    /// A sign in quotes, or the placeholder that it begins.
    fn quoted(&mut self, c: char) -> Result<(), Unset> {
        let value = self.placeholder(c)?;
        self.word.get_or_insert_default().push_str(&value.unwrap_or_else(|| c.to_string()));
        Ok(())
    }

    fn variable(&mut self) -> Result<(), Unset> {
        // Outside quotes a shell takes it apart at blanks.
        let value = self.value()?;
        for (n, part) in value.split_ascii_whitespace().enumerate() {
            if n > 0 {
                self.end_word();
            }
            self.word.get_or_insert_default().push_str(part);
        }
        Ok(())
    }
}

/// What a program gets of JSON that is quoted as Windows PowerShell needs it, `'{\"a\": 1}'`; none where it is not quoted so: other
/// shells leave the signs in, and then it is no JSON.
fn of_windows_powershell(text: &str) -> Option<String> {
    let inner = text.trim_start().trim_start_matches(['[', '{', ' ', '\n', '\r', '\t']);
    let is_quoted_twice = inner.len() < text.trim_start().len() && inner.starts_with("\\\"");
    // Within it, a quote of a text has three signs before it.
    is_quoted_twice.then(|| text.replace("\\\\\\\"", "\u{0}").replace("\\\"", "\"").replace('\u{0}', "\\\""))
}

const NOT_CLOSED: &str = "a quote of the command line is not closed";

fn wrong<T>(what: &str) -> Result<T, Unset> {
    Err(Unset::command(what))
}

/// Whether the next line begins with an option.
fn goes_on(characters: &Characters<'_>) -> bool {
    let mut next = characters.clone().skip_while(|c| c.is_whitespace());
    next.next() == Some('-') && next.next() == Some('-') && next.next().is_some_and(|c| c.is_ascii_lowercase())
}
