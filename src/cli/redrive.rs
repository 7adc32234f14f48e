//! `taskwatch redrive`, against a serving cell.

use clap::Args;

use super::chosen::{self, Action, MOST_ROWS, Sure, counted, send_all};
use super::client::Server;
use super::error::CliError;
use super::filter::{self, Filters};
use super::list;
use super::options::{Format, Global, ServerArgs};
use super::output;
use super::settings::Settings;

pub(super) const REDRIVE_EXAMPLES: &str = "\
Examples:
  taskwatch redrive nightly-2026-11-22
  taskwatch redrive --status FAILED --error Taskwatch.Network --dry-run     # which runs that would be
  taskwatch redrive --name 'fleet-*' --since 24h                            # says how many there are, and asks
  taskwatch redrive --queue team-a --yes --output json

Retries and timeoutSeconds start from zero; the numbers of attempts go on.

Exit codes:
  0  all of these runs were begun again
  1  some were not";

/// Runs by name, or by what they have in common.
pub(super) const REDRIVE_USAGE: &str = "taskwatch redrive [OPTIONS] <RUN>...\n       taskwatch redrive [OPTIONS] <--status|--queue|--error|--exit-code|--cause|--name|--task-definition|--cluster|--since>...";

/// The statuses that can be redriven.
const ACTION: Action<'_> = Action { verb: "Redrive", done: "redriven", statuses: "FAILED,TIMED_OUT,ABORTED" };

/// `taskwatch redrive`.
#[derive(Debug, Args)]
pub(super) struct RedriveArgs {
    /// Ids or names
    #[arg(value_name = "RUN", required_unless_present_any = filter::NAMES)]
    runs: Vec<String>,
    #[command(flatten)]
    filters: Filters,
    #[command(flatten)]
    sure: Sure,
    #[command(flatten)]
    server: ServerArgs,
}

/// 0 if all were begun again, 1 if some were not.
pub(super) async fn redrive(arguments: RedriveArgs, global: &Global, settings: &Settings) -> Result<u8, CliError> {
    let server = Server::at(arguments.server.server.as_deref(), settings)?;
    let format = global.output.unwrap_or(Format::Table);
    let chosen_by = (&arguments.filters, &arguments.sure);
    let runs = chosen::runs(&server, arguments.runs, chosen_by, &ACTION, format, |_| true).await?;
    if runs.is_empty() {
        return Ok(0);
    }
    let (begun, refused) = send_all(&server, &runs, "redrive", None).await?;
    match format {
        Format::Table if begun.len() > MOST_ROWS => output::data(&format!("begun again: {}", counted(&begun))),
        Format::Table if begun.is_empty() => {}
        format => list::print(&begun, format, false),
    }
    Ok(u8::from(refused))
}
