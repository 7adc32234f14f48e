//! `taskwatch completions` and `taskwatch man`: made from the arguments themselves.

use clap::Args;

use super::error::CliError;
use super::output;

pub(super) const COMPLETIONS_EXAMPLES: &str = "\
Examples:
  taskwatch completions bash > /etc/bash_completion.d/taskwatch
  taskwatch completions zsh > ~/.zfunc/_taskwatch";

/// `taskwatch completions`.
#[derive(Debug, Args)]
pub(super) struct CompletionsArgs {
    /// The shell
    #[arg(value_enum)]
    shell: clap_complete::Shell,
}

/// `taskwatch man`.
#[derive(Debug, Args)]
pub(super) struct ManArgs {
    /// Write taskwatch.1, taskwatch-run.1, … into this directory
    #[arg(long, value_name = "DIR")]
    dir: Option<std::path::PathBuf>,
}

pub(super) fn completions(arguments: &CompletionsArgs, mut all: clap::Command) -> u8 {
    let mut script = Vec::new();
    clap_complete::generate(arguments.shell, &mut all, "taskwatch", &mut script);
    output::data(&String::from_utf8_lossy(&script));
    0
}

pub(super) fn man(arguments: &ManArgs, all: clap::Command) -> Result<u8, CliError> {
    let Some(dir) = &arguments.dir else {
        output::data(&page(all)?);
        return Ok(0);
    };
    let wrong = |e: std::io::Error| CliError::usage(format!("--dir {}: {e}", dir.display()));
    std::fs::create_dir_all(dir).map_err(wrong)?;
    clap_mangen::generate_to(all, dir).map_err(wrong)?;
    Ok(0)
}

fn page(command: clap::Command) -> Result<String, CliError> {
    let mut page = Vec::new();
    clap_mangen::Man::new(command).render(&mut page).map_err(|e| CliError::other(e.to_string()))?;
    Ok(String::from_utf8_lossy(&page).into_owned())
}
