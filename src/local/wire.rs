//! What the services of the endpoint share: calls, answers, errors.

use serde_json::{Map, Value};

/// One call.
#[derive(Clone, Debug)]
pub struct Call {
    /// Region of the caller.
    pub region: String,
    /// Account of the caller.
    pub account: String,
    /// Name of the operation.
    pub operation: String,
    /// The request.
    pub body: Value,
    /// How the caller reached the endpoint, as in `http://127.0.0.1:4566`: queue URLs begin with it.
    pub origin: String,
}

/// An error answer.
#[derive(Clone, Debug)]
pub struct ApiError {
    /// HTTP status.
    pub status: u16,
    /// The exception's name.
    pub code: String,
    /// Its message.
    pub message: String,
    /// More members of the error.
    pub fields: Map<String, Value>,
    /// Close the connection without an answer.
    pub drop_connection: bool,
}

impl ApiError {
    /// A caller's mistake: status 400.
    pub fn new(code: impl Into<String>, message: impl Into<String>) -> Self {
        Self { status: 400, code: code.into(), message: message.into(), fields: Map::new(), drop_connection: false }
    }
}

/// What a call gives.
pub type ApiResult = Result<Value, ApiError>;

/// A service that speaks JSON.
pub trait JsonService: Send + Sync {
    /// Answers one call.
    fn handle<'a>(&'a self, call: Call) -> futures::future::BoxFuture<'a, ApiResult>;

    /// Whether an operation is one of the service's, of which there may be several behind one.
    ///
    /// # Errors
    /// It is not.
    fn serves(&self, _service: &str, _operation: &str) -> Result<(), ApiError> {
        Ok(())
    }

    /// Its own ledger, for tests and people; nothing that AWS has.
    fn inspection(&self) -> Value {
        Value::Null
    }
}

/// What an operation that is not served is told: what is.
pub fn unknown(service: &str, operation: &str, served: &[&str]) -> ApiError {
    let nearest =
        served.iter().map(|known| (strsim::jaro_winkler(known, operation), known)).max_by(|a, b| a.0.total_cmp(&b.0));
    let hint = nearest.filter(|(likeness, _)| *likeness > 0.93).map(|(_, known)| format!(" Did you mean {known}?"));
    let message = format!(
        "taskwatch local does not serve {service}'s {operation:?}.{} It serves: {}.",
        hint.unwrap_or_default(),
        served.join(", ")
    );
    ApiError::new("UnknownOperationException", message)
}
