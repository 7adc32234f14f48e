//! What a fleet costs in API calls: the figures of docs/cost.md.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use serde_json::json;
use taskwatch::aws::EventsPath;
use taskwatch::cell::ports::Queue;
use taskwatch::cell::{Cell, CellConfig, Clock, Ids, Ports};
use taskwatch::store::MemoryStore;

use super::support::whole::{HANGS, endpoint};

/// So many runs, or `TASKWATCH_COST_RUNS`. The figures of the page are for 1,000, which take a minute at AWS's usual quota.
fn runs() -> usize {
    std::env::var("TASKWATCH_COST_RUNS").ok().and_then(|runs| runs.parse().ok()).unwrap_or(200)
}

/// Fargate runs by the requests queue, with the settings that a cell has on AWS, on an endpoint 60 times faster.
async fn calls(runs: usize) -> BTreeMap<String, u64> {
    let (local, clients) = endpoint("").await;
    let path = EventsPath::make(&clients, "w").await.expect("an events queue");
    let requests = clients.create_queue("requests").await.expect("a queue");
    let (topic, _) = clients.create_subscribed_topic("told").await.expect("a topic");
    let mut config = CellConfig::new("w");
    config.destinations.topic = Some(topic);
    let ports = Ports {
        ecs: Arc::new(clients.ecs()),
        events: Some(Arc::new(clients.queue(&path.queue_url))),
        requests: Some(Arc::new(clients.queue(&requests))),
        requests_dlq: None,
        launchers: None,
        notifier: Arc::new(clients.publisher()),
        store: Arc::new(MemoryStore::default()),
        clock: Clock::system(),
        ids: Ids::default(),
    };
    let cell = Cell::start(config, ports).await.expect("a cell");
    let before = local.local.calls();
    let queue = clients.queue(&requests);
    for n in 0..runs {
        let network = json!({"awsvpcConfiguration": {"subnets": ["subnet-0a"]}});
        let run_task = json!({"taskDefinition": "etl", "launchType": "FARGATE", "networkConfiguration": network});
        let request = json!({"name": format!("n-{n}"), "runTask": run_task, "until": "stopped"});
        queue.send(&request.to_string(), &[]).await.expect("sent");
    }
    let mut changes = cell.subscribe();
    let ended = async {
        while cell.runs().iter().filter(|run| run.status.is_final()).count() < runs {
            // Whether it was told of this change or has missed some: it looks again.
            let _ = changes.recv().await;
        }
        cell.flush(HANGS).await;
    };
    tokio::time::timeout(HANGS, ended).await.expect("every run ends");
    let mut calls = local.local.calls();
    for (name, n) in before {
        calls.entry(name).and_modify(|all| *all -= n);
    }
    calls.retain(|_, n| *n > 0);
    calls.insert("events".into(), cell.counters().events.get());
    cell.drain(Duration::from_secs(1)).await;
    calls
}

#[tokio::test(flavor = "multi_thread")]
async fn a_thousand_runs_cost_no_more_calls_than_documented() {
    let runs = runs();
    let calls = calls(runs).await;
    println!("{runs} runs: {calls:#?}");
    let page = include_str!("../../docs/cost.md");
    let row = |name: &str| {
        let row = page.lines().find(|line| line.starts_with(&format!("| `{name}` |"))).expect("a row");
        let most = row.split(" | ").nth(2).expect("a bound").trim_matches([' ', '|']).replace(',', "");
        most.parse::<u64>().expect("a number") * runs as u64 / 1000
    };
    for name in ["events", "ecs.RunTask", "sqs.ReceiveMessage", "sqs.DeleteMessageBatch", "sns.PublishBatch"] {
        let made = calls.get(name).copied().unwrap_or_default();
        assert!(made > 0 && made <= row(name), "{name}: {made}, and docs/cost.md says {} at most", row(name));
    }
    // No call to learn what became of a task.
    for name in ["ecs.DescribeTasks", "ecs.ListTasks"] {
        assert_eq!(calls.get(name), None, "{name}");
    }
}
