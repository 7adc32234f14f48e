//! Which runs are meant, as a query says it.

use serde::Deserialize;
use utoipa::IntoParams;

use super::error::ApiError;
use crate::core::filter::RunFilter;
use crate::core::run::Status;
use crate::core::time::Timestamp;

/// Which runs.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
#[into_params(parameter_in = Query)]
pub(super) struct Wanted {
    /// In this status, or in one of several, with commas between them.
    #[param(
        nullable = false,
        pattern = "^(QUEUED|STARTING|RUNNING|PENDING_RETRY|SUCCEEDED|FAILED|TIMED_OUT|ABORTED)$"
    )]
    status: Option<String>,
    /// Of this queue.
    #[param(nullable = false)]
    queue: Option<String>,
    /// Whose newest failure has this among its names: error, stop code, class or transience. In capitals or not, and with or
    /// without `Taskwatch.`, `States.` or `ECS.` before it.
    #[param(nullable = false)]
    error: Option<String>,
    /// Whose newest attempt has this exit code.
    #[param(nullable = false)]
    exit_code: Option<i64>,
    /// Whose newest failure has this in its cause, in capitals or not. With `*` (any characters) or `?` (one) it is a pattern
    /// for all of the cause.
    #[param(nullable = false)]
    cause: Option<String>,
    /// Of this name; of an array request's, all its runs. With `*` (any characters) or `?` (one) it is a pattern.
    #[param(nullable = false)]
    name: Option<String>,
    /// Whose request names this task definition: `family:revision`, its ARN, or a `family` for every revision.
    #[param(nullable = false)]
    task_definition: Option<String>,
    /// Whose request names this cluster.
    #[param(nullable = false)]
    cluster: Option<String>,
    /// Submitted at this instant or later.
    #[param(nullable = false, format = DateTime)]
    since: Option<String>,
}

impl Wanted {
    /// The filter.
    ///
    /// # Errors
    /// A status or an instant that is none.
    pub(super) fn filter(self) -> Result<RunFilter, ApiError> {
        Ok(RunFilter {
            statuses: self.status.as_deref().map(statuses).transpose()?,
            queue: self.queue,
            error: self.error,
            exit_code: self.exit_code,
            cause: self.cause,
            name: self.name,
            task_definition: self.task_definition,
            cluster: self.cluster,
            since: self.since.as_deref().map(instant).transpose()?,
        })
    }
}

pub(super) fn statuses(text: &str) -> Result<Vec<Status>, ApiError> {
    let status = |name: &str| {
        name.parse().map_err(|_| {
            ApiError::invalid(format!(
                "status is {name:?}: expected QUEUED, STARTING, RUNNING, PENDING_RETRY, SUCCEEDED, FAILED, TIMED_OUT \
                 or ABORTED, or several with commas"
            ))
        })
    };
    text.split(',').map(|name| status(name.trim())).collect()
}

pub(super) fn instant(text: &str) -> Result<Timestamp, ApiError> {
    let wrong = || ApiError::invalid(format!("since is {text:?}: expected an instant such as 2026-11-22T02:00:00Z"));
    Timestamp::parse(text).ok_or_else(wrong)
}
