use std::time::Duration;

use serde_json::{Map, Value, json};
use uuid::Uuid;

use super::*;
use crate::core::request::{Acceptance, RunRequest};
use crate::core::task::parse_task;

const NOW: Timestamp = Timestamp::from_millis(1_800_000_100_000);
const ARN: &str = "arn:aws:ecs:eu-west-1:123456789012:task/batch/0123456789abcdef0123456789abcdef";
const OTHER: &str = "arn:aws:ecs:eu-west-1:123456789012:task/batch/ffffffffffffffffffffffffffffffff";
const DEFINITION: &str = "arn:aws:ecs:eu-west-1:123456789012:task-definition/etl:7";
const CLUSTER: &str = "arn:aws:ecs:eu-west-1:123456789012:cluster/batch";

fn rules() -> RetryRules {
    RetryRules {
        retry: None,
        within: Duration::from_secs(1800),
        settle: Duration::from_secs(60),
        skip_when_newer: true,
    }
}

fn event(more: &Value) -> Value {
    let mut event = json!({"taskArn": ARN, "clusterArn": CLUSTER, "taskDefinitionArn": DEFINITION, "group": "family:etl",
        "startedBy": "events-rule/nightly", "lastStatus": "STOPPED", "stopCode": "TaskFailedToStart",
        "stoppedReason": "CannotPullContainerError: not found", "createdAt": "2027-01-15T08:00:00Z",
        "containers": [{"name": "etl", "lastStatus": "STOPPED"}],
        "overrides": {"containerOverrides": [{"name": "etl", "environment": [{"name": "K", "value": "secret"}]},
            {"name": "aws-guardduty-agent-x", "cpu": "null"}, {"name": "sidecar"}], "inferenceAcceleratorOverrides": []}});
    for (name, value) in more.as_object().unwrap() {
        event[name] = value.clone();
    }
    event
}

fn of_task(more: &Value, rules: &RetryRules, now: Timestamp) -> Result<Repeat, String> {
    let event = event(more);
    let task = parse_task(&event);
    let failed = ObservedFailure::of_task(&task, Deciders::Unknown, now).unwrap();
    Repeat::of_task((&failed, &task, &event), ("cron jobs", rules), now)
}

fn record(more: &Value) -> RunTaskRecord {
    let mut detail = json!({"eventID": "e1", "eventSource": "ecs.amazonaws.com", "eventName": "RunTask",
        "eventTime": "2027-01-15T08:00:00Z", "requestParameters": request(), "responseElements": {"tasks": [], "failures":
            [{"reason": "RESOURCE:MEMORY"}]}});
    for (name, value) in more.as_object().unwrap() {
        detail[name] = value.clone();
    }
    RunTaskRecord::read(&json!({ "detail": detail }).to_string()).unwrap().unwrap()
}

fn request() -> Value {
    json!({"cluster": CLUSTER, "taskDefinition": DEFINITION, "count": 2, "startedBy": "events-rule/nightly", "clientToken": "t",
        "launchType": "FARGATE", "networkConfiguration": {"awsvpcConfiguration": {"subnets": ["subnet-a"],
            "securityGroups": ["sg-a"], "assignPublicIp": "ENABLED"}}})
}

fn of_call(more: &Value) -> Result<Repeat, String> {
    let record = record(more);
    let failed = record.refusal().unwrap();
    Repeat::of_call((&failed, &record), ("cron jobs", &rules()), NOW)
}

fn target(more: &Value) -> LaunchTarget {
    let mut target = json!({"Id": "1", "Arn": CLUSTER, "RoleArn": "arn:aws:iam::1:role/events",
        "EcsParameters": {"TaskDefinitionArn": DEFINITION, "TaskCount": 2, "LaunchType": "FARGATE",
            "NetworkConfiguration": {"awsvpcConfiguration": {"Subnets": ["subnet-b"]}}},
        "Input": "{\"containerOverrides\": [{\"name\": \"etl\", \"environment\": [{\"name\": \"K\", \"value\": \"of the target\"}]}]}"});
    for (name, value) in more.as_object().unwrap() {
        target[name] = value.clone();
    }
    LaunchTarget { name: "rule nightly".into(), target }
}

fn at() -> Acceptance {
    Acceptance::new(NOW, Uuid::nil())
}

fn asked(repeat: &Repeat, record: Option<&Value>, targets: &[LaunchTarget]) -> Result<Value, String> {
    let record: Option<Map<String, Value>> = record.and_then(Value::as_object).cloned();
    repeat.request(record.as_ref(), targets, &at())
}

