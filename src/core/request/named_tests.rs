//! States by their names, and what reaches them.

use serde_json::json;

use super::machine_tests::{accept, refused};
use super::*;

/// Constants, a Lambda function, a variable of it, a task in a branch behind them, and a task where they fail.
fn around() -> Value {
    let task = |parameters: Value| json!({"Type": "Task", "Resource": "arn:aws:states:::ecs:runTask.sync", "End": true, "Parameters": parameters});
    json!({"StartAt": "Constants", "States": {
        "Constants": {"Type": "Pass", "Result": {"cluster": "batch"}, "ResultPath": "$.config",
            "Assign": {"day.$": "$$.Execution.Input.day"}, "Next": "Pause"},
        "Pause": {"Type": "Wait", "Seconds": 60, "Next": "Fetch"},
        "Fetch": {"Type": "Task", "Resource": "arn:aws:states:::lambda:invoke", "ResultPath": "$.fetched",
            "Assign": {"key.$": "$.Payload.key"}, "Next": "Which",
            "Catch": [{"ErrorEquals": ["States.ALL"], "ResultPath": "$.error", "Next": "Clean"}]},
        "Which": {"Type": "Choice", "Default": "Both", "Choices": [{"Variable": "$.fetched.none", "BooleanEquals": true, "Next": "Nothing"}]},
        "Nothing": {"Type": "Succeed"},
        "Both": {"Type": "Parallel", "End": true, "Parameters": {"config.$": "$.config", "day.$": "$day", "fetched.$": "$.fetched"}, "Branches": [
            {"StartAt": "Known", "States": {"Known": task(json!({"TaskDefinition": "etl", "Cluster.$": "$.config.cluster", "Group.$": "$.day"}))}},
            {"StartAt": "Hidden", "States": {"Hidden": task(json!({"TaskDefinition": "etl", "Cluster.$": "$.config.cluster", "Group.$": "$.fetched.key"}))}},
            {"StartAt": "Variable", "States": {"Variable": task(json!({"TaskDefinition": "etl", "Cluster": "c", "Group.$": "States.Format('{}-{}', $key, $day)"}))}}]},
        "Clean": task(json!({"TaskDefinition": "clean", "Cluster.$": "$.config.cluster"}))}})
}

#[test]
fn what_reaches_a_named_state_is_the_input_or_what_the_states_before_make_of_it() {
    let by = |name: &str, input: Value| accept(json!({"stateMachine": around(), "stateName": name, "input": input}));
    let task = |name: &str, input: Value| {
        let request = by(name, input).unwrap();
        let members = request.spec.run_task.members();
        (request.spec.start_at, request.spec.run_task.cluster().to_owned(), members.get("group").cloned())
    };
    // From the execution's input, through the states that are known.
    assert_eq!(task("Known", json!({"day": "sunday"})), (None, "batch".to_owned(), Some(json!("sunday"))));
    assert_eq!(task("Clean", json!({"day": "sunday"})), (None, "batch".to_owned(), None));
    // The state's own input goes before.
    let own = json!({"config": {"cluster": "mine"}, "day": "monday", "fetched": {"key": "k"}});
    assert_eq!(task("Known", own.clone()), (None, "mine".to_owned(), Some(json!("monday"))));
    assert_eq!(task("Hidden", own), (None, "mine".to_owned(), Some(json!("k"))));
    // A variable of what is not known is given by its name.
    assert_eq!(task("Variable", json!({"day": "sunday", "key": "k"})), (None, "c".to_owned(), Some(json!("k-sunday"))));
    for (name, input, part) in [
        (
            "Hidden",
            json!({"day": "sunday"}),
            "States[\"Hidden\"].Parameters.Cluster.$: \"$.config.cluster\": $ has no \"config\"; give it with --input (\"input\" in a \
             request); what \"Fetch\" gives is not known here",
        ),
        (
            "Variable",
            json!({"day": "sunday"}),
            "the variable $key is of the states before this one: give it with --input (\"input\" in a request) as the member \"key\"",
        ),
        ("Known", json!({}), "$ has no \"config\"; give it with --input"),
    ] {
        let said = by(name, input).unwrap_err();
        assert!(said.contains(part) && !said.contains('\n'), "{part}: {said}");
    }
}

