//! Messages: sent, received, deleted, hidden for longer.

use std::sync::Arc;
use std::time::Duration;

use serde_json::{Map, Value, json};

use super::queue::{Handed, Message};
use super::{Queue, Sqs, digest, invalid, lock};
use crate::local::wire::{ApiError, ApiResult, Call};

/// Messages a call may have (Amazon SQS quotas).
const MOST_A_BATCH: usize = 10;

impl Sqs {
    /// Puts a message; `delay` in seconds, else the queue's own.
    pub(super) fn put(&self, queue: &Queue, body: &str, attributes: Value, delay: Option<i64>) -> (String, String) {
        let now = self.clock.now_millis();
        let (id, md5) = (uuid::Uuid::new_v4().to_string(), digest::hex(body.as_bytes()));
        let message = Message::new(id.clone(), Arc::from(body), md5.clone(), attributes, now);
        let delay = delay.unwrap_or_else(|| queue.number("DelaySeconds"));
        lock(&queue.messages).push(message, now + delay * 1000);
        queue.arrived.notify_one();
        (id, md5)
    }

    fn send(&self, queue: &Queue, entry: &Value) -> ApiResult {
        let body = entry["MessageBody"].as_str().filter(|b| !b.is_empty());
        let body = body
            .ok_or_else(|| ApiError::new("MissingParameter", "The request must contain the parameter MessageBody."))?;
        let most = queue.number("MaximumMessageSize");
        if i64::try_from(body.len()).unwrap_or(i64::MAX) > most {
            let why = format!("One or more parameters are invalid. Reason: Message must be shorter than {most} bytes.");
            return Err(invalid(why));
        }
        let delay = entry["DelaySeconds"].as_i64();
        if delay.is_some_and(|d| !(0..=900).contains(&d)) {
            return Err(invalid("Value for parameter DelaySeconds is invalid. Reason: Must be between 0 and 900."));
        }
        let attributes = entry["MessageAttributes"].clone();
        let attributes_md5 = digest::of_attributes(&attributes);
        let (id, md5) = self.put(queue, body, attributes, delay);
        let mut answer = json!({"MessageId": id, "MD5OfMessageBody": md5});
        if let Some(md5) = attributes_md5 {
            answer["MD5OfMessageAttributes"] = md5.into();
        }
        Ok(answer)
    }

    pub(super) fn send_message(&self, call: &Call) -> ApiResult {
        self.send(&*self.queue(call)?, &call.body)
    }

    pub(super) fn send_message_batch(&self, call: &Call) -> ApiResult {
        let queue = self.queue(call)?;
        let bytes: usize = entries(&call.body).filter_map(|e| e["MessageBody"].as_str()).map(str::len).sum();
        if bytes > 1_048_576 {
            let why = "Batch requests cannot be longer than 1048576 bytes.";
            return Err(ApiError::new("BatchRequestTooLong", why));
        }
        batch(&call.body, |entry| self.send(&queue, entry))
    }

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
        }
    }

    fn take(&self, queue: &Queue, most: usize, visibility: i64) -> Vec<Handed> {
        let now = self.clock.now_millis();
        let oldest = now - queue.number("MessageRetentionPeriod") * 1000;
        let redrive = queue.attribute("RedrivePolicy").and_then(|p| serde_json::from_str::<Value>(&p).ok());
        let most_received = redrive.as_ref().and_then(|r| whole(&r["maxReceiveCount"]));
        let (mut handed, mut dead, more) = (Vec::new(), Vec::new(), {
            let mut messages = lock(&queue.messages);
            messages.advance(now, oldest);
            messages.counts().0 > most
        });
        {
            let mut messages = lock(&queue.messages);
            while handed.len() < most {
                match messages.take(now, now + visibility * 1000, most_received) {
                    Some(Ok(one)) => handed.push(one),
                    Some(Err(message)) => dead.push(message),
                    None => break,
                }
            }
        }
        let dlq = redrive.as_ref().and_then(|r| r["deadLetterTargetArn"].as_str());
        let dlq = dlq.and_then(|arn| lock(&self.queues).get(arn).cloned());
        if let Some(dlq) = dlq {
            for message in dead {
                // On standard queues a message keeps the time it was first sent (developer guide, dead-letter queues).
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

fn entries(body: &Value) -> impl Iterator<Item = &Value> {
    body["Entries"].as_array().into_iter().flatten()
}

/// Does each entry of a batch; what one of them is refused for, the others are not.
fn batch(body: &Value, mut each: impl FnMut(&Value) -> ApiResult) -> ApiResult {
    let ids: Vec<&str> = entries(body).map(|e| e["Id"].as_str().unwrap_or_default()).collect();
    if ids.is_empty() {
        let why = "There should be at least one entry in the request.";
        return Err(ApiError::new("EmptyBatchRequest", why));
    }
    if ids.len() > MOST_A_BATCH {
        let why = format!("Maximum number of entries per request are 10. You have sent {}.", ids.len());
        return Err(ApiError::new("TooManyEntriesInBatchRequest", why));
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
    let system = [
        ("ApproximateReceiveCount", message.received.to_string()),
        ("SentTimestamp", message.sent.to_string()),
        ("ApproximateFirstReceiveTimestamp", message.first_received.unwrap_or(message.sent).to_string()),
        ("SenderId", "AIDATASKWATCHLOCAL".to_owned()),
    ];
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

fn whole(value: &Value) -> Option<u32> {
    let number = value.as_u64().or_else(|| value.as_str()?.parse().ok())?;
    u32::try_from(number).ok()
}
