//! `/healthz` (alive) and `/readyz` (consuming).

use axum::Json;
use axum::extract::State;
use serde::Serialize;
use utoipa::ToSchema;

use super::Api;
use super::error::{ApiError, ErrorBody};

/// The process's own word.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Health {
    /// `ok` or `ready`.
    status: &'static str,
}

/// Answers as long as the process lives.
#[utoipa::path(get, path = "/healthz", tag = "cell", operation_id = "healthz", security(()),
    responses((status = 200, description = "Alive", body = Health)))]
pub(super) async fn alive() -> Json<Health> {
    Json(Health { status: "ok" })
}

/// Answers 200 while the cell receives from its queues, its store takes changes and ECS answers RunTask; else why not.
#[utoipa::path(get, path = "/readyz", tag = "cell", operation_id = "readyz", security(()),
    responses(
        (status = 200, description = "Consuming", body = Health),
        (status = 503, description = "NotReady: why not", body = ErrorBody),
    ))]
pub(super) async fn ready(State(api): State<Api>) -> Result<Json<Health>, ApiError> {
    let reasons = api.cell.not_ready();
    if reasons.is_empty() { Ok(Json(Health { status: "ready" })) } else { Err(ApiError::not_ready(&reasons)) }
}
