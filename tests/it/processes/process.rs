//! A fleet of real processes: ECS, EventBridge, SQS and SNS are `local`, the table is MiniStack's.

use std::collections::{BTreeMap, BTreeSet};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use serde_json::Value;
use taskwatch::aws::EventsPath;
use taskwatch::fleet::FleetView;
use taskwatch::local::RunningLocal;
use taskwatch::local::ecs::{EcsOptions, Quotas};
use taskwatch::store::dynamo::{Directory, NewCell};

use tokio::sync::{Semaphore, SemaphorePermit};

use crate::support::aws::Aws;
use crate::support::emulator::{self, Emulator};
use crate::support::said::Said;
use crate::support::whole::{HANGS, endpoint_with};
use crate::table::{TABLE, make_table};

/// Fleets that live at once: each has several processes, and a table that they ask all the time.
static AT_ONCE: Semaphore = Semaphore::const_new(2);

pub(super) struct Fleet {
    pub(super) aws: Aws,
    pub(super) requests: String,
    told: String,
    topic: String,
    local: RunningLocal,
    table: Emulator,
    _turn: SemaphorePermit<'static>,
}

/// A process that serves; it ends with the test.
pub(super) struct Process {
    child: Mutex<Child>,
    pub(super) said: Said,
    /// What it writes for CloudWatch.
    pub(super) metrics: Said,
    pub(super) url: String,
}

impl Fleet {
    /// `time_scale`: how many times faster than AWS's ECS and its quotas go.
    pub(super) async fn with_cells(count: usize, time_scale: f64) -> Self {
        let _turn = AT_ONCE.acquire().await.expect("it is never closed");
        let table = Emulator::ministack();
        let rows = make_table(&table).await;
        let ecs = EcsOptions { time_scale, seed: 1, quotas: Some(Quotas::default()), ..EcsOptions::default() };
        let (local, clients) = endpoint_with(ecs).await;
        let aws = Aws::new(&emulator::sdk(&local.url()));
        let requests = aws.queue("blue-requests").await;
        let (topic, told) = clients.create_subscribed_topic("blue-told").await.expect("a topic");
        let (mut cells, mut queues) = (Vec::new(), vec![requests.clone()]);
        for n in 0..count {
            let name = format!("blue-{n}");
            let events = EventsPath::make(&clients, &name).await.expect("an events queue").queue_url;
            queues.push(events.clone());
            cells.push(NewCell { name, events });
        }
        for queue in &queues {
            // What a killed process had in hand comes again soon, as it does on AWS after a longer while.
            let set = aws.sqs.set_queue_attributes().queue_url(queue);
            let visibility = aws_sdk_sqs::types::QueueAttributeName::VisibilityTimeout;
            set.attributes(visibility, "2").send().await.expect("SetQueueAttributes");
        }
        Directory::new(Arc::new(rows), "blue").add_cells(&cells).await.expect("cells");
        Self { aws, requests, told, topic, local, table, _turn }
    }

    pub(super) fn process(&self) -> Process {
        self.process_with(&[])
    }

    /// One with these further settings.
    pub(super) fn process_with(&self, settings: &[(&str, &str)]) -> Process {
        let mut command = Command::new(env!("CARGO_BIN_EXE_taskwatch"));
        command.env_clear().arg("serve").stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let port = std::net::TcpListener::bind(("127.0.0.1", 0)).expect("a port").local_addr().expect("it").port();
        command.envs([
            ("AWS_ACCESS_KEY_ID", "test"),
            ("AWS_SECRET_ACCESS_KEY", "test"),
            ("AWS_REGION", "us-east-1"),
            ("AWS_EC2_METADATA_DISABLED", "true"),
            ("AWS_ENDPOINT_URL", self.local.url().as_str()),
            ("AWS_ENDPOINT_URL_DYNAMODB", self.table.endpoint().as_str()),
            ("TASKWATCH_FLEET", "blue"),
            ("TASKWATCH_STORE", &format!("dynamodb:{TABLE}")),
            ("TASKWATCH_REQUESTS_QUEUE_URL", self.requests.as_str()),
            ("TASKWATCH_TOPIC_ARN", self.topic.as_str()),
            ("TASKWATCH_LISTEN", &format!("127.0.0.1:{port}")),
            ("TASKWATCH_RECONCILE_AFTER_SECONDS", "5"),
        ]);
        command.envs(settings.iter().copied());
        let mut child = command.spawn().expect("taskwatch serve");
        let said = Said::by(child.stderr.take().expect("stderr"));
        let metrics = Said::by(child.stdout.take().expect("stdout"));
        Process { child: Mutex::new(child), said, metrics, url: format!("http://127.0.0.1:{port}") }
    }

