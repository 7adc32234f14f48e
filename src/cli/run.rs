//! `taskwatch run`: a cell of its own for one request, until its runs have ended.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;
use tokio::sync::broadcast::error::RecvError;
use tokio::time::Instant;
use uuid::Uuid;

use super::error::CliError;
use super::failure::lines_of;
use super::logs::Lines;
use super::options::{Format, Global};
use super::progress::Progress;
use super::run_args::RunArgs;
use super::run_events::News;
use super::settings::Settings;
use super::signals::Signals;
use super::tails::Tails;
use super::{aws, exit, output, remote, request};
use crate::cell::{Cell, CellConfig, Clock, Ids, LogReader, POLL, Ports, WithLines};
use crate::core::ids::Token;
use crate::core::notification;
use crate::core::request::RunRequest;
use crate::core::run::{Run, Stage};
use crate::store::MemoryStore;

/// How long stopped tasks and notifications are waited for at the end.
const ENDING: Duration = Duration::from_secs(120);
/// How long an interrupted run waits for RunTask calls without an answer: until there is one, nothing can be stopped.
const ANSWERS: Duration = Duration::from_secs(10);

pub(super) async fn run(arguments: RunArgs, global: &Global, settings: &Settings) -> Result<u8, CliError> {
    let query = arguments.aws_cli.checked()?;
    let request = request::request(&arguments)?;
    if arguments.dry_run {
        let (complete, shown) = (request.to_value(), request.masked());
        let print = |request: &Value| match global.output {
            Some(Format::Only(special)) => special.print(std::slice::from_ref(request)),
            _ => output::json(request),
        };
        if arguments.show_values {
            print(&complete);
            return Ok(0);
        }
        print(&shown);
        if shown != complete {
            output::problem(
                "values of the environment and tokens are shown as ***, which no request may have: --show-values shows them",
            );
        }
        return Ok(0);
    }
    if arguments.server.server.is_some() {
        return remote::run(&request, &arguments, query.as_ref(), global, settings).await;
    }
    let mut signals = Signals::listen()?;
    let clients = aws::clients(global).await?;
    let name = format!("run-{}", Uuid::new_v4().simple());
    let news = News::of(&arguments, settings, &clients, &name).await?;
    let mut config = settings.cell_config(&name);
    config.region = aws::region(&clients);
    // Whoever waits for these runs wants them to end, and nobody would mend anything meanwhile.
    config.breaker.failures = 0;
    config.poll = news.queue_url().is_none().then_some(POLL);
    let logs = clients.log_reader(settings.log_rate());
    let ports = Ports {
        ecs: Arc::new(clients.ecs()),
        events: news.queue_url().map(|url| Arc::new(clients.queue(url)) as _),
        requests: None,
        requests_dlq: None,
        launchers: None,
        notifier: Arc::new(WithLines::new(Arc::new(clients.publisher()), logs.clone())),
        store: Arc::new(MemoryStore::default()),
        clock: Clock::system(),
        ids: Ids::default(),
    };
    let outcome = launch((config, ports), request, &arguments, logs, &mut signals).await;
    news.remove(&clients).await;
    let Launched { runs, code, unanswered } = outcome?;
    for token in unanswered {
        output::problem(&format!(
            "RunTask was never answered; if it launched a task: aws ecs list-tasks --started-by {name}/{token}"
        ));
    }
    let format = global.output.unwrap_or(Format::Json);
    match query {
        Some(query) => query.print(&runs.iter().map(|run| result(run, &name)).collect::<Vec<_>>(), format)?,
        None => print(&runs, &name, format),
    }
    Ok(code)
}

/// What became of the request.
struct Launched {
    runs: Vec<Run>,
    code: u8,
    /// Tokens of calls that nobody has answered.
    unanswered: BTreeSet<Token>,
}

/// Begins a cell, has it do the request, and ends it.
async fn launch(
    (config, ports): (CellConfig, Ports),
    request: RunRequest,
    arguments: &RunArgs,
    logs: LogReader,
    signals: &mut Signals,
) -> Result<Launched, CliError> {
    let (is_described, region) = (ports.events.is_none(), config.region.clone());
    let cell = Cell::start(config, ports).await.map_err(|e| CliError::other(e.to_string()))?;
    let lines = arguments.follow.then(|| Lines::of(&cell, logs));
    let outcome = follow(&cell, request, arguments, (is_described, &region, lines), signals).await;
    let unanswered = unanswered(&cell);
    cell.drain(if unanswered.is_empty() { ENDING } else { Duration::ZERO }).await;
    let (runs, code) = outcome?;
    Ok(Launched { runs, code, unanswered })
}

