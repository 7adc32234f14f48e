//! Documents in the shapes that APIs, the AWS CLI and CloudFormation give them.

use super::*;
use crate::core::time::Timestamp;

fn at() -> Acceptance {
    Acceptance::new(Timestamp::parse("2026-11-22T03:00:00Z").unwrap(), uuid::Uuid::from_u128(7))
}

fn one(document: Value) -> Converted {
    let mut all = convert(document, &at()).unwrap();
    assert_eq!(all.len(), 1);
    all.remove(0)
}

fn refused(document: Value) -> String {
    let said = convert(document.clone(), &at()).unwrap_err().message;
    assert!(!said.contains('\n'), "{said}");
    // What is given to run or submit is named, with the command that converts it.
    if let Some(Value::Object(members)) =
        Some(&document).filter(|document| foreign::of(document.as_object().unwrap()).is_some())
    {
        assert!(
            RunRequest::from_value(Value::Object(members.clone())).unwrap_err().message.contains("this is "),
            "{document}"
        );
    }
    said
}

fn target() -> Value {
    json!({"Id": "nightly", "Arn": "arn:aws:ecs:us-east-1:123456789012:cluster/batch", "RoleArn": "arn:aws:iam::123456789012:role/events",
        "EcsParameters": {"TaskDefinitionArn": "arn:aws:ecs:us-east-1:123456789012:task-definition/etl:7", "TaskCount": 2, "LaunchType": "FARGATE",
            "NetworkConfiguration": {"awsvpcConfiguration": {"Subnets": ["subnet-0a"], "AssignPublicIp": "DISABLED"}}, "EnableECSManagedTags": true},
        "Input": "{\"containerOverrides\": [{\"name\": \"etl\", \"command\": [\"load\"]}]}",
        "RetryPolicy": {"MaximumRetryAttempts": 4}})
}

#[test]
fn an_eventbridge_target_becomes_the_request_that_it_starts() {
    let run_task = json!({"cluster": "arn:aws:ecs:us-east-1:123456789012:cluster/batch",
        "taskDefinition": "arn:aws:ecs:us-east-1:123456789012:task-definition/etl:7", "count": 2, "launchType": "FARGATE",
        "networkConfiguration": {"awsvpcConfiguration": {"Subnets": ["subnet-0a"], "AssignPublicIp": "DISABLED"}},
        "enableECSManagedTags": true, "overrides": {"containerOverrides": [{"name": "etl", "command": ["load"]}]}});
    let expected = json!({"runTask": run_task, "until": "stopped"});
    let by_itself = one(target());
    assert_eq!((by_itself.what.as_str(), &by_itself.request), ("target nightly of an EventBridge rule", &expected));
    let notes = by_itself.notes.join("\n");
    for part in [
        "RoleArn: taskwatch calls RunTask with its own role",
        "RetryPolicy: is for the delivery",
        "stays EventBridge's",
    ] {
        assert!(notes.contains(part), "{part}: {notes}");
    }
    let listed = one(json!({"Targets": [target(), {"Id": "log", "Arn": "arn:aws:logs:x:1:log-group:y"}]}));
    assert_eq!(listed.request, expected);
    assert!(listed.notes.iter().any(|note| note.contains("1 targets are no ECS tasks")), "{:?}", listed.notes);
    // CloudFormation has other names and spellings.
    let mut properties = json!({"ScheduleExpression": "rate(1 day)", "Targets": [target()]});
    let parameters = &mut properties["Targets"][0]["EcsParameters"];
    parameters["NetworkConfiguration"] =
        json!({"AwsVpcConfiguration": {"Subnets": ["subnet-0a"], "AssignPublicIp": "DISABLED"}});
    parameters["TaskCount"] = json!("2");
    parameters["EnableEcsManagedTags"] = parameters["EnableECSManagedTags"].take();
    let template = json!({"Resources": {"Topic": {"Type": "AWS::SNS::Topic"}, "Nightly": {"Type": "AWS::Events::Rule", "Properties": properties}}});
    let found = one(template);
    assert_eq!((found.what.as_str(), &found.request), ("Nightly: target nightly of an EventBridge rule", &expected));
}

