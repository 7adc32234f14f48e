//! Shows and changes what the cell may do at once, and what is paused.

use axum::Json;
use axum::body::Body;
use axum::extract::State;
use axum::http::HeaderMap;

use super::attention::{InForce, in_force};
use super::error::{ApiError, ErrorBody};
use super::{Api, body};
use crate::cell::LimitsChange;

/// Queues and task definitions paused at once: they are kept in one note of the store.
const MOST_PAUSES: usize = 1_000;

/// Shows the limits and pauses in force.
#[utoipa::path(get, path = "/v1/limits", tag = "limits", operation_id = "limits",
    responses((status = 200, description = "The limits in force", body = InForce)))]
pub(super) async fn show(State(api): State<Api>) -> Json<InForce> {
    Json(in_force(&api.front, api.front.limits()))
}

/// Changes limits, pauses and resumes: durable, and in force, when this answers. What is left out stays.
///
/// What is paused waits as QUEUED and uses up no attempt. `resume` comes before `pause`.
#[utoipa::path(patch, path = "/v1/limits", tag = "limits", operation_id = "changeLimits",
    request_body(content = LimitsChange, content_type = "application/json"),
    responses(
        (status = 200, description = "The limits in force now", body = InForce),
        (status = 413, description = "RequestTooLarge", body = ErrorBody),
        (status = 415, description = "UnsupportedMediaType", body = ErrorBody),
    ))]
pub(super) async fn change(State(api): State<Api>, headers: HeaderMap, body: Body) -> Result<Json<InForce>, ApiError> {
    let missing =
        || ApiError::invalid("there is no body: say what is to change, such as {\"pause\": [{\"queue\": \"team-a\"}]}");
    let change: LimitsChange = body::order(&headers, body).await?.ok_or_else(missing)?;
    if api.front.limits().pauses.len() + change.pause.len() > MOST_PAUSES {
        return Err(ApiError::invalid(format!("pause: at most {MOST_PAUSES} queues and task definitions at once")));
    }
    let limits = api.front.change_limits(change).await?;
    Ok(Json(in_force(&api.front, limits)))
}
