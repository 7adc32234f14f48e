//! Lists, shows and stops runs.

use axum::Json;
use axum::body::Bytes;
use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use serde::Deserialize;
use serde_json::{Value, json};
use uuid::Uuid;

use super::error::ApiError;
use super::{Api, view};
use crate::core::run::{Run, Status};

/// Runs in one answer: the default and the most.
const PAGE: usize = 100;
const LARGEST_PAGE: usize = 1000;
const REASON_CHARS: usize = 200;

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub(super) struct Filter {
    status: Option<String>,
    queue: Option<String>,
    error: Option<String>,
    limit: Option<usize>,
    next_token: Option<String>,
}

/// Newest first; `nextToken` goes on where a page ended.
pub(super) async fn list(
    State(api): State<Api>,
    filter: Result<Query<Filter>, axum::extract::rejection::QueryRejection>,
) -> Result<Json<Value>, ApiError> {
    let Query(filter) = filter.map_err(|e| ApiError::invalid(e.body_text()))?;
    let statuses = filter.status.as_deref().map(statuses).transpose()?;
    let before = filter.next_token.as_deref().map(before).transpose()?;
    let limit = filter.limit.unwrap_or(PAGE);
    if !(1..=LARGEST_PAGE).contains(&limit) {
        return Err(ApiError::invalid(format!("limit is {limit}: expected 1 to {LARGEST_PAGE}")));
    }
    let fits = |run: &Run| {
        before.is_none_or(|before| run.id < before)
            && statuses.as_ref().is_none_or(|wanted| wanted.contains(&run.status))
            && filter.queue.as_ref().is_none_or(|queue| run.spec.queue == *queue)
            && filter.error.as_ref().is_none_or(|error| run.failure().is_some_and(|f| f.names.contains(error)))
    };
    // Ids are UUIDv7: their order is the order of submission.
    let mut ids = api.cell.ids(fits);
    ids.sort_unstable_by(|a, b| b.cmp(a));
    let more = ids.len() > limit;
    ids.truncate(limit);
    let next = ids.last().filter(|_| more).map(Uuid::to_string);
    let runs: Vec<Value> = ids.iter().filter_map(|id| api.cell.run(*id)).map(|run| view::brief(&run)).collect();
    Ok(Json(json!({"runs": runs, "nextToken": next})))
}

fn statuses(text: &str) -> Result<Vec<Status>, ApiError> {
    let status = |name: &str| {
        serde_json::from_value(Value::from(name.to_uppercase())).map_err(|_| {
            ApiError::invalid(format!(
                "status is {name:?}: expected QUEUED, STARTING, RUNNING, PENDING_RETRY, SUCCEEDED, FAILED, TIMED_OUT \
                 or ABORTED, or several with commas"
            ))
        })
    };
    text.split(',').map(|name| status(name.trim())).collect()
}

fn before(token: &str) -> Result<Uuid, ApiError> {
    Uuid::parse_str(token).map_err(|_| ApiError::invalid("nextToken: expected what an earlier answer gave"))
}

/// One run, or all of a name of many.
pub(super) async fn show(State(api): State<Api>, Path(run): Path<String>) -> Result<Json<Value>, ApiError> {
    let found = find(&api, &run).await?;
    Ok(Json(match found.as_slice() {
        [one] => view::full(one, api.cell.name()),
        many => json!({"runs": many.iter().map(|run| view::full(run, api.cell.name())).collect::<Vec<_>>()}),
    }))
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Stop {
    reason: Option<String>,
}

/// Asks one run, or all of a name of many, to stop. Those that have ended stay as they are.
pub(super) async fn stop(
    State(api): State<Api>,
    Path(run): Path<String>,
    body: Bytes,
) -> Result<(StatusCode, Json<Value>), ApiError> {
    let wrong = |e: serde_json::Error| ApiError::invalid(format!("expected {{\"reason\": \"text\"}} or no body: {e}"));
    let asked: Stop = if body.is_empty() { Stop::default() } else { serde_json::from_slice(&body).map_err(wrong)? };
    let reason: String = asked.reason.unwrap_or_else(|| "stopped by an operator".into());
    let reason: String = reason.chars().take(REASON_CHARS).collect();
    let found = find(&api, &run).await?;
    for run in &found {
        api.cell.stop(run.id, &reason).await;
    }
    let now = |run: Run| api.cell.run(run.id).unwrap_or(run);
    let runs: Vec<Value> = found.into_iter().map(|run| view::brief(&now(run))).collect();
    Ok((StatusCode::ACCEPTED, Json(json!({"runs": runs}))))
}

async fn find(api: &Api, run: &str) -> Result<Vec<Run>, ApiError> {
    let mut found = api.cell.find(run).await?;
    if found.is_empty() {
        return Err(ApiError::not_found(format!("{run:?} is no run's id or name here")));
    }
    found.sort_by_key(|run| run.index);
    Ok(found)
}

/// The cell at a glance.
pub(super) async fn summary(State(api): State<Api>) -> Json<Value> {
    let summary = api.cell.summary();
    let counters = api.cell.counters();
    Json(json!({
        "cell": api.cell.name(),
        "ready": api.cell.ready(),
        "statuses": summary.statuses,
        "queues": summary.waiting,
        "counters": {
            "accepted": counters.accepted.get(),
            "refused": counters.refused.get(),
            "launches": counters.launches.get(),
            "throttles": counters.throttles.get(),
            "events": counters.events.get(),
            "foreignEvents": counters.foreign.get(),
            "malformedEvents": counters.malformed.get(),
            "corrections": counters.corrections.get(),
            "notifications": counters.notified.get(),
        },
    }))
}
