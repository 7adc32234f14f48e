//! Queues themselves: made, found, set, deleted.

use std::sync::Arc;

use serde_json::{Map, Value, json};

use super::{Messages, Queue, Settings, Sqs, invalid, lock, no_queue};
use crate::local::wire::{ApiError, ApiResult, Call};

/// Attributes that a caller may set (API reference, SetQueueAttributes), and the numbers they may have.
const SETTABLE: [(&str, Option<(i64, i64)>); 15] = [
    ("DelaySeconds", Some((0, 900))),
    ("MaximumMessageSize", Some((1024, 1_048_576))),
    ("MessageRetentionPeriod", Some((60, 1_209_600))),
    ("ReceiveMessageWaitTimeSeconds", Some((0, 20))),
    ("VisibilityTimeout", Some((0, 43_200))),
    ("Policy", None),
    ("RedrivePolicy", None),
    ("RedriveAllowPolicy", None),
    ("KmsMasterKeyId", None),
    ("KmsDataKeyReusePeriodSeconds", Some((60, 86_400))),
    ("SqsManagedSseEnabled", None),
    ("FifoQueue", None),
    ("ContentBasedDeduplication", None),
    ("DeduplicationScope", None),
    ("FifoThroughputLimit", None),
];
const FIFO_ONLY: [&str; 4] = ["FifoQueue", "ContentBasedDeduplication", "DeduplicationScope", "FifoThroughputLimit"];
/// What else GetQueueAttributes answers.
const SHOWN: [&str; 7] = [
    "All",
    "ApproximateNumberOfMessages",
    "ApproximateNumberOfMessagesNotVisible",
    "ApproximateNumberOfMessagesDelayed",
    "CreatedTimestamp",
    "LastModifiedTimestamp",
    "QueueArn",
];

/// So long a deleted queue's name cannot be taken again (API reference, DeleteQueue).
const RECENTLY_MILLIS: i64 = 60_000;

impl Sqs {
    pub(super) fn create_queue(&self, call: &Call) -> ApiResult {
        let name = call.body["QueueName"].as_str().unwrap_or_default();
        let fits = |c: char| c.is_ascii_alphanumeric() || "-_".contains(c);
        let fifo = name.ends_with(".fifo");
        if !(1..=80).contains(&name.len()) || !name.trim_end_matches(".fifo").chars().all(fits) {
            return Err(invalid(
                "Can only include alphanumeric characters, hyphens, or underscores. 1 to 80 in length",
            ));
        }
        let wanted = self.attributes(&call.body["Attributes"])?;
        let says_fifo = wanted.iter().any(|(k, v)| k == "FifoQueue" && v == "true");
        if fifo && !says_fifo {
            return Err(invalid(
                "The name of a FIFO queue can only include alphanumeric characters, hyphens, or underscores, must end with .fifo suffix and be 1 to 80 in length: FifoQueue must be true.",
            ));
        }
        if !fifo && wanted.iter().any(|(k, _)| FIFO_ONLY.contains(&k.as_str())) {
            let name = wanted.iter().map(|(k, _)| k).find(|k| FIFO_ONLY.contains(&k.as_str()));
            return Err(ApiError::new(
                "InvalidAttributeName",
                format!("Unknown Attribute {}.", name.map_or("", String::as_str)),
            ));
        }
        let arn = format!("arn:aws:sqs:{}:{}:{name}", call.region, call.account);
        let mut queues = lock(&self.queues);
        if lock(&self.deleted).get(&arn).is_some_and(|at| self.clock.now_millis() - at < RECENTLY_MILLIS) {
            let why =
                "You must wait 60 seconds after deleting a queue before you can create another with the same name.";
            return Err(ApiError::new("QueueDeletedRecently", why));
        }
        if let Some(known) = queues.get(&arn) {
            let same = |name: &str, value: &str| match known.attribute(name) {
                Some(set) => set == value,
                None => is_number(name) && known.number(name).to_string() == value,
            };
            if let Some((name, _)) = wanted.iter().find(|(name, value)| !same(name, value)) {
                let why =
                    format!("A queue already exists with the same name and a different value for attribute {name}");
                return Err(ApiError::new("QueueNameExists", why));
            }
        } else {
            let now = self.clock.now_millis() / 1000;
            let mut settings = Settings { created: now, modified: now, ..Settings::default() };
            settings.attributes = wanted.into_iter().collect();
            // The model says `tags`; so do its JSON clients.
            for (name, value) in call.body["tags"].as_object().into_iter().flatten() {
                settings.tags.insert(name.clone(), value.as_str().unwrap_or_default().to_owned());
            }
            let queue = Queue {
                arn: arn.clone(),
                settings: settings.into(),
                messages: if fifo { Messages::fifo() } else { Messages::default() }.into(),
                arrived: tokio::sync::Notify::new(),
            };
            queues.insert(arn, Arc::new(queue));
        }
        Ok(json!({"QueueUrl": url(call, name)}))
    }

