//! Notifications to SNS topics and, if one is named, to an EventBridge bus: ten a call.

use std::collections::BTreeMap;

use aws_config::SdkConfig;
use aws_sdk_eventbridge::types::PutEventsRequestEntry;
use aws_sdk_sns::types::{MessageAttributeValue, PublishBatchRequestEntry};
use futures::future::{BoxFuture, join_all};
use serde_json::Value;

use super::errors;
use crate::cell::ports::{CallError, Notifier};
use crate::core::notification::Notification;

/// PublishBatch takes 10 messages of together 256 KiB (API reference), PutEvents 10 entries of the same size;
/// attributes and names count too, so that some room is left.
const MOST_A_CALL: usize = 10;
const MOST_BYTES: usize = 240 * 1024;

/// SNS and EventBridge through the SDK.
#[derive(Clone, Debug)]
pub struct Publisher {
    sns: aws_sdk_sns::Client,
    events: aws_sdk_eventbridge::Client,
    bus: Option<String>,
}

/// What became of each notification of a page: its place there, and the answer.
type Answers = Vec<(usize, Result<(), CallError>)>;

impl Publisher {
    pub(super) fn new(config: &SdkConfig, bus: Option<String>) -> Self {
        Self { sns: aws_sdk_sns::Client::new(config), events: aws_sdk_eventbridge::Client::new(config), bus }
    }

    /// One topic's notifications, in order: call after call, so that a FIFO topic keeps it.
    async fn to_topic(&self, topic: &str, notifications: Vec<(usize, &Notification)>) -> Answers {
        let mut answers = Vec::with_capacity(notifications.len());
        for batch in batches(notifications, |n| n.message.len()) {
            let sent = self.publish_batch(topic, &batch).await;
            answers.extend(spread(&batch, sent));
        }
        answers
    }

    async fn publish_batch(&self, topic: &str, batch: &[(usize, &Notification)]) -> Result<Failed, CallError> {
        let entries: Result<Vec<_>, _> = batch.iter().map(|(place, n)| entry(*place, n, topic)).collect();
        let request = self.sns.publish_batch().topic_arn(topic).set_publish_batch_request_entries(Some(entries?));
        let answer = request.send().await.map_err(|e| errors::read(&e))?;
        let failed = answer.failed().iter().map(|f| {
            let why = format!("{}: {}", f.code(), f.message().unwrap_or_default());
            (f.id().parse().unwrap_or(usize::MAX), why)
        });
        Ok(failed.collect())
    }

    async fn to_bus(&self, bus: &str, notifications: Vec<(usize, &Notification)>) -> Answers {
        let mut answers = Vec::with_capacity(notifications.len());
        for batch in batches(notifications, |n| n.envelope.len()) {
            let entries = batch.iter().map(|(_, n)| event(bus, n)).collect();
            let sent = self.events.put_events().set_entries(Some(entries)).send().await;
            let sent = sent.map_err(|e| errors::read(&e)).map(|answer| {
                let failed = batch.iter().zip(answer.entries()).filter(|(_, entry)| entry.error_code().is_some());
                failed.map(|((place, _), e)| (*place, e.error_message().unwrap_or_default().to_owned())).collect()
            });
            answers.extend(spread(&batch, sent));
        }
        answers
    }
}

/// The entries of a batch that were not taken, and why.
type Failed = BTreeMap<usize, String>;

/// One answer for each of a batch.
fn spread(batch: &[(usize, &Notification)], sent: Result<Failed, CallError>) -> Answers {
    let answer = |place: &usize| match &sent {
        Err(error) => Err(error.clone()),
        Ok(failed) => failed.get(place).map_or(Ok(()), |why| Err(CallError::Unknown(why.clone()))),
    };
    batch.iter().map(|(place, _)| (*place, answer(place))).collect()
}

/// Cuts a list into calls that AWS takes.
fn batches(
    notifications: Vec<(usize, &Notification)>,
    size: impl Fn(&Notification) -> usize,
) -> Vec<Vec<(usize, &Notification)>> {
    let mut batches: Vec<Vec<(usize, &Notification)>> = Vec::new();
    let mut bytes = 0;
    for (place, notification) in notifications {
        let more = size(notification);
        match batches.last_mut().filter(|batch| batch.len() < MOST_A_CALL && bytes + more <= MOST_BYTES) {
            Some(batch) => batch.push((place, notification)),
            None => {
                batches.push(vec![(place, notification)]);
                bytes = 0;
            }
        }
        bytes += more;
    }
    batches
}

