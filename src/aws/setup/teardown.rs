//! Takes away what `setup` made for a cell, told by its tag; what was there before, or is another cell's, stays.

use serde::Serialize;

use super::ask::Ask;
use super::found::{self, Found};
use super::wanted::{TARGET, Wanted};
use super::{Clients, Identity, Sdk, SetupError, gone, place};

/// One thing, and whether it goes.
#[derive(Clone, Debug, Serialize)]
pub struct Thing {
    /// `queue`, `rule`, `target`, `topic` or `event bus`.
    pub kind: &'static str,
    /// Its name.
    pub name: String,
    /// Whether it goes.
    pub remove: bool,
    /// Why it stays, or what goes with it.
    pub note: String,
    #[serde(skip)]
    id: String,
}

/// What would be removed.
pub struct Removal {
    sdk: Sdk,
    rule: String,
    /// Each thing of the cell that is there.
    pub things: Vec<Thing>,
}

impl Removal {
    /// Looks at the account.
    ///
    /// # Errors
    /// A name that AWS does not take, or the first call that AWS refused.
    pub async fn plan(clients: &Clients, identity: &Identity, ask: &Ask) -> Result<Self, SetupError> {
        ask.check()?;
        let wanted = Wanted::new(ask, &place(clients, identity)?);
        let sdk = Sdk::new(clients);
        let found = Found::read(&sdk, &wanted).await?;
        let mut things = rule(&wanted, &found);
        things.extend(queues(&wanted, &found));
        if let Some(topic) = &found.topic {
            let name = wanted.topic.name.clone().unwrap_or_else(|| wanted.topic.arn.clone());
            things.push(tagged("topic", name, &wanted.topic.arn, topic.made_for.as_deref(), &wanted.cell, ""));
        }
        if let Some(name) = wanted.bus.as_ref().filter(|name| found.bus && *name != "default") {
            let note = "a bus is not removed: other rules may be on it".to_owned();
            things.push(Thing { kind: "event bus", name: name.clone(), remove: false, note, id: String::new() });
        }
        Ok(Self { sdk, rule: wanted.rule.name, things })
    }

    /// Removes it: the rule first, so that nothing is sent to a queue that is gone.
    ///
    /// # Errors
    /// The first call that AWS refused. Saying it again goes on from there.
    pub async fn apply(&self) -> Result<(), SetupError> {
        for thing in self.things.iter().filter(|thing| thing.remove) {
            let (about, sdk) = (format!("{} {}", thing.kind, thing.name), &self.sdk);
            match thing.kind {
                "target" => {
                    let sent = sdk.events.remove_targets().rule(&self.rule).ids(TARGET).send().await;
                    gone(&about, "events:RemoveTargets", sent)?;
                }
                "rule" => {
                    gone(&about, "events:DeleteRule", sdk.events.delete_rule().name(&self.rule).send().await)?;
                }
                "queue" => {
                    gone(&about, "sqs:DeleteQueue", sdk.sqs.delete_queue().queue_url(&thing.id).send().await)?;
                }
                _ => {
                    gone(&about, "sns:DeleteTopic", sdk.sns.delete_topic().topic_arn(&thing.id).send().await)?;
                }
            }
        }
        Ok(())
    }
}

fn rule(wanted: &Wanted, found: &Found) -> Vec<Thing> {
    let Some(rule) = &found.rule else { return Vec::new() };
    let (ours, others): (Vec<_>, Vec<_>) = rule.targets.iter().partition(|t| t["Id"] == TARGET);
    let made_for = rule.made_for.as_deref();
    let mut thing = tagged("rule", wanted.rule.name.clone(), "", made_for, &wanted.cell, "");
    if thing.remove && !others.is_empty() {
        thing = Thing { remove: false, note: format!("it has {} other targets", others.len()), ..thing };
    }
    let target = format!("{TARGET} of {}", wanted.rule.name);
    let mut things = Vec::new();
    if !ours.is_empty() {
        things.push(tagged("target", target, "", made_for, &wanted.cell, ""));
    }
    things.push(thing);
    things
}

fn queues(wanted: &Wanted, found: &Found) -> Vec<Thing> {
    let there = wanted.queues.iter().filter_map(|queue| Some((queue, found.queues.get(&queue.name)?)));
    let thing = |(queue, there): (&super::wanted::WantedQueue, &found::FoundQueue)| {
        let count = |name: &str| there.attributes.get(name).and_then(|n| n.parse::<u64>().ok()).unwrap_or(0);
        let messages = count("ApproximateNumberOfMessages") + count("ApproximateNumberOfMessagesNotVisible");
        let note = if messages > 0 { format!("with about {messages} messages") } else { String::new() };
        tagged("queue", queue.name.clone(), &there.url, there.made_for.as_deref(), &wanted.cell, &note)
    };
    there.map(thing).collect()
}

fn tagged(kind: &'static str, name: String, id: &str, made_for: Option<&str>, cell: &str, note: &str) -> Thing {
    let note = match made_for {
        Some(maker) if maker == cell => note.to_owned(),
        Some(other) => format!("it was made for the cell {other}"),
        None => "setup did not make it".to_owned(),
    };
    Thing { kind, name, remove: made_for == Some(cell), note, id: id.to_owned() }
}
