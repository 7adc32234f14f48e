//! The notifier: SNS topics and EventBridge buses, a call for each batch; and those who wait by a token, a call for each.

use aws_config::SdkConfig;
use futures::future::BoxFuture;

use super::callbacks::Callbacks;
use super::{eventbridge, sns};
use crate::cell::ports::{CallError, Notifier};
use crate::core::failure;
use crate::core::notification::{Destination, Notification};

/// SNS, EventBridge, Step Functions and Lambda through the SDK.
#[derive(Clone, Debug)]
pub struct Publisher {
    sns: aws_sdk_sns::Client,
    events: aws_sdk_eventbridge::Client,
    callbacks: Callbacks,
}

impl Publisher {
    pub(super) fn new(config: &SdkConfig) -> Self {
        Self {
            sns: aws_sdk_sns::Client::new(config),
            events: aws_sdk_eventbridge::Client::new(config),
            callbacks: Callbacks::new(config),
        }
    }
}

impl Notifier for Publisher {
    fn publish<'a>(&'a self, notifications: &'a [Notification]) -> BoxFuture<'a, Vec<Result<(), CallError>>> {
        Box::pin(async move {
            match notifications.first().map(|notification| &notification.destination) {
                Some(Destination::Topic(arn)) => sns::publish(&self.sns, arn, notifications).await,
                Some(Destination::Bus(name)) => eventbridge::publish(&self.events, name, notifications).await,
                Some(Destination::StepFunctions | Destination::DurableFunctions) => {
                    self.callbacks.publish(notifications).await
                }
                None => Vec::new(),
            }
        })
    }
}

/// The destination will never take this one as it is.
pub(super) fn never(code: &str, message: &str) -> CallError {
    let mut failure = failure::from_exception(code, message);
    // These names are not ECS's.
    failure.error = code.to_owned();
    failure.cause = message.to_owned();
    CallError::Refused(Box::new(failure))
}

/// The destination may take it later.
pub(super) fn later(code: &str, message: &str) -> CallError {
    let text = format!("{code}: {message}");
    if code.contains("Throttl") { CallError::Throttled(text) } else { CallError::Unknown(text) }
}
