//! An event pipeline for a while: queue, rule and target, made for one process and removed at its end.
//!
//! What a killed process left of it is found by its name and its tag ([`super::Leftovers`]).

use aws_sdk_eventbridge::types::{Tag, Target as RuleTarget};
use aws_sdk_sqs::types::QueueAttributeName;
use serde_json::json;

use super::Clients;
use super::setup::{Owner, TARGET};

/// Why the path could not be made.
#[derive(Debug, thiserror::Error)]
#[error("cannot make the events path ({step}): {cause}")]
pub struct ProvisionError {
    step: &'static str,
    cause: String,
}

/// A queue that gets the task events of one cell.
#[derive(Clone, Debug)]
pub struct EventsPath {
    /// The queue's URL.
    pub queue_url: String,
    rule: String,
}

fn failed<E: std::error::Error + 'static>(step: &'static str) -> impl Fn(E) -> ProvisionError {
    move |error| {
        let cause = error.source().map_or_else(|| error.to_string(), ToString::to_string);
        ProvisionError { step, cause }
    }
}

impl EventsPath {
    /// The rule's pattern for a cell (EventBridge event patterns; ECS task events carry `startedBy`).
    pub fn pattern(cell: &str) -> String {
        let detail = json!({"startedBy": [{"prefix": format!("{cell}/")}]});
        json!({"source": ["aws.ecs"], "detail-type": ["ECS Task State Change"], "detail": detail}).to_string()
    }

    /// Makes queue, rule, policy and target for a cell; making them again changes nothing. Where a call is refused, what was
    /// made before it is removed.
    ///
    /// # Errors
    /// The first call that AWS refused.
    pub async fn make(clients: &Clients, cell: &str) -> Result<Self, ProvisionError> {
        let mut path = Self { queue_url: String::new(), rule: format!("{cell}-events") };
        match path.build(clients, cell).await {
            Ok(()) => Ok(path),
            Err(error) => {
                path.remove(clients).await;
                Err(error)
            }
        }
    }

    async fn build(&mut self, clients: &Clients, cell: &str) -> Result<(), ProvisionError> {
        let sqs = aws_sdk_sqs::Client::new(&clients.config);
        let events = aws_sdk_eventbridge::Client::new(&clients.config);
        let owner = Owner::cell(cell);
        let tags = owner.tags().map(|(key, value)| (key.to_owned(), value.to_owned())).collect();
        let made = sqs.create_queue().queue_name(&self.rule).set_tags(Some(tags)).send().await;
        self.queue_url = made.map_err(failed("CreateQueue"))?.queue_url().unwrap_or_default().to_owned();
        let wanted = QueueAttributeName::QueueArn;
        let read = sqs.get_queue_attributes().queue_url(&self.queue_url).attribute_names(wanted.clone()).send().await;
        let read = read.map_err(failed("GetQueueAttributes"))?;
        let queue_arn = read.attributes().and_then(|a| a.get(&wanted)).cloned().unwrap_or_default();
        let tags = owner.tags().map(|(key, value)| Tag::builder().key(key).value(value).build());
        let tags = tags.collect::<Result<Vec<_>, _>>().map_err(failed("PutRule"))?;
        let rule = events.put_rule().name(&self.rule).event_pattern(Self::pattern(cell));
        let rule = rule.set_tags(Some(tags)).send().await;
        let rule_arn = rule.map_err(failed("PutRule"))?.rule_arn().unwrap_or_default().to_owned();
        let policy = json!({"Version": "2012-10-17", "Statement": [{"Effect": "Allow",
            "Principal": {"Service": "events.amazonaws.com"}, "Action": "sqs:SendMessage", "Resource": queue_arn,
            "Condition": {"ArnEquals": {"aws:SourceArn": rule_arn}}}]});
        let allow = sqs.set_queue_attributes().queue_url(&self.queue_url);
        let allow = allow.attributes(QueueAttributeName::Policy, policy.to_string()).send().await;
        allow.map_err(failed("SetQueueAttributes"))?;
        let target = RuleTarget::builder().id(TARGET).arn(&queue_arn).build().map_err(failed("PutTargets"))?;
        events.put_targets().rule(&self.rule).targets(target).send().await.map_err(failed("PutTargets"))?;
        Ok(())
    }

    /// Takes it all away again; what is gone already is no error.
    pub async fn remove(&self, clients: &Clients) {
        let events = aws_sdk_eventbridge::Client::new(&clients.config);
        let sqs = aws_sdk_sqs::Client::new(&clients.config);
        let _ = events.remove_targets().rule(&self.rule).ids(TARGET).send().await;
        let _ = events.delete_rule().name(&self.rule).send().await;
        if !self.queue_url.is_empty() {
            let _ = sqs.delete_queue().queue_url(&self.queue_url).send().await;
        }
    }
}

impl Clients {
    /// Makes a queue, or finds it; its URL.
    ///
    /// # Errors
    /// AWS refused.
    pub async fn create_queue(&self, name: &str) -> Result<String, ProvisionError> {
        let sqs = aws_sdk_sqs::Client::new(&self.config);
        let made = sqs.create_queue().queue_name(name).send().await.map_err(failed("CreateQueue"))?;
        Ok(made.queue_url().unwrap_or_default().to_owned())
    }

    /// Makes a topic whose messages arrive, as they are, in a queue: the topic's ARN and the queue's URL.
    ///
    /// # Errors
    /// The first call that AWS refused.
    pub async fn create_subscribed_topic(&self, name: &str) -> Result<(String, String), ProvisionError> {
        let sns = aws_sdk_sns::Client::new(&self.config);
        let sqs = aws_sdk_sqs::Client::new(&self.config);
        let topic = sns.create_topic().name(name).send().await.map_err(failed("CreateTopic"))?;
        let topic = topic.topic_arn().unwrap_or_default().to_owned();
        let queue_url = self.create_queue(name).await?;
        let wanted = QueueAttributeName::QueueArn;
        let read = sqs.get_queue_attributes().queue_url(&queue_url).attribute_names(wanted.clone()).send().await;
        let read = read.map_err(failed("GetQueueAttributes"))?;
        let queue = read.attributes().and_then(|a| a.get(&wanted)).cloned().unwrap_or_default();
        let policy = json!({"Version": "2012-10-17", "Statement": [{"Effect": "Allow",
            "Principal": {"Service": "sns.amazonaws.com"}, "Action": "sqs:SendMessage", "Resource": queue,
            "Condition": {"ArnEquals": {"aws:SourceArn": topic}}}]});
        let allow = sqs.set_queue_attributes().queue_url(&queue_url);
        let allow = allow.attributes(QueueAttributeName::Policy, policy.to_string()).send().await;
        allow.map_err(failed("SetQueueAttributes"))?;
        let subscription = sns.subscribe().topic_arn(&topic).protocol("sqs").endpoint(queue);
        let subscribed = subscription.attributes("RawMessageDelivery", "true").send().await;
        subscribed.map_err(failed("Subscribe"))?;
        Ok((topic, queue_url))
    }
}
