//! `taskwatch explain` with whatever people have at hand: reasons, ids, other formats.

use std::io::Write as _;
use std::process::{Output, Stdio};

use serde_json::Value;

use crate::cli::{Local, stderr, stdout, taskwatch};

/// `explain` with these arguments and this text on stdin.
fn explain(arguments: &[&str], stdin: &str) -> Output {
    let mut command = taskwatch();
    command.arg("explain").args(arguments).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().expect("taskwatch");
    child.stdin.take().expect("stdin").write_all(stdin.as_bytes()).expect("written");
    child.wait_with_output().expect("an end")
}

#[test]
fn a_reason_is_explained_as_an_argument_and_from_stdin() {
    let reason = "CannotPullContainerError: ref pull has been retried 5 time(s): dial tcp 1.2.3.4:443: i/o time";
    for (arguments, stdin) in [(&[reason][..], ""), (&["-"], reason), (&[], reason)] {
        let output = explain(arguments, stdin);
        let told = stdout(&output);
        assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
        assert!(told.contains("CannotPullContainerError (Taskwatch.Image, Taskwatch.Elsewhere)"), "{told}");
        assert!(told.contains("the registry cannot be reached") && stderr(&output).is_empty(), "{told}");
    }
    let output = explain(&["Essential container in task exited", "--output", "json"], "");
    let tasks: Vec<Value> = serde_json::from_str(&stdout(&output)).expect("an array");
    assert_eq!((&tasks[0]["class"], &tasks[0]["taskArn"]), (&"Taskwatch.Host".into(), &Value::Null));
}

#[test]
fn what_explains_nothing_says_what_to_give() {
    for (arguments, stdin, code, part) in [
        (&[][..], "TASKS\tarn:aws:ecs:us-east-1:1:task/batch/1\tSTOPPED\n", 1, "use --output json"),
        (&[], "", 1, "nothing to explain"),
        (&["0123456789abcdef0123456789abcdef"], "", 2, "add --cluster"),
        (&["no-such-file"], "", 2, "no-such-file: No such file"),
    ] {
        let output = explain(arguments, stdin);
        assert_eq!(output.status.code(), Some(code), "{arguments:?}: {}", stderr(&output));
        assert!(stderr(&output).contains(part), "{arguments:?}: {}", stderr(&output));
    }
}

#[test]
fn a_task_is_explained_by_its_id_and_by_an_arn_whatever_the_region_that_is_set() {
    let local = Local::start();
    let mut run = taskwatch();
    run.env("AWS_ENDPOINT_URL", &local.1).args(["run", "--cluster", "batch", "--task-definition", "app"]);
    run.args(["--launch-type", "FARGATE", "--subnets", "subnet-0a", "--until", "stopped", "--retries", "0"]);
    let output = run.args(["--env", "TASKWATCH_LOCAL_EXIT=3"]).output().expect("run");
    let result: Value = serde_json::from_str(&stdout(&output)).unwrap_or_else(|e| panic!("{e}: {}", stderr(&output)));
    let arn = result["attempts"][0]["taskArn"].as_str().expect("an ARN");
    let id = arn.rsplit('/').next().expect("an id");
    for arguments in [&[id, "--cluster", "batch"][..], &[arn], &[arn, "--region", "eu-west-1"]] {
        let mut command = taskwatch();
        command.env("AWS_ENDPOINT_URL", &local.1).arg("explain").args(arguments);
        let output = command.output().expect("explain");
        assert_eq!(output.status.code(), Some(0), "{arguments:?}: {}", stderr(&output));
        assert!(stdout(&output).contains("exited with 3"), "{arguments:?}: {}", stdout(&output));
    }
    // One that is not known does not cost the others.
    let elsewhere = "arn:aws:ecs:eu-west-1:123456789012:task/batch/00000000000000000000000000000000";
    let mut command = taskwatch();
    let output = command.env("AWS_ENDPOINT_URL", &local.1).args(["explain", elsewhere, arn]).output().expect("explain");
    assert_eq!(output.status.code(), Some(1), "{}", stderr(&output));
    assert!(
        stdout(&output).contains("exited with 3") && stderr(&output).contains("ECS does not know it in cluster batch")
    );
    let mut command = taskwatch();
    command.env("AWS_ENDPOINT_URL", &local.1).args(["explain", &"0".repeat(32), "--cluster", "batch"]);
    let output = command.output().expect("explain");
    assert!(stderr(&output).contains("ECS does not know it in cluster batch"), "{}", stderr(&output));
}
