//! A rolling deployment under load: for each process a newer one begins, and then it gets SIGTERM.
//!
//! How long a cell had no owner that works is measured from outside, and shown with `--nocapture`:
//! `TASKWATCH_DEPLOY_SECONDS=10` waits so long between a new process and the end of an old one, as a service of ECS does.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use futures::future::join_all;
use serde_json::Value;
use tokio::task::JoinSet;

use super::process::{Fleet, Process};
use super::requests;
use crate::support::polled::eventually;
use crate::traces::{Taken, collector};

const CELLS: usize = 4;
/// Requests at once, and how often.
const AT_ONCE: usize = 5;
const EVERY: Duration = Duration::from_millis(500);
const LOOK: Duration = Duration::from_millis(50);

/// Who of these processes serves which cell, again and again.
struct Watch {
    urls: Arc<Mutex<Vec<String>>>,
    seen: Arc<Mutex<BTreeMap<String, Pause>>>,
    _task: JoinSet<()>,
}

/// How long a cell was served by nobody, at longest.
struct Pause {
    last: Instant,
    longest: Duration,
}

impl Watch {
    fn begin() -> Self {
        let (urls, seen) = (Arc::<Mutex<Vec<String>>>::default(), Arc::<Mutex<BTreeMap<String, Pause>>>::default());
        let mut task = JoinSet::new();
        task.spawn(look(Arc::clone(&urls), Arc::clone(&seen)));
        Self { urls, seen, _task: task }
    }

    fn add(&self, process: &Process) {
        self.urls.lock().unwrap_or_else(PoisonError::into_inner).push(process.url.clone());
    }

    fn longest(&self) -> BTreeMap<String, Duration> {
        let seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        seen.iter().map(|(cell, pause)| (cell.clone(), pause.longest.max(pause.last.elapsed()))).collect()
    }
}

async fn look(urls: Arc<Mutex<Vec<String>>>, seen: Arc<Mutex<BTreeMap<String, Pause>>>) {
    let client = reqwest::Client::builder().timeout(Duration::from_secs(1)).build().expect("a client");
    loop {
        let all = urls.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let asked = all.iter().map(async |url| {
            let answer = client.get(format!("{url}/metrics")).send().await.ok()?;
            answer.text().await.ok()
        });
        for text in join_all(asked).await.into_iter().flatten() {
            let now = Instant::now();
            let ready =
                text.lines().filter_map(|line| line.strip_prefix("taskwatch_ready{cell=\"")?.strip_suffix("\"} 1.0"));
            let mut seen = seen.lock().unwrap_or_else(PoisonError::into_inner);
            for cell in ready {
                let pause = seen.entry(cell.to_owned()).or_insert(Pause { last: now, longest: Duration::ZERO });
                pause.longest = pause.longest.max(now - pause.last);
                pause.last = now;
            }
        }
        tokio::time::sleep(LOOK).await;
    }
}

/// The longest time between two launches of each cell, in seconds.
fn between_launches(launches: &[(i64, String)]) -> BTreeMap<String, f64> {
    let (mut last, mut longest) = (BTreeMap::<&str, i64>::new(), BTreeMap::<String, f64>::new());
    for (at, cell) in launches {
        if let Some(before) = last.insert(cell, *at) {
            let gap = (at - before) as f64 / 1000.0;
            let most = longest.entry(cell.clone()).or_default();
            *most = most.max(gap);
        }
    }
    longest
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rolling_deployment_loses_nothing_and_no_cell_is_taken_from_a_process_that_ends_well() {
    let waits = std::env::var("TASKWATCH_DEPLOY_SECONDS").ok().and_then(|n| n.parse().ok()).unwrap_or(0);
    let fleet = Arc::new(Fleet::with_cells(CELLS, 60.0).await);
    let (watch, (collector, taken)) = (Watch::begin(), collector().await);
    let settings = [
        ("TASKWATCH_METRICS", "emf"),
        ("OTEL_EXPORTER_OTLP_ENDPOINT", collector.as_str()),
        ("OTEL_EXPORTER_OTLP_HEADERS", "api-key=secret"),
    ];
    let mut old: Vec<Process> = (0..3).map(|_| fleet.process_with(&settings)).collect();
    for process in &old {
        watch.add(process);
        process.serves(1).await;
    }
    let stop = tokio_util::sync::CancellationToken::new();
    let load = tokio::spawn({
        let (fleet, stop) = (Arc::clone(&fleet), stop.clone());
        async move {
            let mut loads = 0;
            while !stop.is_cancelled() {
                fleet.order(requests(loads, AT_ONCE)).await;
                loads += 1;
                tokio::time::sleep(EVERY).await;
            }
            loads * AT_ONCE
        }
    });
    let mut new: Vec<Process> = Vec::new();
    let mut died = 0;
    while !old.is_empty() {
        let process = fleet.process_with(&settings);
        watch.add(&process);
        process.said.line_with("this process is in the fleet").await;
        tokio::time::sleep(Duration::from_secs(waits)).await;
        new.push(process);
        let ends = old.remove(0);
        died += ends.metric_of("taskwatch_takeovers_total", "died").await;
        ends.signal("TERM");
        assert!(ends.ended().await.success());
    }
    let processes: Vec<&Process> = new.iter().collect();
    super::serve_all(&processes).await;
    // Not one of their last launches may have been their last one.
    fleet.launches(fleet.tasks() + AT_ONCE).await;
    stop.cancel();
    let runs = load.await.expect("a load");
    let pauses = watch.longest();
    fleet.accounts_for(runs).await;
    for process in &new {
        died += process.metric_of("taskwatch_takeovers_total", "died").await;
    }
    assert_eq!(died, 0, "cells that were taken as if their process had died");
    assert_eq!(pauses.len(), CELLS);
    println!("{runs} runs; longest time without an owner that works: {pauses:.1?}");
    println!("longest time between two launches, in seconds: {:?}", between_launches(&fleet.launches_by_cell()));
    told_to_cloudwatch(&new);
    traced(&taken, runs).await;
}

/// Runs are traced, whichever process saw their end, and none twice. One that ends while its cell is on its way from one process to
/// the other may be missing.
async fn traced(taken: &Taken, runs: usize) {
    let traces = || -> Vec<String> {
        let taken = taken.lock().unwrap_or_else(PoisonError::into_inner);
        let whole = taken.iter().filter(|span| span["name"] == "run");
        whole.map(|span| span["traceId"].as_str().expect("an id").to_owned()).collect()
    };
    eventually("traces", async || traces().len() * 10 >= runs * 9).await;
    let (all, distinct) = (traces().len(), traces().into_iter().collect::<BTreeSet<_>>().len());
    println!("{all} of {runs} runs were traced");
    assert_eq!(all, distinct);
}

/// Each new process's lines for CloudWatch: of its cells, under the fleet's name, the takeover once.
fn told_to_cloudwatch(new: &[Process]) {
    let mut handed_over = 0;
    for line in new.iter().flat_map(|process| process.metrics.so_far()) {
        let line: Value = serde_json::from_str(&line).expect("JSON");
        let cell = line["Cell"].as_str().unwrap_or_default().to_owned();
        assert!(line["Fleet"] == "blue" && cell.starts_with("blue-"), "{line}");
        assert_eq!(line["TakenFromDead"], 0, "{line}");
        handed_over += line["HandedOver"].as_u64().unwrap_or_default();
    }
    assert!(handed_over >= CELLS as u64, "{handed_over}");
}
