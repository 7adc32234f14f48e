//! The governor against an ECS that enforces AWS's documented quotas exactly: a fleet uses them up and is not throttled.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use serde_json::{Value, json};
use taskwatch::cell::Cell;
use tokio::time::Instant;

use crate::support::fakes::{Quota, World, eventually, settle, submit};

const FLEET: usize = 5_000;

fn fargate(more: Value) -> Value {
    let mut request = json!({"runTask": {"taskDefinition": "app:1", "launchType": "FARGATE"}});
    for (name, value) in more.as_object().expect("an object") {
        request[name] = value.clone();
    }
    request
}

/// A quota of tasks and of calls for each family of capacity, as AWS documents them.
fn quotas(world: &World) {
    world.ecs.enforce(Quota { calls: (20.0, 20.0), tasks: (100.0, 20.0) });
}

/// How long a fleet takes, and how many of its calls after the first second were throttled.
async fn launch(world: &World, cell: &Cell, submitting: impl AsyncFnOnce(&Cell)) -> (f64, f64) {
    let begun = Instant::now();
    submitting(cell).await;
    eventually("the whole fleet has tasks", || world.ecs.tasks().len() == FLEET).await;
    let took = begun.elapsed().as_secs_f64();
    let late: Vec<bool> = world.ecs.verdicts(begun + Duration::from_secs(1));
    let throttled = late.iter().filter(|throttled| **throttled).count();
    (took, throttled as f64 / late.len() as f64)
}

fn assert_full_use((took, throttled): (f64, f64)) {
    // 100 at once and 20 a second.
    let best = (FLEET as f64 - 100.0) / 20.0;
    assert!(best / took >= 0.95, "{took} s for {FLEET} tasks, {best} s is what the quota allows");
    assert!(throttled < 0.01, "{:.1} % of the calls after the first second were throttled", throttled * 100.0);
}

#[tokio::test(start_paused = true)]
async fn a_fleet_of_one_request_uses_the_quota_and_is_not_throttled() {
    let world = World::new();
    quotas(&world);
    let cell = world.start().await;
    let fleet = json!({"runTask": {"taskDefinition": "app:1", "launchType": "FARGATE", "count": FLEET}});
    let launched = launch(&world, &cell, async |cell: &Cell| drop(submit(cell, fleet).await)).await;
    assert_full_use(launched);
    assert!(world.ecs.tokens().len() < FLEET / 3, "runs that are alike went one by one");
}

#[tokio::test(start_paused = true)]
async fn a_fleet_of_single_requests_uses_the_quota_and_is_not_throttled() {
    let world = World::new();
    quotas(&world);
    let cell = world.start().await;
    let launched = launch(&world, &cell, async |cell: &Cell| {
        for _ in 0..FLEET {
            submit(cell, fargate(json!({}))).await;
        }
    })
    .await;
    assert_full_use(launched);
}

#[tokio::test(start_paused = true)]
async fn a_quota_that_is_smaller_than_told_slows_the_cell_and_costs_no_attempt() {
    let world = World::new();
    world.ecs.enforce(Quota { calls: (5.0, 5.0), tasks: (10.0, 5.0) });
    let cell = world.start().await;
    let fleet = json!({"runTask": {"taskDefinition": "app:1", "launchType": "FARGATE", "count": 1000}});
    submit(&cell, fleet).await;
    let begun = Instant::now();
    eventually("all have tasks", || world.ecs.tasks().len() == 1000).await;
    let took = begun.elapsed().as_secs_f64();
    assert!(took < 300.0, "{took} s for 1000 tasks at 5 a second");
    assert!(cell.runs().iter().all(|run| run.attempts.len() == 1));
    let late = world.ecs.verdicts(begun + Duration::from_secs(10));
    let throttled = late.iter().filter(|throttled| **throttled).count();
    assert!(throttled * 4 < late.len(), "{throttled} of {} calls were throttled", late.len());
}

/// A cell that may launch 200 tasks a second, and so many requests of one task each.
async fn fast(world: &mut World, requests: usize) -> (Cell, Instant) {
    world.config.run_task_rate = 200.0;
    world.config.run_task_burst = 200;
    let cell = world.start().await;
    let begun = Instant::now();
    for _ in 0..requests {
        submit(&cell, fargate(json!({}))).await;
    }
    (cell, begun)
}

