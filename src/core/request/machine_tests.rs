//! State machines with an input, whole and by a state's name.

use proptest::prelude::*;
use serde_json::json;

use super::*;

pub(super) fn at(id: u128) -> Acceptance {
    let now = crate::core::time::Timestamp::parse("2026-11-22T03:00:00Z").unwrap();
    Acceptance::new(now, uuid::Uuid::from_u128(id))
}

pub(super) fn accept(value: Value) -> Result<RunRequest, String> {
    RunRequest::accept(value, &at(7)).map_err(|e| e.message)
}

pub(super) fn refused(value: Value) -> String {
    match accept(value) {
        Ok(taken) => panic!("taken: {taken:?}"),
        Err(message) => {
            assert!(!message.contains('\n'), "one line: {message}");
            message
        }
    }
}

/// Prepares, chooses, loads in one of two ways, and tells.
fn machine() -> Value {
    let publish = |message: Value| {
        let mut parameters = json!({"TopicArn.$": "$.topic", "Subject.$": "States.Format('Load of {}', $.day)"});
        parameters.as_object_mut().unwrap().extend(message.as_object().unwrap().clone());
        json!({"Type": "Task", "Resource": "arn:aws:states:::sns:publish", "Parameters": parameters, "End": true})
    };
    json!({"StartAt": "Prepare", "TimeoutSeconds": 600, "States": {
        "Prepare": {"Type": "Pass", "Parameters": {"bucket.$": "States.Format('s3://{}/in', $.bucket)"}, "ResultPath": "$.source",
            "Assign": {"day.$": "$.bucket"}, "Next": "Which"},
        "Which": {"Type": "Choice", "Default": "Nothing", "Choices": [
            {"And": [{"Variable": "$.size", "IsPresent": true}, {"Variable": "$.size", "NumericGreaterThan": 100}], "Next": "Load"},
            {"Variable": "$.size", "NumericLessThan": 0, "Next": "Broken"}]},
        "Nothing": {"Type": "Succeed"},
        "Broken": {"Type": "Fail", "Error": "Negative"},
        "Load": {"Type": "Task", "Resource": "arn:aws:states:::ecs:runTask.sync", "ResultPath": "$.task", "Next": "Tell",
            "TimeoutSecondsPath": "$.seconds",
            "Catch": [{"ErrorEquals": ["States.ALL"], "ResultPath": "$.error", "Next": "Tell of failure"}],
            "Parameters": {"Cluster.$": "$.cluster", "TaskDefinition": "etl:7", "LaunchType": "FARGATE",
                "Overrides": {"ContainerOverrides": [{"Name": "etl", "Command.$": "States.Array('load', $.source.bucket)",
                    "Environment": [{"Name": "RUN", "Value.$": "$$.Execution.Name"}, {"Name": "DAY", "Value.$": "$day"}]}]}}},
        "Tell": publish(json!({"Message.$": "$.source"})),
        "Tell of failure": publish(json!({"Message": {"day.$": "$.day"}}))}})
}

fn input() -> Value {
    json!({"bucket": "b", "cluster": "batch", "size": 101, "day": "2026-11-22", "seconds": 60,
        "topic": "arn:aws:sns:eu-west-1:123456789012:runs"})
}

