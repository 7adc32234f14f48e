//! `taskwatch setup`: what a cell or a fleet needs in the account.

use clap::Args;
use serde_json::{Map, Value, json};

use super::aws::{caller, region};
use super::error::CliError;
use super::options::{Format, Global};
use super::settings::{Settings, StoreSetting};
use super::{output, stale};
use crate::aws::{Action, Ask, FleetAsk, Leftovers, Setup, Step, template};

/// Whose path.
#[derive(Debug, Default, Args)]
pub(super) struct PathArgs {
    /// Name of the cell [default: TASKWATCH_CELL]
    #[arg(long, conflicts_with = "fleet")]
    cell: Option<String>,
    #[command(flatten)]
    fleet: FleetArgs,
    /// Of the fleet: how many cells, as many as there are or more [default: as many as there are, else 4]
    #[arg(long, value_name = "N")]
    cells: Option<u32>,
    /// Clusters, by name or ARN, to whose tasks the rule is limited [default: every cluster]
    #[arg(long, num_args = 1.., value_delimiter = ',')]
    cluster: Vec<String>,
    /// Name of the requests queue, which cells may share [default: CELL-requests]
    #[arg(long, value_name = "NAME")]
    requests_queue: Option<String>,
    /// Topic of notifications: a name, or the ARN of an existing topic [default: TASKWATCH_TOPIC_ARN, or CELL-runs]
    #[arg(long, value_name = "NAME|ARN")]
    topic: Option<String>,
    /// A bus that gets the notifications as well [default: TASKWATCH_EVENT_BUS]
    #[arg(long, value_name = "NAME")]
    event_bus: Option<String>,
}

/// Which fleet.
#[derive(Debug, Default, Args)]
pub(super) struct FleetArgs {
    /// Instead of one cell: name of a fleet, whose cells are NAME-0, NAME-1, … [default: TASKWATCH_FLEET]
    #[arg(long, value_name = "NAME")]
    fleet: Option<String>,
    /// Its table; of a cell, if it keeps its runs in one [default: TASKWATCH_STORE]
    #[arg(long, value_name = "dynamodb:TABLE")]
    store: Option<String>,
}

impl FleetArgs {
    /// The fleet's name and table, if a fleet is named.
    pub(super) fn ask(&self, settings: &Settings) -> Result<Option<(String, FleetAsk)>, CliError> {
        let Some(fleet) = self.fleet.as_ref().or(settings.fleet.as_ref()) else { return Ok(None) };
        let named = match &self.store {
            Some(store) => StoreSetting::read(store).ok(),
            None => settings.store().ok(),
        };
        match named {
            Some(StoreSetting::Table(table)) => Ok(Some((fleet.clone(), FleetAsk { cells: None, table }))),
            _ => Err(CliError::usage(format!(
                "--store is {}: a fleet keeps its runs in a table, dynamodb:TABLE, whose name has 3 to 255 of A-Z a-z 0-9 _ . -",
                self.store.as_ref().map_or_else(|| "not given".to_owned(), |store| format!("{store:?}"))
            ))),
        }
    }

    /// The table of a cell without a fleet, if its runs are to be in one.
    pub(super) fn table_of_cell(&self, settings: &Settings) -> Result<Option<String>, CliError> {
        let Some(store) = &self.store else {
            // Where a fleet is set, the table is that one's.
            let store = settings.store().ok().filter(|_| settings.fleet.is_none());
            return Ok(if let Some(StoreSetting::Table(table)) = store { Some(table) } else { None });
        };
        match StoreSetting::read(store) {
            Ok(StoreSetting::Table(table)) => Ok(Some(table)),
            _ => Err(CliError::usage(format!(
                "--store is {store:?}: expected a table, dynamodb:TABLE, whose name has 3 to 255 of A-Z a-z 0-9 _ . -; for a store in a directory nothing is made here"
            ))),
        }
    }
}

/// `taskwatch setup`.
#[derive(Debug, Args)]
pub(super) struct SetupArgs {
    #[command(flatten)]
    path: PathArgs,
    /// Two more rules, for what others launch: the ends of their tasks, and by CloudTrail their RunTask calls; of a fleet the
    /// first cell observes. Later runs without it leave them as they are
    #[arg(long)]
    observe: bool,
    /// Show what would be made or changed, and change nothing; exit code 0 either way
    #[arg(long, conflicts_with = "print")]
    dry_run: bool,
    /// Print it as a CloudFormation template; needs no AWS access
    #[arg(long)]
    print: bool,
}

pub(super) const SETUP_EXAMPLES: &str = "\
Examples:
  taskwatch setup --cell blue --cluster batch --dry-run
  eval \"$(taskwatch setup --cell blue --cluster batch)\" && taskwatch doctor && taskwatch serve
  taskwatch setup --cell blue --print > blue.yaml
  taskwatch setup --cell blue --store dynamodb:blue
  taskwatch setup --cell blue --observe
  taskwatch setup --fleet blue --cells 4 --store dynamodb:blue --cluster batch

