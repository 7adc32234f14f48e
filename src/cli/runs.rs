//! `taskwatch list` and `stop`, against a serving cell.

use clap::Args;
use serde_json::{Value, json};

use super::client::{PAGE, Server};
use super::error::CliError;
use super::options::{Format, Global, ServerArgs};
use super::output::{self, cell};
use super::settings::Settings;

/// `taskwatch list`.
#[derive(Debug, Args)]
pub(super) struct ListArgs {
    /// QUEUED, STARTING, RUNNING, PENDING_RETRY, SUCCEEDED, FAILED, TIMED_OUT or ABORTED, or several with commas
    #[arg(long)]
    status: Option<String>,
    /// Runs of this queue
    #[arg(long)]
    queue: Option<String>,
    /// Runs whose newest failure has this name, class or transience
    #[arg(long)]
    error: Option<String>,
    /// Runs of this name
    #[arg(long)]
    name: Option<String>,
    /// Most runs to show
    #[arg(long, default_value_t = 100, value_name = "N")]
    max: usize,
    #[command(flatten)]
    server: ServerArgs,
}

/// `taskwatch stop`.
#[derive(Debug, Args)]
pub(super) struct StopArgs {
    /// Its id or name
    #[arg(value_name = "RUN")]
    run: String,
    /// The reason that ECS and the notification show
    #[arg(long)]
    reason: Option<String>,
    #[command(flatten)]
    server: ServerArgs,
}

pub(super) async fn list(arguments: ListArgs, global: &Global, settings: &Settings) -> Result<u8, CliError> {
    let server = Server::at(arguments.server.server.as_deref(), settings)?;
    let filters = [
        ("status", arguments.status),
        ("queue", arguments.queue),
        ("error", arguments.error),
        ("name", arguments.name),
    ];
    let (runs, more) = pages(&server, &filters, arguments.max).await?;
    print(&runs, global.output.unwrap_or(Format::Table));
    if more {
        output::problem(&format!(
            "there are more than {}: --max N, or narrow it by --status, --queue, --error",
            runs.len()
        ));
    }
    Ok(0)
}

/// Runs that fit, `most` of them; and whether there are more.
pub(super) async fn pages(
    server: &Server,
    filters: &[(&'static str, Option<String>)],
    most: usize,
) -> Result<(Vec<Value>, bool), CliError> {
    let mut runs: Vec<Value> = Vec::new();
    let mut next: Option<String> = None;
    while runs.len() < most {
        let mut query = vec![("limit", PAGE.min(most - runs.len()).to_string())];
        query.extend(filters.iter().filter_map(|(name, value)| Some((*name, value.clone()?))));
        query.extend(next.take().map(|token| ("nextToken", token)));
        let answer = server.get(&["runs"], &query).await?;
        runs.extend(answer["runs"].as_array().cloned().unwrap_or_default());
        next = answer["nextToken"].as_str().map(str::to_owned);
        if next.is_none() {
            break;
        }
    }
    Ok((runs, next.is_some()))
}

/// Runs as the format has them.
pub(super) fn print(runs: &[Value], format: Format) {
    match format {
        Format::Json => output::json(&json!(runs)),
        Format::Table => {
            output::table(&["NAME", "STATUS", "ATTEMPTS", "ERROR", "SUBMITTED", "TASK"], runs, |run| {
                let task = cell(&run["taskArn"]).rsplit('/').next().unwrap_or_default().to_owned();
                vec![
                    cell(&run["name"]),
                    cell(&run["status"]),
                    cell(&run["attempts"]),
                    cell(&run["error"]),
                    cell(&run["submittedAt"]),
                    task,
                ]
            });
        }
        Format::Text => {
            runs.iter().for_each(|run| output::data(&format!("{}\t{}", cell(&run["name"]), cell(&run["status"]))))
        }
    }
}

pub(super) async fn stop(arguments: StopArgs, global: &Global, settings: &Settings) -> Result<u8, CliError> {
    let server = Server::at(arguments.server.server.as_deref(), settings)?;
    let body = arguments.reason.as_ref().map_or_else(|| json!({}), |reason| json!({"reason": reason}));
    let answer = server.post(&["runs", &arguments.run, "stop"], Some(&body)).await?;
    print(answer["runs"].as_array().map_or(&[], Vec::as_slice), global.output.unwrap_or(Format::Table));
    Ok(0)
}
