//! Launches of others that are made once more: only what never ran, once, and not beside a task that came late or a newer launch.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use futures::future::BoxFuture;
use rand::rngs::SmallRng;
use rand::{Rng, SeedableRng};
use serde_json::{Value, json};
use taskwatch::cell::Cell;
use taskwatch::cell::ports::{CallError, Launchers};
use taskwatch::core::launcher::Launcher;
use taskwatch::core::notification::Notification;
use taskwatch::core::observe::{LaunchTarget, PolicySettings};
use taskwatch::core::task::Task;
use taskwatch::core::time::Timestamp;

use crate::support::fakes::{World, eventually, settle};

const RULE: &str = "events-rule/nightly";
const DEFINITION: &str = "arn:aws:ecs:eu-west-1:123456789012:task-definition/etl:7";
const CLUSTER: &str = "arn:aws:ecs:eu-west-1:123456789012:cluster/batch";
/// Longer than the time in which late tasks are looked for.
const SETTLED: Duration = Duration::from_secs(70);

fn arn(number: usize) -> String {
    format!("arn:aws:ecs:eu-west-1:123456789012:task/batch/{number:032x}")
}

fn world(policy: Value) -> World {
    let mut world = World::new();
    let settings: PolicySettings = serde_json::from_value(policy).expect("settings");
    let seconds = |text: &str| Some(Duration::from_secs(text.strip_suffix('s')?.parse().ok()?));
    world.config.observe = vec![settings.policy(1, seconds).expect("a policy")];
    world.config.breaker.failures = 0;
    world
}

fn cron() -> World {
    world(json!({"name": "cron", "match": {"launcher": ["rule", "schedule"]}, "action": "retry",
        "retry": {"ErrorEquals": ["States.ALL"], "MaxAttempts": 0}}))
}

fn now(world: &World) -> String {
    world.clock.now().to_string()
}

fn detail_of(world: &World, task_arn: &str, status: &str, more: &Value) -> Value {
    let mut detail = json!({"taskArn": task_arn, "clusterArn": CLUSTER, "taskDefinitionArn": DEFINITION, "group": "family:etl",
        "startedBy": RULE, "version": 5, "lastStatus": status, "desiredStatus": "STOPPED", "createdAt": now(world),
        "stopCode": "TaskFailedToStart", "stoppedReason": "CannotPullContainerError: not found",
        "containers": [{"name": "etl", "lastStatus": "STOPPED"}],
        "overrides": {"containerOverrides": [{"name": "etl", "environment": [{"name": "K", "value": "secret"}]}]}});
    for (name, value) in more.as_object().expect("an object") {
        detail[name] = value.clone();
    }
    detail
}

fn put(world: &World, kind: &str, detail: &Value) {
    let event = json!({"source": "aws.ecs", "detail-type": kind, "detail": detail});
    world.events.put(&event.to_string());
}

fn put_task(world: &World, detail: &Value) {
    put(world, "ECS Task State Change", detail);
}

fn put_call(world: &World, event_id: &str, answer: &Value) {
    let request = json!({"cluster": CLUSTER, "taskDefinition": DEFINITION, "count": 1, "startedBy": RULE, "launchType": "FARGATE",
        "networkConfiguration": {"awsvpcConfiguration": {"subnets": ["subnet-a"], "securityGroups": ["sg-a"]}}});
    let detail = json!({"eventID": event_id, "eventSource": "ecs.amazonaws.com", "eventName": "RunTask", "eventTime": now(world),
        "requestParameters": request, "responseElements": answer});
    put(world, "AWS API Call via CloudTrail", &detail);
}

fn told(world: &World) -> Vec<Value> {
    let detail = |told: &Notification| serde_json::from_str::<Value>(&told.message).expect("JSON")["detail"].clone();
    let observed = |told: &&Notification| {
        told.detail_type.starts_with("Taskwatch Task Failed") || told.detail_type.contains("Refused")
    };
    world.topic.taken().iter().filter(observed).map(detail).collect()
}

fn repeats(cell: &Cell) -> Vec<String> {
    cell.runs().into_iter().map(|run| run.name).filter(|name| name.starts_with("observe:")).collect()
}

fn listed(arn: &str, created_at: Timestamp) -> Task<'static> {
    Task {
        task_arn: arn.to_owned().into(),
        created_at: Some(created_at),
        task_definition_arn: DEFINITION.into(),
        ..Task::default()
    }
}

