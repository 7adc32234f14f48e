//! The difference between what is wanted and what is there: pure, so that `--dry-run` and the changes are one thing.

use serde::Serialize;
use serde_json::Value;

use super::found::{Found, FoundQueue, FoundRule};
use super::policy;
use super::table::{FoundTable, Repair, WantedTable};
use super::wanted::{LONGEST_VISIBILITY, Pipeline, TARGET, Wanted, WantedQueue, WantedRule};
use crate::core::name::in_arn;

/// What is done to a thing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Action {
    /// It is not there.
    Create,
    /// It is there, and different.
    Change,
    /// It is as it should be.
    Leave,
}

/// One thing, and what is done to it.
#[derive(Clone, Debug, Serialize)]
pub struct Step {
    /// `table`, `queue`, `rule`, `target`, `topic`, `event bus` or `cell` (of a fleet, in its table).
    pub kind: &'static str,
    /// Its name.
    pub name: String,
    /// What is done.
    pub action: Action,
    /// Each difference: what, and from what to what.
    pub changes: Vec<String>,
    #[serde(skip)]
    pub(super) work: Work,
}

/// How it is done.
#[derive(Clone, Debug)]
pub(super) enum Work {
    Table(Vec<Repair>),
    /// By its place among all queues, with the attributes to set, as SetQueueAttributes takes them.
    Queue(usize, Vec<(String, String)>),
    /// By the place of its pipeline, and by its place among the pipeline's rules.
    Rule(usize, usize),
    Target(usize, usize),
    Topic,
    Bus,
    /// By the place of its pipeline.
    Cell(usize),
}

impl Step {
    fn new(work: Work, name: &str, there: bool, changes: Vec<String>) -> Self {
        let action = match (there, changes.is_empty()) {
            (false, _) => Action::Create,
            (true, true) => Action::Leave,
            (true, false) => Action::Change,
        };
        let kind = match &work {
            Work::Table(_) => "table",
            Work::Queue(..) => "queue",
            Work::Rule(..) => "rule",
            Work::Target(..) => "target",
            Work::Topic => "topic",
            Work::Bus => "event bus",
            Work::Cell(_) => "cell",
        };
        Self { kind, name: name.to_owned(), action, changes, work }
    }
}

/// Every thing that is wanted, in the order in which it must be done.
pub(super) fn steps(wanted: &Wanted, found: &Found) -> Vec<Step> {
    let mut steps: Vec<Step> = wanted.table.iter().map(|wanted| table(wanted, found.table.as_ref())).collect();
    steps.extend(
        wanted.queues().enumerate().map(|(place, wanted)| queue(place, wanted, found.queues.get(&wanted.name))),
    );
    for (place, pipeline) in wanted.pipelines.iter().enumerate() {
        for (number, wanted) in pipeline.rules().enumerate() {
            let there = found.rules.get(&wanted.name);
            steps.extend([rule((place, number), wanted, there), target((place, number), wanted, there)]);
        }
    }
    steps.push(topic(wanted, found));
    if let Some(bus) = &wanted.bus {
        steps.push(Step::new(Work::Bus, bus, found.bus, Vec::new()));
    }
    // Last: from here on a process may serve it.
    if wanted.is_fleet {
        steps.extend(wanted.pipelines.iter().enumerate().map(|(place, pipeline)| cell(place, pipeline, found)));
    }
    steps
}

fn cell(place: usize, pipeline: &Pipeline, found: &Found) -> Step {
    let queue = found.queues.get(&pipeline.events.name);
    let there = found.cells.iter().find(|row| *row.name == *pipeline.cell);
    let changes = match (there, queue) {
        (None, _) => vec![format!("events: {}", pipeline.events.name)],
        (Some(row), Some(queue)) if *row.events == *queue.url => Vec::new(),
        (Some(row), _) => {
            vec![changed("events", Some(&*row.events).filter(|url| !url.is_empty()), &pipeline.events.name)]
        }
    };
    Step::new(Work::Cell(place), &pipeline.cell, there.is_some(), changes)
}

