//! The `sns:publish` state: what is sent, and to whom.

use serde_json::{Map, Value};

use super::RequestError;
use super::members::wrong;
use crate::core::request::attribute::{attributes as attributes_of, check_structure};
use crate::core::request::{MessageAttributes, native};

type States = Map<String, Value>;

/// One `sns:publish` state.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Publish {
    /// The topic's ARN.
    pub topic: String,
    /// The body.
    pub message: String,
    /// The subject, if it is given.
    pub subject: Option<String>,
    /// Its message attributes.
    pub attributes: MessageAttributes,
    /// Whether the body is an object of texts by protocol (`MessageStructure` is `json`).
    pub by_protocol: bool,
}

/// Members of `sns:publish` that a notification has too.
pub(super) const PUBLISH: [&str; 6] =
    ["TopicArn", "TargetArn", "Message", "Subject", "MessageAttributes", "MessageStructure"];

/// Whether a state sends a message to a topic.
pub(super) fn is_publish(state: &States) -> bool {
    state.get("Resource").and_then(Value::as_str).unwrap_or_default().ends_with(":sns:publish")
}

/// What a publish state sends, and to whom.
pub(super) fn text_of(given: &States, path: &str) -> Result<Publish, RequestError> {
    let (member, topic) = match (given.get("TopicArn"), given.get("TargetArn")) {
        (Some(topic), None) => ("TopicArn", topic),
        (None, Some(target)) => ("TargetArn", target),
        _ => return Err(wrong(&format!("{path}.TopicArn"), "the ARN of a topic", None)),
    };
    let message = match given.get("Message") {
        Some(Value::String(text)) => text.clone(),
        // Step Functions sends anything else as its JSON.
        Some(other @ (Value::Object(_) | Value::Array(_))) => other.to_string(),
        other => return Err(wrong(&format!("{path}.Message"), "a text", other)),
    };
    let by_protocol = match given.get("MessageStructure") {
        None => false,
        Some(Value::String(structure)) if structure == "json" => true,
        other => return Err(wrong(&format!("{path}.MessageStructure"), "json", other)),
    };
    if by_protocol {
        check_structure(&message, &format!("{path}.Message"))?;
    }
    let attributes = given.get("MessageAttributes");
    Ok(Publish {
        topic: native::topic(topic, &format!("{path}.{member}"))?,
        message,
        subject: match given.get("Subject") {
            None => None,
            Some(Value::String(text)) => Some(text.clone()),
            other => return Err(wrong(&format!("{path}.Subject"), "a text", other)),
        },
        attributes: attributes
            .map_or(Ok(MessageAttributes::new()), |value| attributes_of(value, &format!("{path}.MessageAttributes")))?,
        by_protocol,
    })
}
