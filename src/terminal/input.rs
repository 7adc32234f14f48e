//! Files and stdin, as commands take them.

use std::io::Read as _;

use super::error::CliError;

/// A file's text, or stdin's.
pub(crate) fn read(source: &str) -> Result<String, CliError> {
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
