//! Targets of rules.

use serde_json::{Value, json};

use super::rules::{page, text};
use super::{EventBus, Rule, input, invalid, lock};
use crate::local::wire::{ApiError, ApiResult, Call};

/// Targets a rule, and targets a call (Amazon EventBridge quotas; API reference, PutTargets).
const MOST_TARGETS: usize = 5;
const MOST_A_CALL: usize = 100;

impl EventBus {
    pub(super) fn put_targets(&self, call: &Call) -> ApiResult {
        let targets = call.body["Targets"].as_array().cloned().unwrap_or_default();
        if !(1..=MOST_A_CALL).contains(&targets.len()) {
            return Err(invalid(format!("Targets must have between 1 and {MOST_A_CALL} items")));
        }
        targets.iter().try_for_each(check)?;
        self.with_rule(call, text(call, "Rule").unwrap_or_default(), |_, rule| {
            let mut failed = Vec::new();
            for target in targets {
                let id = target["Id"].as_str().unwrap_or_default().to_owned();
                if rule.targets.len() >= MOST_TARGETS && !rule.targets.contains_key(&id) {
                    failed.push(json!({"TargetId": id, "ErrorCode": "LimitExceededException",
                        "ErrorMessage": "The requested resource exceeds the maximum number allowed."}));
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
        self.with_rule(call, name, |_, rule| {
            page(call, "Targets", rule.targets.iter().map(|(id, target)| (id.as_str(), target.clone())))
        })
    }

    pub(super) fn list_rules_of_target(&self, call: &Call) -> Value {
        let wanted = text(call, "TargetArn").unwrap_or_default();
        let bus = super::rules::bus_arn(call, text(call, "EventBusName"));
        let rules = lock(&self.rules);
        let has = |rule: &&Rule| rule.bus == bus && rule.targets.values().any(|target| target["Arn"] == *wanted);
        let names = rules.values().filter(has).map(|rule| (rule.name.as_str(), rule.name.as_str().into()));
        page(call, "RuleNames", names)
    }
}

/// What EventBridge says of a target before it takes any.
fn check(target: &Value) -> Result<(), ApiError> {
    let (id, arn) = (target["Id"].as_str().unwrap_or_default(), target["Arn"].as_str().unwrap_or_default());
    let fits = |c: char| c.is_ascii_alphanumeric() || ".-_".contains(c);
    if !(1..=64).contains(&id.len()) || !id.chars().all(fits) {
        return Err(invalid("Target Id must match [\\.\\-_A-Za-z0-9]+ and have at most 64 characters"));
    }
    let parts: Vec<&str> = arn.split(':').collect();
    if parts.len() < 6 || parts[0] != "arn" {
        return Err(invalid(format!("Parameter {arn} is not valid. Reason: Provided Arn is not in correct format.")));
    }
    if !["sqs", "sns", "ecs"].contains(&parts[2]) {
        let why = "targets of this endpoint are SQS queues, SNS topics and ECS clusters.";
        return Err(invalid(format!("Parameter {arn} is not valid. Reason: {why}")));
    }
    if parts[2] == "ecs" {
        if target["EcsParameters"]["TaskDefinitionArn"].as_str().is_none() {
            return Err(invalid(format!("Parameter(s) EcsParameters must be specified for target: {id}.")));
        }
        if target["RoleArn"].as_str().is_none() {
            return Err(invalid(format!("RoleArn is required for target {arn}.")));
        }
    }
    if arn.ends_with(".fifo") && parts[2] == "sqs" && target["SqsParameters"]["MessageGroupId"].as_str().is_none() {
        return Err(invalid(format!("Parameter(s) SqsParameters must be specified for target: {id}.")));
    }
    let within = |name: &str, least: i64, most: i64| {
        target["RetryPolicy"][name].as_i64().is_none_or(|n| (least..=most).contains(&n))
    };
    if !within("MaximumRetryAttempts", 0, 185) || !within("MaximumEventAgeInSeconds", 60, 86_400) {
        return Err(invalid(format!(
            "RetryPolicy of target {id}: MaximumRetryAttempts is 0 to 185, MaximumEventAgeInSeconds 60 to 86400"
        )));
    }
    let dlq = &target["DeadLetterConfig"]["Arn"];
    if dlq.as_str().is_some_and(|dlq| !dlq.starts_with("arn:") || !dlq.contains(":sqs:")) {
        return Err(invalid(format!("Parameter DeadLetterConfig of target {id} must be the ARN of an SQS queue")));
    }
    input::check(id, target)
}
