//! docs/local.md, run as it stands: its commands in a shell with the AWS CLI and boto3, then its CI job, step by step.

use std::fs::{self, File};
use std::net::{TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use serde_json::Value;
use tempfile::TempDir;

use crate::support::{polled, python};

const PAGE: &str = include_str!("../../docs/local.md");

/// A fenced block: its language, its text, and the file that the line before it names.
struct Block<'a> {
    language: &'a str,
    text: &'a str,
    file: Option<&'a str>,
}

fn blocks(page: &str) -> Vec<Block<'_>> {
    let mut parts = page.split("```");
    let mut before = parts.next().unwrap_or_default();
    let mut blocks = Vec::new();
    while let (Some(block), after) = (parts.next(), parts.next()) {
        let (language, text) = block.split_once('\n').expect("a language");
        let last = before.trim_end().lines().last().unwrap_or_default();
        let file = last.strip_prefix('`').and_then(|rest| rest.split('`').next());
        blocks.push(Block { language, text, file });
        before = after.unwrap_or_default();
    }
    blocks
}

/// A directory with the page's files, and a shell in it that has `taskwatch`, `aws` and `python` and no settings.
struct Desk {
    directory: TempDir,
    port: u16,
}

impl Desk {
    fn new(port: u16) -> Self {
        let directory = tempfile::tempdir().expect("a directory");
        let desk = Self { directory, port };
        let bin = desk.directory.path().join("bin");
        fs::create_dir(&bin).expect("bin");
        let python = python::venv().display().to_string();
        for (name, runs) in [("python", python.clone()), ("aws", format!("{python} -m awscli"))] {
            let path = bin.join(name);
            fs::write(&path, format!("#!/bin/sh\nexec {runs} \"$@\"\n")).expect("a command");
            fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).expect("a command");
        }
        desk.keep("examples/faults.toml", include_str!("../../examples/faults.toml"));
        blocks(PAGE).iter().filter_map(|b| Some((b.file?, b.text))).for_each(|(file, text)| desk.keep(file, text));
        desk
    }

    fn keep(&self, file: &str, text: &str) {
        let path = self.directory.path().join(file);
        fs::create_dir_all(path.parent().expect("its directory")).expect("its directory");
        fs::write(path, self.here(text)).expect("a file");
    }

    /// The page's text with a port that is free here.
    fn here(&self, text: &str) -> String {
        let listen = format!("taskwatch local --listen 127.0.0.1:{} ", self.port);
        text.replace("4566", &self.port.to_string()).replace("taskwatch local ", &listen)
    }

    fn read(&self, file: &str) -> String {
        fs::read_to_string(self.directory.path().join(file)).unwrap_or_default()
    }

    /// Starts a script in a process group of its own; what it prints goes to `log`.
    fn start(&self, script: &str, settings: &[(String, String)], log: &str) -> Shell {
        let file = File::create(self.directory.path().join(log)).expect("a log");
        let binary = Path::new(env!("CARGO_BIN_EXE_taskwatch")).parent().expect("its directory").display();
        let path = std::env::var("PATH").unwrap_or_default();
        let mut command = Command::new("bash");
        command.env_clear().env("PATH", format!("{}/bin:{binary}:{path}", self.directory.path().display()));
        command.envs([
            ("AWS_CONFIG_FILE", "/dev/null"),
            ("AWS_SHARED_CREDENTIALS_FILE", "/dev/null"),
            ("HOME", "/nowhere"),
        ]);
        command.env("AWS_EC2_METADATA_DISABLED", "true").envs(settings.iter().cloned());
        command.args(["-euo", "pipefail", "-c", &self.here(script)]).current_dir(&self.directory).stdin(Stdio::null());
        command.stdout(file.try_clone().expect("a log")).stderr(file).process_group(0);
        Shell(command.spawn().expect("bash"))
    }

    /// Waits for the endpoint.
    fn until_it_listens(&self) {
        let what = || format!("it listens; it said {}", self.read("endpoint.log"));
        polled::until(what, || TcpStream::connect(("127.0.0.1", self.port)).is_ok());
    }
}