#[test]
fn a_task_is_launched_once_more_by_its_calls_request_and_its_events_overrides() {
    let repeat = of_task(&json!({}), &rules(), NOW).unwrap();
    assert!(repeat.needs_target(None) && !repeat.needs_target(request().as_object()));
    let mut hidden = request();
    hidden["overrides"] =
        json!({"containerOverrides": [{"name": "etl", "environment": "HIDDEN_DUE_TO_SECURITY_REASONS"}]});
    let asked = asked(&repeat, Some(&hidden), &[]).unwrap();
    let run_task = &asked["runTask"];
    assert_eq!(run_task["networkConfiguration"]["awsvpcConfiguration"]["securityGroups"], json!(["sg-a"]));
    assert_eq!(
        run_task["overrides"],
        json!({"containerOverrides": [{"name": "etl", "environment": [{"name": "K", "value": "secret"}]}]})
    );
    assert_eq!((&run_task["taskDefinition"], &run_task["cluster"]), (&json!(DEFINITION), &json!(CLUSTER)));
    assert_eq!(run_task["tags"], json!([{"key": TAG, "value": ARN}]));
    for gone in ["count", "clientToken", "startedBy"] {
        assert!(run_task[gone].is_null(), "{gone}");
    }
    let request = RunRequest::from_value(asked).unwrap();
    assert_eq!(request.name.as_deref(), Some(repeat.run_name().as_str()));
    assert!(repeat.run_name().starts_with("observe:cron-jobs:") && repeat.run_name().len() <= 128);
}

#[test]
fn without_the_calls_record_the_one_target_that_fits_says_how() {
    let repeat = of_task(&json!({}), &rules(), NOW).unwrap();
    let by_target = asked(&repeat, None, &[target(&json!({}))]).unwrap();
    let run_task = RunRequest::from_value(by_target.clone()).unwrap().spec.run_task.members().clone();
    assert_eq!(run_task["networkConfiguration"]["awsvpcConfiguration"]["subnets"], json!(["subnet-b"]));
    assert_eq!(
        by_target["runTask"]["overrides"]["containerOverrides"][0]["environment"][0]["value"], "secret",
        "its own"
    );
    let other = json!({"EcsParameters": {"TaskDefinitionArn": "arn:x:task-definition/other"}});
    let transformed = json!({"Input": null, "InputTransformer": {"InputTemplate": "{}"}});
    for (targets, why) in [
        (vec![], "no target of rule nightly launches etl"),
        (vec![target(&other)], "no target of rule nightly launches etl"),
        (vec![target(&json!({})), target(&json!({}))], "it is not certain which target launched it"),
        (vec![target(&transformed)], "InputTransformer"),
    ] {
        let refused = asked(&repeat, None, &targets).unwrap_err();
        assert!(refused.contains(why), "{why}: {refused}");
    }
}

#[test]
fn a_refused_launch_asks_for_what_is_missing_and_takes_hidden_overrides_from_its_target() {
    let repeat = of_call(&json!({})).unwrap();
    assert!(!repeat.needs_target(None));
    let plain = asked(&repeat, None, &[]).unwrap();
    assert_eq!((&plain["runTask"]["count"], &plain["runTask"]["launchType"]), (&json!(2), &json!("FARGATE")));
    let one = of_call(&json!({"responseElements": {"tasks": [{"taskArn": OTHER}], "failures": []}})).unwrap();
    assert!(asked(&one, None, &[]).unwrap()["runTask"]["count"].is_null(), "one is missing");
    for hidden in
        [json!("HIDDEN_DUE_TO_SECURITY_REASONS"), json!([{"name": "K", "value": "HIDDEN_DUE_TO_SECURITY_REASONS"}])]
    {
        let mut request = request();
        request["overrides"] = json!({"containerOverrides": [{"name": "etl", "environment": hidden}]});
        let repeat = of_call(&json!({ "requestParameters": request })).unwrap();
        assert!(repeat.needs_target(None));
        let asked_for = asked(&repeat, None, &[target(&json!({}))]).unwrap();
        let environment = &asked_for["runTask"]["overrides"]["containerOverrides"][0]["environment"];
        assert_eq!(environment[0]["value"], "of the target");
        assert_eq!(asked_for["runTask"]["networkConfiguration"]["awsvpcConfiguration"]["subnets"], json!(["subnet-a"]));
        let without = asked(&repeat, None, &[target(&json!({"Input": null}))]).unwrap_err();
        assert!(without.contains("hidden by CloudTrail"), "{without}");
    }
}

