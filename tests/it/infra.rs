//! `infra/`: linted, and deployed in emulators of CloudFormation that others wrote; a fleet runs through what was deployed.

use std::collections::BTreeSet;
use std::io::Write as _;
use std::path::Path as FilePath;
use std::process::Command;
use std::time::Duration;

use serde_json::{Value, json};

use super::cli::{stderr, stdout, taskwatch};
use super::emulators::{Fleet, Path, assert_ends, request};
use super::support::ecs::envelope;
use super::support::emulator::Emulator;
use super::support::polled::eventually;
use super::support::python;

/// What the templates are given.
const CLUSTER: &str = "arn:aws:ecs:us-east-1:123456789012:cluster/batch";

fn root() -> &'static FilePath {
    FilePath::new(env!("CARGO_MANIFEST_DIR"))
}

pub(crate) fn infra(name: &str) -> String {
    root().join("infra").join(name).display().to_string()
}

fn passes(what: &str, command: &mut Command) {
    let output = command.output().unwrap_or_else(|e| panic!("{what}: {e}"));
    assert!(output.status.success(), "{what}:\n{}{}", stdout(&output), stderr(&output));
}

#[test]
fn cfn_lint_has_nothing_to_say() {
    let dir = tempfile::tempdir().expect("a directory");
    let printed =
        taskwatch().args(["setup", "--print", "--cell", "blue", "--cluster", "batch"]).output().expect("setup");
    let template = dir.path().join("setup.yaml");
    std::fs::write(&template, &printed.stdout).expect("a file");
    let mut lint = python::command();
    lint.args(["-c", "from cfnlint.runner import main; main()", "--"]).arg(template);
    lint.args(["cell.yaml", "scheduled-run.yaml"].map(infra));
    passes("cfn-lint", &mut lint);
}

/// What is skipped stands in the templates with its reason.
#[test]
fn checkov_has_nothing_to_say() {
    let mut checkov = python::checkov();
    checkov.args([
        "--framework",
        "cloudformation",
        "dockerfile",
        "--skip-download",
        "--quiet",
        "--compact",
        "--directory",
        &infra(""),
    ]);
    passes("checkov", &mut checkov);
}

/// The names behind a prefix in a text, each once.
pub(crate) fn names(text: &str, prefix: &str) -> BTreeSet<String> {
    let rest = |part: &str| part.chars().take_while(|c| c.is_ascii_alphanumeric() || *c == '_').collect::<String>();
    text.split(prefix).skip(1).map(rest).collect()
}

/// Every alert says how bad it is, what is wrong, and what to do; and `alerts_test.yaml` shows both when it fires and when not.
#[test]
fn every_alert_is_whole_and_shown_both_ways() {
    let script = "import sys, yaml\nrules, tests = (yaml.safe_load(open(name)) for name in sys.argv[1:])\n\
                  shown = [(c['alertname'], bool(c.get('exp_alerts'))) for t in tests['tests'] for c in t['alert_rule_test']]\n\
                  for rule in (rule for group in rules['groups'] for rule in group['rules']):\n  \
                  assert rule['labels']['severity'] in ('page', 'ticket'), rule\n  \
                  assert rule['annotations']['summary'] and rule['annotations']['description'], rule\n  \
                  assert (rule['alert'], True) in shown and (rule['alert'], False) in shown, rule['alert']";
    let mut python = python::command();
    passes("alerts", python.args(["-c", script, &infra("alerts.yaml"), &infra("alerts_test.yaml")]));
}

/// Prometheus's own tool; `None`, and a word of it, where there is none and none is asked for (`TASKWATCH_PROMTOOL=required`).
fn promtool() -> Option<Command> {
    let found = Command::new("promtool").arg("--version").output().is_ok_and(|output| output.status.success());
    if !found {
        let why = "there is no promtool on PATH (it comes with Prometheus; Debian: prometheus)";
        let required = std::env::var("TASKWATCH_PROMTOOL").as_deref() == Ok("required");
        assert!(!required, "TASKWATCH_PROMTOOL=required, but {why}");
        // Past the test harness, which would keep it to itself.
        let _ = writeln!(std::io::stderr(), "\nSKIPPED: the tests of the alerts: {why}\n");
    }
    found.then(|| Command::new("promtool"))
}

