//! `taskwatch redrive`, against a serving cell.

use clap::Args;
use serde_json::Value;

use super::client::Server;
use super::error::CliError;
use super::options::{Format, Global, ServerArgs};
use super::settings::Settings;
use super::{output, runs};

pub(super) const REDRIVE_EXAMPLES: &str = "\
Examples:
  taskwatch redrive nightly-2026-11-22
  taskwatch redrive --status FAILED --error Taskwatch.Network
  taskwatch redrive --name fleet --output json

Retries and timeoutSeconds count anew, attempts are numbered on.

Exit codes:
  0  all that were named were begun again
  1  some were not";

/// Runs by name, or by what they have in common.
pub(super) const REDRIVE_USAGE: &str =
    "taskwatch redrive [OPTIONS] <RUN>...\n       taskwatch redrive [OPTIONS] <--status|--queue|--error|--name>...";

/// `taskwatch redrive`.
#[derive(Debug, Args)]
pub(super) struct RedriveArgs {
    /// Ids or names
    #[arg(value_name = "RUN", required_unless_present_any = ["status", "queue", "error", "name"])]
    runs: Vec<String>,
    /// All runs in this status: FAILED, TIMED_OUT or ABORTED, or several with commas
    #[arg(long)]
    status: Option<String>,
    /// All runs of this queue that failed, timed out or were aborted
    #[arg(long)]
    queue: Option<String>,
    /// All runs that were ended by a failure of this name, class or transience
    #[arg(long)]
    error: Option<String>,
    /// All runs of this name that failed, timed out or were aborted
    #[arg(long)]
    name: Option<String>,
    #[command(flatten)]
    server: ServerArgs,
}

/// Runs of one `redrive` by filter.
const MOST: usize = 100_000;
/// The statuses that can be redriven.
const ENDED: &str = "FAILED,TIMED_OUT,ABORTED";

/// 0 if all were begun again, 1 if some were not.
pub(super) async fn redrive(arguments: RedriveArgs, global: &Global, settings: &Settings) -> Result<u8, CliError> {
    let server = Server::at(arguments.server.server.as_deref(), settings)?;
    let filters = [("queue", arguments.queue), ("error", arguments.error), ("name", arguments.name)];
    let mut named = arguments.runs;
    if arguments.status.is_some() || filters.iter().any(|(_, value)| value.is_some()) {
        let status = arguments.status.unwrap_or_else(|| ENDED.to_owned());
        let filters: Vec<_> = filters.into_iter().chain([("status", Some(status))]).collect();
        let (found, more) = runs::pages(&server, &filters, MOST).await?;
        if more {
            output::problem(&format!("there are more than {MOST}: call it again for the others"));
        }
        named.extend(found.iter().filter_map(|run| run["run"].as_str().map(str::to_owned)));
    }
    let (mut begun, mut failed): (Vec<Value>, bool) = (Vec::new(), false);
    for run in &named {
        match server.post(&["runs", run, "redrive"], None).await {
            Ok(answer) => begun.extend(answer["runs"].as_array().cloned().unwrap_or_default()),
            // A cell that cannot be reached is none of the runs' fault.
            Err(error) if begun.is_empty() && named.len() == 1 => return Err(error),
            Err(error) => {
                output::problem(&error.about(run).to_string());
                failed = true;
            }
        }
    }
    runs::print(&begun, global.output.unwrap_or(Format::Table));
    Ok(u8::from(failed))
}
