//! Takes run requests: one, an array, or NDJSON of any length, never held in memory as a whole.

use axum::Json;
use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use futures::stream::{self, BoxStream, StreamExt};
use serde::Serialize;
use serde_json::Value;
use tokio_util::bytes::BytesMut;
use tokio_util::codec::{Decoder, FramedRead, LinesCodec, LinesCodecError};
use tokio_util::io::StreamReader;
use utoipa::ToSchema;
use uuid::Uuid;

use super::body::{self, Kind};
use super::error::{ApiError, ErrorBody};
use super::requests::Requests;
use super::{Api, guard};
use crate::core::request::RunRequest;
use crate::core::run::Status;

/// An SQS message holds 1 MiB (Amazon SQS quotas); a request by HTTP may be as long.
const MOST_BYTES_EACH: usize = 1024 * 1024;
/// A body that is one JSON document.
const MOST_BYTES: usize = 16 * 1024 * 1024;
/// Requests on their way to the store at once: they share its commits.
const AT_ONCE: usize = 256;
/// Runs in one JSON answer; an answer line by line has no bound of its own.
const MOST_TOLD: usize = 100_000;

/// A run that was taken.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct TakenRun {
    run: Uuid,
    name: String,
    status: Status,
    /// The same request had come before: nothing new was started.
    existing: bool,
}

/// A request that was not taken.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Refused {
    /// Its place among the requests, from 0.
    pub(super) item: u64,
    /// Its line in an NDJSON body, from 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub(super) line: Option<u64>,
    /// As in an error answer.
    pub(super) error: String,
    pub(super) message: String,
}

/// What became of the requests, in their order.
#[derive(Debug, Default, Serialize, ToSchema)]
pub(super) struct Taken {
    runs: Vec<TakenRun>,
    refused: Vec<Refused>,
}

/// What became of one request: a line of an answer in NDJSON.
#[derive(Debug, Serialize)]
#[serde(untagged)]
enum Line {
    Taken { item: u64, line: Option<u64>, runs: Vec<TakenRun> },
    Refused(Refused),
}

/// Where a request stood: its number, and its line in NDJSON.
type Place = (u64, Option<u64>);
/// One request, or why it cannot be one.
type Item = (Place, Result<RunRequest, ApiError>);

/// Takes run requests: one, an array of them, or NDJSON. Each item that is refused says why; the rest is taken.
///
/// A name that came before with the same request is the same run. With `Accept: application/x-ndjson` the answer comes line by
/// line while the body is read: `{"item", "line", "runs": [...]}` or `{"item", "line", "error", "message"}`.
#[utoipa::path(post, path = "/v1/runs", tag = "runs", operation_id = "submit",
    request_body(content((Requests = "application/json"), (String = "application/x-ndjson"))),
    responses(
        (status = 202, description = "Taken, durably; or some of them, and why not the others",
            content((Taken = "application/json"), (String = "application/x-ndjson"))),
        (status = 409, description = "NameConflict: the name is another request's", body = ErrorBody),
        (status = 413, description = "RequestTooLarge", body = ErrorBody),
        (status = 415, description = "UnsupportedMediaType", body = ErrorBody),
        (status = 429, description = "TooManyRuns: as many runs wait as may; TooManyStreams: answer line by line later", body = ErrorBody,
            headers(("Retry-After" = u32, description = "Seconds"))),
    ))]
pub(super) async fn submit(State(api): State<Api>, headers: HeaderMap, body: Body) -> Result<Response, ApiError> {
    let items = match body::kind(&headers)? {
        Kind::Lines if body::wants_lines(&headers) => {
            let place = guard::stream_place(&api)?;
            let items = by_line(&api, body);
            return Ok(guard::holding(line_by_line(api, items), place));
        }
        Kind::Lines => by_line(&api, body),
        Kind::Json => {
            let advice = ": send application/x-ndjson, one request a line";
            let bytes = body::complete(body, MOST_BYTES, advice).await?;
            match serde_json::from_slice(&bytes).map_err(|e| ApiError::invalid(format!("not JSON: {e}")))? {
                Value::Array(items) => {
                    let front = api.front.clone();
                    let request =
                        move |(n, item)| ((n, None), RunRequest::accept(item, &front.acceptance()).map_err(refused));
                    stream::iter((0..).zip(items).map(request)).boxed()
                }
                one => {
                    let request = RunRequest::accept(one, &api.front.acceptance()).map_err(refused)?;
                    let runs = taken(&api, request).await?;
                    return Ok((StatusCode::ACCEPTED, Json(Taken { runs, refused: Vec::new() })).into_response());
                }
            }
        }
    };
    Ok(many(&api, items).await)
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
        // The line alone: the codec has taken it out, and goes on behind it.
        Err(LinesCodecError::Io(error)) if error.kind() == std::io::ErrorKind::InvalidData => {
            Ok(Some(Err(ApiError::invalid("not JSON: the line is not UTF-8"))))
        }
        Err(LinesCodecError::Io(error)) => Err(error),
    }
}

