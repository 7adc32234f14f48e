//! An `aws ecs run-task` line out of a script, as a shell reads it.

use std::borrow::Cow;
use std::collections::BTreeMap;

use super::error::CliError;

/// What variables a line has: those that the text assigns before it, those of its `NAME: value` lines, and those that are given.
pub(super) struct Variables<'g> {
    assigned: BTreeMap<String, String>,
    given: &'g dyn Fn(&str) -> Option<String>,
}

impl Variables<'_> {
    fn value(&self, name: &str) -> Option<String> {
        (self.given)(name).or_else(|| self.assigned.get(name).cloned())
    }
}

/// The words behind `run-task` of each such line of a text; none where the text has none. `given` knows variables that the text does
/// not assign.
pub(super) fn run_tasks(text: &str, given: &dyn Fn(&str) -> Option<String>) -> Vec<Result<Vec<String>, CliError>> {
    // JSON may speak of it too.
    if text.trim_start().starts_with(['{', '[']) { Vec::new() } else { lines(text, given) }
}

/// The same of a JSON document that is nothing else: the scripts of a `package.json`.
pub(super) fn run_tasks_in_json(
    text: &str,
    given: &dyn Fn(&str) -> Option<String>,
) -> Vec<Result<Vec<String>, CliError>> {
    let has_options = |line: &Result<Vec<String>, CliError>| line.as_ref().map_or(true, |words| !words.is_empty());
    lines(text, given).into_iter().filter(has_options).collect()
}

fn lines(text: &str, given: &dyn Fn(&str) -> Option<String>) -> Vec<Result<Vec<String>, CliError>> {
    let line = |(at, command): (usize, Cow<'_, str>)| {
        let variables = assigned(text, at, given);
        let words = command_before(text, at).map_or(Ok(()), Err).and_then(|()| words(&command, &variables));
        match words {
            Err(error) => command.lines().next()?.contains("run-task").then_some(Err(error)),
            Ok(words) => of_aws(&words).map(Ok),
        }
    };
    let (told, run): (Vec<_>, Vec<_>) = commands(text).into_iter().partition(|(at, _)| is_told(text, *at));
    let found: Vec<_> = run.into_iter().filter_map(line).collect();
    // A name or a title may say it as well: a line has options.
    let (with, without): (Vec<_>, Vec<_>) =
        found.into_iter().partition(|line| line.as_ref().map_or(true, |words| !words.is_empty()));
    match (with.is_empty(), without.is_empty()) {
        (false, _) => with,
        (true, false) => without.into_iter().take(1).collect(),
        (true, true) => {
            told.into_iter().filter_map(line).filter_map(Result::ok).filter(|words| !words.is_empty()).map(Ok).collect()
        }
    }
}

