//! Which patterns EventBridge takes.

use serde_json::{Map, Value};

use super::{PatternError, cidr, folded, ranges, wrong};

/// Names that a field inside `$or` may not have, for there they would look like operators.
const RESERVED: [&str; 8] =
    ["exactly", "prefix", "suffix", "numeric", "anything-but", "exists", "equals-ignore-case", "wildcard"];

/// Checks the members of a pattern; `in_or`: of a branch of `$or`.
pub(super) fn object(pattern: &Map<String, Value>, in_or: bool) -> Result<(), PatternError> {
    if pattern.is_empty() {
        return Err(wrong("Empty objects are not allowed"));
    }
    for (name, value) in pattern {
        if in_or && RESERVED.contains(&name.as_str()) {
            return Err(wrong(format!("{name} is Ruler reserved fieldName which cannot be used inside $or.")));
        }
        match value {
            _ if name == "$or" => branches(value)?,
            Value::Object(inner) => object(inner, in_or)?,
            Value::Array(items) if items.is_empty() => return Err(wrong("Empty arrays are not allowed")),
            Value::Array(items) => items.iter().try_for_each(item)?,
            _ => return Err(wrong(format!("\"{name}\" must be an object or an array"))),
        }
    }
    Ok(())
}

fn branches(value: &Value) -> Result<(), PatternError> {
    let items = value.as_array().ok_or_else(|| wrong("It must be an Array followed with $or."))?;
    for item in items {
        let branch = item.as_object();
        object(branch.ok_or_else(|| wrong("Only JSON object is allowed in array of $or relationship."))?, true)?;
    }
    if items.len() < 2 {
        return Err(wrong("There must have at least 2 Objects in $or relationship."));
    }
    Ok(())
}

fn item(item: &Value) -> Result<(), PatternError> {
    let members = match item {
        Value::Object(members) => members,
        Value::Array(_) => return Err(wrong("Match value must be String, number, true, false, or null")),
        _ => return Ok(()),
    };
    let (operator, value) = only(members)?;
    match operator {
        "exists" if !value.is_boolean() => Err(wrong("exists match pattern must be either true or false.")),
        "numeric" => numeric(value),
        "cidr" if value.as_str().and_then(cidr).is_none() => {
            Err(wrong(format!("Malformed CIDR, one '/' required, or a bad address: {value}")))
        }
        "prefix" | "suffix" if !value.is_string() && folded(value).is_none() => {
            Err(wrong(format!("{operator} match pattern must be a string")))
        }
        "equals-ignore-case" | "exactly" if !value.is_string() => {
            Err(wrong(format!("{operator} match pattern must be a string")))
        }
        "wildcard" => wildcard(value),
        "anything-but" => anything_but(value),
        "exists" | "cidr" | "prefix" | "suffix" | "equals-ignore-case" | "exactly" => Ok(()),
        other => Err(wrong(format!("Unrecognized match type {other}"))),
    }
}

fn only(members: &Map<String, Value>) -> Result<(&str, &Value), PatternError> {
    let mut all = members.iter();
    match (all.next(), all.next()) {
        (Some((name, value)), None) => Ok((name, value)),
        (None, _) => Err(wrong("Match expression name not found")),
        _ => Err(wrong("Only one key allowed in match expression")),
    }
}

/// One comparison, or a lower bound (`>`, `>=`) followed by an upper one (`<`, `<=`).
fn numeric(value: &Value) -> Result<(), PatternError> {
    if !value.is_array() {
        return Err(wrong("Value of numeric must be an array."));
    }
    let known = ["<", "<=", "=", ">", ">="];
    let bounds = ranges(value).filter(|all| all.iter().all(|(operator, _)| known.contains(operator)));
    match bounds.as_deref() {
        None => Err(wrong(format!("Invalid member in numeric match: {value}"))),
        Some([_]) => Ok(()),
        Some([(low, bottom), (high, top)]) if low.starts_with('>') && high.starts_with('<') => {
            if bottom < top {
                Ok(())
            } else {
                Err(wrong("Bottom must be less than top"))
            }
        }
        Some(_) => Err(wrong("Too many elements in numeric expression")),
    }
}

fn wildcard(value: &Value) -> Result<(), PatternError> {
    let text = value.as_str().ok_or_else(|| wrong("wildcard match pattern must be a string"))?;
    let mut bytes = text.bytes().enumerate().peekable();
    while let Some((at, byte)) = bytes.next() {
        let next = bytes.peek().map(|(_, next)| *next);
        match (byte, next) {
            (b'*', Some(b'*')) => return Err(wrong(format!("Consecutive wildcard characters at pos {at}"))),
            (b'\\', Some(b'*' | b'\\')) => drop(bytes.next()),
            (b'\\', _) => return Err(wrong(format!("Invalid escape character at pos {at}"))),
            _ => {}
        }
    }
    Ok(())
}

/// A text, a number, a list of either, or one more operator with a text or a list of them.
fn anything_but(value: &Value) -> Result<(), PatternError> {
    if let Value::Object(members) = value {
        let (operator, inner) = only(members)?;
        if !["prefix", "suffix", "wildcard", "equals-ignore-case"].contains(&operator) {
            return Err(wrong(format!("Unsupported anything-but pattern: {operator}")));
        }
        let texts = inner.as_array().map_or(std::slice::from_ref(inner), Vec::as_slice);
        if texts.is_empty() || !texts.iter().all(Value::is_string) {
            return Err(wrong(format!("{operator} match pattern must be a string")));
        }
        if operator != "equals-ignore-case" && texts.iter().any(|text| text == "") {
            return Err(wrong("Null prefix/suffix not allowed"));
        }
        return if operator == "wildcard" { texts.iter().try_for_each(wildcard) } else { Ok(()) };
    }
    let Value::Array(values) = value else {
        let good = value.is_string() || value.is_number();
        let why = "Value of anything-but must be an array or single string/number value.";
        return if good { Ok(()) } else { Err(wrong(why)) };
    };
    if !values.iter().all(|v| v.is_string() || v.is_number()) {
        return Err(wrong("Inside anything but list, start|null|boolean is not supported."));
    }
    if values.is_empty() || (values.iter().any(Value::is_string) && values.iter().any(Value::is_number)) {
        return Err(wrong(
            "Inside anything but list, either all values are number or string, mixed type is not supported",
        ));
    }
    Ok(())
}
