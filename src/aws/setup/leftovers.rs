//! Event pipelines without an owner: a queue and a rule that `taskwatch run` made for itself, or a program with
//! [`crate::library::Events::Own`], and that stayed when it was killed. They are told by their name (`run-`, a UUID,
//! `-events`) and their tag, and count as in use while they are young or somebody reads the queue.

use std::collections::BTreeSet;
use std::time::Duration;

use serde::Serialize;
use serde_json::json;

use super::found::{self, FoundQueue, FoundRule};
use super::owner::Owner;
use super::wanted::{PROBE_SOURCE, TARGET};
use super::{Clients, Sdk, SetupError, gone};
use crate::cell::Clock;
use crate::core::time::Timestamp;

/// What makes pipelines for a while names them so.
const MAKERS: [&str; 2] = ["run-", "lib-"];
/// A process at work takes a message from its queue at once: its long poll waits there. It gets so long.
const READER_TAKES: Duration = Duration::from_secs(5);

/// A queue and a rule of one name, or what is left of them.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Leftover {
    /// Of the queue and of the rule.
    pub name: String,
    /// Seconds since the queue was made; none where only the rule is left.
    pub age_seconds: Option<u64>,
    /// Whether the rule is there.
    pub has_rule: bool,
    /// Why it stays; none: it is removed.
    pub stays: Option<String>,
    #[serde(skip)]
    queue_url: Option<String>,
    #[serde(skip)]
    in_flight: u64,
}

/// All of them in an account and region.
pub struct Leftovers {
    sdk: Sdk,
    /// By name.
    pub all: Vec<Leftover>,
}

impl Leftovers {
    /// Looks at the account.
    ///
    /// # Errors
    /// The first call that AWS refused.
    pub async fn find(clients: &Clients) -> Result<Self, SetupError> {
        let sdk = Sdk::new(clients);
        let now = Clock::system().now();
        let mut names = BTreeSet::new();
        for maker in MAKERS {
            names.extend(queues(&sdk, maker).await?);
            names.extend(rules(&sdk, maker).await?);
        }
        let mut all = Vec::new();
        for name in names.into_iter().filter(|name| maker(name).is_some()) {
            let (queue, rule) = (found::queue(&sdk, &name).await?, found::rule(&sdk, &name).await?);
            all.extend(leftover(&name, queue, rule, now));
        }
        Ok(Self { sdk, all })
    }

    /// Keeps those whose queue is younger than this.
    pub fn keep_younger_than(&mut self, age: Duration) {
        self.all.iter_mut().for_each(|leftover| leftover.keep_if_younger_than(age));
    }

    /// Keeps those that somebody reads: a message that is sent to each is taken there.
    ///
    /// # Errors
    /// SQS did not take or show a message.
    pub async fn keep_those_in_use(&mut self) -> Result<(), SetupError> {
        let sdk = &self.sdk;
        let mut open: Vec<&mut Leftover> = self.all.iter_mut().filter(|leftover| leftover.stays.is_none()).collect();
        for leftover in &mut open {
            leftover.probe(sdk).await?;
        }
        if open.iter().any(|leftover| leftover.is_probed()) {
            tokio::time::sleep(READER_TAKES).await;
        }
        for leftover in open.into_iter().filter(|leftover| leftover.is_probed()) {
            if !leftover.has_messages(sdk).await? {
                leftover.stays = Some(IN_USE.to_owned());
            }
        }
        Ok(())
    }

    /// Removes one: the rule first, so that nothing is sent to a queue that is gone. What is gone already is no error.
    ///
    /// # Errors
    /// AWS refused a call.
    pub async fn remove(&self, leftover: &Leftover) -> Result<(), SetupError> {
        let (name, sdk) = (&leftover.name, &self.sdk);
        if leftover.has_rule {
            let about = format!("rule {name}");
            gone(&about, "events:RemoveTargets", sdk.events.remove_targets().rule(name).ids(TARGET).send().await)?;
            gone(&about, "events:DeleteRule", sdk.events.delete_rule().name(name).send().await)?;
        }
        if let Some(url) = &leftover.queue_url {
            let sent = sdk.sqs.delete_queue().queue_url(url).send().await;
            gone(&format!("queue {name}"), "sqs:DeleteQueue", sent)?;
        }
        Ok(())
    }
}

