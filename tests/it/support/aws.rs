//! The SDK calls of a test that plays the world around a cell.

use aws_config::SdkConfig;
use aws_sdk_eventbridge::types::PutEventsRequestEntry;
use aws_sdk_sqs::types::{Message, MessageSystemAttributeName, QueueAttributeName, SendMessageBatchRequestEntry};
use serde_json::Value;

/// One endpoint's clients.
pub(crate) struct Aws {
    pub(crate) sqs: aws_sdk_sqs::Client,
    pub(crate) sns: aws_sdk_sns::Client,
    pub(crate) events: aws_sdk_eventbridge::Client,
}

impl Aws {
    pub(crate) fn new(sdk: &SdkConfig) -> Self {
        Self {
            sqs: aws_sdk_sqs::Client::new(sdk),
            sns: aws_sdk_sns::Client::new(sdk),
            events: aws_sdk_eventbridge::Client::new(sdk),
        }
    }

    /// ECS at an endpoint.
    pub(crate) fn ecs(endpoint: &str) -> aws_sdk_ecs::Client {
        aws_sdk_ecs::Client::new(&super::emulator::sdk(endpoint))
    }

    /// A new queue's URL.
    pub(crate) async fn queue(&self, name: &str) -> String {
        let made = self.sqs.create_queue().queue_name(name).send().await.expect("CreateQueue");
        made.queue_url.expect("a queue has a URL")
    }

    /// A queue's ARN.
    pub(crate) async fn arn(&self, url: &str) -> String {
        let asked = self.sqs.get_queue_attributes().queue_url(url).attribute_names(QueueAttributeName::QueueArn);
        let attributes = asked.send().await.expect("GetQueueAttributes").attributes.unwrap_or_default();
        attributes.get(&QueueAttributeName::QueueArn).expect("a queue has an ARN").clone()
    }

    /// A new topic, whose messages arrive as they are in a new queue: the topic's ARN and the queue's URL.
    pub(crate) async fn topic(&self, name: &str) -> (String, String) {
        let queue = self.queue(&format!("{name}-subscriber")).await;
        let topic = self.sns.create_topic().name(name).send().await.expect("CreateTopic").topic_arn.expect("an ARN");
        let subscription = self.sns.subscribe().topic_arn(&topic).protocol("sqs").endpoint(self.arn(&queue).await);
        subscription.attributes("RawMessageDelivery", "true").send().await.expect("Subscribe");
        (topic, queue)
    }

    /// Sends messages, 10 a call.
    pub(crate) async fn send(&self, url: &str, bodies: &[String]) {
        for chunk in bodies.chunks(10) {
            let entries = chunk.iter().enumerate().map(|(number, body)| {
                SendMessageBatchRequestEntry::builder()
                    .id(number.to_string())
                    .message_body(body)
                    .build()
                    .expect("whole")
            });
            let sent = self.sqs.send_message_batch().queue_url(url).set_entries(Some(entries.collect()));
            let failed = sent.send().await.expect("SendMessageBatch").failed;
            assert!(failed.is_empty(), "SendMessageBatch: {failed:?}");
        }
    }

    /// Puts ECS Task State Change events on the default bus, 10 a call, as only ECS itself may on AWS.
    pub(crate) async fn put_events(&self, details: &[Value]) {
        for chunk in details.chunks(10) {
            let entries = chunk.iter().map(|detail| {
                PutEventsRequestEntry::builder()
                    .source("aws.ecs")
                    .detail_type("ECS Task State Change")
                    .resources(detail["taskArn"].as_str().unwrap_or_default())
                    .detail(detail.to_string())
                    .build()
            });
            let put = self.events.put_events().set_entries(Some(entries.collect())).send().await.expect("PutEvents");
            assert_eq!(put.failed_entry_count, 0, "PutEvents: {:?}", put.entries);
        }
    }

    /// Takes messages off a queue until there are `wanted` of them, or none came for `patience` receives of a second each.
    pub(crate) async fn take(&self, url: &str, wanted: usize, patience: u32) -> Vec<Message> {
        let (mut taken, mut empty) = (Vec::new(), 0);
        while taken.len() < wanted && empty < patience {
            let receive = self.sqs.receive_message().queue_url(url).max_number_of_messages(10).wait_time_seconds(1);
            let receive = receive.message_attribute_names("All");
            let receive = receive.message_system_attribute_names(MessageSystemAttributeName::ApproximateReceiveCount);
            let messages = receive.send().await.expect("ReceiveMessage").messages.unwrap_or_default();
            empty = if messages.is_empty() { empty + 1 } else { 0 };
            for message in messages {
                let receipt = message.receipt_handle.clone().unwrap_or_default();
                self.sqs.delete_message().queue_url(url).receipt_handle(receipt).send().await.expect("DeleteMessage");
                taken.push(message);
            }
        }
        taken
    }

    /// How many messages a queue holds, visible or in flight.
    pub(crate) async fn depth(&self, url: &str) -> u64 {
        let names = [
            QueueAttributeName::ApproximateNumberOfMessages,
            QueueAttributeName::ApproximateNumberOfMessagesNotVisible,
        ];
        let asked = self.sqs.get_queue_attributes().queue_url(url).set_attribute_names(Some(names.to_vec()));
        let attributes = asked.send().await.expect("GetQueueAttributes").attributes.unwrap_or_default();
        names.iter().filter_map(|name| attributes.get(name)?.parse::<u64>().ok()).sum()
    }
}