#[test]
fn a_schedule_becomes_a_request_and_one_that_fires_once_a_start_time() {
    let mut given = target();
    for member in ["Id", "Input"] {
        given.as_object_mut().unwrap().remove(member);
    }
    let schedule = |expression: &str, target: &Value| {
        json!({"Name": "nightly", "GroupName": "default", "State": "ENABLED",
        "ScheduleExpression": expression, "FlexibleTimeWindow": {"Mode": "OFF"}, "Target": target})
    };
    let often = one(schedule("cron(0 3 * * ? *)", &given));
    assert_eq!(often.request["runTask"]["launchType"], "FARGATE");
    assert!(
        often.request.get("startAt").is_none()
            && often.notes.iter().any(|note| note.contains("cron(0 3 * * ? *) stays"))
    );
    let once = one(schedule("at(2026-12-01T03:00:00)", &given));
    assert_eq!(once.request["startAt"], "2026-12-01T03:00:00.000Z");
    let past = one(schedule("at(2026-01-01T03:00:00)", &given));
    assert!(past.request.get("startAt").is_none() && past.notes.iter().any(|note| note.contains("is past")));
    let universal = json!({"Arn": "arn:aws:scheduler:::aws-sdk:ecs:runTask", "RoleArn": "r",
        "Input": "{\"TaskDefinition\": \"etl\", \"Cluster\": \"batch\"}"});
    assert_eq!(
        one(schedule("rate(1 hour)", &universal)).request["runTask"],
        json!({"TaskDefinition": "etl", "Cluster": "batch"})
    );
    let mut berlin = schedule("at(2026-12-01T03:00:00)", &given);
    berlin["ScheduleExpressionTimezone"] = json!("Europe/Berlin");
    assert!(refused(berlin).contains("its time zone is not UTC"));
}

#[test]
fn a_batch_job_definition_becomes_a_request_with_its_retries() {
    let strategy = json!({"attempts": 5, "evaluateOnExit": [
        {"onStatusReason": "Host EC2*", "action": "RETRY"}, {"onReason": "CannotPullContainerError*", "action": "retry"},
        {"onReason": "OutOfMemoryError*", "action": "EXIT"}, {"onExitCode": "3", "action": "EXIT"}, {"onReason": "*", "action": "EXIT"}]});
    let definition = json!({"jobDefinitionName": "etl", "type": "container", "revision": 3, "status": "ACTIVE", "parameters": {"day": "today"},
        "retryStrategy": strategy, "timeout": {"attemptDurationSeconds": 7200}, "platformCapabilities": ["FARGATE"],
        "containerProperties": {"image": "etl:1", "command": ["load", "Ref::day"], "environment": [{"name": "A", "value": "b"}]}});
    let converted = one(json!({"jobDefinitions": [definition]}));
    let retrier = |names: Value, times: u64| json!({"ErrorEquals": names, "IntervalSeconds": 1, "MaxAttempts": times, "BackoffRate": 1});
    assert_eq!(
        converted.request,
        json!({"until": "stopped", "attemptTimeoutSeconds": 7200,
        "runTask": {"taskDefinition": "etl", "launchType": "FARGATE", "overrides": {"containerOverrides": [
            {"name": "default", "command": ["load", "today"], "environment": [{"name": "A", "value": "b"}]}]}},
        "retry": [retrier(json!(["Taskwatch.Host", "Taskwatch.Spot"]), 4), retrier(json!(["CannotPullContainerError"]), 4),
            retrier(json!(["OutOfMemoryError"]), 0)]})
    );
    let notes = converted.notes.join("\n");
    for part in [
        "register an ECS task definition etl",
        "evaluateOnExit[3]: onExitCode \"3\"",
        "Batch counts all attempts together",
    ] {
        assert!(notes.contains(part), "{part}: {notes}");
    }
    // The part that migrate.md shows.
    let part = one(json!({"retryStrategy": {"attempts": 2}}));
    assert_eq!(part.request["retry"], json!([retrier(json!(["States.ALL"]), 1)]));
    let job = one(
        json!({"jobName": "n", "jobQueue": "arn:aws:batch:x:1:job-queue/slow", "jobDefinition": "etl:3", "arrayProperties": {"size": 10}}),
    );
    assert_eq!(
        job.request,
        json!({"runTask": {"taskDefinition": "etl", "count": 10}, "until": "stopped", "injectEnv": true, "queue": "slow", "retry": []})
    );
}

