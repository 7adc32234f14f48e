//! The Amazon States Language's data: JSONPath, intrinsic functions, JSONata, the context object, payload templates, choices.
//!
//! All of it is evaluated once, when a request is accepted. Time and chance are arguments ([`Acceptance`]), and the work is
//! metered (`Meter`), so that no document keeps a cell busy. Sources: the Amazon States Language specification
//! (<https://states-language.net/spec.html>) and
//! <https://docs.aws.amazon.com/step-functions/latest/dg/intrinsic-functions.html>.

mod acceptance;
mod call;
pub(in crate::core) mod choice;
mod functions;
pub(in crate::core) mod jsonata;
mod meter;
mod path;
mod scan;
mod seeded;
mod template;
#[cfg(test)]
mod tests;

pub use acceptance::Acceptance;
pub(in crate::core) use acceptance::{Chance, Execution, MachineNames};
pub(in crate::core) use meter::Meter;
pub(in crate::core) use path::{Path, Segment};
pub(in crate::core) use template::{Language, Unresolved, expression, template};

use serde_json::{Map, Value};

use crate::core::time::Timestamp;

/// What stands in for what is not known yet: what a task ends with. All is read with one and with the other; what differs, or
/// looks into one of them, is not known either.
pub(in crate::core) const UNKNOWN: [&str; 2] = ["\u{0}1", "\u{0}2"];

/// The value as a stand-in, if it is one.
fn unknown(text: &str) -> Option<&'static str> {
    UNKNOWN.into_iter().find(|unknown| *unknown == text)
}

/// What keeps an expression from having a value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::core) enum ExpressionError {
    /// It is not written as the language has it.
    Syntax(String),
    /// It leads to something that is not there.
    Missing(String),
    /// A function was given what it cannot take, or the work is too much.
    Failed(String),
    /// It looks into what is not known yet.
    Unknown(&'static str),
}

impl std::fmt::Display for ExpressionError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Syntax(text) | Self::Missing(text) | Self::Failed(text) => f.write_str(text),
            Self::Unknown(_) => f.write_str("is of the task's outcome"),
        }
    }
}

/// What an expression may refer to.
#[derive(Clone, Copy)]
pub(in crate::core) struct Scope<'a> {
    /// `$`.
    pub(in crate::core) input: &'a Value,
    /// `$$`.
    pub(in crate::core) context: &'a Value,
    /// `$name`: what earlier states assigned.
    pub(in crate::core) variables: &'a Map<String, Value>,
    /// `$states.result` or `$states.errorOutput`, by name, where there is an outcome.
    pub(in crate::core) outcome: Option<(&'a str, &'a Value)>,
    /// `$now()` and `$millis()`.
    pub(in crate::core) now: Timestamp,
    /// What `States.UUID` and `States.MathRandom` draw from.
    pub(in crate::core) chance: &'a Chance,
    /// What the whole evaluation may still cost.
    pub(in crate::core) meter: &'a Meter,
}
