//! One cell whose process is killed, and what its users ask of it.

use std::collections::{BTreeMap, BTreeSet};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use taskwatch::aws::{Clients, DynamoTable, EventsPath, Target};
use taskwatch::cell::Clock;
use taskwatch::store::dynamo::DynamoOptions;
use taskwatch::store::{DynamoStore, FileStore, Store};

use crate::support::aws::Aws;
use crate::support::emulator;
use crate::support::said::Said;
use crate::table::TABLE;

/// Retries of each run; an attempt more than that would be one that a crash made.
pub(super) const RETRIES: usize = 6;
/// Requests that come with each life.
const EACH_LIFE: usize = 3;
/// A bound that turns a hang into a failure.
const HANGS: Duration = Duration::from_secs(90);
/// A failpoint that is not passed so soon is not passed in this life: it ends by a kill from outside.
const LONGEST_LIFE: Duration = Duration::from_millis(700);
/// StopTask is called when a run's timeout of a second is over.
const STOPPING_LIFE: Duration = Duration::from_secs(4);

/// How a life ends.
pub(super) enum Death {
    /// From outside, after so long.
    After(Duration),
    /// By its own hand, when it passes this failpoint for the n-th time.
    At(&'static str, u32),
    /// The same, the first time, however long that takes.
    Surely(&'static str),
}

/// Where a cell keeps its runs.
#[derive(Clone)]
pub(super) enum Keeping {
    /// In its directory.
    Disk,
    /// In a table.
    Table(TableAt),
}

/// A table of DynamoDB, and its endpoint.
#[derive(Clone)]
pub(super) struct TableAt {
    pub(super) table: DynamoTable,
    pub(super) endpoint: String,
}

pub(super) struct KilledCell {
    pub(super) name: String,
    url: String,
    keeping: Keeping,
    pub(super) aws: Aws,
    events: String,
    pub(super) requests: String,
    pub(super) dlq: String,
    topic: String,
    told: String,
    pub(super) dir: tempfile::TempDir,
    /// Lives so far, but for the last.
    pub(super) lives: usize,
    /// What was ordered and is no request.
    pub(super) malformed: BTreeSet<String>,
    /// The ids and the statuses under which each run was told of.
    pub(super) told_of: BTreeMap<String, BTreeSet<(String, String)>>,
}

impl KilledCell {
    pub(super) async fn new(name: &str, url: &str, keeping: Keeping) -> Self {
        let target = Target {
            region: Some("us-east-1".into()),
            profile: None,
            endpoint_url: Some(url.to_owned()),
            test_credentials: true,
        };
        let clients = Clients::load(&target).await.expect("no profile is named");
        let events = EventsPath::make(&clients, name).await.expect("an events queue").queue_url;
        let aws = Aws::new(&emulator::sdk(url));
        let requests = aws.queue(&format!("{name}-requests")).await;
        let dlq = aws.queue(&format!("{name}-dlq")).await;
        let (topic, told) = clients.create_subscribed_topic(&format!("{name}-told")).await.expect("a topic");
        for queue in [&events, &requests] {
            // What a killed process had in hand comes again soon, as it does on AWS after a longer while.
            let set = aws.sqs.set_queue_attributes().queue_url(queue);
            let visibility = aws_sdk_sqs::types::QueueAttributeName::VisibilityTimeout;
            set.attributes(visibility, "1").send().await.expect("SetQueueAttributes");
        }
        let dir = tempfile::tempdir().expect("a directory");
        let (name, url) = (name.to_owned(), url.to_owned());
        let (malformed, told_of) = Default::default();
        Self { name, url, keeping, aws, events, requests, dlq, topic, told, dir, lives: 0, malformed, told_of }
    }

    /// How many runs were ordered.
    pub(super) fn runs(&self) -> usize {
        self.lives * EACH_LIFE
    }

    /// What users ask for at the beginning of a life; also something that is no request, if refusing is to kill it.
    pub(super) async fn order(&mut self, death: &Death) {
        let life = self.lives;
        self.lives += 1;
        let request = |n: usize| {
            let mut request = json!({"name": format!("run-{n}"), "until": if n.is_multiple_of(3) { "running" } else { "stopped" },
                "runTask": {"taskDefinition": format!("family-{}", n % 7), "launchType": "FARGATE",
                    "networkConfiguration": {"awsvpcConfiguration": {"subnets": ["subnet-0a"]}}},
                "retry": [{"ErrorEquals": ["States.ALL"], "IntervalSeconds": 1, "MaxAttempts": RETRIES, "BackoffRate": 1}]});
            if n.is_multiple_of(4) {
                request["timeoutSeconds"] = 1.into();
            }
            request.to_string()
        };
        let mut bodies: Vec<String> = (life * EACH_LIFE..(life + 1) * EACH_LIFE).map(request).collect();
        if matches!(death, Death::At(point, _) | Death::Surely(point) if point.starts_with("send-dlq")) {
            let malformed = format!("no request {life}");
            bodies.push(malformed.clone());
            self.malformed.insert(malformed);
        }
        self.aws.send(&self.requests, &bodies).await;
    }

    /// A process that serves; what it says ends with it.
    fn serve(&self, kill_at: Option<String>) -> (Child, Said) {
        let mut command = Command::new(env!("CARGO_BIN_EXE_taskwatch"));
        command.env_clear().arg("serve").stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
        command.current_dir(self.dir.path());
        command.envs([
            ("AWS_ACCESS_KEY_ID", "test"),
            ("AWS_SECRET_ACCESS_KEY", "test"),
            ("AWS_REGION", "us-east-1"),
            ("AWS_EC2_METADATA_DISABLED", "true"),
            ("AWS_ENDPOINT_URL", self.url.as_str()),
            ("TASKWATCH_CELL", self.name.as_str()),
            ("TASKWATCH_EVENTS_QUEUE_URL", self.events.as_str()),
            ("TASKWATCH_REQUESTS_QUEUE_URL", self.requests.as_str()),
            ("TASKWATCH_REQUESTS_DLQ_URL", self.dlq.as_str()),
            ("TASKWATCH_TOPIC_ARN", self.topic.as_str()),
            ("TASKWATCH_STORE", "file:data"),
            ("TASKWATCH_LISTEN", "127.0.0.1:0"),
            ("TASKWATCH_RUN_TASK_RATE", "400"),
            ("TASKWATCH_RECONCILE_AFTER_SECONDS", "2"),
        ]);
        if let Keeping::Table(at) = &self.keeping {
            command.env("AWS_ENDPOINT_URL_DYNAMODB", &at.endpoint).env("TASKWATCH_STORE", format!("dynamodb:{TABLE}"));
        }
        if let Some(at) = kill_at {
            command.env("TASKWATCH_KILL_AT", at);
        }
        let mut child = command.spawn().expect("taskwatch serve");
        let said = Said::by(child.stderr.take().expect("stderr"));
        (child, said)
    }

    /// What the last life left.
    pub(super) async fn store(&self) -> Arc<dyn Store> {
        match &self.keeping {
            Keeping::Disk => Arc::new(FileStore::open(&self.dir.path().join("data")).expect("the store")),
            Keeping::Table(at) => {
                let clock = Clock::system();
                let options = DynamoOptions {
                    place: format!("dynamodb:{TABLE}"),
                    keep: Duration::from_secs(7 * 86_400),
                    now: Arc::new(move || clock.now()),
                };
                let opened = DynamoStore::open(Arc::new(at.table.clone()), &self.name, "the test".into(), options);
                Arc::new(opened.await.expect("the store"))
            }
        }
    }

    /// One life; the failpoint that ended it, if one did.
    pub(super) async fn live_and_die(&self, death: &Death) -> Option<&'static str> {
        let ((mut child, said), longest, point) = match death {
            Death::After(wait) => (self.serve(None), *wait, None),
            Death::Surely(point) => (self.serve(Some(format!("{point}:1"))), STOPPING_LIFE, Some(*point)),
            Death::At(point, passing) => {
                let longest = if point.starts_with("stop-task") { STOPPING_LIFE } else { LONGEST_LIFE };
                (self.serve(Some(format!("{point}:{passing}"))), longest, Some(*point))
            }
        };
        if tokio::time::timeout(longest, said.all()).await.is_ok() {
            use std::os::unix::process::ExitStatusExt as _;
            let ended = child.wait().expect("its end");
            assert_eq!(ended.signal(), Some(9), "it ended by itself: {ended}");
            return point;
        }
        child.kill().expect("SIGKILL");
        child.wait().expect("its end");
        None
    }

    /// A life in which everything comes to its end.
    pub(super) async fn live_to_the_end(&mut self) {
        let (mut child, _) = self.serve(None);
        let runs = self.runs();
        let until = Instant::now() + HANGS;
        while self.told_of.len() < runs && Instant::now() < until {
            for message in self.aws.take(&self.told, 10, 1).await {
                let body: Value = serde_json::from_str(message.body.as_deref().unwrap_or_default()).expect("JSON");
                let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
                let told = (text(&body["id"]), text(&body["detail"]["status"]));
                self.told_of.entry(text(&body["detail"]["name"])).or_default().insert(told);
            }
        }
        child.kill().expect("SIGKILL");
        child.wait().expect("its end");
    }
}
