//! `aws ecs run-task` lines out of a script, as the shell that runs it reads them.

mod commands;
mod flow;
mod placeholders;
mod quotes;
mod told;
mod unset;
mod values;
mod variables;
mod words;

use super::error::CliError;
use commands::{Command, commands};
use told::is_told;
pub(super) use variables::Beside;
use variables::{Found, Place, Reading, Variables};
use words::words;

/// What is left of a text.
type Characters<'t> = std::iter::Peekable<std::str::Chars<'t>>;

/// How the values of a text's variables are read.
const READING: Reading = Reading { words, cmd: placeholders::of_cmd, is_cmd: placeholders::is_of_cmd };

/// A line: where it stands, and its words behind `run-task`.
pub(super) type Line = (usize, Result<Vec<String>, CliError>);

/// Each such line of a text; none where the text has none. `beside` knows variables that the text does not assign.
pub(super) fn run_tasks(text: &str, beside: &Beside<'_>) -> Vec<Line> {
    // JSON may speak of it too.
    if is_json(text) { Vec::new() } else { lines(text, beside) }
}

/// Whether a text is meant to be JSON; `[` is a command of shells too.
fn is_json(text: &str) -> bool {
    let text = text.trim_start();
    let Some(item) = text.strip_prefix('[') else { return text.starts_with('{') };
    let blank = item.starts_with(char::is_whitespace);
    let item = item.trim_start();
    match item.strip_prefix('"') {
        Some(word) => word.split_once('"').is_some_and(|(_, behind)| behind.trim_start().starts_with([',', ']'])),
        None => item.starts_with(['{', ']']) || (item.starts_with('[') && !blank && !item[1..].starts_with(' ')),
    }
}

/// The same of a JSON document that is nothing else: the scripts of a `package.json`.
pub(super) fn run_tasks_in_json(text: &str, beside: &Beside<'_>) -> Vec<Line> {
    lines(text, beside).into_iter().filter(|(_, line)| has_options(line)).collect()
}

fn lines(text: &str, beside: &Beside<'_>) -> Vec<Line> {
    let commands = commands(text);
    let places: Vec<usize> = commands.iter().map(|command| command.at).collect();
    let (variables, paths) = Variables::read(text, &places, beside, &READING);
    let placed = commands.iter().zip(&paths).map(|(command, path)| (command, Place { at: command.at, path }));
    let (told, run): (Vec<_>, Vec<_>) = placed.partition(|(command, _)| is_told(text, command.at));
    let line = |(command, place): (&Command<'_>, Place<'_>)| {
        let line = line(text, command, &variables, place)?;
        // Of an unknown program the options say that it is meant.
        let has_option = line.as_ref().map_or(true, |words| words.first().is_some_and(|word| word.starts_with('-')));
        (command.is_known || has_option).then_some((command.at, line))
    };
    let found: Vec<Line> = run.into_iter().filter_map(line).collect();
    // A name or a title may say it as well: a line has options, unless they are put behind a variable that has it.
    let (with, without): (Vec<_>, Vec<_>) =
        found.into_iter().partition(|(at, line)| has_options(line) || is_assigned(text, *at));
    match (with.is_empty(), without.is_empty()) {
        (false, _) => with,
        (true, false) => without.into_iter().take(1).collect(),
        (true, true) => {
            let told = told.into_iter().filter_map(line);
            told.filter(|(_, line)| line.as_ref().is_ok_and(|words| !words.is_empty())).collect()
        }
    }
}

fn has_options(line: &Result<Vec<String>, CliError>) -> bool {
    line.as_ref().map_or(true, |words| !words.is_empty())
}

/// Whether a command is the value of a variable: `RUN="aws ecs run-task"`.
fn is_assigned(text: &str, at: usize) -> bool {
    let line = text[..at].rsplit('\n').next().unwrap_or_default();
    let begin = line.trim_start();
    let begin = begin.strip_prefix("export ").unwrap_or(begin);
    begin
        .split_once(['='])
        .is_some_and(|(name, value)| is_name(name.trim_end_matches([':', ' '])) && !value.contains("$("))
}

/// The words of one command; none where it is another.
fn line(
    text: &str,
    command: &Command<'_>,
    variables: &Variables<'_>,
    place: Place<'_>,
) -> Option<Result<Vec<String>, CliError>> {
    let read = || {
        formatted(text, command.at)?;
        let mut all = words::command(command.program, variables, place)?;
        all.extend(words::command(&command.text, variables, place)?);
        Ok(all)
    };
    let read = match read() {
        Err(error) => return Some(Err(error)),
        Ok(words) => of_aws(&words)?,
    };
    let read = match placeholders::of_xargs(&text[..command.at]) {
        Some(sign) => placeholders::put_in(read, sign, variables),
        None => Ok(read),
    };
    Some(read.and_then(placeholders::checked))
}

/// A Python string in which names have their values: `f"aws ecs …"`.
fn formatted(text: &str, at: usize) -> Result<(), CliError> {
    let begin = text[..at].rfind('\n').map_or(0, |newline| newline + 1);
    let before = text[begin..at].trim_end().trim_end_matches(|c: char| !"\"'".contains(c));
    let is_formatted = ["f\"", "f'", "F\"", "F'"].iter().any(|begin| before.ends_with(begin));
    let line = text[at..].lines().next().unwrap_or_default();
    match is_formatted && line.contains('{') {
        true => {
            Err(CliError::usage("an f-string has its values in Python only: write the command as the shell gets it"))
        }
        false => Ok(()),
    }
}

pub(super) fn is_name(text: &str) -> bool {
    !text.is_empty()
        && !text.starts_with(|c: char| c.is_ascii_digit())
        && text.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
}

/// The variables of a program, for its lists of words.
pub(super) struct Program<'t> {
    variables: Variables<'t>,
    places: Vec<usize>,
    paths: Vec<Vec<flow::Block>>,
}

impl<'t> Program<'t> {
    /// Reads a program for these places in it, in order.
    pub(super) fn read(text: &'t str, places: &[usize], beside: &'t Beside<'t>) -> Self {
        let (variables, paths) = Variables::read(text, places, beside, &READING);
        Self { variables, places: places.to_vec(), paths }
    }

    /// The value of a variable at a place. What the program computes is known to it only.
    pub(super) fn value(&self, name: &str, at: usize) -> Result<Option<String>, CliError> {
        let next = self.places.partition_point(|place| *place < at).min(self.places.len() - 1);
        let place = Place { at, path: &self.paths[next] };
        match self.variables.literal(name, place) {
            Found::One(value) => Ok(Some(value)),
            found @ Found::Several(_) => Err(variables::refused(name, name, found).into()),
            Found::Unknown | Found::None => Ok(None),
        }
    }
}

/// What stands around `ecs run-task`: options may come before it too.
pub(super) fn of_aws(words: &[String]) -> Option<Vec<String>> {
    let ecs = words.windows(2).position(|pair| pair == ["ecs", "run-task"])?;
    // The program, where it is one of the words.
    let program = usize::from(words[..ecs].first().is_some_and(|word| !word.starts_with('-')));
    Some([&words[program..ecs], &words[ecs + 2..]].concat())
}

#[cfg(test)]
mod programs_tests;
#[cfg(test)]
#[path = "shell_tests.rs"]
mod tests;
#[cfg(test)]
mod values_tests;
