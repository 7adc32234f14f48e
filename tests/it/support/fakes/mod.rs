//! A world for a cell that does as it is told: queues, ECS, a topic and a store in memory, and a journal of all that
//! the cell asked of them, in order. For paused time.

mod ecs;
mod queue;
mod store;
pub(crate) mod table;
mod topic;

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use serde_json::{Value, json};
use taskwatch::cell::ports::Launchers;
use taskwatch::cell::{Cell, CellConfig, CellError, Clock, Ids, Ports, Shared};
use taskwatch::core::notification::Destinations;
use taskwatch::core::request::RunRequest;
use taskwatch::core::run::{Run, Status};
use taskwatch::core::time::Timestamp;
use taskwatch::store::Store;

pub(crate) use ecs::{Answer, FakeEcs, Quota};
pub(crate) use queue::FakeQueue;
pub(crate) use store::FakeStore;
pub(crate) use topic::FakeTopic;

/// What was asked of the world, in order.
#[derive(Clone, Default)]
pub(crate) struct Journal(Arc<Mutex<Vec<String>>>);

impl Journal {
    pub(crate) fn note(&self, line: impl Into<String>) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(line.into());
    }

    /// The lines that begin so.
    pub(crate) fn of(&self, start: &str) -> Vec<String> {
        let lines = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        lines.iter().filter(|line| line.starts_with(start)).cloned().collect()
    }
}

/// Everything a cell works with.
pub(crate) struct World {
    pub(crate) journal: Journal,
    pub(crate) ecs: Arc<FakeEcs>,
    pub(crate) events: Arc<FakeQueue>,
    pub(crate) requests: Arc<FakeQueue>,
    pub(crate) dlq: Option<Arc<FakeQueue>>,
    pub(crate) launchers: Option<Arc<dyn Launchers>>,
    pub(crate) topic: Arc<FakeTopic>,
    pub(crate) store: Arc<FakeStore>,
    pub(crate) config: CellConfig,
    pub(crate) clock: Clock,
    ids: Ids,
}

impl World {
    pub(crate) fn new() -> Self {
        let journal = Journal::default();
        Self {
            ecs: Arc::new(FakeEcs::new(journal.clone())),
            events: FakeQueue::new("events", &journal),
            requests: FakeQueue::new("requests", &journal),
            dlq: Some(FakeQueue::new("dlq", &journal)),
            launchers: None,
            topic: Arc::new(FakeTopic::new(journal.clone())),
            store: Arc::new(FakeStore::new(journal.clone())),
            config: CellConfig {
                destinations: Destinations {
                    topic: Some("arn:aws:sns:x:1:t".into()),
                    bus: None,
                    ..Destinations::default()
                },
                ..CellConfig::new("c")
            },
            clock: Clock::starting_at(Timestamp::from_millis(1_800_000_000_000)),
            ids: Ids::seeded(1),
            journal,
        }
    }

    /// The world of one of several cells, with ids of its own.
    pub(crate) fn of_cell(name: &str, seed: u64) -> Self {
        let world = Self::new();
        let config = CellConfig { name: name.to_owned(), ..world.config.clone() };
        Self { config, ids: Ids::seeded(seed), ..world }
    }

    /// A world without an events queue: tasks are polled.
    pub(crate) fn polled() -> Self {
        let world = Self::new();
        Self { config: CellConfig { poll: Some(taskwatch::cell::POLL), ..world.config.clone() }, ..world }
    }

    /// A cell in this world; a second one is the first one's restart.
    pub(crate) async fn start(&self) -> Cell {
        self.start_on(Arc::clone(&self.store) as _).await
    }

    /// The same on another store.
    pub(crate) async fn start_on(&self, store: Arc<dyn Store>) -> Cell {
        self.try_start_on(store).await.expect("a cell")
    }

    pub(crate) async fn try_start_on(&self, store: Arc<dyn Store>) -> Result<Cell, CellError> {
        Cell::start(self.config.clone(), self.ports(store)).await
    }

    /// A cell that shares something with others of its process.
    pub(crate) async fn start_among(&self, shared: Shared) -> Cell {
        let ports = self.ports(Arc::clone(&self.store) as _);
        Cell::start_among(self.config.clone(), ports, shared).await.expect("a cell")
    }

    fn ports(&self, store: Arc<dyn Store>) -> Ports {
        Ports {
            ecs: Arc::clone(&self.ecs) as _,
            events: self.config.poll.is_none().then(|| Arc::clone(&self.events) as _),
            requests: Some(Arc::clone(&self.requests) as _),
            requests_dlq: self.dlq.clone().map(|dlq| dlq as _),
            launchers: self.launchers.clone(),
            notifier: Arc::clone(&self.topic) as _,
            store,
            clock: self.clock.clone(),
            ids: self.ids.clone(),
        }
    }

    /// Puts a task state change event of `task_arn` into the events queue.
    pub(crate) fn event(&self, task_arn: &str, version: i64, status: &str, more: Value) {
        let started_by = self.ecs.started_by(task_arn);
        let mut detail = json!({"taskArn": task_arn, "version": version, "lastStatus": status, "containers": [],
            "startedBy": started_by});
        merge(&mut detail, more);
        let event = json!({"source": "aws.ecs", "detail-type": "ECS Task State Change", "detail": detail});
        self.events.put(&event.to_string());
    }

    /// The event of a task whose container ended with this exit code.
    pub(crate) fn ended(&self, task_arn: &str, exit_code: i64) {
        let more = json!({"stopCode": "EssentialContainerExited", "stoppedReason": "Essential container in task exited",
            "startedAt": "2027-01-15T08:00:01Z", "containers": [{"name": "app", "exitCode": exit_code}]});
        self.event(task_arn, 9, "STOPPED", more);
    }
}

fn merge(into: &mut Value, more: Value) {
    if let (Some(into), Value::Object(more)) = (into.as_object_mut(), more) {
        into.extend(more);
    }
}

/// A run request: `{"runTask": {"taskDefinition": "app:1"}, "until": "stopped"}` and what else is given; `count` goes where
/// it belongs.
pub(crate) fn request(mut more: Value) -> Value {
    let mut request = json!({"runTask": {"taskDefinition": "app:1"}, "until": "stopped"});
    if let Some(count) = more.as_object_mut().and_then(|more| more.remove("count")) {
        request["runTask"]["count"] = count;
    }
    merge(&mut request, more);
    request
}

/// Submits a request; its runs.
pub(crate) async fn submit(cell: &Cell, more: Value) -> Vec<Run> {
    let request = RunRequest::parse(&request(more).to_string()).expect("a request");
    cell.submit(request).await.expect("taken").runs
}

/// Lets paused time run until it is so; an hour of it is enough for everything here.
pub(crate) async fn eventually(what: &str, mut is_so: impl FnMut() -> bool) {
    for _ in 0..360_000 {
        if is_so() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("it never came to this: {what}");
}

/// Lets everything happen that can happen without a timer longer than a second.
pub(crate) async fn settle() {
    tokio::time::sleep(Duration::from_secs(1)).await;
}

pub(crate) fn status(cell: &Cell, run: &Run) -> Status {
    cell.run(run.id).expect("the run is known").status
}