const IN_USE: &str = "somebody reads its queue: it is in use";

impl Leftover {
    fn keep_if_younger_than(&mut self, age: Duration) {
        if self.stays.is_none() && self.age_seconds.is_some_and(|seconds| seconds < age.as_secs()) {
            self.stays = Some("it is young and may be in use".to_owned());
        }
    }

    /// Whether a queue was sent a message that nobody may have taken.
    fn is_probed(&self) -> bool {
        self.stays.is_none() && self.queue_url.is_some()
    }

    /// Sends a message that a cell counts as foreign and deletes.
    async fn probe(&mut self, sdk: &Sdk) -> Result<(), SetupError> {
        if self.in_flight > 0 {
            self.stays = Some(IN_USE.to_owned());
        }
        let Some(url) = self.queue_url.as_ref().filter(|_| self.stays.is_none()) else { return Ok(()) };
        let event = json!({"source": PROBE_SOURCE, "detail-type": "ECS Task State Change",
            "detail": {"startedBy": "teardown/stale"}});
        let sent = sdk.sqs.send_message().queue_url(url).message_body(event.to_string()).send().await;
        if gone(&format!("queue {}", self.name), "sqs:SendMessage", sent)?.is_none() {
            self.queue_url = None;
        }
        Ok(())
    }

    /// Whether a message waits in the queue. With a visibility timeout of 0 it stays for everybody else.
    async fn has_messages(&self, sdk: &Sdk) -> Result<bool, SetupError> {
        let Some(url) = &self.queue_url else { return Ok(false) };
        let receive = sdk.sqs.receive_message().queue_url(url).visibility_timeout(0).wait_time_seconds(1).send().await;
        let answer = gone(&format!("queue {}", self.name), "sqs:ReceiveMessage", receive)?;
        Ok(answer.is_some_and(|answer| !answer.messages().is_empty()))
    }
}

/// The cell that has this event pipeline: `run-` or `lib-` and 32 hexadecimal digits.
fn maker(name: &str) -> Option<&str> {
    let cell = name.strip_suffix("-events")?;
    let id = MAKERS.iter().find_map(|maker| cell.strip_prefix(maker))?;
    (id.len() == 32 && id.chars().all(|c| matches!(c, '0'..='9' | 'a'..='f'))).then_some(cell)
}

/// What is there of a name, unless it was made for something else. Older releases made both without a tag.
fn leftover(name: &str, queue: Option<FoundQueue>, rule: Option<FoundRule>, now: Timestamp) -> Option<Leftover> {
    let cell = maker(name)?;
    let is_ours = |made_for: &Option<Owner>| made_for.as_ref().is_none_or(|owner| *owner == Owner::cell(cell));
    let is_its_rule =
        |rule: &FoundRule| rule.pattern["detail"]["startedBy"][0]["prefix"].as_str() == Some(&format!("{cell}/"));
    let queue = queue.filter(|queue| is_ours(&queue.made_for));
    let rule = rule.filter(|rule| is_ours(&rule.made_for) && is_its_rule(rule));
    if queue.is_none() && rule.is_none() {
        return None;
    }
    let others = rule.iter().flat_map(|rule| &rule.targets).filter(|target| target["Id"] != TARGET).count();
    let number = |name: &str| queue.as_ref()?.attributes.get(name)?.parse::<u64>().ok();
    let made = number("CreatedTimestamp").and_then(|seconds| i64::try_from(seconds.saturating_mul(1000)).ok());
    Some(Leftover {
        name: name.to_owned(),
        age_seconds: made.map(|millis| now.since(Timestamp::from_millis(millis)).as_secs()),
        has_rule: rule.is_some(),
        stays: (others > 0).then(|| format!("its rule has {others} targets of others")),
        in_flight: number("ApproximateNumberOfMessagesNotVisible").unwrap_or(0),
        queue_url: queue.map(|queue| queue.url),
    })
}

