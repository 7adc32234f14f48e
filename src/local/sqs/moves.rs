//! Dead-letter queues seen from their own end: whose they are, and the way back.

use serde_json::{Value, json};

use super::admin::{paged, url};
use super::{Sqs, invalid, lock};
use crate::local::wire::{ApiError, ApiResult, Call};

/// A finished StartMessageMoveTask.
#[derive(Debug)]
pub(super) struct Moved {
    source: String,
    destination: Option<String>,
    count: u64,
    started: i64,
}

impl Sqs {
    pub(super) fn list_sources(&self, call: &Call) -> ApiResult {
        let dlq = self.queue(call)?;
        let queues: Vec<_> = lock(&self.queues).values().cloned().collect();
        let mine = queues.iter().filter(|queue| queue.redrive().is_some_and(|(arn, _)| arn == dlq.arn));
        let urls = mine.map(|queue| url(call, queue.arn.rsplit(':').next().unwrap_or_default())).collect();
        let mut answer = paged(call, "queueUrls", urls);
        if answer.get("queueUrls").is_none() {
            answer["queueUrls"] = json!([]);
        }
        Ok(answer)
    }

    /// Moves all that can be seen, at once: to the destination, or each message to the queue it came from.
    pub(super) fn start_move(&self, call: &Call) -> ApiResult {
        let source = call.body["SourceArn"].as_str().unwrap_or_default();
        let destination = call.body["DestinationArn"].as_str();
        let of = |arn: &str| lock(&self.queues).get(arn).cloned().ok_or_else(|| not_found(arn));
        let queue = of(source)?;
        let everywhere: Vec<_> = lock(&self.queues).values().cloned().collect();
        if !everywhere.iter().any(|q| q.redrive().is_some_and(|(arn, _)| arn == source)) {
            return Err(invalid("Source queue must be configured as a Dead Letter Queue."));
        }
        let fixed = destination.map(of).transpose()?;
        let now = self.clock.now_millis();
        let (mut count, mut kept) = (0, Vec::new());
        loop {
            let next = {
                let mut messages = lock(&queue.messages);
                messages.advance(now, i64::MIN);
                messages.pop()
            };
            let Some(mut message) = next else { break };
            let back = fixed.clone().or_else(|| message.source.as_deref().and_then(|arn| of(arn).ok()));
            let Some(back) = back else {
                kept.push(message);
                continue;
            };
            message.received = 0;
            message.first_received = None;
            message.source = None;
            message.sent = now;
            lock(&back.messages).push(message, i64::MIN);
            back.arrived.notify_one();
            count += 1;
        }
        kept.into_iter().for_each(|message| drop(lock(&queue.messages).push(message, i64::MIN)));
        let (source, destination) = (source.to_owned(), destination.map(str::to_owned));
        lock(&self.moves).push(Moved { source, destination, count, started: now });
        Ok(json!({"TaskHandle": uuid::Uuid::new_v4().to_string()}))
    }

    pub(super) fn list_moves(&self, call: &Call) -> ApiResult {
        let source = call.body["SourceArn"].as_str().unwrap_or_default();
        if !lock(&self.queues).contains_key(source) {
            return Err(not_found(source));
        }
        let most = call.body["MaxResults"].as_u64().unwrap_or(1).clamp(1, 10);
        let moves = lock(&self.moves);
        let mine = moves.iter().rev().filter(|moved| moved.source == source).take(usize::try_from(most).unwrap_or(1));
        let shown = mine.map(|moved| {
            let mut shown = json!({"Status": "COMPLETED", "SourceArn": moved.source, "StartedTimestamp": moved.started,
                "ApproximateNumberOfMessagesMoved": moved.count, "ApproximateNumberOfMessagesToMove": moved.count});
            if let Some(destination) = &moved.destination {
                shown["DestinationArn"] = destination.as_str().into();
            }
            shown
        });
        Ok(json!({"Results": shown.collect::<Vec<Value>>()}))
    }
}

fn not_found(arn: &str) -> ApiError {
    let why =
        format!("The resource that you specified for the SourceArn or DestinationArn parameter doesn't exist: {arn}");
    ApiError::new("ResourceNotFoundException", why)
}