/// Submits the request and waits for its runs; a signal stops them first.
async fn follow(
    cell: &Cell,
    request: RunRequest,
    arguments: &RunArgs,
    (is_described, region, lines): (bool, &str, Option<Lines>),
    signals: &mut Signals,
) -> Result<(Vec<Run>, u8), CliError> {
    let mut changes = cell.subscribe();
    let mut unreachable = std::pin::pin!(cell.unreachable());
    let submitted = cell.submit(request).await.map_err(|e| CliError::other(e.to_string()))?;
    let ids: Vec<Uuid> = submitted.runs.iter().map(|run| run.id).collect();
    let mut progress = Progress::new(&submitted.runs, lines.is_some());
    let tails = Tails::begin(lines, &submitted.runs);
    let mut interrupt: Option<Interrupt> = None;
    while !done(cell, &ids, arguments.no_wait && interrupt.is_none()) {
        tokio::select! {
            change = changes.recv() => match change {
                Ok(numbered) => progress.change(&numbered.change),
                Err(RecvError::Lagged(_)) => {}
                Err(RecvError::Closed) => break,
            },
            () = Interrupt::over(interrupt.as_ref(), cell) => break,
            why = &mut unreachable => {
                progress.finish();
                return Err(CliError::other(format!("ecs:RunTask in {region}: {why}")));
            }
            why = cell.describe_refusal(), if is_described && !arguments.no_wait => {
                progress.finish();
                return Err(cannot_follow(cell, &ids, &why));
            }
            code = signals.next() => {
                if interrupt.is_some() {
                    progress.finish();
                    return Err(CliError::other("interrupted again: tasks may still be stopping"));
                }
                interrupt = Some(Interrupt { code, at: Instant::now() });
                output::problem("stopping what was launched; once more to leave at once");
                for id in &ids {
                    cell.stop(*id, "taskwatch run was interrupted").await;
                }
            }
        }
    }
    progress.finish();
    tails.end().await;
    let runs: Vec<Run> = ids.iter().filter_map(|id| cell.run(*id)).collect();
    progress.conclude(&runs);
    let code = match interrupt {
        Some(interrupt) => interrupt.code,
        // What is not waited for has not failed.
        None => exit::code(runs.iter().filter(|run| !arguments.no_wait || run.status.is_final())),
    };
    Ok((runs, code))
}

/// ECS does not say what becomes of the tasks, and nothing else does.
fn cannot_follow(cell: &Cell, ids: &[Uuid], why: &str) -> CliError {
    let task = |id: &Uuid| cell.run(*id)?.attempt()?.task_arn.as_ref().map(ToString::to_string);
    let tasks: Vec<String> = ids.iter().filter_map(task).collect();
    let more = if tasks.len() > 1 { format!(" and {} more", tasks.len() - 1) } else { String::new() };
    let first = tasks.first().map_or("none was launched yet", String::as_str);
    CliError::other(format!(
        "DescribeTasks is refused, so that the tasks cannot be followed: {why}; allow ecs:DescribeTasks (docs/iam.md), or do \
         not wait (--no-wait). What was launched goes on: {first}{more}"
    ))
}

/// A signal asked the command to end.
struct Interrupt {
    code: u8,
    at: Instant,
}

impl Interrupt {
    /// Resolves when it has waited long enough: for tasks that stop, and for calls without an answer if nothing else is
    /// left to wait for.
    async fn over(interrupt: Option<&Self>, cell: &Cell) {
        let Some(interrupt) = interrupt else { return std::future::pending().await };
        tokio::time::sleep_until(interrupt.at + ANSWERS).await;
        let only_calls = cell.runs().iter().all(|run| run.status.is_final() || is_launching(run));
        if !only_calls {
            tokio::time::sleep_until(interrupt.at + ENDING).await;
        }
    }
}

fn is_launching(run: &Run) -> bool {
    !run.status.is_final() && run.attempt().is_some_and(|a| a.stage == Stage::Launching)
}

/// The tokens of RunTask calls that nobody has answered.
fn unanswered(cell: &Cell) -> BTreeSet<Token> {
    let runs = cell.runs();
    let calls = runs.iter().filter(|run| is_launching(run));
    calls.filter_map(|run| run.attempt().and_then(|a| a.token)).collect()
}

/// Whether there is nothing left to wait for: every run has ended or, with `--no-wait`, was placed.
fn done(cell: &Cell, ids: &[Uuid], placed_is_enough: bool) -> bool {
    let enough =
        |run: Run| run.status.is_final() || (placed_is_enough && run.attempt().is_some_and(|a| a.task_arn.is_some()));
    ids.iter().all(|id| cell.run(*id).is_none_or(enough))
}

/// A run as the result shows it.
fn result(run: &Run, cell: &str) -> Value {
    let mut value = notification::detail(run, cell);
    value["exitCode"] = run.attempt().and_then(|a| a.exit_code).into();
    // Nobody serves this run: what shows its lines is another command.
    if let Some(failure) = run.ended_by.as_ref() {
        value["hint"] = failure.hint_with(&lines_of(run)).into();
    }
    value
}

fn print(runs: &[Run], cell: &str, format: Format) {
    match (format, runs) {
        (Format::Json, [one]) => output::json(&result(one, cell)),
        (Format::Only(special), many) => {
            special.print(&many.iter().map(|run| result(run, cell)).collect::<Vec<_>>());
        }
        (Format::Text, _) => {
            runs.iter().for_each(|run| output::data(&format!("{}\t{}", run.name, run.status.as_str())))
        }
        (Format::Json, many) => output::json(&many.iter().map(|run| result(run, cell)).collect::<Vec<_>>()),
        _ => {
            output::table(&["NAME", "STATUS", "ATTEMPTS", "EXIT", "ERROR"], runs, |run| {
                let exit = run.attempt().and_then(|a| a.exit_code).map_or("-".into(), |code| code.to_string());
                let error = run.ended_by.as_ref().map_or("-", |f| f.error.as_str()).to_owned();
                let status = run.status.as_str().to_owned();
                vec![run.name.clone(), status, run.attempts.total().to_string(), exit, error]
            });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_dry_run_shows_no_value_of_the_environment_of_a_placement_either() {
        let overrides = |value: &str| serde_json::json!({"containerOverrides": [{"name": "a", "environment": [{"name": "A", "value": value}]}]});
        let request = RunRequest::from_value(serde_json::json!({
            "runTask": {"taskDefinition": "x", "overrides": overrides("s3cr3t-1")},
            "placements": [{"launchType": "FARGATE", "overrides": overrides("s3cr3t-2")}]}))
        .unwrap();
        let shown = request.masked();
        assert!(!shown.to_string().contains("s3cr3t"), "{shown}");
        assert_eq!(shown["placements"][0]["launchType"], "FARGATE");
    }
}
