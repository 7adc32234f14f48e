//! SNS: topics, SQS and HTTP subscriptions (raw or in SNS's envelope), filter policies, publish one or many.

mod http;
mod ops;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use futures::FutureExt;
use futures::future::BoxFuture;
use serde_json::{Map, Value, json};

use super::clock::Clock;
use super::pattern;
use super::sqs::Sqs;
use super::wire::{ApiError, ApiResult, Call, JsonService};
use http::{Delivery, Endpoint};

/// Topics and subscriptions of every region and account.
pub struct Sns {
    clock: Arc<Clock>,
    sqs: Arc<Sqs>,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// By ARN.
    topics: BTreeMap<String, Topic>,
}

#[derive(Default)]
struct Topic {
    attributes: BTreeMap<String, String>,
    tags: BTreeMap<String, String>,
    subscriptions: BTreeMap<String, Subscription>,
    published: u64,
}

#[derive(Clone)]
struct Subscription {
    protocol: String,
    endpoint: String,
    attributes: BTreeMap<String, String>,
    /// What confirms it; `None` once it is.
    token: Option<String>,
    /// The way to an HTTP endpoint.
    http: Option<Endpoint>,
}

impl Subscription {
    /// The queue for what the endpoint never takes.
    fn dlq(&self) -> Option<String> {
        let policy: Value = serde_json::from_str(self.attributes.get("RedrivePolicy")?).ok()?;
        policy["deadLetterTargetArn"].as_str().map(str::to_owned)
    }

    fn is_raw(&self) -> bool {
        self.attributes.get("RawMessageDelivery").is_some_and(|raw| raw.eq_ignore_ascii_case("true"))
    }

    /// Whether a message with these attributes passes the filter policy.
    fn wants(&self, message: &str, attributes: &Value) -> bool {
        let Some(policy) = self.attributes.get("FilterPolicy").and_then(|p| serde_json::from_str(p).ok()) else {
            return true;
        };
        if self.attributes.get("FilterPolicyScope").is_some_and(|scope| scope == "MessageBody") {
            return serde_json::from_str(message).is_ok_and(|body| pattern::matches(&policy, &body));
        }
        pattern::matches(&policy, &Value::Object(plain(attributes)))
    }
}

/// Attributes as a filter policy sees them: strings, numbers, arrays.
fn plain(attributes: &Value) -> Map<String, Value> {
    let value = |attribute: &Value| {
        let text = attribute["StringValue"].as_str().unwrap_or_default();
        match attribute["DataType"].as_str().unwrap_or_default() {
            "String.Array" | "Number" => serde_json::from_str(text).unwrap_or_else(|_| text.into()),
            _ => Value::from(text),
        }
    };
    attributes.as_object().into_iter().flatten().map(|(name, a)| (name.clone(), value(a))).collect()
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Sns {
    /// No topics yet.
    pub fn new(clock: Arc<Clock>, sqs: Arc<Sqs>) -> Self {
        Self { clock, sqs, state: Mutex::default() }
    }

    /// Messages published to a topic so far.
    pub fn published(&self, topic: &str) -> u64 {
        lock(&self.state).topics.get(topic).map_or(0, |topic| topic.published)
    }

    /// Publishes for a rule that has this topic as its target.
    ///
    /// # Errors
    /// There is no such topic.
    pub fn publish_from_service(&self, topic: &str, message: &str) -> Result<(), (&'static str, String)> {
        self.send(topic, None, message, &Value::Null).map(drop).map_err(|e| ("NO_RESOURCE", e.message))
    }

    fn send(
        &self,
        topic_arn: &str,
        subject: Option<&str>,
        message: &str,
        attributes: &Value,
    ) -> Result<String, ApiError> {
        let id = uuid::Uuid::new_v4().to_string();
        let subscriptions: Vec<(String, Subscription)> = {
            let mut state = lock(&self.state);
            let topic = state.topics.get_mut(topic_arn).ok_or_else(|| not_found("Topic"))?;
            topic.published += 1;
            let confirmed = topic.subscriptions.iter().filter(|(_, s)| s.token.is_none());
            confirmed.map(|(arn, s)| (arn.clone(), s.clone())).collect()
        };
        for (arn, subscription) in subscriptions.into_iter().filter(|(_, s)| s.wants(message, attributes)) {
            let (body, own) = if subscription.is_raw() {
                (message.to_owned(), attributes.clone())
            } else {
                (self.envelope(&id, topic_arn, &arn, subject, message, attributes), Value::Null)
            };
            if let Some(endpoint) = &subscription.http {
                let (raw, dlq) = (subscription.is_raw(), subscription.dlq());
                let (id, topic) = (id.clone(), topic_arn.to_owned());
                let sent = Delivery { kind: "Notification", id, topic, subscription: arn.clone(), body, raw, dlq };
                if !endpoint.send(sent) {
                    tracing::warn!(subscription = arn, "too many messages wait for this endpoint; one was dropped");
                }
                continue;
            }
            let sent = self.sqs.deliver(&subscription.endpoint, "sns.amazonaws.com", topic_arn, &body, own);
            if let Err((_, why)) = sent {
                tracing::warn!(subscription = arn, why, "a message was not delivered");
            }
        }
        Ok(id)
    }

    /// The JSON around a message that is not delivered raw (developer guide, "Parsing message formats").
    fn envelope(
        &self,
        id: &str,
        topic: &str,
        subscription: &str,
        subject: Option<&str>,
        message: &str,
        attributes: &Value,
    ) -> String {
        let time = jiff::Timestamp::from_millisecond(self.clock.now_millis()).unwrap_or_default();
        let mut envelope = json!({"Type": "Notification", "MessageId": id, "TopicArn": topic, "Message": message,
            "Timestamp": format!("{time:.3}"), "SignatureVersion": "1", "Signature": "EXAMPLE", "SigningCertURL": "EXAMPLE",
            "UnsubscribeURL": format!("EXAMPLE?Action=Unsubscribe&SubscriptionArn={subscription}")});
        if let Some(subject) = subject {
            envelope["Subject"] = subject.into();
        }
        let given = attributes.as_object().into_iter().flatten();
        let shown: Map<String, Value> =
            given.map(|(name, a)| (name.clone(), json!({"Type": a["DataType"], "Value": a["StringValue"]}))).collect();
        if !shown.is_empty() {
            envelope["MessageAttributes"] = shown.into();
        }
        envelope.to_string()
    }
}

impl JsonService for Sns {
    fn handle<'a>(&'a self, call: Call) -> BoxFuture<'a, ApiResult> {
        async move { self.answer(&call) }.boxed()
    }
}

fn not_found(what: &str) -> ApiError {
    ApiError { status: 404, ..ApiError::new("NotFound", format!("{what} does not exist")) }
}

fn invalid(message: impl Into<String>) -> ApiError {
    ApiError::new("InvalidParameter", format!("Invalid parameter: {}", message.into()))
}
