//! What is there already.

use std::collections::BTreeMap;

use aws_sdk_eventbridge::types::{RuleState, Target};
use aws_sdk_sqs::types::QueueAttributeName;
use serde_json::{Value, json};

use super::owner::Owner;
use super::table::FoundTable;
use super::wanted::{Pipeline, Wanted};
use super::{Sdk, SetupError, gone, table};
use crate::store::dynamo::CellRow;

/// A queue that is there.
#[derive(Clone, Debug, Default)]
pub(in crate::aws) struct FoundQueue {
    pub(in crate::aws) url: String,
    pub(in crate::aws) attributes: BTreeMap<String, String>,
    /// For whom it was made, if `setup` made it.
    pub(in crate::aws) made_for: Option<Owner>,
}

/// A rule that is there.
#[derive(Clone, Debug, Default)]
pub(in crate::aws) struct FoundRule {
    pub(in crate::aws) pattern: Value,
    pub(in crate::aws) enabled: bool,
    /// As PutTargets takes them.
    pub(in crate::aws) targets: Vec<Value>,
    pub(in crate::aws) made_for: Option<Owner>,
}

/// The clusters that a rule's pattern names, by ARN.
pub(in crate::aws) fn clusters_of(pattern: &Value) -> Vec<String> {
    let clusters = pattern["detail"]["clusterArn"].as_array().into_iter().flatten();
    clusters.filter_map(Value::as_str).map(str::to_owned).collect()
}

/// A topic that is there.
#[derive(Clone, Debug, Default)]
pub(in crate::aws) struct FoundTopic {
    pub(in crate::aws) made_for: Option<Owner>,
    /// How many there are, confirmed or not.
    pub(in crate::aws) subscriptions: u64,
}

/// What is there of what is wanted.
#[derive(Clone, Debug, Default)]
pub(in crate::aws) struct Found {
    pub(in crate::aws) queues: BTreeMap<String, FoundQueue>,
    /// By name.
    pub(in crate::aws) rules: BTreeMap<String, FoundRule>,
    pub(in crate::aws) table: Option<FoundTable>,
    /// Of the fleet, in its table.
    pub(in crate::aws) cells: Vec<CellRow>,
    pub(in crate::aws) topic: Option<FoundTopic>,
    pub(in crate::aws) bus: bool,
}

impl Found {
    /// Asks AWS for everything that is wanted.
    pub(super) async fn read(sdk: &Sdk, wanted: &Wanted) -> Result<Self, SetupError> {
        let mut found = Self { bus: bus(sdk, wanted).await?, ..Self::default() };
        if let Some(table) = &wanted.table {
            found.table = table::found(sdk, &table.name).await?;
        }
        for wanted in wanted.queues() {
            if let Some(queue) = queue(sdk, &wanted.name).await? {
                found.queues.insert(wanted.name.clone(), queue);
            }
        }
        for name in wanted.pipelines.iter().flat_map(Pipeline::rules).map(|rule| &rule.name) {
            if let Some(rule) = rule(sdk, name).await? {
                found.rules.insert(name.clone(), rule);
            }
        }
        found.topic = topic(sdk, &wanted.topic.arn).await?;
        Ok(found)
    }
}

/// A queue by its name.
pub(in crate::aws) async fn queue(sdk: &Sdk, name: &str) -> Result<Option<FoundQueue>, SetupError> {
    let about = format!("queue {name}");
    let Some(answer) = gone(&about, "sqs:GetQueueUrl", sdk.sqs.get_queue_url().queue_name(name).send().await)? else {
        return Ok(None);
    };
    let url = answer.queue_url().unwrap_or_default().to_owned();
    let Some(attributes) = queue_attributes(sdk, &url).await? else { return Ok(None) };
    let tags = gone(&about, "sqs:ListQueueTags", sdk.sqs.list_queue_tags().queue_url(&url).send().await)?;
    let made_for = tags.and_then(|answer| {
        Owner::of(answer.tags().into_iter().flatten().map(|(key, value)| (key.as_str(), value.as_str())))
    });
    Ok(Some(FoundQueue { url, attributes, made_for }))
}

