//! `taskwatch demo`: endpoint, cell and a fleet in one process, and a look into ECS's own ledger at the end.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use clap::Args;
use serde_json::{Value, json};

use super::beside::Beside;
use super::error::CliError;
use super::options::{Format, Global};
use super::output;
use super::settings::Settings;
use super::signals::Signals;
use crate::aws::{Clients, EventsPath, Target};
use crate::cell::ports::Queue;
use crate::cell::{Cell, CellConfig, Clock, Ids, LogReader, Ports, Times, WithLines};
use crate::core::run::{Run, Status};
use crate::front::Front;
use crate::local::ecs::{EcsOptions, Quotas};
use crate::local::faults::Script;
use crate::local::{LocalOptions, Options, RunningLocal, start};
use crate::store::MemoryStore;

pub(super) const DEMO_EXAMPLES: &str = "\
Examples:
  taskwatch demo
  taskwatch demo --stay                    # its page stays up until Ctrl-C
  taskwatch demo --runs 1000 --seed 7 --output json";

/// `taskwatch demo`.
#[derive(Debug, Args)]
pub(super) struct DemoArgs {
    /// How many runs
    #[arg(long, default_value_t = 200)]
    runs: u32,
    /// How many times faster than AWS's time runs
    #[arg(long, default_value_t = 20.0, value_name = "N")]
    time_scale: f64,
    /// Decides all random choices
    #[arg(long, default_value_t = 1, value_name = "N")]
    seed: u64,
    /// Keep serving the page at the end, until Ctrl-C
    #[arg(long)]
    stay: bool,
}

/// The fleet: families, and how many of a hundred runs each has. `demo.toml` says what goes wrong with them.
const FLEET: [(&str, u32); 11] = [
    ("healthy", 45),
    ("no-interface", 6),
    ("slow-registry", 6),
    ("deaf-daemon", 6),
    ("full-disk", 6),
    ("lost-agent", 6),
    ("on-spot", 6),
    ("no-room", 6),
    ("no-secret", 4),
    ("bad-program", 5),
    ("too-big", 4),
];
/// What goes wrong with these is an instance's: another one may do. On Fargate every task has the same disk.
const ON_INSTANCES: [&str; 3] = ["deaf-daemon", "full-disk", "lost-agent"];
const CELL: &str = "demo";
/// Longer than this nobody watches a demo.
const LONGEST: Duration = Duration::from_secs(170);

pub(super) async fn demo(arguments: DemoArgs, global: &Global, settings: &Settings) -> Result<u8, CliError> {
    let fast = arguments.time_scale.is_finite() && arguments.time_scale >= 1.0;
    if !fast || !(1..=100_000).contains(&arguments.runs) {
        return Err(CliError::usage("--runs: 1 to 100000; --time-scale: a number of at least 1"));
    }
    let mut signals = Signals::listen()?;
    let running = endpoint(&arguments).await?;
    let target = Target {
        region: Some("us-east-1".into()),
        profile: None,
        endpoint_url: Some(running.url()),
        test_credentials: true,
    };
    let other = |e: &dyn std::fmt::Display| CliError::other(e.to_string());
    let clients = Clients::load(&target).await.map_err(|e| other(&e))?;
    let path = EventsPath::make(&clients, CELL).await.map_err(|e| other(&e))?;
    let requests = clients.create_queue("demo-requests").await.map_err(|e| other(&e))?;
    let (topic, told) = clients.create_subscribed_topic("demo-told").await.map_err(|e| other(&e))?;
    let logs = clients.log_reader(settings.log_rate());
    let cell = cell(&arguments, &clients, &path, &requests, &topic, &logs).await?;
    let page = Beside::serve(Front::from(cell.clone()).with_logs(logs), settings).await?;
    if let Some(taken) = page.taken() {
        output::problem(&format!("{taken} is in use by another program (TASKWATCH_LISTEN names another address)"));
    }
    output::problem(&format!("watch them at {}", page.url()));
    output::problem(&format!("{} runs against {} (time ×{})", arguments.runs, running.url(), arguments.time_scale));
    let fleet = async {
        submit(&clients.queue(requests.clone()), arguments.runs).await?;
        watch(&cell, arguments.runs as usize).await
    };
    tokio::select! {
        done = fleet => done?,
        code = signals.next() => return Ok(code),
    }
    cell.flush(Duration::from_secs(20)).await;
    let received = receive(&clients.queue(told), arguments.runs as usize).await;
    let report = Report::of(&cell, &running, received, arguments.runs as usize);
    match global.output {
        Some(Format::Json) => output::json(&report.json()),
        _ => output::data(&report.text()),
    }
    if arguments.stay {
        output::problem(&format!("the page stays at {} until Ctrl-C", page.url()));
        signals.next().await;
    }
    cell.drain(Duration::from_secs(5)).await;
    page.end().await;
    Ok(u8::from(!report.accounted()))
}

