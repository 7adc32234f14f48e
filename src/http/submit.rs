//! Takes run requests: one, an array, or NDJSON of any length, never held in memory as a whole.

use axum::Json;
use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use futures::stream::{self, BoxStream, StreamExt, TryStreamExt};
use serde_json::{Value, json};
use tokio_util::bytes::BytesMut;
use tokio_util::codec::{Decoder, FramedRead, LinesCodec, LinesCodecError};
use tokio_util::io::StreamReader;

use super::Api;
use super::error::ApiError;
use crate::core::request::RunRequest;

/// An SQS message holds 1 MiB (Amazon SQS quotas); a request by HTTP may be as long.
const MOST_BYTES_EACH: usize = 1024 * 1024;
/// A body that is one JSON document.
const MOST_BYTES: usize = 16 * 1024 * 1024;
/// Requests on their way to the store at once: they share its commits.
const AT_ONCE: usize = 256;

/// One request, or why it cannot be one.
type Item = Result<RunRequest, ApiError>;

pub(super) async fn submit(State(api): State<Api>, headers: HeaderMap, body: Body) -> Result<Response, ApiError> {
    let kind = headers.get(header::CONTENT_TYPE).and_then(|v| v.to_str().ok()).unwrap_or_default();
    let lines = ["ndjson", "jsonl", "jsonlines", "json-seq"].iter().any(|name| kind.contains(name));
    if lines {
        return Ok(many(&api, by_line(body)).await);
    }
    let bytes = axum::body::to_bytes(body, MOST_BYTES).await;
    let bytes = bytes.map_err(|_| {
        ApiError::too_large(format!(
            "the body is longer than {MOST_BYTES} bytes: send application/x-ndjson, one request a line"
        ))
    })?;
    match serde_json::from_slice(&bytes).map_err(|e| ApiError::invalid(format!("not JSON: {e}")))? {
        Value::Array(items) => {
            let items = items.into_iter().map(|item| RunRequest::from_value(item).map_err(refused));
            Ok(many(&api, stream::iter(items).boxed()).await)
        }
        one => {
            let request = RunRequest::from_value(one).map_err(refused)?;
            Ok((StatusCode::ACCEPTED, Json(json!({"runs": taken(&api, request).await?}))).into_response())
        }
    }
}

fn refused(error: crate::core::request::RequestError) -> ApiError {
    ApiError::invalid(error.to_string())
}

/// Lines; one that is too long is an item like any other, not the end of them all.
struct Lines(LinesCodec);

impl Decoder for Lines {
    type Item = Result<String, ApiError>;
    type Error = std::io::Error;

    fn decode(&mut self, bytes: &mut BytesMut) -> Result<Option<Self::Item>, Self::Error> {
        told(self.0.decode(bytes))
    }

    fn decode_eof(&mut self, bytes: &mut BytesMut) -> Result<Option<Self::Item>, Self::Error> {
        told(self.0.decode_eof(bytes))
    }
}

fn told(line: Result<Option<String>, LinesCodecError>) -> std::io::Result<Option<Result<String, ApiError>>> {
    match line {
        Ok(line) => Ok(line.map(Ok)),
        Err(LinesCodecError::MaxLineLengthExceeded) => {
            Ok(Some(Err(ApiError::too_large(format!("a line is longer than {MOST_BYTES_EACH} bytes")))))
        }
        Err(LinesCodecError::Io(error)) => Err(error),
    }
}

fn by_line(body: Body) -> BoxStream<'static, Item> {
    let bytes = StreamReader::new(body.into_data_stream().map_err(std::io::Error::other));
    FramedRead::new(bytes, Lines(LinesCodec::new_with_max_length(MOST_BYTES_EACH)))
        .map(|line| line.unwrap_or_else(|e| Err(ApiError::invalid(format!("the body broke off: {e}")))))
        .filter(|line| std::future::ready(!line.as_ref().is_ok_and(|line| line.trim().is_empty())))
        .map(|line| RunRequest::parse(&line?).map_err(refused))
        .boxed()
}

/// Takes what can be taken, in order, and says of the rest why not.
async fn many(api: &Api, items: BoxStream<'static, Item>) -> Response {
    let answers = items.enumerate().map(|(number, item)| async move {
        let taken = match item {
            Ok(request) => taken(api, request).await,
            Err(error) => Err(error),
        };
        (number, taken)
    });
    let mut answers = answers.buffered(AT_ONCE);
    let (mut runs, mut refused) = (Vec::new(), Vec::new());
    let mut worst = StatusCode::BAD_REQUEST;
    while let Some((number, answer)) = answers.next().await {
        match answer {
            Ok(taken) => runs.extend(taken),
            Err(error) => {
                worst = worst.max(error.status);
                let mut body = error.body();
                body["item"] = number.into();
                refused.push(body);
            }
        }
    }
    let none = runs.is_empty() && !refused.is_empty();
    let mut body = json!({"runs": runs, "refused": refused});
    if none {
        body["error"] = body["refused"][0]["error"].clone();
        body["message"] = "none of the requests was taken: see refused".into();
    }
    (if none { worst } else { StatusCode::ACCEPTED }, Json(body)).into_response()
}

async fn taken(api: &Api, request: RunRequest) -> Result<Vec<Value>, ApiError> {
    let submitted = api.cell.submit(request).await?;
    let existing = submitted.existing;
    let brief = submitted
        .runs
        .iter()
        .map(|run| json!({"run": run.id, "name": run.name, "status": run.status, "existing": existing}));
    Ok(brief.collect())
}
