//! Sending: what a message may be, and where it goes.

use std::sync::Arc;

use serde_json::{Value, json};

use super::messages::{batch, entries};
use super::queue::Message;
use super::{Queue, Sqs, digest, invalid, lock};
use crate::local::wire::{ApiError, ApiResult, Call};

/// What a message, and all of a batch, may weigh (Amazon SQS quotas).
pub(super) const MOST_BYTES: usize = 1_048_576;
const MOST_ATTRIBUTES: usize = 10;

/// What goes with a body.
#[derive(Default)]
pub(in crate::local) struct Extras<'a> {
    pub(in crate::local) attributes: Value,
    pub(in crate::local) trace: Option<&'a str>,
    pub(in crate::local) group: Option<&'a str>,
    pub(in crate::local) deduplication: Option<&'a str>,
    /// Seconds; else the queue's own.
    pub(in crate::local) delay: Option<i64>,
}

impl Sqs {
    /// Puts a message. What a FIFO queue has had within five minutes it takes only once.
    pub(super) fn put(&self, queue: &Queue, body: &str, extras: Extras<'_>) -> Result<Message, ApiError> {
        let now = self.clock.now_millis();
        let mut message = Message::new(Arc::from(body), extras.attributes, now);
        message.trace = extras.trace.map(str::to_owned);
        message.group = extras.group.map(Arc::from);
        message.deduplication = extras.deduplication.map(str::to_owned);
        if queue.fifo() {
            if message.group.is_none() {
                return Err(missing("MessageGroupId"));
            }
            if message.deduplication.is_none() {
                if queue.attribute("ContentBasedDeduplication").as_deref() != Some("true") {
                    return Err(invalid(
                        "The queue should either have ContentBasedDeduplication enabled or MessageDeduplicationId provided explicitly",
                    ));
                }
                message.deduplication = Some(sha256(body));
            }
        }
        let delay = extras.delay.unwrap_or_else(|| queue.number("DelaySeconds"));
        let kept = {
            let mut messages = lock(&queue.messages);
            let twice = message.deduplication.as_deref().filter(|_| queue.fifo());
            if let Some(first) = twice.and_then(|id| messages.duplicate_of(id, now)) {
                return Ok(first);
            }
            messages.push(message, now + delay * 1000)
        };
        queue.arrived.notify_one();
        Ok(kept)
    }

    fn send(&self, queue: &Queue, entry: &Value) -> ApiResult {
        let body = entry["MessageBody"].as_str().filter(|b| !b.is_empty()).ok_or_else(|| missing("MessageBody"))?;
        let attributes = &entry["MessageAttributes"];
        check_attributes(attributes)?;
        let most = queue.number("MaximumMessageSize");
        if i64::try_from(weight(entry)).unwrap_or(i64::MAX) > most {
            let why = format!("One or more parameters are invalid. Reason: Message must be shorter than {most} bytes.");
            return Err(invalid(why));
        }
        // #x9 | #xA | #xD | #x20 to #xD7FF | #xE000 to #xFFFD | #x10000 to #x10FFFF (API reference, SendMessage).
        if body.chars().any(|c| (c < ' ' && !"\t\n\r".contains(c)) || ('\u{fffe}'..='\u{ffff}').contains(&c)) {
            let why = "Invalid characters found. Valid unicode characters are #x9 | #xA | #xD | #x20 to #xD7FF | #xE000 to #xFFFD | #x10000 to #x10FFFF";
            return Err(ApiError::new("InvalidMessageContents", why));
        }
        let delay = entry["DelaySeconds"].as_i64();
        let value = || format!("Value {} for parameter DelaySeconds is invalid.", entry["DelaySeconds"]);
        if delay.is_some_and(|d| !(0..=900).contains(&d)) {
            return Err(invalid(format!("{} Reason: DelaySeconds must be >= 0 and <= 900.", value())));
        }
        if delay.is_some_and(|d| d > 0) && queue.fifo() {
            let why = "Reason: The request include parameter that is not valid for this queue type.";
            return Err(invalid(format!("{} {why}", value())));
        }
        let system = &entry["MessageSystemAttributes"];
        let extras = Extras {
            attributes: attributes.clone(),
            trace: system["AWSTraceHeader"]["StringValue"].as_str(),
            group: entry["MessageGroupId"].as_str(),
            deduplication: entry["MessageDeduplicationId"].as_str(),
            delay: delay.filter(|_| !queue.fifo()),
        };
        let kept = self.put(queue, body, extras)?;
        let mut answer = json!({"MessageId": kept.message_id, "MD5OfMessageBody": kept.body_md5});
        for (name, digest) in [
            ("MD5OfMessageAttributes", digest::of_attributes(attributes)),
            ("MD5OfMessageSystemAttributes", digest::of_attributes(system)),
            ("SequenceNumber", kept.sequence),
        ] {
            if let Some(text) = digest {
                answer[name] = text.into();
            }
        }
        Ok(answer)
    }

