//! The real process, killed again and again while a fleet runs through it: SIGKILL at random instants, under faults.
//! `TASKWATCH_KILLS` makes it longer.

use std::collections::{BTreeMap, BTreeSet};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use serde_json::{Value, json};
use taskwatch::aws::{Clients, EventsPath, Target};
use taskwatch::local::ecs::{EcsOptions, Quotas};
use taskwatch::local::faults::Script;
use taskwatch::local::{LocalOptions, Options, RunningLocal, start};
use taskwatch::store::{FileStore, Key, Store};

use crate::support::aws::Aws;
use crate::support::emulator;

const KILLS: u32 = 40;
const RUNS: usize = 120;
/// Retries of each run; an attempt more than that would be one that a crash made.
const RETRIES: usize = 6;
/// A bound that turns a hang into a failure.
const HANGS: Duration = Duration::from_secs(45);

/// A tenth of the tasks fail; events come twice, late, out of order, early or never; answers get lost after the effect.
const FAULTS: &str = r#"
[task]
seconds = [20, 200]
[[fault]]
do = "exit-code"
probability = 0.1
[[fault]]
do = "eni-timeout"
probability = 0.05
[[fault]]
do = "answer-lost"
probability = 0.1
[fault.match]
operation = "RunTask"
[[fault]]
do = "throttle"
probability = 0.05
[fault.match]
operation = "RunTask"
[[fault]]
do = "early-event"
probability = 0.1
[[fault]]
do = "duplicate"
probability = 0.2
[[fault]]
do = "reorder"
probability = 0.2
[[fault]]
do = "drop"
probability = 0.2
"#;

struct World {
    local: RunningLocal,
    aws: Aws,
    events: String,
    requests: String,
    topic: String,
    told: String,
    dir: tempfile::TempDir,
}

impl World {
    async fn new() -> Self {
        let ecs = EcsOptions {
            time_scale: 60.0,
            seed: 11,
            script: Script::parse(FAULTS).expect("a script"),
            quotas: Some(Quotas::default()),
            auto_register: true,
            archive: true,
            ..EcsOptions::default()
        };
        let listen = ([127, 0, 0, 1], 0).into();
        let local = start(LocalOptions { listen, identity: Options::default(), ecs }).await.expect("a free port");
        let target = Target {
            region: Some("us-east-1".into()),
            profile: None,
            endpoint_url: Some(local.url()),
            test_credentials: true,
        };
        let clients = Clients::load(&target).await;
        let events = EventsPath::make(&clients, "crash").await.expect("an events queue").queue_url;
        let aws = Aws::new(&emulator::sdk(&local.url()));
        let requests = aws.queue("requests").await;
        let (topic, told) = clients.create_subscribed_topic("told").await.expect("a topic");
        for queue in [&events, &requests] {
            // What a killed process had in hand comes again soon, as it does on AWS after a longer while.
            let set = aws.sqs.set_queue_attributes().queue_url(queue);
            let name = aws_sdk_sqs::types::QueueAttributeName::VisibilityTimeout;
            set.attributes(name, "2").send().await.expect("SetQueueAttributes");
        }
        Self { local, aws, events, requests, topic, told, dir: tempfile::tempdir().expect("a directory") }
    }

    fn serve(&self) -> Child {
        let mut command = Command::new(env!("CARGO_BIN_EXE_taskwatch"));
        command.env_clear().arg("serve").stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        command.current_dir(self.dir.path());
        command.envs([
            ("AWS_ACCESS_KEY_ID", "test"),
            ("AWS_SECRET_ACCESS_KEY", "test"),
            ("AWS_REGION", "us-east-1"),
            ("AWS_EC2_METADATA_DISABLED", "true"),
            ("AWS_ENDPOINT_URL", self.local.url().as_str()),
            ("TASKWATCH_CELL", "crash"),
            ("TASKWATCH_EVENTS_QUEUE_URL", self.events.as_str()),
            ("TASKWATCH_REQUESTS_QUEUE_URL", self.requests.as_str()),
            ("TASKWATCH_TOPIC_ARN", self.topic.as_str()),
            ("TASKWATCH_STORE", "file:data"),
            ("TASKWATCH_LISTEN", "127.0.0.1:0"),
            ("TASKWATCH_RUN_TASK_RATE", "400"),
            ("TASKWATCH_RECONCILE_AFTER_SECONDS", "4"),
        ]);
        command.spawn().expect("taskwatch serve")
    }
}

