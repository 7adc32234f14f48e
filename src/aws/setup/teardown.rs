//! Takes away what `setup` made for a cell or a fleet, told by its tags; what was there before, or is another's, stays.

use serde::Serialize;

use super::ask::Ask;
use super::found::{self, Found, FoundQueue};
use super::members::Members;
use super::owner::Owner;
use super::rows::Rows;
use super::table::{FoundTable, WantedTable};
use super::tasks::{self, ClusterTasks};
use super::wanted::{Pipeline, Role, TARGET, Wanted, WantedQueue, WantedRule};
use super::{Clients, Identity, Sdk, SetupError, gone, observing, place, table};

/// One thing, and whether it goes.
#[derive(Clone, Debug, Serialize)]
pub struct Thing {
    /// `queue`, `rule`, `target`, `topic`, `table` or `event bus`.
    pub kind: &'static str,
    /// Its name.
    pub name: String,
    /// Whether it goes.
    pub remove: bool,
    /// Why it stays, or what goes with it.
    pub note: String,
    /// Run requests that would be lost with it: about so many wait in this queue.
    pub requests: u64,
    /// By which it is removed: the queue's URL, the topic's ARN, of a target its rule's name.
    #[serde(skip)]
    id: String,
}

/// What would be removed.
pub struct Removal {
    sdk: Sdk,
    clients: Clients,
    /// Of a fleet whose table is there.
    rows: Option<Rows>,
    /// The cells that are there.
    cells: Vec<String>,
    /// The clusters that their rules name; none: all.
    clusters: Vec<String>,
    /// Each thing that is there.
    pub things: Vec<Thing>,
}

impl Removal {
    /// Looks at the account.
    ///
    /// # Errors
    /// A name that AWS does not take, or the first call that AWS refused.
    pub async fn plan(clients: &Clients, identity: &Identity, ask: &Ask) -> Result<Self, SetupError> {
        ask.check()?;
        let sdk = Sdk::new(clients);
        let ask = &observing(&sdk, Members::find(clients, &sdk, ask).await?.existing(ask)).await?;
        let wanted = Wanted::new(ask, &place(clients, identity)?);
        let found = Found::read(&sdk, &wanted).await?;
        let readable = found.table.as_ref().is_some_and(FoundTable::can_be_read);
        let table = wanted.table.as_ref().filter(|_| readable && wanted.is_fleet);
        Ok(Self {
            sdk,
            clients: clients.clone(),
            rows: table.map(|table| Rows::new(clients, &table.name, &wanted.name)),
            cells: wanted.pipelines.iter().map(|pipeline| pipeline.cell.clone()).collect(),
            clusters: clusters(&wanted, &found),
            things: things(&wanted, &found),
        })
    }

    /// The tasks that the cells have now, in the clusters that their rules name.
    ///
    /// # Errors
    /// The first call that AWS refused: whether there are any is not known then.
    pub async fn running_tasks(&self) -> Result<Vec<ClusterTasks>, SetupError> {
        tasks::running(&self.clients, &self.cells, self.clusters.clone()).await
    }

    /// How many processes serve the fleet: those that beat while they are watched for some seconds.
    ///
    /// # Errors
    /// The table could not be read.
    pub async fn serving(&self) -> Result<usize, SetupError> {
        match &self.rows {
            Some(rows) => Ok(rows.alive().await?.len()),
            None => Ok(0),
        }
    }

    /// Removes one thing; what is gone already is no error. They stand in the order in which they must go: a rule first, so
    /// that nothing is sent to a queue that is gone; the last cell of a fleet first, so that those that are left are found again.
    ///
    /// # Errors
    /// AWS refused the call. All of it may be said again.
    pub async fn remove(&self, thing: &Thing) -> Result<(), SetupError> {
        let (about, sdk) = (format!("{} {}", thing.kind, thing.name), &self.sdk);
        match thing.kind {
            "target" => {
                let sent = sdk.events.remove_targets().rule(&thing.id).ids(TARGET).send().await;
                gone(&about, "events:RemoveTargets", sent).map(drop)
            }
            "rule" => {
                let sent = sdk.events.delete_rule().name(&thing.id).send().await;
                gone(&about, "events:DeleteRule", sent).map(drop)
            }
            "queue" => {
                let sent = sdk.sqs.delete_queue().queue_url(&thing.id).send().await;
                gone(&about, "sqs:DeleteQueue", sent).map(drop)
            }
            "table" => table::remove(sdk, &thing.id).await,
            _ => {
                let sent = sdk.sns.delete_topic().topic_arn(&thing.id).send().await;
                gone(&about, "sns:DeleteTopic", sent).map(drop)
            }
        }
    }
}