    pub(super) fn get_queue_url(&self, call: &Call) -> ApiResult {
        let name = call.body["QueueName"].as_str().unwrap_or_default();
        let arn = format!("arn:aws:sqs:{}:{}:{name}", call.region, call.account);
        if lock(&self.queues).contains_key(&arn) { Ok(json!({"QueueUrl": url(call, name)})) } else { Err(no_queue()) }
    }

    pub(super) fn list_queues(&self, call: &Call) -> Value {
        let prefix = call.body["QueueNamePrefix"].as_str().unwrap_or_default();
        let mine = format!("arn:aws:sqs:{}:{}:", call.region, call.account);
        let queues = lock(&self.queues);
        let names = queues.keys().filter_map(|arn| arn.strip_prefix(&mine)).filter(|name| name.starts_with(prefix));
        paged(call, "QueueUrls", names.map(|name| url(call, name)).collect())
    }

    pub(super) fn delete_queue(&self, call: &Call) -> ApiResult {
        let queue = self.queue(call)?;
        lock(&self.queues).remove(&queue.arn);
        lock(&self.deleted).insert(queue.arn.clone(), self.clock.now_millis());
        queue.arrived.notify_waiters();
        Ok(json!({}))
    }

    pub(super) fn purge_queue(&self, call: &Call) -> ApiResult {
        lock(&self.queue(call)?.messages).clear();
        Ok(json!({}))
    }

    pub(super) fn get_queue_attributes(&self, call: &Call) -> ApiResult {
        let queue = self.queue(call)?;
        let names = || call.body["AttributeNames"].as_array().into_iter().flatten().filter_map(Value::as_str);
        let known = |name: &&str| SHOWN.contains(name) || SETTABLE.iter().any(|(settable, _)| settable == name);
        if let Some(name) = names().find(|name| !known(name)) {
            return Err(ApiError::new("InvalidAttributeName", format!("Unknown Attribute {name}.")));
        }
        let now = self.clock.now_millis();
        let (visible, in_flight, delayed) = {
            let mut messages = lock(&queue.messages);
            messages.advance(now, i64::MIN);
            messages.counts()
        };
        let mut all = Map::new();
        let numbers = SETTABLE.iter().filter(|(name, _)| is_number(name));
        all.extend(numbers.map(|(name, _)| ((*name).to_owned(), queue.number(name).to_string().into())));
        for (name, count) in [
            ("ApproximateNumberOfMessages", visible),
            ("ApproximateNumberOfMessagesNotVisible", in_flight),
            ("ApproximateNumberOfMessagesDelayed", delayed),
        ] {
            all.insert(name.into(), count.to_string().into());
        }
        all.insert("QueueArn".into(), queue.arn.as_str().into());
        all.insert("SqsManagedSseEnabled".into(), "true".into());
        {
            let settings = lock(&queue.settings);
            all.insert("CreatedTimestamp".into(), settings.created.to_string().into());
            all.insert("LastModifiedTimestamp".into(), settings.modified.to_string().into());
            all.extend(settings.attributes.iter().map(|(k, v)| (k.clone(), v.as_str().into())));
        }
        all.retain(|name, _| names().any(|n| n == "All" || n == name));
        if all.is_empty() { Ok(json!({})) } else { Ok(json!({"Attributes": all})) }
    }

