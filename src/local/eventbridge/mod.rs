//! EventBridge: rules with the full pattern language or a schedule; SQS, SNS and ECS targets, PutEvents, TestEventPattern.

mod buses;
mod input;
mod rules;
mod targets;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use futures::FutureExt;
use futures::future::BoxFuture;
use serde_json::{Value, json};

use super::clock::Clock;
use super::launch::{Launch, Launches};
use super::pattern;
use super::schedule::Schedule;
use super::sns::Sns;
use super::sqs::{Extras, Sqs};
use super::wire::{self, ApiError, ApiResult, Call, JsonService};

/// What a PutEvents may weigh (Amazon EventBridge quotas).
const MOST_BYTES: usize = 1_048_576;

/// What is served.
const OPERATIONS: [&str; 19] = [
    "PutEvents",
    "TestEventPattern",
    "PutRule",
    "DeleteRule",
    "DescribeRule",
    "ListRules",
    "EnableRule",
    "DisableRule",
    "PutTargets",
    "RemoveTargets",
    "ListTargetsByRule",
    "ListRuleNamesByTarget",
    "CreateEventBus",
    "DeleteEventBus",
    "DescribeEventBus",
    "ListEventBuses",
    "TagResource",
    "UntagResource",
    "ListTagsForResource",
];

/// Buses, rules and targets of every region and account.
pub struct EventBus {
    clock: Arc<Clock>,
    sqs: Arc<Sqs>,
    sns: Arc<Sns>,
    rules: Mutex<BTreeMap<String, Rule>>,
    buses: Mutex<BTreeMap<String, Bus>>,
    launches: OnceLock<Launches>,
    time_scale: OnceLock<f64>,
}

/// A bus of one's own, under its ARN.
#[derive(Default)]
struct Bus {
    name: String,
    tags: BTreeMap<String, String>,
}

/// A rule, under its ARN.
#[derive(Clone, Default)]
struct Rule {
    name: String,
    /// The ARN of its bus.
    bus: String,
    pattern: Option<(String, Value)>,
    schedule: Option<Ticks>,
    enabled: bool,
    description: Option<String>,
    targets: BTreeMap<String, Value>,
    tags: BTreeMap<String, String>,
}

