//! Runs that have ended: listed from memory and store alike, and begun again.

use std::sync::Arc;

use serde_json::{Value, json};
use taskwatch::core::run::Status;
use taskwatch::store::FileStore;

use super::{Served, serve, serve_cell};
use crate::support::fakes::{World, eventually, request};

/// A cell on a disk that keeps only two ended runs in memory, with eight that have ended, two of each kind, and one open.
async fn with_ended_runs(dir: &std::path::Path) -> Served {
    let mut world = World::new();
    world.config.keep_finished = 2;
    let cell = world.start_on(Arc::new(FileStore::open(dir).expect("a store"))).await;
    let served = serve_cell(world, cell, None).await;
    for n in 0..9 {
        let (name, queue) = (format!("n{n}"), if n % 2 == 0 { "even" } else { "odd" });
        let until = if n == 7 { "healthy" } else { "stopped" };
        submit(&served, json!({"name": name, "queue": queue, "retry": [], "until": until})).await;
        eventually("a task", || served.world.ecs.tasks().len() == n + 1).await;
        let task = served.world.ecs.tasks()[n].clone();
        match n {
            0..3 => served.world.ended(&task, 3),
            3..6 => served.world.ended(&task, 0),
            6..8 => drop(served.post(&format!("/v1/runs/n{n}/stop"), "application/json", "").await),
            _ => continue,
        }
        if n >= 6 {
            served.world.ended(&task, 137);
        }
        let ended = || served.cell.runs().iter().all(|run| run.status.is_final());
        eventually("an end", ended).await;
    }
    eventually("only two in memory", || served.cell.runs().len() == 3).await;
    served
}

async fn submit(served: &Served, more: Value) {
    let (status, taken) = served.post("/v1/runs", "application/json", request(more).to_string()).await;
    assert_eq!(status, 202, "{taken}");
}

async fn listed(served: &Served, query: &str) -> Vec<String> {
    let (mut names, mut token) = (Vec::new(), String::new());
    loop {
        let (status, page) = served.get(&format!("/v1/runs?limit=2&{query}{token}")).await;
        assert_eq!(status, 200, "{page}");
        let runs = page["runs"].as_array().expect("runs");
        assert!(runs.len() <= 2);
        names.extend(runs.iter().filter_map(|run| run["name"].as_str().map(str::to_owned)));
        match page["nextToken"].as_str() {
            Some(next) => token = format!("&nextToken={next}"),
            None => return names,
        }
    }
}

#[tokio::test]
async fn pages_go_on_through_runs_that_left_memory() {
    let dir = tempfile::tempdir().expect("a folder");
    let served = with_ended_runs(dir.path()).await;
    assert_eq!(listed(&served, "").await, ["n8", "n7", "n6", "n5", "n4", "n3", "n2", "n1", "n0"]);
    assert_eq!(listed(&served, "status=FAILED").await, ["n2", "n1", "n0"]);
    assert_eq!(listed(&served, "status=SUCCEEDED,ABORTED&queue=odd").await, ["n7", "n5", "n3"]);
    assert_eq!(listed(&served, "error=Taskwatch.Application").await, ["n2", "n1", "n0"]);
    assert_eq!(listed(&served, "name=n1").await, ["n1"]);
    assert!(listed(&served, "name=n").await.is_empty());
}

#[tokio::test]
async fn a_run_that_only_the_store_has_is_redriven_and_notified_under_another_id() {
    let dir = tempfile::tempdir().expect("a folder");
    let served = with_ended_runs(dir.path()).await;
    let told = || served.world.topic.taken();
    eventually("eight are told", || told().len() == 8).await;
    assert!(served.cell.runs().iter().all(|run| run.name != "n0"), "it left memory");
    let (status, begun) = served.post("/v1/runs/n0/redrive", "application/json", "").await;
    assert_eq!((status, &begun["runs"][0]["status"]), (202, &json!("QUEUED")), "{begun}");
    let (status, refused) = served.post("/v1/runs/n0/redrive", "application/json", "").await;
    assert_eq!((status, &refused["error"]), (409, &json!("NotRedrivable")), "{refused}");
    eventually("its task", || served.world.ecs.tasks().len() == 10).await;
    served.world.ended(&served.world.ecs.tasks()[9], 3);
    eventually("its second end is told", || told().len() == 9).await;
    let of_run: Vec<_> = told().into_iter().filter(|n| n.run.to_string() == begun["runs"][0]["run"]).collect();
    assert_eq!(of_run.len(), 2);
    assert_ne!(of_run[0].id, of_run[1].id, "two ends, two ids");
    let (_, shown) = served.get("/v1/runs/n0").await;
    assert_eq!((&shown["status"], &shown["redrives"]), (&json!("FAILED"), &json!(1)), "{shown}");
    assert_eq!(shown["attempts"].as_array().map(Vec::len), Some(2), "its history is kept");
    assert_eq!(shown["attempts"][1]["number"], 2);
}