    pub(super) fn set_queue_attributes(&self, call: &Call) -> ApiResult {
        let queue = self.queue(call)?;
        let wanted = self.attributes(&call.body["Attributes"])?;
        let mut settings = lock(&queue.settings);
        settings.modified = self.clock.now_millis() / 1000;
        for (name, value) in wanted {
            // An empty policy takes it away.
            if value.is_empty() {
                settings.attributes.remove(&name);
            } else {
                settings.attributes.insert(name, value);
            }
        }
        Ok(json!({}))
    }

    pub(super) fn tags(&self, call: &Call) -> ApiResult {
        let queue = self.queue(call)?;
        let mut settings = lock(&queue.settings);
        for (name, value) in call.body["Tags"].as_object().into_iter().flatten() {
            settings.tags.insert(name.clone(), value.as_str().unwrap_or_default().to_owned());
        }
        for name in call.body["TagKeys"].as_array().into_iter().flatten().filter_map(Value::as_str) {
            settings.tags.remove(name);
        }
        if call.operation == "ListQueueTags" { Ok(json!({"Tags": settings.tags})) } else { Ok(json!({})) }
    }
}

pub(super) fn url(call: &Call, name: &str) -> String {
    format!("{}/{}/{name}", call.origin, call.account)
}

/// Whether an attribute is a number that a queue always has.
fn is_number(name: &str) -> bool {
    name != "KmsDataKeyReusePeriodSeconds" && SETTABLE.iter().any(|(known, range)| *known == name && range.is_some())
}

/// A page of URLs: without MaxResults at most 1,000 and no token (API reference, ListQueues).
pub(super) fn paged(call: &Call, list: &str, mut all: Vec<String>) -> Value {
    all.sort();
    let asked = call.body["MaxResults"].as_u64().and_then(|n| usize::try_from(n).ok());
    let after = call.body["NextToken"].as_str().unwrap_or_default();
    let mut rest: Vec<String> = all.into_iter().filter(|url| url.as_str() > after).collect();
    let limit = asked.unwrap_or(1000).clamp(1, 1000);
    let next = asked.and_then(|_| (rest.len() > limit).then(|| rest[limit - 1].clone()));
    rest.truncate(limit);
    let mut answer = if rest.is_empty() { json!({}) } else { json!({list: rest}) };
    if let Some(next) = next {
        answer["NextToken"] = next.into();
    }
    answer
}

impl Sqs {
    /// The attributes of a call, checked.
    fn attributes(&self, value: &Value) -> Result<Vec<(String, String)>, ApiError> {
        let given = attributes(value)?;
        for (_, policy) in given.iter().filter(|(name, value)| name == "RedrivePolicy" && !value.is_empty()) {
            let wrong =
                |why: &str| invalid(format!("Value {policy} for parameter RedrivePolicy is invalid. Reason: {why}"));
            let parsed: Value = serde_json::from_str(policy).unwrap_or_default();
            let most = &parsed["maxReceiveCount"];
            let most = most.as_u64().or_else(|| most.as_str()?.parse().ok());
            if !most.is_some_and(|n| (1..=1000).contains(&n)) {
                return Err(wrong("Redrive policy does not contain a valid maxReceiveCount: 1 to 1000."));
            }
            let target = parsed["deadLetterTargetArn"].as_str().unwrap_or_default();
            if !lock(&self.queues).contains_key(target) {
                return Err(wrong("Dead letter target does not exist."));
            }
        }
        Ok(given)
    }
}

fn attributes(value: &Value) -> Result<Vec<(String, String)>, ApiError> {
    let given = value.as_object().into_iter().flatten();
    given
        .map(|(name, value)| {
            let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
            let unknown = || ApiError::new("InvalidAttributeName", format!("Unknown Attribute {name}."));
            let (_, range) = SETTABLE.iter().find(|(known, _)| known == name).ok_or_else(unknown)?;
            let wrong = || ApiError::new("InvalidAttributeValue", format!("Invalid value for the parameter {name}."));
            if let Some((least, most)) = range {
                text.parse::<i64>().ok().filter(|n| (least..=most).contains(&n)).ok_or_else(wrong)?;
            } else if name.ends_with("Policy") && !text.is_empty() {
                serde_json::from_str::<Value>(&text).ok().filter(Value::is_object).ok_or_else(wrong)?;
            }
            Ok((name.clone(), text))
        })
        .collect()
}
