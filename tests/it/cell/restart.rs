//! A second cell on the first one's store: nothing is launched twice, nothing is forgotten.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use serde_json::json;
use taskwatch::core::request::RunRequest;
use taskwatch::core::run::{Run, Status};
use taskwatch::core::task::{Task, TaskStatus, parse_task};
use taskwatch::core::time::Timestamp;
use taskwatch::store::FileStore;

use crate::support::fakes::{Answer, World, eventually, request, settle, status, submit};

#[tokio::test(start_paused = true)]
async fn a_call_without_an_answer_goes_out_again_with_its_token() {
    let world = World::new();
    world.ecs.then([Answer::Silent]);
    let first = world.start().await;
    let run = &submit(&first, json!({})).await[0];
    eventually("RunTask was called", || !world.ecs.tokens().is_empty()).await;
    first.drain(Duration::from_millis(100)).await;
    let second = world.start().await;
    eventually("the task is known", || status(&second, run) == Status::Starting).await;
    let tokens = world.ecs.tokens();
    assert_eq!(tokens.len(), 2);
    assert_eq!(tokens[0], tokens[1]);
    assert_eq!(world.ecs.tasks().len(), 1, "a second task was launched");
}

#[tokio::test(start_paused = true)]
async fn a_store_with_open_runs_is_not_taken_up_under_another_name() {
    let mut world = World::new();
    let first = world.start().await;
    let run = &submit(&first, json!({})).await[0];
    eventually("a task", || status(&first, run) == Status::Starting).await;
    first.drain(Duration::from_secs(1)).await;
    world.config.name = "d".into();
    let refused = world.try_start_on(Arc::clone(&world.store) as _).await.err().expect("refused").to_string();
    assert!(refused.contains("runs of cell \"c\"") && refused.contains("TASKWATCH_CELL"), "{refused}");
    world.config.name = "c".into();
    let again = world.start().await;
    world.ended(&world.ecs.tasks()[0], 0);
    assert_eq!(again.finished(run.id).await.expect("known").status, Status::Succeeded);
    again.drain(Duration::from_secs(1)).await;
    world.config.name = "d".into();
    world.start().await;
}

