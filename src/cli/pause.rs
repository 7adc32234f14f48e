//! `taskwatch pause` and `resume`, against a serving cell.

use clap::Args;
use serde_json::{Value, json};

use super::client::Server;
use super::error::CliError;
use super::limits::{self, Said};
use super::options::{Format, Global, ServerArgs};
use super::output::{self, plain};
use super::settings::Settings;

pub(super) const PAUSE_EXAMPLES: &str = "\
Examples:
  taskwatch pause --queue team-a --reason \"database migration\"
  taskwatch pause --task-definition etl:7 --task-definition report

Runs of what is paused wait as QUEUED and use up no attempt; tasks that run go on. `show` and `list --wide` say for each waiting \
run who paused it, since when and why; `taskwatch limits` shows all that is paused.";

pub(super) const RESUME_EXAMPLES: &str = "\
Examples:
  taskwatch resume --queue team-a
  taskwatch resume --task-definition etl:7      # also one that was paused automatically, after repeated failures";

/// One of the two is needed.
pub(super) const PAUSE_USAGE: &str =
    "taskwatch pause [OPTIONS] <--queue <QUEUE>|--task-definition <TASK_DEFINITION>>...";
pub(super) const RESUME_USAGE: &str =
    "taskwatch resume [OPTIONS] <--queue <QUEUE>|--task-definition <TASK_DEFINITION>>...";

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
    said: Said,
    #[command(flatten)]
    server: ServerArgs,
}

impl PauseArgs {
    /// What it names, as the API does.
    fn named(&self) -> Vec<Value> {
        let queues = self.queue.iter().map(|name| json!({"queue": name}));
        let definitions = self.task_definition.iter().map(|name| json!({"taskDefinition": name}));
        queues.chain(definitions).collect()
    }
}

pub(super) async fn pause(arguments: PauseArgs, global: &Global, settings: &Settings) -> Result<u8, CliError> {
    let server = Server::at(arguments.server.server.as_deref(), settings)?;
    let limits = server.patch(&["limits"], &arguments.said.with(json!({"pause": arguments.named()}))).await?;
    print(&limits, global);
    for queue in &arguments.queue {
        warn_if_unused(&server, "queue", "queue", queue).await?;
    }
    for definition in &arguments.task_definition {
        warn_if_unused(&server, "taskDefinition", "task definition", definition).await?;
    }
    Ok(0)
}

/// A pause of a name that no run has is most likely a typing mistake.
async fn warn_if_unused(server: &Server, parameter: &'static str, what: &str, name: &str) -> Result<(), CliError> {
    let first = server.get(&["runs"], &[(parameter, name.to_owned()), ("limit", "1".to_owned())]).await?;
    // A page without runs that is not the last says nothing.
    if first["runs"].as_array().is_some_and(Vec::is_empty) && first["nextToken"].is_null() {
        let name = plain(name);
        output::problem(&format!("warning: no run has the {what} {name}; the pause holds for runs that come"));
    }
    Ok(())
}

pub(super) async fn resume(arguments: PauseArgs, global: &Global, settings: &Settings) -> Result<u8, CliError> {
    let server = Server::at(arguments.server.server.as_deref(), settings)?;
    let before = server.get(&["limits"], &[]).await?;
    let limits = server.patch(&["limits"], &arguments.said.with(json!({"resume": arguments.named()}))).await?;
    print(&limits, global);
    if limits::paused(&before) == limits::paused(&limits) {
        output::problem("nothing was resumed: nothing of that name is paused");
    }
    Ok(0)
}

fn print(limits: &Value, global: &Global) {
    match global.output.unwrap_or(Format::Table) {
        Format::Json => output::json(limits),
        Format::Table => limits::print_paused(limits),
        Format::Text | Format::Only(_) => limits::paused(limits).iter().for_each(|row| output::data(&row.join("\t"))),
    }
}
