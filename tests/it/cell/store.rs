//! What a store may refuse for good: one change stops no other, and a cell that another process has is abandoned.

use std::sync::PoisonError;
use std::sync::atomic::Ordering;

use serde_json::json;
use taskwatch::cell::SubmitError;
use taskwatch::core::request::RunRequest;
use taskwatch::core::run::Status;

use crate::support::fakes::{World, eventually, request, status, submit};

/// The next put of run `big` in this status is too large.
fn too_large(world: &World, status: Status) {
    *world.store.too_large.lock().unwrap_or_else(PoisonError::into_inner) = Some(("big", status));
}

#[tokio::test(start_paused = true)]
async fn a_request_that_the_store_cannot_hold_is_refused_and_others_go_on() {
    let world = World::new();
    let cell = world.start().await;
    too_large(&world, Status::Queued);
    let big = RunRequest::parse(&request(json!({"name": "big"})).to_string()).expect("a request");
    let (refused, other) = tokio::join!(cell.submit(big), submit(&cell, json!({"name": "other"})));
    assert!(matches!(refused, Err(SubmitError::TooLarge(why)) if why.contains("run big")));
    eventually("the other has its task", || status(&cell, &other[0]) == Status::Starting).await;
    let found = cell.find("big").await.expect("readable");
    assert!(found.is_empty(), "its name is free again: {found:?}");
    assert!(!cell.not_ready().iter().any(|why| why.contains("its store")), "{:?}", cell.not_ready());
}

#[tokio::test(start_paused = true)]
async fn a_run_that_the_store_cannot_hold_any_more_ends_and_says_so() {
    let world = World::new();
    let cell = world.start().await;
    too_large(&world, Status::Starting);
    let big = submit(&cell, json!({"name": "big", "retry": []})).await.remove(0);
    let other = submit(&cell, json!({"name": "other"})).await.remove(0);
    eventually("the other has its task", || status(&cell, &other) == Status::Starting).await;
    // Its task is stopped, and what it ends with is small enough.
    eventually("its task is stopped", || !world.journal.of("StopTask").is_empty()).await;
    let arn = cell.run(big.id).and_then(|run| run.attempts[0].task_arn.clone()).expect("a task");
    world.ended(&arn.to_string(), 143);
    let ended = cell.finished(big.id).await.expect("known");
    assert_eq!(ended.status, Status::Failed);
    assert_eq!(ended.failure().map(|failure| failure.error.as_str()), Some("Taskwatch.TooLarge"), "{ended:?}");
}

#[tokio::test(start_paused = true)]
async fn a_request_whose_name_another_cell_has_runs_there_alone_and_its_message_is_done() {
    let world = World::new();
    let cell = world.start().await;
    let named = |name: &str| RunRequest::parse(&request(json!({"name": name})).to_string()).expect("a request");
    let taken = |same| *world.store.taken.lock().unwrap_or_else(PoisonError::into_inner) = Some(("theirs", same));
    taken(true);
    let (theirs, ours) = tokio::join!(cell.submit(named("theirs")), submit(&cell, json!({"name": "ours"})));
    assert!(matches!(theirs, Err(SubmitError::Elsewhere { cell, .. }) if cell == "green"));
    eventually("ours has its task", || status(&cell, &ours[0]) == Status::Starting).await;
    world.requests.put(&request(json!({"name": "theirs"})).to_string());
    eventually("its message is done", || world.requests.deleted() == 1).await;
    taken(false);
    assert!(matches!(cell.submit(named("theirs")).await, Err(SubmitError::NameConflict(name)) if name == "theirs"));
    assert_eq!(world.ecs.tasks().len(), 1);
    assert!(cell.find("theirs").await.expect("readable").is_empty());
}

#[tokio::test(start_paused = true)]
async fn what_need_not_be_durable_at_once_goes_with_what_must() {
    let world = World::new();
    world.store.soft_wait.store(1_000, Ordering::Relaxed);
    let cell = world.start().await;
    let first = submit(&cell, json!({"name": "first"})).await.remove(0);
    eventually("a task", || !world.ecs.tasks().is_empty()).await;
    // Accepted and about to be launched; that it was placed waits.
    eventually("it is shown", || status(&cell, &first) == Status::Starting).await;
    assert!(world.journal.of("Commit first STARTING Placed").is_empty());
    let began = tokio::time::Instant::now();
    submit(&cell, json!({"name": "second"})).await;
    assert!(began.elapsed() < std::time::Duration::from_millis(900), "a request waits for nothing");
    let lines = world.journal.of("Commit");
    let placed = lines.iter().position(|line| line == "Commit first STARTING Placed").expect("placed");
    let accepted = lines.iter().position(|line| line.starts_with("Commit second QUEUED")).expect("accepted");
    assert_eq!(placed + 1, accepted, "{lines:#?}");
    world.ended(&world.ecs.tasks()[0], 0);
    cell.finished(first.id).await;
    eventually("told", || world.journal.of("Commit delivered").len() == 1).await;
}

#[tokio::test(start_paused = true)]
async fn what_was_delivered_is_no_commit_of_its_own_where_another_follows() {
    let world = World::new();
    let cell = world.start().await;
    let first = submit(&cell, json!({"name": "first"})).await.remove(0);
    eventually("a task", || status(&cell, &first) == Status::Starting).await;
    let before = world.store.commits();
    world.ended(&world.ecs.tasks()[0], 0);
    cell.finished(first.id).await;
    while world.journal.of("Publish").is_empty() {
        tokio::task::yield_now().await;
    }
    // All that can happen without a wait.
    for _ in 0..1_000 {
        tokio::task::yield_now().await;
    }
    submit(&cell, json!({"name": "second"})).await;
    // The end of the first, and each of what the second becomes.
    let others = 1 + world.journal.of("Commit second").len();
    assert_eq!(world.store.commits() - before, others, "{:#?}", world.journal.of("Commit"));
    assert_eq!(world.journal.of("Commit delivered").len(), 1);
    // The last one is not kept waiting for another.
    eventually("the second's task", || world.ecs.tasks().len() == 2).await;
    let began = tokio::time::Instant::now();
    world.ended(&world.ecs.tasks()[1], 0);
    eventually("told", || world.journal.of("Commit delivered").len() == 2).await;
    assert!(began.elapsed() < std::time::Duration::from_millis(100), "{:?}", began.elapsed());
}

#[tokio::test(start_paused = true)]
async fn a_cell_that_another_process_has_is_abandoned_and_acknowledges_nothing() {
    let world = World::new();
    let cell = world.start().await;
    let run = submit(&cell, json!({})).await.remove(0);
    eventually("a task", || status(&cell, &run) == Status::Starting).await;
    world.store.fenced.store(true, Ordering::Relaxed);
    world.ended(&world.ecs.tasks()[0], 0);
    eventually("it is abandoned", || cell.lost().is_some()).await;
    cell.ended().await;
    assert!(cell.lost().is_some_and(|why| why.contains("process 7 on elsewhere")));
    assert!(cell.not_ready().iter().any(|why| why.contains("process 7 on elsewhere")));
    eventually("the message is given back", || !world.journal.of("Release events").is_empty()).await;
    assert_eq!(world.events.deleted(), 0);
    let request = RunRequest::parse(&request(json!({})).to_string()).expect("a request");
    assert!(cell.submit(request).await.is_err());
}
