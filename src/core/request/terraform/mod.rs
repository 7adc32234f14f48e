//! State machines in Terraform's language: a definition as a text (`<<EOF`), or as `jsonencode({ … })`. What Terraform computes becomes
//! a placeholder of its own words: `var.cluster` is `${var.cluster}`.

#[cfg(test)]
mod tests;

use serde_json::{Map, Value};

use super::RequestError;
use super::programs;
use super::relaxed::strict;

/// Blocks of a configuration.
const BLOCKS: [&str; 7] = ["resource", "data", "module", "locals", "variable", "output", "terraform"];
/// Values in each other.
const MOST_LEVELS: usize = 100;

/// Whether a text is a Terraform configuration: one of its lines opens a block.
pub(super) fn is_configuration(text: &str) -> bool {
    text.lines().any(|line| {
        let words = line.trim().strip_suffix('{').map(str::trim_end);
        let word = words.and_then(|words| words.split([' ', '\t']).next());
        word.is_some_and(|word| BLOCKS.contains(&word)) && !line.contains([':', '='])
    })
}

/// The machines that a configuration writes out.
///
/// # Errors
/// It has none: they are in other files, or computed.
pub(super) fn machines(text: &str) -> Result<Vec<Value>, RequestError> {
    let mut machines = heredocs(text);
    for (at, word) in text.match_indices("jsonencode(") {
        let value = Reader { rest: &text[at + word.len()..] }.value(0);
        machines.extend(value.filter(is_machine));
    }
    if machines.is_empty() {
        return Err(programs::of_terraform(text).unwrap_or_else(|| RequestError::new(
            "a Terraform configuration that writes out no whole state machine: convert the file that its templatefile( ) names, or \
             the machine that is deployed: aws stepfunctions describe-state-machine --state-machine-arn ARN | taskwatch convert -",
        )));
    }
    Ok(machines)
}

/// Whether it is a machine, all of whose states are written out.
fn is_machine(value: &Value) -> bool {
    value.get("States").is_some_and(Value::is_object)
}

/// The machines in texts: from `<<EOF` or `<<-EOF` to a line with that word.
fn heredocs(text: &str) -> Vec<Value> {
    let mut found = Vec::new();
    for (at, _) in text.match_indices("<<") {
        let Some((first, body)) = text[at + 2..].split_once('\n') else { continue };
        let word = first.trim_start_matches(['-', '~']).trim();
        let is_word = !word.is_empty() && word.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
        let Some(end) = body.lines().position(|line| is_word && line.trim() == word) else { continue };
        let body = body.lines().take(end).collect::<Vec<_>>().join("\n");
        let read = serde_json::from_str(&body).ok().or_else(|| serde_json::from_str(&strict(&body)?).ok());
        found.extend(read.filter(is_machine));
    }
    found
}

/// Reads values of the language.
struct Reader<'t> {
    rest: &'t str,
}

impl<'t> Reader<'t> {
    /// A value; none where the text ends within it, or is nested too deeply.
    fn value(&mut self, level: usize) -> Option<Value> {
        if level > MOST_LEVELS {
            return None;
        }
        self.blanks();
        match self.rest.chars().next()? {
            '{' => self.object(level),
            // A list that is computed begins with a bracket too.
            '[' if !self.rest[1..].trim_start().starts_with("for ") => self.list(level),
            '"' if self.ends_behind_text() => self.text().map(Value::String),
            _ => {
                let words = self.expression()?;
                let plain = serde_json::from_str(words).ok().filter(|value: &Value| !value.is_string());
                Some(plain.unwrap_or_else(|| format!("${{{}}}", words.replace(['{', '}'], " ").trim()).into()))
            }
        }
    }

    fn object(&mut self, level: usize) -> Option<Value> {
        self.rest = &self.rest[1..];
        let mut members = Map::new();
        loop {
            self.separators();
            if self.eat('}') {
                return Some(Value::Object(members));
            }
            let name =
                if self.rest.starts_with('"') { self.text()? } else { self.until(&['=', ':'])?.trim().to_owned() };
            self.blanks();
            if !self.eat('=') && !self.eat(':') {
                return None;
            }
            members.insert(name, self.value(level + 1)?);
        }
    }