#[test]
fn what_is_a_request_already_is_converted_too() {
    let machine = json!({"StartAt": "Run", "States": {"Run": {"Type": "Task", "Resource": "arn:aws:states:::ecs:runTask.sync", "End": true,
        "Parameters": {"TaskDefinition.$": "$.task"}}}});
    let wrapped = one(json!({"stateMachine": machine, "input": {"task": "etl"}}));
    assert_eq!(
        (&wrapped.request["runTask"]["taskDefinition"], &wrapped.request["until"]),
        (&json!("etl"), &json!("stopped"))
    );
    let template = json!({"Resources": {"Machine": {"Type": "AWS::StepFunctions::StateMachine", "Properties": {"DefinitionString":
        "{\"StartAt\": \"Run\", \"States\": {\"Run\": {\"Type\": \"Task\", \"Resource\": \"arn:aws:states:::ecs:runTask\", \"End\": true, \"Parameters\": {\"TaskDefinition\": \"etl\"}}}}"}}}});
    assert_eq!(one(template).request["until"], "running");
    let skeleton = json!({"capacityProviderStrategy": [{"capacityProvider": "", "weight": 0, "base": 0}], "cluster": "batch", "count": 0,
        "enableECSManagedTags": true, "group": "", "launchType": "FARGATE", "clientToken": "", "startedBy": "", "referenceId": "",
        "overrides": {"containerOverrides": [{"name": "", "command": [""], "environment": [{"name": "", "value": ""}]}], "cpu": ""},
        "networkConfiguration": {"awsvpcConfiguration": {"subnets": ["subnet-0a"], "securityGroups": [""], "assignPublicIp": "DISABLED"}},
        "taskDefinition": "etl"});
    let filled = one(skeleton);
    assert_eq!(
        filled.request["runTask"],
        json!({"cluster": "batch", "enableECSManagedTags": true, "launchType": "FARGATE", "taskDefinition": "etl",
        "networkConfiguration": {"awsvpcConfiguration": {"subnets": ["subnet-0a"], "assignPublicIp": "DISABLED"}}})
    );
    let definition =
        json!({"taskDefinition": {"family": "etl", "containerDefinitions": [{"name": "etl", "image": "etl:1"}]}});
    assert_eq!(one(definition).request, json!({"runTask": {"taskDefinition": "etl"}, "until": "stopped"}));
}

