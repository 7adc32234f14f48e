//! Which runs a command is about: filters, as the list of the API has them.

use std::time::Duration;

use clap::Args;

use super::client::{PAGE, Server};
use super::duration;
use super::error::CliError;
use crate::core::pattern;
use crate::core::time::Timestamp;
use serde_json::Value;

/// Filters of `list`, `stop`, `redrive` and `watch`: a run is meant if it fits all that are given.
#[derive(Debug, Default, Args)]
pub(super) struct Filters {
    /// QUEUED, STARTING, RUNNING, PENDING_RETRY, SUCCEEDED, FAILED, TIMED_OUT or ABORTED, or several with commas
    #[arg(long, help_heading = "Which runs")]
    pub(super) status: Option<String>,
    /// Runs of this queue
    #[arg(long, help_heading = "Which runs")]
    queue: Option<String>,
    /// Runs whose newest failure has this name, class or transience, in capitals or not: secrets, CannotPullContainerError
    #[arg(long, help_heading = "Which runs")]
    error: Option<String>,
    /// Runs whose newest attempt ended with this exit code
    #[arg(long, help_heading = "Which runs", value_name = "N", allow_negative_numbers = true)]
    exit_code: Option<i64>,
    /// Runs whose newest failure has this text in its cause, in capitals or not; with * or ? a pattern for all of the cause
    #[arg(long, help_heading = "Which runs", value_name = "TEXT")]
    cause: Option<String>,
    /// Runs of this name; with * or ? a pattern: 'nightly-*'
    #[arg(long, help_heading = "Which runs")]
    name: Option<String>,
    /// Runs of this task definition: family, family:revision or ARN
    #[arg(long, help_heading = "Which runs")]
    task_definition: Option<String>,
    /// Runs in this cluster
    #[arg(long, help_heading = "Which runs")]
    cluster: Option<String>,
    /// Runs submitted in the last 90s, 10m, 24h, or since 2026-11-22T02:00:00Z
    #[arg(long, help_heading = "Which runs", value_name = "TIME")]
    since: Option<String>,
}

/// Their arguments.
pub(super) const NAMES: [&str; 9] =
    ["status", "queue", "error", "exit_code", "cause", "name", "task_definition", "cluster", "since"];

/// The members of a query.
pub(super) type Query = Vec<(&'static str, String)>;

impl Filters {
    /// Whether any is given.
    pub(super) fn any(&self) -> bool {
        let Self { status, queue, error, exit_code, cause, name, task_definition, cluster, since } = self;
        let texts = [status, queue, error, cause, name, task_definition, cluster, since];
        texts.into_iter().any(Option::is_some) || exit_code.is_some()
    }

    /// As the API takes them.
    pub(super) fn query(&self) -> Result<Query, CliError> {
        let since = self.since.as_deref().map(|text| instant(text, now())).transpose();
        let since = since.map_err(|why| CliError::usage(format!("--{why}")))?;
        let members = [
            ("status", self.status.clone()),
            ("queue", self.queue.clone()),
            ("error", self.error.clone()),
            ("exitCode", self.exit_code.map(|code| code.to_string())),
            ("cause", self.cause.clone()),
            ("name", self.name.clone()),
            ("taskDefinition", self.task_definition.clone()),
            ("cluster", self.cluster.clone()),
            ("since", since.map(|at| at.to_string())),
        ];
        Ok(members.into_iter().filter_map(|(name, value)| Some((name, value?))).collect())
    }
}

/// The instant that `--since` names: so long ago, or itself.
///
/// # Errors
/// A line that says what is wrong, behind the name of what was given.
pub(super) fn instant(text: &str, now: Timestamp) -> Result<Timestamp, String> {
    let ago = || duration::parse(text).map(|ago| now.minus(ago));
    let midnight = || Timestamp::parse(&format!("{text}T00:00:00Z"));
    ago().or_else(|| Timestamp::parse(text)).or_else(midnight).ok_or_else(|| {
        format!(
            "since is {text:?}: expected a duration such as 90s, 10m or 24h, or an instant such as 2026-11-22T02:00:00Z"
        )
    })
}

/// What lists and the stream have of a cause at most.
const CAUSE_CHARS: usize = 300;

/// Whether this may be found in a cause of which only the beginning may be here.
pub(super) fn may_be_found(wanted: &str, beginning: &str) -> bool {
    !beginning.is_empty() && (pattern::finds(wanted, beginning) || beginning.chars().count() >= CAUSE_CHARS)
}

pub(super) fn now() -> Timestamp {
    Timestamp::from_millis(jiff::Timestamp::now().as_millisecond())
}

/// Runs that fit, `most` of them; and whether there are more.
pub(super) async fn pages(server: &Server, filters: &Query, most: usize) -> Result<(Vec<Value>, bool), CliError> {
    let mut runs: Vec<Value> = Vec::new();
    let mut next: Option<String> = None;
    while runs.len() < most {
        let mut query = vec![("limit", PAGE.min(most - runs.len()).to_string())];
        query.extend(filters.iter().cloned());
        query.extend(next.take().map(|token| ("nextToken", token)));
        let answer = server.get(&["runs"], &query).await?;
        runs.extend(answer["runs"].as_array().cloned().unwrap_or_default());
        next = answer["nextToken"].as_str().map(str::to_owned);
        if next.is_none() {
            break;
        }
    }
    Ok((runs, next.is_some()))
}

/// How long a run took, or has taken until now: since it was submitted, or last begun again.
pub(super) fn took(run: &Value, now: Timestamp) -> Option<Duration> {
    let at = |name: &str| run[name].as_str().and_then(Timestamp::parse);
    Some(at("finishedAt").unwrap_or(now).since(at("redrivenAt").or(at("submittedAt"))?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn since_is_so_long_ago_or_an_instant() {
        let now = Timestamp::parse("2026-11-22T12:00:00Z").expect("an instant");
        for (text, expected) in [
            ("90", "2026-11-22T11:58:30.000Z"),
            ("1h30m", "2026-11-22T10:30:00.000Z"),
            ("2026-11-22T02:00:00Z", "2026-11-22T02:00:00.000Z"),
            ("2026-11-22", "2026-11-22T00:00:00.000Z"),
        ] {
            assert_eq!(instant(text, now).expect("an instant").to_string(), expected, "{text}");
        }
        assert!(instant("yesterday", now).is_err_and(|why| why.contains("since is \"yesterday\"")));
    }

    #[test]
    fn a_run_that_was_begun_again_took_no_time_while_it_had_ended() {
        let now = Timestamp::parse("2026-11-22T12:00:00Z").expect("an instant");
        let mut run =
            serde_json::json!({"submittedAt": "2026-11-22T02:00:00Z", "redrivenAt": null, "finishedAt": null});
        assert_eq!(took(&run, now), Some(Duration::from_secs(10 * 3600)));
        run["finishedAt"] = "2026-11-22T02:00:30Z".into();
        assert_eq!(took(&run, now), Some(Duration::from_secs(30)));
        (run["redrivenAt"], run["finishedAt"]) = ("2026-11-22T11:00:00Z".into(), "2026-11-22T11:00:10Z".into());
        assert_eq!(took(&run, now), Some(Duration::from_secs(10)));
    }
}
