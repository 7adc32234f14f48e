//! What other tools put into a command before a shell reads it: `{{ x }}` of just, Jinja and Airflow, `<< parameters.x >>` of CircleCI,
//! `%X%` of cmd.exe, `{}` of xargs.

use super::unset::Unset;
use super::variables::{Found, Place, Variables, refused};
use super::{Characters, is_name};
use crate::cli::error::CliError;
use crate::core::placeholder::Placeholder;

/// A longer text between its marks is no placeholder.
const LONGEST: usize = 200;

/// The value of the placeholder that begins with the sign that was read; none where none begins.
pub(super) fn begins(
    sign: char,
    characters: &mut Characters<'_>,
    variables: &Variables<'_>,
    place: Place<'_>,
) -> Result<Option<String>, Unset> {
    match sign {
        '{' if characters.peek() == Some(&'{') => {
            let Some(inner) = between(characters, 1, "}}") else { return Ok(None) };
            let name = inner.trim().to_owned();
            let shown = format!("{{{{ {name} }}}}");
            // A justfile assigns what it puts in so.
            let known = variables.set(&name).map(Found::One);
            let known = known.or_else(|| is_name(&name).then(|| variables.value(&name, place)));
            take(characters, inner.len() + 3);
            match known {
                Some(Found::One(value)) if variables.has(&name) => Ok(Some(value)),
                Some(found @ Found::Several(_)) => Err(refused(&shown, &name, found)),
                _ => Err(of_another_tool(&shown, &name)),
            }
        }
        '{' if characters.peek() == Some(&'}') => match variables.set("{}") {
            Some(value) => {
                characters.next();
                Ok(Some(value))
            }
            None => Ok(None),
        },
        '<' if characters.peek() == Some(&'<') => {
            let Some(inner) = between(characters, 1, ">>") else { return Ok(None) };
            let name = inner.trim().to_owned();
            // A here-document has a word there.
            if !name.contains('.') || !name.split('.').all(|part| is_name(&part.replace('-', "_"))) {
                return Ok(None);
            }
            take(characters, inner.len() + 3);
            let value = variables.set(&name);
            value.map(Some).ok_or_else(|| of_another_tool(&format!("<< {name} >>"), &name))
        }
        // `!NAME!` is the value at the time when the line runs.
        '%' | '!' if sign == '%' || variables.is_cmd => {
            let Some(name) = between(characters, 0, if sign == '%' { "%" } else { "!" }).filter(|name| is_name(name))
            else {
                return Ok(None);
            };
            let value = of_cmd_variable(&name, variables, place);
            take(characters, if matches!(value, Ok(None)) { 0 } else { name.len() + 1 });
            value
        }
        _ => Ok(None),
    }
}

/// What stands between here and these marks, in the line.
fn between(characters: &Characters<'_>, skipped: usize, end: &str) -> Option<String> {
    let line: String = characters.clone().skip(skipped).take_while(|c| *c != '\n').take(LONGEST).collect();
    line.split_once(end).map(|(inner, _)| inner.to_owned())
}

/// Goes behind a placeholder of so many bytes.
fn take(characters: &mut Characters<'_>, bytes: usize) {
    let mut left = bytes;
    while left > 0 {
        left = left.saturating_sub(characters.next().map_or(left, char::len_utf8));
    }
}

fn of_another_tool(shown: &str, name: &str) -> Unset {
    let set = if name.contains('=') { String::new() } else { format!(", or give it by --set {}=VALUE", quoted(name)) };
    let said = format!("the placeholder {shown} is not filled in: write its value into the line{set}");
    Unset::of(shown.to_owned(), said)
}

/// A name as a shell takes it.
fn quoted(name: &str) -> String {
    match name.chars().all(|c| c.is_ascii_alphanumeric() || "._-:/".contains(c)) {
        true => name.to_owned(),
        false => format!("'{name}'"),
    }
}

/// The value of `%NAME%`. Where the text is not cmd.exe's, it is a text like others unless its value is known.
fn of_cmd_variable(name: &str, variables: &Variables<'_>, place: Place<'_>) -> Result<Option<String>, Unset> {
    let found = match variables.is_cmd {
        true => variables.without_case(&name.to_ascii_lowercase(), name, place),
        false => variables.set(name).map_or(Found::None, Found::One),
    };
    match found {
        Found::One(value) => Ok(Some(value)),
        found if variables.is_cmd => Err(refused(&format!("%{name}%"), name, found)),
        _ => Ok(None),
    }
}

/// A value of cmd.exe's `set`: all up to the line's end, with its variables.
pub(super) fn of_cmd(line: &str, variables: &Variables<'_>, place: Place<'_>) -> Result<String, CliError> {
    let (mut value, mut characters) = (String::new(), line.chars().peekable());
    while let Some(c) = characters.next() {
        let known = if c == '%' { begins(c, &mut characters, variables, place)? } else { None };
        value += &known.unwrap_or_else(|| c.to_string());
    }
    Ok(value)
}

/// Whether a text is a batch file: no other shell has these lines.
pub(super) fn is_of_cmd(text: &str) -> bool {
    let begins = |line: &str, word: &str| line.get(..word.len()).is_some_and(|begin| begin.eq_ignore_ascii_case(word));
    text.lines().any(|line| {
        let line = line.trim_start().trim_start_matches('@');
        let is_set = begins(line, "set ") && {
            let behind = line[4..].trim_start().trim_start_matches('"');
            behind.split_once('=').is_some_and(|(name, _)| is_name(name)) || behind.starts_with(['/'])
        };
        is_set
            || ["echo off", "setlocal", "rem "].iter().any(|word| begins(line, word))
            || line.trim_end().ends_with(" ^")
    })
}

/// What a line's xargs or parallel puts in the place of a sign: that sign.
pub(super) fn of_xargs(before: &str) -> Option<&str> {
    let line = before.rsplit('\n').next().unwrap_or_default();
    let words: Vec<&str> = line.split_whitespace().collect();
    let begin =
        words.iter().rposition(|word| ["xargs", "parallel"].contains(&word.rsplit('/').next().unwrap_or(word)))?;
    let options = &words[begin + 1..];
    let sign = options.iter().enumerate().find_map(|(n, word)| match word.strip_prefix("-I")? {
        "" => options.get(n + 1).copied(),
        sign => Some(sign),
    });
    let sign = sign.map(|sign| sign.trim_matches(['"', '\'']));
    let implied = words[begin].ends_with("parallel") || options.iter().any(|word| ["-i", "--replace"].contains(word));
    sign.or(implied.then_some("{}"))
}

/// The words with what xargs puts in; refused where it is not given.
pub(super) fn put_in(words: Vec<String>, sign: &str, variables: &Variables<'_>) -> Result<Vec<String>, CliError> {
    let value = variables.set(sign);
    let one = |word: String| match (word.contains(sign), &value) {
        (false, _) => Ok(word),
        (true, Some(value)) => Ok(word.replace(sign, value)),
        (true, None) => Err(of_another_tool(sign, sign).into()),
    };
    words.into_iter().map(one).collect()
}

/// Refuses a number that is a placeholder; of names the request is checked.
pub(super) fn checked(words: Vec<String>) -> Result<Vec<String>, CliError> {
    let joined = words.iter().find_map(|word| word.strip_prefix("--count="));
    let count = joined.or_else(|| words.windows(2).find_map(|pair| (pair[0] == "--count").then_some(pair[1].as_str())));
    match count.and_then(Placeholder::in_name) {
        Some(Placeholder { shown, name }) => Err(of_another_tool(&format!("{shown} of --count"), name).into()),
        None => Ok(words),
    }
}
