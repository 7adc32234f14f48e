//! Publishing: what a message may be, one or ten at a time.

use serde_json::{Value, json};

use super::ops::text;
use super::{Message, Sns, invalid};
use crate::local::wire::{ApiError, ApiResult, Call};

/// What a message, and all of a batch, may weigh unless the topic's MaximumMessageSize says more (Amazon SNS quotas).
const MOST_BYTES: usize = 262_144;

impl Sns {
    pub(super) fn publish_one(&self, call: &Call) -> ApiResult {
        let topic = if text(call, "TopicArn").is_empty() { text(call, "TargetArn") } else { text(call, "TopicArn") };
        if topic.is_empty() {
            return Err(invalid("TopicArn or TargetArn Reason: no value for required parameter"));
        }
        self.publish(&call.body, topic)
    }

    fn publish(&self, entry: &Value, topic: &str) -> ApiResult {
        let body = entry["Message"].as_str().filter(|m| !m.is_empty()).ok_or_else(|| invalid("Empty message"))?;
        if weight(entry) > self.most_bytes(topic) {
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
        check(attributes)?;
        let by_protocol = match entry["MessageStructure"].as_str() {
            None | Some("") => None,
            Some("json") => Some(by_protocol(body)?),
            Some(_) => return Err(invalid("MessageStructure")),
        };
        let message = Message {
            body,
            by_protocol,
            subject,
            attributes,
            group: entry["MessageGroupId"].as_str(),
            deduplication: entry["MessageDeduplicationId"].as_str(),
        };
        let (id, sequence) = self.send(topic, &message)?;
        let mut answer = json!({"MessageId": id});
        if let Some(sequence) = sequence {
            answer["SequenceNumber"] = sequence.into();
        }
        Ok(answer)
    }

    pub(super) fn publish_batch(&self, call: &Call) -> ApiResult {
        let entries = call.body["PublishBatchRequestEntries"].as_array().map(Vec::as_slice).unwrap_or_default();
        let refused = |code: &str, why: &str| Err(ApiError::new(code, why));
        if entries.is_empty() {
            return refused("EmptyBatchRequest", "The batch request doesn't contain any entries.");
        }
        if entries.len() > 10 {
            return refused(
                "TooManyEntriesInBatchRequest",
                "The batch request contains more entries than permissible.",
            );
        }
        let ids: Vec<&str> = entries.iter().map(|entry| entry["Id"].as_str().unwrap_or_default()).collect();
        let fits = |id: &&str| {
            (1..=80).contains(&id.len()) && id.chars().all(|c| c.is_ascii_alphanumeric() || "-_".contains(c))
        };
        if !ids.iter().all(fits) {
            return refused(
                "InvalidBatchEntryId",
                "The Id of a batch entry in a batch request doesn't abide by the specification.",
            );
        }
        if ids.iter().enumerate().any(|(i, id)| ids[..i].contains(id)) {
            return refused("BatchEntryIdsNotDistinct", "Two or more batch entries in the request have the same Id.");
        }
        let topic = text(call, "TopicArn");
        if entries.iter().map(weight).sum::<usize>() > self.most_bytes(topic) {
            return refused(
                "BatchRequestTooLong",
                "The length of all the messages put together is more than the limit.",
            );
        }
        let (mut done, mut failed) = (Vec::new(), Vec::new());
        for entry in entries {
            match self.publish(entry, topic) {
                Ok(mut answer) => {
                    answer["Id"] = entry["Id"].clone();
                    done.push(answer);
                }
                Err(e) if e.status == 404 => return Err(e),
                Err(e) => {
                    failed.push(json!({"Id": entry["Id"], "Code": e.code, "Message": e.message, "SenderFault": "true"}))
                }
            }
        }
        Ok(json!({"Successful": done, "Failed": failed}))
    }

    fn most_bytes(&self, topic: &str) -> usize {
        let state = super::lock(&self.state);
        let given = state.topics.get(topic).and_then(|topic| topic.attributes.get("MaximumMessageSize")?.parse().ok());
        given.unwrap_or(MOST_BYTES)
    }
}

/// Bytes of a message with its attributes.
fn weight(entry: &Value) -> usize {
    let text = |value: &Value| value.as_str().map_or(0, str::len);
    let attributes = entry["MessageAttributes"].as_object().into_iter().flatten();
    let attributes = attributes
        .map(|(name, a)| name.len() + text(&a["DataType"]) + text(&a["StringValue"]) + text(&a["BinaryValue"]) / 4 * 3);
    text(&entry["Message"]) + attributes.sum::<usize>()
}

fn check(attributes: &Value) -> Result<(), ApiError> {
    for (name, attribute) in attributes.as_object().into_iter().flatten() {
        let text = |member: &str| attribute[member].as_str().unwrap_or_default();
        let kind = text("DataType").split('.').next().unwrap_or_default();
        let value = if kind == "Binary" { text("BinaryValue") } else { text("StringValue") };
        let why = match kind {
            "" => "must contain message attribute type.",
            _ if value.is_empty() => "must contain non-empty message attribute value.",
            "Number" if value.parse::<f64>().is_err() => "must have a numeric value.",
            "String" | "Number" | "Binary" => continue,
            _ => {
                "has an invalid message attribute type, the set of supported type prefixes is Binary, Number, and String."
            }
        };
        return Err(ApiError::new("ParameterValueInvalid", format!("The message attribute '{name}' {why}")));
    }
    Ok(())
}

/// A message for each protocol (API reference, Publish, `MessageStructure`).
fn by_protocol(body: &str) -> Result<Value, ApiError> {
    let bodies: Value =
        serde_json::from_str(body).map_err(|_| invalid("Message Structure - JSON message body failed to parse"))?;
    match bodies["default"].as_str() {
        Some(_) => Ok(bodies),
        None => Err(invalid("Message Structure - No default entry in JSON message body")),
    }
}
