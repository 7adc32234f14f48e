//! SNS: topics (FIFO ones too), SQS and HTTP subscriptions (raw or in SNS's envelope), filter policies, publish one or many.

mod http;
mod ops;
mod publish;
mod subscriptions;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use futures::FutureExt;
use futures::future::BoxFuture;
use serde_json::{Map, Value, json};

use super::clock::Clock;
use super::pattern;
use super::sqs::{Extras, Sqs};
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
    unsubscribed: u64,
    /// Of FIFO topics: what was published under a deduplication id, and when.
    seen: HashMap<String, (i64, String, String)>,
}

/// For so long a FIFO topic knows a deduplication id: five minutes (developer guide, "Message deduplication for FIFO topics").
const DEDUPLICATED_MILLIS: i64 = 300_000;

impl Topic {
    fn fifo(&self) -> bool {
        self.attributes.get("FifoTopic").is_some_and(|fifo| fifo == "true")
    }

    /// The id that a FIFO topic knows the message by.
    fn deduplication(&self, message: &Message<'_>) -> Result<String, ApiError> {
        if message.group.is_none() {
            return Err(invalid("The MessageGroupId parameter is required for FIFO topics"));
        }
        let by_content = self.attributes.get("ContentBasedDeduplication").is_some_and(|on| on == "true");
        match message.deduplication {
            Some(id) => Ok(id.to_owned()),
            None if by_content => Ok(sha256(message.body)),
            None => Err(invalid(
                "The topic should either have ContentBasedDeduplication enabled or MessageDeduplicationId provided explicitly",
            )),
        }
    }
}

/// A message as it is published.
struct Message<'m> {
    body: &'m str,
    /// The bodies by protocol, where it has such.
    by_protocol: Option<Value>,
    subject: Option<&'m str>,
    attributes: &'m Value,
    group: Option<&'m str>,
    deduplication: Option<&'m str>,
}

impl Message<'_> {
    fn body_for(&self, protocol: &str) -> &str {
        let bodies = self.by_protocol.as_ref();
        bodies.and_then(|b| b[protocol].as_str().or(b["default"].as_str())).unwrap_or(self.body)
    }
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
        let message = Message {
            body: message,
            by_protocol: None,
            subject: None,
            attributes: &Value::Null,
            group: None,
            deduplication: None,
        };
        self.send(topic, &message).map(drop).map_err(|e| ("NO_RESOURCE", e.message))
    }

    /// Hands a message to every subscription that wants it. Gives its id and, in a FIFO topic, its sequence number.
    fn send(&self, topic_arn: &str, message: &Message<'_>) -> Result<(String, Option<String>), ApiError> {
        let id = uuid::Uuid::new_v4().to_string();
        let mut known_by = None;
        let (subscriptions, sequence): (Vec<(String, Subscription)>, _) = {
            let mut state = lock(&self.state);
            let topic = state.topics.get_mut(topic_arn).ok_or_else(|| not_found("Topic"))?;
            let mut sequence = None;
            if topic.fifo() {
                let (known, now) = (topic.deduplication(message)?, self.clock.now_millis());
                topic.seen.retain(|_, (at, ..)| *at + DEDUPLICATED_MILLIS > now);
                if let Some((_, id, sequence)) = topic.seen.get(&known) {
                    return Ok((id.clone(), Some(sequence.clone())));
                }
                let next = format!("{:020}", 10_000_000_000_000_000_000 + topic.published);
                topic.seen.insert(known.clone(), (now, id.clone(), next.clone()));
                (known_by, sequence) = (Some(known), Some(next));
            }
            topic.published += 1;
            let confirmed = topic.subscriptions.iter().filter(|(_, s)| s.token.is_none());
            (confirmed.map(|(arn, s)| (arn.clone(), s.clone())).collect(), sequence)
        };
        for (arn, subscription) in subscriptions {
            let body = message.body_for(&subscription.protocol);
            if !subscription.wants(body, message.attributes) {
                continue;
            }
            let raw = subscription.is_raw();
            let body = if raw {
                body.to_owned()
            } else {
                self.envelope((&id, sequence.as_deref()), topic_arn, &arn, body, message)
            };
            if let Some(endpoint) = &subscription.http {
                let (id, topic, dlq) = (id.clone(), topic_arn.to_owned(), subscription.dlq());
                let sent = Delivery { kind: "Notification", id, topic, subscription: arn.clone(), body, raw, dlq };
                if !endpoint.send(sent) {
                    tracing::warn!(subscription = arn, "too many messages wait for this endpoint; one was dropped");
                }
                continue;
            }
            let extras = || Extras {
                attributes: if raw { message.attributes.clone() } else { Value::Null },
                group: message.group,
                deduplication: known_by.as_deref(),
                ..Extras::default()
            };
            let deliver = |queue: &str| self.sqs.deliver(queue, "sns.amazonaws.com", topic_arn, &body, extras());
            let Err((_, why)) = deliver(&subscription.endpoint) else { continue };
            if subscription.dlq().is_none_or(|dlq| deliver(&dlq).is_err()) {
                tracing::warn!(subscription = arn, why, "a message was not delivered");
            }
        }
        Ok((id, sequence))
    }

    /// The JSON around a message that is not delivered raw (developer guide, "Parsing message formats").
    fn envelope(
        &self,
        (id, sequence): (&str, Option<&str>),
        topic: &str,
        subscription: &str,
        body: &str,
        message: &Message<'_>,
    ) -> String {
        let time = jiff::Timestamp::from_millisecond(self.clock.now_millis()).unwrap_or_default();
        let mut envelope = json!({"Type": "Notification", "MessageId": id, "TopicArn": topic, "Message": body,
            "Timestamp": format!("{time:.3}"), "SignatureVersion": "1", "Signature": "EXAMPLE", "SigningCertURL": "EXAMPLE",
            "UnsubscribeURL": format!("EXAMPLE?Action=Unsubscribe&SubscriptionArn={subscription}")});
        for (name, value) in [("Subject", message.subject), ("SequenceNumber", sequence)] {
            if let Some(value) = value {
                envelope[name] = value.into();
            }
        }
        let given = message.attributes.as_object().into_iter().flatten();
        let value =
            |a: &Value| if a["StringValue"].is_null() { a["BinaryValue"].clone() } else { a["StringValue"].clone() };
        let shown: Map<String, Value> =
            given.map(|(name, a)| (name.clone(), json!({"Type": a["DataType"], "Value": value(a)}))).collect();
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

fn sha256(text: &str) -> String {
    use sha2::{Digest, Sha256};
    Sha256::digest(text.as_bytes()).iter().map(|byte| format!("{byte:02x}")).collect()
}
