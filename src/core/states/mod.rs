//! The Amazon States Language's data: JSONPath, intrinsic functions, the context object, payload templates, choices.
//!
//! All of it is evaluated once, when a request is accepted. Time and chance are arguments ([`Acceptance`]), and the work is
//! metered (`Meter`), so that no document keeps a cell busy. Sources: the Amazon States Language specification
//! (<https://states-language.net/spec.html>) and
//! <https://docs.aws.amazon.com/step-functions/latest/dg/intrinsic-functions.html>.

mod acceptance;
mod call;
pub(in crate::core) mod choice;
mod functions;
mod meter;
mod path;
mod scan;
mod template;
#[cfg(test)]
mod tests;

pub use acceptance::Acceptance;
pub(in crate::core) use acceptance::{Chance, Execution, MachineNames};
pub(in crate::core) use meter::Meter;
pub(in crate::core) use path::{Path, Segment};
pub(in crate::core) use template::{Unresolved, expression, template};

use serde_json::{Map, Value};

/// What keeps an expression from having a value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::core) enum ExpressionError {
    /// It is not written as the language has it.
    Syntax(String),
    /// It leads to something that is not there.
    Missing(String),
    /// A function was given what it cannot take, or the work is too much.
    Failed(String),
}

impl std::fmt::Display for ExpressionError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (Self::Syntax(text) | Self::Missing(text) | Self::Failed(text)) = self;
        f.write_str(text)
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
    /// What `States.UUID` and `States.MathRandom` draw from.
    pub(in crate::core) chance: &'a Chance,
    /// What the whole evaluation may still cost.
    pub(in crate::core) meter: &'a Meter,
}
