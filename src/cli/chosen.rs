//! What is done to many runs at once is counted and asked about before.

use std::collections::BTreeMap;

use clap::Args;
use futures::stream::{self, StreamExt as _};
use serde_json::Value;

use super::client::Server;
use super::error::CliError;
use super::filter::{self, Filters};
use super::list;
use super::options::Format;
use super::output::{self, cell};

/// Runs of one command by filter.
const MOST: usize = 100_000;
/// Requests under way at once.
const AT_ONCE: usize = 16;
/// More runs than this are shown by their number.
pub(super) const MOST_ROWS: usize = 20;

/// Whether it is to be done.
#[derive(Debug, Args)]
pub(super) struct Sure {
    /// Do not ask
    #[arg(long, short)]
    yes: bool,
    /// Only show which runs it would be
    #[arg(long, conflicts_with = "yes")]
    dry_run: bool,
}

/// What is to be done to runs that filters choose.
pub(super) struct Action<'a> {
    /// "Stop", "Redrive".
    pub(super) verb: &'a str,
    /// "stopped", "redriven".
    pub(super) done: &'a str,
    /// The statuses that are meant where none is named.
    pub(super) statuses: &'a str,
}

/// The runs that a command is for: those that are named, and those that fit the filters and `is_for` lets through. None where
/// nobody agreed, and after a dry run, which prints them.
pub(super) async fn runs(
    server: &Server,
    named: Vec<String>,
    (filters, sure): (&Filters, &Sure),
    action: &Action<'_>,
    format: Format,
    is_for: impl Fn(&Value) -> bool,
) -> Result<Vec<String>, CliError> {
    if !filters.any() {
        let advice = "--dry-run is for filters: `taskwatch show RUN` shows what is named";
        return if sure.dry_run { Err(CliError::usage(advice)) } else { Ok(named) };
    }
    let fit = matching(server, filters, action).await?;
    let (mut found, ended): (Vec<Value>, Vec<Value>) = fit.into_iter().partition(is_for);
    say_left_out(&found, &ended, action);
    if !sure.yes && !sure.dry_run && !found.is_empty() && !agreed(&found, action)? {
        found.clear();
    }
    if sure.dry_run {
        list::print(&found, format, false);
        return Ok(Vec::new());
    }
    let ids = found.iter().filter_map(|run| run["run"].as_str().map(str::to_owned));
    Ok(named.into_iter().chain(ids).collect())
}

/// The runs that fit the filters.
async fn matching(server: &Server, filters: &Filters, action: &Action<'_>) -> Result<Vec<Value>, CliError> {
    let mut query = filters.query()?;
    if filters.status.is_none() {
        query.push(("status", action.statuses.to_owned()));
    }
    let (found, more) = filter::pages(server, &query, MOST).await?;
    if more {
        output::problem(&format!("there are more than {MOST}: call it again for the others"));
    }
    Ok(found)
}

/// Says which of the runs that fit the command is not for, and that none is left.
fn say_left_out(found: &[Value], ended: &[Value], action: &Action<'_>) {
    match (found.is_empty(), ended.is_empty()) {
        (true, true) => output::problem("no runs match"),
        (true, false) => {
            output::problem(&format!("nothing was {}: all that match have ended: {}", action.done, counted(ended)));
        }
        (false, false) => output::problem(&format!("left out, because they have ended: {}", counted(ended))),
        (false, true) => {}
    }
}

/// Whether somebody at the terminal wants it for so many runs.
fn agreed(found: &[Value], action: &Action<'_>) -> Result<bool, CliError> {
    match output::ask(&format!("{} {}? [y/N] ", action.verb, counted(found))) {
        Some(answer) if matches!(answer.trim().to_ascii_lowercase().as_str(), "y" | "yes") => Ok(true),
        Some(_) => {
            output::problem(&format!("nothing was {}", action.done));
            Ok(false)
        }
        None => Err(CliError::usage(format!(
            "nothing was {}: it would be {}; run the same command with --yes, or with --dry-run to see them",
            action.done,
            counted(found)
        ))),
    }
}

/// So many runs, by status.
pub(super) fn counted(runs: &[Value]) -> String {
    let mut counts = BTreeMap::<String, usize>::new();
    runs.iter().for_each(|run| *counts.entry(cell(&run["status"])).or_default() += 1);
    let by_status: Vec<String> = counts.iter().map(|(status, count)| format!("{count} {status}")).collect();
    let runs = if runs.len() == 1 { "1 run".to_owned() } else { format!("{} runs", runs.len()) };
    format!("{runs} ({})", by_status.join(", "))
}

/// Sends an order for each of these runs; the runs of the answers, and whether any order was refused. Of one run that is
/// named alone a refusal is the command's own error.
pub(super) async fn send_all(
    server: &Server,
    runs: &[String],
    order: &str,
    body: Option<&Value>,
) -> Result<(Vec<Value>, bool), CliError> {
    let send = |run: String| async move { (server.post(&["runs", &run, order], body).await, run) };
    let mut answers = stream::iter(runs.to_vec()).map(send).buffered(AT_ONCE);
    let (mut changed, mut refused): (Vec<Value>, bool) = (Vec::new(), false);
    while let Some((answer, run)) = answers.next().await {
        match answer {
            Ok(answer) => changed.extend(answer["runs"].as_array().cloned().unwrap_or_default()),
            Err(error) if runs.len() == 1 => return Err(error),
            Err(error) => {
                output::problem(&error.about(&run).to_string());
                refused = true;
            }
        }
    }
    Ok((changed, refused))
}