    /// The table's endpoint.
    pub(super) fn table(&self) -> std::net::SocketAddr {
        self.table.address()
    }

    /// Sends requests by the queue, all at once.
    pub(super) async fn order(&self, requests: impl IntoIterator<Item = String>) {
        self.aws.send(&self.requests, &requests.into_iter().collect::<Vec<_>>()).await;
    }

    /// Every run was told of under one id, and ECS had one task for each.
    pub(super) async fn accounts_for(&self, runs: usize) {
        let told = self.told(runs).await;
        assert_eq!(told.len(), runs, "runs that were told of");
        for (name, ids) in &told {
            assert_eq!(ids.len(), 1, "{name} was told of under one id: {ids:?}");
        }
        assert_eq!(self.tasks(), runs, "one task a run");
    }

    /// The ids under which runs were told of, by name, once there are so many names.
    pub(super) async fn told(&self, runs: usize) -> BTreeMap<String, BTreeSet<String>> {
        let mut told = BTreeMap::<String, BTreeSet<String>>::new();
        let mut until = std::time::Instant::now() + HANGS;
        while told.len() < runs && std::time::Instant::now() < until {
            for message in self.aws.take(&self.told, 10, 1).await {
                until = std::time::Instant::now() + HANGS;
                let body: Value = serde_json::from_str(message.body.as_deref().unwrap_or_default()).expect("JSON");
                let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
                told.entry(text(&body["detail"]["name"])).or_default().insert(text(&body["id"]));
            }
        }
        told
    }