/// `infra/alerts_test.yaml`: each alert on series where it must fire and on such where it must not, with its texts.
#[test]
fn every_alert_fires_when_it_should_and_only_then() {
    for (what, file) in [("check", "alerts.yaml"), ("test", "alerts_test.yaml")] {
        let Some(mut promtool) = promtool() else { return };
        passes(file, promtool.args([what, "rules", &infra(file)]));
    }
}

/// Each action that a role of ours is given stands in docs/iam.md with its reason.
#[test]
fn every_action_has_its_reason() {
    let page = std::fs::read_to_string(root().join("docs/iam.md")).expect("docs/iam.md");
    let services =
        ["sqs", "sns", "ecs", "events", "iam", "ecr", "logs", "secretsmanager", "elasticfilesystem", "kms", "dynamodb"];
    let mut sources = vec![infra("cell.yaml"), infra("scheduled-run.yaml")];
    for room in ["setup", "setup/table", "doctor"] {
        let files = std::fs::read_dir(root().join("src/aws").join(room)).expect("src/aws");
        let files = files.map(|file| file.expect("a file").path()).filter(|path| path.is_file());
        sources.extend(files.map(|path| path.display().to_string()));
    }
    let source = |file: &String| std::fs::read_to_string(file).expect("a file");
    // What unit tests play with are no calls.
    let text: String =
        sources.iter().map(source).filter_map(|text| text.split("#[cfg(test)]").next().map(str::to_owned)).collect();
    // Keys of conditions are written like actions.
    let keys = ["AccessPointArn", "AccessedViaMountTarget", "CreateAction", "PassedToService"];
    let is_action = |name: &str| name.starts_with(|c: char| c.is_ascii_uppercase()) && !keys.contains(&name);
    let named = services.iter().flat_map(|service| {
        let actions = names(&text, &format!("{service}:")).into_iter().filter(|name| is_action(name));
        actions.map(move |action| format!("{service}:{action}"))
    });
    let missing: BTreeSet<String> = named.filter(|action| !page.contains(&format!("`{action}`"))).collect();
    assert!(missing.is_empty(), "docs/iam.md says nothing of {missing:?}");
}

/// What the serving cell calls, its role may: the SDK's calls in `src/aws`, as actions in `infra/cell.yaml`.
#[test]
fn the_cells_role_may_do_all_that_the_cell_calls() {
    let policy = std::fs::read_to_string(infra("cell.yaml")).expect("infra/cell.yaml");
    let allowed: BTreeSet<String> =
        ["ecs:", "sqs:", "sns:"].iter().flat_map(|service| names(&policy, service)).collect();
    let mut called = BTreeSet::new();
    for file in ["ecs.rs", "sqs.rs", "sns.rs"] {
        let text = std::fs::read_to_string(root().join("src/aws").join(file)).expect("src/aws");
        let code = text.split("#[cfg(test)]").next().unwrap_or_default();
        // An operation is a method without arguments; a batch of it needs the same right.
        let operations = code.split('.').filter_map(|part| part.split_once("()")).map(|(name, _)| name);
        let verbs =
            ["run_", "stop_task", "describe_", "list_", "receive_", "delete_", "change_", "send_", "get_", "publish"];
        let is_name = |name: &&str| name.chars().all(|c| c.is_ascii_lowercase() || c == '_');
        for name in operations.filter(is_name).filter(|name| verbs.iter().any(|verb| name.starts_with(verb))) {
            let words = name.trim_end_matches("_batch").split('_');
            called.insert(words.map(|w| w[..1].to_uppercase() + &w[1..]).collect::<String>());
        }
    }
    // AWS has one right for RunTask's tags, which no call of ours asks for by name.
    assert!(called.len() >= 10 && allowed.contains("TagResource"), "{called:?}");
    let missing: BTreeSet<_> = called.difference(&allowed).collect();
    assert!(missing.is_empty(), "infra/cell.yaml lets the cell do nothing of {missing:?}");
}

/// The AWS CLI in an emulator.
struct Account<'e>(&'e Emulator);