/// A queue's attributes by its URL.
pub(in crate::aws) async fn queue_attributes(
    sdk: &Sdk,
    url: &str,
) -> Result<Option<BTreeMap<String, String>>, SetupError> {
    let asked = sdk.sqs.get_queue_attributes().queue_url(url).attribute_names(QueueAttributeName::All);
    let answer = gone(&format!("queue {url}"), "sqs:GetQueueAttributes", asked.send().await)?;
    let named = |answer: aws_sdk_sqs::operation::get_queue_attributes::GetQueueAttributesOutput| {
        let attributes = answer.attributes.unwrap_or_default();
        attributes.into_iter().map(|(name, value)| (name.as_str().to_owned(), value)).collect()
    };
    Ok(answer.map(named))
}

/// A rule of the default bus by its name.
pub(in crate::aws) async fn rule(sdk: &Sdk, name: &str) -> Result<Option<FoundRule>, SetupError> {
    let about = format!("rule {name}");
    let asked = sdk.events.describe_rule().name(name).send().await;
    let Some(rule) = gone(&about, "events:DescribeRule", asked)? else { return Ok(None) };
    let asked = sdk.events.list_targets_by_rule().rule(name).send().await;
    let targets = gone(&about, "events:ListTargetsByRule", asked)?;
    let arn = rule.arn().unwrap_or_default();
    let tags = match arn.is_empty() {
        true => None,
        false => {
            let asked = sdk.events.list_tags_for_resource().resource_arn(arn).send().await;
            gone(&about, "events:ListTagsForResource", asked)?
        }
    };
    Ok(Some(FoundRule {
        pattern: rule.event_pattern().and_then(|p| serde_json::from_str(p).ok()).unwrap_or_default(),
        enabled: rule.state() != Some(&RuleState::Disabled),
        targets: targets.map(|t| t.targets().iter().map(target).collect()).unwrap_or_default(),
        made_for: tags.and_then(|answer| Owner::of(answer.tags().iter().map(|tag| (tag.key(), tag.value())))),
    }))
}

/// A topic by its ARN.
pub(in crate::aws) async fn topic(sdk: &Sdk, arn: &str) -> Result<Option<FoundTopic>, SetupError> {
    let about = format!("topic {arn}");
    let asked = sdk.sns.get_topic_attributes().topic_arn(arn).send().await;
    let Some(answer) = gone(&about, "sns:GetTopicAttributes", asked)? else { return Ok(None) };
    let count = |name: &str| answer.attributes().and_then(|all| all.get(name)?.parse::<u64>().ok()).unwrap_or(0);
    let subscriptions = count("SubscriptionsConfirmed") + count("SubscriptionsPending");
    let tags =
        gone(&about, "sns:ListTagsForResource", sdk.sns.list_tags_for_resource().resource_arn(arn).send().await)?;
    let made_for = tags.and_then(|answer| Owner::of(answer.tags().iter().map(|tag| (tag.key(), tag.value()))));
    Ok(Some(FoundTopic { made_for, subscriptions }))
}

async fn bus(sdk: &Sdk, wanted: &Wanted) -> Result<bool, SetupError> {
    let Some(name) = wanted.bus.as_deref().filter(|name| *name != "default") else { return Ok(true) };
    let asked = sdk.events.describe_event_bus().name(name).send().await;
    Ok(gone(&format!("event bus {name}"), "events:DescribeEventBus", asked)?.is_some())
}

/// A target as PutTargets takes it; what changes the event on its way is kept too, for it must not be there.
fn target(target: &Target) -> Value {
    let mut shown = json!({"Id": target.id(), "Arn": target.arn()});
    if let Some(arn) = target.dead_letter_config().and_then(|dlq| dlq.arn()) {
        shown["DeadLetterConfig"] = json!({"Arn": arn});
    }
    if let Some(retry) = target.retry_policy() {
        shown["RetryPolicy"] = json!({"MaximumRetryAttempts": retry.maximum_retry_attempts(),
            "MaximumEventAgeInSeconds": retry.maximum_event_age_in_seconds()});
    }
    for (name, value) in [("Input", target.input()), ("InputPath", target.input_path())] {
        if let Some(value) = value {
            shown[name] = value.into();
        }
    }
    if let Some(transformer) = target.input_transformer() {
        shown["InputTransformer"] = transformer.input_template().into();
    }
    shown
}