async fn queues(sdk: &Sdk, prefix: &str) -> Result<Vec<String>, SetupError> {
    let (mut names, mut next) = (Vec::new(), None);
    loop {
        let asked = sdk.sqs.list_queues().queue_name_prefix(prefix).max_results(1000).set_next_token(next).send().await;
        let page = asked.map_err(|e| SetupError::of("leftover queues", "sqs:ListQueues", &e))?;
        names.extend(page.queue_urls().iter().filter_map(|url| url.rsplit('/').next().map(str::to_owned)));
        next = page.next_token().map(str::to_owned);
        if next.is_none() {
            return Ok(names);
        }
    }
}

async fn rules(sdk: &Sdk, prefix: &str) -> Result<Vec<String>, SetupError> {
    let (mut names, mut next) = (Vec::new(), None);
    loop {
        let asked = sdk.events.list_rules().name_prefix(prefix).set_next_token(next).send().await;
        let page = asked.map_err(|e| SetupError::of("leftover rules", "events:ListRules", &e))?;
        names.extend(page.rules().iter().filter_map(|rule| rule.name().map(str::to_owned)));
        next = page.next_token().map(str::to_owned);
        if next.is_none() {
            return Ok(names);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CELL: &str = "run-0123456789abcdef0123456789abcdef";

    fn now() -> Timestamp {
        Timestamp::from_millis(1_800_000_000_000)
    }

    fn queue(made_for: Option<&str>) -> FoundQueue {
        let attributes = [("CreatedTimestamp".to_owned(), "1799996400".to_owned())].into();
        FoundQueue { url: "u".into(), attributes, made_for: made_for.map(Owner::cell) }
    }

    fn rule(prefix: &str, made_for: Option<&str>) -> FoundRule {
        let pattern = json!({"detail": {"startedBy": [{"prefix": prefix}]}});
        let targets = vec![json!({"Id": TARGET})];
        FoundRule { pattern, targets, made_for: made_for.map(Owner::cell), ..FoundRule::default() }
    }

    #[test]
    fn only_names_that_a_run_makes_are_leftovers() {
        for (name, is_one) in [
            (format!("{CELL}-events"), true),
            ("lib-0123456789abcdef0123456789abcdef-events".to_owned(), true),
            (CELL.to_owned(), false),
            ("run-events".to_owned(), false),
            ("run-nightly-events".to_owned(), false),
            ("run-0123456789ABCDEF0123456789ABCDEF-events".to_owned(), false),
            ("blue-0123456789abcdef0123456789abcdef-events".to_owned(), false),
            (format!("{CELL}-events-dlq"), false),
        ] {
            assert_eq!(maker(&name).is_some(), is_one, "{name}");
        }
    }

    #[test]
    fn what_was_made_for_something_else_is_left_alone() {
        let name = format!("{CELL}-events");
        let own = format!("{CELL}/");
        let found = |queue: Option<FoundQueue>, rule: Option<FoundRule>| leftover(&name, queue, rule, now());
        let tagged = found(Some(queue(Some(CELL))), Some(rule(&own, Some(CELL)))).expect("its own");
        assert_eq!((tagged.age_seconds, tagged.has_rule, tagged.stays), (Some(3600), true, None));
        let older =
            found(Some(queue(None)), Some(rule(&own, None))).expect("of an older release, which tagged nothing");
        assert!(older.has_rule);
        let queue_alone = found(Some(queue(None)), Some(rule("blue/", None))).expect("the queue");
        assert!(!queue_alone.has_rule, "another cell's rule stays");
        assert!(found(Some(queue(Some("blue"))), None).is_none());
        assert!(found(None, None).is_none());
        let rule_alone = found(None, Some(rule(&own, None))).expect("a rule alone");
        assert_eq!(rule_alone.age_seconds, None);
        let mut shared = rule(&own, Some(CELL));
        shared.targets.push(json!({"Id": "theirs"}));
        let stays = found(Some(queue(Some(CELL))), Some(shared)).and_then(|leftover| leftover.stays);
        assert!(stays.is_some_and(|why| why.contains("1 targets of others")));
    }

    #[test]
    fn a_young_one_stays() {
        let mut one = leftover(&format!("{CELL}-events"), Some(queue(None)), None, now()).expect("a leftover");
        one.keep_if_younger_than(Duration::from_secs(3600));
        assert_eq!(one.stays, None, "an hour old");
        one.keep_if_younger_than(Duration::from_secs(3601));
        assert!(one.stays.is_some());
    }
}
