//! `taskwatch stop`, against a serving cell.

use clap::Args;
use serde_json::{Value, json};

use super::chosen::{self, Action, MOST_ROWS, Sure, send_all};
use super::client::Server;
use super::error::CliError;
use super::filter::{self, Filters};
use super::options::{Format, Global, ServerArgs};
use super::output::{self, cell};
use super::settings::Settings;

pub(super) const STOP_EXAMPLES: &str = "\
Examples:
  taskwatch stop nightly-2026-11-22 --reason \"wrong day\"
  taskwatch stop fleet                          # an array request: all its runs
  taskwatch stop --status QUEUED --queue team-a # says how many there are, and asks

A run with a task ends as ABORTED when the task has stopped; a run without a task ends at once.

Exit codes:
  0  all of these runs were asked to stop
  1  some were not, because they had ended before";

/// Runs by name, or by what they have in common.
pub(super) const STOP_USAGE: &str = "taskwatch stop [OPTIONS] <RUN>...
       taskwatch stop [OPTIONS] <--status|--queue|--error|--exit-code|--cause|--name|--task-definition|--cluster|--since>...";

const ACTION: Action<'_> = Action { verb: "Stop", done: "stopped", statuses: "QUEUED,STARTING,RUNNING,PENDING_RETRY" };

/// `taskwatch stop`.
#[derive(Debug, Args)]
pub(super) struct StopArgs {
    /// Ids or names
    #[arg(value_name = "RUN", required_unless_present_any = filter::NAMES)]
    runs: Vec<String>,
    #[command(flatten)]
    filters: Filters,
    /// The reason that ECS and the notification show
    #[arg(long)]
    reason: Option<String>,
    #[command(flatten)]
    sure: Sure,
    #[command(flatten)]
    server: ServerArgs,
}

pub(super) async fn stop(arguments: StopArgs, global: &Global, settings: &Settings) -> Result<u8, CliError> {
    let server = Server::at(arguments.server.server.as_deref(), settings)?;
    let format = global.output.unwrap_or(Format::Table);
    let chosen_by = (&arguments.filters, &arguments.sure);
    let runs = chosen::runs(&server, arguments.runs, chosen_by, &ACTION, format, |run| !ended(run)).await?;
    if runs.is_empty() {
        return Ok(0);
    }
    let body = arguments.reason.as_ref().map_or_else(|| json!({}), |reason| json!({"reason": reason}));
    let (asked, refused) = send_all(&server, &runs, "stop", Some(&body)).await?;
    print(&asked, format);
    Ok(u8::from(refused))
}

fn ended(run: &Value) -> bool {
    run["final"].as_bool().unwrap_or(false)
}

fn print(asked: &[Value], format: Format) {
    let what = |run: &Value| if ended(run) { "stopped" } else { "stop requested" };
    let at_once = asked.iter().filter(|run| ended(run)).count();
    match format {
        Format::Json => output::json(&json!(asked)),
        Format::Text | Format::Only(_) => {
            asked.iter().for_each(|run| output::data(&format!("{}\t{}", cell(&run["name"]), what(run))))
        }
        Format::Table if asked.len() > MOST_ROWS => output::data(&format!(
            "stop requested for {} runs: {at_once} had no task and have ended, {} end once their tasks have stopped",
            asked.len(),
            asked.len() - at_once
        )),
        Format::Table if asked.is_empty() => {}
        Format::Table => output::table(&["NAME", "STATUS", "STOP"], asked, |run| {
            vec![cell(&run["name"]), cell(&run["status"]), what(run).to_owned()]
        }),
    }
}