fn table(wanted: &WantedTable, found: Option<&FoundTable>) -> Step {
    let repairs = found.map(FoundTable::repairs).unwrap_or_default();
    let changes = match found {
        None => WantedTable::lines(),
        Some(_) => repairs.iter().map(|repair| repair.line()).collect(),
    };
    Step::new(Work::Table(repairs), &wanted.name, found.is_some(), changes)
}

fn queue(place: usize, wanted: &WantedQueue, found: Option<&FoundQueue>) -> Step {
    let has = |name: &str| found.and_then(|f| f.attributes.get(name)).map(String::as_str);
    let mut attributes: Vec<(String, String)> = Vec::new();
    let mut changes = Vec::new();
    let usual = wanted.usual.iter().filter(|(name, _)| has(name).is_some());
    for (name, value) in wanted.attributes.iter().chain(usual) {
        let (old, new) = (has(name), text(value));
        if found.is_some() && suits(name, value, old, has("KmsMasterKeyId")) {
            continue;
        }
        if *name == "SqsManagedSseEnabled" && has("KmsMasterKeyId").is_some_and(|key| !key.is_empty()) {
            changes.push("KmsMasterKeyId: alias/aws/sqs → none (EventBridge cannot use that key)".to_owned());
            attributes.push(("KmsMasterKeyId".into(), String::new()));
        }
        changes.push(changed(name, old, &new));
        attributes.push(((*name).to_owned(), new));
    }
    if let Some(policy) = wanted.statement.as_ref().and_then(|s| policy::with(has("Policy"), s)) {
        let rules = &wanted.statement.as_ref().map(|s| s["Condition"]["ArnEquals"]["aws:SourceArn"].is_array());
        let which = if *rules == Some(true) { "rules" } else { "rule" };
        changes.push(format!("Policy: the cell's {which} may send"));
        attributes.push(("Policy".into(), policy.to_string()));
    }
    Step::new(Work::Queue(place, attributes), &wanted.name, found.is_some(), changes)
}

/// Whether what is there will do: more is as good for times and sizes, and a key of one's own for encryption.
fn suits(name: &str, wanted: &Value, has: Option<&str>, key: Option<&str>) -> bool {
    let number = has.and_then(|h| h.parse::<u64>().ok());
    match name {
        "MessageRetentionPeriod" | "MaximumMessageSize" => number >= wanted.as_u64(),
        "VisibilityTimeout" => number >= wanted.as_u64() && number <= Some(LONGEST_VISIBILITY),
        // Each call of the cell says how long it waits.
        "ReceiveMessageWaitTimeSeconds" => true,
        "SqsManagedSseEnabled" => match key.filter(|key| !key.is_empty()) {
            Some(key) => key != "alias/aws/sqs",
            None => has == Some("true"),
        },
        "RedrivePolicy" => {
            let has: Value = has.and_then(|h| serde_json::from_str(h).ok()).unwrap_or_default();
            let times = |v: &Value| v.as_u64().or_else(|| v.as_str()?.parse().ok());
            has["deadLetterTargetArn"] == wanted["deadLetterTargetArn"]
                && times(&has["maxReceiveCount"]) >= times(&wanted["maxReceiveCount"])
        }
        _ => has == Some(&text(wanted)),
    }
}

/// What it means that a pattern names clusters, where another did before: of a run elsewhere nothing is heard but by DescribeTasks.
fn unheard(old: &Value, new: &Value) -> Option<String> {
    let clusters = |pattern: &Value| -> Vec<String> {
        let named = pattern["detail"]["clusterArn"].as_array().into_iter().flatten();
        named.map(|cluster| in_arn(&text(cluster)).to_owned()).collect()
    };
    let (old, new) = (clusters(old), clusters(new));
    if new.is_empty() || new == old {
        return None;
    }
    let lost: Vec<String> = old.into_iter().filter(|cluster| !new.contains(cluster)).collect();
    let lost = if lost.is_empty() { String::new() } else { format!(", {} no longer", lost.join(", ")) };
    Some(format!("clusters: {} alone{lost}; give --cluster every one that runs go to", new.join(", ")))
}

