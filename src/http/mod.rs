//! The HTTP API of a serving cell: submit, look, stop, and its health.

mod auth;
mod error;
mod health;
mod runs;
mod submit;
mod view;

use std::sync::Arc;

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::middleware::from_fn_with_state;
use axum::routing::{get, post};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use crate::cell::Cell;
use error::ApiError;

/// What every handler has.
#[derive(Clone)]
struct Api {
    cell: Cell,
    token: Option<Arc<str>>,
}

/// Every route. With a token, all but the health checks ask for it as `Authorization: Bearer`.
pub fn router(cell: Cell, token: Option<&str>) -> Router {
    let api = Api { cell, token: token.map(Arc::from) };
    let guarded = Router::new()
        .route("/v1/runs", get(runs::list).post(submit::submit).layer(DefaultBodyLimit::disable()))
        .route("/v1/runs/{run}", get(runs::show))
        .route("/v1/runs/{run}/stop", post(runs::stop))
        .route("/v1/summary", get(runs::summary))
        .layer(from_fn_with_state(api.clone(), auth::guard));
    Router::new()
        .route("/healthz", get(health::alive))
        .route("/readyz", get(health::ready))
        .merge(guarded)
        .fallback(|| async { ApiError::not_found("no such path: see /v1/runs, /v1/summary, /healthz, /readyz") })
        .method_not_allowed_fallback(|| async { ApiError::method_not_allowed() })
        .with_state(api)
}

/// Serves until `shutdown`.
///
/// # Errors
/// The listener's.
pub async fn serve(
    listener: TcpListener,
    cell: Cell,
    token: Option<String>,
    shutdown: CancellationToken,
) -> std::io::Result<()> {
    let app = router(cell, token.as_deref());
    axum::serve(listener, app).with_graceful_shutdown(shutdown.cancelled_owned()).await
}
