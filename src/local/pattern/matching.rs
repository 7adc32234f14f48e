//! Whether an event matches.

use std::net::IpAddr;

use serde_json::{Map, Value};

use super::{cidr, folded, ranges};

/// Whether the event has what the pattern's members ask for.
pub(super) fn object(pattern: &Map<String, Value>, event: Option<&Value>) -> bool {
    pattern.iter().all(|(name, wanted)| match wanted {
        Value::Array(items) if name == "$or" => {
            items.iter().filter_map(Value::as_object).any(|branch| object(branch, event))
        }
        Value::Object(inner) => inside_of(inner, event.and_then(|e| e.get(name))),
        Value::Array(items) => leaf(items, event.and_then(|e| e.get(name))),
        _ => false,
    })
}

/// An array of objects matches if one of them does: the members asked for must be of the same one.
fn inside_of(pattern: &Map<String, Value>, value: Option<&Value>) -> bool {
    match value {
        Some(Value::Array(items)) if !items.is_empty() => items.iter().any(|item| inside_of(pattern, Some(item))),
        Some(Value::Array(_)) => object(pattern, None),
        value => object(pattern, value),
    }
}

fn leaf(items: &[Value], value: Option<&Value>) -> bool {
    items.iter().any(|item| match item.get("exists").and_then(Value::as_bool) {
        Some(wanted) => wanted == value.is_some_and(exists),
        None => value.is_some_and(|value| any_in(value, &|value| one(item, value))),
    })
}

/// `exists` is about leaves: an object is none, and neither is an empty array (user guide, "exists matching").
fn exists(value: &Value) -> bool {
    any_in(value, &|value| !value.is_object())
}

/// Arrays, and arrays inside them, are a set of values.
fn any_in(value: &Value, test: &dyn Fn(&Value) -> bool) -> bool {
    match value {
        Value::Array(values) => values.iter().any(|value| any_in(value, test)),
        value => test(value),
    }
}

fn one(item: &Value, value: &Value) -> bool {
    let Value::Object(operator) = item else { return equal(item, value) };
    let Some((name, wanted)) = operator.iter().next() else { return false };
    let text = value.as_str();
    match name.as_str() {
        "prefix" => text.is_some_and(|t| affix(wanted, t, |t, w| t.starts_with(w))),
        "suffix" => text.is_some_and(|t| affix(wanted, t, |t, w| t.ends_with(w))),
        "exactly" => equal(wanted, value),
        "equals-ignore-case" => text.zip(wanted.as_str()).is_some_and(|(t, w)| w.to_lowercase() == t.to_lowercase()),
        "wildcard" => text.zip(wanted.as_str()).is_some_and(|(t, w)| wildcard(w, t)),
        "numeric" => value.as_f64().is_some_and(|n| {
            ranges(wanted).is_some_and(|all| all.iter().all(|(operator, limit)| holds(operator, n, *limit)))
        }),
        "cidr" => text.is_some_and(|t| wanted.as_str().and_then(cidr).is_some_and(|(net, bits)| inside(t, net, bits))),
        "anything-but" => !value.is_object() && !excluded(wanted, value),
        _ => false,
    }
}

/// What `anything-but` excludes: values, or one more operator.
fn excluded(wanted: &Value, value: &Value) -> bool {
    match wanted {
        Value::Object(operator) => operator.iter().any(|(name, inner)| {
            any_in(inner, &|inner| one(&Value::Object(Map::from_iter([(name.clone(), inner.clone())])), value))
        }),
        _ => any_in(wanted, &|wanted| equal(wanted, value)),
    }
}

/// Numbers are equal by value: 300, 300.0 and 3.0e2 are one. A number is never equal to a text.
fn equal(wanted: &Value, value: &Value) -> bool {
    wanted == value || wanted.as_f64().is_some_and(|w| value.as_f64() == Some(w))
}

fn affix(wanted: &Value, text: &str, test: impl Fn(&str, &str) -> bool) -> bool {
    match (wanted.as_str(), folded(wanted)) {
        (Some(wanted), _) => test(text, wanted),
        (None, Some(wanted)) => test(&text.to_lowercase(), &wanted.to_lowercase()),
        _ => false,
    }
}

/// `*` stands for any text, `\*` and `\\` for themselves.
fn wildcard(pattern: &str, text: &str) -> bool {
    // What must appear in order: the pieces between the stars.
    let (mut pieces, mut escaped) = (vec![String::new()], false);
    for c in pattern.chars() {
        match (c, pieces.last_mut()) {
            ('\\', _) if !escaped => {
                escaped = true;
                continue;
            }
            ('*', _) if !escaped => pieces.push(String::new()),
            (c, Some(piece)) => piece.push(c),
            (_, None) => {}
        }
        escaped = false;
    }
    let Some((first, rest)) = pieces.split_first() else { return false };
    let Some((last, middle)) = rest.split_last() else { return text == first };
    let Some(mut left) = text.strip_prefix(first.as_str()) else { return false };
    for piece in middle {
        let Some(at) = left.find(piece.as_str()) else { return false };
        left = &left[at + piece.len()..];
    }
    left.ends_with(last.as_str())
}

fn holds(operator: &str, number: f64, limit: f64) -> bool {
    match operator {
        "<" => number < limit,
        "<=" => number <= limit,
        "=" => number == limit,
        ">" => number > limit,
        _ => number >= limit,
    }
}

fn inside(text: &str, net: IpAddr, bits: u32) -> bool {
    match (text.parse(), net) {
        (Ok(IpAddr::V4(ip)), IpAddr::V4(net)) => {
            let mask = u32::MAX.checked_shl(32 - bits).unwrap_or(0);
            u32::from(ip) & mask == u32::from(net) & mask
        }
        (Ok(IpAddr::V6(ip)), IpAddr::V6(net)) => {
            let mask = u128::MAX.checked_shl(128 - bits).unwrap_or(0);
            u128::from(ip) & mask == u128::from(net) & mask
        }
        _ => false,
    }
}
