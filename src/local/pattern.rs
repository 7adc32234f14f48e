//! EventBridge's event patterns (user guide, "Comparison operators for use in event patterns"), and the same language in
//! SNS filter policies.

use std::net::IpAddr;

use serde_json::{Map, Value};

use super::policy::like;

/// Why a pattern is none.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct PatternError(pub(super) String);

const OPERATORS: [&str; 9] =
    ["prefix", "suffix", "anything-but", "numeric", "exists", "equals-ignore-case", "wildcard", "cidr", "$or"];

/// Reads a pattern, and refuses what EventBridge would refuse.
pub(super) fn parse(text: &str) -> Result<Value, PatternError> {
    let pattern: Value =
        serde_json::from_str(text).map_err(|e| PatternError(format!("Event pattern is not valid. Reason: {e}")))?;
    let members = pattern.as_object().filter(|members| !members.is_empty());
    check(members.ok_or_else(|| wrong("an event pattern is an object with at least one member"))?)?;
    Ok(pattern)
}

/// Whether an event (any JSON object) matches a pattern.
pub(super) fn matches(pattern: &Value, event: &Value) -> bool {
    pattern.as_object().is_some_and(|pattern| object(pattern, Some(event)))
}

fn wrong(why: &str) -> PatternError {
    PatternError(format!("Event pattern is not valid. Reason: {why}"))
}

fn check(pattern: &Map<String, Value>) -> Result<(), PatternError> {
    for (name, value) in pattern {
        match value {
            Value::Object(inner) if !inner.is_empty() => check(inner)?,
            Value::Array(items) if name == "$or" && items.iter().all(Value::is_object) && items.len() > 1 => {
                items.iter().filter_map(Value::as_object).try_for_each(check)?;
            }
            Value::Array(items) if !items.is_empty() => items.iter().try_for_each(check_item)?,
            Value::Array(_) | Value::Object(_) => return Err(wrong(&format!("{name:?} is empty"))),
            _ => return Err(wrong(&format!("{name:?} must be an object or an array"))),
        }
    }
    Ok(())
}

fn check_item(item: &Value) -> Result<(), PatternError> {
    let Value::Object(members) = item else {
        return if item.is_array() { Err(wrong("an array inside an array")) } else { Ok(()) };
    };
    let mut members = members.iter();
    let (Some((operator, value)), None) = (members.next(), members.next()) else {
        return Err(wrong("only one key allowed in a match expression"));
    };
    if !OPERATORS.contains(&operator.as_str()) || operator == "$or" {
        return Err(wrong(&format!("unrecognized match type {operator}")));
    }
    let good = match operator.as_str() {
        "exists" => value.is_boolean(),
        "numeric" => ranges(value).is_some(),
        "cidr" => value.as_str().is_some_and(|text| cidr(text).is_some()),
        "prefix" | "suffix" => value.is_string() || folded(value).is_some(),
        "anything-but" => !value.is_null() && value != &Value::Array(Vec::new()),
        _ => value.is_string() || value.is_array(),
    };
    if good { Ok(()) } else { Err(wrong(&format!("{operator} match pattern must be of another kind than {value}"))) }
}

fn object(pattern: &Map<String, Value>, event: Option<&Value>) -> bool {
    pattern.iter().all(|(name, wanted)| match wanted {
        Value::Array(items) if name == "$or" && items.iter().all(Value::is_object) => {
            items.iter().filter_map(Value::as_object).any(|branch| object(branch, event))
        }
        Value::Object(inner) => match event.and_then(|e| e.get(name)) {
            // An array of objects matches if one of them does.
            Some(Value::Array(items)) => items.iter().any(|item| object(inner, Some(item))),
            value => object(inner, value),
        },
        Value::Array(items) => leaf(items, event.and_then(|e| e.get(name))),
        _ => false,
    })
}

