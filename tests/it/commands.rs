//! Every command in the documents is run here, or stands in [`NOT_RUN`] with the reason. Blocks of commands are those fenced as `sh`
//! and those indented by four spaces.

use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};

use serde_json::{Value, json};
use taskwatch::core::convert::convert;
use taskwatch::core::request::{Acceptance, RunRequest, with_input};
use taskwatch::core::time::Timestamp;

use super::cli::{Local, stderr, stdout, taskwatch};
use super::support::python;

/// Where a block is, and how its first line begins; why it is not run here.
const NOT_RUN: &[(&str, &str, &str)] = &[
    (
        "README.md",
        "cargo run --locked -- demo",
        "the_demo_accounts_for_every_run runs it, and this is part of cargo test",
    ),
    ("README.md", "cargo build --locked", "builds what runs here, and starts an endpoint as this test does"),
    ("docs/api.md", "", "api::documented runs them all and makes their answers"),
    ("docs/architecture.md", "", "drawings"),
    ("docs/aws.md", "aws cloudformation deploy --stack-name taskwatch-blue", "infra deploys the templates in moto"),
    ("docs/aws.md", "aws cloudformation deploy --stack-name nightly", "infra deploys the templates in moto"),
    ("docs/aws.md", "taskwatch setup --fleet", "fleet_setup runs it in MiniStack, which has DynamoDB"),
    ("docs/fleet.md", "", "fleet_setup and processes run them, with a table in MiniStack"),
    ("docs/aws.md", "taskwatch doctor --fleet", "fleet_setup runs it in MiniStack, which has DynamoDB"),
    ("docs/aws.md", "taskwatch migrate-store", "migrate runs it in MiniStack, which has DynamoDB"),
    ("docs/aws.md", "taskwatch teardown --fleet", "fleet_setup runs it in MiniStack, which has DynamoDB"),
    ("docs/cost.md", "TASKWATCH_COST_RUNS", "takes a minute; cost:: runs it with fewer runs"),
    ("docs/cost.md", "cargo test --test it table_store", "cargo test runs it"),
    ("docs/local.md", "", "local_docs runs every one, and the CI job"),
    ("docs/observe.md", "", "observed runs the same, and reads what comes of it"),
    ("docs/performance.md", "cargo bench", "a measurement"),
    ("docs/performance.md", "cargo test --locked --test it processes", "a measurement"),
    ("docs/performance.md", "cargo test --locked --test it fleet_sim", "cargo test runs it"),
    ("docs/performance.md", "cargo run --release", "a measurement"),
    ("docs/performance.md", "cargo build --release", "a measurement"),
    ("docs/performance.md", "cargo build --profile bench", "a measurement"),
    ("docs/performance.md", "python3 benches", "a measurement"),
    ("docs/tests.md", "cargo test", "cargo test runs it once; the others are longer"),
    ("docs/tests.md", "TASKWATCH_KILLS=300 cargo test", "cargo test runs it with 24 kills"),
    ("docs/watch.md", "", "needs a terminal and shows what there happens to be; api::watch runs it in one"),
];

/// Lines of a block that go on until they are stopped: what they start, this test has started.
const SERVING: [&str; 2] = ["taskwatch serve", "taskwatch local"];

/// A block of commands, and the `text` that stands right behind it as what they print; `…` stands for anything.
struct Block {
    commands: String,
    prints: Option<String>,
}

impl Block {
    /// Whether this was printed.
    fn is_as_told(&self, printed: &str) -> bool {
        let Some(told) = &self.prints else { return true };
        let pieces: Vec<String> = told.trim_end().split('…').map(regex::escape).collect();
        let pattern = format!("^(?s:{})$", pieces.join(".*"));
        regex::Regex::new(&pattern).expect("a pattern").is_match(printed.trim_end())
    }
}

/// Turns a hang into a failure.
const BOUND: [&str; 2] = ["timeout", "300"];

/// The blocks of commands of a page.
fn blocks(page: &str) -> Vec<Block> {
    let lines: Vec<&str> = page.lines().collect();
    let (mut blocks, mut commands, mut fence) = (Vec::new(), String::new(), None);
    for (n, line) in lines.iter().copied().chain([""]).enumerate() {
        let command = match (line.strip_prefix("```"), fence) {
            (Some(kind), None) => {
                fence = Some(kind);
                None
            }
            (Some(_), Some(_)) => {
                fence = None;
                None
            }
            (None, Some("sh")) => Some(line),
            (None, Some(_)) => None,
            (None, None) => line.strip_prefix("    "),
        };
        if let Some(command) = command {
            commands += &format!("{command}\n");
        } else if !commands.is_empty() {
            let behind = lines[n..].iter().skip_while(|line| line.is_empty() || **line == "```");
            let mut behind = behind.copied();
            let prints = (behind.next() == Some("```text"))
                .then(|| behind.take_while(|line| !line.starts_with("```")).map(|line| format!("{line}\n")).collect());
            blocks.push(Block { commands: std::mem::take(&mut commands), prints });
        }
    }
    blocks
}

