//! The desired state of what a cell or a fleet needs, as plain data: SDK calls, difference and CloudFormation are all derived
//! from it.

use serde_json::{Value, json};

use super::ask::{Ask, Member};
use super::observed;
use super::owner::Owner;
use super::table::WantedTable;

/// The id of our target in the rule.
pub(in crate::aws) const TARGET: &str = "taskwatch";
/// The statement that is ours in a queue's policy.
pub(super) const SID: &str = "TaskwatchEvents";
/// The source of `taskwatch doctor`'s probe. A cell counts what comes from it as foreign, whatever it says.
pub const PROBE_SOURCE: &str = "taskwatch.doctor";
/// SQS's longest retention, in seconds: an outage of the cell over a long weekend loses nothing.
const RETENTION_SECONDS: u32 = 1_209_600;
/// Longer than any commit takes; a message of a cell that died comes again after it.
const VISIBILITY_SECONDS: u32 = 60;
/// And no longer than this: so long a message waits that a cell had in hand when it was killed.
pub(in crate::aws) const LONGEST_VISIBILITY: u64 = 900;
/// In bytes: no event of ECS and no run request that a person wrote is longer. A new queue takes 1 MiB (Amazon SQS quotas).
pub(in crate::aws) const LEAST_MESSAGE_BYTES: u32 = 262_144;
/// No message is bounced on purpose: this only takes away what would kill its reader again and again.
const MOST_RECEIVES: u32 = 100;

/// Where things are. In a template the parts are CloudFormation's pseudo parameters.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// `aws`, `aws-cn`, …
    pub partition: String,
    /// As in `eu-west-1`.
    pub region: String,
    /// Twelve digits.
    pub account: String,
}

impl Place {
    fn arn(&self, service: &str, resource: &str) -> String {
        format!("arn:{}:{service}:{}:{}:{resource}", self.partition, self.region, self.account)
    }
}

/// What a queue is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Role {
    EventsDlq,
    Events,
    RequestsDlq,
    Requests,
}

