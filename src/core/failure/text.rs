//! A text as ECS meant it: what was put before it, how it was wrapped, and where it was cut off.

use std::borrow::Cow;
use std::sync::LazyLock;

use memchr::memmem::Finder;

/// What consoles, services and people put before ECS's own message.
const BEFORE: [&str; 9] = [
    "TaskFailedToStart",
    "Task failed to start",
    "Essential container in task exited",
    "STOPPED",
    "Stopped reason",
    "Status reason",
    "stoppedReason",
    "statusReason",
    "reason",
];
/// What a name of ECS's own begins with, where it stands in the middle of a text.
const NAMES: [&str; 8] = [
    "Cannot",
    "ResourceInitializationError",
    "DockerTimeoutError",
    "OutOfMemoryError",
    "ContainerRuntimeError",
    "ContainerRuntimeTimeoutError",
    "ContainerNetworkingError",
    "SpotInterruptionError",
];
/// What programs write before a reason that they tell of. Prepared once: `str::find` prepares its search each time.
static TELLING_OF_IT: LazyLock<[Finder<'static>; 4]> = LazyLock::new(|| {
    ["TaskFailedToStart: ", "failed to start due to: ", "Stopped reason: ", "stoppedReason: "].map(Finder::new)
});
/// How the names of errors end.
static ERROR: LazyLock<Finder<'static>> = LazyLock::new(|| Finder::new("Error:"));
/// A phrase that was cut off is known by two words of it, or by one so long.
const TELLING: usize = 9;

/// The message without what was put before it.
pub(super) fn message(text: &str) -> &str {
    let quotes = |c: char| c.is_whitespace() || matches!(c, '"' | '\'' | '`' | '\u{201c}');
    let mut text = text.trim_start_matches(quotes);
    while let Some(rest) = BEFORE.iter().find_map(|before| after(text, before)) {
        text = rest.trim_start_matches(quotes);
    }
    if is_of_ecs(text) {
        return text;
    }
    let inner = from_a_name(text).or_else(|| told_by_another(text).map(message));
    inner.unwrap_or(if leading_name(text).is_some() { text } else { without_a_class(text) })
}

/// Whether a text begins with a name of ECS's own.
fn is_of_ecs(text: &str) -> bool {
    leading_name(text).is_some_and(|name| NAMES.iter().any(|known| name.starts_with(known)))
}

/// Whether a name of ECS's own stands anywhere in a text.
pub(super) fn has_ecs_name(text: &str) -> bool {
    is_of_ecs(message(text))
}

/// What a program says that ECS has said: `RuntimeError: TaskFailedToStart: …`.
fn told_by_another(text: &str) -> Option<&str> {
    TELLING_OF_IT.iter().find_map(|words| {
        let at = words.find(text.as_bytes())? + words.needle().len();
        let rest = text[at..].trim_start();
        (!rest.is_empty()).then_some(rest)
    })
}

/// The message behind the name of a class: `airflow.exceptions.AirflowException: …`.
fn without_a_class(text: &str) -> &str {
    let named = text.split_once(": ").filter(|(name, rest)| {
        let is_path = name.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '.' | '_'));
        let class = name.rsplit_once('.').map(|(_, class)| class);
        is_path && !rest.is_empty() && class.is_some_and(|class| class.starts_with(|c: char| c.is_ascii_uppercase()))
    });
    named.map_or(text, |(_, rest)| rest)
}

/// What follows `before` and a separator, if something does.
fn after<'t>(text: &'t str, before: &str) -> Option<&'t str> {
    let start = text.get(..before.len())?;
    let rest = text[before.len()..].trim_start_matches(|c: char| c.is_whitespace() || c == '"');
    let rest = rest.strip_prefix([':', '(', '-', '=']).filter(|_| start.eq_ignore_ascii_case(before))?.trim_start();
    (!rest.is_empty()).then_some(rest)
}

/// `CannotPullContainerError: …` in `etl stopped: CannotPullContainerError: …`.
fn from_a_name(text: &str) -> Option<&str> {
    ERROR.find_iter(text.as_bytes()).find_map(|end| {
        let begin = text[..end].rfind(|c: char| !c.is_ascii_alphanumeric()).map_or(0, |at| at + 1);
        NAMES.iter().any(|name| text[begin..].starts_with(name)).then(|| &text[begin..])
    })
}

/// ECS's own prefix of a message: `CannotPullContainerError`, `ResourceInitializationError`, ….
pub(super) fn prefix(text: &str) -> Option<&str> {
    leading_name(message(text))
}

