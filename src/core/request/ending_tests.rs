//! Messages of a state machine over what its task ended with, in both languages, told as Step Functions would.

use std::sync::Arc;

use serde_json::{Value, json};
use uuid::Uuid;

use super::*;
use crate::core::failure::{self, Failure};
use crate::core::notification::{Destinations, Notification, Origin, of_end};
use crate::core::run::{Attempt, Run};

const TOPIC: &str = "arn:aws:sns:eu-west-1:123456789012:runs";

fn at() -> Acceptance {
    Acceptance::new(Timestamp::from_millis(1_795_000_000_000), Uuid::from_u128(7))
}

/// A machine whose task is followed by these states, and caught by these.
fn machine(more: Value, behind: Value) -> Value {
    let mut task = json!({"Type": "Task", "Resource": "arn:aws:states:::ecs:runTask.sync", "Next": "Tell",
        "Parameters": {"TaskDefinition": "etl:7"},
        "Catch": [{"ErrorEquals": ["States.ALL"], "ResultPath": "$.error", "Next": "Tell of failure"}]});
    let (task_members, more) = (task.as_object_mut().unwrap(), more.as_object().unwrap().clone());
    if more.contains_key("Arguments") {
        task_members.remove("Parameters");
        task_members["Catch"][0].as_object_mut().unwrap().remove("ResultPath");
    }
    task_members.extend(more);
    let mut states = json!({"Run": task});
    states.as_object_mut().unwrap().extend(behind.as_object().unwrap().clone());
    json!({"StartAt": "Run", "States": states})
}

fn publish(message: Value) -> Value {
    let mut publish = json!({"Type": "Task", "Resource": "arn:aws:states:::sns:publish", "End": true, "Parameters": {"TopicArn": TOPIC}});
    publish["Parameters"].as_object_mut().unwrap().extend(message.as_object().unwrap().clone());
    publish
}

/// Both messages in JSONPath.
fn telling(success: &str, failure: &str) -> Value {
    machine(
        json!({}),
        json!({"Tell": publish(json!({"Message.$": success})), "Tell of failure": publish(json!({"Message.$": failure}))}),
    )
}

fn request(machine: &Value, input: &Value) -> Result<RunRequest, RequestError> {
    RunRequest::accept(json!({"name": "nightly", "stateMachine": machine, "input": input}), &at())
}

fn task(exit_code: i64) -> Value {
    json!({"TaskArn": "arn:aws:ecs:eu-west-1:123456789012:task/batch/1", "LastStatus": "STOPPED", "StopCode": "EssentialContainerExited",
        "StoppedReason": "Essential container in task exited", "Group": "family:etl",
        "Containers": [{"Name": "etl", "ExitCode": exit_code, "LastStatus": "STOPPED"}]})
}

/// What is told of this end.
fn told(request: &RunRequest, status: Status, failure: Option<Failure>, task: Option<&Value>) -> Vec<Notification> {
    let now = Timestamp::from_millis(1_795_000_100_000);
    let mut run = Run::new(Uuid::from_u128(9), "nightly".into(), 0, Arc::new(request.spec.clone()), now);
    run.attempts.push(Attempt::new(1, 0));
    (run.status, run.finished_at, run.ended_by) = (status, Some(now), failure.map(Arc::new));
    of_end(
        &run,
        task,
        &Origin::default(),
        &Destinations { topic: Some("arn:aws:sns:x:1:cells".into()), ..Destinations::default() },
    )
}

fn ended_well(machine: &Value, input: &Value) -> Vec<Notification> {
    told(&request(machine, input).unwrap(), Status::Succeeded, None, Some(&task(0)))
}

fn failed(machine: &Value, failure: Failure, task: Option<&Value>) -> Vec<Notification> {
    let status =
        if failure.names.iter().any(|name| name == "States.Timeout") { Status::TimedOut } else { Status::Failed };
    told(&request(machine, &json!({})).unwrap(), status, Some(failure), task)
}

fn message(told: &[Notification]) -> &str {
    assert_eq!((told.len(), told[0].destination.to_string().as_str()), (1, TOPIC), "{told:?}");
    &told[0].message
}

