//! Every command in circumstances that people meet: credentials, Regions, URLs and files that are wrong, a pipe that is closed,
//! two signals. Whatever it is, the command ends soon, with its exit code and one line that says what is wrong; nothing panics.
//!
//! The tables are to grow: a command is a line of [`COMMANDS`], a circumstance a line of the table that it belongs to.

mod aws;
mod cells;
mod files;
mod pipes;
mod profile;
mod signals;

use std::process::{Command, Output};

use super::cli::{stderr, stdout, taskwatch};

/// What a command needs, and so what can be wrong with it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Needs {
    /// AWS itself.
    Aws,
    /// A serving cell, at `--server`.
    Cell,
    /// A serving cell on this machine, at `TASKWATCH_LISTEN`.
    Listening,
    /// A file with run requests.
    Requests,
    /// A file with what ECS says.
    Events,
}

/// A command as people give it; `FILE` stands for a file, `URL` for a cell's.
struct Given {
    arguments: &'static [&'static str],
    needs: &'static [Needs],
}

const fn given(arguments: &'static [&'static str], needs: &'static [Needs]) -> Given {
    Given { arguments, needs }
}

const TASK: [&str; 8] =
    ["--cluster", "batch", "--task-definition", "etl", "--launch-type", "FARGATE", "--subnets", "subnet-0a"];

const COMMANDS: [Given; 43] = [
    given(&["run", TASK[0], TASK[1], TASK[2], TASK[3], TASK[4], TASK[5], TASK[6], TASK[7]], &[Needs::Aws]),
    given(&["run", "--no-wait", TASK[0], TASK[1], TASK[2], TASK[3], TASK[4], TASK[5], TASK[6], TASK[7]], &[Needs::Aws]),
    given(&["run", "FILE"], &[Needs::Requests]),
    given(&["run", "--cli-input-json", "file://FILE", "--dry-run"], &[Needs::Requests]),
    given(&["run", "--server", "URL", "--task-definition", "etl"], &[Needs::Cell]),
    given(&["run", "--server", "URL", "--no-wait", "--count", "3", "--task-definition", "etl"], &[Needs::Cell]),
    given(&["run", "--server", "URL", "--detach", "--task-definition", "etl"], &[Needs::Cell]),
    given(&["submit", "FILE", "--server", "URL"], &[Needs::Cell, Needs::Requests]),
    given(&["submit", "FILE", "--server", "URL", "--output", "json"], &[Needs::Cell]),
    given(&["list", "--server", "URL"], &[Needs::Cell]),
    given(&["list", "--server", "URL", "--status", "FAILED", "--output", "json"], &[Needs::Cell]),
    given(&["list", "--server", "URL", "--watch"], &[Needs::Cell]),
    given(&["show", "nightly", "--server", "URL"], &[Needs::Cell]),
    given(&["show", "nightly", "--server", "URL", "--output", "json"], &[Needs::Cell]),
    given(&["show", "nightly", "--logs", "--server", "URL"], &[Needs::Cell]),
    given(&["logs", "nightly", "--server", "URL"], &[Needs::Cell]),
    given(&["logs", "nightly", "--follow", "--server", "URL"], &[Needs::Cell]),
    given(&["stop", "nightly", "--server", "URL"], &[Needs::Cell]),
    given(&["stop", "--status", "RUNNING", "--yes", "--server", "URL"], &[Needs::Cell]),
    given(&["redrive", "nightly", "--server", "URL"], &[Needs::Cell]),
    given(&["redrive", "--status", "FAILED", "--server", "URL"], &[Needs::Cell]),
    given(&["redrive", "--status", "FAILED", "--yes", "--server", "URL"], &[Needs::Cell]),
    given(&["redrive", "--error", "secrets", "--dry-run", "--server", "URL"], &[Needs::Cell]),
    given(&["pause", "--queue", "team-a", "--server", "URL"], &[Needs::Cell]),
    given(&["resume", "--queue", "team-a", "--server", "URL"], &[Needs::Cell]),
    given(&["pause", "--task-definition", "etl:7", "--server", "URL"], &[Needs::Cell]),
    given(&["limits", "--server", "URL"], &[Needs::Cell]),
    given(&["limits", "--max-in-flight", "10", "--server", "URL"], &[Needs::Cell]),
    given(&["watch", "--once", "--server", "URL"], &[Needs::Cell]),
    given(&["watch", "--once", "--server", "URL", "--output", "json"], &[Needs::Cell]),
    given(&["fleet", "--server", "URL"], &[Needs::Cell]),
    given(&["convert", "FILE"], &[Needs::Requests]),
    given(&["healthcheck"], &[Needs::Listening]),
    given(&["healthcheck", "--ready"], &[Needs::Listening]),
    given(&["setup", "--cell", "blue"], &[Needs::Aws]),
    given(&["setup", "--cell", "blue", "--dry-run"], &[Needs::Aws]),
    given(&["teardown", "--cell", "blue", "--yes", "--server", "URL"], &[Needs::Aws]),
    given(&["setup", "--fleet", "blue", "--store", "dynamodb:runs"], &[Needs::Aws]),
    given(&["teardown", "--fleet", "blue", "--store", "dynamodb:runs"], &[Needs::Aws]),
    given(&["migrate-store", "file:taskwatch-data", "dynamodb:runs", "--cell", "blue"], &[Needs::Aws]),
    given(
        &["explain", "arn:aws:ecs:us-east-1:123456789012:task/batch/0123456789abcdef0123456789abcdef"],
        &[Needs::Aws],
    ),
    given(&["report", "--cluster", "batch"], &[Needs::Aws]),
    given(&["explain", "FILE"], &[Needs::Events]),
];

