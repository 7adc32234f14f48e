//! Files and stdin, as commands take them.

use std::io::Read;

use serde_json::Value;

use super::error::CliError;

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
    serde_json::from_str(&text).map_err(|e| CliError::usage(format!("{flag}: not JSON: {e}")))
}

/// A file's text, or stdin's.
pub(super) fn read(source: &str) -> Result<String, CliError> {
    let mut bytes = Vec::new();
    let read = match source {
        "-" => std::io::stdin().lock().read_to_end(&mut bytes).map(|_| ()),
        path => std::fs::read(path).map(|read| bytes = read),
    };
    read.map_err(|e| CliError::usage(format!("{source}: {e}")))?;
    // A file from a Windows editor may begin with a byte order mark.
    let text = String::from_utf8(bytes).map_err(|_| CliError::usage(format!("{source}: not UTF-8 text")))?;
    Ok(text.strip_prefix('\u{feff}').map_or(text.clone(), str::to_owned))
}
