//! The run request that the flags of `taskwatch run` make, alone or laid over a file's.

use std::collections::BTreeSet;

use clap::Args as _;
use serde_json::{Map, Value, json};
use uuid::Uuid;

use super::error::CliError;
use super::filter::now;
use super::input::{json, parameter, read};
use super::options::Global;
use super::run_args::RunArgs;
use super::{duration, output, shorthand};
use crate::core::name::family_of;
use crate::core::request::{Acceptance, Goal, RunRequest, document, left_out};
use crate::core::retry::RetryPolicy;
use crate::core::run_task::model;

/// What `run` waits for unless it is told otherwise: the end, for its exit code is the task's own.
const GOAL: Goal = Goal::Stopped;

/// The request of these arguments.
pub(super) fn request(arguments: &RunArgs) -> Result<RunRequest, CliError> {
    let base = match (&arguments.file, &arguments.cli_input_json) {
        (Some(file), _) => Some((read(file)?, file.as_str())),
        (None, Some(json)) => Some((parameter(json)?, "--cli-input-json")),
        (None, None) => None,
    };
    let run_task = run_task(arguments)?;
    let wrong = |what: &str, e: &dyn std::fmt::Display| CliError::usage(format!("{what}: {e}"));
    let mut native = match &base {
        // The request with every default: the flags lie over what it says.
        Some((text, what)) => {
            let document = document(text).map_err(|e| wrong(what, &e))?;
            let document = arguments.document.laid_over(document).map_err(|e| wrong(what, &e))?;
            for line in left_out(&document) {
                output::problem(&output::plain(&format!("{what}: {line}")));
            }
            RunRequest::accept_until(document, &acceptance(arguments), GOAL).map_err(|e| wrong(what, &e))?.to_value()
        }
        None if arguments.document.is_given() => {
            return Err(CliError::usage("--state, --input and --set are for a document: name its FILE"));
        }
        None if arguments.task_definition.is_none() => {
            return Err(CliError::usage(
                "--task-definition, --cli-input-json or a FILE is needed; see taskwatch run --help",
            ));
        }
        None => json!({"runTask": {}, "until": GOAL}),
    };
    merge(&mut native["runTask"], &run_task);
    overlay(&mut native, arguments)?;
    let request = RunRequest::from_value(native).map_err(|e| CliError::usage(e.to_string()))?;
    Ok(request)
}

/// A document is evaluated here and now.
fn acceptance(arguments: &RunArgs) -> Acceptance {
    let at = Acceptance::new(now(), Uuid::now_v7());
    match &arguments.name {
        Some(name) => at.named(name),
        None => at,
    }
}

/// What the flags say of RunTask.
fn run_task(arguments: &RunArgs) -> Result<Value, CliError> {
    let mut members = Map::new();
    let texts = [
        ("cluster", &arguments.cluster),
        ("taskDefinition", &arguments.task_definition),
        ("launchType", &arguments.launch_type),
        ("platformVersion", &arguments.platform_version),
        ("group", &arguments.group),
        ("propagateTags", &arguments.propagate_tags),
        ("referenceId", &arguments.reference_id),
    ];
    for (name, text) in texts {
        if let Some(text) = text {
            members.insert(name.into(), text.as_str().into());
        }
    }
    if let Some(count) = arguments.count {
        members.insert("count".into(), count.into());
    }
    let switches = [
        ("enableExecuteCommand", arguments.enable_execute_command, arguments.disable_execute_command),
        ("enableECSManagedTags", arguments.enable_ecs_managed_tags, arguments.no_enable_ecs_managed_tags),
    ];
    for (name, on, _) in switches.into_iter().filter(|(_, on, off)| *on || *off) {
        members.insert(name.into(), on.into());
    }
    let lists = [
        ("--tags", "tags", &arguments.tags),
        ("--capacity-provider-strategy", "capacityProviderStrategy", &arguments.capacity_provider_strategy),
        ("--placement-constraints", "placementConstraints", &arguments.placement_constraints),
        ("--placement-strategy", "placementStrategy", &arguments.placement_strategy),
        ("--volume-configurations", "volumeConfigurations", &arguments.volume_configurations),
    ];
    for (flag, member, items) in lists.into_iter().filter(|(_, _, items)| !items.is_empty()) {
        members.insert(member.into(), list(flag, member, items)?);
    }
    if let Some(network) = network(arguments)? {
        members.insert("networkConfiguration".into(), network);
    }
    if let Some(overrides) = overrides(arguments)? {
        members.insert("overrides".into(), overrides);
    }
    Ok(Value::Object(members))
}

