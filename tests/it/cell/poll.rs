//! Without an events queue: tasks are followed by shared DescribeTasks calls, often while they change and rarely while not.

use std::sync::PoisonError;
use std::time::Duration;

use serde_json::{Value, json};
use taskwatch::cell::Cell;
use taskwatch::cell::ports::CallError;
use taskwatch::core::run::{Run, Status};
use taskwatch::core::task::{Task, parse_task};
use tokio::time::Instant;

use crate::support::fakes::{World, eventually, status, submit};

/// What DescribeTasks says of a task.
fn task(arn: &str, version: i64, last_status: &str, more: Value) -> Task<'static> {
    let mut task = json!({"taskArn": arn, "version": version, "lastStatus": last_status, "containers": []});
    if let (Some(task), Value::Object(more)) = (task.as_object_mut(), more) {
        task.extend(more);
    }
    parse_task(&task)
}

fn running(arn: &str) -> Task<'static> {
    task(arn, 3, "RUNNING", json!({"startedAt": "2027-01-15T08:00:01Z"}))
}

fn ended(arn: &str, exit_code: i64) -> Task<'static> {
    let more = json!({"stopCode": "EssentialContainerExited", "stoppedReason": "Essential container in task exited",
        "startedAt": "2027-01-15T08:00:01Z", "containers": [{"name": "app", "exitCode": exit_code}]});
    task(arn, 9, "STOPPED", more)
}

/// A run whose task has been placed.
async fn placed(world: &World, cell: &Cell, more: Value) -> (Run, String) {
    let run = submit(cell, more).await.remove(0);
    eventually("it is placed", || status(cell, &run) == Status::Starting).await;
    let arn = world.ecs.tasks().pop().expect("a task");
    (run, arn)
}

/// The same, and it runs.
async fn runs(world: &World, cell: &Cell, more: Value) -> (Run, String) {
    let (run, arn) = placed(world, cell, more).await;
    world.ecs.describe_as(&arn, Some(running(&arn)));
    eventually("it runs", || status(cell, &run) == Status::Running).await;
    (run, arn)
}

/// The DescribeTasks calls since an instant: when, and for how many tasks.
fn calls(world: &World, since: Instant) -> Vec<(Duration, usize)> {
    let all = world.ecs.described_at.lock().unwrap_or_else(PoisonError::into_inner);
    all.iter().filter(|(at, _)| *at >= since).map(|(at, tasks)| (*at - since, *tasks)).collect()
}

#[tokio::test(start_paused = true)]
async fn a_polled_task_is_followed_to_its_end_and_a_failed_program_is_not_run_again() {
    let world = World::polled();
    let cell = world.start().await;
    let (run, arn) = runs(&world, &cell, json!({})).await;
    world.ecs.describe_as(&arn, Some(ended(&arn, 3)));
    let ended = cell.finished(run.id).await.expect("known");
    assert_eq!((ended.status, ended.attempts.len(), ended.attempts[0].exit_code), (Status::Failed, 1, Some(3)));
    let known = calls(&world, Instant::now() - Duration::from_secs(60)).len();
    tokio::time::sleep(Duration::from_secs(600)).await;
    assert_eq!(world.ecs.tasks().len(), 1, "a program's own end is not repeated");
    assert_eq!(world.journal.of("DescribeTasks").len(), known, "and what has ended is not asked about");
}

#[tokio::test(start_paused = true)]
async fn a_task_is_asked_about_every_second_at_first_and_every_16_seconds_at_last() {
    let world = World::polled();
    let cell = world.start().await;
    let since = Instant::now();
    let (run, arn) = runs(&world, &cell, json!({})).await;
    tokio::time::sleep(Duration::from_secs(3600)).await;
    let at: Vec<u64> = calls(&world, since).iter().map(|(at, _)| at.as_secs()).collect();
    let waits: Vec<u64> = at.windows(2).map(|two| two[1] - two[0]).collect();
    assert!(waits[..15].iter().all(|wait| *wait == 1), "{waits:?}");
    assert!(at.len() < 270 && waits[waits.len() - 100..].iter().all(|wait| *wait == 16), "{waits:?}");
    // News brings it back to every second: the end of a short last phase is not late.
    world.ecs.describe_as(&arn, Some(task(&arn, 4, "DEACTIVATING", json!({"startedAt": "2027-01-15T08:00:01Z"}))));
    tokio::time::sleep(Duration::from_secs(16)).await;
    world.ecs.describe_as(&arn, Some(ended(&arn, 0)));
    let shown = Instant::now();
    assert_eq!(cell.finished(run.id).await.expect("known").status, Status::Succeeded);
    assert!(shown.elapsed() <= Duration::from_secs(2), "{:?}", shown.elapsed());
}

