//! `taskwatch list`, `show` and `stop`, against a serving cell.

use serde_json::{Value, json};

use super::args::{Format, Global, ListArgs, ShowArgs, StopArgs};
use super::client::Server;
use super::error::CliError;
use super::output::{self, cell};
use super::settings::Settings;

/// Most runs the cell gives in one answer.
const PAGE: usize = 1000;

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

pub(super) async fn show(arguments: ShowArgs, global: &Global, settings: &Settings) -> Result<u8, CliError> {
    let server = Server::at(arguments.server.server.as_deref(), settings)?;
    let answer = server.get(&["runs", &arguments.run], &[]).await?;
    if global.output == Some(Format::Json) {
        output::json(&answer);
        return Ok(0);
    }
    match answer["runs"].as_array() {
        Some(runs) => runs.iter().for_each(describe),
        None => describe(&answer),
    }
    Ok(0)
}

/// A run as a person reads it: what, how it stands, and each attempt with what to do.
fn describe(run: &Value) {
    let mut lines = vec![format!("{}  {}  (run {})", cell(&run["name"]), cell(&run["status"]), cell(&run["run"]))];
    let times =
        [("submitted", &run["submittedAt"]), ("next attempt", &run["retryAt"]), ("finished", &run["finishedAt"])];
    lines.extend(times.iter().filter(|(_, at)| !at.is_null()).map(|(what, at)| format!("  {what} {}", cell(at))));
    let mut last = 0;
    for attempt in run["attempts"].as_array().into_iter().flatten() {
        let number = attempt["number"].as_u64().unwrap_or_default();
        if number > last + 1 {
            lines.push(format!("  {} attempts are left out", number - last - 1));
        }
        last = number;
        lines.push(format!(
            "  attempt {}  {}  {}",
            cell(&attempt["number"]),
            cell(&attempt["stage"]),
            cell(&attempt["taskArn"])
        ));
        let members = ["createdAt", "startedAt", "stoppedAt", "exitCode", "error", "cause", "hint"];
        let told = members.iter().filter(|name| !attempt[**name].is_null());
        lines.extend(told.map(|name| format!("    {name:<10} {}", cell(&attempt[*name]))));
    }
    output::data(&lines.join("\n"));
}

pub(super) async fn stop(arguments: StopArgs, global: &Global, settings: &Settings) -> Result<u8, CliError> {
    let server = Server::at(arguments.server.server.as_deref(), settings)?;
    let body = arguments.reason.as_ref().map_or_else(|| json!({}), |reason| json!({"reason": reason}));
    let answer = server.post(&["runs", &arguments.run, "stop"], Some(&body)).await?;
    print(answer["runs"].as_array().map_or(&[], Vec::as_slice), global.output.unwrap_or(Format::Table));
    Ok(0)
}
