//! The settings file.

use std::path::Path;

use super::{CliError, Settings, check, renamed};
use crate::core::input::nearest;

/// Reads one.
pub(super) fn read(path: &Path) -> Result<Settings, CliError> {
    let shown = path.display();
    let text = std::fs::read_to_string(path).map_err(|e| CliError::usage(format!("{shown}: {e}")))?;
    match toml::from_str::<Settings>(&text) {
        Ok(settings) => Ok(Settings { renamed: renamed::of_file(&text), ..settings }),
        Err(error) => {
            let start = error.span().map_or(0, |span| span.start);
            let line = 1 + text.bytes().take(start).filter(|b| *b == b'\n').count();
            Err(CliError::usage(format!("{shown}, line {line}: {}", said(&error, &text))))
        }
    }
}

/// What is wrong: the setting, its value and what is allowed, where these can be told.
fn said(error: &toml::de::Error, text: &str) -> String {
    let message = error.message().replace('\n', " ");
    if let Some(unknown) = message.strip_prefix("unknown field `") {
        let mut names = unknown.split('`').step_by(2);
        let name = names.next().unwrap_or_default();
        let known: Vec<&str> = names.filter(|known| renamed::of_variable(&known.to_uppercase()).is_none()).collect();
        return format!("there is no setting {name:?}; did you mean {:?}?", nearest(name, &known));
    }
    let expected = message.split_once(", expected ").filter(|_| message.starts_with("invalid "));
    match error.span().zip(expected).and_then(|(span, (_, expected))| Some((setting(text, &span)?, expected))) {
        Some(((name, value), expected)) => format!("{name} is {value}: {}", allowed(name, expected)),
        None => message,
    }
}

/// The name and the value, as they are written.
fn setting<'t>(text: &'t str, span: &std::ops::Range<usize>) -> Option<(&'t str, &'t str)> {
    let before = text.get(..span.start)?;
    let line = &before[before.rfind('\n').map_or(0, |end| end + 1)..];
    let name = line.trim().strip_suffix('=')?.trim();
    Some((name, text.get(span.clone())?))
}

fn allowed(name: &str, expected: &str) -> String {
    match (check::allowed(&name.to_uppercase()), expected) {
        (number, _) if !number.is_empty() => number,
        (_, "a string") => "expected a text in quotes".to_owned(),
        (_, other) => format!("expected {other}"),
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use super::*;

    fn refused(text: &str) -> String {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        file.write_all(text.as_bytes()).unwrap();
        let said = read(file.path()).unwrap_err().to_string();
        said.strip_prefix(&format!("{}, ", file.path().display())).expect(&said).to_owned()
    }

    #[test]
    fn a_wrong_line_says_which_setting_its_value_and_what_is_allowed() {
        for (text, said) in [
            (
                "cell = \"blue\"\nrun_task_rate = \"x\"\n",
                "line 2: run_task_rate is \"x\": expected a number of tasks a second from 0.001 to 100000",
            ),
            ("max_in_flight = -1", "line 1: max_in_flight is -1: expected a whole number of runs from 1 to 100000000"),
            ("cell = 5", "line 1: cell is 5: expected a text in quotes"),
            ("listen = [\"a\"]", "line 1: listen is [\"a\"]: expected a text in quotes"),
            ("# c\nrun_task_rat = 5", "line 2: there is no setting \"run_task_rat\"; did you mean \"run_task_rate\"?"),
        ] {
            assert_eq!(refused(text), said, "{text}");
        }
        assert!(refused("cell = \"blue").starts_with("line 1: "), "{}", refused("cell = \"blue"));
        let in_table = refused("[[observe.policy]]\nlog_line = 3\n");
        assert_eq!(in_table, "line 2: there is no setting \"log_line\"; did you mean \"log_lines\"?");
    }
}
