//! Lists, shows, stops and redrives runs.

use axum::Json;
use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

use super::error::{ApiError, ErrorBody};
use super::extract::{Paged, Paging, Params, RunName};
use super::filter::Wanted;
use super::view::{Brief, Full};
use super::{Api, body, view};
use crate::cell::RedriveError;
use crate::front::Seen;
use crate::store::Query;

/// Runs in one answer: the default and the most.
const PAGE: usize = 100;
const LARGEST_PAGE: usize = 1000;
const REASON_CHARS: usize = 200;

/// A page of runs.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct RunList {
    /// Newest first. Where runs that fit are rare a page may have few or none, and still not be the last.
    runs: Vec<Brief>,
    /// Goes on where this page ends; null on the last one.
    next_token: Option<String>,
}

/// Runs that were changed.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Changed {
    runs: Vec<Brief>,
}

/// One run, or a page of those of an array request.
#[derive(Debug, Serialize, ToSchema)]
#[serde(untagged)]
pub(super) enum Shown {
    One(Box<Full>),
    Many(ArrayPage),
}

/// A page of the runs of an array request.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct ArrayPage {
    /// By their index.
    runs: Vec<Full>,
    /// Goes on where this page ends; null on the last one.
    next_token: Option<String>,
}

/// Which part of an array request to show.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
#[into_params(parameter_in = Query)]
pub(super) struct Part {
    /// Most runs in the answer.
    #[param(nullable = false, minimum = 1, maximum = 1000, default = 100)]
    limit: Option<usize>,
    /// Where an earlier answer ended.
    #[param(nullable = false, pattern = "^[0-9]{1,5}$")]
    next_token: Option<String>,
}

/// Lists runs, newest first: open ones and ended ones, for as long as the cell keeps them.
///
/// The order is that of submission and never changes: pages neither repeat nor leave out a run that fits all the while.
#[utoipa::path(get, path = "/v1/runs", tag = "runs", operation_id = "list", params(Wanted, Paging),
    responses((status = 200, description = "A page of runs", body = RunList)))]
pub(super) async fn list(
    State(api): State<Api>,
    Paged(wanted, paging): Paged<Wanted>,
) -> Result<Json<RunList>, ApiError> {
    let limit = page_size(paging.limit)?;
    let before = paging.next_token.as_deref().map(before).transpose()?;
    let query = Query { filter: wanted.filter()?, before, limit };
    let page = api.front.list(query).await?;
    let next_token = page.next.map(|id| id.to_string());
    Ok(Json(RunList { runs: view::briefs(&page.items), next_token }))
}

pub(super) fn page_size(limit: Option<usize>) -> Result<usize, ApiError> {
    let limit = limit.unwrap_or(PAGE);
    if (1..=LARGEST_PAGE).contains(&limit) {
        return Ok(limit);
    }
    Err(ApiError::invalid(format!("limit is {limit}: expected 1 to {LARGEST_PAGE}")))
}

fn before(token: &str) -> Result<Uuid, ApiError> {
    Uuid::parse_str(token).map_err(|_| wrong_token())
}

pub(super) fn wrong_token() -> ApiError {
    ApiError::invalid("nextToken: expected what an earlier answer gave")
}

/// Shows one run with every attempt, or the runs of an array request, a page at a time.
#[utoipa::path(get, path = "/v1/runs/{run}", tag = "runs", operation_id = "show",
    params(("run" = String, Path, description = "Its id or name, URL-encoded"), Part),
    responses(
        (status = 200, description = "The run, or a page of the runs", body = Shown),
        (status = 404, description = "NotFound", body = ErrorBody),
    ))]
pub(super) async fn show(
    State(api): State<Api>,
    RunName(run): RunName,
    Params(part): Params<Part>,
) -> Result<Json<Shown>, ApiError> {
    let limit = page_size(part.limit)?;
    let after = part.next_token.map(|token| token.parse::<u32>().map_err(|_| wrong_token())).transpose()?;
    let page = api.front.find_page(&run, after.map_or(0, |after| after.saturating_add(1)), limit).await?;
    if page.items.is_empty() && after.is_none() {
        return Err(unknown(&run));
    }
    let mut runs = view::fulls(&page.items);
    if let (1, None, None) = (runs.len(), page.next, after) {
        return Ok(Json(Shown::One(Box::new(runs.remove(0)))));
    }
    let next_token = page.items.last().filter(|_| page.next.is_some()).map(|last| last.run.index.to_string());
    Ok(Json(Shown::Many(ArrayPage { runs, next_token })))
}