fn leaf(items: &[Value], value: Option<&Value>) -> bool {
    items.iter().any(|item| match (item.get("exists").and_then(Value::as_bool), value) {
        // `exists` is about leaves: an object is none (user guide, "exists matching").
        (Some(wanted), value) => wanted == value.is_some_and(|v| !v.is_object()),
        (None, None) => false,
        (None, Some(Value::Array(values))) => values.iter().any(|value| one(item, value)),
        (None, Some(value)) => one(item, value),
    })
}

fn one(item: &Value, value: &Value) -> bool {
    let Value::Object(operator) = item else { return equal(item, value) };
    let Some((name, wanted)) = operator.iter().next() else { return false };
    let text = value.as_str();
    match name.as_str() {
        "prefix" => text.is_some_and(|t| affix(wanted, t, |t, w| t.starts_with(w))),
        "suffix" => text.is_some_and(|t| affix(wanted, t, |t, w| t.ends_with(w))),
        "equals-ignore-case" => {
            text.is_some_and(|t| any(wanted, |w| w.as_str().is_some_and(|w| w.to_lowercase() == t.to_lowercase())))
        }
        "wildcard" => text.is_some_and(|t| any(wanted, |w| w.as_str().is_some_and(|w| wildcard(w, t)))),
        "numeric" => value
            .as_f64()
            .is_some_and(|n| ranges(wanted).is_some_and(|r| r.iter().all(|(op, limit)| holds(op, n, *limit)))),
        "cidr" => text.is_some_and(|t| wanted.as_str().and_then(cidr).is_some_and(|(net, bits)| inside(t, net, bits))),
        "anything-but" => !value.is_object() && !anything(wanted, value),
        _ => false,
    }
}

/// What `anything-but` excludes: values, or one more operator.
fn anything(wanted: &Value, value: &Value) -> bool {
    match wanted {
        Value::Object(operator) => operator.iter().any(|(name, inner)| {
            any(inner, |inner| one(&Value::Object(Map::from_iter([(name.clone(), inner.clone())])), value))
        }),
        _ => any(wanted, |w| equal(w, value)),
    }
}

fn any(wanted: &Value, test: impl Fn(&Value) -> bool) -> bool {
    match wanted {
        Value::Array(items) => items.iter().any(test),
        one => test(one),
    }
}

/// Numbers are equal by value: 300, 300.0 and 3.0e2 are one.
fn equal(wanted: &Value, value: &Value) -> bool {
    wanted == value || wanted.as_f64().is_some_and(|w| value.as_f64() == Some(w))
}

fn affix(wanted: &Value, text: &str, test: impl Fn(&str, &str) -> bool) -> bool {
    any(wanted, |wanted| match (wanted.as_str(), folded(wanted)) {
        (Some(wanted), _) => test(text, wanted),
        (None, Some(wanted)) => test(&text.to_lowercase(), &wanted.to_lowercase()),
        _ => false,
    })
}

fn folded(value: &Value) -> Option<&str> {
    value.get("equals-ignore-case").and_then(Value::as_str)
}

/// `*` stands for any text; `\*` for itself.
fn wildcard(pattern: &str, text: &str) -> bool {
    // Shell patterns have `?` too, which EventBridge has not.
    let plain = pattern.replace("\\*", "\u{1}").replace('?', "\u{2}");
    like(&plain, &text.replace('*', "\u{1}").replace('?', "\u{2}"), false)
}