fn requests() -> Vec<String> {
    let request = |n: usize| {
        json!({"name": format!("run-{n}"), "until": if n.is_multiple_of(3) { "running" } else { "stopped" },
            "runTask": {"taskDefinition": format!("family-{}", n % 7), "launchType": "FARGATE",
                "networkConfiguration": {"awsvpcConfiguration": {"subnets": ["subnet-0a"]}}},
            "retry": [{"ErrorEquals": ["States.ALL"], "IntervalSeconds": 1, "MaxAttempts": RETRIES, "BackoffRate": 1}]})
    };
    (0..RUNS).map(|n| request(n).to_string()).collect()
}

/// The ids of notifications by run, until every run was told of.
async fn told(world: &World, told: &mut BTreeMap<String, BTreeSet<String>>) {
    while told.len() < RUNS {
        for message in world.aws.take(&world.told, 10, 1).await {
            let body: Value = serde_json::from_str(message.body.as_deref().unwrap_or_default()).expect("an envelope");
            let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
            told.entry(text(&body["detail"]["name"])).or_default().insert(text(&body["id"]));
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_again_and_again_every_run_ends_once_and_no_task_runs_twice() {
    let kills: u32 = std::env::var("TASKWATCH_KILLS").ok().and_then(|n| n.parse().ok()).unwrap_or(KILLS);
    let world = World::new().await;
    let mut dice = StdRng::seed_from_u64(17);
    let all = requests();
    for kill in 0..kills {
        let share = all.len() * kill as usize / kills as usize..all.len() * (kill as usize + 1) / kills as usize;
        world.aws.send(&world.requests, &all[share]).await;
        let mut child = world.serve();
        tokio::time::sleep(Duration::from_millis(dice.random_range(5..700))).await;
        child.kill().expect("SIGKILL");
        child.wait().expect("its end");
    }
    let mut last = world.serve();
    let mut all_told = BTreeMap::new();
    let in_time = tokio::time::timeout(HANGS, told(&world, &mut all_told)).await;
    last.kill().expect("SIGKILL");
    last.wait().expect("its end");

    let store = FileStore::open(&world.dir.path().join("data")).expect("the store");
    let contents = store.load().await.expect("readable");
    if in_time.is_err() {
        let left = world.aws.depth(&world.requests).await;
        let mut missing = Vec::new();
        for n in (0..RUNS).filter(|n| !all_told.contains_key(&format!("run-{n}"))) {
            let found = store.find(Key::Request(format!("run-{n}"))).await.expect("readable");
            missing.push((n, found.first().map(|run| (run.status, run.attempts.len(), run.finished_at))));
        }
        panic!("{left} requests left, {:?} in the outbox; not told of: {missing:?}", contents.undelivered);
    }
    assert!(contents.runs.is_empty(), "a run was told of and is still open: {:#?}", contents.runs.first());
    assert!(all_told.values().all(|ids| ids.len() == 1), "a run was told of twice, differently");
    let mut owner = BTreeMap::new();
    for n in 0..RUNS {
        let found = store.find(Key::Request(format!("run-{n}"))).await.expect("readable");
        assert_eq!(found.len(), 1, "run-{n} is there {} times", found.len());
        assert!(found[0].attempts.len() <= RETRIES + 1, "run-{n} had {} attempts", found[0].attempts.len());
        owner.extend(found[0].attempts.iter().filter_map(|a| Some((a.task_arn.clone()?, n))));
    }
    // ECS's own books: every task is an attempt's, and no run had two that ran at once.
    let mut spans: BTreeMap<usize, Vec<(i64, i64)>> = BTreeMap::new();
    for task in world.local.ecs.tasks_snapshot() {
        let run = *owner.get(&task.arn).unwrap_or_else(|| panic!("nobody knows task {}", task.arn));
        if let Some(from) = task.started_millis {
            spans.entry(run).or_default().push((from, task.execution_stopped_millis.unwrap_or(i64::MAX)));
        }
    }
    for (run, mut spans) in spans {
        spans.sort_unstable();
        assert!(spans.windows(2).all(|pair| pair[0].1 <= pair[1].0), "run-{run} had two tasks at once: {spans:?}");
    }
}
