//! `taskwatch fleet`: the processes and cells of a fleet, as one of its processes sees them.

use clap::Args;
use serde_json::Value;

use super::client::Server;
use super::error::CliError;
use super::options::{Format, Global, ServerArgs};
use super::output::{self, cell};
use super::settings::Settings;

pub(super) const FLEET_EXAMPLES: &str = "\
Examples:
  taskwatch fleet                                    # who serves which cell
  taskwatch fleet --output json --server http://10.0.0.7:7717";

/// `taskwatch fleet`.
#[derive(Debug, Args)]
pub(super) struct FleetArgs {
    #[command(flatten)]
    server: ServerArgs,
}

pub(super) async fn fleet(arguments: FleetArgs, global: &Global, settings: &Settings) -> Result<u8, CliError> {
    let server = Server::at(arguments.server.server.as_deref(), settings)?;
    let fleet = server.get(&["fleet"], &[]).await?;
    let rows = |member: &str| fleet[member].as_array().cloned().unwrap_or_default();
    let (processes, cells) = (rows("processes"), rows("cells"));
    match global.output.unwrap_or(Format::Table) {
        Format::Json => output::json(&fleet),
        Format::Text | Format::Only(_) => cells.iter().for_each(|row| output::data(&of_cell(row).join("\t"))),
        Format::Table => {
            let header = ["PROCESS", "VERSION", "SINCE", "LAST BEAT", "CELLS"];
            output::table(&header, &processes, of_process);
            output::table(&["CELL", "OPEN RUNS", "OWNER", "EPOCH"], &cells, of_cell);
        }
    }
    Ok(0)
}

fn of_process(row: &Value) -> Vec<String> {
    let cells: Vec<String> = row["cells"].as_array().into_iter().flatten().map(cell).collect();
    let beat = format!("{} s ago", cell(&row["lastBeatSecondsAgo"]));
    vec![cell(&row["id"]), cell(&row["version"]), cell(&row["since"]), beat, cells.join(" ")]
}

fn of_cell(row: &Value) -> Vec<String> {
    let owner = if row["owner"].is_string() { cell(&row["owner"]) } else { "nobody".to_owned() };
    vec![cell(&row["name"]), cell(&row["open"]), owner, cell(&row["epoch"])]
}
