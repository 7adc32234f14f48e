//! `taskwatch show`, against a serving cell: one run in full, an array request by its counts and what its runs wait for and
//! fail of.

mod run;
mod summary;

use clap::Args;
use serde_json::Value;

use super::client::{Server, Shown};
use super::error::CliError;
use super::filter::now;
use super::options::{Format, Global, ServerArgs};
use super::output;
use super::settings::Settings;
use summary::Summary;

pub(super) const SHOW_EXAMPLES: &str = "\
Examples:
  taskwatch show nightly-2026-11-22
  taskwatch show fleet                     # an array request: counts by status, failures by cause
  taskwatch show fleet --all
  taskwatch show fleet/3 --output json";

/// `taskwatch show`.
#[derive(Debug, Args)]
pub(super) struct ShowArgs {
    /// Its id or name
    #[arg(value_name = "RUN")]
    run: String,
    /// Of an array request: every run with every attempt (in JSON always)
    #[arg(long)]
    all: bool,
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
    let mut summary = None;
    let describe = |run: &Value| output::data(&run::described(run, now()));
    let each = |shown| match shown {
        Shown::One(run) => describe(&run),
        Shown::Page(page) => {
            let summary: &mut Summary = summary.get_or_insert_default();
            for run in page {
                if arguments.all {
                    describe(&run);
                }
                summary.add(&run);
            }
        }
    };
    server.show(&arguments.run, each).await?;
    if let Some(summary) = summary {
        output::data(&summary.text(&arguments.run));
    }
    Ok(0)
}
