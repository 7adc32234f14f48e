//! The requests queue: durable before deleted, once however often it comes, refused ones to the DLQ with the reason.

use std::sync::atomic::Ordering;
use std::time::Duration;

use serde_json::json;

use crate::support::fakes::{World, eventually, request, settle, submit};

#[tokio::test(start_paused = true)]
async fn a_request_is_deleted_only_when_it_is_durable() {
    let world = World::new();
    let _cell = world.start().await;
    world.store.shut();
    world.requests.put(&request(json!({})).to_string());
    settle().await;
    assert_eq!((world.requests.waiting(), world.requests.deleted()), (0, 0));
    world.store.open();
    eventually("it is deleted", || world.requests.deleted() == 1).await;
}

#[tokio::test(start_paused = true)]
async fn a_request_that_comes_again_is_the_same_run() {
    let world = World::new();
    let cell = world.start().await;
    let nameless = request(json!({})).to_string();
    for _ in 0..3 {
        world.requests.put_as("again", &nameless);
    }
    let named = request(json!({"name": "nightly"})).to_string();
    world.requests.put(&named);
    world.requests.put(&named);
    eventually("all are deleted", || world.requests.deleted() == 5).await;
    assert_eq!(cell.runs().len(), 2);
    eventually("both have tasks", || world.ecs.tasks().len() == 2).await;
    settle().await;
    assert_eq!(world.ecs.tasks().len(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_refused_request_goes_to_the_dlq_with_the_reason_and_blocks_nothing() {
    let world = World::new();
    let cell = world.start().await;
    world.requests.put("{\"runTask\": {\"taskDefinitio\": \"app:1\"}}");
    world.requests.put("rubbish");
    world.requests.put(&json!([request(json!({"name": "m"}))]).to_string());
    world.requests.put(&request(json!({"name": "n"})).to_string());
    world.requests.put(&request(json!({"name": "n", "priority": 3})).to_string());
    eventually("all are deleted", || world.requests.deleted() == 5).await;
    assert_eq!(cell.runs().len(), 1);
    let sent = world.journal.of("Send dlq");
    assert_eq!(sent.len(), 4, "{sent:#?}");
    assert!(sent.iter().all(|line| line.contains("taskwatchError")));
    assert!(sent[0].contains("taskDefinitio") && sent[0].contains("did you mean"), "{}", sent[0]);
    assert!(sent.iter().any(|line| line.contains("an array is not a run request: send each")), "{sent:#?}");
    assert!(
        sent.iter().any(|line| line.contains("NameConflict: \\\"n\\\" is") || line.contains("NameConflict: \"n\" is")),
        "{sent:#?}"
    );
}

#[tokio::test(start_paused = true)]
async fn without_a_dlq_that_takes_it_a_refused_request_stays_in_its_queue() {
    let mut world = World::new();
    world.dlq.as_ref().expect("a DLQ").refuses.store(true, Ordering::Relaxed);
    let cell = world.start().await;
    world.requests.put("rubbish");
    eventually("it was refused", || cell.counters().refused.get() == 1).await;
    settle().await;
    assert_eq!(world.requests.deleted(), 0);
    cell.drain(Duration::from_secs(1)).await;

    world.dlq = None;
    let cell = world.start().await;
    world.requests.put("rubbish");
    eventually("it was refused", || cell.counters().refused.get() == 1).await;
    settle().await;
    assert_eq!(world.requests.deleted(), 0);
}

#[tokio::test(start_paused = true)]
async fn requests_that_come_together_share_a_commit() {
    let mut world = World::new();
    // Nothing is launched: no other commits.
    world.config.max_in_flight = 0;
    let cell = world.start().await;
    world.store.shut();
    for _ in 0..10 {
        world.requests.put(&request(json!({})).to_string());
    }
    settle().await;
    assert_eq!((world.requests.waiting(), cell.runs().len()), (0, 0), "what is not durable is not there");
    let commits = world.store.commits();
    world.store.open();
    eventually("all are deleted", || world.requests.deleted() == 10).await;
    assert!(world.store.commits() <= commits + 1, "one waits for another");
}

#[tokio::test(start_paused = true)]
async fn a_draining_cell_takes_what_it_has_in_hand_or_releases_it() {
    let world = World::new();
    let cell = world.start().await;
    world.store.shut();
    for _ in 0..10 {
        world.requests.put(&request(json!({})).to_string());
    }
    settle().await;
    assert_eq!(world.requests.waiting(), 0);
    let draining = tokio::spawn({
        let cell = cell.clone();
        async move { cell.drain(Duration::from_secs(10)).await }
    });
    settle().await;
    world.store.open();
    draining.await.expect("drained");
    let (deleted, released) = (world.requests.deleted(), world.journal.of("Release requests").len());
    assert_eq!(deleted + released, 10, "{deleted} deleted, {released} released");
    assert_eq!(cell.runs().len(), deleted);
}

/// One request tells that the store is away; the other comes with the receive that was out by then.
async fn two_in_hand_while_the_store_is_away(world: &World) {
    world.store.shut();
    world.requests.put(&request(json!({})).to_string());
    settle().await;
    world.store.away.store(true, Ordering::Relaxed);
    world.store.open();
    settle().await;
    world.requests.put(&request(json!({})).to_string());
    settle().await;
    assert_eq!((world.requests.waiting(), world.requests.deleted()), (0, 0), "in hand");
}

#[tokio::test(start_paused = true)]
async fn a_request_that_the_store_does_not_take_now_is_taken_once_it_does() {
    let world = World::new();
    let cell = world.start().await;
    two_in_hand_while_the_store_is_away(&world).await;
    world.store.away.store(false, Ordering::Relaxed);
    eventually("both are deleted", || world.requests.deleted() == 2).await;
    assert_eq!(cell.runs().len(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_request_that_the_store_does_not_take_now_is_given_back_at_the_end() {
    let world = World::new();
    let cell = world.start().await;
    two_in_hand_while_the_store_is_away(&world).await;
    cell.drain(Duration::from_secs(6)).await;
    assert_eq!((world.journal.of("Release requests").len(), world.requests.deleted()), (2, 0));
}

/// A network file system that does not answer: a commit that is under way has no end.
#[tokio::test(start_paused = true)]
async fn a_cell_that_ends_while_its_store_hangs_gives_back_all_it_has_in_hand() {
    let world = World::new();
    let cell = world.start().await;
    let run = &submit(&cell, json!({})).await[0];
    eventually("a task", || !world.ecs.tasks().is_empty()).await;
    world.store.shut();
    world.event(&world.ecs.tasks()[0], 2, "PENDING", json!({}));
    (0..10).for_each(|_| drop(world.requests.put(&request(json!({})).to_string())));
    settle().await;
    assert_eq!((world.requests.waiting(), world.events.waiting()), (0, 0), "in hand");
    let began = tokio::time::Instant::now();
    cell.drain(Duration::from_secs(6)).await;
    assert!(began.elapsed() <= Duration::from_secs(8), "{:?}", began.elapsed());
    let released = |queue: &str| world.journal.of(&format!("Release {queue}-")).len();
    assert_eq!((released("requests"), released("events")), (10, 1));
    assert_eq!((world.requests.deleted(), world.events.deleted()), (0, 0));
    assert!(cell.run(run.id).is_some());
}
