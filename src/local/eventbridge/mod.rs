//! EventBridge: rules with the full pattern language, SQS and SNS targets, PutEvents, TestEventPattern.

mod rules;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use futures::FutureExt;
use futures::future::BoxFuture;
use serde_json::{Value, json};

use super::clock::Clock;
use super::pattern;
use super::sns::Sns;
use super::sqs::Sqs;
use super::wire::{ApiError, ApiResult, Call, JsonService};

/// Buses, rules and targets of every region and account.
pub struct EventBus {
    clock: Arc<Clock>,
    sqs: Arc<Sqs>,
    sns: Arc<Sns>,
    rules: Mutex<BTreeMap<String, Rule>>,
    buses: Mutex<BTreeMap<String, String>>,
}

/// A rule, under its ARN.
#[derive(Clone, Default)]
struct Rule {
    name: String,
    /// The ARN of its bus.
    bus: String,
    pattern: Option<(String, Value)>,
    enabled: bool,
    description: Option<String>,
    targets: BTreeMap<String, Value>,
    tags: BTreeMap<String, String>,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl EventBus {
    /// A default bus without rules.
    pub fn new(clock: Arc<Clock>, sqs: Arc<Sqs>, sns: Arc<Sns>) -> Self {
        Self { clock, sqs, sns, rules: Mutex::default(), buses: Mutex::default() }
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
        let body = rules::input(target, event);
        let delivered = match arn.split(':').nth(2) {
            Some("sqs") => self.sqs.deliver(arn, "events.amazonaws.com", rule, &body, Value::Null),
            Some("sns") => self.sns.publish_from_service(arn, &body),
            _ => Err(("NO_RESOURCE", format!("targets such as {arn} are not part of this endpoint"))),
        };
        // A permission that is missing, or a target that is gone, is not tried again (user guide, eb-rule-dlq).
        let Err((code, message)) = delivered else { return };
        let dlq = target["DeadLetterConfig"]["Arn"].as_str().unwrap_or_default();
        let text = |value: &str| json!({"DataType": "String", "StringValue": value});
        let attributes = json!({"RULE_ARN": text(rule), "TARGET_ARN": text(arn), "ERROR_CODE": text(code),
            "ERROR_MESSAGE": text(&message)});
        if dlq.is_empty()
            || self.sqs.deliver(dlq, "events.amazonaws.com", rule, &event.to_string(), attributes).is_err()
        {
            tracing::warn!(rule, target = arn, message, "an event was dropped");
        }
    }

    fn put_events(&self, call: &Call) -> ApiResult {
        let entries = call.body["Entries"].as_array().map(Vec::as_slice).unwrap_or_default();
        if !(1..=10).contains(&entries.len()) {
            return Err(ApiError::new("ValidationException", "Entries must have between 1 and 10 items"));
        }
        let answers: Vec<Value> = entries.iter().map(|entry| self.put_event(call, entry)).collect();
        let failed = answers.iter().filter(|a| a["ErrorCode"].is_string()).count();
        Ok(json!({"FailedEntryCount": failed, "Entries": answers}))
    }

    fn put_event(&self, call: &Call, entry: &Value) -> Value {
        let text = |name: &str| entry[name].as_str().filter(|t| !t.is_empty());
        let refused = |code: &str, message: &str| json!({"ErrorCode": code, "ErrorMessage": message});
        let (Some(source), Some(kind), Some(detail)) = (text("Source"), text("DetailType"), text("Detail")) else {
            return refused(
                "InvalidArgument",
                "Parameter Source, DetailType or Detail is not valid. Reason: it is a required argument.",
            );
        };
        if source.starts_with("aws.") {
            let why = format!("Not authorized for the source {source}: only AWS services send as aws.*");
            return refused("NotAuthorizedForSourceException", &why);
        }
        let Some(detail) = serde_json::from_str::<Value>(detail).ok().filter(Value::is_object) else {
            return refused("MalformedDetail", "Detail is malformed.");
        };
        let id = uuid::Uuid::new_v4().to_string();
        let now = self.clock.now_millis() / 1000;
        let time = entry["Time"].as_f64().map_or(now, |t| t as i64);
        let time = jiff::Timestamp::from_second(time).map(|t| t.to_string()).unwrap_or_default();
        let event = json!({"version": "0", "id": id, "detail-type": kind, "source": source, "account": call.account,
            "time": time, "region": call.region, "resources": entry.get("Resources").cloned().unwrap_or_else(|| json!([])),
            "detail": detail});
        self.route(&rules::bus_arn(call, text("EventBusName")), &event);
        json!({"EventId": id})
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
            "CreateEventBus" | "DeleteEventBus" | "DescribeEventBus" | "ListEventBuses" => self.bus(&call),
            "TagResource" | "UntagResource" | "ListTagsForResource" => self.tags(&call),
            other => {
                let why = format!("EventBridge {other} is not part of this endpoint");
                Err(ApiError::new("UnknownOperationException", why))
            }
        }
    }
}

impl JsonService for EventBus {
    fn handle<'a>(&'a self, call: Call) -> BoxFuture<'a, ApiResult> {
        self.answer(call).boxed()
    }
}
