//! `/healthz` (alive) and `/readyz` (consuming).

use axum::Json;
use axum::extract::{Request, State};
use serde::Serialize;
use utoipa::ToSchema;

use super::error::{ApiError, ErrorBody};
use super::{Api, guard};
use crate::cell::Hindrance;

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
///
/// What AWS said of it (ARNs, account ids) is shown only to those who may ask for the rest: with the cell's token, where it has one.
#[utoipa::path(get, path = "/readyz", tag = "cell", operation_id = "readyz", security((), ("token" = [])),
    responses(
        (status = 200, description = "Consuming", body = Health),
        (status = 503, description = "NotReady: why not", body = ErrorBody),
    ))]
pub(super) async fn ready(State(api): State<Api>, request: Request) -> Result<Json<Health>, ApiError> {
    let hindrances = api.front.hindrances();
    if hindrances.is_empty() {
        return Ok(Json(Health { status: "ready" }));
    }
    // The log has the texts.
    let in_full = guard::refusal(&api, &request).is_none();
    let text = |hindrance: Hindrance| if in_full { hindrance.to_string() } else { hindrance.what };
    Err(ApiError::not_ready(&hindrances.into_iter().map(text).collect::<Vec<_>>()))
}
