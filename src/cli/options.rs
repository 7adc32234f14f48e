//! Options that commands share, named as the AWS CLI's where it has them.

use clap::builder::PossibleValue;
use clap::{Args, ValueEnum};

/// How results are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Format {
    Json,
    Table,
    Text,
    /// Of one command alone.
    Only(Special),
}

/// What one command alone writes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Special {
    /// Of `report`.
    Markdown,
    /// Of `run`, as the AWS CLI has it.
    Yaml,
    /// Of `run`: a list with an item for each answer.
    YamlStream,
    /// Of `run`: nothing is written.
    Off,
}

impl ValueEnum for Format {
    fn value_variants<'a>() -> &'a [Self] {
        use Special::{Markdown, Off, Yaml, YamlStream};
        &[
            Self::Json,
            Self::Table,
            Self::Text,
            Self::Only(Markdown),
            Self::Only(Yaml),
            Self::Only(YamlStream),
            Self::Only(Off),
        ]
    }

    fn to_possible_value(&self) -> Option<PossibleValue> {
        Some(match self {
            Self::Only(Special::Markdown) => PossibleValue::new(self.name()).alias("md"),
            _ => PossibleValue::new(self.name()),
        })
    }
}

impl Format {
    /// As `--output` has it.
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Json => "json",
            Self::Table => "table",
            Self::Text => "text",
            Self::Only(Special::Markdown) => "markdown",
            Self::Only(Special::Yaml) => "yaml",
            Self::Only(Special::YamlStream) => "yaml-stream",
            Self::Only(Special::Off) => "off",
        }
    }

    /// The one command that writes it; none where all do.
    pub(super) const fn command(self) -> Option<&'static str> {
        match self {
            Self::Json | Self::Table | Self::Text => None,
            Self::Only(Special::Markdown) => Some("report"),
            Self::Only(Special::Yaml | Special::YamlStream | Special::Off) => Some("run"),
        }
    }
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
