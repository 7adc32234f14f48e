//! SNS's operations. Their parameters come from a form, unfolded by `query.rs`.

use std::sync::Arc;

use serde_json::{Value, json};

use super::http::{Delivery, Endpoint};
use super::{Sns, Subscription, Topic, invalid, lock, not_found};
use crate::local::pattern;
use crate::local::wire::{ApiError, ApiResult, Call};

const MOST_BYTES: usize = 262_144;

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
                Ok(json!({"Topics": state.topics.keys().map(|arn| json!({"TopicArn": arn})).collect::<Vec<_>>()}))
            }
            "GetTopicAttributes" => self.with_topic(call, |arn, topic| {
                let mut attributes = json!(topic.attributes);
                attributes["TopicArn"] = arn.into();
                attributes["SubscriptionsConfirmed"] = topic.subscriptions.len().to_string().into();
                json!({"Attributes": attributes})
            }),
            "SetTopicAttributes" => self.with_topic(call, |_, topic| {
                let (name, value) = (text(call, "AttributeName"), text(call, "AttributeValue"));
                topic.attributes.insert(name.to_owned(), value.to_owned());
                json!({})
            }),
            "TagResource" | "UntagResource" | "ListTagsForResource" => self.tags(call),
            "Subscribe" => self.subscribe(call),
            "ConfirmSubscription" => self.confirm(call),
            "Unsubscribe" => {
                let arn = text(call, "SubscriptionArn");
                lock(&self.state).topics.values_mut().for_each(|topic| drop(topic.subscriptions.remove(arn)));
                Ok(json!({}))
            }
            "ListSubscriptions" | "ListSubscriptionsByTopic" => Ok(self.list_subscriptions(call)),
            "GetSubscriptionAttributes" => self.with_subscription(call, |arn, topic, s| {
                let mut attributes = json!(s.attributes);
                attributes["SubscriptionArn"] = arn.into();
                attributes["TopicArn"] = topic.into();
                attributes["Protocol"] = s.protocol.as_str().into();
                attributes["Endpoint"] = s.endpoint.as_str().into();
                attributes["PendingConfirmation"] = s.token.is_some().to_string().into();
                Ok(json!({"Attributes": attributes}))
            }),
            "SetSubscriptionAttributes" => self.with_subscription(call, |_, _, s| {
                set(s, text(call, "AttributeName"), text(call, "AttributeValue"))?;
                Ok(json!({}))
            }),
            "Publish" => self.publish(&call.body, text(call, "TopicArn")),
            "PublishBatch" => self.publish_batch(call),
            other => Err(ApiError::new("InvalidAction", format!("SNS {other} is not part of this endpoint"))),
        }
    }

    fn create_topic(&self, call: &Call) -> ApiResult {
        let name = text(call, "Name");
        let fits = |c: char| c.is_ascii_alphanumeric() || "-_".contains(c);
        if name.ends_with(".fifo") {
            return Err(ApiError::new("InvalidAction", "FIFO topics are not part of this endpoint"));
        }
        if !(1..=256).contains(&name.len()) || !name.chars().all(fits) {
            return Err(invalid("Topic Name"));
        }
        let arn = format!("arn:aws:sns:{}:{}:{name}", call.region, call.account);
        let mut state = lock(&self.state);
        let topic = state.topics.entry(arn.clone()).or_default();
        topic.tags.extend(tags(call));
        for (name, value) in call.body["Attributes"].as_object().into_iter().flatten() {
            topic.attributes.insert(name.clone(), value.as_str().unwrap_or_default().to_owned());
        }
        Ok(json!({"TopicArn": arn}))
    }

    fn subscribe(&self, call: &Call) -> ApiResult {
        let (protocol, endpoint) = (text(call, "Protocol"), text(call, "Endpoint"));
        let is_http = matches!(protocol, "http" | "https");
        if !is_http && protocol != "sqs" {
            return Err(invalid(format!(
                "Protocol {protocol:?} is not part of this endpoint; sqs, http and https are"
            )));
        }
        if is_http && !endpoint.starts_with(&format!("{protocol}://")) {
            return Err(invalid("Endpoint must match the specified protocol"));
        }
        let mut made = Subscription {
            protocol: protocol.into(),
            endpoint: endpoint.into(),
            attributes: Default::default(),
            token: is_http.then(|| uuid::Uuid::new_v4().simple().to_string()),
            http: is_http.then(|| Endpoint::open(endpoint.to_owned(), Arc::clone(&self.sqs))),
        };
        for (name, value) in call.body["Attributes"].as_object().into_iter().flatten() {
            set(&mut made, name, value.as_str().unwrap_or_default())?;
        }
        self.with_topic(call, |topic_arn, topic| {
            // The same endpoint again is the same subscription (API reference, Subscribe).
            let same = topic.subscriptions.iter().find(|(_, s)| s.endpoint == endpoint).map(|(arn, _)| arn.clone());
            let arn = same.unwrap_or_else(|| format!("{topic_arn}:{}", uuid::Uuid::new_v4()));
            if let (Some(endpoint), Some(token)) = (&made.http, &made.token) {
                endpoint.send(confirmation(call, topic_arn, &arn, token));
            }
            let shown = if made.token.is_some() && text(call, "ReturnSubscriptionArn") != "true" {
                "pending confirmation"
            } else {
                arn.as_str()
            };
            let answer = json!({"SubscriptionArn": shown});
            topic.subscriptions.insert(arn.clone(), made);
            answer
        })
    }

    fn confirm(&self, call: &Call) -> ApiResult {
        let (topic, token) = (text(call, "TopicArn"), text(call, "Token"));
        let mut state = lock(&self.state);
        let topic = state.topics.get_mut(topic).ok_or_else(|| not_found("Topic"))?;
        let found = topic.subscriptions.iter_mut().find(|(_, s)| s.token.as_deref() == Some(token));
        let (arn, subscription) = found.ok_or_else(|| invalid("Token"))?;
        subscription.token = None;
        Ok(json!({"SubscriptionArn": arn}))
    }

    fn list_subscriptions(&self, call: &Call) -> Value {
        let wanted = text(call, "TopicArn");
        let state = lock(&self.state);
        let topics = state.topics.iter().filter(|(arn, _)| wanted.is_empty() || *arn == wanted);
        let shown = topics.flat_map(|(topic, t)| {
            t.subscriptions.iter().map(move |(arn, s)| {
                let owner = topic.split(':').nth(4);
                let arn = if s.token.is_some() { "PendingConfirmation" } else { arn.as_str() };
                json!({"SubscriptionArn": arn, "Owner": owner, "Protocol": s.protocol, "Endpoint": s.endpoint, "TopicArn": topic})
            })
        });
        json!({"Subscriptions": shown.collect::<Vec<_>>()})
    }

    fn publish(&self, entry: &Value, topic: &str) -> ApiResult {
        let message = entry["Message"].as_str().filter(|m| !m.is_empty()).ok_or_else(|| invalid("Empty message"))?;
        if message.len() > MOST_BYTES {
            return Err(invalid("Message too long"));
        }
        let subject = entry["Subject"].as_str();
        // ASCII, no line breaks, less than 100 characters (API reference, Publish).
        let fits =
            |s: &str| !s.is_empty() && s.len() <= 100 && s.is_ascii() && !s.contains(|c: char| c.is_ascii_control());
        if subject.is_some_and(|s| !fits(s)) {
            return Err(invalid("Subject"));
        }
        let attributes = &entry["MessageAttributes"];
        for (name, attribute) in attributes.as_object().into_iter().flatten() {
            if attribute["StringValue"].as_str().is_some_and(str::is_empty)
                || attribute["DataType"].as_str().is_none_or(str::is_empty)
            {
                let why = format!("The message attribute '{name}' must contain non-empty message attribute value.");
                return Err(ApiError::new("ParameterValueInvalid", why));
            }
        }
        Ok(json!({"MessageId": self.send(topic, subject, message, attributes)?}))
    }

    fn publish_batch(&self, call: &Call) -> ApiResult {
        let entries = call.body["PublishBatchRequestEntries"].as_array().map(Vec::as_slice).unwrap_or_default();
        if entries.is_empty() {
            return Err(ApiError::new("EmptyBatchRequest", "The batch request doesn't contain any entries."));
        }
        if entries.len() > 10 {
            return Err(ApiError::new(
                "TooManyEntriesInBatchRequest",
                "The batch request contains more entries than permissible.",
            ));
        }
        let topic = text(call, "TopicArn");
        let (mut done, mut failed) = (Vec::new(), Vec::new());
        for entry in entries {
            match self.publish(entry, topic) {
                Ok(answer) => done.push(json!({"Id": entry["Id"], "MessageId": answer["MessageId"]})),
                Err(e) if e.status == 404 => return Err(e),
                Err(e) => {
                    failed.push(json!({"Id": entry["Id"], "Code": e.code, "Message": e.message, "SenderFault": "true"}))
                }
            }
        }
        Ok(json!({"Successful": done, "Failed": failed}))
    }

    fn tags(&self, call: &Call) -> ApiResult {
        let mut state = lock(&self.state);
        let topic = state
            .topics
            .get_mut(text(call, "ResourceArn"))
            .ok_or_else(|| ApiError { status: 404, ..ApiError::new("ResourceNotFound", "Resource does not exist") })?;
        topic.tags.extend(tags(call));
        for key in call.body["TagKeys"].as_array().into_iter().flatten().filter_map(Value::as_str) {
            topic.tags.remove(key);
        }
        if call.operation != "ListTagsForResource" {
            return Ok(json!({}));
        }
        let shown: Vec<Value> = topic.tags.iter().map(|(k, v)| json!({"Key": k, "Value": v})).collect();
        Ok(json!({ "Tags": shown }))
    }

    fn with_topic(&self, call: &Call, change: impl FnOnce(&str, &mut Topic) -> Value) -> ApiResult {
        let arn = text(call, "TopicArn");
        let mut state = lock(&self.state);
        Ok(change(arn, state.topics.get_mut(arn).ok_or_else(|| not_found("Topic"))?))
    }

    fn with_subscription(
        &self,
        call: &Call,
        change: impl FnOnce(&str, &str, &mut Subscription) -> ApiResult,
    ) -> ApiResult {
        let arn = text(call, "SubscriptionArn");
        let topic_arn = arn.rsplit_once(':').map(|(topic, _)| topic).unwrap_or_default();
        let mut state = lock(&self.state);
        let topic = state.topics.get_mut(topic_arn).ok_or_else(|| not_found("Subscription"))?;
        change(arn, topic_arn, topic.subscriptions.get_mut(arn).ok_or_else(|| not_found("Subscription"))?)
    }
}

