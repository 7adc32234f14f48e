//! The program of a build with `explain` alone: without AWS, and without the time that its SDK takes to compile.

use std::ffi::OsString;
#[cfg(not(feature = "service"))]
use std::process::ExitCode;

use clap::{Parser, Subcommand};

use super::{ExplainArgs, Format, Found, Gathered, TaskAsked};
use crate::terminal::error::CliError;

const EXAMPLES: &str = "\
Examples:
  aws ecs describe-tasks --cluster batch --tasks ARN | taskwatch explain -
  taskwatch explain event.json --output json
  taskwatch explain 'CannotPullContainerError: ref pull has been retried 5 time(s): i/o timeout'
  aws batch describe-jobs --jobs ID | taskwatch explain -";

/// Says why Amazon ECS tasks failed, and what to do. This build asks no AWS and has no other command: cargo build --locked makes the one that has all
#[derive(Debug, Parser)]
#[command(name = "taskwatch", version, propagate_version = true, max_term_width = 120)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
    /// How the result is written: json (one array), table or text [default: text]
    #[arg(long, short, global = true, value_enum, hide_possible_values = true)]
    output: Option<Format>,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Explain what happened to a task, and what to do
    #[command(after_help = EXAMPLES)]
    Explain(ExplainArgs),
    /// A command that this build has not.
    #[command(external_subcommand)]
    Other(Vec<OsString>),
}

/// Runs the command that the arguments name.
#[cfg(not(feature = "service"))]
pub fn main() -> ExitCode {
    crate::terminal::ended(dispatch(Arguments::parse()))
}

fn dispatch(arguments: Arguments) -> Result<u8, CliError> {
    match arguments.command {
        Command::Explain(explained) => explain(&explained, arguments.output.unwrap_or(Format::Text)),
        Command::Other(words) => {
            let name = words.first().map(|word| word.to_string_lossy()).unwrap_or_default();
            Err(CliError::usage(format!(
                "{name}: this taskwatch was built with explain alone; cargo build --locked makes the one with all commands"
            )))
        }
    }
}

fn explain(arguments: &ExplainArgs, format: Format) -> Result<u8, CliError> {
    if arguments.logs {
        return Err(CliError::usage(
            "--logs: this taskwatch was built to ask no AWS; cargo build --locked makes the one that reads CloudWatch Logs",
        ));
    }
    let sources = arguments.sources()?;
    let mut gathered = Gathered::of(sources.len());
    for source in &sources {
        let found = arguments.find(source).and_then(|found| match found {
            Found::Explained(explained) => Ok(explained),
            Found::Task(task) => Err(not_asked(&task)),
        });
        gathered.add(source, found)?;
    }
    gathered.write(format)
}

/// What to do instead of asking ECS about a task.
fn not_asked(asked: &TaskAsked<'_>) -> CliError {
    let TaskAsked { task, cluster, region } = asked;
    let region = region.map(|region| format!(" --region {region}")).unwrap_or_default();
    CliError::usage(format!(
        "{task}: this taskwatch was built to ask no AWS (cargo build --locked makes the one that does); use: \
         aws ecs describe-tasks --cluster {cluster} --tasks {task}{region} | taskwatch explain -"
    ))
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    const ARN: &str = "arn:aws:ecs:eu-west-1:123456789012:task/batch/0123456789abcdef0123456789abcdef";

    /// How this command line ends: its exit code, or the problem.
    fn ended(words: &[&str]) -> Result<u8, CliError> {
        let arguments = Arguments::try_parse_from([&["taskwatch"], words].concat()).expect("arguments");
        dispatch(arguments)
    }

    #[test]
    fn the_arguments_are_whole() {
        Arguments::command().debug_assert();
    }

    #[test]
    fn reasons_and_files_are_explained() {
        let event = "tests/fixtures/events/05-fargate-testsuite-fail-v6.json";
        for words in [
            &["explain", "RESOURCE:MEMORY"][..],
            &["explain", event],
            &["--output", "table", "explain", event],
            &["explain", event, "OutOfMemoryError", "-o", "json"],
        ] {
            assert_eq!(ended(words).expect("an explanation"), 0, "{words:?}");
        }
    }

    #[test]
    fn what_this_build_has_not_is_said_in_one_line_with_what_to_do() {
        for (words, parts) in [
            (&["serve"][..], &["serve: ", "explain alone", "cargo build --locked"][..]),
            (&["run", "--cluster", "batch"], &["run: ", "cargo build --locked"]),
            (&["explain", "--logs", ARN], &["--logs: ", "cargo build --locked"]),
            (
                &["explain", ARN],
                &[
                    "cargo build --locked",
                    "aws ecs describe-tasks --cluster batch --tasks arn:",
                    " --region eu-west-1 | taskwatch explain -",
                ],
            ),
            (
                &["explain", "0123456789abcdef0123456789abcdef", "--cluster", "etl"],
                &["--cluster etl --tasks 0123456789abcdef0123456789abcdef | taskwatch explain -"],
            ),
            (&["explain", "0123456789abcdef0123456789abcdef"], &["add --cluster"]),
            (&["explain", "/nowhere.json"], &["/nowhere.json: "]),
        ] {
            let problem = ended(words).expect_err("a problem");
            let line = problem.to_string();
            assert_eq!(problem.code, 2, "{line}");
            assert!(!line.contains('\n') && parts.iter().all(|part| line.contains(part)), "{words:?}: {line}");
        }
    }

    #[test]
    fn a_task_that_ecs_must_be_asked_about_does_not_cost_the_others() {
        assert_eq!(ended(&["explain", ARN, "RESOURCE:MEMORY"]).expect("an explanation"), 1);
    }
}
