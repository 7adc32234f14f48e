//! The arguments of `explain`.

use std::io::IsTerminal as _;

use clap::{Args, ValueEnum};

use super::source::{Found, Source, TaskAsked};
use crate::core::explain;
use crate::terminal::error::CliError;
use crate::terminal::input::read;
use crate::terminal::output;

/// `taskwatch explain`.
#[derive(Debug, Args)]
pub(crate) struct ExplainArgs {
    /// Files with ECS events, or answers of DescribeTasks, RunTask or AWS Batch's DescribeJobs; a task's ARN, or its id (with --cluster);
    /// a reason as ECS words it; - for stdin
    #[arg(value_name = "FILE|TASK|TEXT|-")]
    sources: Vec<String>,
    /// The cluster of tasks that are given by their id
    #[arg(long)]
    cluster: Option<String>,
    /// The container whose exit code decides
    #[arg(long, value_name = "CONTAINER", value_delimiter = ',')]
    pub(crate) decided_by: Vec<String>,
    /// Show the last lines of the container that decided too (CloudWatch Logs; of tasks that are given by ARN or id)
    #[arg(long, hide = cfg!(not(feature = "service")))]
    pub(crate) logs: bool,
}

/// How explanations are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    Json,
    Table,
    Text,
}

impl ExplainArgs {
    /// What is to be explained; without arguments, stdin.
    pub(crate) fn sources(&self) -> Result<Vec<String>, CliError> {
        sources(&self.sources, std::io::stdin().is_terminal())
    }

    /// What one of the sources says, or whom to ask.
    pub(crate) fn find<'a>(&'a self, source: &'a str) -> Result<Found<'a>, CliError> {
        match Source::of(source) {
            Source::Arn => Ok(Found::Task(TaskAsked::by_arn(source))),
            Source::Id => match self.cluster.as_deref() {
                Some(cluster) => Ok(Found::Task(TaskAsked::by_id(source, cluster))),
                None => Err(CliError::usage(format!(
                    "{source}: a task's id alone does not say where it is: add --cluster, or give its ARN"
                ))),
            },
            Source::Text => Ok(Found::Explained(explain::explain(source, &self.decided_by))),
            Source::File => {
                if source == "-" && std::io::stdin().is_terminal() {
                    output::problem("reading from the terminal: paste it, then press Ctrl-D on a line of its own");
                }
                Ok(Found::Explained(explain::explain(&read(source)?, &self.decided_by)))
            }
        }
    }
}

/// The arguments; without any, stdin. A person at a terminal is told what to type instead of being waited for.
fn sources(given: &[String], terminal: bool) -> Result<Vec<String>, CliError> {
    match given {
        [] if terminal => Err(CliError::usage(
            "what is to be explained? a file or - (ECS events, answers of DescribeTasks, RunTask, AWS Batch's DescribeJobs), a task's ARN, \
             its id with --cluster, or a reason in quotes; see taskwatch explain --help",
        )),
        [] => Ok(vec!["-".to_owned()]),
        given => Ok(given.to_vec()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nobody_is_waited_for_at_a_terminal_without_being_told() {
        let asked = sources(&[], true).expect_err("a question").to_string();
        assert!(asked.contains("--cluster") && asked.contains("--help") && !asked.contains('\n'), "{asked}");
        assert_eq!(sources(&[], false).expect("stdin"), ["-"]);
        assert_eq!(sources(&["-".to_owned()], true).expect("stdin"), ["-"]);
    }
}
