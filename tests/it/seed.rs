//! The seed sample's own state machine, through the requests queue unchanged, on paused time.

use taskwatch::core::notification::Destination;
use taskwatch::core::run::Status;

use crate::support::fakes::{World, eventually};

const STATE_MACHINE: &str = include_str!("../../examples/state-machine.json");

/// Sends the state machine to the requests queue; its first `failures` tasks fail. Answers the waits between launches,
/// in seconds, and the message of the end.
async fn run(failures: usize) -> (Status, Vec<u64>, String) {
    let mut world = World::new();
    world.config.destinations.topic = None;
    world.topic.throttles.store(2, std::sync::atomic::Ordering::Relaxed);
    let cell = world.start().await;
    world.requests.put(STATE_MACHINE);
    for attempt in 0.. {
        let ended = || cell.runs().iter().any(|run| run.status.is_final());
        eventually("a task or the end", || world.ecs.tasks().len() > attempt || ended()).await;
        if ended() {
            break;
        }
        let task = world.ecs.tasks()[attempt].clone();
        let exit_code = i64::from(attempt < failures);
        let container = serde_json::json!({"name": "goapp", "exitCode": exit_code});
        let more = serde_json::json!({"stopCode": "EssentialContainerExited", "containers": [container]});
        world.event(&task, 5, "STOPPED", more);
    }
    eventually("a notification", || !world.topic.taken().is_empty()).await;
    let told = world.topic.taken().remove(0);
    assert_eq!(told.destination, Destination::Topic("arn:aws:sns:us-east-1:123456789012:taskwatch".into()));
    assert_eq!(world.requests.deleted(), 1);
    let launches = world.ecs.launches();
    let waits = launches.windows(2).map(|pair| (pair[1] - pair[0]).as_secs_f64().round() as u64).collect();
    let status = cell.runs().first().expect("a run").status;
    (status, waits, told.message)
}

#[tokio::test(start_paused = true)]
async fn the_seeds_retries_wait_10_20_and_40_seconds_and_its_failure_is_notified_word_for_word() {
    let (status, waits, message) = run(9).await;
    assert_eq!((status, waits), (Status::Failed, vec![10, 20, 40]));
    assert_eq!(message, "AWS Fargate Task started by Step Functions failed");
}

#[tokio::test(start_paused = true)]
async fn the_seeds_success_is_notified_word_for_word() {
    let (status, waits, message) = run(1).await;
    assert_eq!((status, waits), (Status::Succeeded, vec![10]));
    assert_eq!(message, "AWS Fargate Task started by Step Functions succeeded");
}
