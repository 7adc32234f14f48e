//! The queues, their dead-letter queues, the topic and the bus.

use std::collections::BTreeMap;

use serde_json::Value;

use super::super::setup::wanted::{LEAST_MESSAGE_BYTES, LONGEST_VISIBILITY};
use super::super::setup::{SetupError, gone};
use super::{Finding, Identity, Sdk, Subject, queue_attributes, unseen};

/// Four days: an outage over a weekend is found on Monday. In seconds; SQS's own default.
const LEAST_RETENTION: u64 = 345_600;
/// In seconds; SQS's own default, and longer than a commit takes.
const LEAST_VISIBILITY: u64 = 30;
/// A message that a draining or full cell gives back was received once for nothing.
const LEAST_RECEIVES: u64 = 10;

/// A queue's attributes; none where it is not there, an error where it cannot be seen.
type Seen = Result<Option<BTreeMap<String, String>>, SetupError>;

/// The queues of the path as they are.
pub(super) struct Queues {
    pub(super) events: Seen,
    requests: Option<Seen>,
    requests_dlq: Option<Seen>,
}

impl Queues {
    pub(super) async fn read(sdk: &Sdk, subject: &Subject) -> Self {
        let events = queue_attributes(sdk, &subject.events_queue).await;
        Self { events, ..Self::read_shared(sdk, subject).await }
    }

    /// Those that cells share.
    pub(super) async fn read_shared(sdk: &Sdk, subject: &Subject) -> Self {
        let requests = match &subject.requests_queue {
            Some(url) => Some(queue_attributes(sdk, url).await),
            None => None,
        };
        let requests_dlq = match &subject.requests_dlq {
            Some(url) => Some(queue_attributes(sdk, url).await),
            None => None,
        };
        Self { events: Ok(None), requests, requests_dlq }
    }

    /// Those that are a cell's own.
    pub(super) async fn read_events(sdk: &Sdk, subject: &Subject) -> Self {
        Self { events: queue_attributes(sdk, &subject.events_queue).await, requests: None, requests_dlq: None }
    }

    /// The events queue's ARN.
    pub(super) fn events_arn(&self) -> Option<&str> {
        self.events.as_ref().ok()?.as_ref()?.get("QueueArn").map(String::as_str)
    }

    /// The events and requests queues.
    pub(super) fn findings(&self, subject: &Subject, identity: &Identity, region: &str) -> Vec<Finding> {
        let mut findings = self.events_findings(subject, identity, region);
        findings.extend(self.requests(subject));
        findings
    }

    pub(super) fn events_findings(&self, subject: &Subject, identity: &Identity, region: &str) -> Vec<Finding> {
        let usual = format!("{}-events", subject.cell);
        let by = Mend { url: &subject.events_queue, setup: setup(subject, &subject.events_queue, &usual, None) };
        let mut findings = queue("events queue", &by, &self.events, true);
        if let Some(arn) = self.events_arn() {
            let parts: Vec<&str> = arn.split(':').collect();
            let (there, account) = (parts.get(3).copied(), parts.get(4).copied());
            if there != Some(region) || account != Some(identity.account.as_str()) {
                // A rule can send to a queue of another account, but its events come from its own.
                let todo = "the queue must be in the account and region whose tasks the cell launches: see AWS_REGION and TASKWATCH_EVENTS_QUEUE_URL";
                findings.push(Finding::fail("events queue's place", arn, todo));
            }
        }
        findings
    }

    pub(super) fn requests(&self, subject: &Subject) -> Vec<Finding> {
        match (&self.requests, &subject.requests_queue) {
            (Some(seen), Some(url)) => {
                let usual = format!("{}-requests", subject.whose());
                let by = Mend { url, setup: setup(subject, url, &usual, Some("--requests-queue")) };
                queue("requests queue", &by, seen, false)
            }
            _ => vec![Finding::warn(
                "requests queue",
                "TASKWATCH_REQUESTS_QUEUE_URL is not set",
                "set it: serve needs it",
            )],
        }
    }

    /// Dead-letter queues, topic and bus.
    pub(super) async fn others(&self, sdk: &Sdk, subject: &Subject) -> Vec<Finding> {
        let mut findings = self.events_dlq(sdk).await;
        findings.extend(self.requests_dlq(sdk, subject).await);
        findings.extend(destinations(sdk, subject).await);
        findings
    }

    pub(super) async fn events_dlq(&self, sdk: &Sdk) -> Vec<Finding> {
        match &self.events {
            Ok(Some(events)) => vec![redrive(sdk, "events dead-letter queue", events).await],
            _ => Vec::new(),
        }
    }

