//! `taskwatch serve` as a process, with everything it needs on a `taskwatch local` of its own.

use std::collections::BTreeMap;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::Duration;

use serde_json::{Value, json};
use taskwatch::aws::{Clients, EventsPath};
use taskwatch::local::RunningLocal;

use super::aws::Aws;
use super::emulator;
use super::said::Said;
use super::tool;
use super::whole::{self, HANGS};

pub(crate) use super::polled::eventually;

const TASKWATCH: &str = env!("CARGO_BIN_EXE_taskwatch");

/// Whether a process can have a file system of its own here; where not, a word of it (`TASKWATCH_MOUNTS=required`: an error).
pub(crate) fn can_mount() -> bool {
    let mut unshare = Command::new("unshare");
    unshare.args(["--map-root-user", "--mount", "mount", "-t", "tmpfs", "tmpfs", "/tmp"]);
    let can = unshare.output().is_ok_and(|output| output.status.success());
    let why = "this user may not mount one in a namespace of its own (Ubuntu 24.04: sysctl kernel.apparmor_restrict_unprivileged_userns=0)";
    tool::possible(can, "the test on a file system that is full", why, "TASKWATCH_MOUNTS")
}

/// A cell's world: endpoint, queues, topic, and a directory.
pub(crate) struct Site {
    pub(crate) name: &'static str,
    pub(crate) local: RunningLocal,
    pub(crate) clients: Clients,
    pub(crate) aws: Aws,
    pub(crate) events: String,
    pub(crate) requests: String,
    topic: String,
    told: String,
    pub(crate) dir: tempfile::TempDir,
}

/// A request for one run of 20 s of AWS's time, a third of a second here.
pub(crate) fn request(name: &str) -> Value {
    json!({"name": name, "until": "stopped", "runTask": {"taskDefinition": "etl", "launchType": "FARGATE",
        "networkConfiguration": {"awsvpcConfiguration": {"subnets": ["subnet-0a"]}}}})
}

impl Site {
    pub(crate) async fn new(name: &'static str) -> Self {
        let (local, clients) = whole::endpoint("[task]\nseconds = 20\n").await;
        let events = EventsPath::make(&clients, name).await.expect("an events queue").queue_url;
        let aws = Aws::new(&emulator::sdk(&local.url()));
        let requests = aws.queue("requests").await;
        let (topic, told) = clients.create_subscribed_topic("told").await.expect("a topic");
        let dir = tempfile::tempdir().expect("a directory");
        Self { name, local, clients, aws, events, requests, topic, told, dir }
    }

    /// Sends a request for each name through the queue.
    pub(crate) async fn order(&self, names: impl IntoIterator<Item = String>) {
        let bodies: Vec<String> = names.into_iter().map(|name| request(&name).to_string()).collect();
        self.aws.send(&self.requests, &bodies).await;
    }

    /// A process that serves, with these further settings.
    pub(crate) fn serve(&self, settings: &[(&str, &str)]) -> Serving {
        let mut command = Command::new(TASKWATCH);
        command.arg("serve");
        self.begin(command, settings)
    }

    /// The same with its store on a file system of its own, of so many kilobytes, that is seen by that process alone.
    pub(crate) fn serve_on_a_disk_of(&self, kilobytes: u32) -> Serving {
        let mount = format!("mkdir data && mount -t tmpfs -o size={kilobytes}k tmpfs data && exec {TASKWATCH} serve");
        let mut command = Command::new("unshare");
        command.args(["--map-root-user", "--mount", "sh", "-c", &mount]);
        self.begin(command, &[("PATH", "/usr/sbin:/usr/bin:/sbin:/bin")])
    }

    fn begin(&self, mut command: Command, settings: &[(&str, &str)]) -> Serving {
        command.env_clear().stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
        command.current_dir(self.dir.path());
        let url = self.local.url();
        command.envs([
            ("AWS_ACCESS_KEY_ID", "test"),
            ("AWS_SECRET_ACCESS_KEY", "test"),
            ("AWS_REGION", "us-east-1"),
            ("AWS_EC2_METADATA_DISABLED", "true"),
            ("AWS_ENDPOINT_URL", url.as_str()),
            ("TASKWATCH_CELL", self.name),
            ("TASKWATCH_EVENTS_QUEUE_URL", self.events.as_str()),
            ("TASKWATCH_REQUESTS_QUEUE_URL", self.requests.as_str()),
            ("TASKWATCH_TOPIC_ARN", self.topic.as_str()),
            ("TASKWATCH_STORE", "file:data"),
            ("TASKWATCH_LISTEN", "127.0.0.1:0"),
            ("TASKWATCH_RUN_TASK_RATE", "400"),
            ("TASKWATCH_RECONCILE_AFTER_SECONDS", "2"),
        ]);
        command.envs(settings.iter().copied());
        let mut child = command.spawn().expect("taskwatch serve");
        let said = Said::by(child.stderr.take().expect("stderr"));
        Serving { child, said, client: reqwest::Client::new() }
    }

