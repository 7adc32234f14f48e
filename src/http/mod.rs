//! Health of a serving cell over HTTP.

use axum::extract::State;
use axum::http::StatusCode;
use axum::routing::get;
use axum::{Json, Router};
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use crate::cell::Cell;

/// `/healthz` (alive) and `/readyz` (consuming).
pub fn router(cell: Cell) -> Router {
    Router::new().route("/healthz", get(healthy)).route("/readyz", get(ready)).fallback(unknown).with_state(cell)
}

/// Serves until `shutdown`.
///
/// # Errors
/// The listener's.
pub async fn serve(listener: TcpListener, cell: Cell, shutdown: CancellationToken) -> std::io::Result<()> {
    axum::serve(listener, router(cell)).with_graceful_shutdown(shutdown.cancelled_owned()).await
}

async fn healthy() -> Json<Value> {
    Json(json!({"status": "ok"}))
}

async fn ready(State(cell): State<Cell>) -> (StatusCode, Json<Value>) {
    if cell.ready() {
        return (StatusCode::OK, Json(json!({"status": "ready"})));
    }
    let message = "the cell does not receive from its queues: see its log, or wait if it has just begun";
    (StatusCode::SERVICE_UNAVAILABLE, Json(json!({"error": "NotReady", "message": message})))
}

async fn unknown() -> (StatusCode, Json<Value>) {
    (StatusCode::NOT_FOUND, Json(json!({"error": "NotFound", "message": "there is /healthz and /readyz"})))
}