/// Where a command of the AWS CLI begins, and its text up to the end of what it is quoted in.
fn commands(text: &str) -> Vec<(usize, Cow<'_, str>)> {
    let before = |at: usize| text[..at].chars().next_back();
    let begins = |at: &usize| before(*at).is_none_or(|c| c.is_whitespace() || "(`;&|\"'@".contains(c));
    let command = |at: usize| match before(at) {
        Some(quote @ ('"' | '\'')) => (at, unquoted(&text[at..], quote)),
        _ => (at, Cow::Borrowed(&text[at..])),
    };
    let by_name: Vec<_> = text.match_indices("aws ").map(|(at, _)| at).filter(begins).map(command).collect();
    if by_name.iter().any(|(_, command)| command.contains("run-task")) {
        return by_name;
    }
    // The program may be a variable or stand in a container: `$AWS ecs run-task`, `docker run amazon/aws-cli ecs run-task`.
    let subcommands = text.match_indices("ecs run-task").filter_map(|(at, _)| {
        let program = text[..at].trim_end().rfind(char::is_whitespace).map_or(0, |before| before + 1);
        match text[program..at].trim_matches(['"', ' ']) {
            variable if variable.starts_with('$') => Some(program),
            other => ["aws-cli", "/aws", "awslocal", "aws.exe"].iter().any(|end| other.contains(end)).then_some(at),
        }
    });
    subcommands.filter(begins).map(|at| (at, Cow::Borrowed(&text[at..]))).collect()
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

/// Whether a line only tells of the command that stands here: in a comment, a title, or what it prints.
fn is_told(text: &str, at: usize) -> bool {
    let line = text[..at].rsplit('\n').next().unwrap_or_default();
    let begin = line.trim_start().trim_start_matches(['-', '@', ' ']);
    let tells = ["#", "//", "::", "REM ", "echo ", "printf ", "print(", "name:", "description:", "log ", "Write-Host "];
    tells.iter().any(|word| begin.starts_with(word)) && !line.contains("$(")
}

/// A Python string in which names have their values: `f"aws ecs …"`.
fn command_before(text: &str, at: usize) -> Option<CliError> {
    let formatted = ["f\"", "f'", "F\"", "F'"].iter().any(|begin| text[..at].ends_with(begin));
    let line = text[at..].lines().next().unwrap_or_default();
    (formatted && line.contains("run-task") && line.contains('{'))
        .then(|| CliError::usage("an f-string has its values in Python only: write the command as the shell gets it"))
}

/// The variables that a script has assigned by itself before `at`, `NAME=value` at the beginning of a line (`NAME := value` in a
/// Makefile); those of commands are not known. Of `NAME: value`, as CI files have it anywhere, those that have one value in the text.
fn assigned<'g>(text: &str, at: usize, given: &'g dyn Fn(&str) -> Option<String>) -> Variables<'g> {
    let mut variables = Variables { assigned: BTreeMap::new(), given };
    let mut named = BTreeMap::<String, Option<String>>::new();
    for (name, value) in text.lines().filter_map(|line| line.trim_start().trim_start_matches("- ").split_once(": ")) {
        let is_variable = is_name(name) && !name.contains(|c: char| c.is_ascii_lowercase());
        let Some(value) = words(value, &variables).ok().filter(|words| is_variable && !words.is_empty()) else {
            continue;
        };
        let value = value.join(" ");
        named
            .entry(name.to_owned())
            .and_modify(|known| {
                if known.as_ref() != Some(&value) {
                    *known = None;
                }
            })
            .or_insert(Some(value.clone()));
    }
    variables.assigned.extend(named.into_iter().filter_map(|(name, value)| Some((name, value?))));
    for line in text[..at].lines() {
        let line = line.trim_start().trim_start_matches("- ");
        let line = ["export ", "readonly ", "local ", "declare ", "ENV ", "ARG ", "set "]
            .iter()
            .find_map(|word| line.strip_prefix(word))
            .unwrap_or(line);
        let Some((name, value)) = line.trim_start().split_once('=') else { continue };
        // make takes the whole line, and blanks around the sign.
        let of_make = name.ends_with([' ', ':', '?']);
        let name = if of_make { name.trim_end_matches([':', '?', ' ']) } else { name };
        if !is_name(name) {
            continue;
        }
        match words(value, &variables) {
            Ok(words) if of_make => drop(variables.assigned.insert(name.to_owned(), words.join(" "))),
            Ok(words) => drop(variables.assigned.insert(name.to_owned(), words.into_iter().next().unwrap_or_default())),
            Err(_) => drop(variables.assigned.remove(name)),
        }
    }
    variables
}

pub(super) fn is_name(text: &str) -> bool {
    !text.is_empty()
        && !text.starts_with(|c: char| c.is_ascii_digit())
        && text.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
}

/// What stands around `ecs run-task`: options may come before it too.
pub(super) fn of_aws(words: &[String]) -> Option<Vec<String>> {
    let ecs = words.windows(2).position(|pair| pair == ["ecs", "run-task"])?;
    Some([words.get(1..ecs).unwrap_or_default(), &words[ecs + 2..]].concat())
}

