//! SNS's operations. Their parameters come from a form, unfolded by `query.rs`.

use serde_json::{Map, Value, json};

use super::subscriptions::set;
use super::{Sns, Topic, invalid, lock, not_found};
use crate::local::wire::{self, ApiError, ApiResult, Call};

/// What is served.
const OPERATIONS: [&str; 18] = [
    "CreateTopic",
    "DeleteTopic",
    "ListTopics",
    "GetTopicAttributes",
    "SetTopicAttributes",
    "Subscribe",
    "ConfirmSubscription",
    "Unsubscribe",
    "ListSubscriptions",
    "ListSubscriptionsByTopic",
    "GetSubscriptionAttributes",
    "SetSubscriptionAttributes",
    "Publish",
    "PublishBatch",
    "TagResource",
    "UntagResource",
    "ListTagsForResource",
    "GetCallerIdentity (STS)",
];
/// Attributes that a topic may be given (API reference, SetTopicAttributes).
const SETTABLE: [&str; 14] = [
    "ArchivePolicy",
    "ContentBasedDeduplication",
    "DataProtectionPolicy",
    "DeliveryPolicy",
    "DisplayName",
    "FifoThroughputScope",
    "FifoTopic",
    "KmsMasterKeyId",
    "MaximumMessageSize",
    "Policy",
    "SignatureVersion",
    "SQSSuccessFeedbackSampleRate",
    "TracingConfig",
    "HTTPSuccessFeedbackSampleRate",
];
const MOST_A_PAGE: usize = 100;

impl Sns {
    pub(super) fn answer(&self, call: &Call) -> ApiResult {
        match call.operation.as_str() {
            "CreateTopic" => self.create_topic(call),
            "DeleteTopic" => {
                lock(&self.state).topics.remove(text(call, "TopicArn"));
                Ok(json!({}))
            }
            "ListTopics" => {
                let state = lock(&self.state);
                let all = state.topics.keys().map(|arn| (arn.clone(), json!({"TopicArn": arn})));
                Ok(page(call, "Topics", all))
            }
            "GetTopicAttributes" => self.with_topic(call, |arn, topic| Ok(json!({"Attributes": shown(arn, topic)}))),
            "SetTopicAttributes" => self.with_topic(call, |_, topic| {
                let (name, value) = (text(call, "AttributeName"), text(call, "AttributeValue"));
                if !SETTABLE.contains(&name) {
                    return Err(invalid("AttributeName"));
                }
                topic.attributes.insert(name.to_owned(), value.to_owned());
                Ok(json!({}))
            }),
            "TagResource" | "UntagResource" | "ListTagsForResource" => self.tags(call),
            "Subscribe" => self.subscribe(call),
            "ConfirmSubscription" => self.confirm(call),
            "Unsubscribe" => {
                let arn = text(call, "SubscriptionArn");
                lock(&self.state).topics.values_mut().for_each(|topic| {
                    topic.unsubscribed += u64::from(topic.subscriptions.remove(arn).is_some());
                });
                Ok(json!({}))
            }
            "ListSubscriptions" | "ListSubscriptionsByTopic" => self.list_subscriptions(call),
            "GetSubscriptionAttributes" => self.with_subscription(call, |arn, topic, s| {
                let mut attributes = json!({"RawMessageDelivery": "false", "ConfirmationWasAuthenticated": "true"});
                attributes["Owner"] = topic.split(':').nth(4).into();
                for (name, value) in &s.attributes {
                    attributes[name] = value.as_str().into();
                }
                attributes["SubscriptionArn"] = arn.into();
                attributes["TopicArn"] = topic.into();
                attributes["Protocol"] = s.protocol.as_str().into();
                attributes["Endpoint"] = s.endpoint.as_str().into();
                attributes["PendingConfirmation"] = s.token.is_some().to_string().into();
                Ok(json!({"Attributes": attributes}))
            }),
            "SetSubscriptionAttributes" => self.with_subscription(call, |_, _, s| {
                let mut changed = s.clone();
                set(&mut changed, text(call, "AttributeName"), text(call, "AttributeValue"))?;
                *s = changed;
                Ok(json!({}))
            }),
            "Publish" => self.publish_one(call),
            "PublishBatch" => self.publish_batch(call),
            other => Err(ApiError { code: "InvalidAction".to_owned(), ..wire::unknown("SNS", other, &OPERATIONS) }),
        }
    }

