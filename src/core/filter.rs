//! Which runs are listed, streamed or watched.

use super::name;
use super::pattern;
use super::run::Run;
use super::status::Status;
use super::time::Timestamp;

/// What stands before the names of failures in AWS's errors and ours: a filter may leave it out.
const PREFIXES: [&str; 4] = ["Taskwatch.", "States.", "ECS.", "AmazonECS."];

/// Runs with all of these. What is `None` does not narrow it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RunFilter {
    /// In one of these statuses.
    pub statuses: Option<Vec<Status>>,
    /// Of this queue.
    pub queue: Option<String>,
    /// Whose failure has this among its names: error, stop code, class or transience ([`is_named`]).
    pub error: Option<String>,
    /// Whose newest attempt has this exit code.
    pub exit_code: Option<i64>,
    /// Whose failure has this in its cause, in capitals or not; with `*` or `?` a pattern for all of it
    /// ([`pattern::finds`]).
    pub cause: Option<String>,
    /// Of this name, or of the request of this name; with `*` or `?` a pattern for either.
    pub name: Option<String>,
    /// Whose request names this task definition: `family:revision` or its ARN, or a `family` for every revision.
    pub task_definition: Option<String>,
    /// Whose request names this cluster: its name or its ARN.
    pub cluster: Option<String>,
    /// Submitted at this instant or later.
    pub since: Option<Timestamp>,
}

/// What a filter looks at: a run, a change of one, or one as a client sees it.
pub trait Filtered {
    /// Where it is; `None` when that is not known here.
    fn status(&self) -> Option<Status>;
    /// The queue whose share of the launch slots it takes.
    fn queue(&self) -> &str;
    /// Its own name.
    fn name(&self) -> &str;
    /// Whether its failure has this among its names.
    fn failed_with(&self, error: &str) -> bool;
    /// The exit code that decided its newest attempt.
    fn exit_code(&self) -> Option<i64>;
    /// Whether this is found in what ECS said of its failure.
    fn cause_has(&self, wanted: &str) -> bool;
    /// The task definition that its request names.
    fn task_definition(&self) -> &str;
    /// The cluster that its request names.
    fn cluster(&self) -> &str;
    /// When it was accepted.
    fn submitted_at(&self) -> Timestamp;
}

impl RunFilter {
    /// Whether it lets a run through.
    pub fn fits(&self, run: &impl Filtered) -> bool {
        let wanted = |statuses: &Vec<Status>| run.status().is_some_and(|status| statuses.contains(&status));
        self.statuses.as_ref().is_none_or(wanted)
            && self.queue.as_ref().is_none_or(|queue| queue == run.queue())
            && self.since.is_none_or(|since| run.submitted_at() >= since)
            && self.exit_code.is_none_or(|code| run.exit_code() == Some(code))
            && self.error.as_ref().is_none_or(|error| run.failed_with(error))
            && self.cause.as_ref().is_none_or(|cause| run.cause_has(cause))
            && self.fits_request(run.name(), run.task_definition(), run.cluster())
    }

    /// Whether it lets a run through as far as its name, its task definition and its cluster go.
    pub fn fits_request(&self, name: &str, task_definition: &str, cluster: &str) -> bool {
        let in_cluster = |wanted: &String| name::in_arn(wanted) == name::in_arn(cluster);
        self.name.as_ref().is_none_or(|wanted| name::stands_for(wanted, name))
            && self.task_definition.as_ref().is_none_or(|wanted| name::is_of_definition(wanted, task_definition))
            && self.cluster.as_ref().is_none_or(in_cluster)
    }

    /// The name of one request, or of one of its runs, where it asks for no pattern of names.
    pub fn exact_name(&self) -> Option<&str> {
        self.name.as_deref().filter(|name| !pattern::is_pattern(name))
    }
}

/// Whether `wanted` stands for this name of a failure: in capitals or not, and with or without `Taskwatch.` and the like
/// before it.
pub fn is_named(wanted: &str, name: &str) -> bool {
    let bare = PREFIXES.iter().find_map(|prefix| name.strip_prefix(prefix));
    wanted.eq_ignore_ascii_case(name) || bare.is_some_and(|bare| wanted.eq_ignore_ascii_case(bare))
}

impl Filtered for Run {
    fn status(&self) -> Option<Status> {
        Some(self.status)
    }

    fn queue(&self) -> &str {
        &self.spec.queue
    }

    fn name(&self) -> &str {
        &self.name
    }

    fn failed_with(&self, error: &str) -> bool {
        self.failure().is_some_and(|failure| failure.names.iter().any(|name| is_named(error, name)))
    }

    fn exit_code(&self) -> Option<i64> {
        self.attempt().and_then(|attempt| attempt.exit_code)
    }

    fn cause_has(&self, wanted: &str) -> bool {
        self.failure().is_some_and(|failure| pattern::finds(wanted, &failure.cause))
    }

    fn task_definition(&self) -> &str {
        self.spec.run_task.task_definition()
    }

    fn cluster(&self) -> &str {
        self.spec.run_task.cluster()
    }

    fn submitted_at(&self) -> Timestamp {
        self.submitted_at
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failure_is_found_by_its_name_in_any_case_and_without_the_prefix() {
        for (wanted, name, fits) in [
            ("Taskwatch.Secrets", "Taskwatch.Secrets", true),
            ("taskwatch.secrets", "Taskwatch.Secrets", true),
            ("secrets", "Taskwatch.Secrets", true),
            ("Timeout", "States.Timeout", true),
            ("InvalidParameterException", "ECS.InvalidParameterException", true),
            ("cannotpullcontainererror", "CannotPullContainerError", true),
            ("secret", "Taskwatch.Secrets", false),
            ("Taskwatch", "Taskwatch.Secrets", false),
            ("MEMORY", "RESOURCE:MEMORY", false),
        ] {
            assert_eq!(is_named(wanted, name), fits, "{wanted} {name}");
        }
    }
}