/// The words of one command, quotes and line ends read as a shell reads them. What only the shell has the value of is refused.
fn words(text: &str, variables: &Variables<'_>) -> Result<Vec<String>, CliError> {
    let (mut words, mut word): (Vec<String>, Option<String>) = (Vec::new(), None);
    let mut characters = text.chars().peekable();
    let wrong = |what: &str| Err(CliError::usage(what.to_owned()));
    while let Some(c) = characters.next() {
        match c {
            '\\' => match characters.next() {
                Some('\n') | None => {}
                Some('\r') => drop(characters.next_if_eq(&'\n')),
                Some(c) => word.get_or_insert_default().push(c),
            },
            '\'' => loop {
                let word = word.get_or_insert_default();
                match characters.next() {
                    Some('\'') => break,
                    // GitHub Actions puts its values in before a shell reads the line.
                    Some('$') if is_expression(&characters) => word.push_str(&variable(&mut characters, variables)?),
                    Some(c) => word.push(c),
                    None => return wrong("a quote of the command line is not closed"),
                }
            },
            '"' => loop {
                let word = word.get_or_insert_default();
                match characters.next() {
                    Some('"') => break,
                    Some('\\') if characters.peek().is_some_and(|c| "\"\\$`".contains(*c)) => {
                        word.extend(characters.next())
                    }
                    Some('\\') if characters.next_if_eq(&'\n').is_some() => {}
                    Some('$') => word.push_str(&variable(&mut characters, variables)?),
                    Some('`') => return wrong(OF_A_COMMAND),
                    Some(c) => word.push(c),
                    None => return wrong("a quote of the command line is not closed"),
                }
            },
            '$' => {
                // Outside quotes a shell takes it apart at blanks.
                let value = variable(&mut characters, variables)?;
                for (n, part) in value.split_ascii_whitespace().enumerate() {
                    if n > 0 {
                        words.extend(word.take());
                    }
                    word.get_or_insert_default().push_str(part);
                }
            }
            // PowerShell and cmd.exe continue a line so.
            '`' | '^' if characters.peek().is_some_and(|c| "\r\n".contains(*c)) => {
                characters.next_if_eq(&'\r');
                characters.next();
                words.extend(word.take());
            }
            '`' => return wrong(OF_A_COMMAND),
            // A folded text of YAML goes on in the next line; no command begins with an option.
            '\n' if goes_on(&characters) => words.extend(word.take()),
            '\n' | ';' | '|' | '&' | ')' => break,
            '>' | '<' => {
                // The number of what is redirected: `2>&1`.
                word = word.filter(|word| !word.chars().all(|c| c.is_ascii_digit()));
                break;
            }
            '#' if characters.peek() == Some(&'{') => {
                return wrong("#{…} has its value in the program only: write the value into the line");
            }
            '#' if word.is_none() => break,
            c if c.is_whitespace() => words.extend(word.take()),
            c => word.get_or_insert_default().push(c),
        }
    }
    words.extend(word);
    Ok(words)
}

/// Whether the next line begins with an option.
fn goes_on(characters: &std::iter::Peekable<std::str::Chars<'_>>) -> bool {
    let mut next = characters.clone().skip_while(|c| c.is_whitespace());
    next.next() == Some('-') && next.next() == Some('-') && next.next().is_some_and(|c| c.is_ascii_lowercase())
}

/// Whether the `$` that was read begins an expression of GitHub Actions, `${{ secrets.NAME }}`.
fn is_expression(characters: &std::iter::Peekable<std::str::Chars<'_>>) -> bool {
    characters.clone().take(2).eq("{{".chars())
}