#[test]
fn what_may_have_run_what_others_repeat_and_what_is_old_is_not_repeated() {
    let old = RetryRules { within: Duration::from_secs(60), ..rules() };
    for (more, rules, why) in [
        (json!({"startedAt": "2027-01-15T08:00:01Z"}), rules(), "may have run"),
        (json!({"containers": [{"name": "a", "exitCode": 1}, {"name": "etl"}]}), rules(), "may have run"),
        (json!({"stopCode": "EssentialContainerExited"}), rules(), "may have run"),
        (json!({"startedBy": "AWS Step Functions"}), rules(), "step-functions: it may try again itself"),
        (json!({"startedBy": "airflow"}), rules(), "airflow"),
        (json!({"startedBy": null}), rules(), "other"),
        (json!({"createdAt": null}), rules(), "does not say when"),
        (json!({}), old, "longer ago than 60 s"),
    ] {
        let refused = of_task(&more, &rules, NOW).unwrap_err();
        assert!(refused.contains(why), "{why}: {refused}");
    }
    let throttled =
        json!({"errorCode": "ThrottlingException", "errorMessage": "Rate exceeded", "responseElements": null});
    assert!(of_call(&throttled).unwrap_err().contains("EventBridge itself"));
}

fn listed(arn: &str, created: i64, definition: &str) -> Task<'static> {
    Task {
        task_arn: arn.to_owned().into(),
        created_at: Some(Timestamp::from_millis(1_800_000_000_000 + created)),
        task_definition_arn: definition.to_owned().into(),
        ..Task::default()
    }
}

#[test]
fn a_task_that_came_late_or_a_newer_launch_forbids_it() {
    let nobody = |_: &str| false;
    let everybody = |_: &str| true;
    let (task, call) = (of_task(&json!({}), &rules(), NOW).unwrap(), of_call(&json!({})).unwrap());
    let none: [String; 0] = [];
    assert_eq!(task.judge(&[listed(ARN, 0, DEFINITION)], &nobody, &none), Ok(()), "it itself");
    assert_eq!(task.judge(&[listed(OTHER, -60_000, DEFINITION)], &nobody, &none), Ok(()), "an older one");
    assert_eq!(
        task.judge(&[listed(OTHER, 5, "arn:x:task-definition/other:1")], &nobody, &none),
        Ok(()),
        "of another family"
    );
    let newer = [listed(OTHER, 60_000, DEFINITION)];
    assert!(task.judge(&newer, &nobody, &none).unwrap_err().contains("launched again"));
    assert_eq!(task.judge(&newer, &nobody, &[OTHER.to_owned()]), Ok(()), "of the same call");
    let always = RetryRules { skip_when_newer: false, ..rules() };
    assert_eq!(of_task(&json!({}), &always, NOW).unwrap().judge(&newer, &nobody, &none), Ok(()));
    let late = [listed(OTHER, 500, DEFINITION)];
    assert!(call.judge(&late, &nobody, &none).unwrap_err().contains("may have come late"));
    assert!(call.judge(&late, &everybody, &none).unwrap_err().contains("launched again"), "another call's");
    let undescribed = [Task { task_arn: OTHER.into(), ..Task::default() }];
    assert!(call.judge(&undescribed, &nobody, &none).is_err() && task.judge(&undescribed, &nobody, &none).is_err());
    let placed = of_call(&json!({"responseElements": {"tasks": [{"taskArn": OTHER}], "failures": []}})).unwrap();
    assert_eq!(placed.judge(&late, &nobody, &none), Ok(()), "the call placed it");
}

#[test]
fn what_is_held_is_read_as_it_was_written_and_has_one_name() {
    let repeat = of_task(&json!({}), &rules(), NOW).unwrap();
    let text = serde_json::to_string(&repeat).unwrap();
    assert_eq!(serde_json::from_str::<Repeat>(&text).unwrap(), repeat);
    let again = of_task(&json!({"lastStatus": "DEPROVISIONING"}), &rules(), NOW).unwrap();
    assert_eq!(again.run_name(), repeat.run_name());
    let large = json!({"overrides": {"containerOverrides": [{"name": "etl", "command": ["x".repeat(20_000)]}]}});
    assert!(of_task(&large, &rules(), NOW).unwrap_err().contains("too large"));
}
