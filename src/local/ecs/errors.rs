//! The exceptions of the ECS API.
//!
//! [`client`] and [`invalid`] have AWS's own texts, each with the source where it was seen (`tests/texts.rs`). Where no source tells AWS's text, the
//! exception is AWS's (its model and documentation say what is refused) and the words are ours: [`client_ours`], [`invalid_ours`].

use serde_json::{Map, Value, json};

use crate::local::wire::ApiError;

pub(super) fn error(status: u16, code: &str, message: impl Into<String>) -> ApiError {
    ApiError { status, code: code.to_owned(), message: message.into(), fields: Map::new(), drop_connection: false }
}

pub(super) fn client(message: impl Into<String>) -> ApiError {
    error(400, "ClientException", message)
}

pub(super) fn invalid(message: impl Into<String>) -> ApiError {
    error(400, "InvalidParameterException", message)
}

pub(super) fn client_ours(message: impl Into<String>) -> ApiError {
    client(message)
}

pub(super) fn invalid_ours(message: impl Into<String>) -> ApiError {
    invalid(message)
}

pub(super) fn throttled() -> ApiError {
    error(400, "ThrottlingException", "Rate exceeded")
}

pub(super) fn cluster_not_found() -> ApiError {
    error(400, "ClusterNotFoundException", "Cluster not found.")
}

/// The token was used for another request; AWS names what that one started.
pub(super) fn conflict(arns: &[String]) -> ApiError {
    let mut e = error(400, "ConflictException", "The clientToken was used before with other parameters.");
    e.fields.insert("resourceIds".to_owned(), json!(arns));
    e
}

/// A member has the wrong JSON type.
pub(super) fn serialization(member: &str, got: &Value) -> ApiError {
    let kind = match got {
        Value::Null => "null",
        Value::Bool(_) => "a boolean",
        Value::Number(_) => "a number",
        Value::String(_) => "a string",
        Value::Array(_) => "a list",
        Value::Object(_) => "a structure",
    };
    error(400, "SerializationException", format!("member {member} has the wrong type: {kind}"))
}