/// The documents with commands for users.
fn pages() -> Vec<(String, String)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let docs = std::fs::read_dir(root.join("docs")).expect("docs/").map(|entry| entry.expect("docs/").path());
    let mut paths: Vec<PathBuf> = docs.filter(|path| path.extension().is_some_and(|e| e == "md")).collect();
    paths.push(root.join("README.md"));
    paths.sort();
    let named = |path: PathBuf| {
        let name = path.strip_prefix(root).expect("inside").display().to_string();
        (name, std::fs::read_to_string(path).expect("a page"))
    };
    paths.into_iter().map(named).collect()
}

fn reason(page: &str, block: &str) -> Option<&'static str> {
    NOT_RUN.iter().find(|(of, begin, _)| *of == page && block.starts_with(begin)).map(|(_, _, why)| *why)
}

/// The files that a page shows: `json file=NAME`.
fn files(page: &str) -> Vec<(&str, &str)> {
    let shown = page.split("```json file=").skip(1).filter_map(|rest| rest.split("```").next()?.split_once('\n'));
    shown.collect()
}

/// A cell that serves on an endpoint, and a directory with the files that the documents speak of.
struct Stage {
    local: Local,
    serve: Option<Child>,
    dir: tempfile::TempDir,
    listen: String,
    binaries: PathBuf,
}

impl Stage {
    fn set() -> Self {
        let listen = TcpListener::bind("127.0.0.1:0").and_then(|l| l.local_addr()).expect("a port").to_string();
        let dir = tempfile::tempdir().expect("a directory");
        let binaries = dir.path().join("bin");
        std::fs::create_dir(&binaries).expect("a directory");
        let link = |name: &str, to: &str| {
            std::fs::write(binaries.join(name), format!("#!/bin/sh\nexec {to} \"$@\"\n")).expect("a file");
            let made = Command::new("chmod").args(["+x", name]).current_dir(&binaries).status().expect("chmod");
            assert!(made.success());
        };
        link("taskwatch", env!("CARGO_BIN_EXE_taskwatch"));
        // Version 1 of the AWS CLI asks SQS at its old name, whatever AWS_ENDPOINT_URL says.
        link("aws", &format!("{} -m awscli --endpoint-url $AWS_ENDPOINT_URL", python::venv().display()));
        for name in ["run.json", "my-task.json", "fleet.ndjson"] {
            let text = match name {
                "my-task.json" => r#"{"cluster": "batch", "taskDefinition": "etl"}"#,
                "fleet.ndjson" => "{\"taskDefinition\": \"etl\", \"cluster\": \"batch\", \"count\": 3}\n",
                _ => r#"{"name": "nightly-2026-11-22", "runTask": {"cluster": "batch", "taskDefinition": "etl:7"}}"#,
            };
            std::fs::write(dir.path().join(name), text).expect("a file");
        }
        let mut stage = Self { local: Local::start(), serve: None, dir, listen, binaries };
        // Not under a `timeout`, so that killing it kills the cell.
        let mut serve =
            stage.shell(&[], "eval \"$(taskwatch setup --cell blue --cluster batch)\" && exec taskwatch serve");
        stage.serve = Some(serve.stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("a cell"));
        let ready =
            stage.shell(&BOUND, "until taskwatch healthcheck --ready; do sleep 0.1; done").output().expect("sh");
        assert!(ready.status.success(), "the cell was to serve");
        stage
    }

    fn shell(&self, bound: &[&str], script: &str) -> Command {
        let line = [bound, &["sh", "-euc", script]].concat();
        let mut command = Command::new(line[0]);
        let path = format!("{}:{}", self.binaries.display(), std::env::var("PATH").unwrap_or_default());
        command.env_clear().envs(taskwatch().get_envs().filter_map(|(n, v)| Some((n, v?))));
        command.env("PATH", path).env("AWS_ENDPOINT_URL", &self.local.1).env("AWS_DEFAULT_REGION", "us-east-1");
        command.env("TASKWATCH_LISTEN", &self.listen).env("TASKWATCH_URL", format!("http://{}", self.listen));
        command.args(&line[1..]).current_dir(&self.dir).stdin(Stdio::null());
        command
    }

    /// Runs a block as it stands, but for the addresses, names that stand for a reader's own, and what this stage has started.
    fn run(&self, block: &str) -> Output {
        let lines = block.lines().filter(|line| !SERVING.iter().any(|serving| line.starts_with(serving)));
        let mut script = String::from("eval \"$(taskwatch setup --cell blue --cluster batch 2>/dev/null)\"\n");
        script.extend(lines.map(|line| format!("{line}\n")));
        for (said, meant) in [
            ("http://127.0.0.1:4566", self.local.1.as_str()),
            ("127.0.0.1:7717", &self.listen),
            ("--cluster C ", "--cluster batch "),
            ("--tasks ARN", &format!("--tasks {}", self.task())),
        ] {
            script = script.replace(said, meant);
        }
        self.shell(&BOUND, &script).output().expect("sh")
    }

