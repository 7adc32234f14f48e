//! Table tests of run requests.

use serde_json::json;

use super::*;
use crate::core::retry::RetryCounts;

/// The shape of aws-samples/aws-ecs-stepfunctions-synchronous-runtask, its placeholders filled in.
const SEED: &str = include_str!("../../../examples/state-machine.json");

fn read(value: Value) -> Result<RunRequest, String> {
    RunRequest::from_value(value).map_err(|e| e.message)
}

fn refused(value: Value) -> String {
    match read(value) {
        Ok(taken) => panic!("taken: {taken:?}"),
        Err(message) => message,
    }
}

#[test]
fn the_seeds_state_machine_goes_through_unchanged() {
    let request = RunRequest::parse(SEED).unwrap();
    let spec = &request.spec;
    assert_eq!(spec.until, Goal::Stopped);
    assert_eq!(spec.timeout_seconds, Some(3600));
    assert_eq!(spec.run_task.members()["launchType"], "FARGATE");
    let network = &spec.run_task.members()["networkConfiguration"]["awsvpcConfiguration"];
    assert_eq!(network["assignPublicIp"], "ENABLED");
    let mut counts = RetryCounts::default();
    let waits: Vec<u64> =
        std::iter::from_fn(|| spec.retry.next_wait(&mut counts, &["X".into()], 0.0)).map(|w| w.as_secs()).collect();
    assert_eq!(waits, [10, 20, 40]);
    assert_eq!(spec.notify.messages[&Status::Succeeded], "AWS Fargate Task started by Step Functions succeeded");
    assert_eq!(spec.notify.messages[&Status::Failed], "AWS Fargate Task started by Step Functions failed");
    assert_eq!(spec.notify.messages[&Status::TimedOut], "AWS Fargate Task started by Step Functions failed");
    assert_eq!(spec.notify.topics.len(), 3);
}

#[test]
fn every_form_of_one_request_means_the_same() {
    let camel = json!({"taskDefinition": "etl:7", "networkConfiguration": {"awsvpcConfiguration": {"subnets": ["subnet-1"]}}, "enableECSManagedTags": true});
    let pascal = json!({"TaskDefinition": "etl:7", "NetworkConfiguration": {"AwsvpcConfiguration": {"Subnets": ["subnet-1"]}}, "EnableECSManagedTags": true});
    let native = json!({"name": "n", "runTask": camel});
    let digest = read(camel.clone()).unwrap().digest();
    assert_eq!(read(pascal.clone()).unwrap().digest(), digest);
    assert_eq!(read(native).unwrap().digest(), digest);
    assert_eq!(read(json!({"RunTask": pascal})).unwrap().digest(), digest);
    let state = json!({"Type": "Task", "Resource": "arn:aws:states:::ecs:runTask", "Parameters": pascal, "End": true});
    assert_eq!(read(state).unwrap().spec.run_task, read(camel).unwrap().spec.run_task);
}

#[test]
fn defaults_are_the_contracts() {
    let spec = read(json!({"taskDefinition": "etl"})).unwrap().spec;
    assert_eq!((spec.until, spec.start_timeout_seconds, spec.timeout_seconds), (Goal::Running, Some(900), None));
    assert_eq!(spec.retry, RetryPolicy::standard());
    assert_eq!(spec.notify, Notify::default());
}

#[test]
fn a_written_request_reads_back_as_itself() {
    let request = read(json!({"name": "n", "runTask": {"taskDefinition": "etl", "count": 20}, "until": "stopped",
        "retry": [{"ErrorEquals": ["X"], "JitterStrategy": "FULL"}], "placements": [{"launchType": "FARGATE"}],
        "notify": {"on": ["FAILED"], "messages": {"FAILED": "oh"}}, "priority": 5, "injectEnv": true, "timeoutSeconds": 5}))
    .unwrap();
    assert_eq!(request.count, Some(20));
    assert_eq!(read(request.to_value()).unwrap(), request);
}

