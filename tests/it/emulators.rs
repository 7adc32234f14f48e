//! Whole paths through emulators that others wrote: moto and MiniStack.
//!
//! No emulator plays ECS as ECS is, so that one part is ours (`support::ecs`); queues, bus, topic and every wire format in between are theirs.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use serde_json::json;
use taskwatch::aws::{Clients, EventsPath, Target};
use taskwatch::cell::{Cell, CellConfig, Clock, Ids, Ports};
use taskwatch::core::run::Status;
use taskwatch::store::MemoryStore;
use tokio::sync::mpsc::UnboundedReceiver;

use super::support::aws::Aws;
use super::support::ecs::{Ecs, Placed, envelope};
use super::support::emulator::Emulator;
use super::support::polled::eventually;
use super::support::whole::HANGS;

/// A cell on an emulator's queues and topic, with the fake ECS.
pub(crate) struct Fleet {
    pub(crate) cell: Cell,
    pub(crate) aws: Aws,
    tasks: UnboundedReceiver<Placed>,
    ecs: Arc<Ecs>,
    pub(crate) requests: String,
    dlq: String,
    pub(crate) told: String,
}

/// A cell, its queues by URL, and the name of its topic.
pub(crate) struct Path {
    pub(crate) cell: &'static str,
    pub(crate) events: String,
    pub(crate) requests: String,
    pub(crate) dlq: String,
    pub(crate) topic: String,
}

impl Fleet {
    async fn on(emulator: &Emulator, events_queue: impl AsyncFnOnce(&Clients, &Aws) -> String) -> Self {
        let (clients, aws) = (clients(emulator).await, Aws::new(&emulator.sdk()));
        let events = events_queue(&clients, &aws).await;
        let (requests, dlq) = (aws.queue("requests").await, aws.queue("requests-dlq").await);
        Self::at(emulator, Path { cell: "blue", events, requests, dlq, topic: "runs".into() }).await
    }

    /// A cell on a path that is there.
    pub(crate) async fn at(emulator: &Emulator, path: Path) -> Self {
        let (clients, aws) = (clients(emulator).await, Aws::new(&emulator.sdk()));
        let Path { cell, events, requests, dlq, topic } = path;
        let (topic, told) = aws.topic(&topic).await;
        let (ecs, tasks) = Ecs::new();
        let ecs = Arc::new(ecs);
        let mut config = CellConfig::new(cell);
        config.destinations.topic = Some(topic);
        config.run_task_rate = 1_000.0;
        let ports = Ports {
            ecs: Arc::clone(&ecs) as _,
            events: Some(Arc::new(clients.queue(events))),
            requests: Some(Arc::new(clients.queue(&requests))),
            requests_dlq: Some(Arc::new(clients.queue(&dlq))),
            launchers: None,
            notifier: Arc::new(clients.publisher()),
            store: Arc::new(MemoryStore::default()),
            clock: Clock::system(),
            ids: Ids::default(),
        };
        let cell = Cell::start(config, ports).await.expect("a cell");
        Self { cell, aws, tasks, ecs, requests, dlq, told }
    }

    /// The next task that was launched.
    pub(crate) async fn next_task(&mut self) -> Placed {
        let next = tokio::time::timeout(HANGS, self.tasks.recv()).await;
        next.expect("a launch, before it hangs").expect("a task")
    }

    /// The final statuses of these runs, by name.
    pub(crate) async fn ends(&self, names: &[String]) -> BTreeMap<String, Status> {
        tokio::time::timeout(HANGS, self.all_ends(names)).await.expect("every run's end, before it hangs")
    }

    async fn all_ends(&self, names: &[String]) -> BTreeMap<String, Status> {
        let mut changes = self.cell.subscribe();
        let mut ends = BTreeMap::new();
        loop {
            for run in self.cell.runs().into_iter().filter(|run| run.status.is_final()) {
                ends.insert(run.name, run.status);
            }
            if ends.len() >= names.len() {
                return ends;
            }
            // Whether it was told of this change or has missed some: it looks again.
            let _ = changes.recv().await;
        }
    }
}

pub(crate) async fn clients(emulator: &Emulator) -> Clients {
    let target = Target {
        region: Some("us-east-1".into()),
        endpoint_url: Some(emulator.endpoint()),
        test_credentials: true,
        ..Target::default()
    };
    Clients::load(&target).await.expect("no profile is named")
}

pub(crate) fn request(family: &str, name: &str) -> String {
    json!({ "name": name, "runTask": { "taskDefinition": family, "cluster": "batch" }, "until": "stopped",
        "retry": [{ "ErrorEquals": ["Taskwatch.Transient"], "IntervalSeconds": 1, "MaxAttempts": 2 }] })
    .to_string()
}

