//! The events queue: deleted when durable, foreign events too, order by version, reconciled behind.

use std::sync::atomic::Ordering;
use std::time::Duration;

use serde_json::json;
use taskwatch::core::run::Status;
use taskwatch::core::task::{Task, TaskStatus, parse_task};

use crate::support::fakes::{Answer, World, eventually, settle, status, submit};

#[tokio::test(start_paused = true)]
async fn an_event_is_deleted_only_when_what_it_caused_is_durable() {
    let world = World::new();
    let cell = world.start().await;
    let run = &submit(&cell, json!({})).await[0];
    eventually("the task is known", || status(&cell, run) == Status::Starting).await;
    world.store.shut();
    world.ended(&world.ecs.tasks()[0], 0);
    settle().await;
    assert_eq!((world.events.waiting(), world.events.deleted()), (0, 0), "deleted before it was durable");
    assert!(world.topic.taken().is_empty(), "told before it was durable");
    world.store.open();
    eventually("the event is deleted", || world.events.deleted() == 1).await;
    let order = world.journal.of("");
    let at = |start: &str| order.iter().position(|line| line.starts_with(start)).expect(start);
    assert!(order.iter().position(|l| l.contains("SUCCEEDED")).expect("the end") < at("Delete events"), "{order:#?}");
}

#[tokio::test(start_paused = true)]
async fn an_event_that_nothing_depends_on_is_shown_and_deleted_without_a_commit() {
    let world = World::new();
    let cell = world.start().await;
    let run = &submit(&cell, json!({})).await[0];
    eventually("the task is known", || status(&cell, run) == Status::Starting).await;
    settle().await;
    let mut changes = cell.subscribe();
    world.store.shut();
    world.event(&world.ecs.tasks()[0], 2, "PENDING", json!({}));
    eventually("the event is deleted", || world.events.deleted() == 1).await;
    let shown = changes.try_recv().expect("a change is told").change;
    assert_eq!(shown.last_status, Some(TaskStatus::Pending));
    let known = cell.run(run.id).expect("known");
    assert_eq!(known.attempt().and_then(|a| a.last_status.clone()), Some(TaskStatus::Pending));
    // What must survive a crash is not acknowledged before it is durable.
    world.event(&world.ecs.tasks()[0], 3, "RUNNING", json!({"startedAt": "2027-01-15T08:00:01Z"}));
    settle().await;
    assert_eq!(world.events.deleted(), 1, "deleted before it was durable");
    world.store.open();
    eventually("the event is deleted", || world.events.deleted() == 2).await;
}

#[tokio::test(start_paused = true)]
async fn an_event_that_overtakes_the_answer_finds_its_run_by_started_by() {
    let world = World::new();
    world.ecs.then([Answer::Silent]);
    let cell = world.start().await;
    let run = &submit(&cell, json!({})).await[0];
    eventually("RunTask was called", || !world.ecs.tasks().is_empty()).await;
    world.ended(&world.ecs.tasks()[0], 0);
    assert_eq!(cell.finished(run.id).await.expect("known").status, Status::Succeeded);
    assert!(world.journal.of("DescribeTasks").is_empty(), "nothing was asked for to correlate");
}

#[tokio::test(start_paused = true)]
async fn foreign_and_malformed_events_are_counted_and_deleted() {
    let world = World::new();
    let cell = world.start().await;
    let run = &submit(&cell, json!({})).await[0];
    eventually("the task is known", || status(&cell, run) == Status::Starting).await;
    for foreign in [
        json!({"source": "aws.ecs", "detail-type": "ECS Task State Change", "detail": {"taskArn": "arn:x/1",
            "startedBy": "other/abc", "version": 1, "lastStatus": "STOPPED", "containers": []}}),
        json!({"source": "aws.ecs", "detail-type": "ECS Task State Change", "detail": {"taskArn": "arn:x/2",
            "startedBy": "c/ffff", "version": 1, "lastStatus": "STOPPED", "containers": []}}),
        json!({"source": "aws.ec2", "detail-type": "EC2 Instance State-change Notification", "detail": {}}),
    ] {
        world.events.put(&foreign.to_string());
    }
    for rubbish in ["", "not JSON", "[]", "{\"detail\":", "\u{0}", "{\"a\":1}"] {
        world.events.put(rubbish);
    }
    world.events.put(&"[".repeat(1024 * 1024));
    eventually("all are deleted", || world.events.deleted() == 10).await;
    assert_eq!(cell.counters().foreign.get() + cell.counters().malformed.get(), 10);
    assert!(cell.counters().foreign.get() >= 3);
    world.ended(&world.ecs.tasks()[0], 0);
    assert_eq!(cell.finished(run.id).await.expect("known").status, Status::Succeeded);
}

