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

#[test]
fn every_output_format_of_the_aws_cli_is_taken() {
    let local = Local::start();
    for (format, part) in [("yaml", "attempts:\n- "), ("yaml-stream", "- "), ("off", "")] {
        let line = [
            "run",
            "--task-definition",
            "app",
            "--launch-type",
            "FARGATE",
            "--subnets",
            "subnet-0a",
            "--no-wait",
            "--output",
            format,
        ];
        let output = taskwatch().env("AWS_ENDPOINT_URL", &local.1).args(line).output().expect("run");
        let told = stdout(&output);
        assert!(output.status.success() && told.contains(part), "{format}: {told}{}", stderr(&output));
        match format {
            "off" => assert_eq!(told, ""),
            _ => assert!(taskwatch::core::request::document(&told).is_ok(), "{told}"),
        }
        let dry = taskwatch()
            .args(["run", "--dry-run", "--task-definition", "app", "--output", format])
            .output()
            .expect("run");
        assert_eq!(stdout(&dry).contains("  taskDefinition: app\n"), format != "off", "{}", stdout(&dry));
        let other = taskwatch().args(["list", "--output", format]).output().expect("list");
        let said = stderr(&other);
        assert!(
            other.status.code() == Some(2)
                && said.contains(&format!("--output {format}: only run takes {format}; expected json, table or text")),
            "{said}"
        );
        let script = std::env::temp_dir().join(format!("taskwatch-line-{}-{format}.sh", std::process::id()));
        std::fs::write(&script, format!("aws ecs run-task --task-definition app --output {format}")).expect("written");
        let converted = taskwatch().arg("convert").arg(&script).output().expect("convert");
        std::fs::remove_file(&script).expect("removed");
        assert!(converted.status.success(), "{}", stderr(&converted));
    }
}

/// Every option that the AWS CLI has for `ecs run-task`, by its own parsers, with the kind of each.
const OPTIONS: &str = r#"
import json, awscli.clidriver
driver = awscli.clidriver.create_clidriver()
commands = driver.create_help_command().command_table["ecs"].create_help_command().command_table
flags = {name: (argument.cli_type_name, None) for name, argument in commands["run-task"].arg_table.items()}
for name, option in driver.session.get_data("cli")["options"].items():
    boolean = option.get("action", "store") != "store"
    flags[name] = ("boolean" if boolean else "string", option.get("choices"))
print(json.dumps(flags))
"#;

#[test]
fn every_option_that_the_aws_cli_has_is_taken_or_refused_with_what_to_do() {
    let mut python = crate::support::python::command();
    let output = python.args(["-c", OPTIONS]).output().expect("the AWS CLI");
    assert!(output.status.success(), "{}", stderr(&output));
    let options: serde_json::Map<String, Value> = serde_json::from_str(&stdout(&output)).expect("JSON");
    assert!(options.len() > 35, "{options:?}");
    for (name, about) in options.iter().filter(|(name, _)| *name != "version") {
        let flag = format!("--{name}");
        let value = match (name.as_str(), about[0].as_str()) {
            (_, Some("boolean")) | ("generate-cli-skeleton", _) => None,
            ("count" | "cli-read-timeout" | "cli-connect-timeout", _) => Some("1"),
            ("cli-input-json" | "overrides" | "network-configuration", _) => Some("{}"),
            ("capacity-provider-strategy", _) => Some("capacityProvider=FARGATE_SPOT"),
            ("placement-constraints", _) => Some("type=distinctInstance"),
            ("placement-strategy", _) => Some("type=spread,field=host"),
            ("tags", _) => Some("key=a,value=b"),
            ("volume-configurations", _) => Some("[]"),
            ("launch-type", _) => Some("FARGATE"),
            ("propagate-tags", _) => Some("TASK_DEFINITION"),
            ("endpoint-url", _) => Some("http://127.0.0.1:1"),
            _ => about[1][0].as_str().or(Some("default")),
        };
        let mut command = taskwatch();
        command.args(["run", "--dry-run", "--task-definition=etl:7"]);
        if name != "task-definition" {
            command.arg(&flag).args(value);
        }
        let output = command.output().expect("run");
        let said = stderr(&output);
        let refused = said.contains(&format!("{flag}: "));
        assert!(output.status.code() == Some(0) || refused, "{flag} {value:?}: {said}");
    }
    // The AWS CLI takes an option by as many letters as make it plain.
    let line = ["run", "--dry-run", "--task-def", "etl:7", "--clus", "batch", "--launch", "FARGATE", "--enable-exec"];
    let output = taskwatch().args(line).output().expect("run");
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    let request: Value = serde_json::from_str(&stdout(&output)).expect("JSON");
    assert_eq!(request["runTask"]["cluster"], "batch");
    let output = taskwatch().args(["run", "--dry-run", "--task-def", "etl:7", "--en", "x"]).output().expect("run");
    assert_eq!(output.status.code(), Some(2), "one that is not plain is refused");
}
