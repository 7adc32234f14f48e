//! A cell whose process is not heard from in its fleet.

use std::time::Duration;

use serde_json::json;
use taskwatch::cell::{Lease, Shared, SubmitError};
use taskwatch::core::request::RunRequest;

use crate::support::fakes::{World, eventually, request, submit};

#[tokio::test(start_paused = true)]
async fn without_its_lease_a_cell_commits_and_calls_nothing_and_with_it_goes_on_at_once() {
    let world = World::new();
    let lease = Lease::new(world.clock.clone());
    lease.set(Some(world.clock.now().plus(Duration::from_secs(60))));
    let cell =
        world.start_among(Shared { lease: lease.clone(), quota: None, limits: None, is_one_of_several: true }).await;
    let run = submit(&cell, json!({"name": "first"})).await.remove(0);
    eventually("it has a task", || world.ecs.tasks().len() == 1).await;
    lease.set(None);
    let other = submit_later(&cell, "second");
    assert!(matches!(other.await.expect("an answer"), Err(SubmitError::Suspended)));
    let stopping = tokio::spawn({
        let cell = cell.clone();
        async move { cell.stop(run.id, "enough").await }
    });
    tokio::time::sleep(Duration::from_secs(600)).await;
    assert!(!stopping.is_finished() && world.journal.of("StopTask").is_empty(), "nothing is durable, and nothing done");
    lease.set(Some(world.clock.now().plus(Duration::from_secs(60))));
    assert!(stopping.await.expect("an answer"));
    eventually("its task is stopped", || world.journal.of("StopTask").len() == 1).await;
}

fn submit_later(
    cell: &taskwatch::cell::Cell,
    name: &str,
) -> tokio::task::JoinHandle<Result<taskwatch::cell::Submitted, SubmitError>> {
    let request = RunRequest::parse(&request(json!({ "name": name })).to_string()).expect("a request");
    let cell = cell.clone();
    tokio::spawn(async move { cell.submit(request).await })
}