#[test]
fn a_wrong_request_is_refused_by_name() {
    let task = json!({"taskDefinition": "etl"});
    for (value, part) in [
        (json!([]), "an array is not a run request: send each of its requests by itself"),
        (json!({"hello": 1}), "not a run request"),
        (
            json!({"eventName": "RunTask", "requestParameters": task}),
            "this is CloudTrail's event of a RunTask call: give its requestParameters",
        ),
        (json!({"runTsk": task, "until": "stopped"}), "runTsk: unknown; did you mean runTask?"),
        (json!({"taskDefintion": "x", "cluster": "c"}), "taskDefintion: unknown; did you mean taskDefinition?"),
        (json!({"StartsAt": "x"}), "StartsAt: unknown; did you mean StartAt?"),
        (json!({"runTask": task, "unti": "stopped"}), "did you mean until"),
        (json!({"runTask": task, "until": "done"}), "running, stopped or healthy"),
        (json!({"runTask": task, "name": "a b"}), "name: expected"),
        (json!({"runTask": task, "name": ""}), "name: expected"),
        (json!({"runTask": task, "timeoutSeconds": 0}), "timeoutSeconds"),
        (json!({"runTask": task, "notify": {"topic": "x"}}), "did you mean topic"),
        (json!({"runTask": task, "notify": {"on": ["DONE"]}}), "notify.on"),
        (json!({"runTask": task, "placements": [{"count": 2}]}), "placements[0].count"),
        (json!({"runTask": task, "placements": [{"launchTyp": "x"}]}), "placements[0].launchTyp"),
        (json!({"runTask": {}}), "runTask.taskDefinition: is required"),
        (json!({"runTask": {"taskDefinition": 7}}), "runTask.taskDefinition: expected a string"),
        (json!({"taskDefinition": "x", "taskDefintion": "x"}), "did you mean taskDefinition"),
        (json!({"taskDefinition": "x", "clientToken": "t"}), "clientToken: leave it out"),
        (json!({"taskDefinition": "x", "startedBy": "me"}), "startedBy: leave it out"),
        (json!({"taskDefinition": "x", "count": 0}), "count: expected 1 to 10000"),
        (json!({"taskDefinition": "x", "count": 10_001}), "count: expected 1 to 10000"),
        (json!({"taskDefinition": "x", "launchType": "FARGAT"}), "did you mean FARGATE"),
        (json!({"taskDefinition": "x", "launchType": "FARGATE", "capacityProviderStrategy": []}), "only one"),
        (json!({"taskDefinition": "x", "cluster": "${Cluster}"}), "placeholder ${Cluster}"),
        (json!({"taskDefinition": "x", "cluster": "%CLUSTER%"}), "placeholder %CLUSTER% is not filled in"),
        (json!({"taskDefinition": "etl:{{ rev }}"}), "by --set rev=VALUE"),
        (json!({"taskDefinition": "{}"}), "by --set '{}'=VALUE"),
        (json!({"taskDefinition": "x", "count": "<< parameters.n >>"}), "by --set parameters.n=VALUE"),
        (
            json!({"taskDefinition": "x", "networkConfiguration": {"awsvpcConfiguration": {"subnets": ["${Subnet}"]}}}),
            "subnets: the placeholder ${Subnet}",
        ),
        (
            json!({"taskDefinition": "${Td}:${Rev}", "cluster": "${C}", "group": "${Td}", "networkConfiguration":
                {"awsvpcConfiguration": {"subnets": ["${A}", "b", "${A}", "${B}"], "securityGroups": ["{{ sg }}"]}}}),
            "by --set A=VALUE; the same goes for ${B}, {{ sg }}, ${C}, ${Td}",
        ),
        (json!({"runTask": task, "notify": {"topicArn": "arn:aws:sqs:us-east-1:123456789012:q"}}), "an SNS topic"),
        (json!({"taskDefinition": "x", "until": "stopped"}), "until: is not RunTask's; write"),
        (
            json!({"taskDefinition": "x", "overrides": {"containerOverrides": [{"name": "a", "cpu": "256"}]}}),
            "containerOverrides[0].cpu: expected a whole number",
        ),
        (
            json!({"taskDefinition": "x", "networkConfiguration": {"awsvpcConfiguration": {"subnets": ["s", 7]}}}),
            "subnets[1]: expected a string",
        ),
        (json!({"taskDefinition": "x", "networkConfiguration": {"awsvpcConfiguration": {}}}), "subnets: is required"),
        (json!({"taskDefinition": "x", "tags": vec![json!({"key": "k"}); 51]}), "at most 50"),
    ] {
        let message = refused(value.clone());
        assert!(message.contains(part), "{value}: {message}");
        assert!(!message.contains('\n'), "one line: {message}");
    }
    assert!(RunRequest::parse("{\"a\": ").unwrap_err().message.contains("line 1 column"));
}