What it does goes to stderr, the settings for `taskwatch serve` to stdout. Run it again to repair what is wrong; the rest stays unchanged. \
A fleet gets more cells by the same command with a higher number.";

impl PathArgs {
    pub(super) fn ask(&self, settings: &Settings) -> Result<Ask, CliError> {
        let fleet = match &self.cell {
            Some(_) => None,
            None => self.fleet.ask(settings)?,
        };
        if let (Some(cells), None) = (self.cells, &fleet) {
            return Err(CliError::usage(format!("--cells is {cells}: only a fleet has several; give --fleet")));
        }
        let (name, fleet, table) = match fleet {
            Some((name, fleet)) => (Some(name), Some(FleetAsk { cells: self.cells, ..fleet }), None),
            None => (self.cell.clone().or_else(|| settings.cell.clone()), None, self.fleet.table_of_cell(settings)?),
        };
        Ok(Ask {
            name: name
                .ok_or_else(|| CliError::usage("no cell is named: give --cell (or --fleet), or set TASKWATCH_CELL"))?,
            fleet,
            table,
            clusters: self.cluster.clone(),
            requests_queue: self.requests_queue.clone(),
            topic: self.topic.clone().or_else(|| settings.topic_arn.clone()),
            event_bus: self.event_bus.clone().or_else(|| settings.event_bus.clone()),
            observe: false,
        })
    }

    /// What is set up, in words.
    pub(super) fn subject(ask: &Ask) -> String {
        format!("{} {}", if ask.fleet.is_some() { "fleet" } else { "cell" }, ask.name)
    }
}

pub(super) async fn setup(arguments: SetupArgs, global: &Global, settings: &Settings) -> Result<u8, CliError> {
    let ask = Ask { observe: arguments.observe, ..arguments.path.ask(settings)? };
    if arguments.print {
        output::data(&template(&ask)?);
        return Ok(0);
    }
    let (clients, identity) = caller(global).await?;
    let plan = Setup::plan(&clients, &identity, &ask).await?;
    if global.output != Some(Format::Json) {
        output::problem(&format!("{} in account {}, {}", PathArgs::subject(&ask), identity.account, region(&clients)));
    }
    let leftovers = Leftovers::find(&clients).await;
    let steps = plan.steps.clone();
    let environment = if arguments.dry_run { plan.environment() } else { plan.apply().await? };
    let environment: Vec<(String, String)> =
        environment.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
    match (global.output.unwrap_or(Format::Text), arguments.dry_run) {
        (Format::Json, dry) => {
            let map: Map<String, Value> = environment.into_iter().map(|(name, value)| (name, value.into())).collect();
            let leftovers = leftovers.as_ref().map(|found| &found.all).ok();
            output::json(&json!({"account": identity.account, "dryRun": dry, "steps": steps, "environment": map,
                "leftovers": leftovers}));
            return Ok(0);
        }
        (Format::Table, dry) => {
            table(&steps, dry);
            exports(&environment);
        }
        (Format::Text | Format::Only(_), true) => lines(&steps, true, output::data),
        (Format::Text | Format::Only(_), false) => {
            lines(&steps, false, output::problem);
            exports(&environment);
        }
    }
    stale::told(&leftovers).iter().for_each(|line| output::problem(line));
    Ok(0)
}

/// What was done, or in a dry run what would be.
fn verb(action: Action, dry: bool) -> &'static str {
    match (action, dry) {
        (Action::Create, false) => "made",
        (Action::Change, false) => "changed",
        (Action::Leave, false) => "unchanged",
        (Action::Create, true) => "would make",
        (Action::Change, true) => "would change",
        (Action::Leave, true) => "unchanged",
    }
}

fn lines(steps: &[Step], dry: bool, write: impl Fn(&str)) {
    for step in steps {
        write(&format!("{:<12} {} {}", verb(step.action, dry), step.kind, step.name));
        step.changes.iter().for_each(|change| write(&format!("             {change}")));
    }
}

fn table(steps: &[Step], dry: bool) {
    output::table(&["KIND", "NAME", "ACTION", "WHAT"], steps, |step| {
        vec![step.kind.to_owned(), step.name.clone(), verb(step.action, dry).to_owned(), step.changes.join("\n")]
    });
}

/// Lines that a shell takes.
fn exports(environment: &[(String, String)]) {
    for (name, value) in environment {
        let plain = value.chars().all(|c| c.is_ascii_alphanumeric() || "-_.:/@".contains(c));
        let value = if plain { value.clone() } else { format!("'{}'", value.replace('\'', "'\\''")) };
        output::data(&format!("export {name}={value}"));
    }
}
