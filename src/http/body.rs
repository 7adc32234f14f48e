//! Bodies of requests: their kind, their size, and how long they may take.

use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::http::{HeaderMap, header};
use futures::stream::{Stream, StreamExt};
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::error::ApiError;

/// So long may a body be silent.
const SILENCE: Duration = Duration::from_secs(20);
/// A body that is to be read as a whole may take so long.
const WHOLE: Duration = Duration::from_secs(60);
/// A body that only says what to do.
const MOST_BYTES_OF_AN_ORDER: usize = 64 * 1024;

/// What a body is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// One JSON document.
    Json,
    /// One JSON document a line.
    Lines,
}

/// What the body is by its Content-Type. Nothing that a page of another site may send without asking is taken.
pub(super) fn kind(headers: &HeaderMap) -> Result<Kind, ApiError> {
    let given = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    match media_type(given).as_str() {
        "application/json" => Ok(Kind::Json),
        "application/x-ndjson" | "application/ndjson" | "application/jsonl" | "application/x-jsonlines" => {
            Ok(Kind::Lines)
        }
        other if other.starts_with("application/") && other.ends_with("+json") => Ok(Kind::Json),
        _ => Err(ApiError::media_type(format!(
            "Content-Type is {given:?}: send application/json (a request or an array of them) or application/x-ndjson (one \
             request a line)"
        ))),
    }
}

/// Whether the client wants its answer line by line.
pub(super) fn wants_lines(headers: &HeaderMap) -> bool {
    let accepted = headers.get_all(header::ACCEPT).iter().filter_map(|value| value.to_str().ok());
    let mut kinds = accepted.flat_map(|value| value.split(',')).map(media_type);
    kinds.any(|kind| kind == "application/x-ndjson")
}

/// A media type without its parameters.
fn media_type(text: &str) -> String {
    text.split(';').next().unwrap_or_default().trim().to_ascii_lowercase()
}

/// The body as it comes. It ends with an error when nothing comes for too long.
pub(super) fn chunks(body: Body) -> impl Stream<Item = std::io::Result<Bytes>> + Send {
    futures::stream::unfold(Some(body.into_data_stream()), |stream| async {
        let mut stream = stream?;
        match tokio::time::timeout(SILENCE, stream.next()).await {
            Ok(chunk) => chunk.map(|chunk| (chunk.map_err(std::io::Error::other), Some(stream))),
            Err(_) => Some((Err(std::io::ErrorKind::TimedOut.into()), None)),
        }
    })
}

/// The whole body, if it is not longer.
pub(super) async fn whole(body: Body, most: usize, advice: &str) -> Result<Vec<u8>, ApiError> {
    let mut bytes = Vec::new();
    let reading = async {
        let mut chunks = Box::pin(chunks(body));
        while let Some(chunk) = chunks.next().await {
            let chunk = chunk.map_err(|error| broken(&error))?;
            if bytes.len() + chunk.len() > most {
                return Err(ApiError::too_large(format!("the body is longer than {most} bytes{advice}")));
            }
            bytes.extend_from_slice(&chunk);
        }
        Ok(())
    };
    tokio::time::timeout(WHOLE, reading).await.unwrap_or_else(|_| Err(ApiError::too_slow()))?;
    Ok(bytes)
}

/// Why a body ended before its end.
pub(super) fn broken(error: &std::io::Error) -> ApiError {
    if error.kind() == std::io::ErrorKind::TimedOut {
        return ApiError::too_slow();
    }
    ApiError::invalid(format!("the body broke off: {error}"))
}

/// A short JSON body, if there is one.
pub(super) async fn order<T: DeserializeOwned>(headers: &HeaderMap, body: Body) -> Result<Option<T>, ApiError> {
    let bytes = whole(body, MOST_BYTES_OF_AN_ORDER, "").await?;
    if bytes.is_empty() {
        return Ok(None);
    }
    if kind(headers)? != Kind::Json {
        return Err(ApiError::media_type("send application/json"));
    }
    let wrong = |e: serde_json::Error| ApiError::invalid(format!("the body cannot be read: {e}"));
    let value: Value = serde_json::from_slice(&bytes).map_err(wrong)?;
    // serde reads a struct from an array as well; nobody means that.
    if value.is_array() {
        return Err(ApiError::invalid("the body is an array: expected an object"));
    }
    serde_json::from_value(value).map(Some).map_err(wrong)
}
