//! What every command needs to read, to write and to fail.

pub(crate) mod error;
pub(crate) mod input;
pub(crate) mod output;

use std::process::ExitCode;

use error::CliError;

/// The exit code of a command that ended like this. A problem is written to stderr.
pub(crate) fn ended(result: Result<u8, CliError>) -> ExitCode {
    match result {
        Ok(code) => ExitCode::from(code),
        Err(error) => {
            output::problem(&format!("error: {error}"));
            ExitCode::from(error.code)
        }
    }
}