    pub(super) async fn requests_dlq(&self, sdk: &Sdk, subject: &Subject) -> Vec<Finding> {
        let redriven = match &self.requests {
            Some(Ok(Some(requests))) => Some(redrive(sdk, "requests dead-letter queue", requests).await),
            _ => None,
        };
        match (&self.requests_dlq, &subject.requests_dlq) {
            (Some(seen), Some(url)) => vec![depth("requests dead-letter queue", url, seen)],
            _ => Vec::from_iter(redriven.map(|finding| match finding.status {
                super::Status::Ok => Finding::warn(
                    "requests dead-letter queue",
                    "TASKWATCH_REQUESTS_DLQ_URL is not set: a refused request comes back until its queue's redrive policy takes it",
                    "set it, so that a refused request goes there at once with the reason",
                ),
                _ => finding,
            })),
        }
    }
}

/// The topic and the bus.
pub(super) async fn destinations(sdk: &Sdk, subject: &Subject) -> Vec<Finding> {
    let mut findings = vec![topic(sdk, subject).await];
    findings.extend(bus(sdk, subject).await);
    findings
}

/// How an attribute of a queue is mended.
struct Mend<'u> {
    url: &'u str,
    /// By `setup`, where it knows the queue.
    setup: Option<String>,
}

impl Mend<'_> {
    fn so(&self, attribute: &str, value: u64) -> String {
        match &self.setup {
            Some(setup) => format!("{setup} makes it {value}"),
            None => format!("aws sqs set-queue-attributes --queue-url {} --attributes {attribute}={value}", self.url),
        }
    }
}

/// The command by which `setup` mends this queue: one with the name that it gives itself, or can be given.
fn setup(subject: &Subject, url: &str, usual: &str, flag: Option<&str>) -> Option<String> {
    let name = url.rsplit('/').next().unwrap_or_default();
    let setup = &subject.setup;
    if name == usual { Some(setup.clone()) } else { flag.map(|flag| format!("{setup} {flag} {name}")) }
}

fn queue(check: &str, by: &Mend<'_>, seen: &Seen, from_eventbridge: bool) -> Vec<Finding> {
    let url = by.url;
    let attributes = match seen {
        Ok(Some(attributes)) => attributes,
        Ok(None) => return vec![Finding::fail(check, format!("{url} does not exist"), "taskwatch setup")],
        Err(error) => return vec![unseen(check, error)],
    };
    let has = |name: &str| attributes.get(name).map(String::as_str).unwrap_or_default();
    let number = |name: &str| has(name).parse::<u64>().unwrap_or(0);
    if has("FifoQueue") == "true" || has("QueueArn").ends_with(".fifo") {
        let todo = "taskwatch reads standard queues, and a queue cannot be made one: take another by its setting; taskwatch setup makes one";
        return vec![Finding::fail(check, format!("{url} is a FIFO queue"), todo)];
    }
    let (waiting, out) = (number("ApproximateNumberOfMessages"), number("ApproximateNumberOfMessagesNotVisible"));
    // SQS does not tell how old the oldest is; only CloudWatch does.
    let age = if waiting > 0 { "; how old: CloudWatch's ApproximateAgeOfOldestMessage" } else { "" };
    let found = format!("{}: about {waiting} messages wait, {out} in flight{age}", has("QueueArn"));
    let mut findings = vec![match out {
        // Amazon SQS quotas: about 120,000 messages of a standard queue in flight.
        110_000.. => Finding::warn(
            check,
            found,
            "near SQS's 120,000 in flight, after which it hands out no more: is the cell's store slow?",
        ),
        _ => Finding::ok(check, found),
    }];
    let retention = number("MessageRetentionPeriod");
    if retention < LEAST_RETENTION {
        let found = format!("{retention} s: what waits longer, while no cell serves, is lost");
        findings.push(Finding::warn(
            format!("{check}'s retention"),
            found,
            format!("at least 345600 (4 days); {}", by.so("MessageRetentionPeriod", 1_209_600)),
        ));
    }
    findings.extend(manners(check, by, attributes));
    findings.push(encryption(&format!("{check}'s encryption"), attributes, from_eventbridge));
    findings
}

