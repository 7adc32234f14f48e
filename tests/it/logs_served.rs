//! The lines of containers by a serving cell, as `taskwatch logs`, `show --logs` and `run --follow` show them; and out of a CloudWatch
//! Logs that others wrote.

use std::process::Output;
use std::time::Duration;

use serde_json::{Value, json};
use taskwatch::core::task::parse_task;

use super::cli::{stderr, stdout};
use super::emulators::clients;
use super::logs::{scripted, talks};
use super::observed::Serving;
use super::setup::Account;
use super::support::emulator::Emulator;
use super::support::python;

/// The lines that a command has on stdout.
fn lines(output: &Output) -> Vec<String> {
    stdout(output).lines().map(str::to_owned).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_serving_cell_shows_lines_to_logs_show_and_run() {
    let dir = tempfile::tempdir().expect("a directory");
    let local = scripted(&talks(60));
    let mut account = Account::at(&local.1);
    account.set_up(&["--cell", "blue", "--cluster", "batch"]).await;
    let serving = Serving::start(&account, &local.1);
    serving.is_up().await;
    let at = ["--server", &serving.url];
    let run = async |family: &str, more: &[&str]| {
        let request = json!({"name": family, "until": "stopped", "retry": [],
            "runTask": {"cluster": "batch", "taskDefinition": family, "launchType": "FARGATE",
                "networkConfiguration": {"awsvpcConfiguration": {"subnets": ["subnet-0a"]}}}});
        let file = dir.path().join(format!("{family}.json"));
        std::fs::write(&file, request.to_string()).expect("a request");
        let file = file.to_str().expect("a path").to_owned();
        account.run(&[&["run", &file], &at[..], more].concat()).await
    };
    let all = ["loading 1", "loading 2", "no space left on device"];

    let followed = run("talks", &["--follow"]).await;
    assert_eq!(followed.status.code(), Some(3), "{}", stderr(&followed));
    let said = stderr(&followed);
    let shown: Vec<&str> = said.lines().filter_map(|line| line.strip_prefix("| ")).collect();
    assert_eq!(shown, all, "{said}");
    assert!(said.contains("its log: taskwatch logs talks"), "what is told works: {said}");

    let logs = account.run(&[&["logs", "talks"], &at[..]].concat()).await;
    assert_eq!((logs.status.code(), lines(&logs)), (Some(0), all.map(str::to_owned).to_vec()), "{}", stderr(&logs));
    let asked = ["logs", "talks", "--attempt", "1", "--container", "talks", "--lines", "1"];
    let last = account.run(&[&asked[..], &at[..]].concat()).await;
    assert_eq!(lines(&last), ["no space left on device"]);
    let followed = account.run(&[&["logs", "talks", "--follow"], &at[..]].concat()).await;
    assert_eq!((followed.status.code(), lines(&followed)), (Some(0), all.map(str::to_owned).to_vec()));
    let answer = account.run(&[&["logs", "talks", "--output", "json"], &at[..]].concat()).await;
    let answer: Value = serde_json::from_str(&stdout(&answer)).expect("JSON");
    assert_eq!(
        (&answer["driver"], &answer["group"], &answer["over"]),
        (&json!("awslogs"), &json!("/ecs/talks"), &json!(true))
    );
    let shown = account.run(&[&["show", "talks", "--logs"], &at[..]].concat()).await;
    assert!(all.iter().all(|line| stdout(&shown).contains(line)), "{}{}", stdout(&shown), stderr(&shown));

    assert_eq!(run("never", &[]).await.status.code(), Some(125));
    for (asked, code, says) in [
        (&["never"][..], 1, "the log stream is not there"),
        (&["talks", "--attempt", "2"], 1, "attempt 2"),
        (&["talks", "--container", "nobody"], 1, "no container \"nobody\", only talks"),
        (&["nobody"], 1, "nobody"),
        (&["talks", "--lines", "0"], 2, "--lines"),
    ] {
        let output = account.run(&[&["logs"], asked, &at[..]].concat()).await;
        assert_eq!(output.status.code(), Some(code), "{asked:?}: {}", stderr(&output));
        assert!(stderr(&output).contains(says) && stdout(&output).is_empty(), "{asked:?}: {}", stderr(&output));
    }
}

/// Groups, streams and lines as moto keeps them, and a task definition of its ECS.
const MADE: &str = r#"
import sys, time, boto3
of = lambda service: boto3.client(service, endpoint_url=sys.argv[1])
logs, ecs = of("logs"), of("ecs")
logs.create_log_group(logGroupName="shared")
now = int(time.time() * 1000)
for stream, lines in (("app/app/mine", [f"mine {n}" for n in range(120)]), ("0a1b" * 16, ["by its id"]), ("theirs", ["theirs"])):
    logs.create_log_stream(logGroupName="shared", logStreamName=stream)
    events = [{"timestamp": now + n, "message": line} for n, line in enumerate(lines)]
    logs.put_log_events(logGroupName="shared", logStreamName=stream, logEvents=events)
for family, prefix in (("with", {"awslogs-stream-prefix": "app"}), ("without", {})):
    log = {"logDriver": "awslogs", "options": {"awslogs-group": "shared", "awslogs-region": "us-east-1", **prefix}}
    container = {"name": "app", "image": "app:1", "memory": 128, "essential": True, "logConfiguration": log}
    ecs.register_task_definition(family=family, containerDefinitions=[container])
"#;

#[tokio::test(flavor = "multi_thread")]
async fn moto_has_the_lines_of_a_task_and_never_shows_those_of_another() {
    let moto = Emulator::moto();
    let made = python::command().args(["-c", MADE, &moto.endpoint()]).output().expect("python");
    assert!(made.status.success(), "{}", stderr(&made));
    // Of moto a second is not asked more calls than of AWS, but for this test's sake.
    let reader = clients(&moto).await.log_reader(100.0);
    let read = async |family: &str, id: &str, runtime_id: &str, most: u32| {
        let task = json!({"taskArn": format!("arn:aws:ecs:us-east-1:123456789012:task/batch/{id}"), "lastStatus": "STOPPED",
            "taskDefinitionArn": format!("arn:aws:ecs:us-east-1:123456789012:task-definition/{family}:1"),
            "containers": [{"name": "app", "lastStatus": "STOPPED", "exitCode": 3, "runtimeId": runtime_id}]});
        let task = parse_task(&task);
        let read = reader.of_task(&task, &[], most);
        let read = tokio::time::timeout(Duration::from_secs(30), read).await.expect("an answer");
        read.map(|(_, lines)| lines.into_iter().map(|line| line.text).collect::<Vec<_>>())
    };
    let last = read("with", "mine", "ffff", 50).await.expect("lines");
    assert_eq!((last.len(), last[0].as_str(), last[49].as_str()), (50, "mine 70", "mine 119"));
    assert_eq!(read("without", "mine", &"0a1b".repeat(16), 50).await.expect("lines"), ["by its id"]);
    let nobodys =
        read("without", "mine", &"ffff".repeat(16), 50).await.expect_err("another task's lines are not its own");
    assert!(nobodys.contains("the log stream is not there"), "{nobodys}");
}