/// The commands that have a need.
fn those_that_need(need: Needs) -> impl Iterator<Item = &'static Given> {
    static ALL: &[Given] = &COMMANDS;
    ALL.iter().filter(move |given| given.needs.contains(&need))
}

impl Given {
    /// The command, with a file and a cell in place of the words that stand for them; turned into a failure where it hangs.
    fn command(&self, file: &str, url: &str) -> Command {
        let words = self.arguments.iter().map(|word| word.replace("FILE", file).replace("URL", url));
        bounded(words)
    }

    fn shown(&self) -> String {
        self.arguments.join(" ")
    }
}

/// Longer than anything here takes that does not hang.
const HANGS: &str = "90";
/// What `timeout` exits with where it had to end the command.
const HUNG: i32 = 124;

/// `taskwatch` with these arguments, ended where it hangs.
fn bounded(arguments: impl IntoIterator<Item = String>) -> Command {
    let plain = taskwatch();
    let mut command = Command::new("timeout");
    command.args(["--kill-after", "5", HANGS]).arg(plain.get_program()).args(arguments);
    command.env_clear().envs(plain.get_envs().filter_map(|(name, value)| Some((name, value?))));
    command
}

/// Holds an end to what is promised of all: the exit code, and one line on stderr with these parts.
fn ends_with(output: &Output, code: i32, parts: &[&str], of: &str) {
    let said = stderr(output);
    let told = format!("{of}\n--- code {:?}\n--- stderr\n{said}\n--- stdout\n{}", output.status.code(), stdout(output));
    assert_ne!(output.status.code(), Some(HUNG), "it hung: {told}");
    assert!(!said.contains("panicked"), "{told}");
    assert_eq!(output.status.code(), Some(code), "{told}");
    // How far `run` had come, and how it was to follow its tasks, are no complaints.
    let is_progress = |line: &&str| {
        *line == "QUEUED"
            || line.contains("DescribeTasks, 100 a call")
            || line.starts_with("cannot make the events path")
    };
    let lines: Vec<&str> = said.lines().filter(|line| !is_progress(line)).collect();
    assert!(lines.len() == 1 && lines[0].starts_with("error: "), "not one line: {told}");
    assert!(parts.iter().all(|part| said.contains(part)), "not with {parts:?}: {told}");
    assert_eq!(stdout(output), "", "nothing is a result: {told}");
}

#[test]
fn every_command_is_in_the_table() {
    let help = taskwatch().arg("--help").output().expect("help");
    let help = stdout(&help);
    let (_, list) = help.split_once("Commands:\n").expect("the commands");
    // What goes on in a second line is indented further.
    let is_first = |line: &&str| line.starts_with("  ") && !line.starts_with("   ");
    let lines = list.lines().take_while(|line| !line.trim().is_empty()).filter(is_first);
    let names = lines.filter_map(|line| line.split_whitespace().next());
    // Servers of their own, and what needs nothing.
    let others = ["serve", "local", "demo", "doctor", "completions", "man", "help"];
    let missing: Vec<_> = names
        .filter(|name| !others.contains(name) && !COMMANDS.iter().any(|given| given.arguments.first() == Some(name)))
        .collect();
    assert!(missing.is_empty(), "give them their lines in COMMANDS: {missing:?}");
}
