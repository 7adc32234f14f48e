//! What is said beside a Step Functions document: which state, and the execution's input.

use clap::Args;
use serde_json::{Map, Value};

use super::error::CliError;
use super::input::json;
use crate::core::request::intrinsics;
use crate::core::request::symbols::{all_placeholders, fill, symbolic};
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
    /// The value of a placeholder ${NAME} (of CloudFormation's !Ref NAME, !GetAtt NAME.Arn) in a document; a list as JSON. May be repeated
    #[arg(long, value_name = "NAME=VALUE")]
    set: Vec<String>,
}

impl DocumentArgs {
    /// Whether one of them is there.
    pub(super) fn is_given(&self) -> bool {
        self.state.is_some() || self.input.is_some() || !self.set.is_empty()
    }

    /// The document with what they say.
    pub(super) fn laid_over(&self, document: Value) -> Result<Value, CliError> {
        let document = self.filled(document)?;
        if self.state.is_none() && self.input.is_none() {
            return Ok(document);
        }
        let input = self.input.as_deref().map(|text| json("--input", text)).transpose()?;
        with_input(document, self.state.as_deref(), input).map_err(|error| CliError::usage(error.to_string()))
    }

    /// The document with its placeholders filled in.
    fn filled(&self, mut document: Value) -> Result<Value, CliError> {
        if self.set.is_empty() {
            return Ok(document);
        }
        let values = self.values()?;
        let named = intrinsics::names(&document);
        intrinsics::resolve(&mut document, &values).map_err(|error| CliError::usage(error.to_string()))?;
        symbolic(&mut document);
        let mut known = all_placeholders(&document);
        known.extend(named);
        if let Some(name) = values.keys().find(|name| !known.contains(name)) {
            let known: Vec<String> = known.iter().map(|known| format!("${{{known}}}")).collect();
            let has = if known.is_empty() { "none".to_owned() } else { known.join(", ") };
            return Err(CliError::usage(format!(
                "--set {name}: the document has no placeholder ${{{name}}}; it has {has}"
            )));
        }
        fill(&mut document, &values);
        Ok(document)
    }

    /// The values of `--set`, by their names.
    pub(super) fn values(&self) -> Result<Map<String, Value>, CliError> {
        let value = |text: &String| {
            let split = text.split_once('=').filter(|(name, _)| !name.is_empty());
            let (name, value) = split.ok_or_else(|| {
                CliError::usage(format!("--set {text}: expected NAME=VALUE, such as --set Cluster=batch"))
            })?;
            let value = if value.starts_with(['[', '{']) { json("--set", value)? } else { Value::from(value) };
            Ok((name.to_owned(), value))
        };
        self.set.iter().map(value).collect()
    }
}
