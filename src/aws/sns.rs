//! Notifications to an SNS topic: one PublishBatch a call.

use std::collections::HashMap;

use aws_sdk_sns::Client;
use aws_sdk_sns::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_sns::operation::publish_batch::PublishBatchError;
use aws_sdk_sns::types::{BatchResultErrorEntry, MessageAttributeValue, PublishBatchRequestEntry};

use super::destinations::{later, never};
use crate::cell::ports::CallError;
use crate::core::notification::Notification;

/// Codes of a whole call that speak of a message in it, not of the topic (API reference, PublishBatch).
const OF_A_MESSAGE: [&str; 7] = [
    "InvalidParameter",
    "InvalidParameterException",
    "ParameterValueInvalid",
    "InvalidParameterValueException",
    "BatchRequestTooLong",
    "BatchRequestTooLongException",
    "ValidationException",
];

/// Publishes up to ten; one answer for each.
pub(super) async fn publish(client: &Client, topic: &str, batch: &[Notification]) -> Vec<Result<(), CallError>> {
    let fifo = batch.first().is_some_and(|notification| notification.destination.is_fifo());
    let entries: Result<Vec<_>, _> = batch.iter().zip(0..).map(|(n, place)| entry(place, n, fifo)).collect();
    let entries = match entries {
        Ok(entries) => entries,
        Err(error) => return vec![Err(error); batch.len()],
    };
    let request = client.publish_batch().topic_arn(topic).set_publish_batch_request_entries(Some(entries));
    match request.send().await {
        Ok(answer) => spread(batch.len(), answer.failed()),
        Err(error) => vec![Err(of_the_call(&error)); batch.len()],
    }
}

fn entry(place: usize, notification: &Notification, fifo: bool) -> Result<PublishBatchRequestEntry, CallError> {
    let unbuildable = |e: &dyn std::error::Error| never("InvalidParameter", &e.to_string());
    let mut entry = PublishBatchRequestEntry::builder()
        .id(place.to_string())
        .subject(&notification.subject)
        .message(&notification.message);
    for (name, value) in &notification.attributes {
        let data_type = notification.data_types.get(name).map_or("String", String::as_str);
        let value = MessageAttributeValue::builder().data_type(data_type).string_value(value).build();
        entry = entry.message_attributes(name, value.map_err(|e| unbuildable(&e))?);
    }
    if notification.by_protocol {
        entry = entry.message_structure("json");
    }
    if fifo {
        entry = entry.message_group_id(notification.run.to_string()).message_deduplication_id(&notification.id);
    }
    entry.build().map_err(|e| unbuildable(&e))
}

/// One answer for each of a batch, from the entries that failed in a 200.
fn spread(len: usize, failed: &[BatchResultErrorEntry]) -> Vec<Result<(), CallError>> {
    let failed: HashMap<&str, &BatchResultErrorEntry> = failed.iter().map(|entry| (entry.id(), entry)).collect();
    let answer = |place: usize| match failed.get(place.to_string().as_str()) {
        None => Ok(()),
        Some(entry) => Err(of_an_entry(entry.code(), entry.message().unwrap_or_default(), entry.sender_fault())),
    };
    (0..len).map(answer).collect()
}

fn of_an_entry(code: &str, message: &str, sender_fault: bool) -> CallError {
    // A key that cannot be used, or a right that is missing, is the topic's trouble, whosever fault it is.
    let of_the_topic = code.starts_with("KMS") || code.starts_with("Authorization") || code.contains("Throttl");
    if sender_fault && !of_the_topic { never(code, message) } else { later(code, message) }
}

fn of_the_call<R: std::fmt::Debug + 'static>(error: &SdkError<PublishBatchError, R>) -> CallError {
    let (code, message) = (error.code().unwrap_or_default(), error.message().unwrap_or_default());
    // A topic that is not there, or whose ARN is none: somebody may make or mend it.
    let of_the_topic = message.contains("TopicArn") || message.contains("Topic");
    if OF_A_MESSAGE.contains(&code) && !of_the_topic { never(code, message) } else { super::errors::read_later(error) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn failed(id: &str, code: &str, sender_fault: bool) -> BatchResultErrorEntry {
        BatchResultErrorEntry::builder().id(id).code(code).sender_fault(sender_fault).build().unwrap()
    }

    #[test]
    fn an_entry_that_failed_fails_no_other_and_whose_fault_it_is_decides() {
        let answers = spread(4, &[failed("1", "InternalError", false), failed("2", "InvalidParameter", true)]);
        assert!(answers[0].is_ok() && answers[3].is_ok());
        assert!(matches!(answers[1], Err(CallError::Unknown(_))), "{:?}", answers[1]);
        assert!(matches!(answers[2], Err(CallError::Refused(_))), "{:?}", answers[2]);
    }

    #[test]
    fn what_an_operator_can_mend_is_not_the_messages_fault() {
        for code in ["KMSDisabled", "KMSAccessDenied", "AuthorizationError"] {
            assert!(matches!(of_an_entry(code, "", true), CallError::Unknown(_)), "{code}");
        }
        assert!(matches!(of_an_entry("Throttled", "slow", true), CallError::Throttled(_)));
    }
}
