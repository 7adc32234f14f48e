//! `aws ecs run-task` lines as `taskwatch run` takes them, against the local endpoint.

use serde_json::Value;

use crate::cli::{Local, stderr, stdout, taskwatch};

#[test]
fn lines_written_for_the_aws_cli_launch_their_task_or_say_what_to_do_instead() {
    let cases: Vec<Value> = serde_json::from_str(include_str!("../fixtures/aws_cli_lines.json")).expect("the lines");
    let local = Local::start();
    for case in &cases {
        let arguments: Vec<&str> =
            case["arguments"].as_array().expect("words").iter().filter_map(Value::as_str).collect();
        let mut command = taskwatch();
        command.env("AWS_ENDPOINT_URL", &local.1).arg("run").args(&arguments).args([
            "--subnets",
            "subnet-0a",
            "--no-wait",
        ]);
        let output = command.output().expect("run");
        let (told, said) = (stdout(&output), stderr(&output));
        if case["right"].as_str().is_some_and(|right| right.starts_with("refused")) {
            assert_eq!(output.status.code(), Some(2), "{arguments:?}: {said}");
            assert!(said.contains("--name") && said.contains("--tags") && said.lines().count() == 1, "{said}");
            continue;
        }
        assert_eq!(output.status.code(), Some(0), "{arguments:?}: {said}");
        if arguments.contains(&"--query") {
            assert!(told.starts_with("arn:aws:ecs:us-east-1:") && told.lines().count() == 1, "{told}");
        } else {
            let result: Value = serde_json::from_str(&told).expect("JSON");
            assert!(result["attempts"][0]["taskArn"].is_string(), "{result}");
        }
    }
}
