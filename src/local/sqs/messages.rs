//! Messages: received, deleted, hidden for longer.

use std::collections::HashSet;
use std::time::Duration;

use serde_json::{Map, Value, json};

use super::queue::Handed;
use super::{Queue, Sqs, digest, invalid, lock};
use crate::local::wire::{ApiError, ApiResult, Call};

/// Messages a call may have (Amazon SQS quotas).
const MOST_A_BATCH: usize = 10;
/// Messages a queue may have in flight (Amazon SQS quotas).
const MOST_IN_FLIGHT: usize = 120_000;

impl Sqs {
    pub(super) async fn receive_message(&self, call: &Call) -> ApiResult {
        let queue = self.queue(call)?;
        let number = |name: &str| call.body[name].as_i64();
        let most = number("MaxNumberOfMessages").unwrap_or(1);
        if !(1..=10).contains(&most) {
            return Err(invalid(format!(
                "Value {most} for parameter MaxNumberOfMessages is invalid. Reason: Must be between 1 and 10, if provided."
            )));
        }
        let wait = number("WaitTimeSeconds").unwrap_or_else(|| queue.number("ReceiveMessageWaitTimeSeconds"));
        if !(0..=20).contains(&wait) {
            return Err(invalid(format!(
                "Value {wait} for parameter WaitTimeSeconds is invalid. Reason: Must be >= 0 and <= 20, if provided."
            )));
        }
        let visibility = number("VisibilityTimeout").unwrap_or_else(|| queue.number("VisibilityTimeout"));
        if !(0..=43_200).contains(&visibility) {
            return Err(invalid(format!(
                "Value {visibility} for parameter VisibilityTimeout is invalid. Reason: Must be between 0 and 43200."
            )));
        }
        // "ReceiveMessage returns OverLimit" on short polls; long polls get nothing (Amazon SQS quotas).
        if wait == 0 && lock(&queue.messages).in_flight() >= MOST_IN_FLIGHT {
            let why = format!("Too many messages in flight: the maximum is {MOST_IN_FLIGHT}.");
            return Err(ApiError { status: 403, ..ApiError::new("OverLimit", why) });
        }
        let deadline = self.clock.now_millis() + wait * 1000;
        loop {
            let handed = self.take(&queue, usize::try_from(most).unwrap_or(1), visibility);
            let now = self.clock.now_millis();
            if !handed.is_empty() || now >= deadline {
                let messages: Vec<Value> = handed.iter().map(|handed| shown(handed, &call.body)).collect();
                return Ok(if messages.is_empty() { json!({}) } else { json!({"Messages": messages}) });
            }
            let next = lock(&queue.messages).next_visible().map_or(deadline, |at| at.min(deadline));
            let sleep = Duration::from_millis(u64::try_from(next - now).unwrap_or(0).max(1));
            tokio::select! {
                () = queue.arrived.notified() => {}
                () = tokio::time::sleep(sleep) => {}
            }
            // Who waits at a queue that is deleted learns it, though "requests … might succeed" for another 60 s (API reference,
            // DeleteQueue).
            self.queue(call)?;
        }
    }

    fn take(&self, queue: &Queue, most: usize, visibility: i64) -> Vec<Handed> {
        let now = self.clock.now_millis();
        let oldest = now - queue.number("MessageRetentionPeriod") * 1000;
        // Without the dead-letter queue there is nowhere to put what was received too often.
        let redrive = queue.redrive().and_then(|(arn, most)| Some((lock(&self.queues).get(&arn).cloned()?, most)));
        let most_received = redrive.as_ref().map(|(_, most)| *most);
        let (mut handed, mut dead, mut mine) = (Vec::new(), Vec::new(), HashSet::new());
        let more = {
            let mut messages = lock(&queue.messages);
            messages.advance(now, oldest);
            let room = MOST_IN_FLIGHT.saturating_sub(messages.in_flight());
            let more = messages.counts().0 > most;
            while handed.len() < most.min(room) {
                match messages.take(now, now + visibility * 1000, most_received, &mut mine) {
                    Some(Ok(one)) => handed.push(one),
                    Some(Err(message)) => dead.push(message),
                    None => break,
                }
            }
            more
        };
        if let Some((dlq, _)) = redrive {
            for mut message in dead {
                // On standard queues a message keeps the time it was first sent (developer guide, dead-letter queues).
                message.source = Some(queue.arn.clone());
                lock(&dlq.messages).push(message, i64::MIN);
                dlq.arrived.notify_one();
            }
        }
        if more {
            // One arrival wakes one receiver; whoever leaves messages behind wakes the next.
            queue.arrived.notify_one();
        }
        handed
    }

    pub(super) fn delete_message(&self, call: &Call) -> ApiResult {
        delete(&*self.queue(call)?, &call.body)
    }

    pub(super) fn delete_message_batch(&self, call: &Call) -> ApiResult {
        let queue = self.queue(call)?;
        batch(&call.body, |entry| delete(&queue, entry))
    }

    fn change(&self, queue: &Queue, entry: &Value) -> ApiResult {
        let seconds = entry["VisibilityTimeout"].as_i64().unwrap_or(0);
        if !(0..=43_200).contains(&seconds) {
            return Err(invalid(
                "Value for parameter VisibilityTimeout is invalid. Reason: Must be between 0 and 43200.",
            ));
        }
        let now = self.clock.now_millis();
        let receipt = entry["ReceiptHandle"].as_str().unwrap_or_default();
        if !lock(&queue.messages).change(receipt, now, now + seconds * 1000) {
            let why = "Value for parameter ReceiptHandle is invalid. Reason: Message does not exist or is not available for visibility timeout change.";
            return Err(ApiError::new("MessageNotInflight", why));
        }
        queue.arrived.notify_one();
        Ok(json!({}))
    }

