//! What ends a command: one line, and an exit code.

use crate::aws::SetupError;

/// A problem that the user reads.
#[derive(Debug, thiserror::Error)]
#[error("{message}")]
pub(super) struct CliError {
    message: String,
    /// 2 for usage, 1 for anything else.
    pub(super) code: u8,
}

impl CliError {
    /// A wrong argument, setting or input.
    pub(super) fn usage(message: impl Into<String>) -> Self {
        Self { message: message.into(), code: 2 }
    }

    /// The same problem, of this file or argument.
    pub(super) fn about(self, what: &str) -> Self {
        Self { message: format!("{what}: {}", self.message), ..self }
    }

    /// Anything else.
    pub(super) fn other(message: impl Into<String>) -> Self {
        Self { message: message.into(), code: 1 }
    }
}

impl From<SetupError> for CliError {
    fn from(error: SetupError) -> Self {
        if error.is_usage() { Self::usage(error.to_string()) } else { Self::other(error.to_string()) }
    }
}
