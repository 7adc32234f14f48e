//! `taskwatch pause` and `resume`, against a serving cell.

use clap::Args;
use serde_json::{Value, json};

use super::client::Server;
use super::error::CliError;
use super::options::{Format, Global, ServerArgs};
use super::output::{self, cell};
use super::settings::Settings;

pub(super) const PAUSE_EXAMPLES: &str = "\
Examples:
  taskwatch pause --queue team-a
  taskwatch pause --task-definition etl:7 --task-definition report
  taskwatch resume --queue team-a

What is paused waits as QUEUED and uses up no attempt; tasks that run go on.";

/// `taskwatch pause` and `resume`.
#[derive(Debug, Args)]
pub(super) struct PauseArgs {
    /// A queue
    #[arg(long, required_unless_present = "task_definition")]
    queue: Vec<String>,
    /// family, family:revision or ARN
    #[arg(long)]
    task_definition: Vec<String>,
    #[command(flatten)]
    server: ServerArgs,
}

/// What is to become of queues and task definitions: the member of the request that says so.
#[derive(Clone, Copy)]
pub(super) enum Order {
    Pause,
    Resume,
}

pub(super) async fn pause_or_resume(
    order: Order,
    arguments: PauseArgs,
    global: &Global,
    settings: &Settings,
) -> Result<u8, CliError> {
    let server = Server::at(arguments.server.server.as_deref(), settings)?;
    let queues = arguments.queue.iter().map(|name| json!({"queue": name}));
    let definitions = arguments.task_definition.iter().map(|name| json!({"taskDefinition": name}));
    let pauses: Vec<Value> = queues.chain(definitions).collect();
    let body = match order {
        Order::Pause => json!({"pause": pauses}),
        Order::Resume => json!({"resume": pauses}),
    };
    let limits = server.patch(&["limits"], &body).await?;
    let listed = |name: &str| limits[name].as_array().cloned().unwrap_or_default();
    let paused: Vec<Value> = [listed("pauses"), listed("circuitBreakers")].concat();
    match global.output.unwrap_or(Format::Table) {
        Format::Json => output::json(&limits),
        Format::Table if paused.is_empty() => output::problem("nothing is paused"),
        Format::Table => output::table(&["PAUSED", "NAME", "WHY"], &paused, |pause| named(pause).into()),
        Format::Text => paused.iter().for_each(|pause| output::data(&named(pause).join("\t"))),
    }
    Ok(0)
}

/// What kind, its name, and who or what paused it.
fn named(pause: &Value) -> [String; 3] {
    let why = pause["error"]
        .as_str()
        .map_or("by an operator".to_owned(), |error| format!("automatically, after repeated failures: {error}"));
    match pause["queue"].as_str() {
        Some(queue) => ["queue".to_owned(), queue.to_owned(), why],
        None => ["task definition".to_owned(), cell(&pause["taskDefinition"]), why],
    }
}
