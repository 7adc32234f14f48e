//! Errors as the API tells them: `{"error": "<Name>", "message": "<what and what to do>"}`.

use axum::Json;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};

use crate::cell::SubmitError;
use crate::store::StoreError;

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

    pub(super) fn too_large(message: impl Into<String>) -> Self {
        Self::new(StatusCode::PAYLOAD_TOO_LARGE, "RequestTooLarge", message)
    }

    pub(super) fn not_found(message: impl Into<String>) -> Self {
        Self::new(StatusCode::NOT_FOUND, "NotFound", message)
    }

    pub(super) fn method_not_allowed() -> Self {
        Self::new(StatusCode::METHOD_NOT_ALLOWED, "MethodNotAllowed", "this path takes another method")
    }

    pub(super) fn unauthorized() -> Self {
        let message = "send the cell's TASKWATCH_API_TOKEN as Authorization: Bearer TOKEN";
        Self::new(StatusCode::UNAUTHORIZED, "Unauthorized", message)
    }

    /// The body, and what stands for it among refused items.
    pub(super) fn body(&self) -> Value {
        json!({"error": self.name, "message": self.message})
    }
}

impl From<SubmitError> for ApiError {
    fn from(error: SubmitError) -> Self {
        let (status, name) = match &error {
            SubmitError::NameConflict(_) => (StatusCode::CONFLICT, "NameConflict"),
            SubmitError::Full => (StatusCode::TOO_MANY_REQUESTS, "TooManyRuns"),
            SubmitError::Store(_) => (StatusCode::SERVICE_UNAVAILABLE, "StoreUnavailable"),
            SubmitError::Closed => (StatusCode::SERVICE_UNAVAILABLE, "ShuttingDown"),
        };
        Self::new(status, name, error.to_string())
    }
}

impl From<StoreError> for ApiError {
    fn from(error: StoreError) -> Self {
        Self::new(StatusCode::SERVICE_UNAVAILABLE, "StoreUnavailable", error.to_string())
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let mut response = (self.status, Json(self.body())).into_response();
        if matches!(self.status, StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE) {
            response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from_static("5"));
        }
        if self.status == StatusCode::UNAUTHORIZED {
            response.headers_mut().insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        response
    }
}