/// What every fleet must come to: by the family, whatever happened to its events on the way.
pub(crate) fn assert_ends(ends: &BTreeMap<String, Status>) {
    for (name, status) in ends {
        let good = name.starts_with("exit-0") || name.starts_with("flaky");
        assert_eq!(*status, if good { Status::Succeeded } else { Status::Failed }, "{name}");
    }
}

/// The whole path through EventBridge, SQS and SNS as moto has them: the rule's pattern lets only the cell's events in.
#[tokio::test(flavor = "multi_thread")]
async fn a_fleet_runs_through_motos_rule_queues_and_topic() {
    let moto = Emulator::moto();
    let path = async |clients: &Clients, _: &Aws| EventsPath::make(clients, "blue").await.expect("a path").queue_url;
    let mut fleet = Fleet::on(&moto, path).await;
    let families = ["exit-0", "exit-3", "flaky"];
    let bodies: Vec<String> = families.iter().map(|family| request(family, family)).collect();
    fleet.aws.send(&fleet.requests, &bodies).await;
    fleet.aws.send(&fleet.requests, &["{\"runTask\": {\"taskDefinitio\": 1}}".to_owned(), "hello".to_owned()]).await;
    let foreign = json!({ "taskArn": "arn:aws:ecs:us-east-1:123456789012:task/batch/0", "startedBy": "green/0" });
    fleet.aws.put_events(&[foreign]).await;
    // Three tasks, and a second one of the flaky family.
    for _ in 0..4 {
        let placed = fleet.next_task().await;
        fleet.aws.put_events(&placed.life()).await;
    }
    let names: Vec<String> = families.map(str::to_owned).into();
    assert_ends(&fleet.ends(&names).await);
    assert_eq!(fleet.ecs.placed("flaky"), 2);
    // One more than there should be, so that one too many is seen.
    assert_eq!(fleet.aws.take(&fleet.told, 4, 3).await.len(), 3);
    assert_eq!(fleet.cell.counters().foreign.get(), 0, "the rule lets only the cell's own events in");
    let refused = fleet.aws.take(&fleet.dlq, 2, 10).await;
    let reasons: Vec<String> = refused
        .iter()
        .filter_map(|m| m.message_attributes.as_ref()?.get("taskwatchError")?.string_value.clone())
        .collect();
    assert_eq!(reasons.len(), 2, "{reasons:?}");
    assert!(reasons.iter().any(|reason| reason.contains("did you mean taskDefinition")), "{reasons:?}");
    fleet.cell.drain(Duration::from_secs(5)).await;
}

/// Hundreds of events through MiniStack's SQS, each twice and in the wrong order, among foreign ones.
#[tokio::test(flavor = "multi_thread")]
async fn a_fleet_survives_ministacks_queue_with_duplicates_disorder_and_foreign_events() {
    let ministack = Emulator::ministack();
    let mut events = String::new();
    let queue = async |_: &Clients, aws: &Aws| aws.queue("events").await;
    let mut fleet = Fleet::on(&ministack, queue).await;
    events.push_str(&fleet.aws.queue("events").await);
    let names: Vec<String> = (0..90).map(|n| format!("{}-{n}", ["exit-0", "exit-7", "exit-0"][n % 3])).collect();
    let bodies: Vec<String> = names.iter().map(|name| request(&name[..6], name)).collect();
    fleet.aws.send(&fleet.requests, &bodies).await;
    for _ in 0..names.len() {
        let placed = fleet.next_task().await;
        let life = placed.life();
        let mut told: Vec<String> = life.iter().chain(&life).map(envelope).collect();
        told.reverse();
        told.push(include_str!("../fixtures/events/71-other-ecs-service-action-service_steady_state.json").to_owned());
        told.push("no event at all".to_owned());
        fleet.aws.send(&events, &told).await;
    }
    assert_ends(&fleet.ends(&names).await);
    let notifications = fleet.aws.take(&fleet.told, names.len() + 1, 3).await;
    assert_eq!(notifications.len(), names.len(), "one notification a run");
    let counters = fleet.cell.counters();
    let least = names.len() as u64;
    let counted = async || counters.malformed.get() >= least && counters.foreign.get() >= least;
    eventually("foreign and malformed events are counted", counted).await;
    fleet.cell.drain(Duration::from_secs(5)).await;
    assert_eq!(fleet.aws.depth(&events).await, 0, "foreign and malformed events were deleted, not bounced");
}
