//! Errors as the API answers them: `{"error": "<Name>", "message": "<what and what to do>"}`.

use axum::Json;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use utoipa::ToSchema;

use super::submit::Refused;
use crate::cell::{LimitsError, RedriveError, Standstill, SubmitError};
use crate::core::run::Run;
use crate::front::{StopError, Unmoved};
use crate::store::StoreError;

/// What is wrong, and what to do.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Error)]
pub(super) struct ErrorBody {
    /// The error's name, such as `NotFound`.
    error: String,
    /// For people.
    message: String,
    /// Where several requests were sent and none was taken: why, one by one.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    refused: Option<Vec<Refused>>,
}

/// One error answer.
#[derive(Debug)]
pub(super) struct ApiError {
    pub(super) status: StatusCode,
    pub(super) name: &'static str,
    pub(super) message: String,
}

impl ApiError {
    fn new(status: StatusCode, name: &'static str, message: impl Into<String>) -> Self {
        Self { status, name, message: message.into() }
    }

    pub(super) fn invalid(message: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "InvalidRequest", message)
    }

    /// This run, and those that were named with it, cannot be stopped any more.
    pub(super) fn already_ended(run: &Run) -> Self {
        let at = run.finished_at.map(|at| format!(" at {at}")).unwrap_or_default();
        let message = format!("{:?} ended{at} as {}: there is nothing to stop", run.name, run.status.as_str());
        Self::new(StatusCode::CONFLICT, "AlreadyEnded", message)
    }

    pub(super) fn too_large(message: impl Into<String>) -> Self {
        Self::new(StatusCode::PAYLOAD_TOO_LARGE, "RequestTooLarge", message)
    }

    pub(super) fn not_found(message: impl Into<String>) -> Self {
        Self::new(StatusCode::NOT_FOUND, "NotFound", message)
    }

    pub(super) fn method_not_allowed() -> Self {
        Self::new(StatusCode::METHOD_NOT_ALLOWED, "MethodNotAllowed", "this path takes another method: see Allow")
    }

    pub(super) fn token_missing() -> Self {
        let message = "send the cell's TASKWATCH_API_TOKEN as Authorization: Bearer TOKEN";
        Self::new(StatusCode::UNAUTHORIZED, "Unauthorized", message)
    }

    pub(super) fn token_wrong() -> Self {
        let message = "the token that was sent is not the cell's TASKWATCH_API_TOKEN";
        Self::new(StatusCode::UNAUTHORIZED, "Unauthorized", message)
    }

    pub(super) fn forbidden(message: impl Into<String>) -> Self {
        Self::new(StatusCode::FORBIDDEN, "Forbidden", message)
    }

    pub(super) fn media_type(message: impl Into<String>) -> Self {
        Self::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "UnsupportedMediaType", message)
    }

    pub(super) fn too_slow(seconds: u64, rate: u32) -> Self {
        let message = format!(
            "the body came too slowly: nothing for {seconds} s, or less than {rate} bytes a second on average; send it \
             again, or what is ready of it and the rest when that is"
        );
        Self::new(StatusCode::REQUEST_TIMEOUT, "RequestTimeout", message)
    }

    pub(super) fn busy(message: impl Into<String>) -> Self {
        Self::new(StatusCode::SERVICE_UNAVAILABLE, "Busy", message)
    }

    pub(super) fn too_many_streams() -> Self {
        let message = "as many streams are open as may; close one, or try again";
        Self::new(StatusCode::TOO_MANY_REQUESTS, "TooManyStreams", message)
    }

    pub(super) fn not_ready(reasons: &[String]) -> Self {
        let message = format!(
            "{}. See its log, or wait if it has just begun",
            reasons.iter().map(|reason| reason.trim_end_matches('.')).collect::<Vec<_>>().join("; ")
        );
        Self::new(StatusCode::SERVICE_UNAVAILABLE, "NotReady", message)
    }

    /// One request among several.
    pub(super) fn item(self, item: u64, line: Option<u64>) -> Refused {
        Refused { item, line, error: self.name.to_owned(), message: self.message }
    }

    /// None of several requests was taken.
    pub(super) fn none_taken(status: StatusCode, refused: Vec<Refused>) -> Response {
        let error = refused.first().map(|first| first.error.clone()).unwrap_or_default();
        let message = "none of the requests was taken: see refused".to_owned();
        with_headers(status, ErrorBody { error, message, refused: Some(refused) })
    }
}