#[tokio::test(start_paused = true)]
async fn old_and_repeated_events_change_nothing() {
    let world = World::new();
    let cell = world.start().await;
    let run = &submit(&cell, json!({"retry": []})).await[0];
    eventually("the task is known", || status(&cell, run) == Status::Starting).await;
    let task = world.ecs.tasks()[0].clone();
    world.event(&task, 4, "RUNNING", json!({"startedAt": "2027-01-15T08:00:01Z"}));
    eventually("RUNNING", || status(&cell, run) == Status::Running).await;
    let known = cell.run(run.id).expect("known").revision;
    world.event(&task, 2, "PENDING", json!({}));
    world.event(&task, 4, "RUNNING", json!({}));
    eventually("they are deleted", || world.events.deleted() == 3).await;
    assert_eq!(cell.run(run.id).expect("known").revision, known);
    world.ended(&task, 3);
    assert_eq!(cell.finished(run.id).await.expect("known").status, Status::Failed);
    world.ended(&task, 0);
    world.event(&task, 99, "STOPPED", json!({"containers": [{"name": "app", "exitCode": 0}]}));
    eventually("they are deleted", || world.events.deleted() == 6).await;
    assert_eq!(status(&cell, run), Status::Failed);
    assert_eq!(world.topic.taken().len(), 1);
}

fn stopped(arn: &str) -> Task<'static> {
    parse_task(&json!({"taskArn": arn, "version": 9, "lastStatus": "STOPPED", "stopCode": "EssentialContainerExited",
        "startedAt": "2027-01-15T08:00:01Z", "containers": [{"name": "app", "exitCode": 0}]}))
}

#[tokio::test(start_paused = true)]
async fn a_stale_task_is_described_and_the_correction_counted() {
    let world = World::new();
    let cell = world.start().await;
    let run = &submit(&cell, json!({})).await[0];
    eventually("the task is known", || status(&cell, run) == Status::Starting).await;
    let task = world.ecs.tasks()[0].clone();
    world.ecs.describe_as(&task, Some(stopped(&task)));
    tokio::time::sleep(Duration::from_secs(290)).await;
    assert_eq!(status(&cell, run), Status::Starting, "asked too early");
    tokio::time::sleep(Duration::from_secs(20)).await;
    assert_eq!(status(&cell, run), Status::Succeeded);
    assert_eq!(cell.counters().corrections.get(), 0, "its event may be on its way");
    tokio::time::sleep(Duration::from_secs(70)).await;
    assert_eq!(cell.counters().corrections.get(), 1);
}