/// How long a fleet of 5,000 takes whose calls are answered after so long.
async fn late(millis: u64, submitting: impl AsyncFnOnce(&Cell)) -> f64 {
    let mut world = World::new();
    *world.ecs.run_task_takes.lock().expect("whole") = Duration::from_millis(millis);
    let (cell, begun) = fast(&mut world, 0).await;
    submitting(&cell).await;
    eventually("all have tasks", || world.ecs.tasks().len() == FLEET).await;
    begun.elapsed().as_secs_f64()
}

#[tokio::test(start_paused = true)]
async fn calls_that_are_answered_late_cost_a_fleet_nothing() {
    let best = (FLEET as f64 - 200.0) / 200.0;
    let single = late(500, async |cell: &Cell| {
        for _ in 0..FLEET {
            submit(cell, fargate(json!({}))).await;
        }
    });
    let took = single.await;
    assert!(best / took >= 0.95, "{took} s for requests of one task each, {best} s is what the quota allows");
    let fleet = json!({"runTask": {"taskDefinition": "app:1", "launchType": "FARGATE", "count": FLEET}});
    let took = late(20, async |cell: &Cell| drop(submit(cell, fleet).await)).await;
    assert!(best / took >= 0.95, "{took} s for a request of all, {best} s is what the quota allows");
}

/// Which revision is a family's newest, a launch has to ask if it must know the container's name.
#[tokio::test(start_paused = true)]
async fn a_fleet_of_a_family_asks_for_its_containers_seldom_and_loses_no_time() {
    let mut world = World::new();
    let (cell, begun) = fast(&mut world, 0).await;
    let run_task = json!({"taskDefinition": "app", "launchType": "FARGATE", "count": 2_000});
    submit(&cell, json!({"injectEnv": true, "runTask": run_task})).await;
    eventually("all have tasks", || world.ecs.tasks().len() == 2_000).await;
    let (took, best) = (begun.elapsed().as_secs_f64(), (2_000.0 - 200.0) / 200.0);
    // The first and the last of them wait for a call.
    assert!(took <= best + 1.5, "{took} s, {best} s is what the quota allows");
    let asked = world.journal.of("DescribeTaskDefinition").len();
    assert!(asked as f64 <= 2.0 * took + 2.0, "{asked} calls of DescribeTaskDefinition in {took} s");
}

/// Another tenant of the account uses up AWS's quota now and then: slower calls would be throttled as often.
#[tokio::test(start_paused = true)]
async fn throttles_at_random_cost_a_fleet_little() {
    let mut world = World::new();
    world.ecs.throttle_at_random(0.05, 7);
    let (cell, begun) = fast(&mut world, 5_000).await;
    eventually("all have tasks", || world.ecs.tasks().len() == 5_000).await;
    let took = begun.elapsed().as_secs_f64();
    let best = (5_000.0 - 200.0) / 200.0;
    assert!(best / took >= 0.85, "{took} s for 5000 tasks, {best} s without throttles");
    assert!(cell.counters().throttles.get() > 200);
    assert!(cell.runs().iter().all(|run| run.attempts.len() == 1));
}

#[tokio::test(start_paused = true)]
async fn a_limit_that_nobody_told_is_found_and_kept() {
    let mut world = World::new();
    world.ecs.enforce(Quota { calls: (50.0, 50.0), tasks: (50.0, 50.0) });
    let (_cell, begun) = fast(&mut world, 4_000).await;
    eventually("all have tasks", || world.ecs.tasks().len() == 4_000).await;
    let took = begun.elapsed().as_secs_f64();
    assert!(4_000.0 / 50.0 / took >= 0.9, "{took} s for 4000 tasks at 50 a second");
    let late = world.ecs.verdicts(begun + Duration::from_secs(15));
    let throttled = late.iter().filter(|throttled| **throttled).count();
    assert!(throttled * 100 < late.len(), "{throttled} of {} calls were throttled", late.len());
}

#[tokio::test(start_paused = true)]
async fn a_slow_kind_of_capacity_holds_up_no_other() {
    let mut world = World::new();
    world.config.run_task_rate = 0.01;
    world.config.run_task_burst = 1;
    let cell = world.start().await;
    for _ in 0..20 {
        submit(&cell, fargate(json!({}))).await;
    }
    settle().await;
    assert_eq!(world.ecs.tasks().len(), 1);
    let ec2 = json!({"runTask": {"taskDefinition": "app:1", "launchType": "EC2", "count": 50}});
    submit(&cell, ec2).await;
    settle().await;
    assert_eq!(world.ecs.tasks().len(), 51);
    let spot = json!({"runTask": {"taskDefinition": "app:1",
        "capacityProviderStrategy": [{"capacityProvider": "FARGATE_SPOT", "weight": 1}]}});
    submit(&cell, spot).await;
    settle().await;
    assert_eq!(world.ecs.tasks().len(), 52, "Spot has a rate of its own");
}

