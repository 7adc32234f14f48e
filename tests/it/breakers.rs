//! Circuit breakers over the wire: an image that does not exist, until somebody fixes the task definition.

use std::time::Duration;

use aws_sdk_ecs::types::{Compatibility, ContainerDefinition, NetworkMode};
use serde_json::{Value, json};
use taskwatch::core::notification::Destinations;
use taskwatch::core::run::Status;

use super::support::aws::Aws;
use super::support::emulator;
use super::support::polled::eventually;
use super::support::whole::Whole;

/// Runs that may have a task at once: what is in flight when launches are paused is spent as well.
const AT_ONCE: usize = 25;
const RUNS: usize = 200;

async fn register(ecs: &aws_sdk_ecs::Client, image: &str) {
    let container = ContainerDefinition::builder().name("app").image(image).build();
    let definition = ecs.register_task_definition().family("etl").container_definitions(container);
    let definition = definition.network_mode(NetworkMode::Awsvpc).requires_compatibilities(Compatibility::Fargate);
    let definition = definition.cpu("256").memory("512");
    definition.send().await.expect("RegisterTaskDefinition");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_missing_image_costs_few_of_two_hundred_runs_and_the_rest_go_once_it_is_there() {
    let mut queues = Vec::new();
    let script = "[task]\nseconds = 5\n[[fault]]\ndo = \"image-missing\"\n[fault.match]\nimage = \"*:gone\"\n";
    let whole = Whole::new(script, async |config, clients| {
        let (topic, told) = clients.create_subscribed_topic("circuitBreakers").await.expect("a topic");
        queues.push(told);
        config.destinations = Destinations { topic: Some(topic), bus: None, ..Destinations::default() };
        config.max_in_flight = AT_ONCE;
        config.breaker.probe = Duration::from_secs(1);
    })
    .await;
    let aws = Aws::new(&emulator::sdk(&whole.local.url()));
    let ecs = Aws::ecs(&whole.local.url());
    register(&ecs, "app:gone").await;
    let runs = whole
        .submit(json!({"name": "r", "until": "stopped", "runTask": {"taskDefinition": "etl", "launchType": "FARGATE",
            "count": RUNS, "networkConfiguration": {"awsvpcConfiguration": {"subnets": ["subnet-0a"]}}}}))
        .await;
    let failed = || whole.cell.runs().iter().filter(|run| run.status == Status::Failed).count();
    // Also a probe has failed: the image is still missing.
    eventually("a probe that failed", async || {
        assert!(failed() < RUNS, "nothing pauses it");
        whole.cell.open_breakers().first().is_some_and(|breaker| breaker.failed_probes > 0)
    })
    .await;
    register(&ecs, "app:1").await;
    let mut spent = 0;
    for run in &runs {
        let run = whole.end(run).await;
        assert_eq!(run.attempts.len(), 1, "{run:?}");
        spent += usize::from(run.status == Status::Failed);
    }
    // 20 that open the breaker, those in flight by then, and a few probes.
    assert!((20..=20 + AT_ONCE + 6).contains(&spent), "{spent} runs failed");
    assert!(whole.cell.open_breakers().is_empty());
    let body = |message: aws_sdk_sqs::types::Message| -> Value {
        serde_json::from_str(message.body.as_deref().unwrap_or_default()).expect("JSON")
    };
    let told: Vec<Value> = aws.take(&queues[0], RUNS + 2, 3).await.into_iter().map(body).collect();
    assert_eq!(told.len(), RUNS + 2);
    let of_breakers = told.iter().filter(|told| told["detail-type"] != "Taskwatch Run State Change");
    let mut of_breakers: Vec<(&str, &str)> = of_breakers
        .map(|told| (told["detail"]["status"].as_str().expect("text"), told["detail"]["error"].as_str().expect("text")))
        .collect();
    of_breakers.sort_unstable();
    let error = of_breakers[0].1;
    assert_eq!(of_breakers, [("PAUSED", error), ("RESUMED", error)]);
    assert!(error.contains("CannotPullContainer"), "{error}");
}
