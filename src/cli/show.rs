//! `taskwatch show`, against a serving cell: one run in full, an array request by its counts and its failures.

use std::collections::BTreeMap;

use clap::Args;
use serde_json::Value;

use super::client::{Server, Shown};
use super::error::CliError;
use super::options::{Format, Global, ServerArgs};
use super::output::{self, cell};
use super::settings::Settings;

pub(super) const SHOW_EXAMPLES: &str = "\
Examples:
  taskwatch show nightly-2026-11-22
  taskwatch show fleet                     # an array request: counts by status, and the runs that failed
  taskwatch show fleet --all
  taskwatch show fleet/3 --output json";

/// `taskwatch show`.
#[derive(Debug, Args)]
pub(super) struct ShowArgs {
    /// Its id or name
    #[arg(value_name = "RUN")]
    run: String,
    /// Of an array request: every run with every attempt (in JSON always)
    #[arg(long)]
    all: bool,
    #[command(flatten)]
    server: ServerArgs,
}

pub(super) async fn show(arguments: ShowArgs, global: &Global, settings: &Settings) -> Result<u8, CliError> {
    let server = Server::at(arguments.server.server.as_deref(), settings)?;
    if global.output == Some(Format::Json) {
        let mut runs = None;
        let each = |shown| match shown {
            Shown::One(run) => output::json(&run),
            Shown::Page(page) => {
                let list = runs.get_or_insert_with(|| output::JsonList::begin("runs"));
                page.iter().for_each(|run| list.item(run));
            }
        };
        server.show(&arguments.run, each).await?;
        runs.into_iter().for_each(output::JsonList::end);
        return Ok(0);
    }
    let mut summary = None;
    let each = |shown| match shown {
        Shown::One(run) => describe(&run),
        Shown::Page(page) => {
            let summary: &mut Summary = summary.get_or_insert_default();
            for run in page {
                if arguments.all {
                    describe(&run);
                }
                summary.add(&run);
            }
        }
    };
    server.show(&arguments.run, each).await?;
    if let Some(summary) = summary {
        summary.print(&arguments.run, arguments.all);
    }
    Ok(0)
}

/// An array request at a glance. It keeps a line of each failed run, and nothing of the others.
#[derive(Default)]
struct Summary {
    counts: BTreeMap<String, usize>,
    failed: Vec<[String; 6]>,
}

impl Summary {
    fn add(&mut self, run: &Value) {
        let status = cell(&run["status"]);
        if matches!(status.as_str(), "FAILED" | "TIMED_OUT" | "ABORTED") {
            let attempts = run["attempts"].as_array().map_or(0, Vec::len).to_string();
            let [name, exit, error, hint] = ["name", "exitCode", "error", "hint"].map(|member| cell(&run[member]));
            self.failed.push([name, status.clone(), attempts, exit, error, hint]);
        }
        *self.counts.entry(status).or_default() += 1;
    }

    fn print(&self, name: &str, all: bool) {
        let counts: Vec<String> = self.counts.iter().map(|(status, count)| format!("{count} {status}")).collect();
        output::data(&format!("{name}: {} runs: {}", self.counts.values().sum::<usize>(), counts.join(", ")));
        if !all && !self.failed.is_empty() {
            let header = ["NAME", "STATUS", "ATTEMPTS", "EXIT", "ERROR", "HINT"];
            output::table(&header, &self.failed, |row| row.to_vec());
        }
    }
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
