//! Bodies of requests: their kind, their size, and how long they may take.

use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::http::{HeaderMap, header};
use futures::stream::{Stream, StreamExt};
use serde::de::DeserializeOwned;
use serde_json::Value;
use tokio::time::Instant;

use super::error::ApiError;

/// So long may a body be waited for without a word, be it at its beginning or between its parts.
const MOST_WAIT: Duration = Duration::from_secs(20);
/// What comes earns more of it, never more than that: so many bytes a second. Both are what Apache asks of a body
/// (mod_reqtimeout: `body=20,MinRate=500`).
const LEAST_BYTES_A_SECOND: u32 = 500;
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

/// The body as it comes. It ends with an error when it comes too slowly: a byte now and then must not hold a place for
/// hours. Only the time in which it is waited for counts, not that in which the cell is busy with what came.
pub(super) fn chunks(body: Body) -> impl Stream<Item = std::io::Result<Bytes>> + Send {
    futures::stream::unfold(Some((body.into_data_stream(), MOST_WAIT)), |state| async {
        let (mut stream, wait_left) = state?;
        let began = Instant::now();
        match tokio::time::timeout(wait_left, stream.next()).await {
            Ok(Some(Ok(chunk))) => {
                let left = wait_left.saturating_sub(began.elapsed()) + earned(chunk.len());
                Some((Ok(chunk), Some((stream, left.min(MOST_WAIT)))))
            }
            Ok(chunk) => chunk.map(|broken| (broken.map_err(std::io::Error::other), None)),
            Err(_) => Some((Err(std::io::ErrorKind::TimedOut.into()), None)),
        }
    })
}

/// The time that so many bytes earn.
fn earned(bytes: usize) -> Duration {
    Duration::from_secs(1) * u32::try_from(bytes).unwrap_or(u32::MAX) / LEAST_BYTES_A_SECOND
}

/// The complete body, if it is not longer.
pub(super) async fn complete(body: Body, most: usize, advice: &str) -> Result<Vec<u8>, ApiError> {
    let mut bytes = Vec::new();
    let mut chunks = Box::pin(chunks(body));
    while let Some(chunk) = chunks.next().await {
        let chunk = chunk.map_err(|error| broken(&error))?;
        if bytes.len() + chunk.len() > most {
            return Err(ApiError::too_large(format!("the body is longer than {most} bytes{advice}")));
        }
        bytes.extend_from_slice(&chunk);
    }
    Ok(bytes)
}

/// Why a body ended before its end.
pub(super) fn broken(error: &std::io::Error) -> ApiError {
    if error.kind() == std::io::ErrorKind::TimedOut {
        return ApiError::too_slow(MOST_WAIT.as_secs(), LEAST_BYTES_A_SECOND);
    }
    ApiError::invalid(format!("the body broke off: {error}"))
}

/// A short JSON body, if there is one.
pub(super) async fn order<T: DeserializeOwned>(headers: &HeaderMap, body: Body) -> Result<Option<T>, ApiError> {
    let bytes = complete(body, MOST_BYTES_OF_AN_ORDER, "").await?;
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

#[cfg(test)]
mod tests {
    use super::*;

    /// A body of so many chunks of so many bytes, each after so many seconds.
    fn drip(chunks: u64, bytes: usize, seconds: u64) -> Body {
        Body::from_stream(futures::stream::iter(0..chunks).then(move |_| async move {
            tokio::time::sleep(Duration::from_secs(seconds)).await;
            Ok::<_, std::convert::Infallible>(vec![b' '; bytes])
        }))
    }

    /// What came of a body, and whether it was cut for its slowness; the reader takes so long over each chunk.
    async fn read(body: Body, busy: Duration) -> (usize, bool) {
        let mut chunks = Box::pin(chunks(body));
        let mut bytes = 0;
        while let Some(chunk) = chunks.next().await {
            match chunk {
                Ok(chunk) => bytes += chunk.len(),
                Err(error) => return (bytes, error.kind() == std::io::ErrorKind::TimedOut),
            }
            tokio::time::sleep(busy).await;
        }
        (bytes, false)
    }

    #[tokio::test(start_paused = true)]
    async fn a_body_that_trickles_is_cut_and_one_that_is_only_slow_is_not() {
        let began = Instant::now();
        assert_eq!(read(drip(1000, 1, 19), Duration::ZERO).await, (1, true), "a byte each 19 s");
        assert_eq!(began.elapsed().as_secs(), 20, "a byte earns next to nothing");
        assert_eq!(read(drip(1000, 240, 1), Duration::ZERO).await, (37 * 240, true), "not half the least rate");
        // 10,000 requests of 500 bytes over a line that is slow: an hour and a half.
        assert_eq!(read(drip(5000, 1000, 1), Duration::ZERO).await, (5_000_000, false));
        assert_eq!(read(drip(10, 10_000, 19), Duration::ZERO).await, (100_000, false), "much now and then");
        assert_eq!(read(drip(1, 10, 21), Duration::ZERO).await, (0, true), "nothing at all");
    }

    #[tokio::test(start_paused = true)]
    async fn what_came_fast_earns_no_more_patience_than_there_was() {
        let fast = Body::from(vec![b' '; 8_000_000]).into_data_stream();
        let body = Body::from_stream(fast.chain(drip(1000, 1, 19).into_data_stream()));
        assert_eq!(read(body, Duration::ZERO).await, (8_000_001, true));
    }

    #[tokio::test(start_paused = true)]
    async fn a_cell_that_is_busy_with_what_came_does_not_blame_the_client() {
        assert_eq!(read(drip(20, 2000, 1), Duration::from_secs(60)).await, (40_000, false));
    }
}