    /// The ARN of a task that the endpoint has.
    fn task(&self) -> String {
        let launch =
            "taskwatch run --server $TASKWATCH_URL --cluster batch --task-definition etl --no-wait 2>/dev/null";
        let output = self.shell(&BOUND, launch).output().expect("sh");
        let run: Value = serde_json::from_str(&stdout(&output)).expect("a run");
        run["attempts"][0]["taskArn"].as_str().expect("a task").to_owned()
    }
}

impl Drop for Stage {
    fn drop(&mut self) {
        if let Some(serve) = &mut self.serve {
            let _ = serve.kill();
            let _ = serve.wait();
        }
    }
}

#[test]
fn every_command_in_the_documents_works_or_has_its_reason() {
    let stage = Stage::set();
    let (mut ran, mut wrong) = (0, Vec::new());
    for (name, page) in pages() {
        for (file, text) in files(&page) {
            std::fs::write(stage.dir.path().join(file), text).expect("a file");
        }
        for block in blocks(&page).iter().filter(|block| reason(&name, &block.commands).is_none()) {
            let output = stage.run(&block.commands);
            ran += 1;
            if !output.status.success() || !block.is_as_told(&stdout(&output)) {
                let (code, commands) = (output.status.code(), &block.commands);
                wrong.push(format!("{name}, exit {code:?}:\n{commands}{}{}", stdout(&output), stderr(&output)));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(ran >= 15, "only {ran} blocks were found");
}

#[test]
fn what_a_command_is_said_to_print_is_compared() {
    let block = |page: &str| blocks(page).remove(0);
    let told = block("Look:\n\n    echo a\n\n```text\na…c\nd\n```\n");
    assert_eq!(told.commands, "echo a\n");
    assert!(told.is_as_told("abc\nd\n") && !told.is_as_told("abc\ne\n") && !told.is_as_told("abc\nd\ne\n"));
    assert!(block("```sh\necho a\n```\n\n```text\nb\n```\n").prints.is_some());
    assert!(block("    echo a\n\nand\n\n```text\nb\n```\n").prints.is_none());
}

#[test]
fn every_reason_is_for_a_block_that_is_there() {
    let pages = pages();
    for (page, begin, _) in NOT_RUN {
        let found =
            pages.iter().any(|(name, text)| name == page && blocks(text).iter().any(|b| b.commands.starts_with(begin)));
        assert!(found, "{page} has no block that begins with {begin:?}");
    }
}

#[test]
fn what_users_come_from_becomes_a_request() {
    let page = include_str!("../../docs/migrate.md");
    let errors = include_str!("../../docs/errors.md");
    let files = files(page);
    assert_eq!(files.len(), 11);
    let input = files.iter().find(|(name, _)| *name == "input.json").expect("the input");
    for (name, text) in files.iter().copied().filter(|(name, _)| *name != "input.json") {
        let value: Value = serde_json::from_str(text).expect("JSON");
        // What EventBridge makes of its template, for the event with this id.
        let template = value["InputTransformer"]["InputTemplate"].as_str();
        let text =
            template.map_or_else(|| text.to_owned(), |t| t.replace("<id>", "6a7e8feb-b491-4cf7-a9f1-bf3703467718"));
        let mut document: Value = serde_json::from_str(&text).expect("JSON");
        if name == "workflow.json" {
            document = with_input(document, Some("Load"), serde_json::from_str(input.1).ok()).expect("a document");
        }
        let at = Acceptance::new(Timestamp::from_millis(0), uuid::Uuid::nil());
        if name == "callback.json" {
            // What Step Functions makes of it.
            document = document["States"]["Load"]["Parameters"]["MessageBody"].take();
            document["notify"] = json!({"taskToken": "AQCEAAAA", "heartbeatSeconds": 600, "stopOnTaskTimeout": true});
        }
        if name == "messages.json" {
            document = with_input(document, None, Some(json!({"day": "2026-11-22"}))).expect("a document");
        }
        if name.starts_with("before-") {
            let mut converted = convert(document, &at).unwrap_or_else(|e| panic!("{name}: {e}"));
            assert_eq!(converted.len(), 1, "{name}");
            document = converted.remove(0).request;
        }
        let request = RunRequest::accept(document, &at).unwrap_or_else(|e| panic!("{name}: {e}"));
        for error in request.spec.retry.0.iter().flat_map(|retrier| &retrier.error_equals) {
            let known = error.starts_with("States.") || errors.contains(error.as_str());
            assert!(known, "{name}: {error} is no error's name");
        }
    }
    // The other JSON is what users have; it has to be JSON at least.
    for block in page.split("```json\n").skip(1).filter_map(|rest| rest.split("```").next()) {
        serde_json::from_str::<Value>(block).expect("JSON");
    }
}
