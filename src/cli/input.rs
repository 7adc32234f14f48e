//! Parameters, as the AWS CLI takes them.

use serde_json::Value;

use super::error::CliError;
pub(super) use crate::terminal::input::read;

/// A parameter as the AWS CLI takes it: the JSON itself, or `file://` and a path.
pub(super) fn parameter(text: &str) -> Result<String, CliError> {
    match text.strip_prefix("file://") {
        Some(path) => read(path),
        None if text == "-" => read("-"),
        None => Ok(text.to_owned()),
    }
}

/// A parameter that is JSON; `flag` is the one it is of.
pub(super) fn json(flag: &str, text: &str) -> Result<Value, CliError> {
    let text = parameter(text)?;
    crate::core::request::json(&text).map_err(|e| match e.is_data() {
        true => CliError::usage(format!("{flag}: {e}")),
        false => CliError::usage(format!("{flag}: not JSON: {e}")),
    })
}
