//! Checks a value against AWS's service model of RunTask, and turns PascalCase into camelCase on the way.

use std::sync::LazyLock;

use serde_json::{Map, Value};

use crate::core::input::{RequestError, kind, nearest};
use crate::core::placeholder::Placeholder;

/// The RunTask input shape of AWS's service model (`ecs/2014-11-13`): an object for a structure, with the names of its
/// required members under `!required`; a one-element array for a list; `type` or `type|value|…` for a scalar.
static MODEL: LazyLock<Value> =
    LazyLock::new(|| serde_json::from_str(include_str!("model.json")).unwrap_or(Value::Null));

/// The RunTask input shape that requests are checked against.
pub fn model() -> &'static Value {
    &MODEL
}

/// The members of a RunTask request (or a part of one) in camelCase, each of the right type.
pub(super) fn members(value: &Value, path: &str) -> Result<Map<String, Value>, RequestError> {
    let (Value::Object(shape), Value::Object(given)) = (model(), value) else {
        return Err(wrong(path, "an object", value));
    };
    // The top level of a placement lacks what RunTask requires, so that is the caller's to check.
    structure(shape, given, path, false)
}

fn structure(
    shape: &Map<String, Value>,
    given: &Map<String, Value>,
    path: &str,
    complete: bool,
) -> Result<Map<String, Value>, RequestError> {
    let mut members = Map::new();
    for (name, value) in given {
        let known = shape.keys().find(|known| same_member(known, name)).ok_or_else(|| unknown(shape, name, path))?;
        let here = format!("{path}.{known}");
        // Optional members that a template leaves as null are left out, as the SDKs do.
        if value.is_null() {
            continue;
        }
        if members.insert(known.clone(), checked(&shape[known], value, &here)?).is_some() {
            return Err(RequestError::new(format!("{here}: given twice, in camelCase and in PascalCase")));
        }
    }
    let required = shape.get("!required").and_then(Value::as_array).filter(|_| complete);
    match required.into_iter().flatten().filter_map(Value::as_str).find(|name| !members.contains_key(*name)) {
        Some(name) => Err(RequestError::new(format!("{path}.{name}: is required"))),
        None => Ok(members),
    }
}

fn checked(shape: &Value, value: &Value, path: &str) -> Result<Value, RequestError> {
    match (shape, value) {
        (Value::Object(shape), Value::Object(given)) => structure(shape, given, path, true).map(Value::Object),
        (Value::Object(_), _) => Err(wrong(path, "an object", value)),
        (Value::Array(item), Value::Array(values)) => values
            .iter()
            .enumerate()
            .map(|(i, v)| checked(item.first().unwrap_or(&Value::Null), v, &format!("{path}[{i}]")))
            .collect::<Result<_, _>>()
            .map(Value::Array),
        (Value::Array(_), _) => Err(wrong(path, "an array", value)),
        _ => scalar(shape.as_str().unwrap_or_default(), value, path),
    }
}

fn scalar(shape: &str, value: &Value, path: &str) -> Result<Value, RequestError> {
    let mut parts = shape.split('|');
    match (parts.next().unwrap_or_default(), value) {
        ("string", Value::String(text)) => open_enum(parts, text, path).map(|()| value.clone()),
        ("string", _) => Err(wrong(path, "a string", value)),
        ("boolean", Value::Bool(_)) => Ok(value.clone()),
        ("boolean", _) => Err(wrong(path, "true or false", value)),
        (_, Value::Number(number)) if number.is_i64() => Ok(value.clone()),
        // Step Functions writes numbers as JSON has them: 256.0 is 256.
        (_, Value::Number(number)) => match number.as_f64().filter(|f| f.fract() == 0.0 && f.abs() < 1e15) {
            Some(whole) => Ok(Value::from(whole as i64)),
            None => Err(wrong(path, "a whole number", value)),
        },
        _ => Err(wrong(path, "a whole number", value)),
    }
}

/// AWS adds values, so an unknown one is AWS's to judge, unless it is a slip of a known one.
fn open_enum<'m>(known: impl Iterator<Item = &'m str>, text: &str, path: &str) -> Result<(), RequestError> {
    let known: Vec<&str> = known.collect();
    if known.is_empty() || known.contains(&text) {
        return Ok(());
    }
    if let Some(placeholder) = Placeholder::in_name(text) {
        return Err(RequestError::new(unfilled(path, placeholder)));
    }
    let near = nearest(&text.to_ascii_uppercase(), &known);
    let slip = strsim::jaro_winkler(&text.to_ascii_uppercase(), &near.to_ascii_uppercase()) > 0.9;
    if slip { Err(RequestError::new(format!("{path}: {text:?} is not known; did you mean {near}?"))) } else { Ok(()) }
}

/// Whether a member is written in camelCase or PascalCase, also where Step Functions has `Ecs` for `ECS`.
fn same_member(known: &str, name: &str) -> bool {
    let first = |s: &str| s.chars().next().map(|c| c.to_ascii_lowercase());
    let abbreviated = |s: &str| s.replace("ECS", "Ecs").replace("EBS", "Ebs").replace("GiB", "Gib");
    !known.starts_with('!')
        && first(known) == first(name)
        && (known.get(1..) == name.get(1..) || abbreviated(known).get(1..) == abbreviated(name).get(1..))
}

fn unknown(shape: &Map<String, Value>, name: &str, path: &str) -> RequestError {
    let known: Vec<&str> = shape.keys().map(String::as_str).filter(|k| !k.starts_with('!')).collect();
    if name.ends_with(".$") {
        return RequestError::new(format!("{path}.{name}: a JSONPath is not supported; write the value itself"));
    }
    RequestError::new(format!("{path}.{name}: unknown member; did you mean {}?", nearest(name, &known)))
}

/// What is said of a placeholder that was left in a request.
pub(super) fn unfilled(path: &str, placeholder: Placeholder<'_>) -> String {
    format!("{path}: the placeholder {} is not filled in{}", placeholder.shown, placeholder.set_by())
}

fn wrong(path: &str, expected: &str, got: &Value) -> RequestError {
    let text = got.as_str().unwrap_or_default();
    let whole = Placeholder::in_name(text).filter(|one| text.starts_with("${") || one.shown == text);
    if let Some(placeholder) = whole {
        let (shown, hint) = (placeholder.shown, placeholder.set_by());
        return RequestError::new(format!(
            "{path}: expected {expected}, and the placeholder {shown} is not filled in{hint}"
        ));
    }
    // Values of environment variables are told to nobody, and any text or list in the place of overrides may have them.
    if expected == "an object"
        || path.contains(".environment")
        || (path.contains("verrides") && !expected.starts_with("a whole number"))
    {
        return RequestError::new(format!("{path}: expected {expected}, got {}", kind(got)));
    }
    let shown: String = got.to_string().chars().take(60).collect();
    RequestError::new(format!("{path}: expected {expected}, got {} ({shown})", kind(got)))
}
