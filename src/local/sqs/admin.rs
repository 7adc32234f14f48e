//! Queues themselves: made, found, set, deleted.

use std::sync::Arc;

use serde_json::{Map, Value, json};

use super::{Queue, Settings, Sqs, invalid, lock, no_queue};
use crate::local::wire::{ApiError, ApiResult, Call};

/// Attributes that a caller may set (API reference, SetQueueAttributes), and the numbers they may have.
const SETTABLE: [(&str, Option<(i64, i64)>); 10] = [
    ("DelaySeconds", Some((0, 900))),
    ("MaximumMessageSize", Some((1024, 1_048_576))),
    ("MessageRetentionPeriod", Some((60, 1_209_600))),
    ("ReceiveMessageWaitTimeSeconds", Some((0, 20))),
    ("VisibilityTimeout", Some((0, 43_200))),
    ("Policy", None),
    ("RedrivePolicy", None),
    ("RedriveAllowPolicy", None),
    ("KmsMasterKeyId", None),
    ("SqsManagedSseEnabled", None),
];

/// So long a deleted queue's name cannot be taken again (API reference, DeleteQueue).
const RECENTLY_MILLIS: i64 = 60_000;

impl Sqs {
    pub(super) fn create_queue(&self, call: &Call) -> ApiResult {
        let name = call.body["QueueName"].as_str().unwrap_or_default();
        let fits = |c: char| c.is_ascii_alphanumeric() || "-_".contains(c);
        if name.ends_with(".fifo") {
            return Err(ApiError::new("UnsupportedOperation", "FIFO queues are not part of this endpoint"));
        }
        if !(1..=80).contains(&name.len()) || !name.chars().all(fits) {
            return Err(invalid(
                "Can only include alphanumeric characters, hyphens, or underscores. 1 to 80 in length",
            ));
        }
        let wanted = attributes(&call.body["Attributes"])?;
        let arn = format!("arn:aws:sqs:{}:{}:{name}", call.region, call.account);
        let mut queues = lock(&self.queues);
        if lock(&self.deleted).get(&arn).is_some_and(|at| self.clock.now_millis() - at < RECENTLY_MILLIS) {
            let why =
                "You must wait 60 seconds after deleting a queue before you can create another with the same name.";
            return Err(ApiError::new("QueueDeletedRecently", why));
        }
        if let Some(known) = queues.get(&arn) {
            let settings = lock(&known.settings);
            let differs = wanted.iter().any(|(k, v)| settings.attributes.get(k) != Some(v));
            if differs {
                let why = "A queue already exists with the same name and a different value for an attribute";
                return Err(ApiError::new("QueueNameExists", why));
            }
        } else {
            // `tags` is the one member that CreateQueue has in lower case.
            let tags = call.body["tags"].as_object().into_iter().flatten();
            let tags = tags.map(|(k, v)| (k.clone(), v.as_str().unwrap_or_default().to_owned())).collect();
            let settings = Settings { attributes: wanted.into_iter().collect(), tags };
            let queue = Queue {
                arn: arn.clone(),
                settings: settings.into(),
                messages: std::sync::Mutex::default(),
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
        let mut urls: Vec<String> = names.map(|name| url(call, name)).collect();
        urls.sort();
        if urls.is_empty() { json!({}) } else { json!({"QueueUrls": urls}) }
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
        let now = self.clock.now_millis();
        let (visible, in_flight, delayed) = {
            let mut messages = lock(&queue.messages);
            messages.advance(now, i64::MIN);
            messages.counts()
        };
        let mut all = Map::new();
        let numbers = SETTABLE.iter().filter(|(_, range)| range.is_some());
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
        all.extend(lock(&queue.settings).attributes.iter().map(|(k, v)| (k.clone(), v.as_str().into())));
        let wanted = |name: &String| {
            let names = call.body["AttributeNames"].as_array().into_iter().flatten().filter_map(Value::as_str);
            names.into_iter().any(|n| n == "All" || n == name)
        };
        all.retain(|name, _| wanted(name));
        if all.is_empty() { Ok(json!({})) } else { Ok(json!({"Attributes": all})) }
    }

    pub(super) fn set_queue_attributes(&self, call: &Call) -> ApiResult {
        let queue = self.queue(call)?;
        let wanted = attributes(&call.body["Attributes"])?;
        let mut settings = lock(&queue.settings);
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

fn url(call: &Call, name: &str) -> String {
    format!("{}/{}/{name}", call.origin, call.account)
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
