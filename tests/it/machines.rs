//! State machines and other people's documents, whole: a machine with its input through `run`, the requests queue and the API; and
//! what `convert` prints, taken by `run`.

use std::io::Write as _;
use std::process::{Output, Stdio};

use serde_json::{Value, json};
use taskwatch::core::run::Status;

use crate::cli::{Killed, Local, stderr, stdout, taskwatch};
use crate::support::fakes::{World, eventually};
use crate::support::said::Said;

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
            "TASK=app\naws ecs run-task --cluster $CLUSTER --task-definition \"${TASK}\"",
            vec!["--set", "CLUSTER=batch"],
            "/runTask/cluster",
            json!("batch"),
            "",
        ),
        (
            "{\"taskDefinition\": \"${Task}\", \"networkConfiguration\": {\"awsvpcConfiguration\": {\"subnets\": ${Subnets}}}}",
            vec!["--set", "Task=app", "--set", "Subnets=[\"subnet-0a\"]"],
            "/runTask/networkConfiguration/awsvpcConfiguration/subnets/0",
            json!("subnet-0a"),
            "",
        ),
        (
            "{\"retryStrategy\": {\"attempts\": 3}, \"jobDefinitionName\": \"app\"}",
            vec![],
            "/retry/0/MaxAttempts",
            json!(2),
            "register",
        ),
        (
            "aws ecs run-task --task-def app --started-by ci --query 'tasks[0].taskArn' --no-cli-pager",
            vec![],
            "/runTask/startedBy",
            Value::Null,
            "--started-by ci is left out: taskwatch marks its tasks there to know their events; name the run with --name ci,",
        ),
    ] {
        let output = with_stdin(&[&["convert", "-"][..], &flags].concat(), None, text);
        assert_eq!(output.status.code(), Some(0), "{text}: {}", stderr(&output));
        let printed: Value = serde_json::from_str(&stdout(&output)).expect("JSON");
        assert_eq!(printed.pointer(pointer).unwrap_or(&Value::Null), &value, "{printed}");
        assert!(stderr(&output).contains(note), "{}", stderr(&output));
        let dry = with_stdin(&["run", "-", "--dry-run"], None, &printed.to_string());
        assert_eq!(dry.status.code(), Some(0), "{printed}: {}", stderr(&dry));
    }
    for (text, part) in [
        ("aws ecs run-task --cluster $CLUSTER --task-definition x", "$CLUSTER has its value in the shell only"),
        ("aws ecs run-task --cluster $(x) --task-definition x", "has its value in the shell only"),
        (
            "StartAt: Run\nStates: {Run: {Type: Task, Resource: 'arn:aws:states:::ecs:runTask', Parameters: {TaskDefinition: !Ref Task}}}",
            "--set Task=VALUE",
        ),
        ("aws ecs run-task --colour red", "unexpected argument '--colour' found; a similar argument exists: '--color'"),
        ("aws ecs run-task --task-definition x --no-verify-ssl", "--no-verify-ssl: taskwatch does not call"),
        ("aws ecs run-task --task-definition x --client-token a", "--client-token: taskwatch gives"),
        (
            "aws ecs run-task --task-definition x --output bogus",
            "'bogus' for '--output <OUTPUT>' [possible values: json, table",
        ),
        ("{\"Targets\": [{\"Id\": \"x\"}]}", "there is nothing to run"),
        ("hello", "-: not JSON"),
    ] {
        let output = with_stdin(&["convert", "-"], None, text);
        let said = stderr(&output);
        assert!(output.status.code() == Some(2) && said.contains(part) && said.lines().count() == 1, "{text}: {said}");
    }
    what_is_converted_beside_another_is_printed();
    let given = with_stdin(&["run", "-", "--dry-run"], None, &target);
    assert!(stderr(&given).contains("taskwatch convert FILE prints its run request"), "{}", stderr(&given));
}

/// Of a file with several, what cannot be converted is named by its own name, and the exit code says so.
fn what_is_converted_beside_another_is_printed() {
    let rule = |target: Value| json!({"Type": "AWS::Events::Rule", "Properties": {"Targets": [target]}});
    let target = |cluster: Value| json!({"Id": "a", "Arn": cluster, "EcsParameters": {"TaskDefinitionArn": "app"}});
    let template = |cluster: Value| {
        json!({"Conditions": {"IsProd": {"Fn::Equals": [{"Ref": "Env"}, "prod"]}},
            "Resources": {"One": rule(target(json!("batch"))), "Two": rule(target(cluster))}})
        .to_string()
    };
    let undecided = template(json!({"Fn::If": ["IsProd", "prod", "dev"]}));
    for (text, code, requests, part) in [
        (
            "aws ecs run-task --task-definition a\naws ecs run-task --task-definition $B\n",
            2,
            1,
            "not converted: $B has",
        ),
        ("aws ecs run-task --task-definition a\nawslocal ecs run-task --task-definition b\n", 0, 2, ""),
        (undecided.as_str(), 2, 1, "not converted: Resources.Two: "),
        (undecided.as_str(), 2, 1, "--set Condition.IsProd=true or =false"),
        (&template(json!("other")), 0, 2, "stays EventBridge's"),
    ] {
        let output = with_stdin(&["convert", "-"], None, text);
        let printed: Value = serde_json::from_str(&stdout(&output)).expect("JSON");
        let count = printed.as_array().map_or(1, Vec::len);
        let said = stderr(&output);
        assert_eq!((output.status.code(), count), (Some(code), requests), "{text}: {said}");
        assert!(said.contains(part), "{text}: {said}");
    }
    let decided = with_stdin(&["convert", "-", "--set", "Condition.IsProd=true"], None, &undecided);
    assert!(decided.status.success() && stdout(&decided).contains("\"prod\""), "{}", stderr(&decided));
    for command in [&["convert", "-"][..], &["run", "-", "--dry-run"]] {
        let twice = with_stdin(command, None, "{\"taskDefinition\": \"a\", \"cluster\": \"b\", \"cluster\": \"c\"}");
        let said = stderr(&twice);
        assert!(twice.status.code() == Some(2) && said.contains("the member \"cluster\" is there twice"), "{said}");
    }
}