    fn create_topic(&self, call: &Call) -> ApiResult {
        let name = text(call, "Name");
        let fits = |c: char| c.is_ascii_alphanumeric() || "-_".contains(c);
        let fifo = name.ends_with(".fifo");
        if !(1..=256).contains(&name.len()) || !name.trim_end_matches(".fifo").chars().all(fits) {
            return Err(invalid("Topic Name"));
        }
        let given = call.body["Attributes"].as_object().into_iter().flatten();
        let given: Vec<(&String, &str)> = given.map(|(k, v)| (k, v.as_str().unwrap_or_default())).collect();
        if given.iter().any(|(name, _)| !SETTABLE.contains(&name.as_str())) {
            return Err(invalid("AttributeName"));
        }
        if fifo != given.iter().any(|(name, value)| *name == "FifoTopic" && *value == "true") {
            let why = "Topic Name: Fifo Topic names must end with .fifo and must be made up of only uppercase and lowercase ASCII letters, numbers, underscores, and hyphens, and must be between 1 and 256 characters long; FifoTopic must be true for them and for no others";
            return Err(invalid(why));
        }
        let arn = format!("arn:aws:sns:{}:{}:{name}", call.region, call.account);
        let mut state = lock(&self.state);
        if let Some(topic) = state.topics.get(&arn)
            && given.iter().any(|(name, value)| topic.attributes.get(*name).is_none_or(|set| set != value))
        {
            return Err(invalid("Attributes Reason: Topic already exists with different attributes"));
        }
        let topic = state.topics.entry(arn.clone()).or_default();
        topic.attributes.extend(given.into_iter().map(|(name, value)| (name.clone(), value.to_owned())));
        tags_of(call, topic);
        Ok(json!({"TopicArn": arn}))
    }

    fn tags(&self, call: &Call) -> ApiResult {
        let mut state = lock(&self.state);
        let missing = || ApiError { status: 404, ..ApiError::new("ResourceNotFound", "Resource does not exist") };
        let topic = state.topics.get_mut(text(call, "ResourceArn")).ok_or_else(missing)?;
        match call.operation.as_str() {
            "TagResource" => tags_of(call, topic),
            "UntagResource" => {
                let keys = call.body["TagKeys"].as_array().into_iter().flatten().filter_map(Value::as_str);
                keys.for_each(|key| drop(topic.tags.remove(key)));
            }
            _ => {
                let tags = topic.tags.iter().map(|(key, value)| json!({"Key": key, "Value": value}));
                return Ok(json!({"Tags": tags.collect::<Vec<_>>()}));
            }
        }
        Ok(json!({}))
    }

    pub(super) fn with_topic(&self, call: &Call, change: impl FnOnce(&str, &mut Topic) -> ApiResult) -> ApiResult {
        let arn = text(call, "TopicArn");
        let mut state = lock(&self.state);
        change(arn, state.topics.get_mut(arn).ok_or_else(|| not_found("Topic"))?)
    }
}

fn tags_of(call: &Call, topic: &mut Topic) {
    for tag in call.body["Tags"].as_array().into_iter().flatten() {
        let text = |name: &str| tag[name].as_str().unwrap_or_default().to_owned();
        topic.tags.insert(text("Key"), text("Value"));
    }
}

/// A topic's attributes: what was set, and what AWS always shows.
fn shown(arn: &str, topic: &Topic) -> Value {
    let pending = topic.subscriptions.values().filter(|s| s.token.is_some()).count();
    let owner = arn.split(':').nth(4).unwrap_or_default();
    let policy = json!({"Version": "2008-10-17", "Statement": [{"Effect": "Allow", "Principal": {"AWS": "*"},
        "Action": "SNS:Publish", "Resource": arn, "Condition": {"StringEquals": {"AWS:SourceOwner": owner}}}]});
    let mut shown: Map<String, Value> = [
        ("TopicArn", arn.to_owned()),
        ("Owner", owner.to_owned()),
        ("DisplayName", String::new()),
        ("Policy", policy.to_string()),
        ("SubscriptionsConfirmed", (topic.subscriptions.len() - pending).to_string()),
        ("SubscriptionsPending", pending.to_string()),
        ("SubscriptionsDeleted", topic.unsubscribed.to_string()),
    ]
    .map(|(name, value)| (name.to_owned(), value.into()))
    .into_iter()
    .collect();
    shown.extend(topic.attributes.iter().map(|(name, value)| (name.clone(), value.as_str().into())));
    Value::Object(shown)
}

/// A page of a list; the token is the key of its last item.
pub(super) fn page(call: &Call, list: &str, all: impl Iterator<Item = (String, Value)>) -> Value {
    let after = text(call, "NextToken");
    let mut rest: Vec<(String, Value)> = all.filter(|(key, _)| key.as_str() > after).collect();
    let next = (rest.len() > MOST_A_PAGE).then(|| rest[MOST_A_PAGE - 1].0.clone());
    rest.truncate(MOST_A_PAGE);
    let mut answer = json!({list: rest.into_iter().map(|(_, item)| item).collect::<Vec<_>>()});
    if let Some(next) = next {
        answer["NextToken"] = next.into();
    }
    answer
}

pub(super) fn text<'c>(call: &'c Call, name: &str) -> &'c str {
    call.body[name].as_str().unwrap_or_default()
}
