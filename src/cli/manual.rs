//! `taskwatch completions` and `taskwatch man`: made from the arguments themselves.

use clap::CommandFactory;

use super::args::{Arguments, CompletionsArgs, ManArgs};
use super::error::CliError;
use super::output;

pub(super) fn completions(arguments: &CompletionsArgs) -> u8 {
    let mut script = Vec::new();
    clap_complete::generate(arguments.shell, &mut Arguments::command(), "taskwatch", &mut script);
    output::data(&String::from_utf8_lossy(&script));
    0
}

pub(super) fn man(arguments: &ManArgs) -> Result<u8, CliError> {
    let Some(dir) = &arguments.dir else {
        output::data(&page(Arguments::command())?);
        return Ok(0);
    };
    let wrong = |e: std::io::Error| CliError::usage(format!("--dir {}: {e}", dir.display()));
    std::fs::create_dir_all(dir).map_err(wrong)?;
    clap_mangen::generate_to(Arguments::command(), dir).map_err(wrong)?;
    Ok(0)
}

fn page(command: clap::Command) -> Result<String, CliError> {
    let mut page = Vec::new();
    clap_mangen::Man::new(command).render(&mut page).map_err(|e| CliError::other(e.to_string()))?;
    Ok(String::from_utf8_lossy(&page).into_owned())
}