#[test]
fn a_refusal_does_not_tell_values_of_the_environment() {
    let list = json!({"environment": {"A": "s3cr3t"}});
    for overrides in [
        json!({"containerOverrides": [list]}),
        json!({"containerOverrides": list}),
        json!({"containerOverrides": [{"environment": ["A=s3cr3t"]}]}),
        json!({"containerOverrides": [{"environment": "A=s3cr3t"}]}),
        json!({"containerOverrides": [{"environment": [{"name": "A", "value": ["s3cr3t"]}]}]}),
        json!({"containerOverrides": ["A=s3cr3t"]}),
        json!("A=s3cr3t"),
    ] {
        let message = refused(json!({"taskDefinition": "x", "overrides": overrides}));
        assert!(message.contains("verrides") && message.contains(": expected "), "{message}");
        assert!(!message.contains("s3cr3t"), "{message}");
    }
    assert!(!refused(json!({"runTask": "{\"environment\": \"s3cr3t\"}"})).contains("s3cr3t"));
}

#[test]
fn what_has_no_counterpart_in_a_state_machine_is_refused_by_name() {
    let seed: Value = serde_json::from_str(SEED).unwrap();
    let with = |pointer: &str, member: &str, value: Value| {
        let mut changed = seed.clone();
        changed.pointer_mut(pointer).unwrap()[member] = value;
        changed
    };
    let run = "/States/Run Fargate Task";
    for (value, part) in [
        (with("", "StartAt", json!("Nowhere")), "Nowhere"),
        (with(run, "HeartbeatSeconds", json!(5)), "HeartbeatSeconds: has no counterpart"),
        (
            with(run, "Resource", json!("arn:aws:states:::ecs:runTask.waitForTaskToken")),
            "a token that the container answers",
        ),
        (with(run, "Resource", json!("arn:aws:states:::lambda:invoke")), "lambda:invoke"),
        (with(run, "TimeoutSecondsPath", json!("$.t")), "TimeoutSecondsPath"),
        (
            with(&format!("{run}/Parameters"), "Group.$", json!("$.cluster")),
            "Group.$: \"$.cluster\": $ has no \"cluster\"; the request has no input",
        ),
        (
            with(run, "QueryLanguage", json!("JSONata")),
            "Parameters: is of JSONPath, and the state is of JSONata: use Arguments",
        ),
        (with("/States", "More", json!({"Type": "Pass", "End": true})), "States[\"More\"]: is not reached"),
        (
            with("/States/Notify Success", "Type", json!("Wait")),
            "a Wait state of \"arn:aws:states:::sns:publish\" stays Step Functions' work",
        ),
        (with("/States/Notify Success", "Next", json!("Run Fargate Task")), "runs a second task"),
        (with("/States/Notify Success/Parameters", "Message.$", json!("$.m")), "Message.$: Message is given as well"),
        (with("/States/Notify Success/Parameters", "MessageGroupId", json!("x")), "MessageGroupId: has no counterpart"),
        (with("/States/Notify Success/Parameters", "TopicArn", json!("${Topic}")), "TopicArn"),
        (with("/States/Notify Success/Parameters", "Subject", json!(5)), "Subject: expected a text"),
    ] {
        let message = refused(value);
        assert!(message.contains(part), "{part}: {message}");
    }
}

