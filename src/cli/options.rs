//! Options that commands share, named as the AWS CLI's where it has them.

use clap::{Args, ValueEnum};

/// How results are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum Format {
    Json,
    Table,
    Text,
    /// Of `report` alone.
    #[value(alias = "md")]
    Markdown,
}

/// In a command's help they stand behind its own.
const HEADING: &str = "Global options";

/// For every command.
#[derive(Debug, Args)]
pub(super) struct Global {
    /// How the result is written; each command says what it takes
    #[arg(long, short, global = true, value_enum, help_heading = HEADING)]
    pub(super) output: Option<Format>,
    /// AWS region
    #[arg(long, global = true, help_heading = HEADING)]
    pub(super) region: Option<String>,
    /// Profile of the AWS configuration; it goes before keys in the environment
    #[arg(long, global = true, help_heading = HEADING)]
    pub(super) profile: Option<String>,
    /// Another AWS endpoint
    #[arg(long, global = true, value_name = "URL", help_heading = HEADING)]
    pub(super) endpoint_url: Option<String>,
    /// Settings file [default: taskwatch.toml, if there is one]
    #[arg(long, global = true, value_name = "FILE", help_heading = HEADING)]
    pub(super) config: Option<std::path::PathBuf>,
}

/// The cell that is to do the work. Only when it is named: TASKWATCH_URL alone does not change what `run` does.
#[derive(Debug, Default, Args)]
pub(super) struct RemoteArgs {
    /// Hand the request to the serving cell at this URL, and follow its runs there. Ctrl-C at a terminal leaves them running;
    /// a second one within 3 s stops them
    #[arg(long, value_name = "URL", conflicts_with_all = ["events_queue", "events"])]
    pub(super) server: Option<String>,
    /// Only hand the request over: its runs go on at the cell, and this command ends
    #[arg(long, requires = "server")]
    pub(super) detach: bool,
}

/// Which cell a command talks to.
#[derive(Debug, Default, Args)]
pub(super) struct ServerArgs {
    /// URL of a serving cell [default: http://127.0.0.1:7717]
    #[arg(long, value_name = "URL", env = "TASKWATCH_URL")]
    pub(super) server: Option<String>,
}