/// The value of the expression of GitHub Actions whose `$` was read: it may be given by its own name or by the last part of it.
fn expression(
    characters: &mut std::iter::Peekable<std::str::Chars<'_>>,
    variables: &Variables<'_>,
) -> Result<String, CliError> {
    let mut inner: String = characters.by_ref().skip(2).take_while(|c| *c != '}').collect();
    characters.next_if_eq(&'}');
    inner = inner.trim().to_owned();
    let what = format!("${{{{ {inner} }}}} is an expression of GitHub Actions");
    let is_path = inner.split('.').all(|part| is_name(&part.replace('-', "_")));
    let Some((_, name)) = inner.rsplit_once('.').filter(|_| is_path) else {
        return Err(CliError::usage(format!("{what}: write its value into the line")));
    };
    let assigned = || variables.assigned.get(name).filter(|_| inner.starts_with("env.")).cloned();
    (variables.given)(&inner).or_else(|| (variables.given)(name)).or_else(assigned).ok_or_else(|| {
        let variable = if is_name(name) { format!(", or by {name} in the environment") } else { String::new() };
        CliError::usage(format!("{what}: give its value by --set {inner}=VALUE{variable}"))
    })
}

/// The value of the variable whose `$` was read.
fn variable(
    characters: &mut std::iter::Peekable<std::str::Chars<'_>>,
    variables: &Variables<'_>,
) -> Result<String, CliError> {
    if is_expression(characters) {
        return expression(characters, variables);
    }
    let (mut name, mut default) = (String::new(), None);
    if characters.peek() == Some(&'$') {
        // A Makefile writes a variable of the shell so.
        characters.next();
    }
    if characters.peek() == Some(&'(') {
        return of_make(characters, variables);
    }
    if characters.next_if_eq(&'{').is_some() {
        let inner: String = std::iter::from_fn(|| characters.next_if(|c| *c != '}')).collect();
        characters.next();
        let end = inner.find(|c: char| !c.is_ascii_alphanumeric() && c != '_').unwrap_or(inner.len());
        let (of, behind) = inner.split_at(end);
        default = ["-", ":-", "=", ":="].iter().find_map(|sign| behind.strip_prefix(sign)).map(str::to_owned);
        // ${NAME:?} asks for a value; anything else changes it.
        if default.is_none() && !behind.is_empty() && !behind.starts_with(['?']) && !behind.starts_with(":?") {
            return Err(CliError::usage(format!(
                "${{{inner}}} has its value in the shell only: write the value into the line"
            )));
        }
        name.push_str(of);
    } else {
        name.extend(std::iter::from_fn(|| characters.next_if(|c| c.is_ascii_alphanumeric() || *c == '_')));
    }
    // An argument of the script may have a default too.
    if !is_name(&name) {
        let default = default.filter(|_| name.parse::<u8>().is_ok());
        return default.ok_or_else(|| CliError::usage(OF_A_COMMAND.to_owned()));
    }
    let value = variables.value(&name).filter(|value| !value.is_empty() || default.is_none()).or(default);
    value.ok_or_else(|| {
        CliError::usage(format!(
            "${name} has its value in the shell only: write it into the line, or give it by --set {name}=VALUE or in the environment"
        ))
    })
}

/// The value of `$(NAME)`, a variable of make, whose `$` was read.
fn of_make(
    characters: &mut std::iter::Peekable<std::str::Chars<'_>>,
    variables: &Variables<'_>,
) -> Result<String, CliError> {
    let inner: String = characters.by_ref().skip(1).take_while(|c| *c != ')').collect();
    if !is_name(&inner) {
        return Err(CliError::usage(OF_A_COMMAND.to_owned()));
    }
    variables.value(&inner).ok_or_else(|| {
        CliError::usage(format!(
            "$({inner}) has its value in the shell only, or in make: write it into the line, or give it by --set {inner}=VALUE or in the environment"
        ))
    })
}

const OF_A_COMMAND: &str = "a `command` or $(command) has its value in the shell only: write the value into the line";

#[cfg(test)]
#[path = "shell_tests.rs"]
mod tests;