    /// Waits until so many runs were told of: each under one id, after one attempt; and ECS had one task for each.
    pub(crate) async fn all_end_well(&self, runs: usize) {
        self.all_end_well_after(0, runs).await;
    }

    /// The same where so many of them were told of already.
    pub(crate) async fn all_end_well_after(&self, before: usize, all: usize) {
        let runs = all - before;
        let mut told: BTreeMap<String, Value> = BTreeMap::new();
        let listened = async {
            while told.len() < runs {
                for message in self.aws.take(&self.told, 10, 1).await {
                    let body: Value = serde_json::from_str(message.body.as_deref().unwrap_or_default()).expect("JSON");
                    let name = body["detail"]["name"].as_str().unwrap_or_default().to_owned();
                    let first = told.entry(name).or_insert_with(|| body.clone());
                    assert_eq!(first["id"], body["id"], "told of twice, differently");
                }
            }
        };
        let in_time = tokio::time::timeout(HANGS, listened).await;
        assert!(in_time.is_ok(), "{} of {runs} runs were told of", told.len());
        for (name, body) in &told {
            let detail = &body["detail"];
            let attempts = detail["attempts"].as_array().map_or(0, Vec::len);
            assert_eq!((&detail["status"], attempts), (&"SUCCEEDED".into(), 1), "{name}: {detail:#}");
        }
        assert_eq!(self.local.ecs.tasks_snapshot().len(), all, "as many tasks as runs");
    }
}

/// With `TASKWATCH_SHOW=1` and `--nocapture`: what the process says, as `docs/reliability.md` has it.
fn show(said: &str) {
    if std::env::var_os("TASKWATCH_SHOW").is_some() {
        println!("{said}");
    }
}

/// A serving process; killed when dropped.
pub(crate) struct Serving {
    child: Child,
    said: Said,
    client: reqwest::Client,
}

impl Serving {
    /// Waits for a line of the log that has this in it.
    pub(crate) async fn says(&self, part: &str) -> String {
        self.said.line_with(part).await
    }

    pub(crate) async fn url(&self, path: &str) -> String {
        let line = self.says("serving").await;
        let address = line.split("address=").nth(1).expect("its address");
        format!("http://{}{path}", address.split_whitespace().next().unwrap_or_default())
    }

    /// `/readyz`: whether, and what it says.
    pub(crate) async fn readyz(&self) -> (bool, String) {
        let answer = self.client.get(self.url("/readyz").await).send().await.expect("an answer");
        (answer.status().is_success(), answer.text().await.expect("a text"))
    }

    /// Waits until it is ready.
    pub(crate) async fn is_ready(&self) {
        eventually("it is ready", async || self.readyz().await.0).await;
    }

    /// Waits until `/readyz` says why not.
    pub(crate) async fn is_not_ready(&self, why: &str) {
        eventually(&format!("/readyz says {why:?}"), async || {
            let (ready, said) = self.readyz().await;
            let so = !ready && said.contains(why);
            if so {
                show(&said);
            }
            so
        })
        .await;
    }

    /// A metric without labels.
    pub(crate) async fn metric(&self, name: &str) -> f64 {
        let answer = self.client.get(self.url("/metrics").await).send().await.expect("an answer");
        let text = answer.text().await.expect("a text");
        let value = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
        value.and_then(|value| value.parse().ok()).unwrap_or_else(|| panic!("no {name} in {text}"))
    }

    /// Submits by HTTP: the status and the answer.
    pub(crate) async fn submit(&self, name: &str) -> (u16, String) {
        let asked = self.client.post(self.url("/v1/runs").await).header("content-type", "application/json");
        let answer = asked.body(request(name).to_string()).send().await.expect("an answer");
        (answer.status().as_u16(), answer.text().await.expect("a text"))
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    pub(crate) fn terminate(&self) {
        let sent = Command::new("kill").args(["-TERM", &self.child.id().to_string()]).status().expect("kill");
        assert!(sent.success());
    }

    /// Its end. A call that hangs is given up after 30 s; who waits for that has failed.
    pub(crate) async fn end(&mut self) -> ExitStatus {
        let in_time = tokio::time::timeout(Duration::from_secs(20), self.said.all()).await;
        assert!(in_time.is_ok(), "it did not end");
        self.child.wait().expect("its end")
    }

    /// All it said.
    pub(crate) fn log(&self) -> Vec<String> {
        self.said.so_far()
    }
}

impl Drop for Serving {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        show(&self.log().join("\n"));
    }
}