#[test]
fn what_cannot_be_taken_is_refused_by_name() {
    let with = |pointer: &str, member: &str, value: Value| {
        let mut changed = target();
        changed.pointer_mut(pointer).unwrap()[member] = value;
        changed
    };
    for (document, part) in [
        (
            with("", "InputTransformer", json!({"InputTemplate": "x"})),
            "InputTransformer: takes its values from each event",
        ),
        (with("", "Input", json!("{")), "Input: expected an object in JSON"),
        (with("", "Arn", json!({"Fn::GetAtt": ["Cluster", "Arn"]})), "Arn: has its value in CloudFormation only"),
        (
            with("/EcsParameters", "TaskDefinitionArn", json!({"Ref": "Etl"})),
            "EcsParameters.TaskDefinitionArn: has its value in CloudFormation",
        ),
        (with("/EcsParameters", "Colour", json!("red")), "EcsParameters.Colour: has no counterpart in RunTask"),
        (with("/EcsParameters", "TaskCount", json!(20_000)), "count"),
        (json!({"Targets": [{"Id": "log", "Arn": "a"}]}), "none of them is an ECS task"),
        (json!({"Resources": {"A": {"Type": "AWS::SNS::Topic"}}}), "nothing here starts an ECS task"),
        (json!({"jobDefinitionName": "a", "type": "multinode"}), "type: a multinode job has no counterpart"),
        (json!({"jobDefinitionName": "a", "eksProperties": {}}), "eksProperties: has no counterpart"),
        (
            json!({"jobDefinitionName": "a", "retryStrategy": {"attempts": 2, "evaluateOnExit": [{"onReason": "my *", "action": "RETRY"}]}}),
            "evaluateOnExit[0].onReason: \"my *\" has no counterpart: there are no globs",
        ),
        (
            json!({"jobDefinitionName": "a", "containerProperties": {"command": ["Ref::day"]}}),
            "Ref::day has no value in parameters",
        ),
        (
            json!({"jobQueue": "q", "jobDefinition": "d", "dependsOn": [{"jobId": "1"}]}),
            "dependsOn: has no counterpart",
        ),
        (json!({"serviceName": "web", "desiredCount": 2}), "an ECS service: it keeps tasks running"),
        (json!({"ScheduleExpression": "rate(1 day)", "Target": {"Arn": "arn:aws:lambda:x"}}), "Target: is no ECS task"),
    ] {
        let said = refused(document);
        assert!(said.contains(part), "{part}: {said}");
    }
    assert!(
        convert(json!({"apiVersion": "batch/v1", "kind": "Job"}), &at())
            .unwrap_err()
            .message
            .contains("not a run request")
    );
    assert!(convert(json!(5), &at()).is_err());
}

/// Machines in the shapes that people keep them in: taken, or refused with what to do.
#[test]
fn machines_as_people_have_them_are_taken_or_refused_with_what_to_do() {
    use crate::core::request::symbols::{fill, symbolic};
    use crate::core::request::{document, with_input};

    let cases: Vec<Value> = serde_json::from_str(include_str!("../../../tests/fixtures/machines.json")).unwrap();
    let at = at().named("nightly");
    for case in &cases {
        let what = case["what"].as_str().unwrap();
        let mut read = document(case["text"].as_str().unwrap()).unwrap_or_else(|error| panic!("{what}: {error}"));
        if let Some(values) = case["set"].as_object() {
            symbolic(&mut read);
            fill(&mut read, values);
        }
        let (state, input) = (case["state"].as_str(), case.get("input").cloned());
        if state.is_some() || input.is_some() {
            read = with_input(read, state, input).unwrap_or_else(|error| panic!("{what}: {error}"));
        }
        let converted = convert(read, &at);
        for (pointer, value) in case["right"].as_object().into_iter().flatten() {
            let converted = converted.as_ref().unwrap_or_else(|error| panic!("{what}: {error}"));
            assert_eq!(converted[0].request.pointer(pointer), Some(value), "{what}: {}", converted[0].request);
        }
        if let Some(note) = case["note"].as_str() {
            let first = &converted.as_ref().unwrap()[0];
            let mut notes = first.notes.iter().chain(&first.refused);
            assert!(notes.any(|said| said.contains(note)), "{what}: {first:?}");
        }
        for part in case["refused"].as_array().into_iter().flatten().filter_map(Value::as_str) {
            let said =
                converted.as_ref().map_or_else(|error| error.message.clone(), |taken| panic!("{what}: {taken:?}"));
            assert!(said.contains(part) && !said.contains('\n'), "{what}: {part}: {said}");
        }
    }
    assert!(cases.len() > 25);
}

