//! How a run or an attempt ended, in few words: the exit code first, then ECS's name of the failure and its text, nothing twice.

use super::failure;

/// What ECS says beside every end of a container, also after a success.
const NOTHING: &str = "Essential container in task exited";
const ENDED: &str = "EssentialContainerExited";

/// A failure as it is told in a list.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Outcome {
    /// What must be seen of it: `exit 3 (etl)`, or ECS's name of it. Empty where there is no failure.
    pub(super) head: String,
    /// More about it; may be empty.
    pub(super) rest: String,
}

impl Outcome {
    /// Of a failure's most specific name, its cause, and the exit code that decided. An exit code of 0 is no failure.
    pub(super) fn of(error: &str, cause: &str, exit_code: Option<i64>) -> Self {
        let error = error.strip_prefix("Taskwatch.").unwrap_or(error);
        let Some(code) = exit_code.filter(|code| *code != 0) else {
            return Self { head: error.to_owned(), rest: without(cause, error).to_owned() };
        };
        let head = failure::exit(Some(cause), Some(code)).unwrap_or_default();
        let container = failure::container(cause, code);
        let cause = without(cause, NOTHING);
        let cause = match container {
            Some(name) => cause.replacen(&format!("container \"{name}\" exited with {code}"), "", 1),
            None => cause.to_owned(),
        };
        let cause = cause.trim_start_matches([' ', ':', ';']);
        let error = if error == ENDED { "" } else { error };
        let parts = [error, without(cause, error)];
        let parts: Vec<&str> = parts.into_iter().filter(|part| !part.is_empty()).collect();
        Self { head, rest: parts.join(": ") }
    }

    /// In one line.
    pub(super) fn line(&self) -> String {
        let parts: Vec<&str> = [&*self.head, &*self.rest].into_iter().filter(|part| !part.is_empty()).collect();
        parts.join(": ")
    }
}

/// A text without the name that it begins with: ECS's texts mostly do.
fn without<'t>(text: &'t str, name: &str) -> &'t str {
    match text.strip_prefix(name) {
        Some(rest) if !name.is_empty() => rest.trim_start_matches([' ', ':', ';']),
        _ => text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_exit_code_comes_first_and_nothing_twice() {
        let exited = |rest: &str| format!("Essential container in task exited; container \"etl\" exited with {rest}");
        for (error, cause, code, line) in [
            ("EssentialContainerExited", exited("3"), Some(3), "exit 3 (etl)"),
            ("EssentialContainerExited", exited("33"), Some(3), "exit 3: container \"etl\" exited with 33"),
            (
                "OutOfMemoryError",
                exited("137: OutOfMemoryError: killed"),
                Some(137),
                "exit 137 (etl): OutOfMemoryError: killed",
            ),
            (
                "SpotInterruption",
                "Your Spot Task was interrupted.".into(),
                Some(143),
                "exit 143: SpotInterruption: Your Spot Task was interrupted.",
            ),
            (
                "ResourceInitializationError",
                "ResourceInitializationError: no secret".into(),
                None,
                "ResourceInitializationError: no secret",
            ),
            ("Taskwatch.TaskLost", "it is gone".into(), None, "TaskLost: it is gone"),
            ("AGENT", String::new(), None, "AGENT"),
            ("", String::new(), Some(0), ""),
        ] {
            assert_eq!(Outcome::of(error, &cause, code).line(), line);
        }
    }
}