    /// When each task was made and of which family, oldest first, once there are so many.
    pub(super) async fn launches(&self, count: usize) -> Vec<(i64, String)> {
        let until = std::time::Instant::now() + HANGS;
        while self.tasks() < count && std::time::Instant::now() < until {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        let tasks = self.local.ecs.tasks_snapshot();
        let mut tasks: Vec<(i64, String)> = tasks.into_iter().map(|task| (task.created_millis, task.family)).collect();
        assert!(tasks.len() >= count, "{} tasks of {count}", tasks.len());
        tasks.sort();
        tasks
    }

    /// When each task was made, and by which cell.
    pub(super) fn launches_by_cell(&self) -> Vec<(i64, String)> {
        let tasks = self.local.ecs.tasks_snapshot();
        let cell =
            |by: &Option<String>| by.as_deref().and_then(|by| by.split('/').next()).unwrap_or_default().to_owned();
        let mut all: Vec<(i64, String)> =
            tasks.iter().map(|task| (task.created_millis, cell(&task.started_by))).collect();
        all.sort();
        all
    }

    /// Waits until so few requests wait in their queue: a large load is sent in parts.
    pub(super) async fn has_at_most_waiting(&self, most: u64) {
        let until = std::time::Instant::now() + 5 * HANGS;
        while self.aws.depth(&self.requests).await > most {
            assert!(std::time::Instant::now() < until, "{} wait", self.aws.depth(&self.requests).await);
            tokio::time::sleep(Duration::from_millis(500)).await;
        }
    }

    /// How many tasks there ever were.
    pub(super) fn tasks(&self) -> usize {
        self.local.ecs.tasks_snapshot().len()
    }
}

impl Process {
    /// Waits until it serves so many cells or more.
    pub(super) async fn serves(&self, cells: usize) {
        let until = std::time::Instant::now() + HANGS;
        loop {
            let has = self.fleet().await.map_or(0, |(_, has)| has);
            if has >= cells {
                return;
            }
            assert!(std::time::Instant::now() < until, "it serves {has} cells:\n{}", self.said.so_far().join("\n"));
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }

    /// The fleet as it sees it, and how many cells are served by it.
    pub(super) async fn fleet(&self) -> Option<(FleetView, usize)> {
        let view: FleetView = self.get("/v1/fleet").await?.json().await.ok()?;
        let served = self.get("/metrics").await?.text().await.ok()?;
        let has = served.lines().filter(|line| line.starts_with("taskwatch_ready{") && line.ends_with(" 1.0")).count();
        Some((view, has))
    }

    async fn get(&self, path: &str) -> Option<reqwest::Response> {
        tokio::time::timeout(Duration::from_secs(2), reqwest::get(format!("{}{path}", self.url))).await.ok()?.ok()
    }

    /// What it answers to a request.
    pub(super) async fn send(&self, method: &str, path: &str, body: Value) -> (u16, Value) {
        let method = method.parse().expect("a method");
        let request = reqwest::Client::new().request(method, format!("{}{path}", self.url));
        let request = match &body {
            Value::Null => request,
            body => request.header("content-type", "application/json").body(body.to_string()),
        };
        let answer = tokio::time::timeout(HANGS, request.send()).await.expect("an answer").expect("an answer");
        (answer.status().as_u16(), answer.json().await.expect("JSON"))
    }

    /// The same of a user who does not wait longer; `None`: there was no answer.
    pub(super) async fn try_send(
        &self,
        method: &str,
        path: &str,
        body: Value,
        longest: Duration,
    ) -> Option<(u16, Value)> {
        let method = method.parse().expect("a method");
        let request = reqwest::Client::new().request(method, format!("{}{path}", self.url)).timeout(longest);
        let request = request.header("content-type", "application/json").body(body.to_string());
        let answer = request.send().await.ok()?;
        Some((answer.status().as_u16(), answer.json().await.ok()?))
    }

    /// Waits until it is ready.
    pub(super) async fn is_ready(&self) {
        let until = std::time::Instant::now() + HANGS;
        while !self.get("/readyz").await.is_some_and(|answer| answer.status().is_success()) {
            assert!(std::time::Instant::now() < until, "it is not ready:\n{}", self.said.so_far().join("\n"));
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }

    /// Whether it was killed so soon by its own hand; it is dead then in any case.
    pub(super) async fn dies_within(&self, longest: Duration) -> bool {
        use std::os::unix::process::ExitStatusExt as _;
        let in_time = tokio::time::timeout(longest, self.said.all()).await.is_ok();
        let mut child = self.child.lock().unwrap_or_else(PoisonError::into_inner);
        if !in_time {
            child.kill().expect("SIGKILL");
        }
        let ended = child.wait().expect("its end");
        in_time && ended.signal() == Some(9)
    }

    /// Waits until it answers so: what others do it knows some seconds later.
    pub(super) async fn knows(&self, path: &str, is_so: impl Fn(&Value) -> bool) {
        let until = std::time::Instant::now() + HANGS;
        loop {
            let (_, answer) = self.send("GET", path, Value::Null).await;
            if is_so(&answer) {
                return;
            }
            let log = || self.said.so_far().join("\n");
            assert!(std::time::Instant::now() < until, "{path} is {answer}:\n{}", log());
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
    }

    /// The sum of a counter over its cells; of several labels, of the lines that have this one.
    pub(super) async fn metric_of(&self, name: &str, label: &str) -> u64 {
        let text = match self.get("/metrics").await {
            Some(answer) => answer.text().await.unwrap_or_default(),
            None => String::new(),
        };
        let values = text
            .lines()
            .filter(|line| line.starts_with(name) && line.contains(label))
            .filter_map(|line| line.rsplit(' ').next());
        values.filter_map(|value| value.parse::<f64>().ok()).sum::<f64>() as u64
    }

    pub(super) async fn metric(&self, name: &str) -> u64 {
        self.metric_of(name, "").await
    }

    pub(super) fn signal(&self, signal: &str) {
        let pid = self.child.lock().unwrap_or_else(PoisonError::into_inner).id().to_string();
        let sent = Command::new("kill").args([&format!("-{signal}"), &pid]).status().expect("kill");
        assert!(sent.success());
    }

    /// Waits for its end.
    pub(super) async fn ended(&self) -> ExitStatus {
        self.said.all().await;
        self.child.lock().unwrap_or_else(PoisonError::into_inner).wait().expect("its end")
    }

    /// Whether nothing went wrong that it did not expect.
    pub(super) fn log_is_clean(&self) -> bool {
        !self.said.so_far().iter().any(|line| line.contains(" ERROR "))
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let child = self.child.get_mut().unwrap_or_else(PoisonError::into_inner);
        let _ = child.kill();
        let _ = child.wait();
    }
}
