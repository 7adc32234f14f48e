//! A failure in words, the same in every command, in `watch` and on the page: the exit code first with the container that had it,
//! then ECS's name of the failure and its text, nothing twice.

use super::output::plain;
use crate::core::run::Run;

/// What ECS says beside every end of a container, also after a success.
const NOTHING: &str = "Essential container in task exited";
/// Its name for that: an exit code says more.
const ENDED: &str = "EssentialContainerExited";
/// What of a text fits into a line of progress; the whole of it is in the result.
const TEXT_CHARS: usize = 160;

/// A failure as it is told.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Failure {
    /// What must be seen of it: `exit 3 (etl)`, or ECS's name of it. Empty where there is no failure.
    pub(super) head: String,
    /// ECS's name of it, where the head is another one and this says more.
    name: String,
    /// The rest of the text; may be empty.
    text: String,
}

impl Failure {
    /// Of a failure's most specific name, its cause, and the exit code that decided. An exit code of 0 is no failure.
    pub(super) fn of(error: Option<&str>, cause: Option<&str>, exit_code: Option<i64>) -> Self {
        let (error, cause) = (plain(error.unwrap_or_default()), plain(cause.unwrap_or_default()));
        let name = error.strip_prefix("Taskwatch.").unwrap_or(&error);
        let Some(code) = exit_code.filter(|code| *code != 0) else {
            return Self { head: name.to_owned(), name: String::new(), text: without(&cause, name).to_owned() };
        };
        let container = container(&cause, code);
        let head = container.map_or_else(|| format!("exit {code}"), |container| format!("exit {code} ({container})"));
        let rest = without(&cause, NOTHING);
        let rest = match container {
            Some(container) => rest.replacen(&format!("container \"{container}\" exited with {code}"), "", 1),
            None => rest.to_owned(),
        };
        let name = if name == ENDED { "" } else { name };
        let text = without(rest.trim_matches([' ', ':', ';']), name);
        Self { head, name: name.to_owned(), text: text.to_owned() }
    }

    /// In few words: `exit 137 (etl), OutOfMemoryError`.
    pub(super) fn brief(&self) -> String {
        joined(&[&self.head, &self.name], ", ")
    }

    /// What stands behind the head: `OutOfMemoryError: killed`.
    pub(super) fn rest(&self) -> String {
        joined(&[&self.name, &self.text], ": ")
    }

    /// All of it in one line: `exit 137 (etl): OutOfMemoryError: killed`.
    pub(super) fn line(&self) -> String {
        joined(&[&self.head, &self.name, &self.text], ": ")
    }

    /// The same, as much as fits into a line of progress.
    pub(super) fn short_line(&self) -> String {
        let mut text: String = self.text.chars().take(TEXT_CHARS).collect();
        if text.len() < self.text.len() {
            text.push('…');
        }
        joined(&[&self.head, &self.name, &text], ": ")
    }
}

fn joined(parts: &[&str], with: &str) -> String {
    parts.iter().copied().filter(|part| !part.is_empty()).collect::<Vec<_>>().join(with)
}

/// The container that a cause says to have exited with this code: `container "etl" exited with 3`.
fn container(cause: &str, code: i64) -> Option<&str> {
    let exited = format!("\" exited with {code}");
    cause.split("container \"").skip(1).find_map(|part| {
        let (name, rest) = part.split_once(&exited)?;
        let is_code = !rest.starts_with(|c: char| c.is_ascii_digit());
        (is_code && !name.contains('"')).then_some(name)
    })
}

/// A text without the name that it begins with: ECS's texts mostly do, and leave out `ECS.`.
fn without<'t>(text: &'t str, name: &str) -> &'t str {
    match text.strip_prefix(name.trim_start_matches("ECS.")) {
        Some(rest) if !name.is_empty() => rest.trim_start_matches([' ', ':', ';']),
        _ => text,
    }
}

/// The command that shows what the newest task of a run wrote.
pub(super) fn lines_of(run: &Run) -> String {
    let task = run.attempt().and_then(|attempt| attempt.task_arn.as_ref()).map(ToString::to_string);
    format!("taskwatch explain {} --logs", task.as_deref().unwrap_or("TASK"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_exit_code_comes_first_and_nothing_twice() {
        let exited = |rest: &str| format!("Essential container in task exited; container \"etl\" exited with {rest}");
        let two = "container \"a\" exited with 33; container \"b\" exited with 3";
        for (error, cause, code, brief, line) in [
            (ENDED, exited("3"), Some(3), "exit 3 (etl)", "exit 3 (etl)"),
            (ENDED, exited("33"), Some(3), "exit 3", "exit 3: container \"etl\" exited with 33"),
            (ENDED, two.into(), Some(3), "exit 3 (b)", "exit 3 (b): container \"a\" exited with 33"),
            (
                "OutOfMemoryError",
                exited("137: OutOfMemoryError: killed"),
                Some(137),
                "exit 137 (etl), OutOfMemoryError",
                "exit 137 (etl): OutOfMemoryError: killed",
            ),
            (
                "SpotInterruption",
                "Your Spot Task was interrupted.".into(),
                Some(143),
                "exit 143, SpotInterruption",
                "exit 143: SpotInterruption: Your Spot Task was interrupted.",
            ),
            (
                "CannotPullContainerError",
                "CannotPullContainerError: no such image".into(),
                None,
                "CannotPullContainerError",
                "CannotPullContainerError: no such image",
            ),
            (
                "ECS.ClientException",
                "ClientException: no".into(),
                None,
                "ECS.ClientException",
                "ECS.ClientException: no",
            ),
            ("Taskwatch.TaskLost", "it is gone".into(), None, "TaskLost", "TaskLost: it is gone"),
            ("States.Timeout", "late".into(), Some(0), "States.Timeout", "States.Timeout: late"),
            ("AGENT", String::new(), None, "AGENT", "AGENT"),
            ("", String::new(), Some(0), "", ""),
        ] {
            let failure = Failure::of(Some(error), Some(&cause), code);
            assert_eq!((failure.brief().as_str(), failure.line().as_str()), (brief, line));
            assert_eq!(failure.short_line(), failure.line());
        }
        assert_eq!(Failure::of(None, None, None), Failure::default());
    }

    #[test]
    fn a_long_text_is_cut_in_a_line_of_progress_and_no_escape_sequence_is_in_it() {
        let long = Failure::of(Some("AGENT"), Some(&"a".repeat(500)), None);
        assert_eq!(long.short_line(), format!("AGENT: {}…", "a".repeat(TEXT_CHARS)));
        assert_eq!(Failure::of(Some("A\u{1b}"), Some("\u{7}b"), None).line(), "A :  b");
    }
}