#[tokio::test(start_paused = true)]
async fn a_task_that_never_ran_is_launched_once_more_as_it_was_and_once() {
    let world = cron();
    let cell = world.start().await;
    put_call(&world, "e1", &json!({"tasks": [{"taskArn": arn(1)}], "failures": []}));
    let failed = detail_of(&world, &arn(1), "DEPROVISIONING", &json!({}));
    put_task(&world, &failed);
    put_task(&world, &failed);
    eventually("all are deleted", || world.events.deleted() == 3).await;
    settle().await;
    assert_eq!((told(&world).len(), repeats(&cell).len()), (0, 0), "late tasks are waited for");
    put_task(&world, &detail_of(&world, &arn(1), "STOPPED", &json!({"createdAt": failed["createdAt"]})));
    tokio::time::sleep(SETTLED).await;
    eventually("it is told", || told(&world).len() == 1).await;
    let run = cell.runs().into_iter().find(|run| run.name.starts_with("observe:cron:")).expect("the repeat");
    let run_task = run.spec.run_task.members();
    assert_eq!(run_task["networkConfiguration"]["awsvpcConfiguration"]["securityGroups"], json!(["sg-a"]));
    assert_eq!(run_task["overrides"]["containerOverrides"][0]["environment"][0]["value"], "secret");
    assert_eq!(run_task["tags"][0], json!({"key": "taskwatch:repeats", "value": arn(1)}));
    let said = &told(&world)[0];
    assert_eq!((&said["repeated"], &said["run"], &said["final"]), (&json!(true), &json!(run.name), &json!(false)));
    assert_eq!(world.ecs.tokens().len(), 1, "RunTask was called once");
    assert!(!world.topic.taken()[0].message.contains("secret"));
    // Whatever comes later changes nothing, also over a restart.
    cell.drain(Duration::from_secs(1)).await;
    let again = world.start().await;
    put_task(&world, &failed);
    tokio::time::sleep(SETTLED).await;
    settle().await;
    assert_eq!((told(&world).len(), repeats(&again).len()), (1, 1));
}

#[tokio::test(start_paused = true)]
async fn what_is_held_goes_on_after_a_restart() {
    let world = cron();
    let cell = world.start().await;
    put_call(&world, "e1", &json!({"tasks": [], "failures": [{"reason": "RESOURCE:MEMORY"}]}));
    eventually("it is deleted", || world.events.deleted() == 1).await;
    cell.drain(Duration::from_secs(1)).await;
    let again = world.start().await;
    tokio::time::sleep(SETTLED).await;
    eventually("it is told", || told(&world).len() == 1).await;
    assert_eq!((repeats(&again).len(), &told(&world)[0]["repeated"]), (1, &json!(true)));
}

#[tokio::test(start_paused = true)]
async fn a_launch_is_not_made_again_beside_a_late_task_or_a_newer_one_or_where_nobody_can_tell() {
    for (what, why) in [("late", "may have come late"), ("newer", "launched again since"), ("denied", "is not known")] {
        let world = cron();
        let cell = world.start().await;
        match what {
            "late" => {
                put_call(&world, "e1", &json!({"tasks": [], "failures": [{"reason": "RESOURCE:MEMORY"}]}));
                world.ecs.launched_by(RULE, listed(&arn(9), world.clock.now()));
            }
            _ => {
                put_call(&world, "e1", &json!({"tasks": [{"taskArn": arn(1)}], "failures": []}));
                put_task(&world, &detail_of(&world, &arn(1), "STOPPED", &json!({})));
                let later = world.clock.now().plus(Duration::from_secs(30));
                world.ecs.launched_by(RULE, listed(&arn(9), later));
            }
        }
        world.ecs.refuses_to_describe.store(what == "denied", std::sync::atomic::Ordering::Relaxed);
        tokio::time::sleep(SETTLED).await;
        eventually("it is told", || told(&world).len() == 1).await;
        let said = &told(&world)[0];
        assert!(said["why"].as_str().is_some_and(|said| said.contains(why)), "{what}: {said}");
        assert_eq!(
            (&said["repeated"], &said["final"], repeats(&cell).len()),
            (&json!(false), &json!(true), 0),
            "{what}"
        );
    }
}

/// Rules that have these targets.
struct Rules(Vec<LaunchTarget>);

impl Launchers for Rules {
    fn targets<'a>(&'a self, _: &'a Launcher) -> BoxFuture<'a, Result<Vec<LaunchTarget>, CallError>> {
        Box::pin(async { Ok(self.0.clone()) })
    }
}

#[tokio::test(start_paused = true)]
async fn without_a_record_of_the_call_the_rules_target_says_how_and_without_either_it_is_only_told() {
    let target = json!({"Id": "1", "Arn": CLUSTER, "RoleArn": "arn:aws:iam::1:role/events",
        "EcsParameters": {"TaskDefinitionArn": DEFINITION, "LaunchType": "FARGATE"}});
    let target = LaunchTarget { name: "rule nightly".into(), target };
    for (targets, repeated) in
        [(vec![target.clone()], true), (vec![target.clone(), target], false), (Vec::new(), false)]
    {
        let mut world = cron();
        world.launchers = Some(Arc::new(Rules(targets)));
        let cell = world.start().await;
        put_task(&world, &detail_of(&world, &arn(1), "STOPPED", &json!({})));
        tokio::time::sleep(SETTLED).await;
        eventually("it is told", || told(&world).len() == 1).await;
        assert_eq!((repeats(&cell).len(), &told(&world)[0]["repeated"]), (usize::from(repeated), &json!(repeated)));
    }
}

