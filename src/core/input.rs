//! What is said of input that is not as it should be.

use serde_json::Value;

/// A request that cannot be taken: what is wrong, where, and what would be right.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct RequestError {
    /// One line for the user.
    pub message: String,
}

impl RequestError {
    pub(in crate::core) fn new(message: impl Into<String>) -> Self {
        Self { message: message.into() }
    }
}

/// The known name that `name` is likely meant to be, if there is one: a letter or two differ.
pub(in crate::core) fn meant<'n>(name: &str, known: &[&'n str]) -> Option<&'n str> {
    let near = nearest(name, known);
    (strsim::damerau_levenshtein(&name.to_lowercase(), &near.to_lowercase()) <= 2).then_some(near)
}

/// The known name that is nearest to `name`.
pub(crate) fn nearest<'n>(name: &str, known: &[&'n str]) -> &'n str {
    let score = |k: &str| strsim::jaro_winkler(&name.to_lowercase(), &k.to_lowercase());
    known.iter().copied().max_by(|a, b| score(a).total_cmp(&score(b))).unwrap_or_default()
}

/// What a JSON value is, in words.
pub(in crate::core) fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "a boolean",
        Value::Number(_) => "a number",
        Value::String(_) => "a string",
        Value::Array(_) => "an array",
        Value::Object(_) => "an object",
    }
}
