//! A failure in one line: the exit code first, and the container that had it.

use super::output;

/// What of a cause fits into a line; the whole of it is in the result.
const CAUSE_CHARS: usize = 160;

/// `exit 3 (etl), EssentialContainerExited`: what decided, in as few words as tell it.
pub(super) fn brief(error: Option<&str>, cause: Option<&str>, exit_code: Option<i64>) -> String {
    let error = error.map(|error| output::plain(error).into_owned());
    let exit = exit(cause, exit_code).filter(|_| error.is_some() || exit_code != Some(0));
    [exit, error].into_iter().flatten().collect::<Vec<_>>().join(", ")
}

/// The same with the beginning of the cause, and no name twice that ECS's text begins with.
pub(super) fn why(error: &str, cause: Option<&str>, exit_code: Option<i64>) -> String {
    let (error, short) = (output::plain(error), cut(cause.unwrap_or("no cause given")));
    let said = match short.starts_with(error.trim_start_matches("ECS.")) {
        true => short,
        false => format!("{error}: {short}"),
    };
    match exit(cause, exit_code).filter(|_| exit_code != Some(0)) {
        Some(exit) => format!("{exit}: {said}"),
        None => said,
    }
}

/// `exit 3 (etl)`. The cause names the container: `container "etl" exited with 3`.
pub(super) fn exit(cause: Option<&str>, exit_code: Option<i64>) -> Option<String> {
    let code = exit_code?;
    let container = cause.and_then(|cause| container(cause, code)).map(output::plain);
    Some(container.map_or_else(|| format!("exit {code}"), |name| format!("exit {code} ({name})")))
}

/// The container that a cause says to have exited with this code.
pub(super) fn container(cause: &str, code: i64) -> Option<&str> {
    let exited = format!("\" exited with {code}");
    cause.split("container \"").skip(1).find_map(|part| {
        let (name, rest) = part.split_once(&exited)?;
        let is_code = !rest.starts_with(|c: char| c.is_ascii_digit());
        (is_code && !name.contains('"')).then_some(name)
    })
}

fn cut(cause: &str) -> String {
    let line: String = output::plain(cause).chars().take(CAUSE_CHARS).collect();
    if cause.chars().nth(CAUSE_CHARS).is_some() { format!("{line}…") } else { line }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failure_has_its_exit_code_first_and_no_name_twice() {
        let exited = "EssentialContainerExited";
        for (error, cause, exit_code, said, in_few_words) in [
            (
                exited,
                Some("container \"a\" exited with 3"),
                Some(3),
                "exit 3 (a): EssentialContainerExited: container \"a\" exited with 3",
                "exit 3 (a), EssentialContainerExited",
            ),
            (
                exited,
                Some("it ended"),
                Some(3),
                "exit 3: EssentialContainerExited: it ended",
                "exit 3, EssentialContainerExited",
            ),
            (
                "CannotPullContainerError",
                Some("CannotPullContainerError: no such image"),
                None,
                "CannotPullContainerError: no such image",
                "CannotPullContainerError",
            ),
            ("ECS.ClientException", Some("ClientException: no"), None, "ClientException: no", "ECS.ClientException"),
            ("Taskwatch.TaskLost", None, None, "Taskwatch.TaskLost: no cause given", "Taskwatch.TaskLost"),
            (
                exited,
                Some("container \"a\" exited with 33; container \"b\" exited with 3"),
                Some(3),
                "exit 3 (b): EssentialContainerExited: container \"a\" exited with 33; container \"b\" exited with 3",
                "exit 3 (b), EssentialContainerExited",
            ),
            ("States.Timeout", Some("late"), Some(0), "States.Timeout: late", "exit 0, States.Timeout"),
        ] {
            assert_eq!(why(error, cause, exit_code), said);
            assert_eq!(brief(Some(error), cause, exit_code), in_few_words);
        }
        assert_eq!((brief(None, None, Some(0)), brief(None, None, None)), (String::new(), String::new()));
    }
}
