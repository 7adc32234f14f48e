//! Rules, targets and buses.

use serde_json::{Map, Value, json};

use super::{EventBus, Rule, lock};
use crate::local::pattern::{self, PatternError};
use crate::local::wire::{ApiError, ApiResult, Call};

impl EventBus {
    pub(super) fn put_rule(&self, call: &Call) -> ApiResult {
        let name = text(call, "Name").unwrap_or_default();
        let fits = |c: char| c.is_ascii_alphanumeric() || ".-_".contains(c);
        if !(1..=64).contains(&name.len()) || !name.chars().all(fits) {
            return Err(ApiError::new(
                "ValidationException",
                "Name must match [\\.\\-_A-Za-z0-9]+ and have at most 64 characters",
            ));
        }
        let given = text(call, "EventPattern").map(|p| pattern::parse(p).map(|v| (p.to_owned(), v))).transpose();
        let pattern = given.map_err(bad_pattern)?;
        if pattern.is_none() && text(call, "ScheduleExpression").is_none() {
            let why = "Parameter(s) EventPattern or ScheduleExpression must be specified.";
            return Err(ApiError::new("ValidationException", why));
        }
        let arn = rule_arn(call, name);
        let mut rules = lock(&self.rules);
        let rule = rules.entry(arn.clone()).or_default();
        rule.name = name.to_owned();
        rule.bus = bus_arn(call, text(call, "EventBusName"));
        rule.pattern = pattern;
        rule.enabled = text(call, "State") != Some("DISABLED");
        rule.description = text(call, "Description").map(str::to_owned);
        tag(rule, call);
        Ok(json!({"RuleArn": arn}))
    }

    pub(super) fn delete_rule(&self, call: &Call) -> ApiResult {
        let mut rules = lock(&self.rules);
        let arn = rule_arn(call, text(call, "Name").unwrap_or_default());
        if rules.get(&arn).is_some_and(|rule| !rule.targets.is_empty()) {
            return Err(ApiError::new("ValidationException", "Rule can't be deleted since it has targets."));
        }
        rules.remove(&arn);
        Ok(json!({}))
    }

    pub(super) fn describe_rule(&self, call: &Call) -> ApiResult {
        let name = text(call, "Name").unwrap_or_default();
        self.with_rule(call, name, |arn, rule| shown(arn, rule))
    }

    pub(super) fn list_rules(&self, call: &Call) -> Value {
        let (bus, prefix) = (bus_arn(call, text(call, "EventBusName")), text(call, "NamePrefix").unwrap_or_default());
        let rules = lock(&self.rules);
        let mine = rules.iter().filter(|(_, rule)| rule.bus == bus && rule.name.starts_with(prefix));
        json!({"Rules": mine.map(|(arn, rule)| shown(arn, rule)).collect::<Vec<_>>()})
    }

    pub(super) fn switch_rule(&self, call: &Call) -> ApiResult {
        let name = text(call, "Name").unwrap_or_default();
        self.with_rule(call, name, |_, rule| {
            rule.enabled = call.operation == "EnableRule";
            json!({})
        })
    }

    pub(super) fn put_targets(&self, call: &Call) -> ApiResult {
        let targets = call.body["Targets"].as_array().cloned().unwrap_or_default();
        self.with_rule(call, text(call, "Rule").unwrap_or_default(), |_, rule| {
            let mut failed = Vec::new();
            for target in targets {
                let id = target["Id"].as_str().unwrap_or_default().to_owned();
                // At most five targets a rule (Amazon EventBridge quotas).
                if rule.targets.len() >= 5 && !rule.targets.contains_key(&id) {
                    failed.push(json!({"TargetId": id, "ErrorCode": "LimitExceededException", "ErrorMessage": "The requested resource exceeds the maximum number allowed."}));
                } else {
                    rule.targets.insert(id, target);
                }
            }
            json!({"FailedEntryCount": failed.len(), "FailedEntries": failed})
        })
    }

    pub(super) fn remove_targets(&self, call: &Call) -> ApiResult {
        self.with_rule(call, text(call, "Rule").unwrap_or_default(), |_, rule| {
            for id in call.body["Ids"].as_array().into_iter().flatten().filter_map(Value::as_str) {
                rule.targets.remove(id);
            }
            json!({"FailedEntryCount": 0, "FailedEntries": []})
        })
    }

    pub(super) fn list_targets(&self, call: &Call) -> ApiResult {
        let name = text(call, "Rule").unwrap_or_default();
        self.with_rule(call, name, |_, rule| json!({"Targets": rule.targets.values().collect::<Vec<_>>()}))
    }

    pub(super) fn list_rules_of_target(&self, call: &Call) -> Value {
        let wanted = text(call, "TargetArn").unwrap_or_default();
        let rules = lock(&self.rules);
        let has = |rule: &&Rule| rule.targets.values().any(|target| target["Arn"] == *wanted);
        json!({"RuleNames": rules.values().filter(has).map(|rule| rule.name.clone()).collect::<Vec<_>>()})
    }

