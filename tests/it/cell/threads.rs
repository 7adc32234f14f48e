//! Interleavings of real threads: what is accepted, stopped and due at the same time is committed in the order in which it
//! was decided, and nothing is visible before its place in that order is taken.

use std::time::Duration;

use futures::future::join_all;
use serde_json::json;
use taskwatch::cell::Cell;
use taskwatch::core::request::RunRequest;
use taskwatch::core::run::Status;
use taskwatch::store::Store;
use uuid::Uuid;

use crate::support::fakes::{World, eventually, request, status, submit};

/// Rounds: with a run visible before its commit has its place, about one in a hundred goes wrong.
const ROUNDS: usize = 300;
const RUNS: usize = 40;

/// Stops the runs of a name as soon as anything of it can be seen, until all of them are there.
async fn stop_by_name(cell: Cell, name: String) {
    loop {
        let found = cell.find(&name).await.unwrap_or_default();
        let ids: Vec<Uuid> = found.iter().map(|run| run.id).collect();
        cell.stop_all(&ids, "raced").await;
        if ids.len() == RUNS {
            return;
        }
        tokio::task::yield_now().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_stop_by_name_never_commits_before_the_acceptance_of_its_runs() {
    let mut world = World::new();
    world.config.max_in_flight = 0;
    let cell = world.start().await;
    for round in 0..ROUNDS {
        let name = format!("r{round}");
        let body = request(json!({"name": name, "count": RUNS, "timeoutSeconds": 1}));
        let request = RunRequest::parse(&body.to_string()).expect("a request");
        let submitting = tokio::spawn({
            let cell = cell.clone();
            async move { cell.submit(request).await.map(|submitted| submitted.runs.len()) }
        });
        let stopping = (0..3).map(|_| tokio::spawn(stop_by_name(cell.clone(), name.clone())));
        join_all(stopping).await.into_iter().for_each(|stopped| stopped.expect("stopped"));
        assert_eq!(submitting.await.expect("submitted").ok(), Some(RUNS));
    }
    cell.drain(Duration::from_secs(1)).await;
    assert_eq!(world.store.disorders(), 0, "revisions were put out of order");
    let kept = world.store.load().await.expect("readable").runs.all().await.expect("readable");
    assert_eq!(kept.iter().filter(|run| !run.status.is_final()).count(), 0, "a stop was lost");
}

/// Redrives and submits of one name at the same time: every id that the name stands for is a run that is there.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn names_redrives_and_repeated_requests_race_without_phantoms() {
    let mut world = World::new();
    world.config.max_in_flight = 0;
    world.config.keep_finished = 0;
    world.store.keeps_final_runs();
    let cell = world.start().await;
    for round in 0..ROUNDS / 3 {
        let name = format!("n{round}");
        let parse = |more: serde_json::Value| RunRequest::parse(&request(more).to_string()).expect("a request");
        let body = json!({"name": name, "count": 3});
        let runs = cell.submit(parse(body.clone())).await.expect("taken").runs;
        let ids: Vec<Uuid> = runs.iter().map(|run| run.id).collect();
        cell.stop_all(&ids, "so that it can be redriven").await;
        let again = (0..3).map(|n| {
            let other = json!({"name": name, "count": 4, "priority": n});
            let (same, other, cell) = (parse(body.clone()), parse(other), cell.clone());
            tokio::spawn(async move { (cell.submit(same).await.is_ok(), cell.submit(other).await.is_err()) })
        });
        let again: Vec<_> = again.collect();
        let redriving = tokio::spawn({
            let cell = cell.clone();
            async move { cell.redrive_all(&ids).await.into_iter().filter(Result::is_ok).count() }
        });
        for answered in join_all(again).await {
            assert_eq!(answered.expect("answered"), (true, true), "the name stands for its own request only");
        }
        assert_eq!(redriving.await.expect("redriven"), 3);
        assert_eq!(cell.find(&name).await.expect("found").len(), 3);
        cell.stop_all(&runs.iter().map(|run| run.id).collect::<Vec<_>>(), "over").await;
    }
    let sizes = cell.sizes();
    assert_eq!((sizes.runs, sizes.names), (0, 0), "{sizes:?}");
}

/// The committer may be on another thread than what decides: it used to begin with the first of ten messages, and the others
/// waited for that.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn messages_that_come_together_are_one_commit() {
    let mut world = World::new();
    (world.config.run_task_rate, world.config.run_task_burst) = (100_000.0, 100_000);
    let cell = world.start().await;
    for round in 0..ROUNDS / 10 {
        let runs = submit(&cell, json!({"count": 10, "notify": {"on": []}})).await;
        let placed = || world.journal.of("Commit").iter().filter(|line| line.ends_with("STARTING Placed")).count();
        eventually("ten tasks", || placed() == 10 * (round + 1)).await;
        let tasks = world.ecs.tasks().split_off(10 * round);
        let commits = world.store.commits();
        // Each end wakes the launcher as well: what else was woken may then go on at another thread.
        world.events.together(|| tasks.iter().for_each(|task| world.ended(task, 0)));
        eventually("all have ended", || world.events.deleted() == 10 * (round + 1)).await;
        assert!(runs.iter().all(|run| status(&cell, run) == Status::Succeeded));
        assert_eq!(world.store.commits() - commits, 1, "round {round}");
    }
}
