//! `taskwatch limits`, against a serving cell: what is in force, and changes of it.

use clap::Args;
use serde_json::{Map, Value};

use super::client::Server;
use super::error::CliError;
use super::options::{Format, Global, ServerArgs};
use super::output::{self, cell};
use super::settings::Settings;

pub(super) const LIMITS_EXAMPLES: &str = "\
Examples:
  taskwatch limits                                             # what is in force, and what is paused
  taskwatch limits --run-task-rate 50 --max-in-flight 2000     # from now on, also over restarts
  taskwatch limits --reset                                     # back to the cell's settings

Pauses have commands of their own: pause and resume.";

/// `taskwatch limits`.
#[derive(Debug, Args)]
pub(super) struct LimitsArgs {
    /// Tasks launched a second: on Fargate, and as many on Fargate Spot
    #[arg(long, value_name = "N")]
    run_task_rate: Option<f64>,
    /// Tasks launched at once after a pause in launches
    #[arg(long, value_name = "N")]
    run_task_burst: Option<u32>,
    /// How many tasks there may be, those that ECS still takes down counted
    #[arg(long, value_name = "N")]
    max_in_flight: Option<u64>,
    /// How many tasks may be in PROVISIONING in a cluster with Auto Scaling groups
    #[arg(long, value_name = "N")]
    max_provisioning: Option<u64>,
    /// First set all limits back to the cell's settings; pauses stay
    #[arg(long)]
    reset: bool,
    #[command(flatten)]
    said: Said,
    #[command(flatten)]
    server: ServerArgs,
}

/// Who asks for a change, and why.
#[derive(Debug, Args)]
pub(super) struct Said {
    /// Why: kept with what is paused, and logged by the cell
    #[arg(long)]
    reason: Option<String>,
    /// Who asks for it [default: user@host]
    #[arg(long, value_name = "NAME")]
    by: Option<String>,
}

impl Said {
    /// A change with who asks for it and why.
    pub(super) fn with(&self, mut change: Value) -> Value {
        change["by"] = self.by.clone().unwrap_or_else(user_at_host).into();
        if let Some(reason) = &self.reason {
            change["reason"] = reason.clone().into();
        }
        change
    }
}

/// Whoever sits at this machine.
fn user_at_host() -> String {
    let named = ["USER", "LOGNAME"].iter().find_map(|name| std::env::var(name).ok().filter(|user| !user.is_empty()));
    let user = named.unwrap_or_else(|| format!("uid-{}", rustix::process::getuid().as_raw()));
    let system = rustix::system::uname();
    format!("{user}@{}", system.nodename().to_string_lossy())
}

pub(super) async fn limits(arguments: LimitsArgs, global: &Global, settings: &Settings) -> Result<u8, CliError> {
    let server = Server::at(arguments.server.server.as_deref(), settings)?;
    let mut change = Map::new();
    let members = [
        ("runTaskRate", arguments.run_task_rate.map(Value::from)),
        ("runTaskBurst", arguments.run_task_burst.map(Value::from)),
        ("maxInFlight", arguments.max_in_flight.map(Value::from)),
        ("maxProvisioning", arguments.max_provisioning.map(Value::from)),
        ("reset", arguments.reset.then(|| true.into())),
    ];
    change.extend(members.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?))));
    let limits = if change.is_empty() {
        server.get(&["limits"], &[]).await?
    } else {
        server.patch(&["limits"], &arguments.said.with(Value::Object(change))).await?
    };
    let figures = ["runTaskRate", "runTaskBurst", "maxInFlight", "maxProvisioning"];
    match global.output.unwrap_or(Format::Table) {
        Format::Json => output::json(&limits),
        Format::Text | Format::Only(_) => {
            figures.iter().for_each(|name| output::data(&format!("{name}\t{}", number(&limits[*name]))));
            paused(&limits).iter().for_each(|row| output::data(&row.join("\t")));
        }
        Format::Table => {
            output::table(&["LIMIT", "VALUE"], &figures, |name| vec![(*name).to_owned(), number(&limits[*name])]);
            print_paused(&limits);
        }
    }
    Ok(0)
}

/// 20 rather than 20.0.
fn number(value: &Value) -> String {
    let text = cell(value);
    text.strip_suffix(".0").map_or(text.clone(), str::to_owned)
}

/// All that is paused, as a table; a line on stderr where nothing is.
pub(super) fn print_paused(limits: &Value) {
    match paused(limits).as_slice() {
        [] => output::problem("nothing is paused"),
        rows => output::table(&["PAUSED", "NAME", "SINCE", "BY", "WHY"], rows, |row| row.to_vec()),
    }
}

/// What is paused: its kind, its name, since when, who or what paused it, and why.
pub(super) fn paused(limits: &Value) -> Vec<[String; 5]> {
    let by_operators = limits["pauses"].as_array().into_iter().flatten().map(|pause| {
        let (kind, name) = match pause["queue"].as_str() {
            Some(_) => ("queue", &pause["queue"]),
            None => ("task definition", &pause["taskDefinition"]),
        };
        let by = if pause["by"].is_string() { cell(&pause["by"]) } else { "an operator".to_owned() };
        [kind.to_owned(), cell(name), cell(&pause["since"]), by, cell(&pause["reason"])]
    });
    let automatically = limits["circuitBreakers"].as_array().into_iter().flatten().map(|open| {
        let next = open["nextProbeAt"].as_str().map_or("a probe is due".to_owned(), |at| format!("next probe {at}"));
        let why = format!("{} failures: {}; {next}", cell(&open["failures"]), cell(&open["error"]));
        let name = cell(&open["taskDefinition"]);
        ["task definition".to_owned(), name, cell(&open["pausedAt"]), "automatically".to_owned(), why]
    });
    by_operators.chain(automatically).collect()
}
