use serde_json::{Value, json};

use super::*;

fn facts() -> Facts {
    let until = Timestamp::from_millis(1_800_000_000_000);
    let since = Timestamp::from_millis(1_800_000_000_000 - 24 * 3_600_000);
    Facts::new("arn:aws:ecs:ap-southeast-2:123456789012:cluster/nabu", since, until)
}

/// A RunTask call of an EventBridge rule, as CloudTrail records it.
fn call(id: usize, more: Value) -> Value {
    let mut record = json!({
        "eventSource": "ecs.amazonaws.com", "eventName": "RunTask", "eventID": format!("{id:08}"),
        "userIdentity": {"type": "AssumedRole", "invokedBy": "events.amazonaws.com"},
        "requestParameters": {
            "cluster": "arn:aws:ecs:ap-southeast-2:123456789012:cluster/nabu", "count": 1, "launchType": "FARGATE",
            "taskDefinition": "arn:aws:ecs:ap-southeast-2:123456789012:task-definition/backup:3",
            "startedBy": "events-rule/mediaflux-backup-on-uplo",
            "networkConfiguration": {"awsvpcConfiguration": {"subnets": ["subnet-a", "subnet-b"]}},
            "overrides": {"containerOverrides": [{"environment": "HIDDEN_DUE_TO_SECURITY_REASONS"}]},
        },
    });
    let Value::Object(more) = more else { return record };
    record.as_object_mut().unwrap().extend(more);
    record
}

fn placed(id: usize, tasks: usize) -> Value {
    let tasks: Vec<Value> = (0..tasks).map(|n| json!({"taskArn": format!("t{id}-{n}")})).collect();
    call(id, json!({"responseElements": {"tasks": tasks, "failures": []}}))
}

fn failed_with(id: usize, reasons: &[&str]) -> Value {
    let failures: Vec<Value> = reasons.iter().map(|reason| json!({"reason": reason})).collect();
    call(id, json!({"responseElements": {"tasks": [], "failures": failures}}))
}

/// 1,250 sampled calls: 57 % launched, 38.2 % ThrottlingException, 4.9 % failures[].
fn nabus_day() -> Facts {
    let mut facts = facts();
    let vcpus = "You've reached the limit on the number of vCPUs you can run concurrently";
    for id in 0..1_250 {
        let record = match id {
            0..712 => placed(id, 1),
            712..1_189 => call(id, json!({"errorCode": "ThrottlingException", "errorMessage": "Rate exceeded"})),
            _ => failed_with(id, &[vcpus]),
        };
        assert!(facts.add_call(&record));
    }
    facts
}

fn task(id: usize, more: Value) -> Value {
    let mut task = json!({
        "taskArn": format!("arn:aws:ecs:ap-southeast-2:123456789012:task/nabu/{id}"),
        "clusterArn": "arn:aws:ecs:ap-southeast-2:123456789012:cluster/nabu",
        "taskDefinitionArn": "arn:aws:ecs:ap-southeast-2:123456789012:task-definition/backup:3",
        "startedBy": "events-rule/mediaflux-backup-on-uplo", "group": "family:backup", "lastStatus": "STOPPED",
        "desiredStatus": "STOPPED", "availabilityZone": "ap-southeast-2b", "createdAt": "2027-01-15T07:00:00Z",
        "stoppedAt": "2027-01-15T07:10:00Z",
        "attachments": [{"type": "eni", "details": [{"name": "subnetId", "value": "subnet-b"}]}],
        "containers": [{"name": "app", "lastStatus": "STOPPED"}],
    });
    let Value::Object(more) = more else { return task };
    task.as_object_mut().unwrap().extend(more);
    task
}

#[test]
fn the_figures_of_a_day_that_others_counted_come_out() {
    let report = nabus_day().report();
    assert_eq!((report.calls, report.asked), (Some(1_250), Some(1_250)));
    assert_eq!((report.accepted, report.throttled, report.refused), (Some(712), Some(477), Some(61)));
    let percent = |count: Option<u64>| format!("{:.1}", count.unwrap() as f64 / 12.5);
    assert_eq!([percent(report.accepted), percent(report.throttled), percent(report.refused)], ["57.0", "38.2", "4.9"]);
    assert_eq!(report.headline(), "61 of 773 launches never ran a container: 7.9 %");
    assert_eq!(report.by_launcher[0].name, "rule mediaflux-backup-on-uplo…");
    assert_eq!((report.worst[0].class, report.worst[0].launches), (Class::Capacity, 61));
    assert_eq!(report.worst[0].subnets, ["subnet-a", "subnet-b"]);
}

