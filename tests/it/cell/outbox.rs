//! Notifications: written with the end, delivered at least once with one id, however long SNS is down.

use std::collections::BTreeSet;
use std::sync::PoisonError;
use std::time::Duration;

use serde_json::json;
use taskwatch::cell::Cell;
use taskwatch::cell::ports::CallError;
use taskwatch::core::failure;
use taskwatch::core::notification::Notification;
use tokio::time::Instant;

use crate::support::fakes::{World, eventually, settle, submit};

fn refused(code: &str) -> CallError {
    CallError::Refused(Box::new(failure::from_exception(code, "Message too long")))
}

#[tokio::test(start_paused = true)]
async fn final_status_and_notification_commit_together() {
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
    // One call a minute finds out, and what it brings is bounded.
    let asked = world.topic.calls().len();
    assert!((60..=120).contains(&asked), "{asked} calls");
    assert_eq!(cell.undelivered(), 300);
    assert!(cell.vitals().outbox_age >= Duration::from_secs(3600), "{:?}", cell.vitals());
    assert_eq!(cell.delivery_failures()[0].destination, "arn:aws:sns:x:1:t");
    world.topic.down.send_replace(false);
    eventually("all are told", || world.topic.taken().len() == 300).await;
    tokio::time::sleep(Duration::from_secs(300)).await;
    let taken = world.topic.taken();
    let ids: BTreeSet<_> = taken.iter().map(|notification| notification.id.as_str()).collect();
    assert_eq!((taken.len(), ids.len()), (300, 300));
    assert_eq!(world.topic.calls().len() - asked, 30, "ten a call");
    let posted: Vec<String> = world.journal.of("Commit post").iter().map(|line| line[12..].to_owned()).collect();
    let told: Vec<&str> = taken.iter().map(|notification| notification.id.as_str()).collect();
    assert_eq!(told, posted, "in the order of their ends");
    assert_eq!((cell.undelivered(), cell.delivery_failures()), (0, Vec::new()));
    assert_eq!(cell.vitals().outbox_age, Duration::ZERO);
}

/// A cell that tells a topic and a bus, with `count` runs that have ended.
async fn with_bus(world: &mut World, count: usize) -> Cell {
    world.config.destinations.bus = Some("jobs".into());
    let cell = world.start().await;
    ended(world, &cell, count).await;
    cell
}

/// So many runs more, ended.
async fn ended(world: &World, cell: &Cell, count: usize) {
    let before = world.ecs.tasks().len();
    let runs = submit(cell, json!({"count": count})).await;
    eventually("all have tasks", || world.ecs.tasks().len() == before + count).await;
    world.ecs.tasks()[before..].iter().for_each(|task| world.ended(task, 0));
    for run in &runs {
        cell.finished(run.id).await;
    }
}

fn ids_at(world: &World, destination: &str) -> Vec<String> {
    let taken = world.topic.taken();
    taken.iter().filter(|n| n.destination.to_string() == destination).map(|n| n.id.clone()).collect()
}

#[tokio::test(start_paused = true)]
async fn a_topic_and_a_bus_neither_wait_for_each_other_nor_repeat_for_each_other() {
    let destinations = ["arn:aws:sns:x:1:t", "event-bus:jobs"];
    for (away, there) in [(destinations[0], destinations[1]), (destinations[1], destinations[0])] {
        let mut world = World::new();
        world.topic.unknown.lock().unwrap_or_else(PoisonError::into_inner).push(away.into());
        let cell = with_bus(&mut world, 30).await;
        eventually("the one that is there was told", || ids_at(&world, there).len() == 30).await;
        tokio::time::sleep(Duration::from_secs(3600)).await;
        assert_eq!((ids_at(&world, away).len(), cell.undelivered()), (0, 30), "{away}");
        // A restart in between changes nothing.
        cell.drain(Duration::from_secs(1)).await;
        let _restarted = world.start().await;
        world.topic.unknown.lock().unwrap_or_else(PoisonError::into_inner).clear();
        eventually("the other too", || ids_at(&world, away).len() == 30).await;
        tokio::time::sleep(Duration::from_secs(600)).await;
        assert_eq!(ids_at(&world, there), ids_at(&world, away), "each once, under the same ids");
    }
}

#[tokio::test(start_paused = true)]
async fn what_is_always_rejected_delays_nobody_and_is_tried_again_ever_more_rarely() {
    let world = World::new();
    let cell = world.start().await;
    world.topic.judge_by(|n| (n.subject.contains("/7")).then(|| refused("InvalidParameter")));
    ended(&world, &cell, 20).await;
    ended(&world, &cell, 20).await;
    eventually("the others are told", || world.topic.taken().len() == 38).await;
    let asked = world.topic.calls().len();
    tokio::time::sleep(Duration::from_secs(24 * 3600)).await;
    let again = world.topic.calls().len() - asked;
    // After 1, 2, 4, … 32 minutes and then hourly; two that are refused together are sent singly, too.
    assert!((24..=3 * 32).contains(&again), "{again} calls in a day");
    assert_eq!(cell.undelivered(), 2);
    assert!(cell.counters().notifications_rejected.get() >= 2 * 24);
    let failure = &cell.delivery_failures()[0];
    assert_eq!((failure.destination.as_str(), failure.rejected), ("arn:aws:sns:x:1:t", 2));
    assert!(failure.error.contains("InvalidParameter"), "{failure:?}");
    ended(&world, &cell, 1).await;
    eventually("a later one is told", || world.topic.taken().len() == 39).await;
    let age = cell.vitals().outbox_age;
    assert!(age >= Duration::from_secs(24 * 3600), "the oldest is one of the two, not the last: {age:?}");
    world.topic.judge_by(|_| None);
    eventually("what was mended is told", || world.topic.taken().len() == 41).await;
    eventually("no trouble is left", || cell.delivery_failures().is_empty() && cell.undelivered() == 0).await;
}

#[tokio::test(start_paused = true)]
async fn one_that_spoils_its_call_spoils_it_once() {
    let world = World::new();
    let cell = world.start().await;
    // As AWS refuses a whole call for one of its messages.
    world.topic.spoils_calls("/3");
    ended(&world, &cell, 10).await;
    eventually("the other nine", || world.topic.taken().len() == 9).await;
}

#[tokio::test(start_paused = true)]
async fn one_that_always_fails_because_of_its_destination_delays_the_others_only_briefly() {
    let world = World::new();
    let cell = world.start().await;
    let broken = |n: &Notification| n.subject.contains("/0").then(|| CallError::Unknown("InternalError".into()));
    world.topic.judge_by(broken);
    ended(&world, &cell, 100).await;
    let begun = Instant::now();
    eventually("the others are told", || world.topic.taken().len() == 99).await;
    assert!(begun.elapsed() < Duration::from_secs(60), "{:?} on the paused clock", begun.elapsed());
    world.topic.judge_by(|_| None);
    eventually("it is told at last", || world.topic.taken().len() == 100).await;
}

#[tokio::test(start_paused = true)]
async fn a_deleted_topic_delays_no_other() {
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