#[test]
fn a_machine_is_evaluated_with_its_input_up_to_the_task_and_its_messages_behind_it() {
    let request =
        accept(json!({"name": "nightly", "queue": "q", "stateMachine": machine(), "input": input()})).unwrap();
    let spec = &request.spec;
    assert_eq!((request.name.as_deref(), spec.queue.as_str(), spec.until), (Some("nightly"), "q", Goal::Stopped));
    assert_eq!((spec.timeout_seconds, spec.attempt_timeout_seconds), (Some(600), Some(60)));
    assert_eq!(spec.run_task.cluster(), "batch");
    let container = &spec.run_task.members()["overrides"]["containerOverrides"][0];
    assert_eq!(container["command"], json!(["load", "s3://b/in"]));
    assert_eq!(
        container["environment"],
        json!([{"name": "RUN", "value": "nightly"}, {"name": "DAY", "value": "s3://b/in"}])
    );
    assert_eq!(spec.notify.messages[&Status::Succeeded], r#"{"bucket":"s3://b/in"}"#);
    assert_eq!(spec.notify.messages[&Status::Failed], r#"{"day":"2026-11-22"}"#);
    assert_eq!(spec.notify.subjects[&Status::TimedOut], "Load of 2026-11-22");
}

#[test]
fn the_input_decides_whether_there_is_something_to_run() {
    let with = |member: &str, value: Value| {
        let mut input = input();
        input[member] = value;
        refused(json!({"stateMachine": machine(), "input": input}))
    };
    assert!(with("size", json!(5)).contains("States[\"Nothing\"]: with this input the machine succeeds here"));
    assert!(with("size", json!(-5)).contains("States[\"Broken\"]: with this input the machine fails here"));
    assert!(with("seconds", json!(0)).contains("TimeoutSecondsPath: expected a whole number of seconds"));
    let said = refused(json!({"stateMachine": machine()}));
    for part in [
        "States[\"Prepare\"].Parameters.bucket.$",
        "$ has no \"bucket\"",
        "has no input",
        "--input",
        "--state \"Load\"",
    ] {
        assert!(said.contains(part), "{part}: {said}");
    }
}

#[test]
fn any_state_that_runs_a_task_is_taken_by_name_whatever_stands_around_it() {
    let task = |cluster: &str| {
        json!({"Type": "Task", "Resource": "arn:aws:states:::ecs:runTask.sync", "Next": "Elsewhere", "InputPath": "$.detail",
            "Parameters": {"TaskDefinition": "etl", "Cluster.$": cluster, "Group.$": "$$.State.Name"}})
    };
    let around = json!({"StartAt": "Fetch", "TimeoutSeconds": 5, "States": {
        "Fetch": {"Type": "Task", "Resource": "arn:aws:states:::lambda:invoke", "Next": "Both"},
        "Both": {"Type": "Parallel", "End": true, "Branches": [
            {"StartAt": "Load", "States": {"Load": task("$.a")}},
            {"StartAt": "Each", "States": {"Each": {"Type": "Map", "End": true,
                "ItemProcessor": {"StartAt": "Clean", "States": {"Clean": task("$['b'][0]")}}}}}]},
        "Query": {"Type": "Task", "Resource": "arn:aws:states:::ecs:runTask", "QueryLanguage": "JSONata",
            "Arguments": {"TaskDefinition": "{% $states.input.detail.a %}", "Cluster": "{% $states.input.nowhere %}"}}}});
    let by = |name: &str| {
        let input = json!({"detail": {"a": "one", "b": ["two"]}});
        accept(json!({"stateMachine": around, "stateName": name, "input": input}))
    };
    let (load, clean) = (by("Load").unwrap(), by("Clean").unwrap());
    assert_eq!((load.spec.run_task.cluster(), clean.spec.run_task.cluster()), ("one", "two"));
    assert_eq!((&clean.spec.run_task.members()["group"], clean.spec.timeout_seconds), (&json!("Clean"), None));
    let said = refused(around.clone());
    for part in [
        "\"Fetch\"",
        "lambda:invoke",
        "--state \"Load\" or --state \"Clean\" or --state \"Query\"",
        "stay Step Functions' work",
    ] {
        assert!(said.contains(part), "{part}: {said}");
    }
    for (name, part) in [
        ("Lood", "no state \"Lood\"; those that run a task: \"Load\", \"Clean\", \"Query\""),
        ("Fetch", "States[\"Fetch\"]: a Task state of \"arn:aws:states:::lambda:invoke\" is no run"),
        ("Query", "States[\"Query\"].Arguments.Cluster: \"{% $states.input.nowhere %}\": has no value"),
    ] {
        let said = by(name).unwrap_err();
        assert!(said.contains(part), "{said}");
    }
}

#[test]
fn a_state_alone_and_the_answer_of_describe_state_machine_take_an_input_too() {
    let state = json!({"Type": "Task", "Resource": "arn:aws:states:::ecs:runTask", "End": true,
        "Parameters": {"TaskDefinition.$": "$.task", "Group.$": "$$.Execution.RoleArn"}});
    let said = refused(json!({"stateMachine": state, "input": {"task": "etl"}}));
    assert!(said.contains("$$.Execution has no \"RoleArn\"") && said.contains("describe-state-machine"), "{said}");
    let described = json!({"stateMachineArn": "arn:aws:states:eu-west-1:123456789012:stateMachine:Nightly", "name": "Nightly",
        "roleArn": "arn:aws:iam::123456789012:role/r", "status": "ACTIVE",
        "definition": json!({"StartAt": "Run", "States": {"Run": {"Type": "Task", "Resource": "arn:aws:states:::ecs:runTask", "End": true,
            "Parameters": {"TaskDefinition.$": "$.task", "Group.$": "States.Format('{} {}', $$.Execution.RoleArn, $$.Execution.Id)"}}}})
        .to_string()});
    let request = accept(json!({"stateMachine": described, "input": {"task": "etl"}, "name": "n"})).unwrap();
    assert_eq!(
        request.spec.run_task.members()["group"],
        "arn:aws:iam::123456789012:role/r arn:aws:states:eu-west-1:123456789012:execution:Nightly:n"
    );
    assert!(refused(described).contains("$ has no \"task\""));
}

#[test]
fn what_differs_from_one_acceptance_to_the_next_is_the_same_request_all_the_same() {
    let state = |group: &str| {
        json!({"stateMachine": {"Type": "Task", "Resource": "arn:aws:states:::ecs:runTask", "End": true,
            "Parameters": {"TaskDefinition": "etl", "Group.$": group}}, "input": {"g": "x"}, "name": "n"})
    };
    let both = |value: &Value| [1, 2].map(|id| RunRequest::accept(value.clone(), &at(id)).unwrap());
    let [one, two] = both(&state("States.UUID()"));
    assert_ne!(one.spec, two.spec);
    assert_eq!(one.digest(), two.digest());
    assert_ne!(one.digest(), both(&state("States.Format('{}', States.UUID())"))[0].digest());
    // Without chance the request itself is what counts.
    let plain = RunRequest::from_value(json!({"taskDefinition": "etl", "group": "x"})).unwrap();
    let read = RunRequest::from_value(state("$.g")).unwrap();
    assert_eq!((read.identity, &read.spec.run_task), (None, &plain.spec.run_task));
    assert!(RunRequest::from_value(state("States.UUID()")).unwrap_err().message.contains("RunRequest::accept"));
    // A request without a name that uses it gets one.
    let mut nameless = state("$$.Execution.Name");
    nameless.as_object_mut().unwrap().remove("name");
    let given = accept(nameless.clone()).unwrap();
    assert_eq!(given.name.as_deref(), given.spec.run_task.members()["group"].as_str());
    let queued = RunRequest::accept(nameless, &at(7).named("message-1")).unwrap();
    assert_eq!((queued.name, queued.spec.run_task.members()["group"].as_str()), (None, Some("message-1")));
}

#[test]
fn wrong_members_are_refused_by_name() {
    let with = |pointer: &str, member: &str, value: Value| {
        let mut changed = machine();
        changed.pointer_mut(pointer).unwrap()[member] = value;
        json!({"stateMachine": changed, "input": input()})
    };
    for (value, part) in [
        (json!({"stateMachine": machine(), "inputs": {}}), "inputs: unknown; did you mean input?"),
        (json!({"stateMachine": machine(), "input": input(), "untl": 1}), "untl: unknown member; did you mean until?"),
        (json!({"stateMachine": machine(), "input": input(), "runTask": {}}), "runTask: the state's Parameters"),
        (json!({"stateMachine": machine(), "stateName": 5}), "stateName: expected the name of a state"),
        (json!({"stateMachine": []}), "stateMachine: expected a Step Functions document"),
        (json!({"stateMachine": "{"}), "stateMachine: not JSON"),
        (json!({"stateMachine": {"a": 1}}), "stateMachine: expected a machine"),
        (with("/States/Prepare", "ResultPath", json!("$.a[*]")), "is no reference path"),
        (with("/States/Prepare", "Next", json!("Prepare")), "no task is reached within 1000 states"),
        (with("/States/Prepare", "Type", json!("Wait")), "States[\"Prepare\"].Parameters: has no counterpart"),
        (with("/States/Prepare", "Output", json!("x")), "States[\"Prepare\"].Output: is of JSONata"),
        (with("/States/Prepare", "QueryLanguage", json!("JSONata")), "States[\"Prepare\"].Parameters: is of JSONPath"),
        (
            with("/States/Which", "Choices", json!([{"Variable": "$.x", "IsPresent": true, "Next": "Load"}])),
            "succeeds here",
        ),
        (with("/States/Load/Parameters", "Cluster.$", json!("$.task.a")), "$ has no \"task\"; give it with --input"),
        (with("/States/Load/Parameters", "Cluster.$", json!("States.Foo()")), "States.Foo is no intrinsic function"),
        (with("/States/Load/Parameters", "Cluster.$", json!("$cluster")), "$cluster is assigned by no state before"),
        (with("/States/Load/Parameters", "Group.$", json!("$$.Task.Token")), "$$ has no \"Task\"; write the value in"),
    ] {
        let message = refused(value);
        assert!(message.contains(part), "{part}: {message}");
    }
}

#[test]
fn a_document_takes_a_state_and_an_input_and_nothing_else_does() {
    let wrapped = with_input(machine(), Some("Load"), Some(json!({"a": 1}))).unwrap();
    assert_eq!((&wrapped["stateName"], &wrapped["input"]), (&json!("Load"), &json!({"a": 1})));
    let again = with_input(wrapped, None, Some(json!(2))).unwrap();
    assert_eq!((&again["stateName"], &again["input"]), (&json!("Load"), &json!(2)));
    assert!(with_input(json!({"taskDefinition": "x"}), None, Some(json!(2))).unwrap_err().message.contains("--input"));
}

/// The same in JSONata, with a Wait.
fn in_jsonata() -> Value {
    json!({"QueryLanguage": "JSONata", "StartAt": "Prepare", "States": {
        "Prepare": {"Type": "Pass", "Assign": {"day": "{% $substring($states.input.at, 0, 10) %}", "sizes": "{% $states.input.files.size %}"},
            "Output": {"bucket": "{% 's3://' & $states.input.bucket & '/in' %}", "plain": "{{ no expression }}"}, "Next": "Which"},
        "Which": {"Type": "Choice", "Default": "Nothing", "Choices": [
            {"Condition": "{% $sum($sizes) > 100 and $states.input.bucket != '' %}", "Next": "Later",
                "Assign": {"big": "{% $count($sizes) %}"}, "Output": {"from": "{% $states.input.bucket %}"}}]},
        "Nothing": {"Type": "Succeed"},
        "Later": {"Type": "Wait", "Seconds": "{% 60 * $big %}", "Next": "Load"},
        "Load": {"Type": "Task", "Resource": "arn:aws:states:::ecs:runTask.sync", "TimeoutSeconds": "{% 30 * $big %}",
            "Assign": {"ended": "{% $states.result.TaskArn %}"}, "Output": {"day": "{% $day %}", "task": "{% $states.result.TaskArn %}"},
            "Catch": [{"ErrorEquals": ["States.ALL"], "Output": {"error": "{% $states.errorOutput.Error %}"}, "Next": "Tell of failure"}],
            "Next": "Tell",
            "Arguments": {"Cluster": "batch", "TaskDefinition": "{% 'etl:' & $big %}", "Overrides": {"ContainerOverrides": [{"Name": "etl",
                "Command": "{% ['load', $states.input.from] %}", "Environment": [{"Name": "RUN", "Value": "{% $states.context.Execution.Name %}"}]}]}}},
        "Tell": {"Type": "Task", "Resource": "arn:aws:states:::sns:publish", "End": true,
            "Arguments": {"TopicArn": "arn:aws:sns:eu-west-1:123456789012:runs", "Message": "{% 'Loaded ' & $states.input.day %}"}},
        "Tell of failure": {"Type": "Task", "Resource": "arn:aws:states:::sns:publish", "End": true,
            "Arguments": {"TopicArn": "arn:aws:sns:eu-west-1:123456789012:runs", "Message": {"day": "{% $day %}"}}}}})
}

#[test]
fn a_machine_in_jsonata_is_evaluated_as_one_in_jsonpath() {
    let input = json!({"bucket": "b", "at": "2026-11-22T00:00:00Z", "files": [{"size": 70}, {"size": 40}]});
    let with = |machine: Value, input: &Value| json!({"name": "nightly", "stateMachine": machine, "input": input});
    let request = accept(with(in_jsonata(), &input)).unwrap();
    let (spec, task) = (&request.spec, request.spec.run_task.members());
    assert_eq!((&task["taskDefinition"], spec.attempt_timeout_seconds), (&json!("etl:2"), Some(60)));
    let container = &task["overrides"]["containerOverrides"][0];
    assert_eq!(container["command"], json!(["load", "s3://b/in"]));
    assert_eq!(container["environment"], json!([{"name": "RUN", "value": "nightly"}]));
    assert_eq!(spec.notify.messages[&Status::Succeeded], "Loaded 2026-11-22");
    assert_eq!(spec.notify.messages[&Status::TimedOut], r#"{"day":"2026-11-22"}"#);
    assert_eq!(spec.start_at.map(|at| at.to_string()).as_deref(), Some("2026-11-22T03:02:00.000Z"));
    let small = json!({"bucket": "b", "at": "x", "files": [{"size": 1}]});
    assert!(refused(with(in_jsonata(), &small)).contains("with this input the machine succeeds here"));
    for (pointer, value, part) in [
        ("/States/Load/Arguments/Cluster", json!("{% $states.input.clster %}"), "States[\"Load\"].Arguments.Cluster: "),
        (
            "/States/Load/Arguments/Cluster",
            json!("{% $cluster %}"),
            "$cluster is assigned by no state before this one; write the value in",
        ),
        ("/States/Load/Arguments/Cluster", json!(" {% 1 %}"), "an expression is the whole text"),
        ("/States/Load/Arguments/Cluster", json!("{% $eval('1') %}"), "$eval is not there in Step Functions"),
        ("/States/Which/Choices/0/Condition", json!("{% 1 %}"), "Choices[0].Condition: expected a boolean"),
        ("/States/Which/Choices/0/Variable", json!("$.a"), "Choices[0].Variable: has no counterpart"),
        ("/States/Later/Seconds", json!("{% -1 %}"), "Seconds: expected a whole number of seconds from 0"),
        ("/States/Later/SecondsPath", json!("$.a"), "needs one of Seconds, Timestamp"),
        ("/States/Load/ResultPath", json!("$.a"), "ResultPath: is of JSONPath"),
    ] {
        let mut machine = in_jsonata();
        let (parent, member) = pointer.rsplit_once('/').unwrap();
        machine.pointer_mut(parent).unwrap()[member] = value;
        let said = refused(with(machine, &input));
        assert!(said.contains(part), "{part}: {said}");
    }
}

#[test]
fn a_wait_before_the_task_is_a_start_time() {
    let with = |wait: Value| {
        let mut state = json!({"Type": "Wait", "Next": "Run"});
        state.as_object_mut().unwrap().extend(wait.as_object().unwrap().clone());
        let run = json!({"Type": "Task", "Resource": "arn:aws:states:::ecs:runTask", "End": true, "Parameters": {"TaskDefinition": "etl"}});
        let machine = json!({"StartAt": "First", "States": {"First": {"Type": "Wait", "Seconds": 60, "Next": "Wait"}, "Wait": state, "Run": run}});
        json!({"name": "n", "stateMachine": machine, "input": {"at": "2026-11-22T04:00:00Z", "for": 5}})
    };
    let at = |wait: Value| accept(with(wait)).unwrap().spec.start_at.unwrap().to_string();
    assert_eq!(at(json!({"Seconds": 5})), "2026-11-22T03:01:05.000Z");
    assert_eq!(at(json!({"SecondsPath": "$.for"})), "2026-11-22T03:01:05.000Z");
    assert_eq!(at(json!({"TimestampPath": "$.at"})), "2026-11-22T04:00:00.000Z");
    assert_eq!(at(json!({"Timestamp": "2020-01-01T00:00:00Z"})), "2026-11-22T03:01:00.000Z", "past");
    for (wait, part) in [
        (json!({"SecondsPath": "$.at"}), "SecondsPath: expected a whole number of seconds"),
        (json!({"Timestamp": "tomorrow"}), "Timestamp: expected an instant"),
        (
            json!({"Timestamp": "2029-01-01T00:00:00Z"}),
            "startAt: 2029-01-01T00:00:00.000Z is more than 366 days from now",
        ),
        (json!({"Seconds": 1, "Timestamp": "2026-11-22T04:00:00Z"}), "needs one of"),
        (json!({}), "needs one of"),
    ] {
        let said = refused(with(wait));
        assert!(said.contains(part), "{part}: {said}");
    }
    // The same document later is the same request, whatever its instants.
    let noon = crate::core::time::Timestamp::parse("2026-11-22T12:00:00Z").unwrap();
    let [one, two] = [self::at(7), Acceptance::new(noon, uuid::Uuid::from_u128(8))]
        .map(|at| RunRequest::accept(with(json!({"Seconds": 5})), &at).unwrap());
    assert_ne!(one.spec, two.spec);
    assert_eq!(one.digest(), two.digest());
}

/// A machine with one member somewhere replaced by something else.
fn mutated() -> impl Strategy<Value = Value> {
    let places = [
        "",
        "/States",
        "/States/Prepare",
        "/States/Which",
        "/States/Which/Choices/0",
        "/States/Load",
        "/States/Load/Parameters",
        "/States/Tell",
        "/States/Tell/Parameters",
        "/States/Load/Catch/0",
    ];
    let names = [
        "Type",
        "StartAt",
        "States",
        "Next",
        "Choices",
        "Default",
        "Parameters",
        "X.$",
        "ResultPath",
        "InputPath",
        "OutputPath",
        "Assign",
        "Variable",
        "And",
        "Not",
        "StringMatches",
        "Catch",
        "Prepare",
        "Result",
        "QueryLanguage",
        "Output",
        "Condition",
        "Seconds",
        "Arguments",
    ];
    let values = [
        json!(null),
        json!("$"),
        json!("$.a"),
        json!("$$"),
        json!("Load"),
        json!([]),
        json!({}),
        json!([{}]),
        json!(0),
        json!("States.UUID()"),
        json!("$..*..*"),
        json!("Map"),
        json!({"a.$": "$"}),
        json!("$.task.x.y[0]"),
        json!("**\\*"),
        json!("{% $states.input %}"),
        json!("{% $states.result.x & $states.context.Execution.Name %}"),
        json!("{% [1..1e9] %}"),
        json!("{% "),
        json!("Wait"),
        json!("JSONata"),
    ];
    let change = (
        prop::sample::select(places.to_vec()),
        prop::sample::select(names.to_vec()),
        prop::sample::select(values.to_vec()),
    );
    let machines = prop::sample::select(vec![machine(), in_jsonata()]);
    (machines, prop::collection::vec(change, 1..4)).prop_map(|(machine, changes)| {
        let mut machine = machine;
        for (place, name, value) in changes {
            if let Some(Value::Object(members)) = machine.pointer_mut(place) {
                members.insert(name.to_owned(), value);
            }
        }
        machine
    })
}

proptest! {
    #[test]
    fn no_machine_panics_and_what_is_taken_reads_back(machine in mutated(), named in any::<bool>()) {
        let state = if named { Some("Load") } else { None };
        let request = with_input(machine, state, Some(input())).unwrap_or(Value::Null);
        if let Ok(request) = accept(request) {
            prop_assert_eq!(&RunRequest::from_value(request.to_value()).unwrap().spec, &request.spec);
        }
    }
}