fn by_line(api: &Api, body: Body) -> BoxStream<'static, Item> {
    let front = api.front.clone();
    let lines = FramedRead::new(
        StreamReader::new(Box::pin(body::chunks(body))),
        Lines(LinesCodec::new_with_max_length(MOST_BYTES_EACH)),
    );
    let lines = lines.map(|line| line.unwrap_or_else(|error| Err(body::broken(&error))));
    let full = |(_, line): &(u64, Result<String, ApiError>)| !line.as_ref().is_ok_and(|line| line.trim().is_empty());
    let full = stream::iter(1_u64..).zip(lines).filter(move |line| std::future::ready(full(line)));
    let request = move |(item, (line, text)): (u64, (u64, Result<String, ApiError>))| {
        let accept = |text: String| RunRequest::accept_text(&text, &front.acceptance()).map_err(refused);
        ((item, Some(line)), text.and_then(accept))
    };
    stream::iter(0_u64..).zip(full).map(request).boxed()
}

/// What becomes of each, in order, a few at a time.
fn answers(api: Api, items: BoxStream<'static, Item>) -> BoxStream<'static, (Place, Result<Vec<TakenRun>, ApiError>)> {
    let answer = move |(place, item): Item| {
        let api = api.clone();
        async move {
            match item {
                Ok(request) => (place, taken(&api, request).await),
                Err(error) => (place, Err(error)),
            }
        }
    };
    items.map(answer).buffered(AT_ONCE).boxed()
}

/// Takes what can be taken, in order, and says of the rest why not.
async fn many(api: &Api, items: BoxStream<'static, Item>) -> Response {
    let mut answers = answers(api.clone(), items);
    let mut all = Taken::default();
    let mut worst = StatusCode::BAD_REQUEST;
    while let Some(((item, line), answer)) = answers.next().await {
        if all.runs.len() + all.refused.len() >= MOST_TOLD {
            let error = ApiError::too_large(format!(
                "more than {MOST_TOLD} runs: this request may have been taken, those behind it were not; send the rest again, \
                 or send it with Accept: application/x-ndjson"
            ));
            all.refused.push(error.item(item, line));
            break;
        }
        match answer {
            Ok(taken) => all.runs.extend(taken),
            Err(error) => {
                worst = worst.max(error.status);
                all.refused.push(error.item(item, line));
            }
        }
    }
    if all.runs.is_empty() && !all.refused.is_empty() {
        return ApiError::none_taken(worst, all.refused);
    }
    (StatusCode::ACCEPTED, Json(all)).into_response()
}

/// The same, each answer as soon as it is known: as much is held in memory as is on its way to the store.
fn line_by_line(api: Api, items: BoxStream<'static, Item>) -> Response {
    let line = |((item, line), answer): (Place, Result<Vec<TakenRun>, ApiError>)| {
        let told = match answer {
            Ok(runs) => Line::Taken { item, line, runs },
            Err(error) => Line::Refused(error.item(item, line)),
        };
        let mut text = serde_json::to_vec(&told).unwrap_or_default();
        text.push(b'\n');
        Ok::<_, std::convert::Infallible>(Bytes::from(text))
    };
    let body = Body::from_stream(answers(api, items).map(line));
    let kind = (header::CONTENT_TYPE, HeaderValue::from_static("application/x-ndjson"));
    (StatusCode::ACCEPTED, [kind], body).into_response()
}

async fn taken(api: &Api, request: RunRequest) -> Result<Vec<TakenRun>, ApiError> {
    let submitted = api.front.submit(request).await?;
    let existing = submitted.existing;
    let taken =
        submitted.runs.into_iter().map(|run| TakenRun { run: run.id, name: run.name, status: run.status, existing });
    Ok(taken.collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_that_is_not_utf8_is_an_item_and_the_next_one_is_read() {
        let mut lines = Lines(LinesCodec::new_with_max_length(MOST_BYTES_EACH));
        let mut bytes = BytesMut::from(&b"{}\n\xff\n[]\n\xff"[..]);
        let mut next = |bytes: &mut BytesMut| lines.decode(bytes).unwrap().map(|line| line.map_err(|e| e.name));
        assert_eq!(next(&mut bytes), Some(Ok("{}".to_owned())));
        assert_eq!(next(&mut bytes), Some(Err("InvalidRequest")));
        assert_eq!(next(&mut bytes), Some(Ok("[]".to_owned())));
        assert!(lines.decode_eof(&mut bytes).unwrap().unwrap().is_err());
    }
}