#[test]
fn the_first_catcher_decides_also_when_it_notifies_nobody() {
    let mut machine: Value = serde_json::from_str(SEED).unwrap();
    machine["States"]["Give up"] = json!({"Type": "Fail"});
    machine["States"]["Run Fargate Task"]["Catch"] = json!([
        {"ErrorEquals": ["States.Timeout"], "Next": "Give up"},
        {"ErrorEquals": ["States.ALL"], "Next": "Notify Failure"}]);
    let notify = RunRequest::from_value(machine).unwrap().spec.notify;
    assert_eq!(notify.on, Some(vec![Status::Succeeded, Status::Failed]));
}

#[test]
fn a_state_without_retry_is_never_tried_again_and_its_timeout_is_for_an_attempt() {
    let state = json!({"Type": "Task", "Resource": "arn:aws-cn:states:::ecs:runTask.sync", "TimeoutSeconds": 60,
        "Parameters": {"TaskDefinition": "etl"}, "Next": "Elsewhere"});
    let spec = read(state).unwrap().spec;
    assert_eq!((spec.retry.0.len(), spec.until, spec.attempt_timeout_seconds), (0, Goal::Stopped, Some(60)));
    // Step Functions waits for a start as long as it takes; written down and read again, so does the run.
    assert_eq!(spec.start_timeout_seconds, None);
    let again = RunRequest { name: None, count: None, spec, identity: None };
    assert_eq!(read(again.to_value()).unwrap(), again);
}

#[test]
fn placements_lie_over_the_request() {
    let base = json!({"taskDefinition": "x", "capacityProviderStrategy": [{"capacityProvider": "FARGATE_SPOT"}],
        "networkConfiguration": {"awsvpcConfiguration": {"subnets": ["a"], "assignPublicIp": "ENABLED"}}});
    let (base, _) = RunTask::from_value(&base, "").unwrap();
    let over = json!({"LaunchType": "FARGATE", "NetworkConfiguration": {"AwsvpcConfiguration": {"Subnets": ["b"]}}});
    let placed = base.at(&RunTask::placement(&over, "p").unwrap());
    assert!(!placed.members().contains_key("capacityProviderStrategy"));
    let network = &placed.members()["networkConfiguration"]["awsvpcConfiguration"];
    assert_eq!((&network["subnets"], &network["assignPublicIp"]), (&json!(["b"]), &json!("ENABLED")));
}

#[test]
fn a_launch_type_and_a_strategy_replace_each_other_and_what_says_neither_keeps_its_own() {
    let strategy = json!([{"capacityProvider": "FARGATE_SPOT", "weight": 1}]);
    let (on_demand, _) = RunTask::from_value(&json!({"taskDefinition": "x", "launchType": "FARGATE"}), "").unwrap();
    let over = RunTask::placement(&json!({"capacityProviderStrategy": strategy}), "p").unwrap();
    let placed = on_demand.at(&over);
    assert_eq!(placed.members().get("launchType"), None);
    assert_eq!(placed.members()["capacityProviderStrategy"], strategy);
    // A strategy replaces a strategy whole: one of two providers would be another choice.
    let both = json!([{"capacityProvider": "FARGATE"}, {"capacityProvider": "FARGATE_SPOT"}]);
    let (mixed, _) =
        RunTask::from_value(&json!({"taskDefinition": "x", "capacityProviderStrategy": both}), "").unwrap();
    assert_eq!(mixed.at(&over).members()["capacityProviderStrategy"], strategy);
    let elsewhere = RunTask::placement(&json!({"cluster": "other"}), "p").unwrap();
    assert_eq!(
        (on_demand.at(&elsewhere).members()["launchType"].as_str(), mixed.at(&elsewhere).cluster()),
        (Some("FARGATE"), "other")
    );
}