#[test]
fn a_state_and_an_input_are_taken_for_the_machines_of_a_serverless_file() {
    use crate::core::request::with_input;

    let task = json!({"Type": "Task", "Resource": "arn:aws:states:::ecs:runTask.sync", "End": true,
        "Parameters": {"Cluster": "batch", "TaskDefinition.$": "$.task"}});
    let call = json!({"Type": "Task", "Resource": "arn:aws:states:::lambda:invoke", "Next": "Run"});
    let alone = json!({"name": "load", "definition": {"StartAt": "Call", "States": {"Call": call, "Run": task}}});
    let other = json!({"definition": {"StartAt": "Call", "States": {"Call": call}}});
    let service = json!({"service": "x", "stepFunctions": {"stateMachines": {"load": alone, "other": other}}});
    for file in [alone, service] {
        let converted =
            convert(with_input(file.clone(), Some("Run"), Some(json!({"task": "etl:7"}))).unwrap(), &at()).unwrap();
        assert_eq!(converted.len(), 1, "{file}");
        assert_eq!(converted[0].request["runTask"]["taskDefinition"], "etl:7", "{file}");
        let said = convert(with_input(file.clone(), Some("Fetch"), None).unwrap(), &at()).unwrap_err().message;
        assert!(said.contains("stateMachines.load: ") && said.contains("Fetch"), "{said}");
        let said = convert(with_input(file, Some("Run"), Some(json!({}))).unwrap(), &at()).unwrap_err().message;
        assert!(said.contains("$ has no \"task\""), "{said}");
    }
}

#[test]
fn a_state_and_an_input_are_for_the_machines_of_a_template() {
    let load = json!({"Type": "Task", "Resource": "arn:aws:states:::ecs:runTask.sync", "End": true,
        "Parameters": {"TaskDefinition": "etl", "Cluster.$": "$.cluster"}});
    let machine = json!({"StartAt": "Fetch", "States": {
        "Fetch": {"Type": "Task", "Resource": "arn:aws:states:::lambda:invoke", "Next": "Both"},
        "Both": {"Type": "Parallel", "End": true, "Branches": [{"StartAt": "Load", "States": {"Load": load}}]}}});
    let other = json!({"StartAt": "Run", "States": {"Run": load}});
    let template = |kind: &str, name: &str, definition: Value| {
        json!({"Resources": {
            "Rule": {"Type": "AWS::Events::Rule", "Properties": {"Targets": [target()]}},
            "Other": {"Type": "AWS::Serverless::StateMachine", "Properties": {"Definition": other}},
            "Flow": {"Type": kind, "Properties": {name: definition}}}})
    };
    let over = |document: Value, state: Option<&str>| {
        crate::core::request::with_input(document, state, Some(json!({"cluster": "batch"}))).unwrap()
    };
    for document in [
        template("AWS::Serverless::StateMachine", "Definition", machine.clone()),
        template("AWS::StepFunctions::StateMachine", "DefinitionString", json!(machine.to_string())),
    ] {
        let found = one(over(document.clone(), Some("Load")));
        assert!(found.what.starts_with("Flow: "), "{}", found.what);
        assert_eq!(found.request["runTask"]["cluster"], "batch");
        let found = one(over(document.clone(), Some("Run")));
        assert!(found.what.starts_with("Other: "), "{}", found.what);
        // A machine that cannot be taken whole is said beside the one that can.
        let found = one(over(document.clone(), None));
        assert!(
            found.what.starts_with("Other: ") && found.refused.iter().any(|said| said.contains("--state \"Load\"")),
            "{found:?}"
        );
        let said = convert(over(document, Some("Lod")), &at()).unwrap_err().message;
        assert!(said.contains("Lod") && said.contains("Load"), "{said}");
    }
    let alone = json!({"Type": "AWS::StepFunctions::StateMachine", "Properties": {"Definition": machine}});
    assert_eq!(one(over(alone, Some("Load"))).request["runTask"]["cluster"], "batch");
    let none = json!({"Resources": {"Rule": {"Type": "AWS::Events::Rule", "Properties": {"Targets": [target()]}}}});
    let said = convert(over(none, None), &at()).unwrap_err().message;
    assert!(said.contains("the template has no state machine"), "{said}");
}