/// Whether a rule lets in the same calls of any cluster: `infra/` knows no clusters by name, by which calls may name them.
fn is_of_all_clusters(has: &Value, wanted: &Value) -> bool {
    let mut wide = wanted.clone();
    let named = wide["detail"].as_object_mut().and_then(|detail| detail.remove("requestParameters"));
    named.is_some() && wide == *has
}

fn rule((place, number): (usize, usize), wanted: &WantedRule, found: Option<&FoundRule>) -> Step {
    let mut changes = Vec::new();
    match found {
        None => {
            changes.push(format!("EventPattern: {}", wanted.pattern));
            changes.extend(unheard(&Value::Null, &wanted.pattern));
        }
        Some(rule) => {
            if rule.pattern != wanted.pattern && !is_of_all_clusters(&rule.pattern, &wanted.pattern) {
                changes.push(format!("EventPattern: {} → {}", rule.pattern, wanted.pattern));
                changes.extend(unheard(&rule.pattern, &wanted.pattern));
            }
            if !rule.enabled {
                changes.push("State: DISABLED → ENABLED".to_owned());
            }
        }
    }
    Step::new(Work::Rule(place, number), &wanted.name, found.is_some(), changes)
}

/// One that is there keeps its attributes.
fn topic(wanted: &Wanted, found: &Found) -> Step {
    let name = wanted.topic.name.as_deref().unwrap_or(&wanted.topic.arn);
    let attributes = wanted.topic.attributes.iter().filter(|_| found.topic.is_none());
    let changes = attributes.map(|(name, value)| changed(name, None, &text(value))).collect();
    Step::new(Work::Topic, name, found.topic.is_some(), changes)
}

fn target((place, number): (usize, usize), wanted: &WantedRule, found: Option<&FoundRule>) -> Step {
    let targets = found.map(|rule| rule.targets.as_slice()).unwrap_or_default();
    let ours = targets.iter().find(|t| t["Id"] == TARGET);
    let mut changes = Vec::new();
    let names: std::collections::BTreeSet<&String> = [Some(&wanted.target), ours]
        .into_iter()
        .flatten()
        .filter_map(Value::as_object)
        .flat_map(|o| o.keys())
        .collect();
    for name in names {
        let (old, new) = (ours.map_or(&Value::Null, |o| &o[name]), &wanted.target[name]);
        if old != new && name != "Id" {
            changes.push(changed(name, Some(&text(old)).filter(|o| !o.is_empty()).map(String::as_str), &text(new)));
        }
    }
    Step::new(Work::Target(place, number), &format!("{} of {}", TARGET, wanted.name), ours.is_some(), changes)
}

fn changed(name: &str, old: Option<&str>, new: &str) -> String {
    let new = if new.is_empty() { "none" } else { new };
    match old {
        Some(old) => format!("{name}: {old} → {new}"),
        None => format!("{name}: {new}"),
    }
}

