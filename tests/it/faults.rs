//! The whole cell against `taskwatch local`, over the wire, with each fault singly.

use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};
use taskwatch::aws::EventsPath;
use taskwatch::cell::{Cell, CellConfig, Clock, Ids, Ports};
use taskwatch::core::request::RunRequest;
use taskwatch::core::run::{Run, Status};
use taskwatch::local::RunningLocal;
use taskwatch::local::ecs::Quotas;
use taskwatch::store::MemoryStore;

use super::support::whole::{HANGS, endpoint_of};

/// A fault of the first attempt, and the class it must be given; the second attempt succeeds.
const LIVES: [(&str, &str); 19] = [
    ("eni-timeout", "Taskwatch.Network"),
    ("eni-provision", "Taskwatch.Network"),
    ("subnet-full", "Taskwatch.Network"),
    ("agent-disconnected", "Taskwatch.Host"),
    ("no-instances", "Taskwatch.Capacity"),
    ("image-pull", "Taskwatch.Image"),
    ("image-missing", "Taskwatch.Image"),
    ("image-rate-limit", "Taskwatch.Image"),
    ("disk-full", "Taskwatch.Storage"),
    ("missing-secret", "Taskwatch.Secrets"),
    ("docker-timeout", "Taskwatch.Service"),
    ("cannot-start", "Taskwatch.Configuration"),
    ("exit-code", "Taskwatch.Application"),
    ("out-of-memory", "Taskwatch.Application"),
    ("no-exit-code", "Taskwatch.Host"),
    ("spot-interruption", "Taskwatch.Spot"),
    ("maintenance", "Taskwatch.Host"),
    ("infrastructure-health", "Taskwatch.Host"),
    ("host-lost", "Taskwatch.Host"),
];

/// A refusal of the first attempt.
const REFUSALS: [(&str, &str); 10] = [
    ("capacity", "Taskwatch.Capacity"),
    ("vcpu-limit", "Taskwatch.Capacity"),
    ("resource-memory", "Taskwatch.Capacity"),
    ("resource-cpu", "Taskwatch.Capacity"),
    ("resource-eni", "Taskwatch.Capacity"),
    ("resource-ports", "Taskwatch.Capacity"),
    ("resource-gpu", "Taskwatch.Capacity"),
    ("agent", "Taskwatch.Host"),
    ("attribute", "Taskwatch.Configuration"),
    ("location", "Taskwatch.Capacity"),
];

/// What happens to two calls or to every event of a task, and may cost no attempt.
const UNNOTICED: [&str; 15] = [
    "throttle",
    "hidden-throttle",
    "provisioning-limit",
    "server-error",
    "server-error-after",
    "unavailable",
    "answer-lost",
    "latency",
    "duplicate",
    "drop",
    "delay",
    "reorder",
    "early-event",
    "stuck-stopping",
    "missing",
];

fn script() -> String {
    let fault = |name: &str, more: &str| format!("[[fault]]\ndo = \"{name}\"\n{more}family = \"{name}\"\n");
    let first = "[fault.match]\nattempt = 1\n";
    let twice = "count = 2\n[fault.match]\noperation = \"RunTask\"\n";
    let always = "[fault.match]\n";
    let mut script = String::from("[task]\nseconds = 20\n");
    LIVES.iter().chain(&REFUSALS).for_each(|(name, _)| script += &fault(name, first));
    for name in UNNOTICED {
        let calls = ["throttle", "hidden-throttle", "provisioning-limit", "server-error", "server-error-after"];
        let calls = calls.contains(&name) || ["unavailable", "answer-lost", "latency"].contains(&name);
        script += &fault(name, if calls { twice } else { always });
    }
    for name in ["stuck-provisioning", "stuck-pending"] {
        script += &fault(name, first);
    }
    for name in ["never-stops", "unhealthy", "access-denied"] {
        script += &fault(name, always);
    }
    script
}

struct World {
    cell: Cell,
    local: RunningLocal,
}

async fn world() -> World {
    let (local, clients) = endpoint_of(&script(), Some(Quotas::default())).await;
    let path = EventsPath::make(&clients, "f").await.expect("an events queue");
    let config = CellConfig { run_task_rate: 500.0, reconcile_after: Duration::from_secs(3), ..CellConfig::new("f") };
    let ports = Ports {
        ecs: Arc::new(clients.ecs()),
        events: Some(Arc::new(clients.queue(&path.queue_url))),
        requests: None,
        requests_dlq: None,
        launchers: None,
        notifier: Arc::new(clients.publisher()),
        store: Arc::new(MemoryStore::default()),
        clock: Clock::system(),
        ids: Ids::default(),
    };
    World { cell: Cell::start(config, ports).await.expect("a cell"), local }
}