/// One queue.
#[derive(Clone, Debug)]
pub(super) struct WantedQueue {
    pub(super) role: Role,
    /// The number of its cell, where that is a fleet's.
    pub(super) number: Option<u32>,
    pub(super) owner: Owner,
    pub(super) name: String,
    pub(super) arn: String,
    /// By their names in SetQueueAttributes and in AWS::SQS::Queue, which are the same.
    pub(super) attributes: Vec<(&'static str, Value)>,
    /// What a new queue has by itself, and one that is there must have too.
    pub(super) usual: Vec<(&'static str, Value)>,
    /// The statement that its policy must have.
    pub(super) statement: Option<Value>,
}

/// The rule on the default bus, the only one to which AWS services send their events.
#[derive(Clone, Debug)]
pub(super) struct WantedRule {
    pub(super) name: String,
    pub(super) description: String,
    pub(super) pattern: Value,
    /// As PutTargets takes it.
    pub(super) target: Value,
}

/// The topic of notifications.
#[derive(Clone, Debug)]
pub(super) struct WantedTopic {
    /// None: it was given by its ARN, and is not ours.
    pub(super) name: Option<String>,
    pub(super) arn: String,
    /// For a topic that is made; one that is there keeps its own.
    pub(super) attributes: Vec<(&'static str, Value)>,
}

/// A cell's event pipeline: rule, events queue, dead-letter queue.
#[derive(Clone, Debug)]
pub(super) struct Pipeline {
    /// In a fleet.
    pub(super) number: Option<u32>,
    pub(super) cell: String,
    pub(super) owner: Owner,
    pub(super) dlq: WantedQueue,
    pub(super) events: WantedQueue,
    pub(super) rule: WantedRule,
    /// Those that let in what others launch.
    pub(super) observed: Vec<WantedRule>,
}

/// Everything that a cell or a fleet needs.
#[derive(Clone, Debug)]
pub(super) struct Wanted {
    /// The cell's name, or the fleet's.
    pub(super) name: String,
    /// For whom what the cells share is made.
    pub(super) owner: Owner,
    /// Whether that is a fleet: its table has its cells.
    pub(super) is_fleet: bool,
    /// Of a fleet, and of a cell that keeps its runs in one.
    pub(super) table: Option<WantedTable>,
    pub(super) pipelines: Vec<Pipeline>,
    pub(super) requests_dlq: WantedQueue,
    pub(super) requests: WantedQueue,
    pub(super) topic: WantedTopic,
    pub(super) bus: Option<String>,
}

impl Wanted {
    /// What is wanted at a place.
    pub(super) fn new(ask: &Ask, place: &Place) -> Self {
        let (requests, owner) = (ask.requests(), ask.owner());
        let dlq = format!("{requests}-dlq");
        let queue = |role: Role, name: String| WantedQueue::new(role, name, owner.clone(), place);
        Self {
            name: ask.name.clone(),
            is_fleet: ask.fleet.is_some(),
            table: ask.table_name().map(|table| WantedTable::new(table, owner.clone())),
            pipelines: ask.cells().iter().map(|cell| Pipeline::new(cell, ask, place)).collect(),
            requests_dlq: queue(Role::RequestsDlq, dlq),
            requests: queue(Role::Requests, requests),
            topic: topic(ask, place),
            bus: ask.event_bus.clone(),
            owner,
        }
    }

    /// All queues, in the order in which they must be made.
    pub(super) fn queues(&self) -> impl Iterator<Item = &WantedQueue> {
        let events = self.pipelines.iter().flat_map(|pipeline| [&pipeline.dlq, &pipeline.events]);
        events.chain([&self.requests_dlq, &self.requests])
    }
}

impl Pipeline {
    pub(super) fn new(cell: &Member, ask: &Ask, place: &Place) -> Self {
        let observes = ask.observe && cell.is_first();
        let (tasks, calls) = (Member::tasks_rule(&cell.name), Member::calls_rule(&cell.name));
        let names = [cell.rule()].into_iter().chain([tasks.clone(), calls.clone()].into_iter().filter(|_| observes));
        let rules: Vec<String> = names.map(|name| place.arn("events", &format!("rule/{name}"))).collect();
        let queue = |role: Role, name: String| {
            let queue = WantedQueue::new(role, name, cell.owner.clone(), place);
            let statement = Some(statement(&queue.arn, &rules));
            WantedQueue { number: cell.number, statement, ..queue }
        };
        let dlq = queue(Role::EventsDlq, format!("{}-dlq", cell.events()));
        let events = queue(Role::Events, cell.events());
        // A day of tries, EventBridge's most; what cannot be delivered goes to the dead-letter queue, not away.
        let target = json!({"Id": TARGET, "Arn": events.arn, "DeadLetterConfig": {"Arn": dlq.arn},
            "RetryPolicy": {"MaximumRetryAttempts": 185, "MaximumEventAgeInSeconds": 86_400}});
        let rule = |name: String, what: &str, pattern: Value| WantedRule {
            name,
            description: format!("{what} the taskwatch cell {}", cell.name),
            pattern,
            target: target.clone(),
        };
        let observed = match observes {
            false => Vec::new(),
            true => vec![
                rule(tasks, "Ends of tasks that others launch, for", observed::tasks(ask, place)),
                rule(calls, "RunTask calls, by CloudTrail, for", observed::calls(ask, place)),
            ],
        };
        let rule = rule(cell.rule(), "Task events of", pattern(&cell.name, ask, place));
        let (number, owner) = (cell.number, cell.owner.clone());
        Self { number, cell: cell.name.clone(), owner, dlq, events, rule, observed }
    }

    /// All of its rules.
    pub(super) fn rules(&self) -> impl Iterator<Item = &WantedRule> {
        std::iter::once(&self.rule).chain(&self.observed)
    }
}

impl WantedQueue {
    fn new(role: Role, name: String, owner: Owner, place: &Place) -> Self {
        let dlq = place.arn("sqs", &format!("{name}-dlq"));
        Self {
            role,
            number: None,
            owner,
            arn: place.arn("sqs", &name),
            attributes: attributes(role, &dlq),
            usual: usual(role),
            statement: None,
            name,
        }
    }
}

fn attributes(role: Role, dlq: &str) -> Vec<(&'static str, Value)> {
    let mut all = vec![("MessageRetentionPeriod", RETENTION_SECONDS.into()), ("SqsManagedSseEnabled", true.into())];
    if matches!(role, Role::Events | Role::Requests) {
        all.extend([
            ("ReceiveMessageWaitTimeSeconds", 20.into()),
            ("VisibilityTimeout", VISIBILITY_SECONDS.into()),
            ("RedrivePolicy", json!({"deadLetterTargetArn": dlq, "maxReceiveCount": MOST_RECEIVES})),
        ]);
    }
    all
}

/// AWS's defaults that the path relies on (API reference, CreateQueue).
fn usual(role: Role) -> Vec<(&'static str, Value)> {
    let mut all = vec![("MaximumMessageSize", LEAST_MESSAGE_BYTES.into())];
    if matches!(role, Role::Events | Role::Requests) {
        all.push(("DelaySeconds", 0.into()));
    }
    all
}

/// Lets rules send to one queue (EventBridge user guide, "Using resource-based policies", Amazon SQS permissions).
fn statement(queue: &str, rules: &[String]) -> Value {
    let rule = match rules {
        [rule] => json!(rule),
        rules => json!(rules),
    };
    json!({"Sid": SID, "Effect": "Allow", "Principal": {"Service": "events.amazonaws.com"}, "Action": "sqs:SendMessage",
        "Resource": queue, "Condition": {"ArnEquals": {"aws:SourceArn": rule}}})
}

/// The cell's own events by their mark, and doctor's probe by its source: nobody else's.
fn pattern(cell: &str, ask: &Ask, place: &Place) -> Value {
    let mut detail = json!({"startedBy": [{"prefix": format!("{cell}/")}]});
    if !ask.clusters.is_empty() {
        detail["clusterArn"] = clusters(ask, place);
    }
    json!({"source": ["aws.ecs", PROBE_SOURCE], "detail-type": ["ECS Task State Change"], "detail": detail})
}

/// The ARNs of the clusters that are asked for.
pub(super) fn clusters(ask: &Ask, place: &Place) -> Value {
    let arn = |cluster: &String| match cluster.starts_with("arn:") {
        true => cluster.clone(),
        false => place.arn("ecs", &format!("cluster/{cluster}")),
    };
    ask.clusters.iter().map(arn).collect()
}

fn topic(ask: &Ask, place: &Place) -> WantedTopic {
    let given = ask.topic();
    // The topic by its ARN, as `setup` itself prints it, is the one that `setup` makes.
    let own = place.arn("sns", &ask.own_topic());
    let given = if given == own { ask.own_topic() } else { given };
    if given.starts_with("arn:") {
        return WantedTopic { name: None, arn: given, attributes: Vec::new() };
    }
    let arn = place.arn("sns", &given);
    // The key that AWS keeps for SNS: whoever may publish from this account may use it.
    WantedTopic { name: Some(given), arn, attributes: vec![("KmsMasterKeyId", "alias/aws/sns".into())] }
}