#[tokio::test(start_paused = true)]
async fn an_event_that_comes_within_a_minute_after_a_description_was_not_lost() {
    let world = World::new();
    let cell = world.start().await;
    let run = &submit(&cell, json!({})).await[0];
    eventually("the task is known", || status(&cell, run) == Status::Starting).await;
    let task = world.ecs.tasks()[0].clone();
    world.ecs.describe_as(&task, Some(stopped(&task)));
    eventually("described", || status(&cell, run) == Status::Succeeded).await;
    tokio::time::sleep(Duration::from_secs(30)).await;
    world.event(&task, 9, "STOPPED", json!({"containers": [{"name": "app", "exitCode": 0}]}));
    tokio::time::sleep(Duration::from_secs(600)).await;
    assert_eq!(cell.counters().corrections.get(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_task_that_became_healthy_is_no_correction() {
    let world = World::new();
    let cell = world.start().await;
    let run = &submit(&cell, json!({"until": "healthy"})).await[0];
    eventually("the task is known", || status(&cell, run) == Status::Starting).await;
    let task = world.ecs.tasks()[0].clone();
    let healthy =
        parse_task(&json!({"taskArn": task, "version": 5, "lastStatus": "RUNNING", "healthStatus": "HEALTHY",
        "startedAt": "2027-01-15T08:00:01Z"}));
    world.ecs.describe_as(&task, Some(healthy));
    world.event(&task, 5, "RUNNING", json!({"startedAt": "2027-01-15T08:00:01Z"}));
    eventually("it is described", || status(&cell, run) == Status::Succeeded).await;
    assert_eq!(cell.counters().corrections.get(), 0, "no event was lost");
}

#[tokio::test(start_paused = true)]
async fn a_task_definition_that_cannot_be_read_holds_up_no_launch() {
    let world = World::new();
    world.ecs.then([Answer::Silent]);
    world.ecs.keeps_definitions.store(true, Ordering::Relaxed);
    let cell = world.start().await;
    submit(&cell, json!({"until": "stopped"})).await;
    eventually("a task without an answer", || world.ecs.tasks().len() == 1).await;
    let definition = "arn:aws:ecs:us-east-1:123456789012:task-definition/app:1";
    world.event(&world.ecs.tasks()[0], 9, "STOPPED", json!({"taskDefinitionArn": definition}));
    eventually("it is asked for", || !world.journal.of("DescribeTaskDefinition").is_empty()).await;
    let other = &submit(&cell, json!({})).await[0];
    let is_placed = || cell.run(other.id).and_then(|run| run.attempt()?.task_arn.clone()).is_some();
    eventually("another run's answer is taken in", is_placed).await;
}

#[tokio::test(start_paused = true)]
async fn a_missing_task_is_not_yet_there_and_later_lost() {
    let mut world = World::new();
    world.config.reconcile_after = Duration::from_secs(60);
    let cell = world.start().await;
    let run = &submit(&cell, json!({"retry": []})).await[0];
    eventually("the task is known", || status(&cell, run) == Status::Starting).await;
    world.ecs.describe_as(&world.ecs.tasks()[0], None);
    tokio::time::sleep(Duration::from_secs(200)).await;
    assert!(!world.journal.of("DescribeTasks").is_empty());
    assert_eq!(status(&cell, run), Status::Starting, "MISSING right after RunTask is not the end");
    let ended = cell.finished(run.id).await.expect("known");
    assert_eq!(ended.failure().expect("why").error, "Taskwatch.TaskLost");
}

#[tokio::test(start_paused = true)]
async fn a_hundred_stale_tasks_are_one_call() {
    let world = World::new();
    let cell = world.start().await;
    let runs = submit(&cell, json!({"count": 150})).await;
    let placed = || runs.iter().filter(|run| status(&cell, run) == Status::Starting).count();
    eventually("all have tasks", || placed() == 150).await;
    eventually("described", || world.journal.of("DescribeTasks").len() == 2).await;
    let mut calls = world.journal.of("DescribeTasks");
    calls.sort();
    assert_eq!(calls, ["DescribeTasks 100", "DescribeTasks 50"]);
}

#[tokio::test(start_paused = true)]
async fn tasks_under_this_cells_name_that_it_did_not_launch_are_counted() {
    let world = World::new();
    let cell = world.start().await;
    let ended = &submit(&cell, json!({})).await[0];
    eventually("a task", || !world.ecs.tasks().is_empty()).await;
    let own = world.ecs.tasks()[0].clone();
    world.ended(&own, 0);
    eventually("it has ended", || status(&cell, ended) == Status::Succeeded).await;
    tokio::time::sleep(Duration::from_secs(600)).await;
    // The clock began at 08:00:00.
    let put = |arn: &str, status: &str, by: &str, created: &str| {
        world.event(arn, 1, status, json!({"startedBy": by, "createdAt": created}));
    };
    put("arn:other-cell", "PENDING", "d/0a", "2027-01-15T08:09:00Z");
    put("arn:of-an-earlier-process", "RUNNING", "c/0b", "2027-01-15T07:59:00Z");
    put("arn:ended", "STOPPED", "c/0c", "2027-01-15T08:09:00Z");
    put("arn:of-a-known-call", "RUNNING", &world.ecs.started_by(&own), "2027-01-15T08:09:00Z");
    put("arn:foreign", "PENDING", "c/0d", "2027-01-15T08:09:00Z");
    eventually("all were looked at", || cell.counters().foreign.get() == 5).await;
    assert_eq!(cell.counters().duplicate_cell_name.get(), 1);
}
