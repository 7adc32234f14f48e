//! Notifications: written with the end, delivered at least once with one id, however long SNS is down.

use std::collections::BTreeSet;
use std::sync::PoisonError;
use std::time::Duration;

use serde_json::json;

use crate::support::fakes::{World, eventually, settle, submit};

#[tokio::test(start_paused = true)]
async fn the_end_and_its_notification_are_one_commit() {
    let world = World::new();
    let cell = world.start().await;
    let run = &submit(&cell, json!({"name": "n"})).await[0];
    eventually("a task", || !world.ecs.tasks().is_empty()).await;
    world.ended(&world.ecs.tasks()[0], 0);
    cell.finished(run.id).await;
    eventually("told", || !world.topic.taken().is_empty()).await;
    let order = world.journal.of("Commit");
    let end = order.iter().position(|line| line.starts_with("Commit n SUCCEEDED")).expect("the end");
    assert!(order[end + 1].starts_with("Commit post "), "{order:#?}");
    eventually("it left the outbox", || world.journal.of("Commit delivered").len() == 1).await;
}

#[tokio::test(start_paused = true)]
async fn an_hour_without_sns_loses_nothing_and_repeats_nothing() {
    let world = World::new();
    let cell = world.start().await;
    world.topic.down.send_replace(true);
    let runs = submit(&cell, json!({"count": 300})).await;
    eventually("all have tasks", || world.ecs.tasks().len() == 300).await;
    world.ecs.tasks().iter().for_each(|task| world.ended(task, 0));
    for run in &runs {
        cell.finished(run.id).await;
    }
    tokio::time::sleep(Duration::from_secs(3600)).await;
    assert!(world.topic.taken().is_empty());
    world.topic.down.send_replace(false);
    eventually("all are told", || world.topic.taken().len() == 300).await;
    tokio::time::sleep(Duration::from_secs(300)).await;
    let taken = world.topic.taken();
    let ids: BTreeSet<_> = taken.iter().map(|notification| notification.id.as_str()).collect();
    assert_eq!((taken.len(), ids.len()), (300, 300));
}

#[tokio::test(start_paused = true)]
async fn a_topic_that_is_gone_holds_up_no_other() {
    let world = World::new();
    let cell = world.start().await;
    world.topic.unknown.lock().unwrap_or_else(PoisonError::into_inner).push("arn:aws:sns:x:1:gone".into());
    let gone = json!({"count": 250, "notify": {"topicArn": "arn:aws:sns:x:1:gone"}});
    submit(&cell, gone).await;
    eventually("tasks", || world.ecs.tasks().len() == 250).await;
    world.ecs.tasks().iter().for_each(|task| world.ended(task, 0));
    eventually("all ended", || cell.runs().iter().all(|run| run.status.is_final())).await;
    let run = &submit(&cell, json!({})).await[0];
    eventually("a task", || world.ecs.tasks().len() == 251).await;
    world.ended(&world.ecs.tasks()[250], 0);
    cell.finished(run.id).await;
    settle().await;
    assert_eq!(world.topic.taken().len(), 1);
    world.topic.unknown.lock().unwrap_or_else(PoisonError::into_inner).clear();
    eventually("the others too", || world.topic.taken().len() == 251).await;
}

#[tokio::test(start_paused = true)]
async fn what_was_not_delivered_goes_out_after_a_restart_with_the_same_id() {
    let world = World::new();
    let cell = world.start().await;
    world.topic.down.send_replace(true);
    let run = &submit(&cell, json!({})).await[0];
    eventually("a task", || !world.ecs.tasks().is_empty()).await;
    world.ended(&world.ecs.tasks()[0], 0);
    cell.finished(run.id).await;
    let posted = world.journal.of("Commit post").remove(0);
    cell.drain(Duration::from_secs(5)).await;
    world.topic.down.send_replace(false);
    let _restarted = world.start().await;
    eventually("told", || !world.topic.taken().is_empty()).await;
    assert_eq!(posted, format!("Commit post {}", world.topic.taken()[0].id));
}
