//! `taskwatch list`, against a serving cell.

use std::cmp::Reverse;

use clap::{Args, ValueEnum};
use serde_json::{Value, json};

use super::client::Server;
use super::duration::seconds;
use super::error::CliError;
use super::failure::Failure;
use super::filter::{self, Filters, Query, now, took};
use super::follow::{Changes, News};
use super::options::{Format, Global, ServerArgs};
use super::output::{self, cell};
use super::settings::Settings;
use crate::core::filter::{Filtered, RunFilter, is_named};
use crate::core::name;
use crate::core::pattern;
use crate::core::run::Status;
use crate::core::time::Timestamp;

pub(super) const LIST_EXAMPLES: &str = "\
Examples:
  taskwatch list nightly                                    # names with \"nightly\" in them
  taskwatch list --status FAILED,TIMED_OUT --since 24h --sort duration
  taskwatch list --error secrets --task-definition etl --wide
  taskwatch list --queue team-a -w                          # and each change from now on";

/// Runs that are sorted.
const SORTED: usize = 10_000;
/// `taskwatch list`.
#[derive(Debug, Args)]
pub(super) struct ListArgs {
    /// A part of the name; with * or ? a pattern for all of it
    #[arg(value_name = "NAME", conflicts_with = "name")]
    part: Option<String>,
    #[command(flatten)]
    filters: Filters,
    /// The order: texts from A to Z, times from the newest, numbers from the largest. Of more than 10,000 runs only the newest are sorted
    #[arg(long, value_enum, default_value_t = Sort::Submitted)]
    sort: Sort,
    /// How many runs to show at most
    #[arg(long, default_value_t = 100, value_name = "N")]
    max: usize,
    /// Then show each change of these runs in a line, until interrupted
    #[arg(long, short)]
    watch: bool,
    /// Show also queue, task definition, cluster, task, time of submission, and the text of the failure or of what the run waits for
    #[arg(long)]
    wide: bool,
    #[command(flatten)]
    server: ServerArgs,
}

/// By what to sort.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Sort {
    Submitted,
    Finished,
    Duration,
    Attempts,
    Name,
    Status,
    Queue,
    Error,
}

impl Sort {
    fn sort(self, runs: &mut [Value], now: Timestamp) {
        match self {
            // As the cell gives them.
            Self::Submitted => {}
            Self::Finished => runs.sort_by_cached_key(|run| Reverse(cell(&run["finishedAt"]))),
            Self::Duration => runs.sort_by_cached_key(|run| Reverse(took(run, now))),
            Self::Attempts => runs.sort_by_cached_key(|run| Reverse(run["attempts"].as_u64())),
            Self::Name => runs.sort_by_cached_key(|run| {
                let name = cell(&run["name"]);
                (name::request_of(&name).to_owned(), name::index_in(&name), name)
            }),
            Self::Status => runs.sort_by_cached_key(|run| cell(&run["status"])),
            Self::Queue => runs.sort_by_cached_key(|run| cell(&run["queue"])),
            Self::Error => runs.sort_by_cached_key(|run| cell(&run["error"])),
        }
    }
}

pub(super) async fn list(arguments: ListArgs, global: &Global, settings: &Settings) -> Result<u8, CliError> {
    let server = Server::at(arguments.server.server.as_deref(), settings)?;
    let mut query = arguments.filters.query()?;
    query.extend(arguments.part.as_deref().map(|part| ("name", part_of_name(part))));
    // From before the list is read, so that nothing falls between.
    let changes = if arguments.watch { Some(Changes::open(&server, streamed(&query)).await?) } else { None };
    // What comes first in another order than the cell's may be old.
    let most = if arguments.sort == Sort::Submitted { arguments.max } else { arguments.max.max(SORTED) };
    let (mut runs, more) = filter::pages(&server, &query, most).await?;
    arguments.sort.sort(&mut runs, now());
    let fetched = runs.len();
    runs.truncate(arguments.max);
    let format = global.output.unwrap_or(Format::Table);
    if runs.is_empty() && (format != Format::Json || arguments.watch) {
        output::problem(if query.is_empty() { "there are no runs yet" } else { "no runs match" });
    } else {
        print(&runs, format, arguments.wide);
    }
    if more && arguments.sort != Sort::Submitted {
        output::problem(&format!(
            "only the newest {fetched} are sorted, and there are more: narrow it by --status, --since, --queue, --error"
        ));
    } else if more || runs.len() < fetched {
        output::problem(&format!(
            "there are more than {}: --max N, or narrow it by --status, --since, --queue, --error",
            runs.len()
        ));
    }
    if let Some(changes) = changes {
        watch(changes, &query, &runs, (format, arguments.wide)).await;
    }
    Ok(0)
}

/// What of a query the stream takes.
fn streamed(query: &Query) -> Query {
    query.iter().filter(|(name, _)| ["status", "queue", "name"].contains(name)).cloned().collect()
}