impl Account<'_> {
    fn aws(&self, arguments: &[&str]) -> Value {
        let output = python::aws(&self.0.endpoint()).args(arguments).output().expect("the AWS CLI");
        assert!(output.status.success(), "aws {arguments:?}: {}", stderr(&output));
        serde_json::from_str(&stdout(&output)).unwrap_or_default()
    }

    /// Makes a stack, and gives its outputs.
    async fn deploy(&self, stack: &str, template: &str, parameters: &[(&str, &str)]) -> Value {
        let body = format!("file://{}", infra(template));
        let pair = |(key, value): &(&str, &str)| json!({"ParameterKey": key, "ParameterValue": value});
        let parameters = parameters.iter().map(pair).collect::<Value>().to_string();
        self.aws(&[
            "cloudformation",
            "create-stack",
            "--stack-name",
            stack,
            "--template-body",
            &body,
            "--capabilities",
            "CAPABILITY_IAM",
            "--parameters",
            &parameters,
        ]);
        let mut outputs = Value::Null;
        eventually(&format!("{stack} is made"), async || {
            let answer = self.aws(&["cloudformation", "describe-stacks", "--stack-name", stack]);
            let made = &answer["Stacks"][0];
            outputs = made["Outputs"].clone();
            match made["StackStatus"].as_str() {
                Some("CREATE_COMPLETE") => true,
                Some("CREATE_IN_PROGRESS") => false,
                other => panic!(
                    "{stack} is {other:?}: {:#}",
                    self.aws(&["cloudformation", "describe-stack-events", "--stack-name", stack])
                ),
            }
        })
        .await;
        outputs
    }

    /// `infra/cell.yaml` for the cell `blue` in a new VPC: its path.
    async fn deploy_cell(&self) -> (Path, Value) {
        let vpc = self.aws(&["ec2", "create-vpc", "--cidr-block", "10.0.0.0/16"])["Vpc"]["VpcId"].clone();
        let vpc = vpc.as_str().expect("a VPC");
        let subnet = |block: &str, zone: &str| {
            let made = self.aws(&[
                "ec2",
                "create-subnet",
                "--vpc-id",
                vpc,
                "--cidr-block",
                block,
                "--availability-zone",
                zone,
            ]);
            made["Subnet"]["SubnetId"].as_str().expect("a subnet").to_owned()
        };
        let (a, b) = (subnet("10.0.1.0/24", "us-east-1a"), subnet("10.0.2.0/24", "us-east-1b"));
        let outputs = self
            .deploy(
                "cell",
                "cell.yaml",
                &[
                    ("CellName", "blue"),
                    ("TaskClusters", CLUSTER),
                    ("Image", "taskwatch:test"),
                    ("TaskDefinitions", "arn:aws:ecs:us-east-1:123456789012:task-definition/etl:*"),
                    ("TaskRoles", "arn:aws:iam::123456789012:role/etl"),
                    ("VpcId", vpc),
                    ("SubnetA", &a),
                    ("SubnetB", &b),
                ],
            )
            .await;
        // An emulator's CloudFormation may give URLs of a host that is not there; names are the same everywhere.
        let url = |name: &str| {
            let answer = self.aws(&["sqs", "get-queue-url", "--queue-name", name]);
            answer["QueueUrl"].as_str().expect("a URL").to_owned()
        };
        let path = Path {
            events: url("blue-events"),
            requests: url("blue-requests"),
            dlq: url("blue-requests-dlq"),
            topic: "blue-runs".into(),
        };
        (path, outputs)
    }
}

