//! What others launch: each failure is told once, whatever comes twice, late or in another order, and over a restart.

use std::time::Duration;

use serde_json::{Value, json};
use taskwatch::cell::{Cell, ObservedFilter};
use taskwatch::core::breaker::BreakerRules;
use taskwatch::core::failure::Class;
use taskwatch::core::launcher::LauncherKind;
use taskwatch::core::notification::Notification;
use taskwatch::core::observe::PolicySettings;
use taskwatch::core::run::Status;
use taskwatch::store::Page;

use crate::support::fakes::{World, eventually, settle, status, submit};

const RULE: &str = "events-rule/nightly";

fn arn(number: usize) -> String {
    format!("arn:aws:ecs:eu-west-1:123456789012:task/batch/{number:032x}")
}

fn put_task(world: &World, task_arn: &str, version: u32, status: &str, more: &Value) {
    let mut detail = json!({"taskArn": task_arn, "clusterArn": "arn:aws:ecs:eu-west-1:123456789012:cluster/batch",
        "taskDefinitionArn": "arn:aws:ecs:eu-west-1:123456789012:task-definition/etl:7", "group": "family:etl",
        "startedBy": RULE, "version": version, "lastStatus": status, "desiredStatus": "STOPPED",
        "stopCode": "TaskFailedToStart", "stoppedReason": "CannotPullContainerError: not found",
        "containers": [{"name": "etl", "lastStatus": "STOPPED"}]});
    for (name, value) in more.as_object().expect("an object") {
        detail[name] = value.clone();
    }
    let event = json!({"source": "aws.ecs", "detail-type": "ECS Task State Change", "detail": detail});
    world.events.put(&event.to_string());
}

fn put_call(world: &World, event_id: &str, started_by: &str, answer: &Value) {
    let detail = json!({"eventID": event_id, "eventSource": "ecs.amazonaws.com", "eventName": "RunTask",
        "eventTime": "2027-01-15T08:00:00Z", "userIdentity": {"sessionContext": {"sessionIssuer": {"arn": "arn:aws:iam::1:role/events"}}},
        "requestParameters": {"cluster": "batch", "taskDefinition": "etl:7", "count": 2, "startedBy": started_by},
        "responseElements": answer});
    let event = json!({"source": "aws.ecs", "detail-type": "AWS API Call via CloudTrail", "detail": detail});
    world.events.put(&event.to_string());
}

fn observed(cell: &Cell) -> usize {
    page(cell, &ObservedFilter::default()).items.len()
}

fn page(cell: &Cell, filter: &ObservedFilter) -> Page<taskwatch::cell::ObservedItem, u64> {
    cell.observed(filter, None, 1_000)
}

fn detail(told: &Notification) -> Value {
    serde_json::from_str::<Value>(&told.message).expect("JSON")["detail"].clone()
}

fn policies(world: &mut World, policies: Value) {
    let settings: Vec<PolicySettings> = serde_json::from_value(policies).expect("settings");
    let read = settings.into_iter().enumerate().map(|(place, policy)| policy.policy(place + 1, |_| None));
    world.config.observe = read.collect::<Result<_, _>>().expect("policies");
}

#[tokio::test(start_paused = true)]
async fn a_failed_task_of_others_is_told_once_whatever_comes_twice_or_in_another_order() {
    let world = World::new();
    let cell = world.start().await;
    put_task(&world, &arn(1), 5, "STOPPED", &json!({}));
    put_task(&world, &arn(1), 4, "DEPROVISIONING", &json!({}));
    put_task(&world, &arn(1), 5, "STOPPED", &json!({}));
    put_task(&world, &arn(2), 4, "DEPROVISIONING", &json!({}));
    eventually("all are deleted", || world.events.deleted() == 4).await;
    eventually("both are told", || world.topic.taken().len() == 2).await;
    settle().await;
    assert_eq!((world.topic.taken().len(), observed(&cell)), (2, 2));
    let told = &world.topic.taken()[0];
    let detail = detail(told);
    assert_eq!((told.detail_type.as_str(), &detail["launcher"]["name"]), ("Taskwatch Task Failed", &json!("nightly")));
    assert_eq!(
        (&detail["ran"], &detail["class"], &detail["repeated"]),
        (&json!(false), &json!("Taskwatch.Image"), &json!(false))
    );
    for attribute in
        [("launcher", "rule"), ("errorName", "CannotPullContainerError"), ("family", "etl"), ("cluster", "batch")]
    {
        assert!(told.attributes.iter().any(|(n, v)| (n.as_str(), v.as_str()) == attribute), "{attribute:?}: {told:?}");
    }
    // A restart knows what was told.
    cell.drain(Duration::from_secs(1)).await;
    let again = world.start().await;
    put_task(&world, &arn(1), 5, "STOPPED", &json!({}));
    put_task(&world, &arn(3), 5, "STOPPED", &json!({}));
    eventually("the third is told", || world.topic.taken().len() == 3).await;
    settle().await;
    assert_eq!((world.topic.taken().len(), observed(&again)), (3, 3), "and lists it");
}

