//! RunTask and StopTask: intent first, the same token until there is an answer, throttling is no attempt.

use std::time::Duration;

use serde_json::json;
use taskwatch::core::run::{Stage, Status};

use crate::support::fakes::{Answer, World, eventually, settle, status, submit};

#[tokio::test(start_paused = true)]
async fn intent_is_durable_before_run_task_is_called() {
    let world = World::new();
    let cell = world.start().await;
    world.store.shut();
    let submitting = tokio::spawn({
        let cell = cell.clone();
        async move { submit(&cell, json!({"name": "n"})).await }
    });
    settle().await;
    assert!(!submitting.is_finished(), "a request was answered before it was durable");
    assert!(world.journal.of("RunTask").is_empty(), "RunTask before the run was durable");
    world.store.open();
    eventually("RunTask", || !world.journal.of("RunTask").is_empty()).await;
    let order = world.journal.of("");
    let at = |start: &str| order.iter().position(|line| line.starts_with(start)).expect(start);
    assert!(at("Commit n QUEUED Waiting") < at("Commit n QUEUED Launching"), "{order:#?}");
    assert!(at("Commit n QUEUED Launching") < at("RunTask"), "{order:#?}");
}

#[tokio::test(start_paused = true)]
async fn a_lost_answer_is_asked_for_again_with_the_same_token() {
    let world = World::new();
    world.ecs.then([Answer::Lost, Answer::Lost]);
    let cell = world.start().await;
    let run = &submit(&cell, json!({})).await[0];
    eventually("the task is known", || status(&cell, run) == Status::Starting).await;
    let tokens = world.ecs.tokens();
    assert_eq!(tokens.len(), 3);
    assert!(tokens.iter().all(|token| *token == tokens[0]), "{tokens:?}");
    assert_eq!(world.ecs.tasks().len(), 1);
    assert_eq!(cell.run(run.id).expect("known").attempts.len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_conflict_adopts_the_tasks_it_names() {
    let world = World::new();
    world.ecs.then([Answer::Conflict(1)]);
    let cell = world.start().await;
    let run = &submit(&cell, json!({})).await[0];
    eventually("the task is known", || status(&cell, run) == Status::Starting).await;
    let attempt = cell.run(run.id).expect("known").attempts[0].clone();
    assert_eq!(attempt.task_arn.as_ref().map(ToString::to_string), world.ecs.tasks().first().cloned());
}

#[tokio::test(start_paused = true)]
async fn throttling_is_no_attempt_and_keeps_its_token() {
    let world = World::new();
    world.ecs.then([Answer::Throttled, Answer::Throttled, Answer::Throttled]);
    let cell = world.start().await;
    let run = &submit(&cell, json!({"retry": []})).await[0];
    eventually("the task is known", || status(&cell, run) == Status::Starting).await;
    let tokens = world.ecs.tokens();
    assert!(tokens.len() == 4 && tokens.iter().all(|token| *token == tokens[0]), "{tokens:?}");
    assert_eq!(cell.run(run.id).expect("known").attempts.len(), 1);
    assert_eq!(cell.counters().throttles.get(), 3);
}

#[tokio::test(start_paused = true)]
async fn throttling_inside_an_answer_is_no_attempt_and_takes_a_new_token() {
    let world = World::new();
    world.ecs.then([Answer::Places(0, "Rate exceeded"), Answer::Places(0, "Request limit exceeded.")]);
    let cell = world.start().await;
    let run = &submit(&cell, json!({"retry": []})).await[0];
    eventually("the task is known", || status(&cell, run) == Status::Starting).await;
    let tokens = world.ecs.tokens();
    assert!(tokens.len() == 3 && tokens[0] != tokens[1] && tokens[1] != tokens[2], "{tokens:?}");
    assert_eq!(cell.run(run.id).expect("known").attempts.len(), 1);
}

#[tokio::test(start_paused = true)]
async fn ten_go_in_one_call_and_a_short_answer_refuses_the_rest() {
    let world = World::new();
    world.ecs.then([Answer::Places(6, "RESOURCE:MEMORY")]);
    let cell = world.start().await;
    let retry = json!([{"ErrorEquals": ["RESOURCE:MEMORY"], "IntervalSeconds": 30, "MaxAttempts": 1}]);
    let runs = submit(&cell, json!({"count": 10, "retry": retry})).await;
    let of = |wanted: Status| runs.iter().filter(|run| status(&cell, run) == wanted).count();
    eventually("six have tasks", || of(Status::Starting) == 6).await;
    assert_eq!(of(Status::PendingRetry), 4);
    eventually("all have tasks", || of(Status::Starting) == 10).await;
    let calls = world.journal.of("RunTask");
    let counts: Vec<&str> = calls.iter().filter_map(|call| call.rsplit(' ').next()).collect();
    assert_eq!(counts, ["10", "4"], "the four that were refused go together too");
    let arns: std::collections::BTreeSet<_> =
        runs.iter().filter_map(|run| cell.run(run.id)?.attempt()?.task_arn.clone()).collect();
    assert_eq!(arns.len(), 10, "two runs got the same task");
}

#[tokio::test(start_paused = true)]
async fn a_refusal_that_never_helps_is_not_tried_again() {
    let world = World::new();
    world.ecs.then([Answer::Refused("ClientException", "TaskDefinition not found.")]);
    let cell = world.start().await;
    let run = &submit(&cell, json!({})).await[0];
    let ended = cell.finished(run.id).await.expect("known");
    assert_eq!((ended.status, ended.attempts.len()), (Status::Failed, 1));
    assert_eq!(world.journal.of("RunTask").len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_start_timeout_stops_the_task_and_waits_for_its_end_before_the_next_attempt() {
    let world = World::new();
    let cell = world.start().await;
    let retry = json!([{"ErrorEquals": ["States.Timeout"], "IntervalSeconds": 5, "MaxAttempts": 1}]);
    let run = &submit(&cell, json!({"startTimeoutSeconds": 60, "retry": retry})).await[0];
    eventually("StopTask", || !world.journal.of("StopTask").is_empty()).await;
    let task = world.ecs.tasks()[0].clone();
    assert!(world.journal.of("StopTask")[0].contains("Taskwatch.StartTimeout"), "{:?}", world.journal.of("StopTask"));
    assert_eq!(cell.run(run.id).expect("known").attempts[0].stage, Stage::Stopping);
    tokio::time::sleep(Duration::from_secs(300)).await;
    assert_eq!(world.ecs.tasks().len(), 1, "the next attempt began while the task may have been running");
    assert!(world.journal.of("StopTask").len() > 1, "a StopTask without effect is asked for again");
    let stopped = json!({"stopCode": "UserInitiated", "stoppedReason": "taskwatch: Taskwatch.StartTimeout"});
    world.event(&task, 5, "STOPPED", stopped);
    eventually("the next attempt", || world.ecs.tasks().len() == 2).await;
    let error = &cell.run(run.id).expect("known").attempts[0].failure.clone().expect("why").error;
    assert_eq!(error, "Taskwatch.StartTimeout");
}

#[tokio::test(start_paused = true)]
async fn a_run_that_is_asked_to_stop_ends_when_its_task_has() {
    let world = World::new();
    let cell = world.start().await;
    let run = &submit(&cell, json!({})).await[0];
    eventually("the task is known", || status(&cell, run) == Status::Starting).await;
    assert!(cell.stop(run.id, "enough").await);
    eventually("StopTask", || !world.journal.of("StopTask").is_empty()).await;
    assert!(!status(&cell, run).is_final());
    world.ended(&world.ecs.tasks()[0], 137);
    assert_eq!(cell.finished(run.id).await.expect("known").status, Status::Aborted);
    assert_eq!(world.ecs.tasks().len(), 1);
}

/// Reading a request of thousands for each of its tasks once took half of what a cell can do.
#[tokio::test(start_paused = true)]
async fn a_call_whose_runs_are_all_in_memory_asks_the_store_for_none() {
    let world = World::new();
    world.store.keeps_final_runs();
    let cell = world.start().await;
    let runs = submit(&cell, json!({"name": "many", "runTask": {"taskDefinition": "app:1", "count": 30}})).await;
    eventually("all have tasks", || world.ecs.tasks().len() == 30).await;
    eventually("all are known", || runs.iter().all(|run| status(&cell, run) == Status::Starting)).await;
    let finds = world.journal.of("Find");
    // Once: whether there was a request of that name before.
    assert_eq!(finds.len(), 1, "{finds:?}");
}

/// A call every 30 s, at last.
#[tokio::test(start_paused = true)]
async fn credentials_that_are_expired_for_ten_minutes_cost_no_attempt() {
    let world = World::new();
    let expired =
        || Answer::Exception("ExpiredTokenException", "The security token included in the request is expired");
    // Enough for ten minutes of waits, half of each by chance.
    world.ecs.then(std::iter::repeat_with(expired).take(36));
    let cell = world.start().await;
    let run = &submit(&cell, json!({"retry": []})).await[0];
    eventually("it says so", || cell.not_ready().iter().any(|why| why.contains("ECS does not answer RunTask"))).await;
    let began = tokio::time::Instant::now();
    eventually("the task is known", || status(&cell, run) == Status::Starting).await;
    assert!(began.elapsed().as_secs() > 540, "{:?}", began.elapsed());
    let tokens = world.ecs.tokens();
    assert!(tokens.len() == 37 && tokens.iter().all(|token| *token == tokens[0]), "{tokens:?}");
    let run = cell.run(run.id).expect("known");
    assert_eq!((run.attempts.len(), cell.not_ready()), (1, Vec::new()));
}

#[tokio::test(start_paused = true)]
async fn how_long_a_first_launch_waits_and_a_retry_are_counted_apart() {
    let world = World::new();
    let cell = world.start().await;
    let retry = json!([{"ErrorEquals": ["States.ALL"], "IntervalSeconds": 10, "MaxAttempts": 1}]);
    submit(&cell, json!({"retry": retry})).await;
    let waits = || [&cell.counters().first_wait, &cell.counters().retry_wait].map(|times| times.steps().count);
    eventually("a task", || world.ecs.tasks().len() == 1).await;
    assert_eq!(waits(), [1, 0]);
    world.ended(&world.ecs.tasks()[0], 3);
    eventually("its retry", || world.ecs.tasks().len() == 2).await;
    assert_eq!(waits(), [1, 1]);
}

#[tokio::test(start_paused = true)]
async fn runs_whose_containers_get_an_environment_of_their_own_share_no_call() {
    let world = World::new();
    let cell = world.start().await;
    let counts = |calls: Vec<String>| -> Vec<String> {
        calls.iter().filter_map(|call| call.rsplit(' ').next()).map(str::to_owned).collect()
    };
    submit(&cell, json!({"name": "alike", "count": 3})).await;
    eventually("their tasks", || world.ecs.tasks().len() == 3).await;
    assert_eq!(counts(world.journal.of("RunTask")), ["3"]);
    submit(&cell, json!({"name": "own", "count": 3, "injectEnv": true})).await;
    eventually("their tasks", || world.ecs.tasks().len() == 6).await;
    assert_eq!(counts(world.journal.of("RunTask")), ["3", "1", "1", "1"]);
}