#[tokio::test(start_paused = true)]
async fn no_more_tasks_wait_for_instances_than_a_cluster_takes() {
    let mut world = World::new();
    world.config.max_provisioning = 25;
    let cell = world.start().await;
    let strategy = json!([{"capacityProvider": "my-asg", "weight": 1}]);
    submit(&cell, json!({"runTask": {"taskDefinition": "app:1", "capacityProviderStrategy": strategy, "count": 60}}))
        .await;
    tokio::time::sleep(Duration::from_secs(60)).await;
    assert_eq!(world.ecs.tasks().len(), 25);
    for task in world.ecs.tasks().iter().take(10) {
        world.event(task, 2, "PENDING", json!({}));
    }
    eventually("ten more", || world.ecs.tasks().len() == 35).await;
    tokio::time::sleep(Duration::from_secs(60)).await;
    assert_eq!(world.ecs.tasks().len(), 35);
}

#[tokio::test(start_paused = true)]
async fn stops_go_on_while_launches_use_up_the_calls() {
    let world = World::new();
    let cell = world.start().await;
    let ec2 = |name: String| json!({"name": name, "runTask": {"taskDefinition": "app:1", "launchType": "EC2"}});
    for n in 0..1_500 {
        submit(&cell, ec2(format!("r{n}"))).await;
    }
    eventually("some have tasks", || world.ecs.tasks().len() >= 100).await;
    let (begun, before) = (Instant::now(), world.ecs.tasks().len());
    let first: Vec<_> = cell.runs().into_iter().filter(|run| run.attempts[0].task_arn.is_some()).take(60).collect();
    let asked = AtomicUsize::new(0);
    for run in &first {
        asked.fetch_add(usize::from(cell.stop(run.id, "enough").await), Ordering::Relaxed);
    }
    eventually("all are stopped", || world.journal.of("StopTask").len() >= first.len()).await;
    let took = begun.elapsed().as_secs_f64();
    assert!(took < 8.0, "{took} s for {} stops behind launches", asked.into_inner());
    let launched = world.ecs.tasks().len() - before;
    assert!(launched as f64 >= 20.0 * took, "{launched} launches in {took} s: stops took more than their share");
}

#[tokio::test(start_paused = true)]
async fn queues_share_a_rate_by_tasks() {
    let mut world = World::new();
    world.config.run_task_rate = 5.0;
    world.config.run_task_burst = 1;
    let cell = world.start().await;
    let of = |queue: &str, count: usize| json!({"queue": queue, "runTask": {"taskDefinition": "app:1", "launchType": "FARGATE", "count": count}});
    submit(&cell, of("big", 1000)).await;
    submit(&cell, of("small", 50)).await;
    eventually("60 have tasks", || world.ecs.tasks().len() >= 60).await;
    let mut by_queue: BTreeMap<String, usize> = BTreeMap::new();
    for run in cell.runs().into_iter().filter(|run| run.attempts[0].task_arn.is_some()) {
        *by_queue.entry(run.spec.queue.clone()).or_default() += 1;
    }
    assert!(by_queue.get("small").is_some_and(|n| (25..=35).contains(n)), "{by_queue:?}");
}

#[tokio::test(start_paused = true)]
async fn what_an_earlier_process_left_is_asked_about_at_the_rate_of_the_calls() {
    let world = World::new();
    let first = world.start().await;
    let ec2 = json!({"runTask": {"taskDefinition": "app:1", "launchType": "EC2", "count": 5000}});
    submit(&first, ec2).await;
    eventually("all have tasks", || first.runs().iter().all(|run| run.attempts[0].task_arn.is_some())).await;
    first.drain(Duration::from_secs(1)).await;
    let asked = Arc::new(Mutex::new(Vec::new()));
    let second = world.start().await;
    for second in 0..25 {
        asked.lock().unwrap_or_else(PoisonError::into_inner).push((second, world.journal.of("DescribeTasks").len()));
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
    drop(second);
    let asked = asked.lock().unwrap_or_else(PoisonError::into_inner).clone();
    // A tenth of the quota: 10 calls at once and 2 a second; 50 calls of 100 tasks are to be made.
    assert!(asked.iter().all(|(second, calls)| *calls <= 10 + 2 * second), "{asked:?}");
    assert_eq!(world.journal.of("DescribeTasks").len(), 50);
}