impl World {
    /// A run of the fault's own task definition, to its end.
    async fn run(&self, fault: &str, more: Value) -> Run {
        let mut request = json!({
            "name": fault, "until": "stopped", "injectEnv": true,
            "runTask": {"taskDefinition": fault, "launchType": "FARGATE",
                "networkConfiguration": {"awsvpcConfiguration": {"subnets": ["subnet-0a"]}}},
            "retry": [{"ErrorEquals": ["States.ALL"], "IntervalSeconds": 1, "MaxAttempts": 2, "BackoffRate": 1}],
        });
        if let (Some(request), Value::Object(more)) = (request.as_object_mut(), more) {
            request.extend(more);
        }
        let request = RunRequest::parse(&request.to_string()).expect("a request");
        let run = self.cell.submit(request).await.expect("taken").runs.remove(0);
        let ended = tokio::time::timeout(HANGS, self.cell.finished(run.id)).await;
        ended.unwrap_or_else(|_| panic!("{fault}: it never ended: {:?}", self.cell.run(run.id))).expect("known")
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_fault_is_named_and_cured_singly() {
    let world = world().await;
    let mut wrong = Vec::new();
    let expected = LIVES.iter().chain(&REFUSALS);
    let cured = futures::future::join_all(expected.map(|(name, class)| {
        let world = &world;
        async move { (*name, *class, world.run(name, json!({})).await) }
    }));
    let unnoticed = futures::future::join_all(UNNOTICED.iter().map(|name| {
        let world = &world;
        async move { (*name, world.run(name, json!({})).await) }
    }));
    let stuck = futures::future::join_all(["stuck-provisioning", "stuck-pending"].map(|name| {
        let world = &world;
        async move { (name, world.run(name, json!({"startTimeoutSeconds": 2})).await) }
    }));
    let timed =
        futures::future::join_all([("never-stops", "stopped"), ("unhealthy", "healthy")].map(|(name, until)| {
            let world = &world;
            async move { (name, world.run(name, json!({"timeoutSeconds": 3, "until": until})).await) }
        }));
    let denied = world.run("access-denied", json!({"retry": []}));
    let (cured, unnoticed, stuck, timed, denied) = tokio::join!(cured, unnoticed, stuck, timed, denied);

    for (name, class, run) in &cured {
        let first = run.attempts[0].failure.as_ref();
        let classed = first.map_or("none", |f| f.class.as_str());
        if (run.status, run.attempts.len(), classed) != (Status::Succeeded, 2, *class) {
            wrong.push(format!("{name}: {:?} after {} attempts, {classed}: {first:?}", run.status, run.attempts.len()));
        }
    }
    for (name, run) in &unnoticed {
        if (run.status, run.attempts.len()) != (Status::Succeeded, 1) {
            wrong.push(format!("{name}: {:?} after {} attempts: {:?}", run.status, run.attempts.len(), run.failure()));
        }
    }
    for (name, run) in &stuck {
        let error = run.attempts[0].failure.as_ref().map(|f| f.error.as_str());
        if (run.status, run.attempts.len(), error) != (Status::Succeeded, 2, Some("Taskwatch.StartTimeout")) {
            wrong.push(format!("{name}: {:?} after {} attempts: {error:?}", run.status, run.attempts.len()));
        }
    }
    for (name, run) in &timed {
        if run.status != Status::TimedOut {
            wrong.push(format!("{name}: {:?}: {:?}", run.status, run.failure()));
        }
    }
    let class = denied.failure().map(|f| (f.class.as_str(), f.error.clone()));
    if denied.status != Status::Failed || class != Some(("Taskwatch.Configuration", "ECS.AccessDeniedException".into()))
    {
        wrong.push(format!("access-denied: {:?} {class:?}", denied.status));
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    // That the runs whose events were dropped have ended is DescribeTasks' doing; as lost they count a minute later.

    // ECS's own ledger: every task belongs to an attempt, and no run had two.
    let known: std::collections::BTreeSet<String> = world
        .cell
        .runs()
        .iter()
        .flat_map(|r| r.attempts.iter().filter_map(|a| a.task_arn.as_ref().map(ToString::to_string)))
        .collect();
    let tasks = world.local.ecs.tasks_snapshot();
    let strays: Vec<_> = tasks.iter().filter(|task| !known.contains(&task.arn)).collect();
    assert!(strays.is_empty() && tasks.len() == known.len(), "{} tasks, {} known", tasks.len(), known.len());
}