#[test]
fn a_named_state_of_a_machine_in_jsonata_has_its_variables_and_chance_is_drawn_once() {
    let machine = json!({"QueryLanguage": "JSONata", "StartAt": "Name", "States": {
        "Name": {"Type": "Pass", "Assign": {"id": "{% $uuid() %}", "cluster": "{% $states.input.cluster %}"},
            "Output": {"id": "{% $uuid() %}", "size": "{% $states.input.size %}"}, "Next": "Fetch"},
        "Fetch": {"Type": "Task", "Resource": "arn:aws:states:::lambda:invoke", "Arguments": {},
            "Output": {"id": "{% $states.input.id %}", "file": "{% $states.result.file %}"}, "Next": "Size"},
        "Size": {"Type": "Choice", "Choices": [{"Condition": "{% $states.input.file = 'none' %}", "Next": "Done"}], "Default": "Load"},
        "Done": {"Type": "Succeed"},
        "Load": {"Type": "Task", "Resource": "arn:aws:states:::ecs:runTask", "End": true, "Arguments": {"TaskDefinition": "etl",
            "Cluster": "{% $cluster %}", "Group": "{% $states.input.id & ' ' & $id %}"}},
        "File": {"Type": "Task", "Resource": "arn:aws:states:::ecs:runTask", "End": true, "Arguments": {"TaskDefinition": "etl",
            "Cluster": "{% $cluster %}", "Group": "{% $states.input.file %}"}}}});
    let by = |name: &str, input: Value| {
        accept(json!({"stateMachine": machine, "stateName": name, "input": input, "name": "n"}))
    };
    let request = by("Load", json!({"cluster": "c", "id": "given"})).unwrap();
    let group = request.spec.run_task.members()["group"].as_str().unwrap();
    assert!(group.starts_with("given ") && group.len() == 42 && request.spec.run_task.cluster() == "c", "{group}");
    // What cannot be evaluated takes nothing else with it: here there is no size.
    let said = by("File", json!({"cluster": "c"})).unwrap_err();
    assert!(said.contains("States[\"File\"].Arguments.Group: \"{% $states.input.file %}\": has no value"), "{said}");
}

#[test]
fn the_way_to_a_named_state_is_bounded() {
    let mut states = serde_json::Map::new();
    let count = 4000;
    for n in 0..count {
        let next = if n + 1 == count { "Run".to_owned() } else { format!("S{}", n + 1) };
        states.insert(format!("S{n}"), json!({"Type": "Pass", "Next": next}));
    }
    states.insert(
        "Run".to_owned(),
        json!({"Type": "Task", "Resource": "arn:aws:states:::ecs:runTask", "End": true,
        "Parameters": {"TaskDefinition.$": "$.task"}}),
    );
    states.insert("Round".to_owned(), json!({"Type": "Pass", "Next": "Round"}));
    for start in ["S0", "Round", "S3900", "Nowhere"] {
        let machine = json!({"StartAt": start, "States": states});
        let input = json!({"big": "x".repeat(100_000), "list": vec![0; 10_000]});
        let said = refused(json!({"stateMachine": machine, "stateName": "Run", "input": input}));
        assert!(said.contains("$ has no \"task\"; give it with --input"), "{start}: {said}");
    }
}

#[test]
fn a_task_without_parameters_takes_its_input_as_the_request_and_states_may_come_without_a_machine() {
    let run = json!({"Type": "Task", "Resource": "arn:aws:states:::ecs:runTask.sync", "End": true});
    let input = json!({"TaskDefinition": "etl", "Cluster": "c"});
    let machine = json!({"StartAt": "Run", "States": {"Run": run}});
    for value in [
        json!({"stateMachine": machine, "input": input}),
        json!({"stateMachine": run, "input": input}),
        json!({"stateMachine": {"Run": run}, "input": input}),
        json!({"stateMachine": {"Before": {"Type": "Pass", "Next": "Run"}, "Run": run}, "input": input}),
        json!({"Run": {"Type": "Task", "Resource": "arn:aws:states:::ecs:runTask.sync", "End": true, "Parameters": input}}),
    ] {
        let request = accept(value.clone()).unwrap_or_else(|error| panic!("{value}: {error}"));
        assert_eq!((request.spec.run_task.cluster(), request.spec.until), ("c", Goal::Stopped));
    }
    assert!(refused(machine).contains("without them its input is the RunTask request: give it with --input"));
    let two = refused(json!({"A": {"Type": "Task", "Resource": "arn:aws:states:::ecs:runTask", "Parameters": input},
        "B": {"Type": "Task", "Resource": "arn:aws:states:::ecs:runTask", "Parameters": input}}));
    assert!(
        two.contains("StartAt: expected the name of a state") && two.contains("--state \"A\" or --state \"B\""),
        "{two}"
    );
    let waits = json!({"Type": "Task", "Resource": "arn:aws:states:::ecs:runTask.waitForTaskToken", "End": true, "Parameters": input});
    assert!(refused(waits).contains("a token that the container answers is made by Step Functions alone"));
}