/// A shell and what it left running; both end with it.
struct Shell(Child);

impl Drop for Shell {
    fn drop(&mut self) {
        let mut kill = Command::new("kill");
        let _ = kill.stderr(Stdio::null()).args(["-KILL", "--", &format!("-{}", self.0.id())]).status();
        let _ = self.0.wait();
    }
}

fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr()).expect("a port").port()
}

#[test]
fn every_command_of_local_md_works_as_it_stands() {
    let desk = Desk::new(free_port());
    let shells: Vec<_> = blocks(PAGE).into_iter().filter(|block| block.language == "sh").collect();
    let (endpoint, commands): (Vec<_>, Vec<_>) = shells.iter().partition(|b| b.text.starts_with("taskwatch local"));
    assert_eq!(endpoint.len(), 1, "one endpoint");
    let _endpoint = desk.start(&format!("exec {}", endpoint[0].text), &[], "endpoint.log");
    desk.until_it_listens();
    let script: String = commands.iter().map(|block| block.text).collect();
    assert!(script.matches("aws ").count() > 20, "most commands are missing");
    let mut shell = desk.start(&script, &[], "commands.log");
    let status = shell.0.wait().expect("its end");
    let printed = desk.read("commands.log");
    assert!(status.success(), "{printed}");
    assert_eq!(printed.matches("Capacity is unavailable at this time").count(), 3, "{printed}");
    for part in ["\"EssentialContainerExited\"", "\"UserInitiated\"", "\"seen enough\"", "\"Result\": true"] {
        assert!(printed.contains(part), "{part} is not in\n{printed}");
    }
    assert!(printed.contains("\"detail-type\":\"ECS Task State Change\""), "{printed}");
    let told = desk.read("endpoint.log");
    assert!(told.contains("--seed 7") && told.contains("AWS_DEFAULT_REGION=us-east-1"), "{told}");
}

/// Names, and what they stand for.
type Named = Vec<(String, String)>;

/// The job's settings and its steps' scripts.
fn job() -> (Named, Named) {
    let yaml = blocks(PAGE).into_iter().find(|block| block.language == "yaml").expect("a job").text;
    let mut command = python::command();
    command.args([
        "-c",
        "import json, sys, yaml; print(json.dumps(yaml.safe_load(sys.argv[1])['jobs']['fleet']))",
        yaml,
    ]);
    let output = command.output().expect("python");
    let job: Value = serde_json::from_slice(&output.stdout).expect("a job");
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let settings = job["env"].as_object().expect("settings").iter().map(|(name, v)| (name.clone(), text(v))).collect();
    let steps = job["steps"].as_array().expect("steps").iter().map(|step| (text(&step["name"]), text(&step["run"])));
    (settings, steps.collect())
}

#[test]
fn the_ci_job_of_local_md_passes_and_fails_where_it_must() {
    let (settings, steps) = job();
    let names: Vec<&str> = steps.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(names, ["", "taskwatch", "endpoint", "fleet", "what must hold", "the seed"]);
    let desk = Desk::new(free_port());
    let settings: Vec<_> = settings.into_iter().map(|(name, value)| (name, desk.here(&value))).collect();
    let mut left = Vec::new();
    // Not the checkout, nor the installation: the binary is that of this build.
    for (name, run) in &steps[2..] {
        let log = format!("{}.log", name.replace(' ', "-"));
        let mut shell = desk.start(run, &settings, &log);
        let status = shell.0.wait().expect("its end");
        assert!(status.success(), "{name}: {}", desk.read(&log));
        left.push(shell);
    }
    assert!(desk.read("the-seed.log").contains("--seed 7"));
    // A task that nobody accounts for is found.
    let stray = "aws ecs run-task --task-definition etl > /dev/null && python test_fleet.py";
    let mut shell = desk.start(stray, &settings, "stray.log");
    assert!(!shell.0.wait().expect("its end").success());
    assert!(desk.read("stray.log").contains("AssertionError"), "{}", desk.read("stray.log"));
}
