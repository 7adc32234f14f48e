//! The whole cell against `taskwatch local`, over the wire, with scripted faults.

use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;
use taskwatch::aws::{Clients, EventsPath, Target};
use taskwatch::cell::{Cell, CellConfig, Clock, Ids, LogReader, Ports, WithLines};
use taskwatch::core::request::RunRequest;
use taskwatch::core::run::Run;
use taskwatch::local::ecs::{EcsOptions, Quotas};
use taskwatch::local::faults::Script;
use taskwatch::local::{LocalOptions, Options, RunningLocal, start};
use taskwatch::store::MemoryStore;

/// So long nothing here takes that still goes on: a bound that turns a hang into a failure.
pub(crate) const HANGS: Duration = Duration::from_secs(120);

/// A cell and its endpoint.
pub(crate) struct Whole {
    pub(crate) cell: Cell,
    pub(crate) local: RunningLocal,
    pub(crate) logs: LogReader,
}

/// An endpoint with this script, 60 times faster than AWS, whose task definitions are made as they are asked for.
pub(crate) async fn endpoint(script: &str) -> (RunningLocal, Clients) {
    endpoint_of(script, None).await
}

/// The same with quotas.
pub(crate) async fn endpoint_of(script: &str, quotas: Option<Quotas>) -> (RunningLocal, Clients) {
    let script = Script::parse(script).expect("a script");
    endpoint_with(EcsOptions { time_scale: 60.0, seed: 5, script, quotas, ..EcsOptions::default() }).await
}

/// An endpoint whose task definitions are made as they are asked for.
pub(crate) async fn endpoint_with(ecs: EcsOptions) -> (RunningLocal, Clients) {
    let ecs = EcsOptions { auto_register: true, archive: true, ..ecs };
    let listen = ([127, 0, 0, 1], 0).into();
    let local = start(LocalOptions { listen, identity: Options::default(), ecs }).await.expect("a free port");
    let target = Target {
        region: Some("us-east-1".into()),
        profile: None,
        endpoint_url: Some(local.url()),
        test_credentials: true,
    };
    let clients = Clients::load(&target).await.expect("no profile is named");
    (local, clients)
}

impl Whole {
    /// A cell on an endpoint with this script; `set` changes its configuration.
    pub(crate) async fn new(script: &str, set: impl AsyncFnOnce(&mut CellConfig, &Clients)) -> Self {
        let (local, clients) = endpoint(script).await;
        let path = EventsPath::make(&clients, "w").await.expect("an events queue");
        let mut config =
            CellConfig { run_task_rate: 500.0, reconcile_after: Duration::from_secs(3), ..CellConfig::new("w") };
        set(&mut config, &clients).await;
        let logs = clients.log_reader(50.0);
        let ports = Ports {
            ecs: Arc::new(clients.ecs()),
            events: Some(Arc::new(clients.queue(&path.queue_url))),
            requests: None,
            requests_dlq: None,
            launchers: None,
            notifier: Arc::new(WithLines::new(Arc::new(clients.publisher()), logs.clone())),
            store: Arc::new(MemoryStore::default()),
            clock: Clock::system(),
            ids: Ids::default(),
        };
        Self { cell: Cell::start(config, ports).await.expect("a cell"), local, logs }
    }

    /// Submits a request; its runs.
    pub(crate) async fn submit(&self, request: Value) -> Vec<Run> {
        let request = RunRequest::parse(&request.to_string()).expect("a request");
        self.cell.submit(request).await.expect("taken").runs
    }

    /// The run at its end.
    pub(crate) async fn end(&self, run: &Run) -> Run {
        let ended = tokio::time::timeout(HANGS, self.cell.finished(run.id)).await;
        ended.unwrap_or_else(|_| panic!("{} never ended: {:?}", run.name, self.cell.run(run.id))).expect("known")
    }
}