/// When a rule with a schedule is due.
#[derive(Clone)]
struct Ticks {
    expression: String,
    schedule: Schedule,
    next: Option<i64>,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl EventBus {
    /// A default bus without rules.
    pub fn new(clock: Arc<Clock>, sqs: Arc<Sqs>, sns: Arc<Sns>) -> Self {
        let (rules, buses, launches, time_scale) = Default::default();
        Self { clock, sqs, sns, rules, buses, launches, time_scale }
    }

    /// Where launches of ECS targets go, and how many times faster than AWS's time rates pass.
    pub(in crate::local) fn launch_with(&self, launches: Launches, time_scale: f64) {
        // A second one is not taken.
        let _ = (self.launches.set(launches), self.time_scale.set(time_scale));
    }

    /// Sends what rules with a schedule send, where it is time.
    pub(in crate::local) fn tick(&self) {
        let now = self.clock.now_millis();
        let scale = self.time_scale.get().copied().unwrap_or(1.0);
        let mut due = Vec::new();
        for (arn, rule) in lock(&self.rules).iter_mut() {
            let Some(ticks) = &mut rule.schedule else { continue };
            let Some(at) = ticks.next.filter(|at| *at <= now) else { continue };
            ticks.next = ticks.schedule.next(at.max(now - 1), scale);
            if rule.enabled {
                due.push((arn.clone(), rule.targets.values().cloned().collect::<Vec<_>>()));
            }
        }
        for (arn, targets) in due {
            let parts: Vec<&str> = arn.split(':').collect();
            let (region, account) =
                (parts.get(3).copied().unwrap_or_default(), parts.get(4).copied().unwrap_or_default());
            let mut event =
                json!({"detail-type": "Scheduled Event", "source": "aws.events", "resources": [arn], "detail": {}});
            self.complete(&mut event, region, account);
            targets.iter().for_each(|target| self.deliver(&arn, target, &event));
        }
    }

    /// Launches the tasks of an ECS target.
    fn launch(&self, rule: &str, target: &Value, body: &str) -> Result<(), (&'static str, String)> {
        let given = ["Input", "InputPath", "InputTransformer"].iter().any(|name| !target[*name].is_null());
        let parts: Vec<&str> = rule.split(':').collect();
        let place = (parts.get(3).copied().unwrap_or_default(), parts.get(4).copied().unwrap_or_default());
        let name = rule.rsplit('/').next().unwrap_or_default();
        let input = given.then_some(body);
        let launch =
            Launch::of_target(target, ("events-rule/", name), input, place).map_err(|e| ("INVALID_JSON", e))?;
        let none = || ("NO_RESOURCE", "this endpoint has no ECS".to_owned());
        self.launches.get().ok_or_else(none)?.send(launch).map_err(|_| none())
    }

    /// Puts a service's own event on the default bus, as only AWS's services may.
    pub fn put_service_event(&self, region: &str, account: &str, event: &Value) {
        self.route(&format!("arn:aws:events:{region}:{account}:event-bus/default"), event);
    }

    fn route(&self, bus: &str, event: &Value) {
        let matching: Vec<(String, Vec<Value>)> = {
            let rules = lock(&self.rules);
            let matching = rules.iter().filter(|(_, rule)| {
                let fits = rule.pattern.as_ref().is_some_and(|(_, p)| pattern::matches(p, event));
                rule.bus == bus && rule.enabled && fits
            });
            matching.map(|(arn, rule)| (arn.clone(), rule.targets.values().cloned().collect())).collect()
        };
        for (rule, targets) in matching {
            for target in targets {
                self.deliver(&rule, &target, event);
            }
        }
    }

    fn deliver(&self, rule: &str, target: &Value, event: &Value) {
        let arn = target["Arn"].as_str().unwrap_or_default();
        let body = input::of(target, rule, event, self.clock.now_millis());
        let delivered = match arn.split(':').nth(2) {
            Some("sqs") => {
                let group = target["SqsParameters"]["MessageGroupId"].as_str();
                self.sqs.deliver(arn, "events.amazonaws.com", rule, &body, Extras { group, ..Extras::default() })
            }
            Some("sns") => self.sns.publish_from_service(arn, &body),
            Some("ecs") => self.launch(rule, target, &body),
            _ => Err(("NO_RESOURCE", format!("targets such as {arn} are not part of this endpoint"))),
        };
        // A permission that is missing, or a target that is gone, is not tried again (user guide, eb-rule-dlq).
        let Err((code, message)) = delivered else { return };
        let dlq = target["DeadLetterConfig"]["Arn"].as_str().unwrap_or_default();
        let text = |value: &str| json!({"DataType": "String", "StringValue": value});
        let attributes = json!({"RULE_ARN": text(rule), "TARGET_ARN": text(arn), "ERROR_CODE": text(code),
            "ERROR_MESSAGE": text(&message)});
        let extras = Extras { attributes, ..Extras::default() };
        if dlq.is_empty() || self.sqs.deliver(dlq, "events.amazonaws.com", rule, &event.to_string(), extras).is_err() {
            tracing::warn!(rule, target = arn, message, "an event was dropped");
        }
    }

    fn put_events(&self, call: &Call) -> ApiResult {
        let entries = call.body["Entries"].as_array().map(Vec::as_slice).unwrap_or_default();
        if !(1..=10).contains(&entries.len()) {
            return Err(invalid("Entries must have between 1 and 10 items"));
        }
        let bytes = |entry: &Value| ["Source", "DetailType", "Detail"].map(|n| entry[n].as_str().map_or(0, str::len));
        if entries.iter().flat_map(bytes).sum::<usize>() > MOST_BYTES {
            return Err(invalid("Total size of the entries in the request is over the limit."));
        }
        let answers: Vec<Value> = entries.iter().map(|entry| self.put_event(call, entry)).collect();
        let failed = answers.iter().filter(|a| a["ErrorCode"].is_string()).count();
        Ok(json!({"FailedEntryCount": failed, "Entries": answers}))
    }

    fn put_event(&self, call: &Call, entry: &Value) -> Value {
        let text = |name: &str| entry[name].as_str().filter(|t| !t.is_empty());
        let refused = |code: &str, message: &str| json!({"ErrorCode": code, "ErrorMessage": message});
        let missing = ["Source", "DetailType", "Detail"].into_iter().find(|name| text(name).is_none());
        if let Some(name) = missing {
            let why = format!("Parameter {name} is not valid. Reason: {name} is a required argument.");
            return refused("InvalidArgument", &why);
        }
        let [source, kind, detail] = ["Source", "DetailType", "Detail"].map(|name| text(name).unwrap_or_default());
        // Only AWS's services send as aws.*; `POST /_taskwatch/events` is for recorded events of theirs.
        if source.starts_with("aws.") {
            return refused("NotAuthorizedForSourceException", "Not authorized for the source.");
        }
        let Some(detail) = serde_json::from_str::<Value>(detail).ok().filter(Value::is_object) else {
            return refused("MalformedDetail", "Detail is malformed.");
        };
        let mut event = json!({"detail-type": kind, "source": source, "detail": detail, "account": call.account,
            "region": call.region, "resources": entry.get("Resources").cloned().unwrap_or_else(|| json!([]))});
        if let Some(time) = entry["Time"].as_f64() {
            event["time"] = jiff::Timestamp::from_second(time as i64).map(|t| t.to_string()).unwrap_or_default().into();
        }
        self.complete(&mut event, &call.region, &call.account);
        self.route(&rules::bus_arn(call, text("EventBusName")), &event);
        json!({"EventId": event["id"]})
    }

    /// Gives an event the members of the envelope that it lacks.
    fn complete(&self, event: &mut Value, region: &str, account: &str) {
        let time = jiff::Timestamp::from_second(self.clock.now_millis() / 1000).map(|t| t.to_string());
        for (name, value) in [
            ("version", json!("0")),
            ("id", json!(uuid::Uuid::new_v4().to_string())),
            ("account", json!(account)),
            ("time", json!(time.unwrap_or_default())),
            ("region", json!(region)),
            ("resources", json!([])),
        ] {
            if event[name].is_null() {
                event[name] = value;
            }
        }
    }

    /// Puts recorded events (one, a list, or one a line) on the default bus, whatever their source; says how many.
    ///
    /// # Errors
    /// A text that is no event; then none is put.
    pub fn replay(&self, region: &str, account: &str, text: &str) -> Result<usize, String> {
        let mut events = Vec::new();
        for value in serde_json::Deserializer::from_str(text).into_iter::<Value>() {
            match value.map_err(|e| format!("not JSON: {e}"))? {
                Value::Array(items) => events.extend(items),
                one => events.push(one),
            }
        }
        for (index, event) in events.iter_mut().enumerate() {
            let is_text = |name: &str| event[name].as_str().is_some_and(|text| !text.is_empty());
            if !(is_text("source") && is_text("detail-type") && event["detail"].is_object()) {
                return Err(format!(
                    "event {}: it needs \"source\", \"detail-type\" and an object \"detail\"",
                    index + 1
                ));
            }
            self.complete(event, region, account);
        }
        events.iter().for_each(|event| self.put_service_event(region, account, event));
        Ok(events.len())
    }

    async fn answer(&self, call: Call) -> ApiResult {
        match call.operation.as_str() {
            "PutEvents" => self.put_events(&call),
            "TestEventPattern" => rules::test_pattern(&call),
            "PutRule" => self.put_rule(&call),
            "DeleteRule" => self.delete_rule(&call),
            "DescribeRule" => self.describe_rule(&call),
            "ListRules" => Ok(self.list_rules(&call)),
            "EnableRule" | "DisableRule" => self.switch_rule(&call),
            "PutTargets" => self.put_targets(&call),
            "RemoveTargets" => self.remove_targets(&call),
            "ListTargetsByRule" => self.list_targets(&call),
            "ListRuleNamesByTarget" => Ok(self.list_rules_of_target(&call)),
            "CreateEventBus" => self.create_bus(&call),
            "DeleteEventBus" => self.delete_bus(&call),
            "DescribeEventBus" => self.describe_bus(&call),
            "ListEventBuses" => Ok(self.list_buses(&call)),
            "TagResource" | "UntagResource" | "ListTagsForResource" => self.tags(&call),
            other => Err(wire::unknown("EventBridge", other, &OPERATIONS)),
        }
    }
}

impl JsonService for EventBus {
    fn handle<'a>(&'a self, call: Call) -> BoxFuture<'a, ApiResult> {
        self.answer(call).boxed()
    }
}

fn invalid(message: impl Into<String>) -> ApiError {
    ApiError::new("ValidationException", message)
}
