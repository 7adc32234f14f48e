//! `/healthz` (alive) and `/readyz` (consuming).

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use serde_json::{Value, json};

use super::Api;

pub(super) async fn alive() -> Json<Value> {
    Json(json!({"status": "ok"}))
}

pub(super) async fn ready(State(api): State<Api>) -> (StatusCode, Json<Value>) {
    if api.cell.ready() {
        return (StatusCode::OK, Json(json!({"status": "ready"})));
    }
    let message = "the cell does not receive from its queues: see its log, or wait if it has just begun";
    (StatusCode::SERVICE_UNAVAILABLE, Json(json!({"error": "NotReady", "message": message})))
}