#[tokio::test(start_paused = true)]
async fn an_event_of_others_is_deleted_only_when_its_failure_is_durable() {
    let world = World::new();
    let cell = world.start().await;
    world.store.shut();
    put_task(&world, &arn(1), 4, "DEPROVISIONING", &json!({}));
    put_task(&world, &arn(1), 5, "STOPPED", &json!({}));
    settle().await;
    assert_eq!(
        (world.events.deleted(), world.topic.taken().len()),
        (0, 0),
        "also the second waits for the first's commit"
    );
    world.store.open();
    eventually("both are deleted", || world.events.deleted() == 2).await;
    eventually("it is told", || world.topic.taken().len() == 1).await;
    drop(cell);
}

#[tokio::test(start_paused = true)]
async fn a_refused_launch_of_others_is_told_by_what_is_missing_and_the_cells_own_is_not() {
    let world = World::new();
    let cell = world.start().await;
    let refused =
        json!({"tasks": [{"taskArn": arn(1)}], "failures": [{"reason": "RESOURCE:MEMORY"}, {"reason": "AGENT"}]});
    for _ in 0..2 {
        put_call(&world, "e1", RULE, &refused);
    }
    put_call(&world, "e2", "c/0123456789012345678901234567890123456789", &refused);
    put_call(&world, "e3", RULE, &json!({"tasks": [{"taskArn": arn(2)}, {"taskArn": arn(3)}], "failures": []}));
    eventually("all are deleted", || world.events.deleted() == 4).await;
    eventually("it is told", || world.topic.taken().len() == 1).await;
    settle().await;
    let told = world.topic.taken();
    assert_eq!((told.len(), observed(&cell)), (1, 1));
    let detail = detail(&told[0]);
    assert_eq!(
        (told[0].detail_type.as_str(), &detail["count"], &detail["missing"]),
        ("Taskwatch Launch Refused", &json!(2), &json!(1))
    );
    assert_eq!(detail["launcher"]["role"], "arn:aws:iam::1:role/events");
    assert_eq!(detail["error"], "RESOURCE:MEMORY");
    let counts = cell.observed_counts().of(LauncherKind::Rule, Class::Capacity);
    assert_eq!((counts.failures, counts.never_ran), (1, 1));
}