/// A list: JSON, or the AWS CLI's shorthand for each item.
fn list(flag: &str, member: &str, items: &[String]) -> Result<Value, CliError> {
    if let [one] = items
        && is_json(one)
    {
        let value = json(flag, one)?;
        return Ok(if value.is_array() { value } else { json!([value]) });
    }
    let item = |text: &String| {
        shorthand::read(text, &model()[member][0])
            .ok_or_else(|| CliError::usage(format!("{flag}: {text:?}: expected NAME=VALUE,… or JSON")))
    };
    items.iter().map(item).collect::<Result<Vec<_>, _>>().map(Value::Array)
}

fn is_json(text: &str) -> bool {
    text.trim_start().starts_with(['[', '{']) || text.starts_with("file://")
}

/// A structure: JSON, or the AWS CLI's shorthand.
fn structure(flag: &str, member: &str, text: &str) -> Result<Value, CliError> {
    if is_json(text) {
        return json(flag, text);
    }
    // What was read wrongly may be a secret.
    let wrong = || CliError::usage(format!("{flag}: neither JSON nor the AWS CLI's shorthand, NAME={{NAME=VALUE,…}}"));
    shorthand::read(text, &model()[member]).ok_or_else(wrong)
}

fn network(arguments: &RunArgs) -> Result<Option<Value>, CliError> {
    let flag = "--network-configuration";
    let mut network = match &arguments.network_configuration {
        Some(text) => structure(flag, "networkConfiguration", text)?,
        None if arguments.subnets.is_empty() && arguments.security_groups.is_empty() => return Ok(None),
        None => json!({}),
    };
    for (name, values) in [("subnets", &arguments.subnets), ("securityGroups", &arguments.security_groups)] {
        if !values.is_empty() && network.is_object() {
            network["awsvpcConfiguration"][name] = json!(values);
        }
    }
    Ok(Some(network))
}

fn overrides(arguments: &RunArgs) -> Result<Option<Value>, CliError> {
    let given = arguments.overrides.as_deref();
    let mut overrides = given.map(|text| structure("--overrides", "overrides", text)).transpose()?;
    let command = command(arguments)?;
    if command.is_empty() && arguments.env.is_empty() {
        return Ok(overrides);
    }
    let family = arguments.task_definition.as_deref().unwrap_or_default();
    let family = family_of(family);
    let name = arguments.decided_by.first().map_or(family, String::as_str);
    if name.is_empty() {
        return Err(CliError::usage("--command and --env: say which container with --decided-by"));
    }
    let mut container = Map::from_iter([("name".to_owned(), Value::from(name))]);
    if !command.is_empty() {
        container.insert("command".into(), json!(command));
    }
    let variable = |text: &String| {
        let (name, value) =
            text.split_once('=').ok_or_else(|| CliError::usage(format!("--env {text:?}: expected NAME=VALUE")))?;
        Ok::<_, CliError>(json!({"name": name, "value": value}))
    };
    if !arguments.env.is_empty() {
        let variables = arguments.env.iter().map(variable).collect::<Result<Vec<_>, _>>()?;
        container.insert("environment".into(), Value::Array(variables));
    }
    let given = overrides.get_or_insert_with(|| json!({}));
    let Value::Object(members) = given else { return Err(CliError::usage("--overrides: expected a JSON object")) };
    let list = members.entry("containerOverrides").or_insert_with(|| json!([]));
    let Value::Array(list) = list else {
        return Err(CliError::usage("--overrides: containerOverrides: expected an array"));
    };
    match list.iter_mut().find(|c| c["name"] == *name) {
        Some(same) => merge(same, &Value::Object(container)),
        None => list.push(Value::Object(container)),
    }
    Ok(overrides)
}

/// The long names of `run`'s flags.
fn flags() -> BTreeSet<String> {
    let all = Global::augment_args(RunArgs::augment_args(clap::Command::new("run")));
    all.get_arguments().filter_map(|argument| argument.get_long().map(str::to_owned)).collect()
}

/// The container's command: behind `--`, or of `--command`. A flag of ours that stands behind `--command` may be meant for either, and is
/// not guessed.
fn command(arguments: &RunArgs) -> Result<&[String], CliError> {
    if !arguments.words.is_empty() {
        return Ok(&arguments.words);
    }
    let flags = flags();
    let flag = |word: &&String| {
        word.strip_prefix("--").is_some_and(|name| flags.contains(name.split('=').next().unwrap_or(name)))
    };
    match arguments.command.iter().find(flag) {
        Some(flag) => Err(CliError::usage(format!(
            "{flag} stands behind --command, which takes all words that follow: put it before --command, or the command last, behind -- \
             if {flag} is the container's (… -- {})",
            arguments.command.join(" ")
        ))),
        None => Ok(&arguments.command),
    }
}