#[test]
fn a_message_tells_of_the_task_that_succeeded() {
    let input = json!({"day": "2026-11-22"});
    for (expression, text) in [
        ("$.Containers[0].ExitCode", "0"),
        ("States.Format('{} {}', $.Group, $.Containers[0].ExitCode)", "family:etl 0"),
        ("$.TaskArn", "arn:aws:ecs:eu-west-1:123456789012:task/batch/1"),
        ("States.JsonToString($.Containers)", r#"[{"ExitCode":0,"LastStatus":"STOPPED","Name":"etl"}]"#),
        ("$.Containers[?(@.ExitCode == 0)].Name", r#"["etl"]"#),
        ("States.Format('{} of {}', $$.State.Name, $$.Execution.Name)", "Tell of nightly"),
        ("$.Containers", r#"[{"ExitCode":0,"LastStatus":"STOPPED","Name":"etl"}]"#),
    ] {
        let machine = telling(expression, "$.error.Error");
        // A number is no message, as in Step Functions.
        let as_text = if text == "0" {
            telling("States.Format('{}', $.Containers[0].ExitCode)", "$.error.Error")
        } else {
            machine
        };
        assert_eq!(message(&ended_well(&as_text, &input)), text, "{expression}");
    }
    let selected = json!({"ResultSelector": {"code.$": "$.Containers[0].ExitCode"}, "ResultPath": "$.task"});
    let behind = json!({"Tell": publish(json!({"Message.$": "States.Format('{} ended with {}', $.day, $.task.code)", "Subject.$": "$.day"})),
        "Tell of failure": publish(json!({"Message": "It failed"}))});
    let told = ended_well(&machine(selected, behind), &input);
    assert_eq!((message(&told), told[0].subject.as_str()), ("2026-11-22 ended with 0", "2026-11-22"));
}

#[test]
fn a_message_tells_of_the_failure_in_step_functions_words() {
    let exit = || failure::from_refusal("x", None);
    let stopped =
        Failure { error: "EssentialContainerExited".into(), names: vec!["EssentialContainerExited".into()], ..exit() };
    let cases: [(&str, Failure, Option<Value>, &str); 6] = [
        ("$.error.Error", stopped.clone(), Some(task(3)), "States.TaskFailed"),
        (
            "States.Format('{}', States.StringToJson($.error.Cause))",
            stopped.clone(),
            Some(json!({"StopCode": "X"})),
            r#"{"StopCode":"X"}"#,
        ),
        ("$.error.Error", failure::from_refusal("RESOURCE:MEMORY", None), None, "AmazonECS.Unknown"),
        ("$.error.Cause", failure::from_refusal("RESOURCE:MEMORY", None), None, "RESOURCE:MEMORY"),
        (
            "$.error.Error",
            failure::from_exception("InvalidParameterException", "no"),
            None,
            "ECS.InvalidParameterException",
        ),
        ("$.error.Error", failure::run_timeout(5), None, "States.Timeout"),
    ];
    for (expression, failure, task, text) in cases {
        assert_eq!(message(&failed(&telling("$.TaskArn", expression), failure, task.as_ref())), text, "{expression}");
    }
}

#[test]
fn jsonata_tells_the_same() {
    let tell = |message: &str| {
        json!({"Type": "Task", "Resource": "arn:aws:states:::sns:publish", "End": true,
        "Arguments": {"TopicArn": TOPIC, "Message": message}})
    };
    let mut machine = machine(
        json!({"Arguments": {"TaskDefinition": "etl:7"}, "Assign": {"code": "{% $states.result.Containers[0].ExitCode %}"},
            "Catch": [{"ErrorEquals": ["States.ALL"], "Assign": {"cause": "{% $parse($states.errorOutput.Cause) %}"}, "Next": "Tell of failure"}]}),
        json!({"Tell": tell("{% 'ended with ' & $code & ', ' & $states.input.Group %}"),
            "Tell of failure": tell("{% 'failed with ' & $cause.Containers[0].ExitCode & ': ' & $states.input.Error %}")}),
    );
    machine["QueryLanguage"] = json!("JSONata");
    assert_eq!(message(&ended_well(&machine, &json!({}))), "ended with 0, family:etl");
    let failure = failure::stop_asked("x");
    assert_eq!(message(&failed(&machine, failure, Some(&task(3)))), "failed with 3: States.TaskFailed");
}

#[test]
fn a_choice_and_a_catcher_by_error_decide_at_the_end() {
    let choice = json!({"Type": "Choice", "Default": "Quiet", "Choices": [
        {"Variable": "$.Containers[0].ExitCode", "NumericEquals": 0, "Next": "Say"}]});
    let behind = |code: Value| {
        let mut choice = choice.clone();
        choice["Choices"][0]["NumericEquals"] = code;
        json!({"Tell": choice, "Quiet": {"Type": "Succeed"}, "Say": publish(json!({"Message": "nothing to do"})),
            "Tell of failure": publish(json!({"Message": "It failed"}))})
    };
    assert_eq!(message(&ended_well(&machine(json!({}), behind(json!(0))), &json!({}))), "nothing to do");
    assert!(ended_well(&machine(json!({}), behind(json!(7))), &json!({})).is_empty(), "nobody is told");
    let catch = json!({"Catch": [{"ErrorEquals": ["ECS.InvalidParameterException"], "Next": "Say"},
        {"ErrorEquals": ["States.ALL"], "Next": "Tell of failure"}]});
    let machine = machine(
        catch,
        json!({"Tell": {"Type": "Succeed"}, "Say": publish(json!({"Message": "my mistake"})),
        "Tell of failure": publish(json!({"Message": "It failed"}))}),
    );
    assert_eq!(
        message(&failed(&machine, failure::from_exception("InvalidParameterException", "no"), None)),
        "my mistake"
    );
    assert_eq!(message(&failed(&machine, failure::from_refusal("AGENT", None), None)), "It failed");
}

#[test]
fn a_message_that_has_no_value_is_told_as_usual_with_the_reason() {
    let machine = telling("$.Containers[9].ExitCode", "$.error.Cause");
    let told = ended_well(&machine, &json!({}));
    assert!(message(&told).starts_with('{'), "the JSON of the end, to the topic that was meant");
    let why = told[0].attributes.iter().find(|(name, _)| name == "taskwatchError").map(|(_, why)| why.as_str());
    assert!(why.is_some_and(|why| why.contains("$.Containers[9].ExitCode")), "{why:?}");
}

#[test]
fn what_is_kept_is_a_request_that_is_read_again_and_holds_no_more_than_is_needed() {
    let request = request(&telling("$.TaskArn", "$.error.Cause"), &json!({"day": "x"})).unwrap();
    let again = RunRequest::from_value(request.to_value()).unwrap();
    assert_eq!(again.spec, request.spec);
    let ending = serde_json::to_value(&request.spec.notify.after_task).unwrap();
    assert_eq!(
        ending["states"]["Run"].as_object().unwrap().keys().collect::<Vec<_>>(),
        ["Catch", "Next", "Resource", "Type"]
    );
    assert!(ending.get("context").is_none(), "nobody reads it");
    assert_eq!(request.spec.notify.on.as_ref().map(Vec::len), Some(3));
    let mut broken = request.to_value();
    broken["notify"]["afterTask"]["states"]["Tell"]["Type"] = json!("Map");
    let error = RunRequest::from_value(broken).unwrap_err().message;
    assert!(error.contains("notify.afterTask.States[\"Tell\"]: a Map state"), "{error}");
}

#[test]
fn what_no_end_could_say_is_refused_at_once() {
    let dynamic = publish(json!({"Message.$": "$.TaskArn"}));
    let with = |more: Value, behind: Value| {
        let mut all = json!({"Tell": dynamic, "Tell of failure": publish(json!({"Message": "x"}))});
        all.as_object_mut().unwrap().extend(behind.as_object().unwrap().clone());
        request(&machine(more, all), &json!({})).map(drop).unwrap_err().message
    };
    let choice = |next: &str| {
        json!({"Type": "Choice", "Default": "Tell of failure",
        "Choices": [{"Variable": "$.a", "IsPresent": true, "Next": next}]})
    };
    for (more, behind, part) in [
        (json!({}), json!({"Tell": publish(json!({"Message.$": "States.Format('{}'"}))}), "Message.$"),
        (json!({}), json!({"Tell": publish(json!({"Message.$": "$.a["}))}), "Message.$"),
        (
            json!({}),
            json!({"Tell": publish(json!({"Message.$": "$.TaskArn", "Mesage": "x"}))}),
            "Mesage: has no counterpart",
        ),
        (json!({}), json!({"Tell": choice("Nowhere")}), "Nowhere\"]: there is no such state"),
        (json!({}), json!({"Tell": choice("Tell")}), "comes round again"),
        (
            json!({}),
            json!({"Tell": choice("Wait"), "Wait": {"Type": "Wait", "Seconds": 5, "End": true}}),
            "a Wait state stays",
        ),
        (
            json!({}),
            json!({"Tell": choice("Fail"), "Fail": {"Type": "Fail"}}),
            "to fail after success has no counterpart",
        ),
        (
            json!({"Catch": [{"ErrorEquals": ["ECS.X"], "Next": "Again"}]}),
            json!({"Again": {"Type": "Task", "Resource": "arn:aws:states:::ecs:runTask.sync", "End": true}}),
            "runs a second task",
        ),
        (json!({}), json!({"More": {"Type": "Pass", "End": true}}), "States[\"More\"]: is not reached"),
    ] {
        let said = with(more, behind);
        assert!(said.contains(part), "{part}: {said}");
    }
}

#[test]
fn an_end_that_is_too_much_work_is_told_as_usual() {
    let machine =
        telling("States.Format('{}{}', States.ArrayRange(1, 1000, 1), States.JsonToString($))", "$.error.Cause");
    assert!(!message(&ended_well(&machine, &json!({}))).starts_with("{\"account"));
    let mut long = task(0);
    long["StoppedReason"] = json!("x".repeat(2_000_000));
    let request = request(&telling("States.JsonToString($)", "$.error.Cause"), &json!({})).unwrap();
    let told = told(&request, Status::Succeeded, None, Some(&long));
    assert!(
        told[0].attributes.iter().any(|(name, why)| name == "taskwatchError" && why.contains("4 MiB")),
        "{:?}",
        told[0].attributes
    );
}

#[test]
fn a_message_has_the_attributes_and_the_structure_of_its_state() {
    let attributes = json!({"kind": {"DataType": "String", "StringValue": "nightly"},
        "status": {"DataType": "String", "StringValue": "mine"},
        "code": {"DataType": "Number", "StringValue.$": "States.Format('{}', $.Containers[0].ExitCode)"}});
    let by_protocol = json!({"default": "It worked", "sms": "ok"});
    let said_now = json!({"kind": attributes["kind"]});
    let machine = machine(
        json!({}),
        json!({"Tell": publish(json!({"Message": by_protocol, "MessageStructure": "json", "MessageAttributes": attributes})),
            "Tell of failure": publish(json!({"Message": "It failed", "MessageAttributes": said_now}))}),
    );
    let told = ended_well(&machine, &json!({}));
    let (notification, has) = (&told[0], |name: &str, value: &str| (name.to_owned(), value.to_owned()));
    assert_eq!((message(&told), notification.by_protocol), (r#"{"default":"It worked","sms":"ok"}"#, true));
    for attribute in [has("kind", "nightly"), has("status", "mine"), has("code", "0"), has("final", "true")] {
        assert!(notification.attributes.contains(&attribute), "{attribute:?}: {:?}", notification.attributes);
    }
    assert_eq!(notification.attributes.iter().filter(|(name, _)| name == "status").count(), 1);
    assert_eq!(notification.data_types, [("code".to_owned(), "Number".to_owned())].into());
    // Where nothing depends on the task it stands in the request.
    let plain = telling_of(&said_now);
    let request = request(&plain, &json!({})).unwrap();
    assert!(request.spec.notify.after_task.is_none());
    assert_eq!(request.spec.notify.attributes[&Status::Failed]["kind"].string_value, "nightly");
    assert_eq!(request.spec.notify.structures[&Status::Succeeded], "json");
    assert_eq!(RunRequest::from_value(request.to_value()).unwrap(), request);
    let told = told_of(&request, Status::Failed);
    assert_eq!((told[0].attributes[0].clone(), told[0].by_protocol), (has("kind", "nightly"), false));
}

/// Both messages known beforehand.
fn telling_of(attributes: &Value) -> Value {
    let success = json!({"Message": {"default": "x"}, "MessageStructure": "json"});
    let failure = json!({"Message": "It failed", "MessageAttributes": attributes});
    machine(json!({}), json!({"Tell": publish(success), "Tell of failure": publish(failure)}))
}

fn told_of(request: &RunRequest, status: Status) -> Vec<Notification> {
    told(request, status, Some(failure::from_refusal("x", None)), None)
}

#[test]
fn attributes_and_structures_that_sns_does_not_take_are_refused_when_the_request_is_accepted() {
    for (parameters, part) in [
        (json!({"Message": "x", "MessageStructure": "json"}), "Parameters.Message: with the structure json"),
        (json!({"Message": "x", "MessageStructure": "xml"}), "MessageStructure: expected json"),
        (
            json!({"Message": "x", "MessageAttributes": {"a": {"DataType": "Binary", "BinaryValue": "x"}}}),
            "a Binary attribute",
        ),
        (
            json!({"Message": "x", "MessageAttributes": {"a": {"DataType": "String"}}}),
            "MessageAttributes.a.stringValue",
        ),
        (json!({"Message": "x", "PhoneNumber": "+4912"}), "PhoneNumber: has no counterpart"),
        (json!({"Message": "x", "TargetArn": TOPIC}), "TopicArn: expected the ARN of a topic"),
    ] {
        let machine = machine(json!({}), json!({"Tell": publish(parameters), "Tell of failure": {"Type": "Fail"}}));
        let said = request(&machine, &json!({})).unwrap_err().message;
        assert!(said.contains(part), "{part}: {said}");
    }
    for (notify, part) in [
        (json!({"structures": {"FAILED": "xml"}}), "notify.structures.FAILED: expected json"),
        (json!({"structures": {"FAILED": "json"}}), "notify.messages has no text for it"),
        (
            json!({"structures": {"FAILED": "json"}, "messages": {"FAILED": "x"}}),
            "notify.messages.FAILED: with the structure json",
        ),
        (json!({"attributes": {"FAILED": {"a": "x"}}}), "notify.attributes.FAILED.a: expected an object"),
        (json!({"attributes": {"LOST": {}}}), "expected SUCCEEDED, FAILED"),
    ] {
        let said = RunRequest::from_value(json!({"runTask": {"taskDefinition": "etl"}, "notify": notify}))
            .unwrap_err()
            .message;
        assert!(said.contains(part), "{part}: {said}");
    }
}