    pub(super) fn send_message(&self, call: &Call) -> ApiResult {
        self.send(&*self.queue(call)?, &call.body)
    }

    pub(super) fn send_message_batch(&self, call: &Call) -> ApiResult {
        let queue = self.queue(call)?;
        let bytes: usize = entries(&call.body).map(weight).sum();
        if bytes > MOST_BYTES {
            let why = format!("Batch requests cannot be longer than {MOST_BYTES} bytes. You have sent {bytes} bytes.");
            return Err(ApiError::new("BatchRequestTooLong", why));
        }
        batch(&call.body, |entry| self.send(&queue, entry))
    }
}

/// Bytes of a body with its attributes: names, types and values count.
fn weight(entry: &Value) -> usize {
    let text = |value: &Value| value.as_str().map_or(0, str::len);
    let attributes = entry["MessageAttributes"].as_object().into_iter().flatten();
    let attributes = attributes.map(|(name, a)| {
        let binary = a["BinaryValue"].as_str().map_or(0, |b| digest::base64(b).len());
        name.len() + text(&a["DataType"]) + text(&a["StringValue"]) + binary
    });
    text(&entry["MessageBody"]) + attributes.sum::<usize>()
}

fn check_attributes(attributes: &Value) -> Result<(), ApiError> {
    let given = attributes.as_object().into_iter().flatten();
    if given.clone().count() > MOST_ATTRIBUTES {
        let why = format!("Number of message attributes [{}] exceeds the allowed maximum [10].", given.count());
        return Err(invalid(why));
    }
    for (name, attribute) in given {
        let fits = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
        let reserved = ["aws.", "amazon."].iter().any(|p| name.to_ascii_lowercase().starts_with(p));
        if name.is_empty() || name.len() > 256 || !name.chars().all(fits) || reserved {
            return Err(invalid(format!("Message (user) attribute name {name:?} is invalid.")));
        }
        let kind = attribute["DataType"].as_str().unwrap_or_default();
        let kind = kind.split('.').next().unwrap_or_default();
        let value = if kind == "Binary" { &attribute["BinaryValue"] } else { &attribute["StringValue"] };
        if !["String", "Number", "Binary"].contains(&kind) {
            let why = format!(
                "The type of message (user) attribute '{name}' is invalid. You must use only the following supported type prefixes: Binary, Number, String."
            );
            return Err(invalid(why));
        }
        if value.as_str().is_none_or(str::is_empty) {
            let why = format!("Message (user) attribute '{name}' must contain a non-empty value of type '{kind}'.");
            return Err(invalid(why));
        }
        if kind == "Number" && value.as_str().is_none_or(|text| text.parse::<f64>().is_err()) {
            return Err(invalid(format!("Can't cast the value of message (user) attribute '{name}' to a number.")));
        }
    }
    Ok(())
}

fn missing(parameter: &str) -> ApiError {
    ApiError::new("MissingParameter", format!("The request must contain the parameter {parameter}."))
}

fn sha256(text: &str) -> String {
    use sha2::{Digest, Sha256};
    Sha256::digest(text.as_bytes()).iter().map(|byte| format!("{byte:02x}")).collect()
}
