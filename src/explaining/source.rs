//! What one argument of `explain` is.

use std::path::Path;

use crate::core::explain::{self, Explained};
use crate::core::name::region_in_arn;

/// What one argument is.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Source {
    /// A file, or `-` for stdin.
    File,
    /// A task's ARN.
    Arn,
    /// A task's id without its cluster.
    Id,
    /// The text itself: a reason, or JSON.
    Text,
}

/// What one argument gives.
#[derive(Debug)]
pub(crate) enum Found<'a> {
    /// What it says.
    Explained(Explained),
    /// The task that it names: ECS must be asked.
    Task(TaskAsked<'a>),
}

/// A task that ECS must be asked about.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct TaskAsked<'a> {
    /// Its ARN or id, as it was given.
    pub(crate) task: &'a str,
    /// Its cluster's name or ARN.
    pub(crate) cluster: &'a str,
    /// Its region, where an ARN says so.
    pub(crate) region: Option<&'a str>,
}

impl<'a> TaskAsked<'a> {
    /// A task by its ARN.
    pub(super) fn by_arn(arn: &'a str) -> Self {
        // arn:aws:ecs:region:account:task/cluster/id, or without the cluster before 2018.
        let resource = arn.splitn(6, ':').nth(5).unwrap_or_default();
        let mut parts = resource.split('/').skip(1);
        let cluster = match (parts.next(), parts.next(), parts.next()) {
            (Some(cluster), Some(_), None) => cluster,
            _ => "default",
        };
        Self { task: arn, cluster, region: region_in_arn(arn) }
    }

    /// A task by its id in this cluster. The cluster's ARN has the region too.
    pub(super) fn by_id(id: &'a str, cluster: &'a str) -> Self {
        Self { task: id, cluster, region: region_in_arn(cluster) }
    }
}

impl Source {
    /// A file that is there is a file, whatever else its name may be.
    pub(super) fn of(text: &str) -> Self {
        let path = Path::new(text);
        if text == "-" || path.exists() {
            return Self::File;
        }
        if text.starts_with("arn:") {
            return Self::Arn;
        }
        let hex = |text: &str| text.chars().all(|c| c.is_ascii_hexdigit() || c == '-');
        // 32 digits, or a UUID for tasks of before the long ARNs.
        if matches!(text.len(), 32 | 36) && hex(text) {
            return Self::Id;
        }
        if text.starts_with(['{', '[']) {
            return Self::Text;
        }
        // One word is a reason where it is written like one.
        let one_word = !text.contains([' ', ':']) && text.contains(|c: char| c.is_ascii_lowercase());
        if one_word && explain::is_stop_code(text) {
            return Self::Text;
        }
        if one_word && !["Error", "Exception", "Exited"].iter().any(|end| text.ends_with(end)) {
            return Self::File;
        }
        let file = path
            .extension()
            .is_some_and(|end| ["json", "ndjson", "jsonl", "yaml", "yml", "txt", "log"].iter().any(|e| end == *e));
        // Words that are no file are meant as a reason, also those that nothing is known of.
        if !file && (text.contains(' ') || explain::explain_reason(text).is_some()) { Self::Text } else { Self::File }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_argument_is_what_it_looks_like() {
        for (text, expected) in [
            ("-", Source::File),
            ("Cargo.toml", Source::File),
            ("/nowhere.json", Source::File),
            ("image errors of today.json", Source::File),
            ("image-errors", Source::File),
            ("arn:aws:ecs:eu-west-1:123456789012:task/batch/0123456789abcdef", Source::Arn),
            ("0123456789abcdef0123456789abcdef", Source::Id),
            ("01234567-89ab-cdef-0123-456789abcdef", Source::Id),
            ("CannotPullContainerError: EOF", Source::Text),
            ("OutOfMemoryError", Source::Text),
            ("TaskFailedToStart", Source::Text),
            ("SpotInterruption", Source::Text),
            ("RESOURCE:MEMORY", Source::Text),
            ("AGENT", Source::Text),
            ("Task failed to start", Source::Text),
            ("{\"lastStatus\": \"RUNNING\"}", Source::Text),
        ] {
            assert_eq!(Source::of(text), expected, "{text}");
        }
    }

    #[test]
    fn an_arn_says_where_its_task_is() {
        for (arn, cluster) in [
            ("arn:aws:ecs:eu-west-1:123456789012:task/batch/0123456789abcdef", "batch"),
            // From before the long ARNs.
            ("arn:aws:ecs:eu-west-1:123456789012:task/01234567-89ab-cdef-0123-456789abcdef", "default"),
        ] {
            assert_eq!(TaskAsked::by_arn(arn), TaskAsked { task: arn, cluster, region: Some("eu-west-1") });
        }
        let cluster = "arn:aws:ecs:us-east-2:123456789012:cluster/batch";
        assert_eq!(TaskAsked::by_id("0123", cluster).region, Some("us-east-2"));
        assert_eq!(TaskAsked::by_id("0123", "batch").region, None);
    }
}