/// What truly happened to the launches of a history.
#[derive(Default)]
struct Truth {
    /// Failures, by the task or the call.
    failed: BTreeSet<String>,
    /// Of these, what ran.
    ran: BTreeSet<String>,
}

async fn history(seed: u64) {
    let mut dice = SmallRng::seed_from_u64(seed);
    let world = cron();
    let mut cell = world.start().await;
    let mut truth = Truth::default();
    for number in 1..=dice.random_range(1..7_usize) {
        let mut events = Vec::new();
        let refused = dice.random_bool(0.3);
        let placed = if refused { json!([]) } else { json!([{ "taskArn": arn(number) }]) };
        let reasons = if refused { json!([{"reason": "AGENT"}, {"reason": "AGENT"}]) } else { json!([]) };
        let call_is_told = refused || dice.random_bool(0.7);
        if call_is_told {
            put_call(&world, &format!("e{number}"), &json!({"tasks": placed, "failures": reasons}));
        }
        if refused {
            truth.failed.insert(format!("e{number}"));
            // Now and then ECS places it all the same.
            if dice.random_bool(0.3) {
                truth.ran.insert(format!("e{number}"));
                world.ecs.launched_by(RULE, listed(&arn(1_000 + number), world.clock.now()));
            }
        } else {
            let ran = dice.random_bool(0.4);
            let more = match ran {
                true => {
                    json!({"startedAt": now(&world), "containers": [{"name": "etl", "exitCode": 1}], "stopCode": "EssentialContainerExited",
                    "stoppedReason": "Essential container in task exited"})
                }
                false => json!({}),
            };
            world.ecs.launched_by(RULE, listed(&arn(number), world.clock.now()));
            truth.failed.insert(arn(number));
            if ran {
                truth.ran.insert(arn(number));
            }
            for status in ["DEPROVISIONING", "STOPPED"] {
                events.push(detail_of(&world, &arn(number), status, &more));
            }
        }
        // In any order, twice, or one of them never.
        if events.len() == 2 && dice.random_bool(0.3) {
            events.swap(0, 1);
        }
        if events.len() == 2 && dice.random_bool(0.2) {
            events.remove(0);
        }
        for event in &events {
            for _ in 0..dice.random_range(1..3) {
                put_task(&world, event);
            }
        }
        tokio::time::sleep(Duration::from_secs(dice.random_range(0..150))).await;
        for task in world.ecs.tasks() {
            world.ended(&task, 0);
        }
        if dice.random_bool(0.2) {
            cell.abandon();
            settle().await;
            cell = world.start().await;
        }
    }
    tokio::time::sleep(SETTLED * 2).await;
    settle().await;
    let told = told(&world);
    assert_eq!(told.len(), truth.failed.len(), "one notification for a failure: {told:#?}");
    let ids: BTreeSet<String> = told.iter().map(|told| told["notificationId"].to_string()).collect();
    assert_eq!(ids.len(), told.len());
    let mut repeated = BTreeSet::new();
    for told in told.iter().filter(|told| told["repeated"] == true) {
        assert_eq!(told["ran"], false, "{told}");
        assert!(repeated.insert(told["run"].to_string()), "two repeats: {told}");
        if let Some(task) = told["taskArn"].as_str() {
            assert!(!truth.ran.contains(task), "a task that ran was repeated: {told}");
        }
    }
    let named: BTreeSet<String> = repeats(&cell).into_iter().map(|name| format!("{name:?}")).collect();
    assert_eq!(named, repeated, "each repeat is told, and nothing else runs");
    assert_eq!(world.ecs.tokens().iter().collect::<BTreeSet<_>>().len(), repeated.len(), "one RunTask for a repeat");
    // A refused launch whose task came all the same is never repeated.
    let late = truth.ran.iter().filter(|one| one.starts_with('e')).count();
    let of_calls = told.iter().filter(|told| told["repeated"] == true && told["taskArn"].is_null()).count();
    let refused = truth.failed.iter().filter(|one| one.starts_with('e')).count();
    assert!(of_calls + late <= refused, "{of_calls} of {refused} were repeated, and {late} had come late");
}

#[tokio::test(start_paused = true)]
async fn in_any_history_nothing_that_ran_is_repeated_nothing_twice_and_each_failure_is_told_once() {
    let number = std::env::var("TASKWATCH_SIM_SEEDS").ok().and_then(|seeds| seeds.parse().ok());
    for seed in 0..number.unwrap_or(20) {
        history(seed).await;
    }
}