/// What makes a queue take no long messages, or hand them out late, twice, or too few times.
fn manners(check: &str, by: &Mend<'_>, attributes: &BTreeMap<String, String>) -> Vec<Finding> {
    let number = |name: &str| attributes.get(name).and_then(|n| n.parse::<u64>().ok());
    let policy: Value = attributes.get("RedrivePolicy").and_then(|p| serde_json::from_str(p).ok()).unwrap_or_default();
    // Written as a number or as a string, by whom it was written.
    let receives = policy["maxReceiveCount"].as_u64().or_else(|| policy["maxReceiveCount"].as_str()?.parse().ok());
    let late = number("DelaySeconds").filter(|seconds| *seconds > 0).map(|seconds| {
        let found = format!("{seconds} s: every message comes so late");
        Finding::warn(format!("{check}'s delay"), found, by.so("DelaySeconds", 0))
    });
    let usual = LEAST_VISIBILITY..=LONGEST_VISIBILITY;
    let hidden = number("VisibilityTimeout").filter(|seconds| !usual.contains(seconds)).map(|seconds| {
        let found = match seconds < LEAST_VISIBILITY {
            true => format!("{seconds} s: messages come again while they are worked on"),
            false => format!("{seconds} s: what a cell had in hand when it was killed comes again so late"),
        };
        Finding::warn(format!("{check}'s visibility timeout"), found, by.so("VisibilityTimeout", 60))
    });
    let least = u64::from(LEAST_MESSAGE_BYTES);
    let short = number("MaximumMessageSize").filter(|bytes| *bytes < least).map(|bytes| {
        let found = format!("{bytes} bytes: what is longer does not get into the queue");
        Finding::warn(format!("{check}'s message size"), found, by.so("MaximumMessageSize", least))
    });
    let few = receives.filter(|receives| *receives < LEAST_RECEIVES).map(|receives| {
        let found = format!(
            "maxReceiveCount {receives}: restarts and a full store put good messages into the dead-letter queue"
        );
        Finding::warn(format!("{check}'s redrive policy"), found, "taskwatch setup makes it 100")
    });
    [late, hidden, short, few].into_iter().flatten().collect()
}

fn encryption(check: &str, attributes: &BTreeMap<String, String>, from_eventbridge: bool) -> Finding {
    let key = attributes.get("KmsMasterKeyId").map(String::as_str).filter(|key| !key.is_empty());
    match key {
        Some("alias/aws/sqs") if from_eventbridge => Finding::fail(
            check,
            "alias/aws/sqs: EventBridge cannot use that key, so that no event arrives",
            "taskwatch setup (SSE-SQS), or a customer managed key that lets events.amazonaws.com kms:Decrypt and kms:GenerateDataKey",
        ),
        Some(key) if from_eventbridge && !key.contains("alias/aws/") => Finding::warn(
            check,
            format!("{key}: doctor cannot see its policy"),
            "the key's policy must let events.amazonaws.com kms:Decrypt and kms:GenerateDataKey; the probe proves it",
        ),
        Some(key) => Finding::ok(check, key),
        None if attributes.get("SqsManagedSseEnabled").is_some_and(|on| on == "true") => Finding::ok(check, "SSE-SQS"),
        None => Finding::warn(check, "none", "taskwatch setup (SSE-SQS)"),
    }
}

/// The dead-letter queue that a queue's redrive policy names.
async fn redrive(sdk: &Sdk, check: &str, attributes: &BTreeMap<String, String>) -> Finding {
    let policy: Value = attributes.get("RedrivePolicy").and_then(|p| serde_json::from_str(p).ok()).unwrap_or_default();
    let Some(arn) = policy["deadLetterTargetArn"].as_str() else {
        return Finding::warn(check, "the queue has no redrive policy", "taskwatch setup");
    };
    let name = arn.rsplit(':').next().unwrap_or_default();
    match super::super::setup::found::queue(sdk, name).await {
        Ok(found) => depth(check, arn, &Ok(found.map(|queue| queue.attributes))),
        Err(error) => unseen(check, &error),
    }
}

fn depth(check: &str, name: &str, seen: &Seen) -> Finding {
    match seen {
        Ok(None) => Finding::fail(check, format!("{name} does not exist"), "taskwatch setup"),
        Err(error) => unseen(check, error),
        Ok(Some(attributes)) => {
            let count = attributes.get("ApproximateNumberOfMessages").and_then(|n| n.parse::<u64>().ok()).unwrap_or(0);
            let todo = "read them: events have ERROR_CODE and ERROR_MESSAGE, requests taskwatchError among their attributes; mend the cause, then redrive or purge";
            match count {
                0 => Finding::ok(check, format!("{name} is empty")),
                _ => Finding::warn(check, format!("about {count} messages in {name}"), todo),
            }
        }
    }
}

async fn topic(sdk: &Sdk, subject: &Subject) -> Finding {
    let Some(arn) = &subject.topic else {
        let todo = "set it, or give notify.topicArn in every request: without both no notification is sent";
        return Finding::warn("topic", "TASKWATCH_TOPIC_ARN is not set", todo);
    };
    match super::super::setup::found::topic(sdk, arn).await {
        Ok(Some(_)) => Finding::ok("topic", arn),
        Ok(None) => Finding::fail("topic", format!("{arn} does not exist"), "taskwatch setup"),
        Err(error) => unseen("topic", &error),
    }
}

