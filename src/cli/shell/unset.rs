//! What is said of values that only the running script has: of all of a command at once.

use crate::cli::error::CliError;
use crate::core::placeholder::the_same_goes_for;

/// Why a part of a command is not known here, and what to do.
#[derive(Debug)]
pub(super) struct Unset {
    /// What has no value, as the text has it; none where the command itself cannot be read.
    shown: Option<String>,
    said: String,
}

impl Unset {
    pub(super) const fn of(shown: String, said: String) -> Self {
        Self { shown: Some(shown), said }
    }

    /// The command cannot be read.
    pub(super) fn command(said: &str) -> Self {
        Self { shown: None, said: said.to_owned() }
    }

    /// Whether the rest of the command can be read without it.
    pub(super) const fn is_of_a_value(&self) -> bool {
        self.shown.is_some()
    }

    /// What to do about the first one, and what the others are; none where there are none.
    pub(super) fn told(all: Vec<Self>) -> Option<CliError> {
        let mut all = all.into_iter();
        let first = all.next()?;
        let others: Vec<String> = all.filter_map(|other| other.shown).collect();
        let shown = first.shown.unwrap_or_default();
        let others = the_same_goes_for(&shown, others.iter().map(String::as_str));
        Some(CliError::usage(first.said + &others))
    }
}

impl From<Unset> for CliError {
    fn from(unset: Unset) -> Self {
        Self::usage(unset.said)
    }
}
