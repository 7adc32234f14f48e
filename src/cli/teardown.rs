//! `taskwatch teardown`: takes what a cell or a fleet needs out of the account, and nothing that somebody still needs.

use std::str::FromStr as _;

use clap::Args;
use serde_json::json;

use super::aws::{caller, region};
use super::client::Server;
use super::error::CliError;
use super::options::{Format, Global, ServerArgs};
use super::settings::Settings;
use super::setup::PathArgs;
use super::{output, stale};
use crate::aws::{Ask, Removal, Thing};
use crate::core::run::Status;

/// `taskwatch teardown`.
#[derive(Debug, Args)]
pub(super) struct TeardownArgs {
    #[command(flatten)]
    path: PathArgs,
    /// Instead of a cell: remove what `taskwatch run --events` (and `run` of older releases) left in the account when it was
    /// killed. What is in use stays
    #[arg(long, conflicts_with_all = ["cell", "fleet", "cells", "store", "cluster", "requests_queue", "topic", "event_bus", "discard_requests", "force"])]
    stale: bool,
    /// With --stale: queues that are younger than this stay
    #[arg(long, value_name = "DURATION", default_value = "1h", requires = "stale")]
    pub(super) older_than: String,
    /// Remove it; without this option it is only shown
    #[arg(long)]
    pub(super) yes: bool,
    /// Show what would be removed and why --yes would be refused; remove nothing; exit code 0 either way
    #[arg(long, conflicts_with = "yes")]
    pub(super) dry_run: bool,
    /// Remove queues even if run requests wait in them: these requests are lost
    #[arg(long, requires = "yes")]
    discard_requests: bool,
    /// Remove it even while the cell serves or has tasks: then only DescribeTasks tells the cell how they end, and late
    #[arg(long, requires = "yes")]
    force: bool,
    #[command(flatten)]
    server: ServerArgs,
}

pub(super) const TEARDOWN_EXAMPLES: &str = "\
Examples:
  taskwatch teardown --cell blue
  taskwatch teardown --cell blue --yes
  taskwatch teardown --stale
  taskwatch teardown --fleet blue --store dynamodb:blue

Only what setup made for this cell or fleet (by its tag) is removed, and of that no topic with subscriptions, no rule with targets of others \
and no table that is protected from deletion. A requests queue that cells share goes with the cell that it was made for.

Exit codes:
  0  it is removed, or there is nothing to remove
  2  nothing was removed: --yes is missing; or the cell serves (asked at
     --server, TASKWATCH_URL) or ECS has tasks of it, and --force is missing;
     or run requests wait, and --discard-requests is missing
  1  anything else";

pub(super) async fn teardown(arguments: TeardownArgs, global: &Global, settings: &Settings) -> Result<u8, CliError> {
    if arguments.stale {
        let asked = stale::Asked { older_than: &arguments.older_than, yes: arguments.yes, dry_run: arguments.dry_run };
        return stale::teardown(asked, global).await;
    }
    let ask = arguments.path.ask(settings)?;
    let (clients, identity) = caller(global).await?;
    let removal = Removal::plan(&clients, &identity, &ask).await?;
    let things = &removal.things;
    let text = global.output != Some(Format::Json);
    if text {
        let subject = PathArgs::subject(&ask);
        output::problem(&format!("{subject} in account {}, {}", identity.account, region(&clients)));
    }
    let is_some = things.iter().any(|thing| thing.remove);
    let reasons = if is_some { objections(&arguments, &removal, &ask, settings).await? } else { Vec::new() };
    let refused = match (is_some, arguments.yes) {
        (true, true) => reasons.first().map(|why| format!("nothing was removed: {why}")),
        (true, false) => {
            reasons.iter().for_each(|why| output::problem(&format!("--yes would be refused: {why}")));
            (!arguments.dry_run).then(|| "nothing was removed: run the same command with --yes".to_owned())
        }
        (false, _) => None,
    };
    for thing in things {
        if thing.remove && arguments.yes && refused.is_none() {
            removal.remove(thing).await?;
        }
        if text {
            gone(thing, arguments.yes && refused.is_none());
        }
    }
    if !text {
        let removed = arguments.yes && refused.is_none();
        output::json(&json!({"account": identity.account, "removed": removed, "things": things}));
    } else if !is_some {
        output::problem(&format!("there is nothing to remove of the {}", PathArgs::subject(&ask)));
    }
    refused.map_or(Ok(0), |why| Err(CliError::usage(why)))
}

/// What speaks against removing it, as far as no option says that it does not matter.
async fn objections(
    arguments: &TeardownArgs,
    removal: &Removal,
    ask: &Ask,
    settings: &Settings,
) -> Result<Vec<String>, CliError> {
    let server = Server::at(arguments.server.server.as_deref(), settings)?;
    let waiting = waiting(&removal.things).filter(|_| !arguments.discard_requests);
    let in_use = if arguments.force { None } else { in_use(removal, ask, &server).await };
    Ok(waiting.into_iter().chain(in_use).collect())
}

/// Run requests that would be lost.
fn waiting(things: &[Thing]) -> Option<String> {
    let waiting = things.iter().filter(|thing| thing.requests > 0);
    let queues: Vec<String> = waiting.map(|thing| format!("about {} in {}", thing.requests, thing.name)).collect();
    (!queues.is_empty()).then(|| {
        format!(
            "run requests wait, {}. Let a cell take them, move them to another queue, or lose them with --discard-requests",
            queues.join(", ")
        )
    })
}

/// What a cell or fleet is at work on: it serves, or has tasks; as far as it can be seen.
async fn in_use(removal: &Removal, ask: &Ask, server: &Server) -> Option<String> {
    let subject = PathArgs::subject(ask);
    let summary = server.get(&["summary"], &[]).await.unwrap_or_default();
    if ask.fleet.is_none() && summary["cell"] == ask.name.as_str() {
        let counts = summary["statuses"].as_object().into_iter().flatten();
        let open = counts.filter(|(status, _)| Status::from_str(status).is_ok_and(|status| !status.is_final()));
        let open: u64 = open.filter_map(|(_, count)| count.as_u64()).sum();
        return Some(format!(
            "the {subject} serves at {}, with {open} runs that have not ended. Stop it first, or remove it all the same with --force",
            server.url()
        ));
    }
    match removal.serving().await {
        Ok(0) => {}
        Ok(processes) => {
            return Some(format!(
                "{processes} processes serve the {subject}. Stop them first, or remove it all the same with --force"
            ));
        }
        Err(error) => {
            return Some(format!(
                "whether processes serve the {subject} cannot be seen ({error}). --force removes it all the same"
            ));
        }
    }
    match removal.running_tasks().await {
        Ok(tasks) if tasks.is_empty() => None,
        Ok(tasks) => {
            let tasks = tasks.iter().map(|tasks| format!("{} in {}", tasks.running, tasks.cluster)).collect::<Vec<_>>();
            Some(format!(
                "tasks of the {subject} run, {}. Wait until they have ended, or remove it all the same with --force",
                tasks.join(", ")
            ))
        }
        Err(error) => Some(format!(
            "whether tasks of the {subject} run cannot be seen ({error}). --force removes it all the same"
        )),
    }
}

/// A line about one thing.
fn gone(thing: &Thing, removed: bool) {
    let what = match (thing.remove, removed) {
        (true, true) => "removed",
        (true, false) => "would remove",
        (false, _) => "leaves",
    };
    let note = if thing.note.is_empty() { String::new() } else { format!(": {}", thing.note) };
    output::data(&format!("{what:<12} {} {}{note}", thing.kind, thing.name));
}