#[test]
fn overrides_and_tags_of_a_placement_are_laid_over_by_name() {
    let base = json!({"taskDefinition": "x", "tags": [{"key": "team", "value": "a"}],
        "overrides": {"cpu": "256", "containerOverrides": [
            {"name": "app", "command": ["go"], "environment": [{"name": "A", "value": "1"}, {"name": "B", "value": "2"}]},
            {"name": "proxy", "cpu": 10}]}});
    let over = json!({"tags": [{"key": "team", "value": "b"}, {"key": "az", "value": "1"}],
        "overrides": {"memory": "512", "containerOverrides": [
            {"name": "app", "environment": [{"name": "B", "value": "3"}, {"name": "C", "value": "4"}]},
            {"name": "log", "cpu": 1}]}});
    let (base, _) = RunTask::from_value(&base, "").unwrap();
    let placed = base.at(&RunTask::placement(&over, "p").unwrap());
    let expected = json!({"cpu": "256", "memory": "512", "containerOverrides": [
        {"name": "app", "command": ["go"], "environment":
            [{"name": "A", "value": "1"}, {"name": "B", "value": "3"}, {"name": "C", "value": "4"}]},
        {"name": "proxy", "cpu": 10}, {"name": "log", "cpu": 1}]});
    assert_eq!(placed.members()["overrides"], expected);
    assert_eq!(placed.members()["tags"], json!([{"key": "team", "value": "b"}, {"key": "az", "value": "1"}]));
}

#[test]
fn a_placement_that_makes_no_request_is_refused_by_its_number() {
    let command = |n: usize| json!({"containerOverrides": [{"name": n.to_string(), "command": ["x".repeat(5_000)]}]});
    let refused = refused(json!({"runTask": {"taskDefinition": "x", "overrides": command(1)},
        "placements": [{}, {"overrides": command(2)}]}));
    assert!(refused.contains("placements[1].overrides") && refused.contains("8192"), "{refused}");
    let refused = self::refused(json!({"runTask": {"taskDefinition": "x"}, "placements": [
        {"launchType": "FARGATE", "capacityProviderStrategy": [{"capacityProvider": "FARGATE"}]}]}));
    assert!(refused.contains("placements[0]") && refused.contains("capacityProviderStrategy"), "{refused}");
}

#[test]
fn environment_is_added_and_masked() {
    let (task, _) = RunTask::from_value(
        &json!({"taskDefinition": "x", "overrides": {"containerOverrides": [{"name": "a", "environment": [{"name": "SECRET", "value": "s3cr3t"}]}]}}),
        "",
    )
    .unwrap();
    let told = task.with_env(&["a".into(), "b".into()], &[("TASKWATCH_ATTEMPT".into(), "2".into())]);
    let containers = &told.members()["overrides"]["containerOverrides"];
    assert_eq!(containers[0]["environment"][1], json!({"name": "TASKWATCH_ATTEMPT", "value": "2"}));
    assert_eq!(containers[1]["name"], "b");
    let masked = told.masked().to_string();
    assert!(!masked.contains("s3cr3t") && masked.contains("SECRET") && masked.contains("***"), "{masked}");
}

#[test]
fn a_value_that_a_dry_run_masked_is_refused_wherever_it_stands() {
    let overrides = |value: &str| json!({"containerOverrides": [{"name": "b"}, {"name": "a", "environment": [{"name": "X", "value": "1"}, {"name": "SECRET", "value": value}]}]});
    let task = |value: &str| json!({"taskDefinition": "x", "overrides": overrides(value)});
    let state = json!({"Type": "Task", "Resource": "arn:aws:states:::ecs:runTask.sync", "End": true, "Parameters": {
        "TaskDefinition": "x", "Overrides": {"ContainerOverrides": [{"Name": "a", "Environment": [{"Name": "SECRET", "Value": "***"}]}]}}});
    for request in [
        task("***"),
        json!({"runTask": task("***")}),
        json!({"runTask": {"taskDefinition": "x"}, "placements": [{}, {"overrides": overrides("***")}]}),
        state,
    ] {
        let said = refused(request);
        assert!(
            said.contains("*** stands for the value of \"SECRET\" of container \"a\"") && said.contains("dry run"),
            "{said}"
        );
    }
    let path = "runTask.overrides.containerOverrides[1].environment[1].value: ";
    assert!(refused(task("***")).starts_with(path), "{}", refused(task("***")));
    for value in ["", "****", "a***"] {
        assert!(RunRequest::from_value(task(value)).is_ok(), "{value:?}");
    }
}