#[tokio::test(start_paused = true)]
async fn the_tasks_of_a_process_share_their_calls() {
    let world = World::polled();
    let cell = world.start().await;
    let runs = submit(&cell, json!({"runTask": {"taskDefinition": "app:1", "launchType": "EC2", "count": 250}})).await;
    let placed = || runs.iter().filter(|run| status(&cell, run) == Status::Starting).count();
    eventually("all are placed", || placed() == 250).await;
    world.ecs.tasks().iter().for_each(|arn| world.ecs.describe_as(arn, Some(running(arn))));
    eventually("all run", || runs.iter().all(|run| status(&cell, run) == Status::Running)).await;
    tokio::time::sleep(Duration::from_secs(300)).await;
    let since = Instant::now();
    tokio::time::sleep(Duration::from_secs(160)).await;
    let calls = calls(&world, since);
    let mut tasks: Vec<usize> = calls.iter().map(|(_, tasks)| *tasks).collect();
    tasks.sort_unstable();
    assert_eq!(tasks, [vec![50; 10], vec![100; 20]].concat(), "three calls every 16 s: {calls:?}");
}

#[tokio::test(start_paused = true)]
async fn calls_keep_to_a_share_of_the_quota_and_slow_down_when_they_are_throttled() {
    let world = World::polled();
    let cell = world.start().await;
    let since = Instant::now();
    submit(&cell, json!({"runTask": {"taskDefinition": "app:1", "launchType": "EC2", "count": 3000}})).await;
    tokio::time::sleep(Duration::from_secs(120)).await;
    let most = |seconds: u64| 10 + 2 * usize::try_from(seconds).expect("small");
    for (n, (at, _)) in calls(&world, since).iter().enumerate() {
        assert!(n <= most(at.as_secs()), "call {n} after {at:?}");
    }
    let throttled = std::iter::repeat_with(|| CallError::Throttled("Rate exceeded".into())).take(1_000);
    world.ecs.describe_failures.lock().unwrap_or_else(PoisonError::into_inner).extend(throttled);
    tokio::time::sleep(Duration::from_secs(60)).await;
    let slowed = Instant::now();
    tokio::time::sleep(Duration::from_secs(60)).await;
    let calls = calls(&world, slowed).len();
    assert!((2..=12).contains(&calls), "{calls} calls in a minute in which all are throttled");
}

#[tokio::test(start_paused = true)]
async fn lost_answers_are_asked_for_again() {
    let world = World::polled();
    let cell = world.start().await;
    let (run, arn) = runs(&world, &cell, json!({})).await;
    world.ecs.describe_as(&arn, Some(ended(&arn, 0)));
    let lost = std::iter::repeat_with(|| CallError::Unknown("connection reset".into())).take(30);
    world.ecs.describe_failures.lock().unwrap_or_else(PoisonError::into_inner).extend(lost);
    assert_eq!(cell.finished(run.id).await.expect("known").status, Status::Succeeded);
}

#[tokio::test(start_paused = true)]
async fn missing_right_after_run_task_is_not_yet() {
    let world = World::polled();
    let cell = world.start().await;
    let (run, arn) = placed(&world, &cell, json!({})).await;
    world.ecs.describe_as(&arn, None);
    tokio::time::sleep(Duration::from_secs(250)).await;
    assert_eq!(status(&cell, &run), Status::Starting);
    world.ecs.describe_as(&arn, Some(ended(&arn, 0)));
    assert_eq!(cell.finished(run.id).await.expect("known").status, Status::Succeeded);
}

/// The machine slept: the task ended meanwhile, and ECS has forgotten it. It may have done its work.
#[tokio::test(start_paused = true)]
async fn a_task_that_ecs_has_forgotten_is_lost_and_not_run_again() {
    let world = World::polled();
    let cell = world.start().await;
    let (run, arn) = runs(&world, &cell, json!({})).await;
    world.clock.sleep_through(Duration::from_secs(2 * 3600));
    world.ecs.describe_as(&arn, None);
    let ended = cell.finished(run.id).await.expect("known");
    assert_eq!(ended.failure().expect("why").error, "Taskwatch.TaskLost");
    assert_eq!((ended.status, world.ecs.tasks().len()), (Status::Failed, 1));
}