impl From<SubmitError> for ApiError {
    fn from(error: SubmitError) -> Self {
        let (status, name) = match &error {
            SubmitError::NameConflict(_) => (StatusCode::CONFLICT, "NameConflict"),
            SubmitError::Elsewhere { .. } => (StatusCode::CONFLICT, "AcceptedElsewhere"),
            SubmitError::Full => (StatusCode::TOO_MANY_REQUESTS, "TooManyRuns"),
            SubmitError::Store(_) => (StatusCode::SERVICE_UNAVAILABLE, "StoreUnavailable"),
            SubmitError::TooLarge(_) => (StatusCode::PAYLOAD_TOO_LARGE, "RequestTooLarge"),
            SubmitError::Closed => (StatusCode::SERVICE_UNAVAILABLE, "ShuttingDown"),
            SubmitError::NoCell => (StatusCode::SERVICE_UNAVAILABLE, "NoCell"),
            SubmitError::Suspended => (StatusCode::SERVICE_UNAVAILABLE, "Suspended"),
        };
        Self::new(status, name, error.to_string())
    }
}

impl From<RedriveError> for ApiError {
    fn from(error: RedriveError) -> Self {
        if let RedriveError::Standstill(why) = error {
            return why.into();
        }
        let (status, name) = match &error {
            RedriveError::NotRedrivable { .. } => (StatusCode::CONFLICT, "NotRedrivable"),
            RedriveError::Full => (StatusCode::TOO_MANY_REQUESTS, "TooManyRuns"),
            RedriveError::Gone => (StatusCode::NOT_FOUND, "NotFound"),
            RedriveError::Store(_) => (StatusCode::SERVICE_UNAVAILABLE, "StoreUnavailable"),
            RedriveError::Unreachable(_) => (StatusCode::SERVICE_UNAVAILABLE, "CellUnreachable"),
            RedriveError::Closed | RedriveError::Standstill(_) => (StatusCode::SERVICE_UNAVAILABLE, "ShuttingDown"),
        };
        Self::new(status, name, error.to_string())
    }
}

impl From<LimitsError> for ApiError {
    fn from(error: LimitsError) -> Self {
        match &error {
            LimitsError::Wrong(_) => Self::invalid(error.to_string()),
            LimitsError::Table(_) => Self::new(StatusCode::SERVICE_UNAVAILABLE, "StoreUnavailable", error.to_string()),
            LimitsError::Closed => Self::new(StatusCode::SERVICE_UNAVAILABLE, "ShuttingDown", error.to_string()),
        }
    }
}

impl From<Standstill> for ApiError {
    fn from(why: Standstill) -> Self {
        let name = match &why {
            Standstill::Suspended => "Suspended",
            Standstill::Store(_) => "StoreUnavailable",
            Standstill::Closed => "ShuttingDown",
        };
        Self::new(StatusCode::SERVICE_UNAVAILABLE, name, why.to_string())
    }
}

impl From<StopError> for ApiError {
    fn from(error: StopError) -> Self {
        match error {
            StopError::Standstill(why) => why.into(),
            StopError::Unmoved(why) => why.into(),
        }
    }
}

impl From<Unmoved> for ApiError {
    fn from(error: Unmoved) -> Self {
        Self::new(StatusCode::SERVICE_UNAVAILABLE, "CellUnreachable", error.to_string())
    }
}

impl From<StoreError> for ApiError {
    fn from(error: StoreError) -> Self {
        Self::new(StatusCode::SERVICE_UNAVAILABLE, "StoreUnavailable", error.to_string())
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        with_headers(self.status, ErrorBody { error: self.name.to_owned(), message: self.message, refused: None })
    }
}

fn with_headers(status: StatusCode, body: ErrorBody) -> Response {
    let mut response = (status, Json(body)).into_response();
    if matches!(status, StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE) {
        response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from_static("5"));
    }
    if status == StatusCode::UNAUTHORIZED {
        response.headers_mut().insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
    }
    response
}
