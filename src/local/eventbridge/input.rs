//! What a target is sent: the event, a part of it, a constant, or a template filled from it.

use serde_json::{Map, Value, json};

use super::invalid;
use crate::local::wire::ApiError;

/// What a template may name besides its own paths (user guide, "Input transformation").
const PREDEFINED: [&str; 5] = [
    "aws.events.rule-arn",
    "aws.events.rule-name",
    "aws.events.event.ingestion-time",
    "aws.events.event",
    "aws.events.event.json",
];

/// Refuses what could never be filled.
pub(super) fn check(id: &str, target: &Value) -> Result<(), ApiError> {
    let given = ["Input", "InputPath", "InputTransformer"].iter().filter(|name| !target[**name].is_null()).count();
    if given > 1 {
        let why = format!("Only one of Input, InputPath, or InputTransformer must be provided for target {id}.");
        return Err(invalid(why));
    }
    if target["Input"].as_str().is_some_and(|input| serde_json::from_str::<Value>(input).is_err()) {
        return Err(invalid(format!("JSON syntax error in input for target {id}.")));
    }
    let template = target["InputTransformer"]["InputTemplate"].as_str().unwrap_or_default();
    let paths = target["InputTransformer"]["InputPathsMap"].as_object();
    let known = |name: &str| PREDEFINED.contains(&name) || paths.is_some_and(|paths| paths.contains_key(name));
    match placeholders(template).find(|name| !known(name)) {
        Some(name) => Err(invalid(format!("InputTemplate for target {id} contains invalid placeholder {name}."))),
        None => Ok(()),
    }
}

fn placeholders(template: &str) -> impl Iterator<Item = &str> {
    template
        .split('<')
        .skip(1)
        .filter_map(|rest| rest.split_once('>').map(|(name, _)| name))
        .filter(|name| is_name(name))
}

fn is_name(name: &str) -> bool {
    !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || "._-".contains(c))
}

/// The message for a target of this rule.
pub(super) fn of(target: &Value, rule: &str, event: &Value, now_millis: i64) -> String {
    if let Some(constant) = target["Input"].as_str() {
        return constant.to_owned();
    }
    if let Some(path) = target["InputPath"].as_str() {
        return at(event, path).to_string();
    }
    let Some(template) = target["InputTransformer"]["InputTemplate"].as_str() else { return event.to_string() };
    let none = Map::new();
    let paths = target["InputTransformer"]["InputPathsMap"].as_object().unwrap_or(&none);
    let value = |name: &str| match name {
        "aws.events.rule-arn" => json!(rule),
        "aws.events.rule-name" => json!(rule.rsplit('/').next()),
        "aws.events.event.ingestion-time" => {
            json!(jiff::Timestamp::from_millisecond(now_millis).map(|t| t.to_string()).unwrap_or_default())
        }
        "aws.events.event.json" => event.clone(),
        "aws.events.event" => {
            let without = event.as_object().into_iter().flatten().filter(|(name, _)| *name != "detail");
            Value::Object(without.map(|(name, value)| (name.clone(), value.clone())).collect())
        }
        name => paths.get(name).and_then(Value::as_str).map_or(Value::Null, |path| at(event, path)),
    };
    fill(template, &value)
}

/// Fills `<name>`s: inside quotes with the bare text, outside them with JSON. A template that is no JSON at all is plain text.
fn fill(template: &str, value: &dyn Fn(&str) -> Value) -> String {
    let plain = !template.trim_start().starts_with(['{', '[', '"', '<']);
    let (mut filled, mut quoted, mut rest) = (String::with_capacity(template.len()), false, template);
    while let Some(c) = rest.chars().next() {
        let name = rest.strip_prefix('<').and_then(|r| r.split_once('>')).map(|(name, _)| name).filter(|n| is_name(n));
        if let Some(name) = name {
            let value = value(name);
            filled += &match (&value, quoted || plain) {
                (Value::Null, true) => String::new(),
                (Value::String(text), true) if plain => text.clone(),
                (value, true) => escaped(value),
                (value, false) => value.to_string(),
            };
            rest = &rest[name.len() + 2..];
            continue;
        }
        let skip = if c == '\\' { rest.chars().take(2).map(char::len_utf8).sum() } else { c.len_utf8() };
        quoted ^= c == '"';
        filled += &rest[..skip];
        rest = &rest[skip..];
    }
    filled
}

/// A value as it stands between the quotes of a JSON text.
fn escaped(value: &Value) -> String {
    let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    let quoted = Value::String(text).to_string();
    quoted[1..quoted.len() - 1].to_owned()
}

/// The value at a JSONPath of member names and indexes: `$.detail.containers[0].name`, `$['detail-type']`.
fn at(event: &Value, path: &str) -> Value {
    let pointer =
        path.trim_start_matches('$').replace(['.', '['], "/").replace([']', '\'', '"'], "").replace("//", "/");
    event.pointer(&pointer).cloned().unwrap_or(Value::Null)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn filled(template: &str) -> String {
        let event =
            json!({"detail-type": "T", "detail": {"a": "x\"y", "n": 5, "o": {"k": [1]}, "list": [{"z": "deep"}]}});
        let target = json!({"InputTransformer": {"InputTemplate": template, "InputPathsMap":
            {"a": "$.detail.a", "n": "$.detail.n", "o": "$.detail.o", "z": "$.detail.list[0].z", "t": "$['detail-type']",
             "gone": "$.detail.gone"}}});
        of(&target, "arn:aws:events:us-east-1:1:rule/r", &event, 0)
    }

    #[test]
    fn templates_are_filled_as_json_and_as_text() {
        assert_eq!(
            filled(r#"{"a": <a>, "n": <n>, "o": <o>, "s": "<t>/<z>", "g": <gone>}"#),
            r#"{"a": "x\"y", "n": 5, "o": {"k":[1]}, "s": "T/deep", "g": null}"#
        );
        assert_eq!(filled(r#""it is <a>, <n><gone>""#), r#""it is x\"y, 5""#);
        assert_eq!(filled("plain <t> < 5 > <n>"), "plain T < 5 > 5");
        assert_eq!(filled("<aws.events.rule-name>"), "\"r\"");
        assert!(filled("<aws.events.event.json>").contains("deep") && !filled("<aws.events.event>").contains("deep"));
    }

    #[test]
    fn what_cannot_be_filled_is_refused() {
        let why = |target: Value| check("1", &target).unwrap_err().message;
        assert!(why(json!({"Input": "no json"})).contains("JSON syntax error"));
        assert!(why(json!({"Input": "{}", "InputPath": "$"})).contains("Only one of"));
        let transformer = json!({"InputTemplate": "<x>", "InputPathsMap": {"y": "$.y"}});
        assert!(why(json!({"InputTransformer": transformer})).contains("invalid placeholder x"));
    }
}
