//! Notifications to SNS topics and, if one is named, to an EventBridge bus.

use aws_config::SdkConfig;
use aws_sdk_eventbridge::types::PutEventsRequestEntry;
use aws_sdk_sns::types::MessageAttributeValue;
use futures::future::BoxFuture;
use serde_json::Value;

use super::errors;
use crate::cell::ports::{CallError, Notifier};
use crate::core::notification::Notification;

/// SNS and EventBridge through the SDK.
#[derive(Clone, Debug)]
pub struct Publisher {
    sns: aws_sdk_sns::Client,
    events: aws_sdk_eventbridge::Client,
    bus: Option<String>,
}

impl Publisher {
    pub(super) fn new(config: &SdkConfig, bus: Option<String>) -> Self {
        Self { sns: aws_sdk_sns::Client::new(config), events: aws_sdk_eventbridge::Client::new(config), bus }
    }

    async fn to_topic(&self, topic: &str, notification: &Notification) -> Result<(), CallError> {
        let mut request =
            self.sns.publish().topic_arn(topic).subject(&notification.subject).message(&notification.message);
        for (name, value) in &notification.attributes {
            let value = MessageAttributeValue::builder().data_type("String").string_value(value).build();
            request = request.message_attributes(name, value.map_err(|e| CallError::Unknown(e.to_string()))?);
        }
        if topic.ends_with(".fifo") {
            let id = &notification.id;
            request = request.message_group_id(notification.run.to_string()).message_deduplication_id(id);
        }
        request.send().await.map(|_| ()).map_err(|e| errors::read(&e))
    }

    async fn to_bus(&self, bus: &str, notification: &Notification) -> Result<(), CallError> {
        let envelope: Value = serde_json::from_str(&notification.envelope).unwrap_or_default();
        let resources = envelope["resources"].as_array().into_iter().flatten();
        let resources: Vec<String> = resources.filter_map(|r| r.as_str().map(str::to_owned)).collect();
        let entry = PutEventsRequestEntry::builder()
            .source("taskwatch")
            .detail_type("Taskwatch Run State Change")
            .set_resources(Some(resources))
            .detail(envelope["detail"].to_string())
            .event_bus_name(bus)
            .build();
        let answer = self.events.put_events().entries(entry).send().await.map_err(|e| errors::read(&e))?;
        match answer.entries().iter().find(|e| e.error_code().is_some()) {
            Some(failed) => Err(CallError::Unknown(failed.error_message().unwrap_or_default().to_owned())),
            None => Ok(()),
        }
    }
}

impl Notifier for Publisher {
    fn publish<'a>(&'a self, notification: &'a Notification) -> BoxFuture<'a, Result<(), CallError>> {
        Box::pin(async move {
            if let Some(topic) = &notification.topic_arn {
                self.to_topic(topic, notification).await?;
            }
            match &self.bus {
                Some(bus) => self.to_bus(bus, notification).await,
                None => Ok(()),
            }
        })
    }
}
