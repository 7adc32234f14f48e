//! SQS: long polls, visibility, delays, batches, dead-letter queues and their redrive, FIFO queues.

mod admin;
mod digest;
mod messages;
mod moves;
mod queue;
mod send;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use futures::FutureExt;
use futures::future::BoxFuture;
use serde_json::Value;
use tokio::sync::Notify;

use super::clock::Clock;
use super::policy;
use super::wire::{self, ApiError, ApiResult, Call, JsonService};
use queue::Messages;
pub(in crate::local) use send::Extras;

/// What is served.
const OPERATIONS: [&str; 20] = [
    "CreateQueue",
    "GetQueueUrl",
    "ListQueues",
    "DeleteQueue",
    "PurgeQueue",
    "GetQueueAttributes",
    "SetQueueAttributes",
    "TagQueue",
    "UntagQueue",
    "ListQueueTags",
    "SendMessage",
    "SendMessageBatch",
    "ReceiveMessage",
    "DeleteMessage",
    "DeleteMessageBatch",
    "ChangeMessageVisibility",
    "ChangeMessageVisibilityBatch",
    "ListDeadLetterSourceQueues",
    "StartMessageMoveTask",
    "ListMessageMoveTasks",
];

/// The queues of every region and account.
#[derive(Debug)]
pub struct Sqs {
    clock: Arc<Clock>,
    queues: Mutex<HashMap<String, Arc<Queue>>>,
    moves: Mutex<Vec<moves::Moved>>,
    /// When queues were deleted, by ARN.
    deleted: Mutex<HashMap<String, i64>>,
}

/// One queue.
#[derive(Debug)]
struct Queue {
    arn: String,
    settings: Mutex<Settings>,
    messages: Mutex<Messages>,
    arrived: Notify,
}

#[derive(Debug, Default)]
struct Settings {
    /// Seconds since the epoch.
    created: i64,
    modified: i64,
    attributes: BTreeMap<String, String>,
    tags: BTreeMap<String, String>,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Queue {
    fn attribute(&self, name: &str) -> Option<String> {
        lock(&self.settings).attributes.get(name).cloned()
    }

    /// A number of the queue's attributes, else AWS's default (API reference, SetQueueAttributes).
    fn number(&self, name: &str) -> i64 {
        let given = self.attribute(name).and_then(|text| text.parse().ok());
        given.unwrap_or(match name {
            "VisibilityTimeout" => 30,
            "MessageRetentionPeriod" => 345_600,
            "MaximumMessageSize" => 1_048_576,
            _ => 0,
        })
    }

    fn fifo(&self) -> bool {
        self.arn.ends_with(".fifo")
    }

    /// The ARN of the dead-letter queue, and how often a message is received before it goes there.
    fn redrive(&self) -> Option<(String, u32)> {
        let policy: Value = serde_json::from_str(&self.attribute("RedrivePolicy")?).ok()?;
        let most = &policy["maxReceiveCount"];
        let most = most.as_u64().or_else(|| most.as_str()?.parse().ok())?;
        Some((policy["deadLetterTargetArn"].as_str()?.to_owned(), u32::try_from(most).ok()?))
    }
}

impl Sqs {
    /// No queues yet.
    pub fn new(clock: Arc<Clock>) -> Self {
        Self { clock, queues: Mutex::default(), moves: Mutex::default(), deleted: Mutex::default() }
    }

    /// Delivers what a service sends, if the queue's policy lets it: `service` as in `events.amazonaws.com`, on behalf of
    /// `source_arn` (a rule, a topic).
    ///
    /// # Errors
    /// What AWS would note in the target's dead-letter queue: no such queue, or no permission.
    pub(in crate::local) fn deliver(
        &self,
        queue_arn: &str,
        service: &str,
        source_arn: &str,
        body: &str,
        extras: Extras<'_>,
    ) -> Result<(), (&'static str, String)> {
        let queue = lock(&self.queues).get(queue_arn).cloned();
        let Some(queue) = queue else {
            return Err(("NO_RESOURCE", format!("the queue {queue_arn} does not exist")));
        };
        let allowed = queue.attribute("Policy").is_some_and(|p| policy::allows(&p, service, source_arn, queue_arn));
        if !allowed {
            return Err((
                "NO_PERMISSIONS",
                format!("the policy of {queue_arn} does not let {service} send for {source_arn}"),
            ));
        }
        self.put(&queue, body, extras).map(drop).map_err(|e| ("SDK_CLIENT_ERROR", e.message))
    }

    /// Lets the names of deleted queues be taken again at once, for those who cannot wait a minute.
    pub fn forget_deleted(&self) {
        lock(&self.deleted).clear();
    }

    /// How many messages a queue holds.
    pub fn depth(&self, queue_arn: &str) -> usize {
        let queue = lock(&self.queues).get(queue_arn).cloned();
        queue.map_or(0, |queue| {
            let (visible, in_flight, delayed) = lock(&queue.messages).counts();
            visible + in_flight + delayed
        })
    }

    /// The queue that a call's QueueUrl names.
    fn queue(&self, call: &Call) -> Result<Arc<Queue>, ApiError> {
        let url = call.body["QueueUrl"].as_str().unwrap_or_default();
        let mut parts = url.rsplit('/');
        let name = parts.next().unwrap_or_default();
        let account = parts.next().filter(|a| a.bytes().all(|b| b.is_ascii_digit())).unwrap_or(&call.account);
        let arn = format!("arn:aws:sqs:{}:{account}:{name}", call.region);
        lock(&self.queues).get(&arn).cloned().ok_or_else(no_queue)
    }

    async fn answer(&self, call: Call) -> ApiResult {
        match call.operation.as_str() {
            "CreateQueue" => self.create_queue(&call),
            "GetQueueUrl" => self.get_queue_url(&call),
            "ListQueues" => Ok(self.list_queues(&call)),
            "DeleteQueue" => self.delete_queue(&call),
            "PurgeQueue" => self.purge_queue(&call),
            "GetQueueAttributes" => self.get_queue_attributes(&call),
            "SetQueueAttributes" => self.set_queue_attributes(&call),
            "TagQueue" | "UntagQueue" | "ListQueueTags" => self.tags(&call),
            "SendMessage" => self.send_message(&call),
            "SendMessageBatch" => self.send_message_batch(&call),
            "ReceiveMessage" => self.receive_message(&call).await,
            "DeleteMessage" => self.delete_message(&call),
            "DeleteMessageBatch" => self.delete_message_batch(&call),
            "ChangeMessageVisibility" => self.change_visibility(&call),
            "ChangeMessageVisibilityBatch" => self.change_visibility_batch(&call),
            "ListDeadLetterSourceQueues" => self.list_sources(&call),
            "StartMessageMoveTask" => self.start_move(&call),
            "ListMessageMoveTasks" => self.list_moves(&call),
            other => Err(wire::unknown("SQS", other, &OPERATIONS)),
        }
    }
}

impl JsonService for Sqs {
    fn handle<'a>(&'a self, call: Call) -> BoxFuture<'a, ApiResult> {
        self.answer(call).boxed()
    }
}

fn no_queue() -> ApiError {
    ApiError::new("QueueDoesNotExist", "The specified queue does not exist.")
}

fn invalid(message: impl Into<String>) -> ApiError {
    ApiError::new("InvalidParameterValue", message)
}
