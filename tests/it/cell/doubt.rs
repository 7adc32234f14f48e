//! What a cell does not know for certain: it asks ECS, and tells nobody what may be wrong.

use std::sync::PoisonError;
use std::sync::atomic::Ordering;
use std::time::Duration;

use serde_json::json;
use taskwatch::core::run::Status;
use taskwatch::core::task::{Container, Task};
use taskwatch::core::time::Timestamp;

use crate::support::fakes::{Answer, World, eventually, settle, status, submit};

const DENIED: Answer = Answer::Refused("AccessDeniedException", "not authorized to perform: ecs:RunTask");

/// As ECS describes a task of this status.
fn task(world: &World, arn: &str, status: &'static str, version: i64) -> Task<'static> {
    let at = |seconds: i64| Some(Timestamp::from_millis(1_800_000_000_000 + seconds * 1000));
    let started = !["PROVISIONING", "PENDING"].contains(&status);
    let container =
        Container { name: "app".into(), exit_code: (status == "STOPPED").then_some(0), ..Container::default() };
    Task {
        task_arn: arn.to_owned().into(),
        started_by: Some(world.ecs.started_by(arn).into()),
        last_status: status.into(),
        version,
        created_at: at(1),
        started_at: started.then(|| at(30)).flatten(),
        stop_code: (status == "STOPPED").then(|| "EssentialContainerExited".into()),
        stopped_reason: (status == "STOPPED").then(|| "Essential container in task exited".into()),
        containers: vec![container],
        ..Task::default()
    }
}

/// RunTask took effect, its answer was lost, and the call that is sent again is refused: a bad deploy took the permission.
#[tokio::test(start_paused = true)]
async fn a_refusal_of_a_call_in_doubt_finds_its_tasks() {
    let world = World::new();
    world.ecs.then([Answer::Lost, DENIED]);
    let cell = world.start().await;
    let runs = submit(&cell, json!({"count": 3, "retry": [{"ErrorEquals": ["States.ALL"], "MaxAttempts": 3}]})).await;
    eventually("it was sent again", || world.ecs.tokens().len() == 2).await;
    eventually("the tasks are found", || runs.iter().all(|run| status(&cell, run) == Status::Starting)).await;
    assert!(!world.journal.of("ListTasks").is_empty());
    for arn in world.ecs.tasks() {
        world.ended(&arn, 0);
    }
    for run in &runs {
        let run = cell.finished(run.id).await.expect("known");
        assert_eq!((run.status, run.attempts.len()), (Status::Succeeded, 1), "{run:?}");
    }
    assert_eq!(world.ecs.tasks().len(), 3, "a second task was launched");
}

#[tokio::test(start_paused = true)]
async fn a_refusal_of_a_call_in_doubt_finds_its_tasks_after_a_restart() {
    let world = World::new();
    world.ecs.then([Answer::Silent, DENIED]);
    let first = world.start().await;
    let run = &submit(&first, json!({"retry": []})).await[0];
    eventually("RunTask was called", || !world.ecs.tasks().is_empty()).await;
    first.drain(Duration::from_millis(100)).await;
    let second = world.start().await;
    eventually("it was sent again", || world.ecs.tokens().len() == 2).await;
    eventually("the task is found", || status(&second, run) == Status::Starting).await;
    world.ended(&world.ecs.tasks()[0], 0);
    assert_eq!(second.finished(run.id).await.expect("known").status, Status::Succeeded);
}

/// What no task is found for, and no event tells of, was refused.
#[tokio::test(start_paused = true)]
async fn a_refusal_of_a_call_in_doubt_that_took_no_effect_is_a_refusal_in_the_end() {
    let world = World::new();
    world.ecs.then([Answer::Exception("ServerException", "Service Unavailable"), DENIED]);
    let cell = world.start().await;
    let run = &submit(&cell, json!({"retry": []})).await[0];
    let run = cell.finished(run.id).await.expect("known");
    assert_eq!(run.status, Status::Failed);
    assert_eq!(run.failure().map(|f| f.error.as_str()), Some("ECS.AccessDeniedException"), "{:?}", run.failure());
    assert!(world.ecs.tasks().is_empty() && world.ecs.tokens().len() == 2);
}

/// A call that was never in doubt is refused at once.
#[tokio::test(start_paused = true)]
async fn a_refusal_of_a_first_call_is_told_at_once() {
    let world = World::new();
    world.ecs.then([DENIED]);
    let cell = world.start().await;
    let run = &submit(&cell, json!({"retry": []})).await[0];
    settle().await;
    assert_eq!(status(&cell, run), Status::Failed);
    assert!(world.journal.of("ListTasks").is_empty());
}

/// A cell with a placed task whose start timeout passes while it is away.
async fn away_over_a_deadline(world: &World) -> taskwatch::core::run::Run {
    let first = world.start().await;
    let run = submit(&first, json!({"retry": [], "startTimeoutSeconds": 60})).await.remove(0);
    eventually("the task is known", || status(&first, &run) == Status::Starting).await;
    first.drain(Duration::from_secs(1)).await;
    tokio::time::sleep(Duration::from_secs(120)).await;
    run
}

#[tokio::test(start_paused = true)]
async fn a_deadline_after_a_restart_is_judged_by_describe_tasks() {
    let world = World::new();
    let run = away_over_a_deadline(&world).await;
    let arn = world.ecs.tasks().remove(0);
    world.ecs.describe_as(&arn, Some(task(&world, &arn, "PENDING", 2)));
    let second = world.start().await;
    tokio::time::sleep(Duration::from_secs(30)).await;
    assert_eq!(world.journal.of("StopTask").len(), 1, "ECS says that it has not started: {:?}", second.run(run.id));
}

#[tokio::test(start_paused = true)]
async fn a_task_that_describe_tasks_says_to_run_is_not_stopped_for_its_start_timeout() {
    let world = World::new();
    let run = away_over_a_deadline(&world).await;
    let arn = world.ecs.tasks().remove(0);
    world.ecs.describe_as(&arn, Some(task(&world, &arn, "RUNNING", 3)));
    let second = world.start().await;
    eventually("it runs", || status(&second, &run) == Status::Running).await;
    tokio::time::sleep(Duration::from_secs(600)).await;
    assert!(world.journal.of("StopTask").is_empty());
}

/// A cell that is ended every 45 s, as one whose health check fails.
#[tokio::test(start_paused = true)]
async fn restarts_never_add_up_to_a_deadline_that_is_not_kept() {
    let world = World::new();
    let _run = away_over_a_deadline(&world).await;
    let arn = world.ecs.tasks().remove(0);
    world.ecs.describe_as(&arn, Some(task(&world, &arn, "PENDING", 2)));
    for _ in 0..5 {
        let cell = world.start().await;
        tokio::time::sleep(Duration::from_secs(45)).await;
        cell.drain(Duration::from_secs(1)).await;
    }
    assert!(!world.journal.of("StopTask").is_empty(), "up for 225 s, and nothing was stopped");
}

/// DescribeTasks says at once what the events in the queue will say: nothing was lost but what never comes.
#[tokio::test(start_paused = true)]
async fn a_backlog_after_a_restart_is_no_lost_event() {
    const TASKS: usize = 300;
    let world = World::new();
    let first = world.start().await;
    let ec2 = json!({"runTask": {"taskDefinition": "app:1", "launchType": "EC2", "count": TASKS}});
    submit(&first, ec2).await;
    eventually("all have tasks", || first.runs().iter().all(|run| run.attempts[0].task_arn.is_some())).await;
    first.drain(Duration::from_secs(1)).await;
    let arns = world.ecs.tasks();
    *world.events.pace.lock().unwrap_or_else(PoisonError::into_inner) =
        (Duration::from_secs(1), Some(world.clock.now()));
    for arn in &arns {
        world.ecs.describe_as(arn, Some(task(&world, arn, "STOPPED", 9)));
    }
    arns.iter().skip(1).for_each(|arn| world.ended(arn, 0));
    tokio::time::sleep(Duration::from_secs(600)).await;
    let second = world.start().await;
    eventually("all have ended", || second.runs().iter().all(|run| run.status == Status::Succeeded)).await;
    tokio::time::sleep(Duration::from_secs(180)).await;
    assert_eq!(second.counters().corrections.get(), 1, "one event was lost");
}

/// One task definition whose DescribeTaskDefinition hangs, and the ends of tasks of others.
#[tokio::test(start_paused = true)]
async fn a_definition_that_is_not_answered_holds_up_no_other() {
    let world = World::new();
    *world.ecs.keeps_definition.lock().unwrap_or_else(PoisonError::into_inner) = Some("hung");
    let cell = world.start().await;
    let of = |definition: &str| json!({"runTask": {"taskDefinition": definition, "launchType": "EC2"}});
    let mut runs = Vec::new();
    for n in 0..40 {
        runs.push(submit(&cell, of(if n < 20 { "hung:1" } else { "fine:1" })).await.remove(0));
    }
    eventually("all have tasks", || cell.runs().iter().all(|run| run.attempts[0].task_arn.is_some())).await;
    for (n, run) in runs.iter().enumerate() {
        let arn = cell.run(run.id).and_then(|run| run.attempts[0].task_arn.clone()).expect("a task");
        let definition = if n < 20 { "hung" } else { "fine" };
        world.event(
            &arn,
            9,
            "STOPPED",
            json!({
            "taskDefinitionArn": format!("arn:aws:ecs:us-east-1:1:task-definition/{definition}:1"),
            "stopCode": "EssentialContainerExited", "stoppedReason": "Essential container in task exited",
            "startedAt": "2027-01-15T08:00:01Z", "containers": [{"name": "app", "exitCode": 0}]}),
        );
    }
    tokio::time::sleep(Duration::from_secs(60)).await;
    let ended = runs[20..].iter().filter(|run| status(&cell, run) == Status::Succeeded).count();
    assert_eq!(ended, 20, "the others wait for a definition that is not theirs");
}

/// Without the permission tasks are followed by events alone, and asked about again later.
#[tokio::test(start_paused = true)]
async fn a_describe_tasks_that_is_refused_is_asked_again() {
    let mut world = World::new();
    world.config.reconcile_after = Duration::from_secs(60);
    let cell = world.start().await;
    let run = &submit(&cell, json!({"retry": []})).await[0];
    eventually("a task", || status(&cell, run) == Status::Starting).await;
    let arn = world.ecs.tasks().remove(0);
    world.ecs.describe_as(&arn, Some(task(&world, &arn, "STOPPED", 9)));
    world.ecs.refuses_to_describe.store(true, Ordering::Relaxed);
    tokio::time::sleep(Duration::from_secs(600)).await;
    assert_eq!(status(&cell, run), Status::Starting);
    let asked = world.journal.of("DescribeTasks").len();
    assert!((5..=12).contains(&asked), "asked {asked} times in ten minutes");
    world.ecs.refuses_to_describe.store(false, Ordering::Relaxed);
    assert_eq!(cell.finished(run.id).await.expect("known").status, Status::Succeeded);
}