/// A value as an attribute has it.
pub(super) fn text(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::super::ask::{Ask, FleetAsk};
    use super::super::found::FoundTopic;
    use super::super::table;
    use super::super::wanted::Place;
    use crate::store::dynamo::CellRow;
    use serde_json::json;

    use super::*;

    fn wanted() -> Wanted {
        let place = Place { partition: "aws".into(), region: "us-east-1".into(), account: "123456789012".into() };
        Wanted::new(&Ask { name: "blue".into(), clusters: vec!["batch".into()], ..Ask::default() }, &place)
    }

    fn fleet(cells: u32) -> Wanted {
        let place = Place { partition: "aws".into(), region: "us-east-1".into(), account: "123456789012".into() };
        let fleet = Some(FleetAsk { cells: Some(cells), table: "runs".into() });
        Wanted::new(&Ask { name: "blue".into(), fleet, ..Ask::default() }, &place)
    }

    fn row(cell: &str) -> CellRow {
        let events = format!("https://{cell}-events").into();
        CellRow { name: cell.into(), events, epoch: 1, owner: None, want: None, format: 1 }
    }

    /// A world that is as it should be.
    fn whole(wanted: &Wanted) -> Found {
        let queues = wanted.queues().map(|q| {
            let mut attributes: std::collections::BTreeMap<String, String> =
                q.attributes.iter().map(|(n, v)| ((*n).to_owned(), text(v))).collect();
            if let Some(statement) = &q.statement {
                attributes.insert("Policy".into(), policy::with(None, statement).unwrap().to_string());
            }
            (q.name.clone(), FoundQueue { attributes, url: format!("https://{}", q.name), ..FoundQueue::default() })
        });
        let rule = |rule: &WantedRule| FoundRule {
            pattern: rule.pattern.clone(),
            enabled: true,
            targets: vec![rule.target.clone()],
            made_for: None,
        };
        let rules = wanted.pipelines.iter().flat_map(Pipeline::rules).map(|of| (of.name.clone(), rule(of)));
        Found {
            queues: queues.collect(),
            rules: rules.collect(),
            table: wanted.table.as_ref().map(|_| table::whole()),
            cells: wanted.pipelines.iter().map(|of| row(&of.cell)).collect(),
            topic: Some(FoundTopic::default()),
            bus: true,
        }
    }

    fn only_changes(wanted: &Wanted, found: &Found) -> Vec<String> {
        let steps = steps(wanted, found);
        steps.iter().filter(|s| s.action != Action::Leave).flat_map(|s| s.changes.clone()).collect()
    }

    #[test]
    fn nothing_is_there_so_all_is_made_and_what_is_made_is_left() {
        let wanted = wanted();
        let made = steps(&wanted, &Found::default());
        assert!(made.iter().all(|step| step.action == Action::Create && !step.changes.is_empty()));
        let sets = |step: &Step, wanted: &str| match &step.work {
            Work::Queue(_, attributes) => attributes.iter().any(|(name, _)| name == wanted),
            _ => false,
        };
        assert!(!made.iter().any(|step| sets(step, "DelaySeconds")), "AWS's defaults");
        assert!(made.iter().any(|step| sets(step, "VisibilityTimeout")));
        assert!(steps(&wanted, &whole(&wanted)).iter().all(|step| step.action == Action::Leave));
    }

    #[test]
    fn each_thing_that_is_wrong_is_mended_alone() {
        let wanted = wanted();
        let queue = |name: &str, value: &str| {
            let mut found = whole(&wanted);
            let queue = found.queues.get_mut("blue-events").unwrap();
            queue.attributes.insert(name.into(), value.into());
            only_changes(&wanted, &found)
        };
        assert_eq!(queue("VisibilityTimeout", "30"), ["VisibilityTimeout: 30 → 60"]);
        assert!(queue("VisibilityTimeout", "300").is_empty(), "longer will do");
        assert_eq!(queue("VisibilityTimeout", "43200"), ["VisibilityTimeout: 43200 → 60"]);
        assert_eq!(queue("DelaySeconds", "900"), ["DelaySeconds: 900 → 0"]);
        assert!(queue("DelaySeconds", "0").is_empty());
        assert_eq!(queue("MaximumMessageSize", "1024"), ["MaximumMessageSize: 1024 → 262144"]);
        assert!(queue("MaximumMessageSize", "1048576").is_empty());
        assert!(queue("ReceiveMessageWaitTimeSeconds", "0").is_empty(), "the cell's calls say how long they wait");
        assert_eq!(queue("MessageRetentionPeriod", "345600"), ["MessageRetentionPeriod: 345600 → 1209600"]);
        assert_eq!(queue("Policy", "{}"), ["Policy: the cell's rule may send"]);
        assert!(queue("KmsMasterKeyId", "alias/mine").is_empty(), "a key of one's own will do");
        assert_eq!(queue("KmsMasterKeyId", "alias/aws/sqs").len(), 2);
        assert_eq!(queue("RedrivePolicy", "{}").len(), 1);
        let rule = |change: fn(&mut FoundRule)| {
            let mut found = whole(&wanted);
            change(found.rules.get_mut("blue-events").unwrap());
            only_changes(&wanted, &found)
        };
        assert_eq!(rule(|r| r.enabled = false), ["State: DISABLED → ENABLED"]);
        assert!(rule(|r| r.pattern = json!({"source": ["aws.ecs"]}))[0].contains("\"prefix\":\"blue/\""));
        assert!(rule(|r| r.targets[0]["InputPath"] = "$.detail".into())[0].starts_with("InputPath: $.detail → none"));
        assert_eq!(rule(|r| r.targets.clear()).len(), 3);
        let all = |r: &mut FoundRule| r.pattern["detail"]["clusterArn"] = Value::Null;
        assert_eq!(rule(all)[1], "clusters: batch alone; give --cluster every one that runs go to");
        let more = |r: &mut FoundRule| r.pattern["detail"]["clusterArn"] = json!(["a:cluster/batch", "a:cluster/etl"]);
        assert_eq!(rule(more)[1], "clusters: batch alone, etl no longer; give --cluster every one that runs go to");
        let other = |r: &mut FoundRule| r.targets.push(json!({"Id": "other", "Arn": "arn:x"}));
        assert!(rule(other).is_empty(), "other people's targets are theirs");
    }
    #[test]
    fn a_fleet_has_a_pipeline_a_cell_and_the_rest_once() {
        let wanted = fleet(2);
        let made = steps(&wanted, &Found::default());
        let named: Vec<String> = made.iter().map(|step| format!("{} {}", step.kind, step.name)).collect();
        let cell = |n: u32| [format!("queue blue-{n}-events-dlq"), format!("queue blue-{n}-events")];
        let rule = |n: u32| [format!("rule blue-{n}-events"), format!("target taskwatch of blue-{n}-events")];
        let shared = ["queue blue-requests-dlq", "queue blue-requests"].map(str::to_owned);
        let mut expected = vec!["table runs".to_owned()];
        expected.extend([cell(0), cell(1), shared, rule(0), rule(1)].concat());
        expected.extend(["topic blue-runs", "cell blue-0", "cell blue-1"].map(str::to_owned));
        assert_eq!(named, expected);
        assert!(wanted.pipelines[1].rule.pattern.to_string().contains("\"prefix\":\"blue-1/\""));
        assert!(steps(&wanted, &whole(&wanted)).iter().all(|step| step.action == Action::Leave));

        // More cells are made beside those that are there, which stay as they are.
        let more = fleet(3);
        let made = steps(&more, &whole(&wanted));
        let made: Vec<&str> =
            made.iter().filter(|step| step.action != Action::Leave).map(|step| step.name.as_str()).collect();
        let pipeline = ["blue-2-events-dlq", "blue-2-events", "blue-2-events", "taskwatch of blue-2-events"];
        assert_eq!(made, [&pipeline[..], &["blue-2"]].concat());
        let mut found = whole(&wanted);
        found.table.as_mut().unwrap().protected = false;
        found.table.as_mut().unwrap().backups = false;
        assert_eq!(only_changes(&wanted, &found), ["point-in-time recovery: on", "deletion protection: on"]);
        // A cell that was made at its first taking knows no queue; one of another endpoint knows another.
        let mut found = whole(&wanted);
        found.cells[0].events = "".into();
        found.cells[1].events = "http://old".into();
        assert_eq!(only_changes(&wanted, &found), ["events: blue-0-events", "events: http://old → blue-1-events"]);
    }
}
