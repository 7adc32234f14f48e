//! Rules.

use serde_json::{Value, json};

use super::{EventBus, Rule, Ticks, invalid, lock};
use crate::local::pattern::{self, PatternError};
use crate::local::schedule::Schedule;
use crate::local::wire::{ApiError, ApiResult, Call};

/// Rules a bus, and bytes of a pattern (Amazon EventBridge quotas; API reference, PutRule).
const MOST_RULES: usize = 300;
const MOST_PATTERN_BYTES: usize = 4096;

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
        let schedule = text(call, "ScheduleExpression").map(|expression| self.ticks(expression)).transpose()?;
        if pattern.is_none() && schedule.is_none() {
            return Err(invalid("Parameter(s) EventPattern or ScheduleExpression must be specified."));
        }
        if pattern.as_ref().is_some_and(|(text, _)| text.len() > MOST_PATTERN_BYTES) {
            return Err(invalid(format!("EventPattern must have length less than or equal to {MOST_PATTERN_BYTES}")));
        }
        let arn = rule_arn(call, name);
        let bus = bus_arn(call, text(call, "EventBusName"));
        self.known_bus(&bus)?;
        let mut rules = lock(&self.rules);
        if !rules.contains_key(&arn) && rules.values().filter(|rule| rule.bus == bus).count() >= MOST_RULES {
            let why = "The requested resource exceeds the maximum number allowed.";
            return Err(ApiError::new("LimitExceededException", why));
        }
        let rule = rules.entry(arn.clone()).or_default();
        rule.name = name.to_owned();
        rule.bus = bus;
        rule.pattern = pattern;
        rule.schedule = schedule;
        rule.enabled = text(call, "State") != Some("DISABLED");
        rule.description = text(call, "Description").map(str::to_owned);
        tag(rule, call);
        Ok(json!({"RuleArn": arn}))
    }

    fn ticks(&self, expression: &str) -> Result<Ticks, ApiError> {
        let wrong = |_| invalid("Parameter ScheduleExpression is not valid.");
        let schedule = Schedule::parse(expression).map_err(wrong)?;
        if matches!(schedule, Schedule::At(_)) {
            return Err(invalid("Parameter ScheduleExpression is not valid."));
        }
        let scale = self.time_scale.get().copied().unwrap_or(1.0);
        let next = schedule.next(self.clock.now_millis(), scale);
        Ok(Ticks { expression: expression.to_owned(), schedule, next })
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
        page(call, "Rules", mine.map(|(arn, rule)| (rule.name.as_str(), shown(arn, rule))))
    }

    pub(super) fn switch_rule(&self, call: &Call) -> ApiResult {
        let name = text(call, "Name").unwrap_or_default();
        self.with_rule(call, name, |_, rule| {
            rule.enabled = call.operation == "EnableRule";
            json!({})
        })
    }

    pub(super) fn with_rule(
        &self,
        call: &Call,
        name: &str,
        change: impl FnOnce(&str, &mut Rule) -> Value,
    ) -> ApiResult {
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

fn shown(arn: &str, rule: &Rule) -> Value {
    let state = if rule.enabled { "ENABLED" } else { "DISABLED" };
    let bus = rule.bus.rsplit('/').next().unwrap_or("default");
    let mut shown = json!({"Name": rule.name, "Arn": arn, "State": state, "EventBusName": bus});
    if let Some((text, _)) = &rule.pattern {
        shown["EventPattern"] = text.as_str().into();
    }
    if let Some(ticks) = &rule.schedule {
        shown["ScheduleExpression"] = ticks.expression.as_str().into();
    }
    if let Some(description) = &rule.description {
        shown["Description"] = description.as_str().into();
    }
    shown
}

fn tag(rule: &mut Rule, call: &Call) {
    tags_of(call, &mut rule.tags);
}

/// Takes the call's tags.
pub(super) fn tags_of(call: &Call, tags: &mut std::collections::BTreeMap<String, String>) {
    for tag in call.body["Tags"].as_array().into_iter().flatten() {
        let text = |name: &str| tag[name].as_str().unwrap_or_default().to_owned();
        tags.insert(text("Key"), text("Value"));
    }
}

pub(super) fn text<'c>(call: &'c Call, name: &str) -> Option<&'c str> {
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
pub(super) fn rule_arn(call: &Call, name: &str) -> String {
    let bus = bus_arn(call, text(call, "EventBusName"));
    let bus = bus.rsplit('/').next().filter(|bus| *bus != "default").map(|bus| format!("{bus}/")).unwrap_or_default();
    format!("arn:aws:events:{}:{}:rule/{bus}{name}", call.region, call.account)
}

pub(super) fn not_found(what: &str) -> ApiError {
    ApiError::new("ResourceNotFoundException", format!("{what} does not exist."))
}

fn bad_pattern(error: PatternError) -> ApiError {
    ApiError::new("InvalidEventPatternException", error.0)
}

/// A page of a list: `Limit` items from where `NextToken` (the key of the last item seen) says.
pub(super) fn page<'k>(call: &Call, list: &str, all: impl Iterator<Item = (&'k str, Value)>) -> Value {
    let limit = call.body["Limit"].as_u64().and_then(|n| usize::try_from(n).ok()).unwrap_or(100).clamp(1, 100);
    let after = text(call, "NextToken").unwrap_or_default();
    let mut rest: Vec<(&str, Value)> = all.filter(|(key, _)| *key > after).collect();
    rest.sort_by_key(|(key, _)| *key);
    let next = (rest.len() > limit).then(|| rest[limit - 1].0.to_owned());
    rest.truncate(limit);
    let mut answer = json!({list: rest.into_iter().map(|(_, item)| item).collect::<Vec<_>>()});
    if let Some(next) = next {
        answer["NextToken"] = next.into();
    }
    answer
}
