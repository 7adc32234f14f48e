//! DynamoDB as AWS has it while a table is being made, in front of an emulator that makes one at once: it is not seen at first,
//! then it is CREATING, and takes no backups for a while (API reference: CreateTable, ContinuousBackupsUnavailableException).

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse as _, Response};

/// How often it says so before it passes a call on.
const SAYS: usize = 2;

#[derive(Clone)]
struct Front {
    emulator: String,
    /// Calls by operation, since the table was made.
    calls: Arc<Mutex<BTreeMap<String, usize>>>,
}

/// Begins it; its URL. It serves until the test ends.
pub(crate) async fn before(emulator: &str) -> String {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let address = listener.local_addr().expect("its address");
    let front = Front { emulator: emulator.to_owned(), calls: Arc::default() };
    let app = Router::new().fallback(answer).with_state(front);
    tokio::spawn(async move { axum::serve(listener, app).await });
    format!("http://{address}")
}

impl Front {
    /// How often this was called since the table was made; none before.
    fn count(&self, operation: &str) -> Option<usize> {
        let mut calls = self.calls.lock().unwrap_or_else(PoisonError::into_inner);
        if operation != "CreateTable" && !calls.contains_key("CreateTable") {
            return None;
        }
        let count = calls.entry(operation.to_owned()).or_default();
        *count += 1;
        Some(*count)
    }
}

async fn answer(State(front): State<Front>, headers: HeaderMap, body: Bytes) -> Response {
    let target = headers.get("x-amz-target").and_then(|target| target.to_str().ok()).unwrap_or_default();
    let operation = target.rsplit('.').next().unwrap_or_default();
    let refused = |name: &str| {
        let body = format!("{{\"__type\":\"com.amazonaws.dynamodb.v20120810#{name}\",\"message\":\"not yet\"}}");
        (StatusCode::BAD_REQUEST, body).into_response()
    };
    match (operation, front.count(operation)) {
        ("DescribeTable", Some(1)) => refused("ResourceNotFoundException"),
        ("DescribeTable", Some(2..=SAYS)) => {
            let text = pass(&front, &headers, body).await.1;
            let text = String::from_utf8_lossy(&text).replacen("\"ACTIVE\"", "\"CREATING\"", 1);
            (StatusCode::OK, text).into_response()
        }
        ("UpdateContinuousBackups", Some(1..=SAYS)) => refused("ContinuousBackupsUnavailableException"),
        ("UpdateTimeToLive", Some(_)) if front.count("DescribeTable").is_some_and(|count| count <= SAYS) => {
            refused("ResourceNotFoundException")
        }
        _ => pass(&front, &headers, body).await.into_response(),
    }
}

async fn pass(front: &Front, headers: &HeaderMap, body: Bytes) -> (StatusCode, Bytes) {
    let mut call = reqwest::Client::new().post(&front.emulator).body(body.to_vec());
    for name in ["x-amz-target", "content-type", "authorization", "x-amz-date"] {
        if let Some(value) = headers.get(name).and_then(|value| value.to_str().ok()) {
            call = call.header(name, value);
        }
    }
    let answer = call.send().await.expect("the emulator answers");
    let status = StatusCode::from_u16(answer.status().as_u16()).expect("a status");
    (status, answer.bytes().await.expect("a body"))
}
