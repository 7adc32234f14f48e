//! Why a run has no task yet: the first thing that would have to change, with who, since when and until when.

use std::time::Duration;

use serde_json::json;
use taskwatch::cell::{Cell, LimitsChange, Pause, WaitReason, WaitingFor};
use taskwatch::core::run::{Run, Status};

use crate::support::fakes::{Answer, World, eventually, settle, status, submit};

fn why(cell: &Cell, run: &Run) -> Option<WaitingFor> {
    cell.waiting_for(&[cell.run(run.id).expect("a run")]).remove(0)
}

fn reason(cell: &Cell, run: &Run) -> Option<WaitReason> {
    why(cell, run).map(|waiting| waiting.reason)
}

async fn pause(cell: &Cell, what: Pause, by: Option<&str>, reason: Option<&str>) {
    let said = |text: Option<&str>| text.map(str::to_owned);
    let change = LimitsChange { pause: vec![what], by: said(by), reason: said(reason), ..LimitsChange::default() };
    cell.change_limits(change).await.expect("paused");
}

#[tokio::test(start_paused = true)]
async fn a_paused_queue_or_task_definition_is_named_with_who_when_and_why() {
    let world = World::new();
    let cell = world.start().await;
    let began = world.clock.now();
    pause(&cell, Pause::Queue("a".into()), Some("ops@host"), Some("migration")).await;
    pause(&cell, Pause::TaskDefinition("etl".into()), None, None).await;
    let of_queue = submit(&cell, json!({"queue": "a"})).await.remove(0);
    let of_definition = submit(&cell, json!({"runTask": {"taskDefinition": "etl:7"}})).await.remove(0);
    let free = submit(&cell, json!({})).await.remove(0);
    eventually("a task", || status(&cell, &free) == Status::Starting).await;
    let waiting = why(&cell, &of_queue).expect("a reason");
    assert_eq!(waiting.reason, WaitReason::QueuePaused);
    assert_eq!(waiting.text, format!("queue a is paused by ops@host since {began}: migration"));
    assert_eq!((waiting.since, waiting.by.as_deref(), waiting.until), (Some(began), Some("ops@host"), None));
    let waiting = why(&cell, &of_definition).expect("a reason");
    assert_eq!(waiting.reason, WaitReason::TaskDefinitionPaused);
    assert_eq!(waiting.text, format!("task definition etl is paused by an operator since {began}"));
    assert_eq!(why(&cell, &free), None, "it has a task");
    cell.stop(of_queue.id, "x").await;
    assert_eq!(why(&cell, &of_queue), None, "it has ended");
    // Over a restart.
    cell.drain(Duration::from_secs(1)).await;
    let second = world.start().await;
    assert_eq!(why(&second, &of_definition), Some(waiting));
}

#[tokio::test(start_paused = true)]
async fn limits_and_quotas_are_named() {
    let mut world = World::new();
    world.config.max_in_flight = 1;
    let cell = world.start().await;
    let runs = submit(&cell, json!({"count": 2})).await;
    eventually("a task", || world.ecs.tasks().len() == 1).await;
    let waiting = runs.iter().find_map(|run| why(&cell, run)).expect("one waits");
    assert_eq!(waiting.reason, WaitReason::MaxInFlight);
    assert_eq!(waiting.text, "maxInFlight (1) is reached: 1 run has a task");

    let mut world = World::new();
    (world.config.run_task_rate, world.config.run_task_burst) = (0.5, 1);
    let cell = world.start().await;
    let runs = submit(&cell, json!({"count": 3, "queue": "b"})).await;
    eventually("a task", || world.ecs.tasks().len() == 1).await;
    let waiting = runs.iter().find_map(|run| why(&cell, run)).expect("one waits");
    assert_eq!(waiting.reason, WaitReason::LaunchRate);
    assert_eq!(waiting.text, "its turn in queue b: at most 0.5 tasks a second are launched on Fargate");
    assert!(waiting.since.is_some());

    let mut world = World::new();
    world.config.max_provisioning = 1;
    let cell = world.start().await;
    let task =
        json!({"taskDefinition": "etl:7", "cluster": "c1", "capacityProviderStrategy": [{"capacityProvider": "asg"}]});
    let runs = [submit(&cell, json!({"runTask": task})).await, submit(&cell, json!({"runTask": task})).await].concat();
    eventually("a task", || world.ecs.tasks().len() == 1).await;
    let waiting = runs.iter().find_map(|run| why(&cell, run)).expect("one waits");
    assert_eq!(waiting.reason, WaitReason::MaxProvisioning);
    assert_eq!(waiting.text, "maxProvisioning (1) is reached: 1 task is in PROVISIONING in cluster c1");
}

