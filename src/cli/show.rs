//! `taskwatch show`, against a serving cell: one run in full, an array request by its counts and what its runs wait for and
//! fail of.

mod rollup;
mod run;

use clap::Args;

use super::client::{Server, Shown};
use super::error::CliError;
use super::filter::now;
use super::logs::{Asked, Lines, texts};
use super::options::{Format, Global, ServerArgs};
use super::output;
use super::settings::Settings;

pub(super) const SHOW_EXAMPLES: &str = "\
Examples:
  taskwatch show nightly-2026-11-22
  taskwatch show nightly-2026-11-22 --logs
  taskwatch show fleet                     # an array request: counts by status, failures by cause
  taskwatch show fleet --all
  taskwatch show fleet/3 --output json";

/// Of so many attempts, the newest, so many lines are shown.
const LOGS: usize = 5;
const LINES: u32 = 20;

/// `taskwatch show`.
#[derive(Debug, Args)]
pub(super) struct ShowArgs {
    /// Its id or name
    #[arg(value_name = "RUN")]
    run: String,
    /// For an array request: show every run with every attempt (JSON always does)
    #[arg(long)]
    all: bool,
    /// Show the last lines of each attempt's container too
    #[arg(long, conflicts_with = "all")]
    logs: bool,
    #[command(flatten)]
    server: ServerArgs,
}

pub(super) async fn show(arguments: ShowArgs, global: &Global, settings: &Settings) -> Result<u8, CliError> {
    let server = Server::at(arguments.server.server.as_deref(), settings)?;
    if global.output == Some(Format::Json) {
        let mut runs = None;
        let each = |shown| match shown {
            Shown::One(run) => output::json(&run),
            Shown::Page(page) => {
                let list = runs.get_or_insert_with(|| output::JsonList::begin("runs"));
                page.iter().for_each(|run| list.item(run));
            }
        };
        server.show(&arguments.run, each).await?;
        runs.into_iter().for_each(output::JsonList::end);
        return Ok(0);
    }
    let first = server.get(&["runs", &arguments.run], &[("limit", "1".to_owned())]).await?;
    if !first["runs"].is_array() {
        output::data(&run::described(&first, now()));
        if arguments.logs {
            lines(&server, &arguments.run, &first).await?;
        }
        return Ok(0);
    }
    if arguments.all {
        let each = |shown| match shown {
            Shown::One(run) => output::data(&run::described(&run, now())),
            Shown::Page(page) => page.iter().for_each(|run| output::data(&run::described(run, now()))),
        };
        server.show(&arguments.run, each).await?;
    }
    let counted = server.get(&["rollup"], &[("name", arguments.run.clone())]).await?;
    output::data(&rollup::told(&arguments.run, &counted));
    Ok(0)
}

/// Says the last lines of each of a run's newest attempts.
async fn lines(server: &Server, name: &str, run: &serde_json::Value) -> Result<(), CliError> {
    let attempts = run["attempts"].as_array().map_or(&[][..], Vec::as_slice);
    let with_task = attempts.iter().filter(|attempt| attempt["taskArn"].is_string());
    let numbers: Vec<u32> = with_task.filter_map(|a| u32::try_from(a["number"].as_u64()?).ok()).collect();
    let source = Lines::At(server.clone());
    let asked = Asked { run: name.to_owned(), attempt: None, container: None, lines: LINES };
    for number in &numbers[numbers.len().saturating_sub(LOGS)..] {
        let answer = source.answer(&asked, Some(*number), None).await?;
        let container = answer["container"].as_str().map(|name| format!(" ({})", output::plain(name)));
        output::data(&format!("  log of attempt {number}{}", container.unwrap_or_default()));
        texts(&answer).for_each(|line| output::data(&format!("    {}", line.trim_end())));
        if answer["lines"].is_null() {
            output::data(&format!("    no lines: {}", output::cell(&answer["why"])));
        }
    }
    Ok(())
}