/// What the flags say beside RunTask.
fn overlay(native: &mut Value, arguments: &RunArgs) -> Result<(), CliError> {
    if let Some(name) = &arguments.name {
        native["name"] = json!(name);
    }
    if let Some(until) = &arguments.until {
        native["until"] = json!(until);
    }
    if !arguments.decided_by.is_empty() {
        native["decidedBy"] = json!(arguments.decided_by);
    }
    if let Some(retry) = &arguments.retry {
        let text = if retry.trim_start().starts_with(['[', '{']) {
            retry.clone()
        } else {
            read(retry.trim_start_matches("file://"))?
        };
        native["retry"] = json("--retry", &text)?;
    }
    if let Some(retries) = arguments.retries {
        native["retry"] = json!(RetryPolicy::retries(retries));
    }
    for (name, flag, text) in [
        ("timeoutSeconds", "--timeout", &arguments.timeout),
        ("startTimeoutSeconds", "--start-timeout", &arguments.start_timeout),
    ] {
        if let Some(text) = text {
            native[name] = json!(seconds(flag, text)?);
        }
    }
    Ok(())
}

/// A duration as a flag has it, in whole seconds.
fn seconds(flag: &str, text: &str) -> Result<u64, CliError> {
    let wrong = || CliError::usage(format!("{flag} {text:?}: expected a duration such as 90s, 10m or 1h"));
    duration::parse(text).map(|duration| duration.as_secs()).ok_or_else(wrong)
}