/// `taskwatch serve` on its own path in `local`: itself, its URL, and its requests queue's.
async fn serve(local: &Local) -> (Killed, String, String) {
    let mut setup = taskwatch();
    setup.args(["setup", "--cell", "machines", "--output", "json"]).env("AWS_ENDPOINT_URL", &local.1);
    let made = tokio::task::spawn_blocking(move || setup.output().expect("setup")).await.expect("its end");
    let made: Value = serde_json::from_slice(&made.stdout).unwrap_or_else(|e| panic!("{e}: {}", stderr(&made)));
    let mut command = taskwatch();
    for (name, value) in made["environment"].as_object().expect("the environment") {
        command.env(name, value.as_str().expect("a text"));
    }
    command.arg("serve").env("AWS_ENDPOINT_URL", &local.1);
    command.envs([
        ("TASKWATCH_STORE", "memory:"),
        ("TASKWATCH_LISTEN", "127.0.0.1:0"),
        ("TASKWATCH_LOG_FORMAT", "json"),
    ]);
    let mut cell = Killed(command.stdin(Stdio::null()).stderr(Stdio::piped()).spawn().expect("serve"));
    let said = Said::by(cell.0.stderr.take().expect("stderr"));
    let serving: Value = serde_json::from_str(&said.line_with("\"serving\"").await).expect("JSON");
    let address = serving["fields"]["address"].as_str().expect("an address").to_owned();
    let queue = made["environment"]["TASKWATCH_REQUESTS_QUEUE_URL"].as_str().expect("a URL").to_owned();
    (cell, format!("http://{address}"), queue)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_machine_with_its_input_runs_to_its_end_through_the_requests_queue_and_the_api() {
    let local = Local::start();
    let (_cell, server, queue) = serve(&local).await;
    let client = reqwest::Client::new();
    let request = |name: &str, code: &str| {
        let input = json!({"files": ["a", "b"], "code": code});
        json!({"name": name, "queue": "team-a", "stateMachine": machine(), "stateName": "Load", "input": {"files": ["a"], "code": code, "first": input["files"][0]}})
    };
    // By the queue: one that ends well, one that fails, and one that is refused.
    for body in [
        request("by-queue", "0"),
        request("fails", "3"),
        json!({"name": "none", "stateMachine": machine(), "input": {"files": []}}),
    ] {
        let message = json!({"QueueUrl": queue, "MessageBody": body.to_string()});
        let sent = client
            .post(&local.1)
            .header("x-amz-target", "AmazonSQS.SendMessage")
            .header("content-type", "application/x-amz-json-1.0")
            .body(message.to_string());
        assert!(sent.send().await.expect("an answer").status().is_success());
    }
    // By the API: another, one of the same name and body, and one that is refused.
    let post = async |body: Value| {
        let sent = client.post(format!("{server}/v1/runs")).json(&body).send().await.expect("an answer");
        (sent.status().as_u16(), sent.json::<Value>().await.expect("JSON"))
    };
    let whole = json!({"name": "by-api", "stateMachine": machine(), "input": {"files": ["a", "b"], "code": "0"}});
    assert_eq!(post(whole.clone()).await.0, 202);
    assert_eq!(post(whole).await.0, 202, "the same is no other");
    let (_, said) = post(json!({"stateMachine": machine(), "input": {"files": []}})).await;
    assert!(said.to_string().contains("with this input the machine succeeds here"), "{said}");
    for (name, status) in [("by-queue", "SUCCEEDED"), ("fails", "FAILED"), ("by-api", "SUCCEEDED")] {
        let ended = async || {
            let Ok(answer) = client.get(format!("{server}/v1/runs/{name}")).send().await else { return false };
            let run = answer.json::<Value>().await.unwrap_or_default();
            let container = &run["runTask"]["overrides"]["containerOverrides"][0];
            run["status"] == status && container["environment"][0]["value"] == "***"
        };
        crate::support::polled::eventually(name, ended).await;
    }
    let none = client.get(format!("{server}/v1/runs/none")).send().await.expect("an answer");
    assert_eq!(none.status().as_u16(), 404);
}