fn ranges(value: &Value) -> Option<Vec<(String, f64)>> {
    let items = value.as_array().filter(|items| matches!(items.len(), 2 | 4))?;
    items
        .chunks(2)
        .map(|pair| {
            let operator = pair[0].as_str().filter(|op| ["<", "<=", "=", ">", ">="].contains(op))?;
            Some((operator.to_owned(), pair[1].as_f64()?))
        })
        .collect()
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

fn cidr(text: &str) -> Option<(IpAddr, u32)> {
    let (net, bits) = text.split_once('/')?;
    let (net, bits): (IpAddr, u32) = (net.parse().ok()?, bits.parse().ok()?);
    (bits <= if net.is_ipv4() { 32 } else { 128 }).then_some((net, bits))
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

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn every_operator_says_yes_and_no() {
        let event = json!({"source": "aws.ecs", "n": 5, "none": null, "flag": true, "tags": ["a", "b"], "ip": "10.0.0.7",
            "detail": {"startedBy": "blue/t1", "status": "RUNNING", "list": [{"k": 1}, {"k": 2}]}});
        for (pattern, expected) in [
            (json!({"source": ["aws.ecs"]}), true),
            (json!({"source": ["aws.ec2", "aws.ecs"]}), true),
            (json!({"source": ["aws.ec2"]}), false),
            (json!({"n": [5.0]}), true),
            (json!({"none": [null]}), true),
            (json!({"flag": [false]}), false),
            (json!({"tags": ["b"]}), true),
            (json!({"tags": ["c"]}), false),
            (json!({"detail": {"startedBy": [{"prefix": "blue/"}]}}), true),
            (json!({"detail": {"startedBy": [{"prefix": {"equals-ignore-case": "BLUE/"}}]}}), true),
            (json!({"detail": {"startedBy": [{"prefix": "green/"}]}}), false),
            (json!({"detail": {"startedBy": [{"suffix": "1"}]}}), true),
            (json!({"detail": {"status": [{"equals-ignore-case": "running"}]}}), true),
            (json!({"detail": {"status": [{"anything-but": "STOPPED"}]}}), true),
            (json!({"detail": {"status": [{"anything-but": ["RUNNING", "STOPPED"]}]}}), false),
            (json!({"detail": {"status": [{"anything-but": {"prefix": "RUN"}}]}}), false),
            (json!({"detail": {"status": [{"anything-but": {"wildcard": "*PED"}}]}}), true),
            (json!({"detail": {"status": [{"wildcard": "R*N*"}]}}), true),
            (json!({"detail": {"status": [{"wildcard": "R?NNING"}]}}), false),
            (json!({"n": [{"numeric": [">", 0, "<=", 5]}]}), true),
            (json!({"n": [{"numeric": ["<", 5]}]}), false),
            (json!({"ip": [{"cidr": "10.0.0.0/24"}]}), true),
            (json!({"ip": [{"cidr": "10.0.1.0/24"}]}), false),
            (json!({"missing": [{"exists": false}]}), true),
            (json!({"detail": {"status": [{"exists": true}]}}), true),
            (json!({"detail": {"missing": [{"exists": true}]}}), false),
            (json!({"detail": {"list": {"k": [2]}}}), true),
            (json!({"detail": {"list": {"k": [3]}}}), false),
            (json!({"$or": [{"n": [1]}, {"source": ["aws.ecs"]}]}), true),
            (json!({"$or": [{"n": [1]}, {"n": [2]}], "source": ["aws.ecs"]}), false),
        ] {
            let text = pattern.to_string();
            assert_eq!(matches(&parse(&text).unwrap(), &event), expected, "{text}");
        }
    }

    #[test]
    fn bad_patterns_are_refused() {
        for text in [
            "",
            "[]",
            "{}",
            "{\"a\": \"b\"}",
            "{\"a\": []}",
            "{\"a\": {}}",
            "{\"a\": [{\"starts\": \"x\"}]}",
            "{\"a\": [{\"numeric\": [\"!\", 1]}]}",
            "{\"a\": [{\"exists\": \"yes\"}]}",
            "{\"a\": [[1]]}",
            "{\"a\": [{\"prefix\": 1}]}",
            "{\"a\": [{\"prefix\": \"x\", \"suffix\": \"y\"}]}",
            "{\"a\": [{\"cidr\": \"x\"}]}",
        ] {
            assert!(parse(text).is_err(), "{text}");
        }
    }
}