fn merge(into: &mut Value, over: &Value) {
    match (into, over) {
        (Value::Object(into), Value::Object(over)) => {
            for (name, value) in over {
                merge(into.entry(name.clone()).or_insert(Value::Null), value);
            }
        }
        (into, over) => *into = over.clone(),
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        run: RunArgs,
    }

    fn parsed(line: &[&str]) -> Result<Value, String> {
        let all = ["run"].iter().chain(line);
        request(&Line::parse_from(all).run).map(|r| r.to_value()).map_err(|e| e.to_string())
    }

    #[test]
    fn flags_make_a_request() {
        let value = parsed(&[
            "--cluster",
            "batch",
            "--task-definition",
            "etl:7",
            "--launch-type",
            "FARGATE",
            "--subnets",
            "a,b",
            "--security-groups",
            "sg",
            "--env",
            "DAY=1=2",
            "--count",
            "12",
            "--command",
            "sh",
            "-c",
        ]);
        let task = &value.unwrap()["runTask"];
        assert_eq!(task["networkConfiguration"]["awsvpcConfiguration"]["subnets"], json!(["a", "b"]));
        let container = &task["overrides"]["containerOverrides"][0];
        assert_eq!((&container["name"], &container["environment"][0]["value"]), (&json!("etl"), &json!("1=2")));
        assert_eq!(task["count"], 12);
    }

    #[test]
    fn the_aws_clis_shorthand_is_read() {
        let value = parsed(&[
            "--task-definition",
            "etl",
            "--capacity-provider-strategy",
            "capacityProvider=FARGATE_SPOT,weight=1",
            "--tags",
            "key=team,value=a",
            "--placement-constraints",
            "type=distinctInstance",
            "--no-enable-ecs-managed-tags",
            "--network-configuration",
            "awsvpcConfiguration={subnets=[s1,s2],securityGroups=[g],assignPublicIp=ENABLED}",
        ])
        .unwrap();
        let task = &value["runTask"];
        assert_eq!(task["capacityProviderStrategy"], json!([{"capacityProvider": "FARGATE_SPOT", "weight": 1}]));
        assert_eq!(task["tags"], json!([{"key": "team", "value": "a"}]));
        assert_eq!(task["placementConstraints"], json!([{"type": "distinctInstance"}]));
        assert_eq!(task["enableECSManagedTags"], false);
        let network = json!({"subnets": ["s1", "s2"], "securityGroups": ["g"], "assignPublicIp": "ENABLED"});
        assert_eq!(task["networkConfiguration"]["awsvpcConfiguration"], network);
    }

    #[test]
    fn flags_lie_over_a_file() {
        let json = r#"{"taskDefinition":"etl","cluster":"a"}"#;
        let value = parsed(&["--cli-input-json", json, "--cluster", "b", "--retries", "2", "--timeout", "1h"]).unwrap();
        assert_eq!((&value["runTask"]["cluster"], &value["timeoutSeconds"]), (&json!("b"), &json!(3600)));
        assert_eq!(value["retry"], json!(RetryPolicy::retries(2)));
    }

    #[test]
    fn run_waits_for_the_end_unless_it_is_told_otherwise() {
        let native = r#"{"runTask": {"taskDefinition": "x"}, "until": "healthy"}"#;
        for (line, until) in [
            (&["--task-definition", "x"][..], "stopped"),
            (&["--task-definition", "x", "--until", "running"], "running"),
            (&["--cli-input-json", r#"{"taskDefinition": "x"}"#], "stopped"),
            (&["--cli-input-json", native], "healthy"),
            (&["--cli-input-json", native, "--until", "running"], "running"),
        ] {
            assert_eq!(parsed(line).unwrap()["until"], until, "{line:?}");
        }
    }

    /// Lines of public repositories, with names and ids changed.
    #[test]
    fn lines_written_for_the_aws_cli_are_taken_or_say_what_to_do_instead() {
        let cases: Vec<Value> = serde_json::from_str(include_str!("../../tests/fixtures/aws_cli_lines.json")).unwrap();
        for case in &cases {
            let arguments: Vec<&str> = case["arguments"].as_array().unwrap().iter().filter_map(Value::as_str).collect();
            // --output is every command's.
            let own: Vec<&str> = match arguments.iter().position(|word| *word == "--output") {
                Some(at) => [&arguments[..at], &arguments[at + 2..]].concat(),
                None => arguments,
            };
            let line = Line::parse_from(["run"].iter().chain(&own)).run;
            let told = line.aws_cli.checked().and_then(|_| request(&line)).map(|r| r.to_value());
            match (told, &case["right"]) {
                (Ok(value), right @ Value::Object(_)) => assert_eq!(&value["runTask"]["overrides"], right, "{own:?}"),
                (Ok(_), Value::String(right)) => assert!(!right.starts_with("refused"), "{own:?}"),
                (Err(error), Value::String(right)) if right.starts_with("refused") => {
                    assert!(error.to_string().contains("--name") && error.to_string().contains("--tags"), "{error}");
                }
                (told, _) => panic!("{own:?}: {told:?}"),
            }
        }
        assert!(cases.len() >= 9);
    }

    #[test]
    fn a_state_of_a_machine_is_evaluated_with_an_input() {
        let machine = json!({"StartAt": "Fetch", "States": {"Fetch": {"Type": "Task", "Resource": "arn:aws:states:::lambda:invoke"},
            "Load": {"Type": "Task", "Resource": "arn:aws:states:::ecs:runTask.sync", "Parameters":
                {"TaskDefinition.$": "$.task", "Group.$": "$$.Execution.Name"}}}});
        let machine = machine.to_string();
        let line = ["--cli-input-json", &machine, "--state", "Load", "--name", "n", "--cluster", "c"];
        let value = parsed(&[&line[..], &["--input", r#"{"task": "etl"}"#]].concat()).unwrap();
        assert_eq!(value["runTask"], json!({"taskDefinition": "etl", "group": "n", "cluster": "c"}));
        assert_eq!((&value["until"], &value["startTimeoutSeconds"]), (&json!("stopped"), &Value::Null));
        for (more, part) in [
            (&["--input", "{"][..], "--input: not JSON"),
            (&["--input", "file:///nowhere"], "/nowhere"),
            (&[], "$ has no \"task\"; the request has no input"),
        ] {
            let error = parsed(&[&line[..], more].concat()).unwrap_err();
            assert!(error.contains(part) && !error.contains('\n'), "{error}");
        }
        let other = parsed(&["--task-definition", "x", "--state", "Load"]).unwrap_err();
        assert!(other.contains("--state, --input and --set are for a document"), "{other}");
    }

    #[test]
    fn what_cannot_be_read_is_said_in_one_line() {
        for (line, part) in [
            (&[][..], "--task-definition"),
            (&["--task-definition", "x", "--timeout", "soon"], "--timeout \"soon\""),
            (&["--task-definition", "x", "--overrides", "{"], "--overrides: not JSON"),
            (&["--task-definition", "x", "--env", "A"], "expected NAME=VALUE"),
            (&["--task-definition", "x", "--tags", "a"], "--tags"),
            (&["--task-definition", "x", "--overrides", "containerOverrides=[{name"], "--overrides: neither JSON nor"),
            (&["--task-definition", "x", "--retry", "{}"], "expected an array of retriers, got an object"),
            (&["--cli-input-json", "{\"taskDefinition\":\"x\",\"clustr\":\"c\"}"], "did you mean cluster"),
            (&["/nowhere/at/all.json"], "/nowhere/at/all.json"),
        ] {
            let error = parsed(line).unwrap_err();
            assert!(error.contains(part) && !error.contains('\n'), "{line:?}: {error}");
        }
    }
}