/// Why to stop.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
pub(super) struct StopOrder {
    /// The reason that ECS and the notification show; its first 200 characters.
    reason: Option<String>,
}

/// Asks one run, or those of an array request that have not ended, to stop.
#[utoipa::path(post, path = "/v1/runs/{run}/stop", tag = "runs", operation_id = "stop",
    params(("run" = String, Path, description = "Its id or name, URL-encoded")),
    request_body(content = Option<StopOrder>, content_type = "application/json"),
    responses(
        (status = 202, description = "How they are now: those with a task end once it has stopped", body = Changed),
        (status = 404, description = "NotFound", body = ErrorBody),
        (status = 409, description = "AlreadyEnded: there is nothing to stop", body = ErrorBody),
        (status = 413, description = "RequestTooLarge", body = ErrorBody),
        (status = 415, description = "UnsupportedMediaType", body = ErrorBody),
    ))]
pub(super) async fn stop(
    State(api): State<Api>,
    RunName(run): RunName,
    headers: HeaderMap,
    body: Body,
) -> Result<(StatusCode, Json<Changed>), ApiError> {
    let asked = body::order::<Option<StopOrder>>(&headers, body).await?.flatten().unwrap_or_default();
    let reason: String = asked.reason.unwrap_or_else(|| "stopped by an operator".into());
    let reason: String = reason.chars().take(REASON_CHARS).collect();
    api.front.takes_orders()?;
    let mut found = find(&api, &run).await?;
    let ended = found.iter().map(|one| &one.run).filter(|run| run.status.is_final());
    if let Some(last) = ended.max_by_key(|run| run.finished_at).cloned() {
        found.retain(|one| !one.run.status.is_final());
        if found.is_empty() {
            return Err(ApiError::already_ended(&last));
        }
    }
    let runs = view::briefs(&api.front.stop(found, &reason).await?);
    Ok((StatusCode::ACCEPTED, Json(Changed { runs })))
}

/// Begins a run again that failed, timed out or was aborted, or all such runs of an array request.
///
/// Retries and `timeoutSeconds` count anew, attempts are numbered on, and the notification of the next end has a new id. Also runs
/// that ended long ago, for as long as the cell keeps them.
#[utoipa::path(post, path = "/v1/runs/{run}/redrive", tag = "runs", operation_id = "redrive",
    params(("run" = String, Path, description = "Its id or name, URL-encoded")),
    responses(
        (status = 202, description = "Those that were begun again", body = Changed),
        (status = 404, description = "NotFound", body = ErrorBody),
        (status = 409, description = "NotRedrivable: none is FAILED, TIMED_OUT or ABORTED", body = ErrorBody),
        (status = 429, description = "TooManyRuns: as many runs wait as may", body = ErrorBody,
            headers(("Retry-After" = u32, description = "Seconds"))),
    ))]
pub(super) async fn redrive(
    State(api): State<Api>,
    RunName(run): RunName,
) -> Result<(StatusCode, Json<Changed>), ApiError> {
    api.front.takes_orders()?;
    let mut runs = Vec::new();
    let (mut why, mut failed) = (None, None);
    for redriven in api.front.redrive(find(&api, &run).await?).await {
        match redriven {
            Ok(run) => runs.push(run),
            Err(error @ (RedriveError::NotRedrivable { .. } | RedriveError::Gone)) => drop(why.get_or_insert(error)),
            Err(error) => drop(failed.get_or_insert(error)),
        }
    }
    // The answer names those that were begun again; a second call takes up the others.
    match failed.or(why) {
        Some(error) if runs.is_empty() => Err(error.into()),
        _ => Ok((StatusCode::ACCEPTED, Json(Changed { runs: view::briefs(&runs) }))),
    }
}

async fn find(api: &Api, run: &str) -> Result<Vec<Seen>, ApiError> {
    let found = api.front.find(run).await?;
    if found.is_empty() {
        return Err(unknown(run));
    }
    Ok(found)
}

fn unknown(run: &str) -> ApiError {
    ApiError::not_found(format!("{run:?} is neither the id nor the name of a run of this cell"))
}
