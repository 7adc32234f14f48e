//! Takes away what `setup` made for a cell, told by its tag; what was there before, or is another cell's, stays.

use serde::Serialize;

use super::ask::Ask;
use super::found::{self, Found};
use super::tasks::{self, ClusterTasks};
use super::wanted::{Role, TARGET, Wanted};
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
    /// Run requests that would be lost with it: about so many wait in this queue.
    pub requests: u64,
    #[serde(skip)]
    id: String,
}

/// What would be removed.
pub struct Removal {
    sdk: Sdk,
    clients: Clients,
    cell: String,
    rule: String,
    /// The clusters that the rule names; none: all.
    clusters: Vec<String>,
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
            let thing = tagged("topic", name, &wanted.topic.arn, topic.made_for.as_deref(), &wanted.cell, "");
            things.push(thing.unless(topic.subscriptions, "subscriptions, which would end with it: remove them first"));
        }
        if let Some(name) = wanted.bus.as_ref().filter(|name| found.bus && *name != "default") {
            let note = "a bus is not removed: other rules may be on it".to_owned();
            let name = name.clone();
            things.push(Thing { kind: "event bus", name, remove: false, note, requests: 0, id: String::new() });
        }
        let clusters = found.rule.as_ref().map(|rule| found::clusters_of(&rule.pattern)).unwrap_or_default();
        Ok(Self { sdk, clients: clients.clone(), cell: wanted.cell, rule: wanted.rule.name, clusters, things })
    }

    /// The tasks that the cell has now, in the clusters that its rule names.
    ///
    /// # Errors
    /// The first call that AWS refused: whether there are any is not known then.
    pub async fn running_tasks(&self) -> Result<Vec<ClusterTasks>, SetupError> {
        tasks::running(&self.clients, &self.cell, self.clusters.clone()).await
    }

    /// Removes one thing; what is gone already is no error. They stand in the order in which they must go: the rule first, so
    /// that nothing is sent to a queue that is gone.
    ///
    /// # Errors
    /// AWS refused the call. All of it may be said again.
    pub async fn remove(&self, thing: &Thing) -> Result<(), SetupError> {
        let (about, sdk) = (format!("{} {}", thing.kind, thing.name), &self.sdk);
        match thing.kind {
            "target" => {
                let sent = sdk.events.remove_targets().rule(&self.rule).ids(TARGET).send().await;
                gone(&about, "events:RemoveTargets", sent).map(drop)
            }
            "rule" => {
                let sent = sdk.events.delete_rule().name(&self.rule).send().await;
                gone(&about, "events:DeleteRule", sent).map(drop)
            }
            "queue" => {
                let sent = sdk.sqs.delete_queue().queue_url(&thing.id).send().await;
                gone(&about, "sqs:DeleteQueue", sent).map(drop)
            }
            _ => {
                let sent = sdk.sns.delete_topic().topic_arn(&thing.id).send().await;
                gone(&about, "sns:DeleteTopic", sent).map(drop)
            }
        }
    }
}

fn rule(wanted: &Wanted, found: &Found) -> Vec<Thing> {
    let Some(rule) = &found.rule else { return Vec::new() };
    let (ours, others): (Vec<_>, Vec<_>) = rule.targets.iter().partition(|t| t["Id"] == TARGET);
    let made_for = rule.made_for.as_deref();
    let thing = tagged("rule", wanted.rule.name.clone(), "", made_for, &wanted.cell, "");
    let thing = thing.unless(others.len() as u64, "targets of others");
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
        let count = |kind: &str| {
            let name = format!("ApproximateNumberOfMessages{kind}");
            there.attributes.get(&name).and_then(|n| n.parse::<u64>().ok()).unwrap_or(0)
        };
        let messages = count("") + count("NotVisible") + count("Delayed");
        let note = if messages > 0 { format!("with about {messages} messages") } else { String::new() };
        let thing = tagged("queue", queue.name.clone(), &there.url, there.made_for.as_deref(), &wanted.cell, &note);
        // Events are told again by DescribeTasks; a request is nowhere else.
        let requests = matches!(queue.role, Role::Requests | Role::RequestsDlq) && thing.remove;
        Thing { requests: if requests { messages } else { 0 }, ..thing }
    };
    there.map(thing).collect()
}

fn tagged(kind: &'static str, name: String, id: &str, made_for: Option<&str>, cell: &str, note: &str) -> Thing {
    let note = match made_for {
        Some(maker) if maker == cell => note.to_owned(),
        Some(other) => format!("it was made for the cell {other}"),
        None => "setup did not make it".to_owned(),
    };
    Thing { kind, name, remove: made_for == Some(cell), note, requests: 0, id: id.to_owned() }
}

impl Thing {
    /// Stays where others hang on it.
    fn unless(self, others: u64, what: &str) -> Self {
        match (self.remove, others) {
            (true, 1..) => Self { remove: false, note: format!("it has {others} {what}"), ..self },
            _ => self,
        }
    }
}