#[tokio::test(start_paused = true)]
async fn an_answer_that_is_out_and_the_next_attempt_are_named() {
    let world = World::new();
    let cell = world.start().await;
    world.ecs.then([Answer::Silent]);
    let run = submit(&cell, json!({})).await.remove(0);
    eventually("its call", || reason(&cell, &run) == Some(WaitReason::RunTask)).await;

    let run =
        submit(&cell, json!({"until": "stopped", "retry": [{"ErrorEquals": ["States.ALL"], "IntervalSeconds": 60}]}));
    let run = run.await.remove(0);
    eventually("a task", || status(&cell, &run) == Status::Starting).await;
    world.ended(world.ecs.tasks().last().expect("a task"), 3);
    eventually("it waits", || status(&cell, &run) == Status::PendingRetry).await;
    let waiting = why(&cell, &run).expect("a reason");
    let at = cell.run(run.id).and_then(|run| run.retry_at).expect("a time");
    assert_eq!((waiting.reason, waiting.until), (WaitReason::NextAttempt, Some(at)));
    assert_eq!(waiting.text, format!("attempt 2 begins at {at}, after EssentialContainerExited"));
}

#[tokio::test(start_paused = true)]
async fn a_start_time_is_named_and_kept_across_a_restart() {
    let world = World::new();
    let cell = world.start().await;
    let at = world.clock.now().plus(Duration::from_secs(3600));
    let run = submit(&cell, json!({"name": "later", "startAt": at})).await.remove(0);
    let waiting = why(&cell, &run).expect("a reason");
    assert_eq!((waiting.reason, waiting.until), (WaitReason::StartTime, Some(at)));
    assert_eq!(waiting.text, format!("its start time: it starts at {at}"));
    cell.drain(Duration::from_secs(1)).await;
    let cell = world.start().await;
    settle().await;
    assert_eq!((status(&cell, &run), world.ecs.tokens().len()), (Status::PendingRetry, 0));
    tokio::time::advance(Duration::from_secs(3601)).await;
    eventually("a task", || status(&cell, &run) == Status::Starting).await;
}

#[tokio::test(start_paused = true)]
async fn an_open_circuit_breaker_is_named_with_its_next_probe() {
    const INACTIVE: Answer = Answer::Refused("ClientException", "TaskDefinition is inactive");
    let mut world = World::new();
    world.config.breaker.failures = 1;
    let cell = world.start().await;
    world.ecs.then([INACTIVE]);
    let etl = || submit(&cell, json!({"runTask": {"taskDefinition": "etl:7"}}));
    let first = etl().await.remove(0);
    eventually("it is refused", || status(&cell, &first) == Status::Failed).await;
    eventually("it is paused", || cell.open_breakers().len() == 1).await;
    let run = etl().await.remove(0);
    settle().await;
    let waiting = why(&cell, &run).expect("a reason");
    let open = cell.open_breakers().remove(0);
    assert_eq!(waiting.reason, WaitReason::CircuitBreaker);
    assert_eq!((waiting.since, waiting.until), (Some(open.paused_at), open.next_probe_at));
    let next = open.next_probe_at.expect("a probe");
    let expected = format!(
        "paused automatically after 1 failure of task definition etl:7 (ECS.ClientException); the next probe is at {next}"
    );
    assert_eq!(waiting.text, expected);
}
