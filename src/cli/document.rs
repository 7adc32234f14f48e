//! What is said beside a Step Functions document: which state, and the execution's input.

use clap::Args;
use serde_json::Value;

use super::error::CliError;
use super::input::json;
use crate::core::request::with_input;

/// The flags for Step Functions documents.
#[derive(Debug, Default, Args)]
pub(super) struct DocumentArgs {
    /// In a Step Functions document: run this ecs:runTask state alone; the other states are not looked at
    #[arg(long, value_name = "NAME")]
    state: Option<String>,
    /// For a Step Functions document: the input of the execution (with --state: of the state), as JSON or file://PATH
    #[arg(long, value_name = "JSON")]
    input: Option<String>,
}

impl DocumentArgs {
    /// Whether one of them is there.
    pub(super) fn is_given(&self) -> bool {
        self.state.is_some() || self.input.is_some()
    }

    /// The document with what they say.
    pub(super) fn laid_over(&self, document: Value) -> Result<Value, CliError> {
        if !self.is_given() {
            return Ok(document);
        }
        let input = self.input.as_deref().map(|text| json("--input", text)).transpose()?;
        with_input(document, self.state.as_deref(), input).map_err(|error| CliError::usage(error.to_string()))
    }
}