    fn list(&mut self, level: usize) -> Option<Value> {
        self.rest = &self.rest[1..];
        let mut items = Vec::new();
        loop {
            self.separators();
            if self.eat(']') {
                return Some(Value::Array(items));
            }
            items.push(self.value(level + 1)?);
        }
    }

    /// A text in quotes, its `${…}` as they are.
    fn text(&mut self) -> Option<String> {
        let (end, text) = quoted(self.rest)?;
        self.rest = &self.rest[end..];
        Some(text)
    }

    /// Whether what begins here is one text and no computation with it.
    fn ends_behind_text(&self) -> bool {
        let behind = quoted(self.rest).map(|(end, _)| self.rest[end..].trim_start_matches([' ', '\t', '\r']));
        behind.is_some_and(|behind| behind.is_empty() || behind.starts_with(['\n', ',', '}', ']', ')', '#', '/']))
    }

    /// What is computed: up to the end of its line, a comma, or the bracket that is not its own.
    fn expression(&mut self) -> Option<&'t str> {
        let (text, mut depth, mut at) = (self.rest, 0_usize, 0);
        while let Some(c) = text[at..].chars().next() {
            match c {
                '"' => {
                    at += quoted(&text[at..])?.0;
                    continue;
                }
                '(' | '[' | '{' => depth += 1,
                ')' | ']' | '}' if depth == 0 => break,
                ')' | ']' | '}' => depth -= 1,
                '\n' | ',' if depth == 0 => break,
                _ => {}
            }
            at += c.len_utf8();
        }
        self.rest = &text[at..];
        Some(text[..at].trim()).filter(|words| !words.is_empty())
    }

    fn until(&mut self, ends: &[char]) -> Option<&'t str> {
        let end = self.rest.find(ends)?;
        let (before, rest) = self.rest.split_at(end);
        self.rest = rest;
        Some(before)
    }

    fn eat(&mut self, sign: char) -> bool {
        let rest = self.rest.strip_prefix(sign);
        self.rest = rest.unwrap_or(self.rest);
        rest.is_some()
    }

    fn separators(&mut self) {
        loop {
            self.blanks();
            if !self.eat(',') {
                return;
            }
        }
    }

    /// Blanks and comments.
    fn blanks(&mut self) {
        loop {
            self.rest = self.rest.trim_start();
            let end = if self.rest.starts_with('#') || self.rest.starts_with("//") {
                self.rest.find('\n').unwrap_or(self.rest.len())
            } else if self.rest.starts_with("/*") {
                self.rest.find("*/").map_or(self.rest.len(), |end| end + 2)
            } else {
                return;
            };
            self.rest = &self.rest[end..];
        }
    }
}

/// Where the text in quotes ends that begins here, and what it says.
fn quoted(text: &str) -> Option<(usize, String)> {
    let (mut said, mut at) = (String::new(), 1);
    loop {
        let rest = text.get(at..)?;
        let c = rest.chars().next()?;
        if c == '"' {
            return Some((at + 1, said));
        }
        if rest.starts_with("$${") {
            said += "${";
            at += 3;
        } else if rest.starts_with("${") {
            let length = computed(rest)?;
            said += &rest[..length];
            at += length;
        } else if c == '\\' {
            let escaped = rest[1..].chars().next()?;
            said.push(match escaped {
                'n' => '\n',
                't' => '\t',
                'r' => '\r',
                other => other,
            });
            at += 1 + escaped.len_utf8();
        } else {
            said.push(c);
            at += c.len_utf8();
        }
    }
}

/// How long the `${…}` is that begins here.
fn computed(text: &str) -> Option<usize> {
    let (mut depth, mut quote) = (0_usize, false);
    for (at, c) in text.char_indices() {
        match c {
            '"' => quote = !quote,
            '{' if !quote => depth += 1,
            '}' if !quote => {
                depth = depth.checked_sub(1)?;
                if depth == 0 {
                    return Some(at + 1);
                }
            }
            _ => {}
        }
    }
    None
}
