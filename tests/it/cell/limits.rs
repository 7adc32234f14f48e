//! Limits and pauses: in force at once, no attempt used up, kept over a restart.

use std::time::Duration;

use serde_json::json;
use taskwatch::cell::{Cell, LimitsChange, Pause};
use taskwatch::core::run::Status;

use crate::support::fakes::{World, eventually, settle, status, submit};

fn queue(name: &str) -> Vec<Pause> {
    vec![Pause::Queue(name.into())]
}

async fn pause(cell: &Cell, pauses: Vec<Pause>) {
    cell.change_limits(LimitsChange { pause: pauses, ..LimitsChange::default() }).await.expect("paused");
}

/// What is paused.
fn paused(cell: &Cell) -> Vec<Pause> {
    cell.limits().pauses.into_iter().map(|paused| paused.what).collect()
}

async fn resume(cell: &Cell, pauses: Vec<Pause>) {
    cell.change_limits(LimitsChange { resume: pauses, ..LimitsChange::default() }).await.expect("resumed");
}

#[tokio::test(start_paused = true)]
async fn paused_runs_wait_without_an_attempt_while_others_go() {
    let world = World::new();
    let cell = world.start().await;
    let definition = vec![Pause::TaskDefinition("etl".into())];
    pause(&cell, queue("a")).await;
    pause(&cell, definition.clone()).await;
    let of_queue = &submit(&cell, json!({"queue": "a"})).await[0];
    let of_definition = &submit(&cell, json!({"runTask": {"taskDefinition": "etl:7"}})).await[0];
    let free = &submit(&cell, json!({})).await[0];
    tokio::time::sleep(Duration::from_secs(3600)).await;
    assert_eq!(status(&cell, free), Status::Starting);
    for run in [of_queue, of_definition] {
        assert_eq!(status(&cell, run), Status::Queued);
    }
    assert_eq!(world.ecs.tasks().len(), 1);
    resume(&cell, definition).await;
    eventually("the task definition goes on", || status(&cell, of_definition) == Status::Starting).await;
    assert_eq!(status(&cell, of_queue), Status::Queued);
    resume(&cell, queue("a")).await;
    eventually("the queue goes on", || status(&cell, of_queue) == Status::Starting).await;
    assert!(cell.runs().iter().all(|run| run.attempts.len() == 1));
}

#[tokio::test(start_paused = true)]
async fn limits_and_pauses_survive_a_restart() {
    let world = World::new();
    let first = world.start().await;
    let change = LimitsChange { run_task_rate: Some(3.0), pause: queue("a"), ..LimitsChange::default() };
    let limits = first.change_limits(change).await.expect("changed");
    let run = &submit(&first, json!({"queue": "a"})).await[0];
    first.drain(Duration::from_secs(1)).await;
    let second = world.start().await;
    assert_eq!(second.limits(), limits);
    settle().await;
    assert_eq!(status(&second, run), Status::Queued);
    resume(&second, queue("a")).await;
    eventually("it goes on", || status(&second, run) == Status::Starting).await;
}

#[tokio::test(start_paused = true)]
async fn a_change_is_durable_before_it_is_answered_or_in_force() {
    let world = World::new();
    let cell = world.start().await;
    world.store.shut();
    let changing = tokio::spawn({
        let cell = cell.clone();
        async move { pause(&cell, queue("a")).await }
    });
    settle().await;
    assert!(!changing.is_finished() && cell.limits().pauses.is_empty());
    world.store.open();
    changing.await.expect("paused");
    assert_eq!(paused(&cell), queue("a"));
}

#[tokio::test(start_paused = true)]
async fn a_change_whose_sender_went_away_is_in_force_once_it_is_durable() {
    let world = World::new();
    let cell = world.start().await;
    world.store.shut();
    let gone = tokio::time::timeout(Duration::from_secs(1), pause(&cell, queue("a"))).await;
    assert!(gone.is_err(), "it was answered before it was durable");
    world.store.open();
    eventually("it is in force", || paused(&cell) == queue("a")).await;
}

#[tokio::test(start_paused = true)]
async fn raised_limits_let_waiting_runs_go_at_once() {
    let mut world = World::new();
    world.config.max_in_flight = 2;
    let cell = world.start().await;
    submit(&cell, json!({"count": 5})).await;
    settle().await;
    assert_eq!(world.ecs.tasks().len(), 2);
    let wrong = cell.change_limits(LimitsChange { max_in_flight: Some(0), ..LimitsChange::default() }).await;
    assert!(wrong.expect_err("refused").to_string().contains("maxInFlight is 0"));
    cell.change_limits(LimitsChange { max_in_flight: Some(4), ..LimitsChange::default() }).await.expect("changed");
    eventually("four have tasks", || world.ecs.tasks().len() == 4).await;
}
