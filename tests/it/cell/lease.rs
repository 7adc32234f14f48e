//! A cell whose process is not heard from in its fleet.

use std::time::Duration;

use serde_json::json;
use taskwatch::cell::{Lease, RedriveError, Shared, Standstill, SubmitError};
use taskwatch::core::request::RunRequest;
use taskwatch::front::{Front, StopError};

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

/// Whatever the run is: own, open, ended.
#[tokio::test(start_paused = true)]
async fn who_orders_something_of_a_cell_that_stands_still_is_told_so_and_does_not_wait() {
    let world = World::new();
    let lease = Lease::new(world.clock.clone());
    let hold = || lease.set(Some(world.clock.now().plus(Duration::from_secs(600))));
    hold();
    let cell =
        world.start_among(Shared { lease: lease.clone(), quota: None, limits: None, is_one_of_several: true }).await;
    let front = Front::from(cell.clone());
    let ended = submit(&cell, json!({"name": "ended", "retry": []})).await.remove(0);
    eventually("it has a task", || world.ecs.tasks().len() == 1).await;
    world.ended(&world.ecs.tasks()[0], 3);
    eventually("it has ended", || cell.run(ended.id).is_some_and(|run| run.status.is_final())).await;
    submit(&cell, json!({"name": "open"})).await;
    let seen = async |name: &str| front.find(name).await.expect("readable");
    let orders = async || {
        let began = tokio::time::Instant::now();
        let stopped = front.stop(seen("open").await, "late").await;
        let redriven = front.redrive(seen("ended").await).await.remove(0);
        assert!(began.elapsed() < Duration::from_secs(2), "{:?}", began.elapsed());
        (stopped.map(drop), redriven.map(drop))
    };

    lease.set(None);
    let (stopped, redriven) = orders().await;
    assert_eq!(stopped, Err(StopError::Standstill(Standstill::Suspended)));
    assert!(matches!(redriven, Err(RedriveError::Standstill(Standstill::Suspended))), "{redriven:?}");

    // They are under way when the fleet does not hear from the process any more.
    hold();
    world.store.shut();
    let (stopping, later) = (orders(), async {
        tokio::time::sleep(Duration::from_millis(300)).await;
        lease.set(None);
    });
    let ((stopped, redriven), ()) = futures::join!(stopping, later);
    assert_eq!(stopped, Err(StopError::Standstill(Standstill::Suspended)));
    assert!(matches!(redriven, Err(RedriveError::Standstill(Standstill::Suspended))), "{redriven:?}");
    hold();
    world.store.open();
    eventually("it is stopped all the same", || {
        cell.runs().iter().any(|run| run.name == "open" && run.stop_asked.is_some())
    })
    .await;

    cell.abandon();
    cell.ended().await;
    let (stopped, redriven) = orders().await;
    assert_eq!(stopped, Err(StopError::Standstill(Standstill::Closed)));
    assert!(matches!(redriven, Err(RedriveError::Standstill(Standstill::Closed))), "{redriven:?}");
}
