//! State machines and other people's documents, whole: a machine with its input through `run`, the requests queue and the API; and
//! what `convert` prints, taken by `run`.

use std::io::Write as _;
use std::process::{Output, Stdio};

use serde_json::{Value, json};
use taskwatch::core::run::Status;

use crate::cli::{Local, stderr, stdout, taskwatch};
use crate::support::fakes::{World, eventually};

/// Chooses in JSONata, loads, and tells.
fn machine() -> Value {
    json!({"QueryLanguage": "JSONata", "StartAt": "Which", "States": {
        "Which": {"Type": "Choice", "Default": "Nothing", "Choices": [
            {"Condition": "{% $count($states.input.files) > 1 %}", "Next": "Load", "Assign": {"first": "{% $states.input.files[0] %}"}}]},
        "Nothing": {"Type": "Succeed"},
        "Load": {"Type": "Task", "Resource": "arn:aws:states:::ecs:runTask.sync", "End": true,
            "Arguments": {"Cluster": "batch", "TaskDefinition": "app", "LaunchType": "FARGATE",
                "NetworkConfiguration": {"AwsvpcConfiguration": {"Subnets": ["subnet-0a"]}},
                "Overrides": {"ContainerOverrides": [{"Name": "app", "Command": "{% ['exit', $states.input.code] %}",
                    "Environment": [{"Name": "FILE", "Value": "{% 's3://in/' & $first %}"}]}]}}}}})
}

fn with_stdin(arguments: &[&str], endpoint: Option<&str>, stdin: &str) -> Output {
    let mut command = taskwatch();
    command.args(arguments).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command.envs(endpoint.map(|url| ("AWS_ENDPOINT_URL", url)));
    let mut child = command.spawn().expect("taskwatch");
    child.stdin.take().expect("stdin").write_all(stdin.as_bytes()).expect("written");
    child.wait_with_output().expect("an end")
}

#[test]
fn run_takes_a_machine_in_jsonata_with_its_input_and_exits_as_its_task_does() {
    let local = Local::start();
    for (files, code, exit) in [(json!(["a", "b"]), "0", 0), (json!(["a", "b"]), "3", 3), (json!(["a"]), "0", 2)] {
        let input = json!({"files": files, "code": code}).to_string();
        let output = with_stdin(&["run", "-", "--input", &input], Some(&local.1), &machine().to_string());
        assert_eq!(output.status.code(), Some(exit), "{input}: {}", stderr(&output));
        if exit == 2 {
            assert!(
                stderr(&output).contains("States[\"Nothing\"]: with this input the machine succeeds"),
                "{}",
                stderr(&output)
            );
            continue;
        }
        let result: Value = serde_json::from_str(&stdout(&output)).expect("JSON");
        let container = &result["runTask"]["overrides"]["containerOverrides"][0];
        assert_eq!(
            (&container["command"], &container["environment"][0]["value"]),
            (&json!(["exit", code]), &json!("***"))
        );
    }
}

#[tokio::test(start_paused = true)]
async fn the_requests_queue_and_the_api_take_the_same_machine_as_the_same_run() {
    let world = World::new();
    let cell = world.start().await;
    let body = json!({"name": "nightly", "queue": "team-a", "stateMachine": machine(), "input": {"files": ["a", "b"], "code": "0"}});
    world.requests.put(&body.to_string());
    world.requests.put(&json!({"name": "none", "stateMachine": machine(), "input": {"files": []}}).to_string());
    eventually("both are deleted", || world.requests.deleted() == 2).await;
    assert!(world.journal.of("Send dlq").iter().any(|line| line.contains("succeeds here")), "a refusal says why");
    let request = taskwatch::core::request::RunRequest::accept(body, &cell.acceptance()).expect("a request");
    let again = cell.submit(request).await.expect("taken");
    assert!(again.existing, "by the API it is the same run");
    let run = cell.run(again.runs[0].id).expect("the run");
    assert_eq!((cell.runs().len(), run.spec.queue.as_str()), (1, "team-a"));
    let container = &run.spec.run_task.members()["overrides"]["containerOverrides"][0];
    assert_eq!(container["environment"][0]["value"], "s3://in/a");
    eventually("a task", || cell.run(run.id).is_some_and(|run| run.status == Status::Starting)).await;
}

#[test]
fn convert_prints_requests_that_run_takes_and_says_on_stderr_what_is_left_out() {
    let target = json!({"Targets": [{"Id": "nightly", "Arn": "arn:aws:ecs:us-east-1:123456789012:cluster/batch", "RoleArn": "arn:aws:iam::1:role/x",
        "EcsParameters": {"TaskDefinitionArn": "app", "LaunchType": "FARGATE",
            "NetworkConfiguration": {"awsvpcConfiguration": {"Subnets": ["subnet-0a"]}}}}]})
    .to_string();
    let script = "#!/bin/sh\nset -e\nARN=(aws --region us-east-1 ecs run-task \\\n  --cluster batch --task-definition 'app' --count 2 \\\n  \
                  --overrides '{\"containerOverrides\": [{\"name\": \"app\", \"command\": [\"load it\"]}]}')\n";
    let yaml = "StartAt: Run\nStates:\n  Run:\n    Type: Task\n    Resource: arn:aws:states:::ecs:runTask.sync\n    End: true\n    Parameters:\n      \
                TaskDefinition.$: $.task\n";
    for (text, flags, pointer, value, note) in [
        (
            target.as_str(),
            vec![],
            "/runTask/launchType",
            json!("FARGATE"),
            "RoleArn: taskwatch calls RunTask with its own role",
        ),
        (script, vec![], "/runTask/overrides/containerOverrides/0/command", json!(["load it"]), ""),
        (yaml, vec!["--input", "{\"task\": \"app\"}"], "/runTask/taskDefinition", json!("app"), ""),
        (
            "{\"retryStrategy\": {\"attempts\": 3}, \"jobDefinitionName\": \"app\"}",
            vec![],
            "/retry/0/MaxAttempts",
            json!(2),
            "register",
        ),
    ] {
        let output = with_stdin(&[&["convert", "-"][..], &flags].concat(), None, text);
        assert_eq!(output.status.code(), Some(0), "{text}: {}", stderr(&output));
        let printed: Value = serde_json::from_str(&stdout(&output)).expect("JSON");
        assert_eq!(printed.pointer(pointer), Some(&value), "{printed}");
        assert!(stderr(&output).contains(note), "{}", stderr(&output));
        let dry = with_stdin(&["run", "-", "--dry-run"], None, &printed.to_string());
        assert_eq!(dry.status.code(), Some(0), "{printed}: {}", stderr(&dry));
    }
    for (text, part) in [
        ("aws ecs run-task --cluster $CLUSTER --task-definition x", "has its value in the shell only"),
        ("aws ecs run-task --colour red", "--colour"),
        ("{\"Targets\": [{\"Id\": \"x\"}]}", "there is nothing to run"),
        ("hello", "-: not JSON"),
    ] {
        let output = with_stdin(&["convert", "-"], None, text);
        let said = stderr(&output);
        assert!(output.status.code() == Some(2) && said.contains(part) && said.lines().count() == 1, "{text}: {said}");
    }
    let given = with_stdin(&["run", "-", "--dry-run"], None, &target);
    assert!(stderr(&given).contains("taskwatch convert FILE prints its run request"), "{}", stderr(&given));
}
