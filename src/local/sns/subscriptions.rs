//! Subscriptions: made, confirmed, listed, set.

use std::sync::Arc;

use serde_json::{Value, json};

use super::http::{Delivery, Endpoint};
use super::ops::{page, text};
use super::{Sns, Subscription, invalid, lock, not_found};
use crate::local::pattern;
use crate::local::wire::{ApiError, ApiResult, Call};

impl Sns {
    pub(super) fn subscribe(&self, call: &Call) -> ApiResult {
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
        self.with_topic(call, |_, topic| {
            if endpoint.ends_with(".fifo") && !topic.fifo() {
                Err(invalid("Endpoint Reason: FIFO SQS Queues can not be subscribed to standard SNS topics"))
            } else {
                Ok(Value::Null)
            }
        })?;
        let mut made = Subscription {
            protocol: protocol.into(),
            endpoint: endpoint.into(),
            attributes: Default::default(),
            token: is_http.then(|| uuid::Uuid::new_v4().simple().to_string()),
            http: is_http.then(|| Endpoint::open(endpoint.to_owned(), Arc::clone(&self.sqs))),
        };
        // The scope first: it says what the policy may be.
        let given = call.body["Attributes"].as_object().into_iter().flatten();
        let (scope, rest): (Vec<_>, Vec<_>) = given.partition(|(name, _)| *name == "FilterPolicyScope");
        for (name, value) in scope.into_iter().chain(rest) {
            set(&mut made, name, value.as_str().unwrap_or_default())?;
        }
        self.with_topic(call, |topic_arn, topic| {
            // The same endpoint again is the same subscription (API reference, Subscribe).
            let mut all = topic.subscriptions.iter();
            if let Some((arn, same)) = all.find(|(_, s)| s.endpoint == endpoint && s.protocol == protocol) {
                if same.attributes != made.attributes {
                    return Err(invalid("Attributes Reason: Subscription already exists with different attributes"));
                }
                let pending = same.token.is_some() && text(call, "ReturnSubscriptionArn") != "true";
                return Ok(json!({"SubscriptionArn": if pending { "pending confirmation" } else { arn.as_str() }}));
            }
            let arn = format!("{topic_arn}:{}", uuid::Uuid::new_v4());
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
            Ok(answer)
        })
    }

    pub(super) fn confirm(&self, call: &Call) -> ApiResult {
        let (topic, token) = (text(call, "TopicArn"), text(call, "Token"));
        let mut state = lock(&self.state);
        let topic = state.topics.get_mut(topic).ok_or_else(|| not_found("Topic"))?;
        let found = topic.subscriptions.iter_mut().find(|(_, s)| s.token.as_deref() == Some(token));
        let (arn, subscription) = found.ok_or_else(|| invalid("Token"))?;
        subscription.token = None;
        Ok(json!({"SubscriptionArn": arn}))
    }

    pub(super) fn list_subscriptions(&self, call: &Call) -> ApiResult {
        let wanted = text(call, "TopicArn");
        let state = lock(&self.state);
        if !wanted.is_empty() && !state.topics.contains_key(wanted) {
            return Err(not_found("Topic"));
        }
        let topics = state.topics.iter().filter(|(arn, _)| wanted.is_empty() || *arn == wanted);
        let shown = topics.flat_map(|(topic, t)| {
            t.subscriptions.iter().map(move |(arn, s)| {
                let shown = if s.token.is_some() { "PendingConfirmation" } else { arn.as_str() };
                let entry = json!({"SubscriptionArn": shown, "Owner": topic.split(':').nth(4), "Protocol": s.protocol,
                    "Endpoint": s.endpoint, "TopicArn": topic});
                (arn.clone(), entry)
            })
        });
        Ok(page(call, "Subscriptions", shown))
    }

    pub(super) fn with_subscription(
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

/// Sets an attribute, if it is one that a subscription may have (API reference, SetSubscriptionAttributes).
pub(super) fn set(subscription: &mut Subscription, name: &str, value: &str) -> Result<(), ApiError> {
    let known = [
        "DeliveryPolicy",
        "FilterPolicy",
        "FilterPolicyScope",
        "RawMessageDelivery",
        "RedrivePolicy",
        "ReplayPolicy",
        "SubscriptionRoleArn",
    ];
    if !known.contains(&name) {
        return Err(invalid("AttributeName"));
    }
    match name {
        "RawMessageDelivery" if !["true", "false"].contains(&value.to_ascii_lowercase().as_str()) => {
            return Err(invalid(format!(
                "Attributes Reason: RawMessageDelivery: Invalid value [{value}]. Must be true or false."
            )));
        }
        "FilterPolicyScope" if !["MessageAttributes", "MessageBody"].contains(&value) => {
            return Err(invalid(format!(
                "FilterPolicyScope: Invalid value [{value}]. Please use either MessageBody or MessageAttributes"
            )));
        }
        "RedrivePolicy" if !value.is_empty() => {
            let policy: Value = serde_json::from_str(value).unwrap_or_default();
            if !policy["deadLetterTargetArn"].as_str().is_some_and(|arn| arn.contains(":sqs:")) {
                return Err(invalid("RedrivePolicy: deadLetterTargetArn is an invalid arn"));
            }
        }
        _ => {}
    }
    let none = value.is_empty() || (name == "FilterPolicy" && value == "{}");
    if name == "FilterPolicy" && !none {
        pattern::parse(value).map_err(|e| invalid(format!("FilterPolicy: {}", e.0)))?;
    }
    if none {
        subscription.attributes.remove(name);
    } else {
        subscription.attributes.insert(name.to_owned(), value.to_owned());
    }
    nested(subscription)
}

/// Attributes have no members: a policy for them has no nested objects.
fn nested(subscription: &Subscription) -> Result<(), ApiError> {
    let of_body = subscription.attributes.get("FilterPolicyScope").is_some_and(|scope| scope == "MessageBody");
    let policy = subscription.attributes.get("FilterPolicy").and_then(|p| serde_json::from_str::<Value>(p).ok());
    let nested = policy.as_ref().and_then(Value::as_object).is_some_and(|p| p.values().any(Value::is_object));
    if nested && !of_body {
        return Err(invalid(
            "FilterPolicy: Filter policy scope MessageAttributes does not support nested filter policy",
        ));
    }
    Ok(())
}