#[tokio::test(start_paused = true)]
async fn an_event_from_before_the_restart_still_finds_its_run() {
    let world = World::new();
    world.ecs.then([Answer::Silent, Answer::Silent]);
    let first = world.start().await;
    let run = &submit(&first, json!({})).await[0];
    eventually("RunTask was called", || !world.ecs.tasks().is_empty()).await;
    first.drain(Duration::from_millis(100)).await;
    world.ended(&world.ecs.tasks()[0], 0);
    let second = world.start().await;
    assert_eq!(second.finished(run.id).await.expect("known").status, Status::Succeeded);
    assert_eq!(world.ecs.tasks().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn waiting_runs_and_retries_go_on_after_a_restart() {
    let mut world = World::new();
    world.config.run_task_rate = 0.01;
    world.config.run_task_burst = 1;
    let first = world.start().await;
    let retry = json!([{"ErrorEquals": ["States.ALL"], "IntervalSeconds": 600, "MaxAttempts": 1}]);
    let failing = &submit(&first, json!({"retry": retry})).await[0];
    eventually("a task", || !world.ecs.tasks().is_empty()).await;
    world.ended(&world.ecs.tasks()[0], 1);
    eventually("it waits", || status(&first, failing) == Status::PendingRetry).await;
    let queued = &submit(&first, json!({})).await[0];
    settle().await;
    assert_eq!(status(&first, queued), Status::Queued);
    first.drain(Duration::from_secs(1)).await;

    world.config.run_task_rate = 20.0;
    let second = world.start().await;
    eventually("the waiting one is launched", || status(&second, queued) == Status::Starting).await;
    assert_eq!(status(&second, failing), Status::PendingRetry, "its wait was cut short");
    eventually("the retry is launched", || status(&second, failing) == Status::Starting).await;
    assert_eq!(world.ecs.tasks().len(), 3);
}

#[tokio::test(start_paused = true)]
async fn placed_tasks_are_asked_about_after_a_restart() {
    let world = World::new();
    let first = world.start().await;
    let run = &submit(&first, json!({"retry": []})).await[0];
    eventually("the task is known", || status(&first, run) == Status::Starting).await;
    first.drain(Duration::from_secs(1)).await;
    assert!(world.journal.of("DescribeTasks").is_empty());
    let _second = world.start().await;
    eventually("described", || !world.journal.of("DescribeTasks").is_empty()).await;
    assert_eq!(world.ecs.tasks().len(), 1);
}

fn running(arn: &str) -> Task<'static> {
    parse_task(&json!({"taskArn": arn, "version": 3, "lastStatus": "RUNNING", "startedAt": "2027-01-15T08:00:01Z"}))
}

/// Its task runs; that was said while the cell was away, and the message comes a minute after it is back.
#[tokio::test(start_paused = true)]
async fn a_deadline_that_passed_while_the_cell_was_away_is_judged_by_what_ecs_says() {
    let world = World::new();
    let first = world.start().await;
    let run = &submit(&first, json!({"retry": [], "startTimeoutSeconds": 900})).await[0];
    eventually("the task is known", || status(&first, run) == Status::Starting).await;
    let task = world.ecs.tasks()[0].clone();
    first.drain(Duration::from_secs(1)).await;
    tokio::time::sleep(Duration::from_secs(1800)).await;
    world.ecs.describe_as(&task, Some(running(&task)));
    let second = world.start().await;
    let began = tokio::time::Instant::now();
    eventually("it runs", || status(&second, run) == Status::Running).await;
    assert!(began.elapsed() < Duration::from_secs(5), "{:?}", began.elapsed());
    tokio::time::sleep(Duration::from_secs(60)).await;
    world.event(&task, 3, "RUNNING", json!({"startedAt": "2026-11-22T10:00:00Z"}));
    tokio::time::sleep(Duration::from_secs(600)).await;
    assert_eq!(world.journal.of("StopTask"), Vec::<String>::new(), "a task that runs was stopped");

    let stuck = &submit(&second, json!({"retry": [], "startTimeoutSeconds": 900})).await[0];
    eventually("the other task is known", || status(&second, stuck) == Status::Starting).await;
    second.drain(Duration::from_secs(1)).await;
    tokio::time::sleep(Duration::from_secs(1800)).await;
    let began = tokio::time::Instant::now();
    let _third = world.start().await;
    eventually("the other has not started", || !world.journal.of("StopTask").is_empty()).await;
    assert!(began.elapsed() < Duration::from_secs(5), "{:?}", began.elapsed());
}

/// The cell is killed again and again, never up for long, and ECS does not answer DescribeTasks.
#[tokio::test(start_paused = true)]
async fn restarts_do_not_put_deadlines_off_for_ever() {
    let world = World::new();
    let mut cell = world.start().await;
    let run = &submit(&cell, json!({"retry": [], "startTimeoutSeconds": 6})).await[0];
    eventually("the task is known", || status(&cell, run) == Status::Starting).await;
    world.ecs.refuses_to_describe.store(true, Ordering::Relaxed);
    let began = tokio::time::Instant::now();
    while world.journal.of("StopTask").is_empty() {
        assert!(began.elapsed() < Duration::from_secs(200), "{:?}", began.elapsed());
        cell.abandon();
        cell = world.start().await;
        tokio::time::sleep(Duration::from_secs(20)).await;
    }
}

#[tokio::test(start_paused = true)]
async fn beyond_the_tokens_life_tasks_are_looked_for_by_started_by() {
    let world = World::new();
    world.ecs.then([Answer::Silent, Answer::Refused("never", "answered")]);
    let first = world.start().await;
    let placed = &submit(&first, json!({"name": "placed"})).await[0];
    eventually("RunTask was called", || world.ecs.tokens().len() == 1).await;
    first.drain(Duration::from_millis(100)).await;
    tokio::time::sleep(Duration::from_secs(25 * 3600)).await;
    let second = world.start().await;
    eventually("adopted", || status(&second, placed) == Status::Starting).await;
    assert_eq!(world.ecs.tokens().len(), 1, "RunTask was called with a token that ECS has forgotten");
    assert_eq!(world.journal.of("ListTasks").len(), 1);
}

/// On real time: the store's thread is not part of paused time.
#[tokio::test]
async fn a_name_stands_for_its_run_after_it_ended_and_the_cell_began_anew() {
    let world = World::new();
    let dir = tempfile::tempdir().expect("a directory");
    let first = world.start_on(Arc::new(FileStore::open(dir.path()).expect("a store"))).await;
    let run = &submit(&first, json!({"name": "nightly"})).await[0];
    eventually("a task", || !world.ecs.tasks().is_empty()).await;
    world.ended(&world.ecs.tasks()[0], 0);
    first.finished(run.id).await;
    first.drain(Duration::from_secs(5)).await;
    drop(first);

    let store = || FileStore::open(dir.path());
    // The last of the first cell's tasks lets go of the store a moment after it.
    eventually("the store is free", || store().is_ok()).await;
    let second = world.start_on(Arc::new(store().expect("a store"))).await;
    let again = RunRequest::parse(&request(json!({"name": "nightly"})).to_string()).expect("a request");
    let submitted = second.submit(again).await.expect("taken");
    assert!(submitted.existing && submitted.runs[0].id == run.id);
    assert_eq!(submitted.runs[0].status, Status::Succeeded);
    let other = RunRequest::parse(&request(json!({"name": "nightly", "priority": 2})).to_string()).expect("a request");
    assert!(
        second.submit(other).await.expect_err("refused").to_string().starts_with("\"nightly\" is the name of another")
    );
    assert_eq!(second.find("nightly").await.expect("readable").len(), 1);
    assert_eq!(world.ecs.tasks().len(), 1, "it ran again");
}

/// The store keeps equal requests once. If that made them share a call, a run whose sibling has ended could be given that
/// one's task after a crash: siblings are looked for by their request's name.
#[tokio::test]
async fn equal_requests_under_other_names_share_no_call_after_a_restart_either() {
    let mut world = World::new();
    let dir = tempfile::tempdir().expect("a directory");
    let store = || FileStore::open(dir.path());
    world.config.max_in_flight = 0;
    let first = world.start_on(Arc::new(store().expect("a store"))).await;
    for name in ["a", "b"] {
        submit(&first, json!({"name": name})).await;
        submit(&first, json!({"name": format!("many-{name}"), "count": 2})).await;
    }
    first.drain(Duration::from_secs(5)).await;
    drop(first);

    eventually("the store is free", || store().is_ok()).await;
    world.config.max_in_flight = 100;
    let _second = world.start_on(Arc::new(store().expect("a store"))).await;
    eventually("all are launched", || world.ecs.tasks().len() == 6).await;
    let mut counts: Vec<_> = world.journal.of("RunTask ").iter().filter_map(|line| line.chars().last()).collect();
    counts.sort_unstable();
    assert_eq!(counts, ['1', '1', '2', '2']);
}

/// DEPROVISIONING decides; STOPPED comes later, and tells when the task stopped.
#[tokio::test(start_paused = true)]
async fn what_is_last_seen_of_an_ended_runs_task_is_written_with_the_next_commit() {
    let world = World::new();
    world.store.keeps_final_runs();
    let first = world.start().await;
    let run = &submit(&first, json!({"name": "nightly"})).await[0];
    let stopped = json!({"startedAt": "2027-01-15T08:00:01Z", "containers": [{"name": "app", "exitCode": 0}]});
    eventually("a task", || !world.ecs.tasks().is_empty()).await;
    world.event(&world.ecs.tasks()[0], 8, "DEPROVISIONING", stopped.clone());
    first.finished(run.id).await;
    let shown = |run: &Run| {
        let attempt = run.attempt().expect("an attempt");
        (attempt.last_status.as_ref().map(ToString::to_string), attempt.stopped_at)
    };
    // Its notification is delivered.
    settle().await;
    let commits = world.store.commits();
    let mut at_last = stopped;
    at_last["stoppedAt"] = "2027-01-15T08:00:40Z".into();
    world.event(&world.ecs.tasks()[0], 9, "STOPPED", at_last);
    let seen = (Some("STOPPED".to_owned()), Timestamp::parse("2027-01-15T08:00:40Z"));
    eventually("it is shown", || first.run(run.id).is_some_and(|run| shown(&run) == seen)).await;
    settle().await;
    assert_eq!(world.store.commits(), commits, "nobody waits for it");
    submit(&first, json!({"name": "another"})).await;
    first.abandon();

    let second = world.start().await;
    let kept = second.find("nightly").await.expect("readable").remove(0);
    assert_eq!(shown(&kept), seen, "what was shown before the restart");
    assert_eq!((kept.status, world.store.disorders()), (Status::Succeeded, 0));
}

/// The same where nothing else was to be committed, and the cell ended as it should.
#[tokio::test(start_paused = true)]
async fn what_is_last_seen_of_an_ended_runs_task_is_written_at_the_end() {
    let world = World::new();
    world.store.keeps_final_runs();
    let first = world.start().await;
    let run = &submit(&first, json!({"name": "nightly"})).await[0];
    let stopped = json!({"containers": [{"name": "app", "exitCode": 3}]});
    eventually("a task", || !world.ecs.tasks().is_empty()).await;
    world.event(&world.ecs.tasks()[0], 8, "DEPROVISIONING", stopped.clone());
    first.finished(run.id).await;
    world.event(&world.ecs.tasks()[0], 9, "STOPPED", stopped);
    let status = |run: Run| run.attempt().and_then(|attempt| attempt.last_status.clone());
    eventually("it is shown", || first.run(run.id).and_then(status) == Some(TaskStatus::Stopped)).await;
    first.drain(Duration::from_secs(1)).await;
    let second = world.start().await;
    let kept = second.find("nightly").await.expect("readable").remove(0);
    assert_eq!(status(kept), Some(TaskStatus::Stopped));
}
