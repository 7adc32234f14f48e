//! What ends a command: one line, and an exit code.

/// A problem that the user reads.
#[derive(Debug, thiserror::Error)]
#[error("{message}")]
pub(crate) struct CliError {
    message: String,
    /// 2 for usage, 1 for anything else.
    pub(crate) code: u8,
}

impl CliError {
    /// A wrong argument, setting or input.
    pub(crate) fn usage(message: impl Into<String>) -> Self {
        Self { message: message.into(), code: 2 }
    }

    /// The same problem, of this file or argument.
    #[cfg(feature = "service")]
    pub(crate) fn about(self, what: &str) -> Self {
        Self { message: format!("{what}: {}", self.message), ..self }
    }

    /// Anything else.
    pub(crate) fn other(message: impl Into<String>) -> Self {
        Self { message: message.into(), code: 1 }
    }
}
