//! The texts with which real tasks failed, by the name that ECS or its agent gives to the kind of failure.

use std::sync::LazyLock;

use serde::Deserialize;

/// One text, and where ECS puts it.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Reason {
    pub(super) class: String,
    pub(super) text: String,
    /// `stoppedReason`, `container.reason`, `failures.reason` or `exception`.
    pub(super) field: String,
    #[serde(default)]
    pub(super) stop_code: String,
}

/// All of them, in the table's order. The table is compiled in, so that a broken one would show in the tests, not at a user's.
pub(super) static REASONS: LazyLock<Vec<Reason>> =
    LazyLock::new(|| serde_json::from_str(include_str!("stop_reasons.json")).unwrap_or_default());

/// The texts of a class; a text's own first word up to `:` finds it too.
pub(super) fn of_class(name: &str) -> Vec<&'static Reason> {
    let same = |a: &str| a.eq_ignore_ascii_case(name);
    let mut found: Vec<_> = REASONS.iter().filter(|r| same(&r.class)).collect();
    if found.is_empty() {
        found = REASONS.iter().filter(|r| same(&r.text) || r.text.split(": ").next().is_some_and(same)).collect();
    }
    found
}

/// Every name that [`of_class`] knows, for the hint in an error.
pub(super) fn class_names() -> Vec<&'static str> {
    let mut names: Vec<&str> = REASONS.iter().map(|r| r.class.as_str()).collect();
    names.extend(REASONS.iter().filter(|r| r.field == "failures.reason").map(|r| r.text.as_str()));
    names.sort_unstable();
    names.dedup();
    names
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_is_whole() {
        assert!(REASONS.len() > 100, "{}", REASONS.len());
        for reason in REASONS.iter() {
            assert!(!reason.text.is_empty() && !reason.class.is_empty());
            assert!(
                ["stoppedReason", "container.reason", "failures.reason", "exception"].contains(&reason.field.as_str()),
                "{}",
                reason.field
            );
        }
    }

    #[test]
    fn found_by_class_and_by_first_word() {
        assert!(of_class("CannotPullContainerError").len() > 10);
        assert_eq!(of_class("RESOURCE:CPU")[0].field, "failures.reason");
        assert!(of_class("NoSuchThing").is_empty());
    }
}
