//! The lines of an attempt's containers.

use axum::Json;
use axum::extract::{FromRequestParts, Path, State};
use axum::http::request::Parts;
use serde::Deserialize;
use utoipa::IntoParams;

use super::Api;
use super::error::{ApiError, ErrorBody};
use super::extract::Params;
use crate::cell::LogAnswer;
use crate::front::{LinesOf, NoLog};

/// Lines in one answer: the default, and the most (API reference, GetLogEvents).
const LINES: u32 = 50;
const MOST_LINES: u32 = 10_000;

/// The `{run}` and `{n}` of the path.
pub(super) struct AttemptOf(String, Option<u32>);

impl<S: Send + Sync> FromRequestParts<S> for AttemptOf {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        let path = Path::<(String, String)>::from_request_parts(parts, state).await;
        let Path((run, number)) = path.map_err(|e| ApiError::invalid(e.body_text()))?;
        let wrong = || ApiError::invalid(format!("{number:?} is no attempt: expected a number from 1, or last"));
        match number.as_str() {
            "last" => Ok(Self(run, None)),
            text => text.parse().ok().filter(|n| *n > 0).map(|n| Self(run, Some(n))).ok_or_else(wrong),
        }
    }
}

/// Which lines.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
#[into_params(parameter_in = Query)]
pub(super) struct Wanted {
    /// The container; left out, the one that decided.
    #[param(nullable = false)]
    container: Option<String>,
    /// Most lines in the answer.
    #[param(nullable = false, minimum = 1, maximum = 10000, default = 50)]
    lines: Option<u32>,
    /// Where an earlier answer ended: what was written since. Without it, the last lines.
    #[param(nullable = false)]
    next_token: Option<String>,
}

/// Reads the last lines that a container of an attempt wrote, or what it wrote behind an earlier answer.
///
/// They are read from CloudWatch Logs when they are asked for, at most `TASKWATCH_LOG_RATE` times a second, and are not
/// masked. Where there are none to show `lines` is null and `why` says the reason: another log driver, a right that is
/// missing, a stream that is not there.
#[utoipa::path(get, path = "/v1/runs/{run}/attempts/{n}/log", tag = "runs", operation_id = "log",
    params(
        ("run" = String, Path, description = "Its id or name, URL-encoded"),
        ("n" = String, Path, description = "The attempt's number, from 1, or `last`: the newest with a task",
            pattern = "^([1-9][0-9]{0,8}|last)$"),
        Wanted,
    ),
    responses(
        (status = 200, description = "The lines, or why there are none", body = LogAnswer),
        (status = 404, description = "NotFound", body = ErrorBody),
    ))]
pub(super) async fn read(
    State(api): State<Api>,
    AttemptOf(run, attempt): AttemptOf,
    Params(wanted): Params<Wanted>,
) -> Result<Json<LogAnswer>, ApiError> {
    let lines = wanted.lines.unwrap_or(LINES);
    if !(1..=MOST_LINES).contains(&lines) {
        return Err(ApiError::invalid(format!("lines is {lines}: expected 1 to {MOST_LINES}")));
    }
    let of = LinesOf { attempt, container: wanted.container, lines, token: wanted.next_token };
    api.front.lines(&run, &of).await.map(Json).map_err(|error| match error {
        NoLog::NoRun | NoLog::NoReader => ApiError::not_found(format!("{run:?} {error}")),
        NoLog::Many(_) => ApiError::invalid(format!("{run:?} {error}")),
        NoLog::NoAttempt(why) => ApiError::not_found(why),
        NoLog::Store(error) => error.into(),
    })
}