#[test]
fn what_is_missing_is_what_was_asked_for_and_has_no_task() {
    let mut facts = facts();
    // One entry for each of four instances that were looked at, for two tasks that are missing.
    let mut record = failed_with(1, &["RESOURCE:MEMORY", "RESOURCE:MEMORY", "RESOURCE:MEMORY", "AGENT"]);
    record["requestParameters"]["count"] = 3.into();
    record["responseElements"]["tasks"] = json!([{"taskArn": "t"}]);
    facts.add_call(&record);
    facts.add_call(&record);
    // No entry at all, and fewer tasks.
    let mut silent = placed(2, 4);
    silent["requestParameters"]["count"] = 5.into();
    facts.add_call(&silent);
    let report = facts.report();
    assert_eq!((report.asked, report.accepted, report.refused), (Some(8), Some(5), Some(3)), "a record counts once");
    assert_eq!(report.refusals, [("RESOURCE:MEMORY".to_owned(), 2), ("no reason given".to_owned(), 1)].into());
}

#[test]
fn a_throttle_is_one_whatever_it_hides_in() {
    let mut facts = facts();
    facts.add_call(&failed_with(1, &["Rate exceeded"]));
    let hidden =
        "Error retrieving security group information: Request limit exceeded. (ErrorCode: RequestLimitExceeded)";
    facts.add_call(&call(2, json!({"errorCode": "InvalidParameterException", "errorMessage": hidden})));
    facts.add_call(&call(
        3,
        json!({"errorCode": "AccessDenied", "errorMessage": "not authorized to perform: iam:PassRole"}),
    ));
    let report = facts.report();
    assert_eq!((report.throttled, report.refused), (Some(2), Some(1)));
    assert_eq!(report.headline(), "1 of 1 launches never ran a container: 100.0 %");
}

#[test]
fn tasks_are_told_apart_by_whether_a_container_ran() {
    let mut facts = facts();
    let eni = json!({"stopCode": "TaskFailedToStart", "stoppedReason": "Timeout waiting for network interface provisioning to complete."});
    let exited = |code: i64| {
        json!({"stopCode": "EssentialContainerExited", "stoppedReason": "Essential container in task exited",
            "startedAt": "2027-01-15T07:01:00Z", "containers": [{"name": "app", "lastStatus": "STOPPED", "exitCode": code}]})
    };
    for (id, more) in [eni.clone(), eni, exited(0), exited(3), exited(3)].into_iter().enumerate() {
        assert!(facts.add_task(&task(id, more.clone())));
        assert!(facts.add_task(&task(id, more)), "from another source, the same task");
    }
    assert!(!facts.add_task(&task(9, json!({"lastStatus": "RUNNING", "desiredStatus": "RUNNING"}))));
    assert!(!facts.add_task(&task(9, json!({"clusterArn": "arn:aws:ecs:x:1:cluster/other"}))));
    assert!(!facts.add_task(&task(9, json!({"stoppedAt": "2027-01-01T00:00:00Z"}))), "before the report begins");
    let report = facts.report();
    assert_eq!((report.stopped, report.succeeded, report.never_started), (5, 1, 2));
    assert_eq!(report.failures, [("exit code 3".to_owned(), 2)].into());
    assert_eq!((report.never_ran, report.of, report.asked), (2, 5, None));
    let subnet = &report.by_subnet[0];
    assert_eq!((subnet.name.as_str(), subnet.launches, subnet.never_ran), ("subnet-b (ap-southeast-2b)", 5, 2));
    assert_eq!((report.worst[0].class, report.worst[0].never_ran), (Class::Network, true));
    facts.add_call(&failed_with(1, &["RESOURCE:MEMORY"]));
    let names: Vec<String> = facts.report().by_subnet.into_iter().map(|row| row.name).collect();
    assert_eq!(names, ["subnet-b (ap-southeast-2b)", "subnet-a"], "a call's subnet is that of the tasks");
}

#[test]
fn it_is_shown_with_its_sources_and_nothing_breaks_a_table() {
    let mut facts = nabus_day();
    facts.add_task(&task(
        1,
        json!({"stopCode": "TaskFailedToStart", "stoppedReason": "a|b `c` *d*\nCannotPullContainerError"}),
    ));
    let note = Some("AccessDenied: allow logs:FilterLogEvents".to_owned());
    facts.source(Source { name: "event capture", records: 0, note });
    let report = facts.report();
    let (text, markdown) = (report.text(), report.markdown());
    assert!(text.contains("62 of 773 launches never ran a container: 8.0 %"), "{text}");
    assert!(text.contains("throttled") && text.contains("477") && text.contains("logs:FilterLogEvents"), "{text}");
    let rows = markdown.lines().filter(|line| line.starts_with('|'));
    rows.for_each(|row| assert!(row.ends_with('|') && row.replace("\\|", "").matches('|').count() >= 3, "{row}"));
    assert!(markdown.contains("a\\|b \\`c\\` \\*d\\*"), "{markdown}");
    let json = serde_json::to_value(&report).unwrap();
    assert_eq!((&json["neverRan"], &json["of"], &json["throttled"]), (&62.into(), &773.into(), &477.into()));
}