fn leading_name(text: &str) -> Option<&str> {
    let end = text.find(|c: char| !c.is_ascii_alphanumeric()).unwrap_or(text.len());
    let word = &text[..end];
    let upper = |c: Option<char>| c.is_some_and(|c| c.is_ascii_uppercase());
    let cannot = || word.strip_prefix("Cannot").is_some_and(|rest| upper(rest.chars().next()) && rest.len() > 1);
    // Docker begins its own messages with a bare `Error`.
    let ends = |end: &str| word.strip_suffix(end).is_some_and(|rest| !rest.is_empty());
    let names = upper(word.chars().next()) && (ends("Error") || ends("Exception") || cannot());
    (names && !text[end..].starts_with('_')).then_some(word)
}

/// The message in one line, and with the rest of the phrase in which it was cut off.
pub(super) fn complete<'t>(text: &'t str, phrases: &[String]) -> Cow<'t, str> {
    let text = one_line(message(text));
    let shown = text.trim_end_matches(['.', '\u{2026}', ' ']).len();
    match rest(&text[..shown], phrases) {
        Some(rest) => Cow::Owned(format!("{}{rest}", &text[..shown])),
        None => text,
    }
}

/// Terminals and mail wrap lines, and tools indent them.
fn one_line(text: &str) -> Cow<'_, str> {
    if !text.contains(['\n', '\r', '\t']) && !text.contains("  ") {
        return Cow::Borrowed(text);
    }
    Cow::Owned(text.split_whitespace().collect::<Vec<_>>().join(" "))
}

/// What is missing of the one phrase that a text ends in the middle of.
fn rest<'p>(text: &str, phrases: &'p [String]) -> Option<&'p str> {
    let mut rests = phrases.iter().filter_map(|phrase| missing(text, phrase));
    let first = rests.next()?;
    rests.all(|other| other == first).then_some(first)
}

fn missing<'p>(text: &str, phrase: &'p str) -> Option<&'p str> {
    let last = text.bytes().next_back()?.to_ascii_lowercase();
    let cut = |length: &usize| {
        if phrase.as_bytes()[*length - 1].to_ascii_lowercase() != last {
            return false;
        }
        let Some(begin) = text.len().checked_sub(*length).filter(|begin| text.is_char_boundary(*begin)) else {
            return false;
        };
        let telling = *length >= TELLING || phrase[..*length].trim_end().contains(' ');
        let starts = !text[..begin].ends_with(|c: char| c.is_ascii_alphanumeric());
        telling && starts && text[begin..].eq_ignore_ascii_case(&phrase[..*length])
    };
    (3..phrase.len()).rev().find(cut).map(|length| &phrase[length..])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_stands_before_a_message_is_left_out() {
        for text in [
            "CannotPullContainerError: x",
            "  \"CannotPullContainerError: x",
            "TaskFailedToStart: CannotPullContainerError: x",
            "Stopped reason: Task failed to start (CannotPullContainerError: x",
            "\"stoppedReason\": \"CannotPullContainerError: x",
            "etl stopped because of CannotPullContainerError: x",
            "Error: ECS task batch/1 failed - CannotPullContainerError: x",
            "RuntimeError: CannotPullContainerError: x",
            "airflow.exceptions.AirflowException: The task failed to start due to: CannotPullContainerError: x",
            "a.b.RunFailed: Failed to run: TaskFailedToStart: CannotPullContainerError: x",
        ] {
            assert_eq!(
                (message(text), prefix(text)),
                ("CannotPullContainerError: x", Some("CannotPullContainerError"))
            );
        }
        assert_eq!(message("ResourceInitializationError: y: DockerTimeoutError: z").len(), 53);
        assert_eq!(message("a.b.RunFailed: Failed to run: TaskFailedToStart: CannotPull"), "CannotPull");
        assert_eq!(message("botocore.exceptions.SomeError: x y"), "x y");
        assert_eq!(message("db.internal.example: no such host"), "db.internal.example: no such host");
        assert_eq!(message("MyError: no name of ECS's: OtherError: z"), "MyError: no name of ECS's: OtherError: z");
    }

    #[test]
    fn a_phrase_that_was_cut_off_is_completed_where_only_one_fits() {
        let phrases: Vec<String> =
            ["connection refused", "connection reset by peer", "no space left on device"].map(Into::into).into();
        for (text, whole) in [
            ("write /x: no space le", "write /x: no space left on device"),
            ("write /x: NO SPACE left on dev...", "write /x: NO SPACE left on device"),
            ("write /x:\n  no space left\n on", "write /x: no space left on device"),
            ("dial: connection ref", "dial: connection refused"),
            ("dial: connection re", "dial: connection re"),
            ("dial: no", "dial: no"),
            ("dial: xconnection ref", "dial: xconnection ref"),
            ("ü", "ü"),
            ("", ""),
        ] {
            assert_eq!(complete(text, &phrases), whole);
        }
    }
}