#[test]
fn a_value_of_the_environment_is_masked_also_in_what_comes_after_the_task() {
    let environment =
        json!([{"Name": "A", "Value.$": "$.secret"}, {"Name": "B", "Value": "1"}, {"Name": "C", "Value.$": "$.empty"}]);
    let machine = json!({"StartAt": "Run", "States": {
        "Run": {"Type": "Task", "Resource": "arn:aws:states:::ecs:runTask.sync", "Next": "Tell", "Parameters": {
            "TaskDefinition": "etl", "Overrides": {"ContainerOverrides": [{"Name": "a", "Environment": environment}]}}},
        "Tell": {"Type": "Task", "Resource": "arn:aws:states:::sns:publish", "End": true, "Parameters": {
            "TopicArn": "arn:aws:sns:us-east-1:123456789012:t", "Message.$": "$.Containers[0].ExitCode"}}}});
    let input = json!({"secret": "s3cr3t", "list": ["mysql://u:s3cr3t@db", {"of": "s3cr3t"}], "empty": "", "one": "1", "ten": "10"});
    let request = RunRequest::from_value(json!({"stateMachine": machine, "input": input})).unwrap();
    assert!(
        request.to_value()["notify"]["afterTask"].to_string().contains("s3cr3t"),
        "it is kept for what comes after"
    );
    let shown = &request.masked()["notify"]["afterTask"];
    assert!(!shown.to_string().contains("s3cr3t"), "{shown}");
    let masked =
        json!({"secret": "***", "list": ["mysql://u:***@db", {"of": "***"}], "empty": "", "one": "***", "ten": "10"});
    assert_eq!(shown["input"], masked);
}

#[test]
fn a_file_may_hold_one_an_array_or_lines() {
    let one = r#"{"taskDefinition": "a"}"#;
    assert_eq!(parse_many(one).len(), 1);
    assert_eq!(parse_many(&format!("[{one},{one}]")).len(), 2);
    assert_eq!(parse_many(&format!("{one}\n{one}\n\n{one}")).len(), 3);
    let mixed = parse_many(&format!("{one}\n{{broken\n{one}"));
    assert_eq!(mixed.iter().map(Result::is_ok).collect::<Vec<_>>(), [true, false, true]);
    assert!(mixed[1].as_ref().unwrap_err().message.starts_with("line 2: "));
}

fn until_stopped(text: &str) -> RunRequest {
    let at = Acceptance::new(crate::core::time::Timestamp::default(), uuid::Uuid::nil());
    RunRequest::accept_until(document(text).unwrap(), &at, Goal::Stopped).unwrap()
}

#[test]
fn a_goal_is_given_to_what_does_not_say_its_own() {
    let machine = |resource: &str| json!({"Type": "Task", "Resource": resource, "End": true, "Parameters": {"TaskDefinition": "x"}});
    for (request, otherwise) in [
        (json!({"taskDefinition": "x"}), Goal::Running),
        (json!({"runTask": {"taskDefinition": "x"}}), Goal::Running),
        (json!({"runTask": {"taskDefinition": "x"}, "until": null}), Goal::Running),
    ] {
        let text = request.to_string();
        assert_eq!(RunRequest::parse(&text).unwrap().spec.until, otherwise, "{text}");
        assert_eq!(until_stopped(&text).spec.until, Goal::Stopped, "{text}");
    }
    for (request, said) in [
        (json!({"runTask": {"taskDefinition": "x"}, "until": "running"}), Goal::Running),
        (json!({"runTask": {"taskDefinition": "x"}, "until": "healthy"}), Goal::Healthy),
        (machine("arn:aws:states:::ecs:runTask"), Goal::Running),
        (machine("arn:aws:states:::ecs:runTask.sync"), Goal::Stopped),
    ] {
        assert_eq!(until_stopped(&request.to_string()).spec.until, said, "{request}");
    }
}
