//! A seed decides: the same seed and calls give the same lives, whatever the time of day.

use std::sync::Arc;

use serde_json::{Value, json};

use super::super::{Ecs, EcsOptions, Script};
use super::support::{Bench, Kept, fargate, merged};
use crate::local::clock::Clock;

/// Something of everything that leaves a thing to chance.
const SCRIPT: &str = r#"
[task]
seconds = [10, 400]
[[fault]]
do = "capacity"
probability = 0.1
[[fault]]
do = "image-pull"
probability = 0.1
[[fault]]
do = "spot-interruption"
seconds = [1, 300]
probability = 0.2
[[fault]]
do = "answer-lost"
probability = 0.1
[[fault]]
do = "latency"
seconds = [1, 20]
probability = 0.3
[[fault]]
do = "early-event"
reached = "RUNNING"
probability = 0.1
[[fault]]
do = "missing"
probability = 0.2
[[fault]]
do = "duplicate"
probability = 0.2
[[fault]]
do = "drop"
probability = 0.1
[[fault]]
do = "delay"
seconds = [5, 90]
probability = 0.2
[[fault]]
do = "reorder"
probability = 0.2
"#;

/// Everything that was answered and told, but for names and times of day; times count from the start.
async fn history(seed: u64, start_millis: i64) -> Vec<String> {
    let script = Script::parse(SCRIPT).unwrap();
    let options = EcsOptions { auto_register: true, quotas: None, script, seed, ..EcsOptions::default() };
    let kept = Arc::new(Kept::default());
    let clock = Arc::new(Clock::new(start_millis));
    let bench = Bench { ecs: Ecs::new(options, clock, kept.clone()), kept };
    let mut told = Vec::new();
    for number in 0..40 {
        let more = json!({"count": 1 + number % 3, "clientToken": format!("t{number}"), "launchType": null,
            "networkConfiguration": {"awsvpcConfiguration": {"subnets": ["subnet-a", "subnet-b", "subnet-c"]}},
            "capacityProviderStrategy": [{"capacityProvider": "FARGATE_SPOT"}]});
        match bench.call("RunTask", merged(fargate("etl"), &more)).await {
            Ok(answer) => {
                let arns: Vec<&Value> = answer["tasks"].as_array().unwrap().iter().map(|t| &t["taskArn"]).collect();
                told.push(format!("{} tasks, failures {}", arns.len(), answer["failures"]));
                if let Some(arn) = arns.first() {
                    let described = bench.ok("DescribeTasks", json!({"tasks": [arn]})).await;
                    told.push(format!("missing {}", described["failures"][0]["reason"]));
                }
            }
            Err(error) => told.push(error.code),
        }
        bench.pass(7).await;
    }
    bench.pass(2000).await;
    for event in bench.events() {
        let detail = &event["detail"];
        let at = |name: &str| {
            let at: Option<jiff::Timestamp> = detail[name].as_str().map(|t| t.parse().unwrap());
            at.map(|t| t.as_millisecond() - start_millis)
        };
        let subnet = &detail["attachments"][0]["details"][0]["value"];
        told.push(format!(
            "{} {} {} {} {} {subnet} {:?} {:?} {:?}",
            detail["version"],
            detail["lastStatus"],
            detail["stoppedReason"],
            detail["containers"][0]["exitCode"],
            detail["availabilityZone"],
            at("createdAt"),
            at("updatedAt"),
            at("stoppedAt"),
        ));
    }
    told.push(format!("{:?}", bench.ecs.counters()));
    told
}

#[tokio::test(start_paused = true)]
async fn the_same_seed_and_calls_give_the_same_lives() {
    let first = history(7, 1_739_453_293_034).await;
    assert!(first.len() > 200, "{} entries", first.len());
    for start in [1_739_453_293_034, 1_800_000_000_777] {
        let again = history(7, start).await;
        let differs = first.iter().zip(&again).find(|(a, b)| a != b);
        assert!(first == again, "{differs:#?}");
    }
    assert_ne!(first, history(8, 1_739_453_293_034).await, "another seed, another day");
}

#[tokio::test(start_paused = true)]
async fn the_scripts_seed_goes_before_the_options_and_the_command_lines_before_the_scripts() {
    let of = |script: Script| {
        let options = EcsOptions { seed: 3, script, ..EcsOptions::default() };
        Ecs::new(options, Arc::new(Clock::new(0)), Arc::new(Kept::default())).seed()
    };
    assert_eq!(of(Script::default()), 3);
    assert_eq!(of(Script::parse("seed = 7").unwrap()), 7);
    assert_eq!(of(Script::parse("seed = 7").unwrap().with_seed(9)), 9);
}