    pub(super) fn bus(&self, call: &Call) -> ApiResult {
        let name = text(call, "Name").unwrap_or("default");
        let arn = bus_arn(call, Some(name));
        let mut buses = lock(&self.buses);
        let known = |buses: &std::collections::BTreeMap<String, String>| name == "default" || buses.contains_key(&arn);
        match call.operation.as_str() {
            "CreateEventBus" if known(&buses) => {
                Err(ApiError::new("ResourceAlreadyExistsException", format!("Event bus {name} already exists.")))
            }
            "CreateEventBus" => {
                buses.insert(arn.clone(), name.to_owned());
                Ok(json!({"EventBusArn": arn}))
            }
            "DeleteEventBus" => {
                buses.remove(&arn);
                Ok(json!({}))
            }
            "DescribeEventBus" if known(&buses) => Ok(json!({"Name": name, "Arn": arn})),
            "DescribeEventBus" => Err(not_found(&format!("Event bus {name}"))),
            _ => {
                let default = json!({"Name": "default", "Arn": bus_arn(call, None)});
                let own = buses.iter().map(|(arn, name)| json!({"Name": name, "Arn": arn}));
                Ok(json!({"EventBuses": std::iter::once(default).chain(own).collect::<Vec<_>>()}))
            }
        }
    }

    pub(super) fn tags(&self, call: &Call) -> ApiResult {
        let arn = text(call, "ResourceARN").unwrap_or_default();
        let mut rules = lock(&self.rules);
        let rule = rules.get_mut(arn).ok_or_else(|| not_found(arn))?;
        tag(rule, call);
        for key in call.body["TagKeys"].as_array().into_iter().flatten().filter_map(Value::as_str) {
            rule.tags.remove(key);
        }
        if call.operation == "ListTagsForResource" {
            let tags: Vec<Value> = rule.tags.iter().map(|(k, v)| json!({"Key": k, "Value": v})).collect();
            return Ok(json!({"Tags": tags}));
        }
        Ok(json!({}))
    }

    fn with_rule(&self, call: &Call, name: &str, change: impl FnOnce(&str, &mut Rule) -> Value) -> ApiResult {
        let arn = rule_arn(call, name);
        let mut rules = lock(&self.rules);
        let rule = rules.get_mut(&arn).ok_or_else(|| not_found(&format!("Rule {name}")))?;
        Ok(change(&arn, rule))
    }
}

pub(super) fn test_pattern(call: &Call) -> ApiResult {
    let pattern = pattern::parse(text(call, "EventPattern").unwrap_or_default()).map_err(bad_pattern)?;
    let event: Value = serde_json::from_str(text(call, "Event").unwrap_or_default())
        .map_err(|e| ApiError::new("ValidationException", format!("Parameter Event is not valid: {e}")))?;
    let required = ["id", "account", "source", "time", "region", "resources", "detail-type"];
    if let Some(missing) = required.iter().find(|name| event.get(**name).is_none()) {
        return Err(ApiError::new(
            "ValidationException",
            format!("Parameter Event is not valid: {missing} is missing"),
        ));
    }
    Ok(json!({"Result": pattern::matches(&pattern, &event)}))
}

/// What a target is sent: the event, a part of it, a constant, or a template filled from it.
pub(super) fn input(target: &Value, event: &Value) -> String {
    if let Some(constant) = target["Input"].as_str() {
        return constant.to_owned();
    }
    if let Some(path) = target["InputPath"].as_str() {
        return at(event, path).to_string();
    }
    let Some(template) = target["InputTransformer"]["InputTemplate"].as_str() else { return event.to_string() };
    let mut filled = template.to_owned();
    let none = Map::new();
    for (name, path) in target["InputTransformer"]["InputPathsMap"].as_object().unwrap_or(&none) {
        let value = at(event, path.as_str().unwrap_or_default());
        let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        filled = filled.replace(&format!("<{name}>"), &text);
    }
    filled
}

/// The value at a JSONPath of member names and indexes: `$.detail.containers[0].name`.
fn at(event: &Value, path: &str) -> Value {
    let pointer = path.trim_start_matches('$').replace(['.', '['], "/").replace(']', "");
    event.pointer(&pointer).cloned().unwrap_or(Value::Null)
}

fn shown(arn: &str, rule: &Rule) -> Value {
    let state = if rule.enabled { "ENABLED" } else { "DISABLED" };
    let bus = rule.bus.rsplit('/').next().unwrap_or("default");
    let mut shown = json!({"Name": rule.name, "Arn": arn, "State": state, "EventBusName": bus});
    if let Some((text, _)) = &rule.pattern {
        shown["EventPattern"] = text.as_str().into();
    }
    if let Some(description) = &rule.description {
        shown["Description"] = description.as_str().into();
    }
    shown
}

fn tag(rule: &mut Rule, call: &Call) {
    for tag in call.body["Tags"].as_array().into_iter().flatten() {
        let text = |name: &str| tag[name].as_str().unwrap_or_default().to_owned();
        rule.tags.insert(text("Key"), text("Value"));
    }
}

fn text<'c>(call: &'c Call, name: &str) -> Option<&'c str> {
    call.body[name].as_str().filter(|text| !text.is_empty())
}

/// A bus by name or ARN.
pub(super) fn bus_arn(call: &Call, name: Option<&str>) -> String {
    match name {
        Some(arn) if arn.starts_with("arn:") => arn.to_owned(),
        name => format!("arn:aws:events:{}:{}:event-bus/{}", call.region, call.account, name.unwrap_or("default")),
    }
}

/// Rules of other buses have the bus in their ARN.
fn rule_arn(call: &Call, name: &str) -> String {
    let bus = bus_arn(call, text(call, "EventBusName"));
    let bus = bus.rsplit('/').next().filter(|bus| *bus != "default").map(|bus| format!("{bus}/")).unwrap_or_default();
    format!("arn:aws:events:{}:{}:rule/{bus}{name}", call.region, call.account)
}

fn not_found(what: &str) -> ApiError {
    ApiError::new("ResourceNotFoundException", format!("{what} does not exist."))
}

fn bad_pattern(error: PatternError) -> ApiError {
    ApiError::new("InvalidEventPatternException", error.0)
}
