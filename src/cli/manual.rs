//! `taskwatch completions` and `taskwatch man`: made from the arguments themselves.

use std::io::Write as _;
use std::path::Path;

use clap::Args;
use clap_mangen::Man;
use clap_mangen::roff::{Roff, roman};

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
    let mut all = all.disable_help_subcommand(true);
    all.build();
    let Some(dir) = &arguments.dir else {
        let page = page(&all).map_err(|e| CliError::other(e.to_string()))?;
        output::data(&String::from_utf8_lossy(&page));
        return Ok(0);
    };
    let wrong = |e: std::io::Error| CliError::usage(format!("--dir {}: {e}", dir.display()));
    std::fs::create_dir_all(dir).map_err(wrong)?;
    for command in std::iter::once(&all).chain(all.get_subcommands()) {
        write(command, dir).map_err(wrong)?;
    }
    Ok(0)
}

fn write(command: &clap::Command, dir: &Path) -> std::io::Result<()> {
    std::fs::write(dir.join(Man::new(command.clone()).get_filename()), page(command)?)
}

/// A command's page. What stands behind the options in its help has sections of its own here, as man-pages(7) names them.
fn page(command: &clap::Command) -> std::io::Result<Vec<u8>> {
    let man = Man::new(command.clone());
    let mut page = Vec::new();
    man.render_title(&mut page)?;
    man.render_name_section(&mut page)?;
    man.render_synopsis_section(&mut page)?;
    man.render_description_section(&mut page)?;
    man.render_options_section(&mut page)?;
    if command.has_subcommands() {
        man.render_subcommands_section(&mut page)?;
    }
    for (title, text) in sections(&command.get_after_help().map(ToString::to_string).unwrap_or_default()) {
        page.write_all(section(title, &text).render().as_bytes())?;
    }
    man.render_version_section(&mut page)?;
    Ok(page)
}

/// The sections of a text of help: paragraphs under `Examples:` and `Exit codes:`, and the others as notes.
fn sections(help: &str) -> Vec<(&'static str, String)> {
    let titled = |paragraph: &str| {
        let (first, rest) = paragraph.split_once('\n').unwrap_or((paragraph, ""));
        match first {
            "Examples:" | "Example:" => ("EXAMPLES", rest.to_owned()),
            "Exit codes:" => ("EXIT STATUS", rest.to_owned()),
            _ => ("NOTES", paragraph.to_owned()),
        }
    };
    let paragraphs: Vec<_> = help.split("\n\n").filter(|text| !text.trim().is_empty()).map(titled).collect();
    let of = |wanted: &'static str| {
        let texts: Vec<&str> =
            paragraphs.iter().filter(|(title, _)| *title == wanted).map(|(_, text)| text.as_str()).collect();
        (!texts.is_empty()).then(|| (wanted, texts.join("\n\n")))
    };
    ["EXIT STATUS", "NOTES", "EXAMPLES"].into_iter().filter_map(of).collect()
}

/// A section: notes are filled, whatever has lines of its own keeps them.
fn section(title: &str, text: &str) -> Roff {
    let mut roff = Roff::new();
    roff.control("SH", [title]);
    let filled = title == "NOTES";
    if !filled {
        roff.control("nf", []);
    }
    for line in text.lines() {
        match line.is_empty() {
            true => roff.control("PP", []),
            false => roff.text([roman(line)]),
        };
    }
    if !filled {
        roff.control("fi", []);
    }
    roff
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_help_says_behind_the_options_has_its_sections() {
        let help = "Examples:\n  taskwatch x 'a'\n  taskwatch y\n\nIt is so.\n\nExit codes:\n  0  well\n  1  not";
        assert_eq!(
            sections(help),
            [
                ("EXIT STATUS", "  0  well\n  1  not".to_owned()),
                ("NOTES", "It is so.".to_owned()),
                ("EXAMPLES", "  taskwatch x 'a'\n  taskwatch y".to_owned())
            ]
        );
        assert!(sections("").is_empty());
        let page = section("EXAMPLES", "  taskwatch x\n.hidden").render();
        assert!(page.contains(".nf\n  taskwatch x\n") && !page.contains("\n.hidden"), "{page}");
    }
}
