//! The rules of a Choice state, with all comparison operators of
//! <https://docs.aws.amazon.com/step-functions/latest/dg/state-choice.html>.

use std::cmp::Ordering;

use serde_json::{Map, Value};

use super::path::compare;
use super::template::Unresolved;
use super::{ExpressionError, Path, Scope, expression};
use crate::core::input::nearest;
use crate::core::time::Timestamp;

/// Rules within each other.
const MOST_LEVELS: usize = 64;
/// Members of a rule that compare nothing.
const OTHERS: [&str; 4] = ["Variable", "Next", "Comment", "Assign"];
type Fits = fn(Ordering) -> bool;
const ORDERS: [(&str, Fits); 5] = [
    ("Equals", Ordering::is_eq),
    ("LessThan", Ordering::is_lt),
    ("GreaterThan", Ordering::is_gt),
    ("LessThanEquals", Ordering::is_le),
    ("GreaterThanEquals", Ordering::is_ge),
];
const OPERATORS: [&str; 14] = [
    "And",
    "Or",
    "Not",
    "StringEquals",
    "StringMatches",
    "NumericEquals",
    "NumericGreaterThan",
    "BooleanEquals",
    "TimestampEquals",
    "IsPresent",
    "IsNull",
    "IsString",
    "IsNumeric",
    "IsBoolean",
];

/// Whether the rule that stands at `path` holds.
pub(in crate::core) fn holds(rule: &Value, path: &str, scope: &Scope<'_>) -> Result<bool, Box<Unresolved>> {
    rule_holds(rule, path, scope, 0)
}

fn rule_holds(rule: &Value, path: &str, scope: &Scope<'_>, level: usize) -> Result<bool, Box<Unresolved>> {
    let wrong = |what: String| {
        Box::new(Unresolved { path: path.to_owned(), expression: None, error: ExpressionError::Syntax(what) })
    };
    let Value::Object(members) = rule else { return Err(wrong("expected a rule (an object)".to_owned())) };
    if level > MOST_LEVELS {
        return Err(wrong(format!("more than {MOST_LEVELS} rules in each other")));
    }
    scope.meter.spend(1).map_err(|error| Unresolved { path: path.to_owned(), expression: None, error })?;
    let operators: Vec<_> = members.iter().filter(|(name, _)| !OTHERS.contains(&name.as_str())).collect();
    let [(name, expected)] = operators.as_slice() else {
        return Err(wrong(format!("expected one comparison in a rule, got {}", operators.len())));
    };
    let here = format!("{path}.{name}");
    let inner = |n: usize, rule: &Value| rule_holds(rule, &format!("{here}[{n}]"), scope, level + 1);
    match (name.as_str(), expected) {
        ("Not", rule) => rule_holds(rule, &here, scope, level + 1).map(|holds| !holds),
        ("And", Value::Array(rules)) => {
            let mut all = rules.iter().enumerate().map(|(n, rule)| inner(n, rule));
            all.find(|holds| !matches!(holds, Ok(true))).unwrap_or(Ok(true))
        }
        ("Or", Value::Array(rules)) => {
            let mut all = rules.iter().enumerate().map(|(n, rule)| inner(n, rule));
            all.find(|holds| !matches!(holds, Ok(false))).unwrap_or(Ok(false))
        }
        (operator, expected) => comparison(members, operator, expected, path, scope),
    }
}

fn comparison(
    rule: &Map<String, Value>,
    operator: &str,
    expected: &Value,
    path: &str,
    scope: &Scope<'_>,
) -> Result<bool, Box<Unresolved>> {
    let variable = rule.get("Variable").unwrap_or(&Value::Null);
    let actual = expression(variable, &format!("{path}.Variable"), scope);
    let is = |is: bool| Ok(expected.as_bool().unwrap_or(true) == is);
    let actual = match (operator, actual) {
        ("IsPresent", Err(unresolved)) if matches!(unresolved.error, ExpressionError::Missing(_)) => return is(false),
        (_, actual) => actual?,
    };
    if let Some(stand_in) = actual.as_str().and_then(super::unknown) {
        let (path, error) = (format!("{path}.Variable"), ExpressionError::Unknown(stand_in));
        return Err(Box::new(Unresolved { path, expression: variable.as_str().map(str::to_owned), error }));
    }
    match operator {
        "IsPresent" => return is(true),
        "IsNull" => return is(actual.is_null()),
        "IsString" => return is(actual.is_string()),
        "IsNumeric" => return is(actual.is_number()),
        "IsBoolean" => return is(actual.is_boolean()),
        "IsTimestamp" => return is(actual.as_str().and_then(Timestamp::parse).is_some()),
        _ => {}
    }
    let here = format!("{path}.{operator}");
    let unknown = || {
        let text = format!("no comparison of Step Functions; did you mean {}?", nearest(operator, &OPERATORS));
        Box::new(Unresolved { path: here.clone(), expression: None, error: ExpressionError::Syntax(text) })
    };
    let (plain, by_path) = operator.strip_suffix("Path").map_or((operator, false), |plain| (plain, true));
    let expected = if by_path { expression(expected, &here, scope)? } else { expected.clone() };
    if plain == "StringMatches" && !by_path {
        return Ok(actual.as_str().zip(expected.as_str()).is_some_and(|(text, pattern)| matches(text, pattern)));
    }
    let kinds = ["String", "Numeric", "Boolean", "Timestamp"];
    let split = kinds.iter().find_map(|kind| Some((*kind, plain.strip_prefix(kind)?)));
    let (kind, order) = split.ok_or_else(unknown)?;
    let (_, fits) = ORDERS.iter().find(|(name, _)| *name == order).ok_or_else(unknown)?;
    if kind == "Boolean" && order != "Equals" {
        return Err(unknown());
    }
    Ok(ordered(kind, &actual, &expected).is_some_and(fits))
}

/// The order of two values of a kind; none where one of them is of another kind: then no comparison holds.
fn ordered(kind: &str, actual: &Value, expected: &Value) -> Option<Ordering> {
    match kind {
        "String" if actual.is_string() => compare(actual, expected),
        "Numeric" if actual.is_number() => compare(actual, expected),
        "Boolean" => Some(actual.as_bool()?.cmp(&expected.as_bool()?)),
        "Timestamp" => Some(Timestamp::parse(actual.as_str()?)?.cmp(&Timestamp::parse(expected.as_str()?)?)),
        _ => None,
    }
}

/// `*` fits any characters; `\*` is an asterisk, `\\` a backslash.
fn matches(text: &str, pattern: &str) -> bool {
    let (mut parts, mut part, mut escaped) = (Vec::new(), String::new(), false);
    for c in pattern.chars() {
        match c {
            '*' if !escaped => parts.push(std::mem::take(&mut part)),
            '\\' if !escaped => {
                escaped = true;
                continue;
            }
            c => part.push(c),
        }
        escaped = false;
    }
    let Some((first, between)) = parts.split_first() else { return text == part };
    let Some(rest) = text.strip_prefix(first.as_str()) else { return false };
    // The earliest place of each part leaves the most for the others.
    let rest = between.iter().try_fold(rest, |rest, part| rest.find(part.as_str()).map(|at| &rest[at + part.len()..]));
    rest.is_some_and(|rest| rest.ends_with(&part))
}

/// Whether a path names a place to write to: no wildcards, at the input.
pub(in crate::core) fn is_reference(path: &Path) -> bool {
    path.is_definite() && path.is_of_input()
}