#[tokio::test]
async fn what_cannot_be_begun_again_says_so() {
    let dir = tempfile::tempdir().expect("a folder");
    let served = with_ended_runs(dir.path()).await;
    for (name, code, error) in [
        ("n8", 409, "NotRedrivable"),
        ("n3", 409, "NotRedrivable"),
        ("nobody", 404, "NotFound"),
        ("01a2146d-1cec-73db-b210-cc676526c855", 404, "NotFound"),
    ] {
        let (status, refused) = served.post(&format!("/v1/runs/{name}/redrive"), "application/json", "").await;
        assert_eq!((status, refused["error"].as_str()), (code, Some(error)), "{name}: {refused}");
        assert!(refused["message"].as_str().is_some_and(|message| message.contains(name)), "{refused}");
    }
}

#[tokio::test]
async fn a_redrive_survives_a_restart() {
    let dir = tempfile::tempdir().expect("a folder");
    let served = with_ended_runs(dir.path()).await;
    let (status, _) = served.post("/v1/runs/n1/redrive", "application/json", "").await;
    assert_eq!(status, 202);
    served.shutdown.cancel();
    served.cell.drain(std::time::Duration::from_secs(1)).await;
    let Served { world, cell, .. } = served;
    drop(cell);
    let mut store = FileStore::open(dir.path());
    eventually("the first process lets go of its store", || {
        if store.is_err() {
            store = FileStore::open(dir.path());
        }
        store.is_ok()
    })
    .await;
    let again = world.start_on(Arc::new(store.expect("a store"))).await;
    let run = again.find("n1").await.expect("the store").remove(0);
    assert!(!run.status.is_final() && run.status != Status::PendingRetry, "{run:?}");
    assert_eq!((run.redrives, run.attempts.len()), (1, 2));
}

#[tokio::test]
async fn of_a_name_of_many_those_that_failed_are_begun_again() {
    let served = serve(World::new(), None).await;
    submit(&served, json!({"name": "fleet", "count": 3, "retry": []})).await;
    eventually("tasks", || served.world.ecs.tasks().len() == 3).await;
    for (task, code) in served.world.ecs.tasks().iter().zip([0, 1, 0]) {
        served.world.ended(task, code);
    }
    eventually("ends", || served.cell.runs().iter().all(|run| run.status.is_final())).await;
    let (status, begun) = served.post("/v1/runs/fleet/redrive", "application/json", "").await;
    assert_eq!((status, begun["runs"].as_array().map(Vec::len)), (202, Some(1)), "{begun}");
    let output = served.command(&["redrive", "fleet", "--output", "text"], "").await;
    assert_eq!(output.status.code(), Some(1), "it is open: {output:?}");
    assert!(String::from_utf8_lossy(&output.stderr).contains("NotRedrivable"), "{output:?}");
    eventually("another task", || served.world.ecs.tasks().len() == 4).await;
    served.world.ended(&served.world.ecs.tasks()[3], 1);
    eventually("its end", || served.cell.runs().iter().all(|run| run.status.is_final())).await;
    let output =
        served.command(&["redrive", "--error", "Taskwatch.Application", "--yes", "--output", "json"], "").await;
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    let begun: Value = serde_json::from_slice(&output.stdout).expect("JSON");
    assert_eq!((begun.as_array().map(Vec::len), &begun[0]["redrives"]), (Some(1), &json!(2)), "{begun}");
}
