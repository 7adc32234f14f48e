//! Payload templates: in JSONPath objects whose members `name.$` are expressions, in JSONata texts that are `{% … %}`.

use serde_json::{Map, Value};

use super::{ExpressionError, Scope, call, jsonata};

/// How a state's expressions are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::core) enum Language {
    JsonPath,
    Jsonata,
}

/// An expression that has no value, and where it stands.
pub(in crate::core) struct Unresolved {
    /// The member, from the template's own place.
    pub(in crate::core) path: String,
    /// The expression, where there is one.
    pub(in crate::core) expression: Option<String>,
    /// Why.
    pub(in crate::core) error: ExpressionError,
}

type Resolved = Result<Value, Box<Unresolved>>;

/// A template's value; `path` names the template.
pub(in crate::core) fn template(value: &Value, path: &str, language: Language, scope: &Scope<'_>) -> Resolved {
    let inner = |value: &Value, path: &str| template(value, path, language, scope);
    match value {
        Value::Object(members) => members
            .iter()
            .map(|(name, value)| {
                let here = format!("{path}.{name}");
                let plain = name.strip_suffix(".$").filter(|_| language == Language::JsonPath);
                let Some(plain) = plain else { return Ok((name.clone(), inner(value, &here)?)) };
                if members.contains_key(plain) {
                    return Err(unresolved(&here, None, syntax(format!("{plain} is given as well; one of them"))));
                }
                Ok((plain.to_owned(), expression(value, &here, scope)?))
            })
            .collect::<Result<Map<_, _>, _>>()
            .map(Value::Object),
        Value::Array(items) => {
            let items = items.iter().enumerate().map(|(n, item)| inner(item, &format!("{path}[{n}]")));
            items.collect::<Result<Vec<_>, _>>().map(Value::Array)
        }
        Value::String(text) if language == Language::Jsonata => jsonata_text(text, path, scope),
        plain => scope.meter.copy(plain).map_err(|error| unresolved(path, None, error)),
    }
}

/// The value of a JSONPath expression that stands at `path`.
pub(in crate::core) fn expression(value: &Value, path: &str, scope: &Scope<'_>) -> Resolved {
    let Value::String(text) = value else {
        return Err(unresolved(path, None, syntax("expected a path or an intrinsic function, as a text".to_owned())));
    };
    call::evaluate(text, scope).map_err(|error| unresolved(path, Some(text), error))
}

/// A text is itself, unless it is an expression.
fn jsonata_text(text: &str, path: &str, scope: &Scope<'_>) -> Resolved {
    match jsonata::expression(text) {
        Some(of) => match jsonata::evaluate(of, scope) {
            // What is not known stays so, and the rest of the template is.
            Err(ExpressionError::Unknown(stand_in)) => Ok(stand_in.into()),
            evaluated => evaluated.map_err(|error| unresolved(path, Some(text), error)),
        },
        // Step Functions refuses such a machine when it is made.
        None if text.starts_with("{%") || text.trim_start().starts_with("{%") => {
            let what = "an expression is the whole text, from {% to %}, with nothing before or behind";
            Err(unresolved(path, Some(text), syntax(what.to_owned())))
        }
        None => {
            let copied = scope.meter.spend(text.len() + 1);
            copied.map(|()| Value::from(text)).map_err(|error| unresolved(path, None, error))
        }
    }
}

fn syntax(text: String) -> ExpressionError {
    ExpressionError::Syntax(text)
}

fn unresolved(path: &str, expression: Option<&str>, error: ExpressionError) -> Box<Unresolved> {
    Box::new(Unresolved { path: path.to_owned(), expression: expression.map(str::to_owned), error })
}