async fn bus(sdk: &Sdk, subject: &Subject) -> Option<Finding> {
    let name = subject.bus.as_deref()?;
    let asked = sdk.events.describe_event_bus().name(name).send().await;
    Some(match gone("event bus", "events:DescribeEventBus", asked) {
        Ok(Some(_)) => Finding::ok("event bus", name),
        Ok(None) => Finding::fail("event bus", format!("{name} does not exist"), "taskwatch setup --event-bus NAME"),
        Err(error) => unseen("event bus", &error),
    })
}

#[cfg(test)]
mod tests {
    use super::super::Status;
    use super::*;

    fn judged(attributes: &[(&str, &str)]) -> BTreeMap<String, Status> {
        let mut all: BTreeMap<String, String> = [("QueueArn", "arn:aws:sqs:x:1:q"), ("SqsManagedSseEnabled", "true")]
            .map(|(n, v)| (n.to_owned(), v.to_owned()))
            .into();
        all.insert("MessageRetentionPeriod".into(), "345600".into());
        all.extend(attributes.iter().map(|(n, v)| ((*n).to_owned(), (*v).to_owned())));
        queue("q", &BY, &Ok(Some(all)), true).into_iter().map(|f| (f.check, f.status)).collect()
    }

    const BY: Mend<'static> = Mend { url: "url", setup: None };

    #[test]
    fn each_queue_is_mended_by_what_knows_it() {
        let subject =
            Subject { cell: "blue".into(), setup: "taskwatch setup --cell blue".into(), ..Subject::default() };
        let by = |url: &str, usual: &str, flag: Option<&str>| {
            let mend = Mend { url, setup: setup(&subject, url, usual, flag) };
            mend.so("DelaySeconds", 0)
        };
        let requests = Some("--requests-queue");
        assert_eq!(by("u/blue-events", "blue-events", None), "taskwatch setup --cell blue makes it 0");
        assert_eq!(
            by("u/jobs", "blue-requests", requests),
            "taskwatch setup --cell blue --requests-queue jobs makes it 0"
        );
        assert_eq!(
            by("u/mine", "blue-events", None),
            "aws sqs set-queue-attributes --queue-url u/mine --attributes DelaySeconds=0"
        );
    }

    #[test]
    fn a_queue_is_judged_by_its_attributes() {
        assert!(judged(&[]).values().all(|status| *status == Status::Ok));
        assert_eq!(judged(&[("FifoQueue", "true")])["q"], Status::Fail);
        assert_eq!(judged(&[("ApproximateNumberOfMessagesNotVisible", "119000")])["q"], Status::Warn);
        assert_eq!(judged(&[("MessageRetentionPeriod", "60")])["q's retention"], Status::Warn);
        assert_eq!(judged(&[("DelaySeconds", "600")])["q's delay"], Status::Warn);
        for seconds in ["1", "43200"] {
            assert_eq!(judged(&[("VisibilityTimeout", seconds)])["q's visibility timeout"], Status::Warn, "{seconds}");
        }
        assert_eq!(judged(&[("MaximumMessageSize", "1024")])["q's message size"], Status::Warn);
        for receives in ["1", "\"1\""] {
            let policy = format!(r#"{{"deadLetterTargetArn":"arn:aws:sqs:x:1:d","maxReceiveCount":{receives}}}"#);
            assert_eq!(judged(&[("RedrivePolicy", &policy)])["q's redrive policy"], Status::Warn, "{receives}");
        }
        let usual = r#"{"deadLetterTargetArn":"arn:aws:sqs:x:1:d","maxReceiveCount":100}"#;
        let usual = judged(&[
            ("DelaySeconds", "0"),
            ("VisibilityTimeout", "30"),
            ("MaximumMessageSize", "262144"),
            ("RedrivePolicy", usual),
        ]);
        assert!(usual.values().all(|status| *status == Status::Ok), "{usual:?}");
        assert_eq!(judged(&[("KmsMasterKeyId", "alias/aws/sqs")])["q's encryption"], Status::Fail);
        assert_eq!(judged(&[("KmsMasterKeyId", "alias/mine")])["q's encryption"], Status::Warn);
        assert_eq!(judged(&[("SqsManagedSseEnabled", "false")])["q's encryption"], Status::Warn);
        assert_eq!(queue("q", &BY, &Ok(None), true)[0].status, Status::Fail);
    }
}
