//! One SQS queue.

use std::time::Duration;

use aws_config::SdkConfig;
use aws_sdk_sqs::Client;
use aws_sdk_sqs::config::timeout::TimeoutConfig;
use aws_sdk_sqs::config::{Builder, StalledStreamProtectionConfig};
use aws_sdk_sqs::error::BuildError;
use aws_sdk_sqs::types::{
    ChangeMessageVisibilityBatchRequestEntry, DeleteMessageBatchRequestEntry, MessageAttributeValue,
    MessageSystemAttributeName,
};
use futures::future::BoxFuture;

use super::errors;
use crate::cell::ports::{CallError, Message, Queue};
use crate::core::time::Timestamp;

/// A queue through the SDK. A client a kind of call: an override of the configuration costs each call a tenth of its processor
/// time (docs/performance.md).
#[derive(Clone, Debug)]
pub struct SqsQueue {
    client: Client,
    long_polls: Client,
    short_polls: Client,
    url: String,
}

const LONG_POLL: Duration = Duration::from_secs(20);
const SHORT_POLL: Duration = Duration::from_secs(1);
/// A poll, and the SDK's retries of it, end so long after it should: whoever waits for it learns that nobody answers.
const GRACE: Duration = Duration::from_secs(10);

/// A client whose calls, with the SDK's retries of them, take so long at most.
fn client(config: &SdkConfig, longest: Option<Duration>) -> Client {
    // Answers are small and come at once: the time that a try may take bounds them, and nobody need measure their flow.
    let builder = Builder::from(config).stalled_stream_protection(StalledStreamProtectionConfig::disabled());
    let Some(longest) = longest else { return Client::from_conf(builder.build()) };
    let usual = config.timeout_config().map_or_else(TimeoutConfig::builder, TimeoutConfig::to_builder);
    Client::from_conf(builder.timeout_config(usual.operation_timeout(longest).build()).build())
}

fn unbuildable(error: BuildError) -> CallError {
    CallError::Unknown(error.to_string())
}

impl SqsQueue {
    pub(super) fn new(config: &SdkConfig, url: String) -> Self {
        Self {
            client: client(config, None),
            long_polls: client(config, Some(LONG_POLL + GRACE)),
            short_polls: client(config, Some(SHORT_POLL + GRACE)),
            url,
        }
    }

    async fn receive_batch(&self, wait: Duration) -> Result<Vec<Message>, CallError> {
        let seconds = i32::try_from(wait.as_secs().min(20)).unwrap_or(20);
        let client = if wait > SHORT_POLL { &self.long_polls } else { &self.short_polls };
        let request = client.receive_message().queue_url(&self.url).max_number_of_messages(10);
        let request = request.message_system_attribute_names(MessageSystemAttributeName::SentTimestamp);
        let answer = request.wait_time_seconds(seconds).send().await.map_err(|e| errors::read(&e))?;
        let message = |m: aws_sdk_sqs::types::Message| {
            let sent = m.attributes.as_ref().and_then(|all| all.get(&MessageSystemAttributeName::SentTimestamp));
            let sent_at = sent.and_then(|millis| millis.parse().ok()).map(Timestamp::from_millis);
            Some(Message {
                sent_at,
                id: m.message_id.unwrap_or_default(),
                receipt: m.receipt_handle?,
                body: m.body.unwrap_or_default(),
            })
        };
        Ok(answer.messages.unwrap_or_default().into_iter().filter_map(message).collect())
    }

    async fn delete_batch(&self, receipts: Vec<String>) -> Result<Vec<String>, CallError> {
        let entry = |(i, receipt): (usize, &String)| {
            DeleteMessageBatchRequestEntry::builder().id(i.to_string()).receipt_handle(receipt).build()
        };
        let entries: Result<Vec<_>, _> = receipts.iter().enumerate().map(entry).collect();
        let request = self.client.delete_message_batch().queue_url(&self.url);
        let sent = request.set_entries(Some(entries.map_err(unbuildable)?)).send().await;
        let answer = sent.map_err(|e| errors::read(&e))?;
        let failed = answer.failed().iter().filter_map(|f| f.id().parse::<usize>().ok());
        Ok(failed.filter_map(|i| receipts.get(i).cloned()).collect())
    }

    async fn release_batch(&self, receipts: Vec<String>) -> Result<(), CallError> {
        let entry = |(i, receipt): (usize, &String)| {
            let entry = ChangeMessageVisibilityBatchRequestEntry::builder().id(i.to_string());
            entry.receipt_handle(receipt).visibility_timeout(0).build()
        };
        let entries: Result<Vec<_>, _> = receipts.iter().enumerate().map(entry).collect();
        let request = self.client.change_message_visibility_batch().queue_url(&self.url);
        let sent = request.set_entries(Some(entries.map_err(unbuildable)?)).send().await;
        sent.map(|_| ()).map_err(|e| errors::read(&e))
    }
}

impl Queue for SqsQueue {
    fn receive(&self, wait: Duration) -> BoxFuture<'_, Result<Vec<Message>, CallError>> {
        Box::pin(self.receive_batch(wait))
    }

    fn delete(&self, receipts: Vec<String>) -> BoxFuture<'_, Result<Vec<String>, CallError>> {
        Box::pin(self.delete_batch(receipts))
    }

    fn release(&self, receipts: Vec<String>) -> BoxFuture<'_, Result<(), CallError>> {
        Box::pin(self.release_batch(receipts))
    }

    fn send<'a>(&'a self, body: &'a str, attributes: &'a [(String, String)]) -> BoxFuture<'a, Result<(), CallError>> {
        Box::pin(async move {
            let mut request = self.client.send_message().queue_url(&self.url).message_body(body);
            for (name, value) in attributes {
                let value = MessageAttributeValue::builder().data_type("String").string_value(value).build();
                request = request.message_attributes(name, value.map_err(unbuildable)?);
            }
            request.send().await.map(|_| ()).map_err(|e| errors::read(&e))
        })
    }
}