/// Shows each change, in the columns of the list above it.
async fn watch(mut changes: Changes, query: &Query, shown: &[Value], (format, wide): (Format, bool)) {
    let filter = rest(query);
    let row = |run: &Value| row_of(run, wide, now());
    let mut widths: Vec<usize> = header(wide).iter().map(|title| title.len()).collect();
    let mut fit = |row: &[String]| {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = (*width).max(cell.chars().count());
        }
        widths.clone()
    };
    shown.iter().for_each(|run| drop(fit(&row(run))));
    loop {
        let run = match changes.next().await {
            News::Run(run) if filter.fits(&Seen(&run)) => run,
            News::Run(_) => continue,
            News::Missed => {
                output::problem("some changes were missed");
                continue;
            }
        };
        match format {
            Format::Table => {
                let cells = row(&run);
                let widths = fit(&cells);
                let columns: Vec<String> =
                    cells.iter().zip(widths).map(|(cell, width)| format!("{cell:<width$}")).collect();
                output::data(&format!(" {}", columns.join("  ")));
            }
            format => print(std::slice::from_ref(&run), format, wide),
        }
    }
}

/// What of a query the stream leaves to us.
fn rest(query: &Query) -> RunFilter {
    let get = |name: &str| query.iter().find(|(known, _)| *known == name).map(|(_, value)| value.clone());
    RunFilter {
        error: get("error"),
        exit_code: get("exitCode").and_then(|code| code.parse().ok()),
        cause: get("cause"),
        task_definition: get("taskDefinition"),
        cluster: get("cluster"),
        since: get("since").as_deref().and_then(Timestamp::parse),
        ..RunFilter::default()
    }
}

/// A run as the stream tells of it.
struct Seen<'v>(&'v Value);

impl Seen<'_> {
    fn text(&self, name: &str) -> &str {
        self.0[name].as_str().unwrap_or_default()
    }
}

impl Filtered for Seen<'_> {
    fn status(&self) -> Option<Status> {
        self.text("status").parse().ok()
    }

    fn queue(&self) -> &str {
        self.text("queue")
    }

    fn name(&self) -> &str {
        self.text("name")
    }

    fn failed_with(&self, error: &str) -> bool {
        ["error", "class"].iter().any(|name| is_named(error, self.text(name)))
    }

    fn exit_code(&self) -> Option<i64> {
        self.0["exitCode"].as_i64()
    }

    fn cause_has(&self, wanted: &str) -> bool {
        filter::may_be_found(wanted, self.text("cause"))
    }

    fn task_definition(&self) -> &str {
        self.text("taskDefinition")
    }

    fn cluster(&self) -> &str {
        self.text("cluster")
    }

    fn submitted_at(&self) -> Timestamp {
        Timestamp::parse(self.text("submittedAt")).unwrap_or_default()
    }
}

/// A part of a name as a pattern for all of it.
fn part_of_name(part: &str) -> String {
    if pattern::is_pattern(part) { part.to_owned() } else { format!("*{part}*") }
}

/// Runs as the format has them.
pub(super) fn print(runs: &[Value], format: Format, wide: bool) {
    match format {
        Format::Json => output::json(&json!(runs)),
        Format::Table => {
            let now = now();
            output::table(&header(wide), runs, |run| row_of(run, wide, now));
        }
        Format::Text | Format::Only(_) => {
            runs.iter().for_each(|run| output::data(&format!("{}\t{}", cell(&run["name"]), cell(&run["status"]))))
        }
    }
}

fn header(wide: bool) -> Vec<&'static str> {
    let more = ["QUEUE", "TASK DEFINITION", "CLUSTER", "TASK", "SUBMITTED", "TEXT"];
    [&["NAME", "STATUS", "ATTEMPTS", "AGE", "TOOK", "WHY"][..], if wide { &more } else { &[] }].concat()
}

fn row_of(run: &Value, wide: bool, now: Timestamp) -> Vec<String> {
    let mut row = row(run, now);
    row.extend(wide.then(|| details(run)).into_iter().flatten());
    row
}

fn row(run: &Value, now: Timestamp) -> Vec<String> {
    let age = run["submittedAt"].as_str().and_then(Timestamp::parse).map(|at| seconds(now.since(at).as_secs_f64()));
    let took = took(run, now).map(|took| seconds(took.as_secs_f64()));
    let [age, took] = [age, took].map(|time| time.unwrap_or_else(|| "-".to_owned()));
    vec![cell(&run["name"]), cell(&run["status"]), cell(&run["attempts"]), age, took, why(run)]
}

/// Why a run is where it is, in a few words: an exit code first, then the failure's name, then what it waits for.
fn why(run: &Value) -> String {
    let waits = run["waitingFor"]["reason"].as_str().map(|reason| reason.to_ascii_lowercase().replace('_', " "));
    let failed = (run["status"] != "SUCCEEDED" && run["error"].is_string())
        .then(|| Failure::of(run["error"].as_str(), run["cause"].as_str(), run["exitCode"].as_i64()).brief());
    let words: Vec<String> = [failed, waits].into_iter().flatten().collect();
    if words.is_empty() { "-".to_owned() } else { words.join(", ") }
}

fn details(run: &Value) -> Vec<String> {
    let task = cell(&run["taskArn"]);
    let text = if run["waitingFor"]["text"].is_string() { &run["waitingFor"]["text"] } else { &run["cause"] };
    vec![
        cell(&run["queue"]),
        name::in_arn(&cell(&run["taskDefinition"])).to_owned(),
        name::in_arn(&cell(&run["cluster"])).to_owned(),
        name::in_arn(&task).to_owned(),
        cell(&run["submittedAt"]),
        cell(text),
    ]
}