fn output(outputs: &Value, name: &str) -> String {
    let found = outputs.as_array().into_iter().flatten().find(|output| output["OutputKey"] == name);
    found.and_then(|output| output["OutputValue"].as_str()).expect("an output").to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_fleet_runs_through_the_cell_that_was_deployed_in_moto() {
    let emulator = Emulator::moto();
    let (path, _) = Account(&emulator).deploy_cell().await;
    let mut fleet = Fleet::at(&emulator, path).await;
    let families = ["exit-0", "exit-3", "flaky"];
    let bodies: Vec<String> = families.iter().map(|family| request(family, family)).collect();
    fleet.aws.send(&fleet.requests, &bodies).await;
    for _ in 0..4 {
        let placed = fleet.next_task().await;
        // Through the rule that the template made.
        fleet.aws.put_events(&placed.life()).await;
    }
    assert_ends(&fleet.ends(&families.map(str::to_owned)).await);
    assert_eq!(fleet.aws.take(&fleet.told, 4, 3).await.len(), 3);
    fleet.cell.drain(Duration::from_secs(5)).await;
}

/// Nobody may send as `aws.ecs` there, so that doctor's probe goes through the rule, and the fleet's events into the queue.
#[tokio::test(flavor = "multi_thread")]
async fn a_schedules_request_runs_through_the_cell_that_was_deployed_in_ministack() {
    let emulator = Emulator::ministack();
    let account = Account(&emulator);
    let (path, outputs) = account.deploy_cell().await;
    let service =
        account.aws(&["ecs", "describe-services", "--cluster", "taskwatch-blue", "--services", "taskwatch-blue"]);
    let (service, deployment) = (&service["services"][0], &service["services"][0]["deploymentConfiguration"]);
    assert_eq!((&service["desiredCount"], &deployment["maximumPercent"]), (&1.into(), &100.into()), "never two tasks");
    assert_eq!(deployment["minimumHealthyPercent"], 0, "else no deployment of one task could ever begin");
    let alarms = account.aws(&["cloudwatch", "describe-alarms"]);
    assert_eq!(alarms["MetricAlarms"].as_array().map(Vec::len), Some(19));

    // The template and `setup` are of one mind, and doctor finds the path whole.
    let asked = |arguments: &[&str]| {
        let mut command = taskwatch();
        command.env("AWS_ENDPOINT_URL", emulator.endpoint()).env("TASKWATCH_URL", "http://127.0.0.1:9").args(arguments);
        command.envs([
            ("TASKWATCH_CELL", "blue"),
            ("TASKWATCH_EVENTS_QUEUE_URL", &path.events),
            ("TASKWATCH_STORE", "memory:"),
        ]);
        command.envs([("TASKWATCH_REQUESTS_QUEUE_URL", &path.requests), ("TASKWATCH_REQUESTS_DLQ_URL", &path.dlq)]);
        command.env("TASKWATCH_TOPIC_ARN", output(&outputs, "TopicArn")).output().expect("taskwatch")
    };
    let dry = asked(&["setup", "--dry-run", "--cluster", CLUSTER, "--output", "json"]);
    let dry: Value = serde_json::from_str(&stdout(&dry)).expect("JSON");
    let differs: Vec<&Value> =
        dry["steps"].as_array().expect("steps").iter().filter(|s| s["action"] != "leave").collect();
    assert!(differs.is_empty(), "infra/cell.yaml and setup differ: {differs:#?}");
    let doctor = asked(&["doctor"]);
    assert_eq!(doctor.status.code(), Some(0), "{}", stdout(&doctor));
    assert!(stdout(&doctor).contains("probe: an event went through the rule into the queue"), "{}", stdout(&doctor));

    // EventBridge Scheduler puts the scheduled time in; the emulator keeps the schedule and is not waited for.
    let queue = output(&outputs, "RequestsQueueArn");
    account
        .deploy(
            "nightly",
            "scheduled-run.yaml",
            &[
                ("RequestsQueueArn", &queue),
                ("Cluster", "batch"),
                ("TaskDefinition", "flaky"),
                ("Subnets", "subnet-a,subnet-b"),
            ],
        )
        .await;
    let schedule = account.aws(&["scheduler", "get-schedule", "--name", "nightly"]);
    assert_eq!(schedule["Target"]["Arn"], queue.as_str());
    let input = schedule["Target"]["Input"].as_str().expect("a request");
    let sent = input
        .replace("<aws.scheduler.scheduled-time>", "2026-11-22T03:00:00Z")
        .replace("\"IntervalSeconds\": 10", "\"IntervalSeconds\": 1");
    let events = path.events.clone();
    let mut fleet = Fleet::at(&emulator, path).await;
    fleet.aws.send(&fleet.requests, &[sent.clone(), sent]).await;
    for _ in 0..2 {
        let placed = fleet.next_task().await;
        fleet.aws.send(&events, &placed.life().iter().map(envelope).collect::<Vec<_>>()).await;
    }
    let name = "nightly-2026-11-22T03:00:00Z".to_owned();
    let ends = fleet.ends(std::slice::from_ref(&name)).await;
    assert_eq!(ends[&name], taskwatch::core::run::Status::Succeeded, "retried, and told about");
    assert_eq!(fleet.aws.take(&fleet.told, 2, 3).await.len(), 1, "sent twice, it is one run");
    fleet.cell.drain(Duration::from_secs(5)).await;
}