#[tokio::test(start_paused = true)]
async fn what_ended_well_goes_on_or_is_the_cells_own_is_not_told() {
    let mut world = World::new();
    policies(&mut world, json!([{"match": {"ran": true, "family": "noisy"}, "action": "ignore"}]));
    let cell = world.start().await;
    let run = &submit(&cell, json!({"retry": []})).await[0];
    eventually("the task is known", || status(&cell, run) == Status::Starting).await;
    let exited = |code: u8| {
        json!({"stopCode": "EssentialContainerExited", "stoppedReason": "Essential container in task exited",
        "startedAt": "2027-01-15T08:00:00Z", "containers": [{"name": "etl", "lastStatus": "STOPPED", "exitCode": code}]})
    };
    put_task(&world, &arn(1), 5, "STOPPED", &exited(0));
    put_task(&world, &arn(2), 3, "RUNNING", &json!({}));
    put_task(&world, &arn(3), 5, "STOPPED", &json!({"stopCode": "UserInitiated", "stoppedReason": "by hand"}));
    put_task(&world, &arn(4), 5, "STOPPED", &json!({"startedBy": "ecs-svc/1", "group": "service:web"}));
    put_task(&world, &arn(5), 5, "STOPPED", &json!({"startedBy": "c/ffff"}));
    let mut noisy = exited(1);
    noisy["taskDefinitionArn"] = "arn:aws:ecs:eu-west-1:123456789012:task-definition/noisy:1".into();
    put_task(&world, &arn(6), 5, "STOPPED", &noisy);
    world.ended(&world.ecs.tasks()[0], 3);
    eventually("all are deleted", || world.events.deleted() == 7).await;
    eventually("the run's end is told", || world.topic.taken().len() == 1).await;
    settle().await;
    assert_eq!((world.topic.taken().len(), observed(&cell)), (1, 0));
    assert_eq!(cell.observed_counts().ignored.get(), 3);
    put_task(&world, &arn(7), 5, "STOPPED", &exited(1));
    eventually("a program's failure is told", || world.topic.taken().len() == 2).await;
    assert_eq!(detail(&world.topic.taken()[1])["exitCode"], 1);
}

#[tokio::test(start_paused = true)]
async fn failures_of_others_that_repeat_are_told_as_one_until_they_are_over() {
    let mut world = World::new();
    world.config.breaker = BreakerRules { failures: 5, ..BreakerRules::default() };
    let cell = world.start().await;
    for number in 0..200 {
        put_task(&world, &arn(number), 5, "STOPPED", &json!({}));
    }
    eventually("all are deleted", || world.events.deleted() == 200).await;
    eventually("the series is told", || world.topic.taken().len() == 5).await;
    settle().await;
    assert_eq!(observed(&cell), 200, "each is listed");
    let told = world.topic.taken();
    let series = told.iter().find(|told| told.detail_type == "Taskwatch Failures Repeating").expect("the series");
    assert_eq!(detail(series)["status"], "REPEATING");
    cell.drain(Duration::from_secs(1)).await;
    let again = world.start().await;
    tokio::time::sleep(Duration::from_secs(120)).await;
    eventually("its end is told", || world.topic.taken().len() == 6).await;
    let over = detail(world.topic.taken().last().expect("the end"));
    assert_eq!(over["status"], "QUIET");
    assert!(over["failures"].as_u64() >= Some(128), "{over}");
    drop(again);
}

#[tokio::test(start_paused = true)]
async fn the_list_is_bounded_filtered_and_in_pages() {
    let mut world = World::new();
    world.config.destinations = taskwatch::core::notification::Destinations::default();
    let cell = world.start().await;
    for number in 0..10_050 {
        let more = json!({"startedBy": if number % 2 == 0 { RULE } else { "chronos-schedule/daily" }});
        put_task(&world, &arn(number), 5, "STOPPED", &more);
    }
    eventually("all are deleted", || world.events.deleted() == 10_050).await;
    let rules = ObservedFilter { launchers: vec![LauncherKind::Rule], ..ObservedFilter::default() };
    let (mut seen, mut before) = (std::collections::BTreeSet::new(), None);
    loop {
        let page = cell.observed(&rules, before, 700);
        assert!(page.items.len() <= 700);
        seen.extend(page.items.iter().map(|item| item.failed.id));
        match page.next {
            Some(next) => before = Some(next),
            None => break,
        }
    }
    assert_eq!(seen.len(), 5_000);
    for (filter, expected) in [
        (ObservedFilter { error: Some("image".into()), ..ObservedFilter::default() }, 1_000),
        (
            ObservedFilter { family: Some("e?l".into()), cluster: Some("bat*".into()), ..ObservedFilter::default() },
            1_000,
        ),
        (ObservedFilter { name: Some("week*".into()), ..ObservedFilter::default() }, 0),
        (ObservedFilter { ran: Some(true), ..ObservedFilter::default() }, 0),
        (
            ObservedFilter {
                kind: Some(taskwatch::core::observe::FailureKind::LaunchRefused),
                ..ObservedFilter::default()
            },
            0,
        ),
    ] {
        assert_eq!(page(&cell, &filter).items.len(), expected, "{filter:?}");
    }
}