#[tokio::test(start_paused = true)]
async fn a_deadline_is_judged_by_what_ecs_says_then() {
    let world = World::polled();
    let cell = world.start().await;
    for (exit, expected) in [(Some(0), Status::Succeeded), (None, Status::TimedOut)] {
        let (run, arn) = runs(&world, &cell, json!({"timeoutSeconds": 1000})).await;
        let deadline = cell.run(run.id).expect("known").submitted_at.plus(Duration::from_secs(1000));
        // It ends between two checks, which are 16 s apart by now.
        let left = deadline.since(world.clock.now()) - Duration::from_millis(10);
        tokio::time::sleep(left).await;
        if let Some(exit) = exit {
            world.ecs.describe_as(&arn, Some(ended(&arn, exit)));
        } else {
            eventually("it is stopped", || !world.journal.of("StopTask").is_empty()).await;
            let stopped = json!({"stopCode": "UserInitiated", "startedAt": "2027-01-15T08:00:01Z"});
            world.ecs.describe_as(&arn, Some(task(&arn, 9, "STOPPED", stopped)));
        }
        assert_eq!(cell.finished(run.id).await.expect("known").status, expected);
    }
}

#[tokio::test(start_paused = true)]
async fn a_start_timeout_stops_the_task_and_the_next_attempt_follows() {
    let world = World::polled();
    let cell = world.start().await;
    let (run, arn) = placed(&world, &cell, json!({})).await;
    world.ecs.describe_as(&arn, Some(task(&arn, 2, "PENDING", json!({}))));
    eventually("it is stopped", || !world.journal.of("StopTask").is_empty()).await;
    let stopped = json!({"stopCode": "UserInitiated", "stoppedReason": "taskwatch"});
    world.ecs.describe_as(&arn, Some(task(&arn, 5, "STOPPED", stopped)));
    eventually("the next attempt", || world.ecs.tasks().len() == 2).await;
    let first = cell.run(run.id).expect("known").attempts[0].clone();
    assert_eq!(first.failure.expect("why").error, "Taskwatch.StartTimeout");
}

#[tokio::test(start_paused = true)]
async fn a_stop_is_followed_closely_also_after_hours() {
    let world = World::polled();
    let cell = world.start().await;
    let (run, arn) = runs(&world, &cell, json!({})).await;
    tokio::time::sleep(Duration::from_secs(3 * 3600 + 3)).await;
    assert!(cell.stop(run.id, "no longer wanted").await);
    eventually("StopTask", || !world.journal.of("StopTask").is_empty()).await;
    let stopped = json!({"stopCode": "UserInitiated", "startedAt": "2027-01-15T08:00:01Z"});
    world.ecs.describe_as(&arn, Some(task(&arn, 9, "STOPPED", stopped)));
    let shown = Instant::now();
    assert_eq!(cell.finished(run.id).await.expect("known").status, Status::Aborted);
    assert!(shown.elapsed() <= Duration::from_secs(2), "{:?}", shown.elapsed());
}

#[tokio::test(start_paused = true)]
async fn health_is_polled_as_well() {
    let world = World::polled();
    let cell = world.start().await;
    let (run, arn) = placed(&world, &cell, json!({"until": "healthy"})).await;
    world.ecs.describe_as(&arn, Some(running(&arn)));
    tokio::time::sleep(Duration::from_secs(30)).await;
    assert_eq!(status(&cell, &run), Status::Starting);
    let healthy = json!({"startedAt": "2027-01-15T08:00:01Z", "healthStatus": "HEALTHY"});
    world.ecs.describe_as(&arn, Some(task(&arn, 3, "RUNNING", healthy)));
    assert_eq!(cell.finished(run.id).await.expect("known").status, Status::Succeeded);
}

#[tokio::test(start_paused = true)]
async fn a_spot_interruption_is_repeated_without_any_event() {
    let world = World::polled();
    let cell = world.start().await;
    let (run, arn) = runs(&world, &cell, json!({})).await;
    let spot = json!({"stopCode": "SpotInterruption", "stoppedReason": "Your Spot Task was interrupted.",
        "startedAt": "2027-01-15T08:00:01Z", "containers": [{"name": "app", "exitCode": 143}]});
    world.ecs.describe_as(&arn, Some(task(&arn, 9, "STOPPED", spot)));
    eventually("the next attempt", || world.ecs.tasks().len() == 2).await;
    let second = world.ecs.tasks().pop().expect("a task");
    world.ecs.describe_as(&second, Some(ended(&second, 0)));
    assert_eq!(cell.finished(run.id).await.expect("known").status, Status::Succeeded);
}