/// The tags that a call brings.
fn tags(call: &Call) -> impl Iterator<Item = (String, String)> {
    let pair =
        |tag: &Value| Some((tag["Key"].as_str()?.to_owned(), tag["Value"].as_str().unwrap_or_default().to_owned()));
    call.body["Tags"].as_array().into_iter().flatten().filter_map(pair)
}

/// The message that asks an HTTP endpoint to confirm: by a GET of its `SubscribeURL`, or by ConfirmSubscription.
fn confirmation(call: &Call, topic: &str, subscription: &str, token: &str) -> Delivery {
    let id = uuid::Uuid::new_v4().to_string();
    let query = form_urlencoded::Serializer::new(String::new())
        .extend_pairs([("Action", "ConfirmSubscription"), ("TopicArn", topic), ("Token", token)])
        .finish();
    let body = json!({
        "Type": "SubscriptionConfirmation", "MessageId": id, "Token": token, "TopicArn": topic,
        "Message": format!("You have chosen to subscribe to the topic {topic}.\nTo confirm the subscription, visit the SubscribeURL included in this message."),
        "SubscribeURL": format!("{}/?{query}", call.origin), "Timestamp": jiff::Timestamp::now().to_string(),
        "SignatureVersion": "1", "Signature": "EXAMPLE", "SigningCertURL": "EXAMPLE",
    });
    Delivery {
        kind: "SubscriptionConfirmation",
        id,
        topic: topic.to_owned(),
        subscription: subscription.to_owned(),
        body: body.to_string(),
        raw: false,
        dlq: None,
    }
}

fn set(subscription: &mut Subscription, name: &str, value: &str) -> Result<(), ApiError> {
    if name == "FilterPolicy" && !value.is_empty() && value != "{}" {
        pattern::parse(value).map_err(|e| invalid(format!("FilterPolicy: {}", e.0)))?;
    }
    if value.is_empty() || (name == "FilterPolicy" && value == "{}") {
        subscription.attributes.remove(name);
    } else {
        subscription.attributes.insert(name.to_owned(), value.to_owned());
    }
    Ok(())
}

fn text<'c>(call: &'c Call, name: &str) -> &'c str {
    call.body[name].as_str().unwrap_or_default()
}
