//! Payload templates: objects whose members `name.$` are expressions.

use serde_json::{Map, Value};

use super::{ExpressionError, Scope, call};

/// An expression that has no value, and where it stands.
pub(in crate::core) struct Unresolved {
    /// The member, from the template's own place.
    pub(in crate::core) path: String,
    /// The expression, where there is one.
    pub(in crate::core) expression: Option<String>,
    /// Why.
    pub(in crate::core) error: ExpressionError,
}

/// A template's value; `path` names the template.
pub(in crate::core) fn template(value: &Value, path: &str, scope: &Scope<'_>) -> Result<Value, Box<Unresolved>> {
    match value {
        Value::Object(members) => members
            .iter()
            .map(|(name, value)| {
                let here = format!("{path}.{name}");
                let Some(plain) = name.strip_suffix(".$") else {
                    return Ok((name.clone(), template(value, &here, scope)?));
                };
                if members.contains_key(plain) {
                    return Err(unresolved(&here, None, syntax(format!("{plain} is given as well; one of them"))));
                }
                Ok((plain.to_owned(), expression(value, &here, scope)?))
            })
            .collect::<Result<Map<_, _>, _>>()
            .map(Value::Object),
        Value::Array(items) => items
            .iter()
            .enumerate()
            .map(|(n, item)| template(item, &format!("{path}[{n}]"), scope))
            .collect::<Result<Vec<_>, _>>()
            .map(Value::Array),
        plain => scope.meter.copy(plain).map_err(|error| unresolved(path, None, error)),
    }
}

/// The value of an expression that stands at `path`.
pub(in crate::core) fn expression(value: &Value, path: &str, scope: &Scope<'_>) -> Result<Value, Box<Unresolved>> {
    let Value::String(text) = value else {
        return Err(unresolved(path, None, syntax("expected a path or an intrinsic function, as a text".to_owned())));
    };
    call::evaluate(text, scope).map_err(|error| unresolved(path, Some(text), error))
}

fn syntax(text: String) -> ExpressionError {
    ExpressionError::Syntax(text)
}

fn unresolved(path: &str, expression: Option<&str>, error: ExpressionError) -> Box<Unresolved> {
    Box::new(Unresolved { path: path.to_owned(), expression: expression.map(str::to_owned), error })
}