async fn endpoint(arguments: &DemoArgs) -> Result<RunningLocal, CliError> {
    let script = Script::parse(include_str!("demo.toml")).map_err(|e| CliError::other(e.to_string()))?;
    let ecs = EcsOptions {
        time_scale: arguments.time_scale,
        seed: arguments.seed,
        script,
        quotas: Some(Quotas::default()),
        auto_register: true,
        archive: true,
        ..EcsOptions::default()
    };
    let listen = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
    let started = start(LocalOptions { listen, identity: Options::default(), ecs }).await;
    started.map_err(|e| CliError::other(format!("cannot listen: {e}")))
}

async fn cell(
    arguments: &DemoArgs,
    clients: &Clients,
    path: &EventsPath,
    requests: &str,
    topic: &str,
    logs: &LogReader,
) -> Result<Cell, CliError> {
    let mut config = CellConfig::new(CELL);
    config.region = "us-east-1".into();
    config.account = Options::default().account;
    config.destinations.topic = Some(topic.to_owned());
    // The endpoint's quotas are AWS's, in its own faster time.
    config.run_task_rate *= arguments.time_scale;
    config.reconcile_after = Duration::from_secs(10);
    // Its fleet fails on purpose, and is to come to its end.
    config.breaker.failures = 0;
    let ports = Ports {
        ecs: Arc::new(clients.ecs()),
        events: Some(Arc::new(clients.queue(&path.queue_url))),
        requests: Some(Arc::new(clients.queue(requests))),
        requests_dlq: None,
        launchers: None,
        notifier: Arc::new(WithLines::new(Arc::new(clients.publisher()), logs.clone())),
        store: Arc::new(MemoryStore::default()),
        clock: Clock::system(),
        ids: Ids::default(),
    };
    Cell::start(config, ports).await.map_err(|e| CliError::other(e.to_string()))
}

/// Sends the fleet's requests to the requests queue, as a user's own program would.
async fn submit(queue: &dyn Queue, runs: u32) -> Result<(), CliError> {
    let deck: Vec<&str> =
        FLEET.iter().flat_map(|(family, share)| std::iter::repeat_n(*family, *share as usize)).collect();
    for number in 0..runs {
        // A stride that shares no factor with the deck deals every card before the first comes again.
        let family = deck[(number as usize * 37) % deck.len()];
        let launch_type = if ON_INSTANCES.contains(&family) { "EC2" } else { "FARGATE" };
        let request = json!({
            "name": format!("{family}-{number}"),
            "runTask": {"taskDefinition": family, "launchType": launch_type,
                "networkConfiguration": {"awsvpcConfiguration": {"subnets": ["subnet-0a"]}}},
            "until": "stopped",
            "injectEnv": true,
            "retry": [
                {"ErrorEquals": ["Taskwatch.Permanent"], "MaxAttempts": 0},
                {"ErrorEquals": ["States.TaskFailed"], "IntervalSeconds": 1, "MaxAttempts": 2, "BackoffRate": 1.5},
            ],
        });
        queue.send(&request.to_string(), &[]).await.map_err(|e| CliError::other(format!("SendMessage: {e}")))?;
    }
    Ok(())
}