/// None where one of the rules for the cells' own tasks lets in every cluster.
fn clusters(wanted: &Wanted, found: &Found) -> Vec<String> {
    let rules = wanted.pipelines.iter().filter_map(|pipeline| found.rules.get(&pipeline.rule.name));
    let named: Vec<Vec<String>> = rules.map(|rule| found::clusters_of(&rule.pattern)).collect();
    if named.iter().any(Vec::is_empty) {
        return Vec::new();
    }
    named.into_iter().flatten().collect::<std::collections::BTreeSet<_>>().into_iter().collect()
}

fn things(wanted: &Wanted, found: &Found) -> Vec<Thing> {
    let mut things = Vec::new();
    for pipeline in wanted.pipelines.iter().rev() {
        things.extend(pipeline.rules().flat_map(|wanted| rule(pipeline, wanted, found)));
        things.extend([&pipeline.dlq, &pipeline.events].into_iter().filter_map(|wanted| queue(wanted, found)));
    }
    things.extend([&wanted.requests_dlq, &wanted.requests].into_iter().filter_map(|wanted| queue(wanted, found)));
    if let Some(topic) = &found.topic {
        let name = wanted.topic.name.clone().unwrap_or_else(|| wanted.topic.arn.clone());
        let thing = tagged("topic", name, &wanted.topic.arn, topic.made_for.as_ref(), &wanted.owner, "");
        things.push(thing.unless(topic.subscriptions, "subscriptions, which would end with it: remove them first"));
    }
    if let Some(name) = wanted.bus.as_ref().filter(|name| found.bus && *name != "default") {
        let note = "a bus is not removed: other rules may be on it".to_owned();
        let name = name.clone();
        things.push(Thing { kind: "event bus", name, remove: false, note, requests: 0, id: String::new() });
    }
    if let (Some(wanted), Some(there)) = (&wanted.table, &found.table) {
        things.push(of_table(wanted, there));
    }
    things
}

fn rule(pipeline: &Pipeline, wanted: &WantedRule, found: &Found) -> Vec<Thing> {
    let name = &wanted.name;
    let Some(rule) = found.rules.get(name) else { return Vec::new() };
    let (ours, others): (Vec<_>, Vec<_>) = rule.targets.iter().partition(|t| t["Id"] == TARGET);
    let thing = |kind, shown: String| tagged(kind, shown, name, rule.made_for.as_ref(), &pipeline.owner, "");
    let mut things = Vec::new();
    if !ours.is_empty() {
        things.push(thing("target", format!("{TARGET} of {name}")));
    }
    things.push(thing("rule", name.clone()).unless(others.len() as u64, "targets of others"));
    things
}

fn queue(wanted: &WantedQueue, found: &Found) -> Option<Thing> {
    let there: &FoundQueue = found.queues.get(&wanted.name)?;
    let count = |kind: &str| {
        let name = format!("ApproximateNumberOfMessages{kind}");
        there.attributes.get(&name).and_then(|n| n.parse::<u64>().ok()).unwrap_or(0)
    };
    let messages = count("") + count("NotVisible") + count("Delayed");
    let note = if messages > 0 { format!("with about {messages} messages") } else { String::new() };
    let thing = tagged("queue", wanted.name.clone(), &there.url, there.made_for.as_ref(), &wanted.owner, &note);
    // Events are told again by DescribeTasks; a request is nowhere else.
    let requests = matches!(wanted.role, Role::Requests | Role::RequestsDlq) && thing.remove;
    Some(Thing { requests: if requests { messages } else { 0 }, ..thing })
}

/// The table, with every run that the fleet or the cell had.
fn of_table(wanted: &WantedTable, there: &FoundTable) -> Thing {
    let name = &wanted.name;
    let note = format!("with about {} items, as DynamoDB counted within the last six hours", there.items);
    let thing = tagged("table", name.clone(), name, there.made_for.as_ref(), &wanted.owner, &note);
    if !thing.remove || !there.protected {
        return thing;
    }
    let note = format!(
        "deletion protection is on; to lose every run in it: aws dynamodb update-table --table-name {name} --no-deletion-protection-enabled, then this command again"
    );
    Thing { remove: false, note, ..thing }
}

fn tagged(kind: &'static str, name: String, id: &str, made_for: Option<&Owner>, owner: &Owner, note: &str) -> Thing {
    let note = match made_for {
        Some(maker) if maker == owner => note.to_owned(),
        Some(other) => format!("it was made for {other}"),
        None => "setup did not make it".to_owned(),
    };
    Thing { kind, name, remove: made_for == Some(owner), note, requests: 0, id: id.to_owned() }
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