fn entry(place: usize, notification: &Notification, topic: &str) -> Result<PublishBatchRequestEntry, CallError> {
    let unbuildable = |e: &dyn std::error::Error| CallError::Unknown(e.to_string());
    let mut entry = PublishBatchRequestEntry::builder()
        .id(place.to_string())
        .subject(&notification.subject)
        .message(&notification.message);
    for (name, value) in &notification.attributes {
        let value = MessageAttributeValue::builder().data_type("String").string_value(value).build();
        entry = entry.message_attributes(name, value.map_err(|e| unbuildable(&e))?);
    }
    if topic.ends_with(".fifo") {
        entry = entry.message_group_id(notification.run.to_string()).message_deduplication_id(&notification.id);
    }
    entry.build().map_err(|e| unbuildable(&e))
}

fn event(bus: &str, notification: &Notification) -> PutEventsRequestEntry {
    let envelope: Value = serde_json::from_str(&notification.envelope).unwrap_or_default();
    let resources = envelope["resources"].as_array().into_iter().flatten();
    let resources: Vec<String> = resources.filter_map(|r| r.as_str().map(str::to_owned)).collect();
    PutEventsRequestEntry::builder()
        .source("taskwatch")
        .detail_type("Taskwatch Run State Change")
        .set_resources(Some(resources))
        .detail(envelope["detail"].to_string())
        .event_bus_name(bus)
        .build()
}

impl Notifier for Publisher {
    fn publish<'a>(&'a self, notifications: &'a [Notification]) -> BoxFuture<'a, Vec<Result<(), CallError>>> {
        Box::pin(async move {
            let mut answers: Vec<Result<(), CallError>> = vec![Ok(()); notifications.len()];
            let mut by_topic: BTreeMap<&str, Vec<(usize, &Notification)>> = BTreeMap::new();
            for (place, notification) in notifications.iter().enumerate() {
                if let Some(topic) = &notification.topic_arn {
                    by_topic.entry(topic).or_default().push((place, notification));
                }
            }
            let told = join_all(by_topic.into_iter().map(|(topic, list)| self.to_topic(topic, list))).await;
            let mut put = |told: Answers| {
                told.into_iter().for_each(|(place, answer)| {
                    if let Some(slot) = answers.get_mut(place) {
                        *slot = answer;
                    }
                });
            };
            told.into_iter().for_each(&mut put);
            if let Some(bus) = &self.bus {
                // What its topic has not taken comes again; the bus must not get it twice for that.
                let taken = notifications.iter().enumerate().filter(|(place, _)| answers[*place].is_ok()).collect();
                for (place, answer) in self.to_bus(bus, taken).await {
                    answers[place] = answer;
                }
            }
            answers
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(bytes: usize) -> Notification {
        Notification {
            id: String::new(),
            run: uuid::Uuid::nil(),
            topic_arn: None,
            subject: String::new(),
            message: "x".repeat(bytes),
            attributes: Vec::new(),
            envelope: String::new(),
        }
    }

    #[test]
    fn a_call_holds_ten_messages_and_less_than_256_kib() {
        let sizes = |bytes: usize, count: usize| -> Vec<usize> {
            let all = vec![told(bytes); count];
            batches(all.iter().enumerate().collect(), |n| n.message.len()).iter().map(Vec::len).collect()
        };
        assert_eq!(sizes(1_000, 25), [10, 10, 5]);
        assert_eq!(sizes(100 * 1024, 5), [2, 2, 1]);
        assert_eq!(sizes(250 * 1024, 2), [1, 1]);
        assert!(sizes(1, 0).is_empty());
    }

    #[test]
    fn one_entry_that_failed_does_not_fail_the_others() {
        let all = vec![told(1); 3];
        let batch: Vec<_> = all.iter().enumerate().collect();
        let answers = spread(&batch, Ok([(1, "InternalError: x".to_owned())].into()));
        assert_eq!(answers.iter().map(|(_, a)| a.is_ok()).collect::<Vec<_>>(), [true, false, true]);
        assert!(spread(&batch, Err(CallError::Throttled("slow".into()))).iter().all(|(_, a)| a.is_err()));
    }
}