    pub(super) fn change_visibility(&self, call: &Call) -> ApiResult {
        self.change(&*self.queue(call)?, &call.body)
    }

    pub(super) fn change_visibility_batch(&self, call: &Call) -> ApiResult {
        let queue = self.queue(call)?;
        batch(&call.body, |entry| self.change(&queue, entry))
    }
}

fn delete(queue: &Queue, entry: &Value) -> ApiResult {
    let receipt = entry["ReceiptHandle"].as_str().unwrap_or_default();
    if lock(&queue.messages).delete(receipt) {
        return Ok(json!({}));
    }
    Err(ApiError::new(
        "ReceiptHandleIsInvalid",
        format!("The input receipt handle \"{receipt}\" is not a valid receipt handle."),
    ))
}

pub(super) fn entries(body: &Value) -> impl Iterator<Item = &Value> {
    body["Entries"].as_array().into_iter().flatten()
}

/// Does each entry of a batch; what one of them is refused for, the others are not.
pub(super) fn batch(body: &Value, mut each: impl FnMut(&Value) -> ApiResult) -> ApiResult {
    let ids: Vec<&str> = entries(body).map(|e| e["Id"].as_str().unwrap_or_default()).collect();
    if ids.is_empty() {
        let why = "There should be at least one entry in the request.";
        return Err(ApiError::new("EmptyBatchRequest", why));
    }
    if ids.len() > MOST_A_BATCH {
        let why = format!("Maximum number of entries per request are 10. You have sent {}.", ids.len());
        return Err(ApiError::new("TooManyEntriesInBatchRequest", why));
    }
    let fits = |c: char| c.is_ascii_alphanumeric() || "-_".contains(c);
    if ids.iter().any(|id| !(1..=80).contains(&id.len()) || !id.chars().all(fits)) {
        let why = "A batch entry id can only contain alphanumeric characters, hyphens and underscores. It can be at most 80 letters long.";
        return Err(ApiError::new("InvalidBatchEntryId", why));
    }
    if ids.iter().enumerate().any(|(i, id)| ids[..i].contains(id)) {
        return Err(ApiError::new(
            "BatchEntryIdsNotDistinct",
            "Two or more batch entries in the request have the same Id.",
        ));
    }
    let (mut done, mut failed) = (Vec::new(), Vec::new());
    for entry in entries(body) {
        match each(entry) {
            Ok(mut answer) => {
                answer["Id"] = entry["Id"].clone();
                done.push(answer);
            }
            Err(e) => {
                failed.push(json!({"Id": entry["Id"], "SenderFault": true, "Code": e.code, "Message": e.message}))
            }
        }
    }
    let mut answer = Map::new();
    answer.insert("Successful".into(), done.into());
    if !failed.is_empty() {
        answer.insert("Failed".into(), failed.into());
    }
    Ok(answer.into())
}

fn shown(handed: &Handed, asked: &Value) -> Value {
    let message = &handed.message;
    let mut answer = json!({
        "MessageId": message.message_id,
        "ReceiptHandle": handed.receipt,
        "MD5OfBody": message.body_md5,
        "Body": &*message.body,
    });
    let mut system = vec![
        ("ApproximateReceiveCount", message.received.to_string()),
        ("SentTimestamp", message.sent.to_string()),
        ("ApproximateFirstReceiveTimestamp", message.first_received.unwrap_or(message.sent).to_string()),
        ("SenderId", "AIDATASKWATCHLOCAL".to_owned()),
    ];
    for (name, value) in [
        ("AWSTraceHeader", message.trace.as_deref()),
        ("MessageGroupId", message.group.as_deref()),
        ("MessageDeduplicationId", message.deduplication.as_deref()),
        ("SequenceNumber", message.sequence.as_deref()),
        ("DeadLetterQueueSourceArn", message.source.as_deref()),
    ] {
        system.extend(value.map(|value| (name, value.to_owned())));
    }
    let wants = |list: &str, name: &str| {
        let names = asked[list].as_array().into_iter().flatten().filter_map(Value::as_str);
        names
            .into_iter()
            .any(|n| n == "All" || n == ".*" || n == name || n.strip_suffix(".*").is_some_and(|p| name.starts_with(p)))
    };
    let system: Map<String, Value> = system
        .into_iter()
        .filter(|(name, _)| wants("AttributeNames", name) || wants("MessageSystemAttributeNames", name))
        .map(|(name, value)| (name.to_owned(), value.into()))
        .collect();
    if !system.is_empty() {
        answer["Attributes"] = system.into();
    }
    let given = message.attributes.as_object().into_iter().flatten();
    let given: Map<String, Value> =
        given.filter(|(name, _)| wants("MessageAttributeNames", name)).map(|(n, v)| (n.clone(), v.clone())).collect();
    let given = Value::Object(given);
    if let Some(md5) = digest::of_attributes(&given) {
        answer["MessageAttributes"] = given;
        answer["MD5OfMessageAttributes"] = md5.into();
    }
    answer
}