/// Waits for every run's end.
async fn watch(cell: &Cell, runs: usize) -> Result<(), CliError> {
    let mut shown = usize::MAX;
    let watching = async {
        loop {
            let done = cell.runs().iter().filter(|run| run.status.is_final()).count();
            if done * 10 / runs.max(1) != shown {
                shown = done * 10 / runs.max(1);
                output::problem(&format!("  {done} of {runs} runs have ended"));
            }
            if done >= runs {
                return;
            }
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
    };
    let waited = tokio::time::timeout(LONGEST, watching).await;
    waited.map_err(|_| CliError::other(format!("not every run had ended after {} s", LONGEST.as_secs())))
}

/// The ids of the notifications that arrived at the topic's subscriber.
async fn receive(queue: &dyn Queue, wanted: usize) -> Vec<String> {
    let mut ids = Vec::new();
    while ids.len() < wanted {
        let messages = queue.receive(Duration::from_secs(2)).await.unwrap_or_default();
        if messages.is_empty() {
            break;
        }
        let id = |body: &str| serde_json::from_str::<Value>(body).ok()?["id"].as_str().map(str::to_owned);
        ids.extend(messages.iter().filter_map(|m| id(&m.body)));
        let _ = queue.delete(messages.into_iter().map(|m| m.receipt).collect()).await;
    }
    ids
}

/// What happened, from the cell's ledger and from ECS's own.
struct Report {
    wanted: usize,
    runs: Vec<Run>,
    /// Tasks that ECS ran and no run knows.
    stray: usize,
    /// Runs that had two tasks running at once.
    twice: usize,
    tasks: usize,
    received: usize,
    /// Notifications with an id of their own.
    distinct: usize,
    throttles: u64,
    corrections: u64,
    /// Event in its queue until decided, and retry due until RunTask is sent: p50 and p99 in milliseconds.
    decided: [u128; 2],
    launched: [u128; 2],
}

impl Report {
    fn of(cell: &Cell, running: &RunningLocal, received: Vec<String>, wanted: usize) -> Self {
        let runs = cell.runs();
        let tasks = running.ecs.tasks_snapshot();
        let owner: BTreeMap<String, uuid::Uuid> = runs
            .iter()
            .flat_map(|run| run.attempts.iter().filter_map(|a| Some((a.task_arn.as_ref()?.to_string(), run.id))))
            .collect();
        let mut spans: BTreeMap<uuid::Uuid, Vec<(i64, i64)>> = BTreeMap::new();
        for task in &tasks {
            if let (Some(run), Some(from)) = (owner.get(task.arn.as_str()), task.started_millis) {
                spans.entry(*run).or_default().push((from, task.execution_stopped_millis.unwrap_or(i64::MAX)));
            }
        }
        let overlaps = |spans: &mut Vec<(i64, i64)>| {
            spans.sort_unstable();
            spans.windows(2).any(|pair| pair[1].0 < pair[0].1)
        };
        Self {
            wanted,
            stray: tasks.iter().filter(|t| !owner.contains_key(t.arn.as_str())).count(),
            twice: spans.values_mut().map(overlaps).filter(|two| *two).count(),
            tasks: tasks.len(),
            received: received.len(),
            distinct: received.iter().collect::<BTreeSet<_>>().len(),
            throttles: cell.counters().throttles.get(),
            corrections: cell.counters().corrections.get(),
            decided: quantiles(&cell.counters().event_lag),
            launched: quantiles(&cell.counters().retry_wait),
            runs,
        }
    }

    fn accounted(&self) -> bool {
        let ended = self.runs.iter().all(|run| run.status.is_final());
        ended && self.runs.len() == self.wanted && self.distinct == self.wanted && self.stray == 0 && self.twice == 0
    }

    fn retries(&self) -> usize {
        self.runs.iter().map(|run| run.attempts.total().saturating_sub(1)).sum()
    }

    /// By class: attempts that failed, runs that came through all the same, runs that did not.
    fn classes(&self) -> BTreeMap<&'static str, (usize, usize, usize)> {
        let mut classes: BTreeMap<&'static str, (usize, usize, usize)> = BTreeMap::new();
        for run in &self.runs {
            let failed = run.attempts.iter().filter_map(|a| a.failure.as_ref());
            let mut met = BTreeSet::new();
            for failure in failed {
                classes.entry(failure.class.as_str()).or_default().0 += 1;
                met.insert(failure.class.as_str());
            }
            for class in met {
                let row = classes.entry(class).or_default();
                let column = if run.status == Status::Succeeded { &mut row.1 } else { &mut row.2 };
                *column += 1;
            }
        }
        classes
    }

    fn statuses(&self) -> BTreeMap<Status, usize> {
        let mut statuses = BTreeMap::new();
        for run in &self.runs {
            *statuses.entry(run.status).or_default() += 1;
        }
        statuses
    }

    fn text(&self) -> String {
        let mut table = comfy_table::Table::new();
        table.load_preset(comfy_table::presets::NOTHING);
        table.set_header(["FAILURE CLASS", "ATTEMPTS LOST", "RUNS CURED", "RUNS FAILED"]);
        for (class, (attempts, cured, failed)) in self.classes() {
            table.add_row([class.to_owned(), attempts.to_string(), cured.to_string(), failed.to_string()]);
        }
        let statuses = self.statuses();
        let sum: Vec<String> = statuses.iter().map(|(status, n)| format!("{n} {}", status.as_str())).collect();
        let verdict = if self.accounted() { "Every run is accounted for" } else { "NOT every run is accounted for" };
        format!(
            "\n{table}\n\n{} tasks launched, {} retries, {} RunTask calls throttled, {} notifications\n\
             event in the queue to its decision: p50 {} ms, p99 {} ms; retry due to RunTask: p50 {} ms, p99 {} ms\n\n\
             {verdict}: {} submitted = {}; {} notified once each; {} tasks nobody knows of; {} runs with two tasks at once.",
            self.tasks,
            self.retries(),
            self.throttles,
            self.received,
            self.decided[0],
            self.decided[1],
            self.launched[0],
            self.launched[1],
            self.wanted,
            sum.join(" + "),
            self.distinct,
            self.stray,
            self.twice,
        )
    }

    fn json(&self) -> Value {
        let classes: BTreeMap<_, _> = self
            .classes()
            .into_iter()
            .map(|(class, (attempts, cured, failed))| {
                (class, json!({"attemptsLost": attempts, "runsCured": cured, "runsFailed": failed}))
            })
            .collect();
        let statuses: BTreeMap<_, _> = self.statuses().into_iter().map(|(s, n)| (s.as_str(), n)).collect();
        json!({"submitted": self.wanted, "statuses": statuses, "classes": classes, "tasks": self.tasks,
            "retries": self.retries(), "throttledCalls": self.throttles, "corrections": self.corrections,
            "notifications": self.received, "distinctNotifications": self.distinct, "strayTasks": self.stray,
            "runsWithTwoTasksAtOnce": self.twice,
            "eventToDecisionMillis": {"p50": self.decided[0], "p99": self.decided[1]},
            "retryDueToRunTaskMillis": {"p50": self.launched[0], "p99": self.launched[1]}, "accounted": self.accounted()})
    }
}

fn quantiles(times: &Times) -> [u128; 2] {
    [0.5, 0.99].map(|share| times.quantile(share).as_millis())
}
