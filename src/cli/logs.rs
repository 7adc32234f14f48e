//! `taskwatch logs`: what the containers of a run wrote.

use std::time::Duration;

use clap::Args;
use serde_json::Value;
use tokio::time::sleep;

use super::client::Server;
use super::error::CliError;
use super::options::{Format, Global, ServerArgs};
use super::output;
use super::settings::Settings;
use crate::cell::{Cell, LogReader};
use crate::front::{Front, LinesOf};

pub(super) const LOGS_EXAMPLES: &str = "\
Examples:
  taskwatch logs nightly-2026-11-22
  taskwatch logs nightly-2026-11-22 --attempt 1 --container app --lines 200
  taskwatch logs fleet/3 --follow

The lines come from CloudWatch Logs (the awslogs driver), through the cell, at most TASKWATCH_LOG_RATE calls a second. They are \
not masked. Of other log drivers the command says where to look.";

/// How often lines are asked for where somebody follows them.
const FOLLOW: Duration = Duration::from_secs(2);
/// After its end the lines of a container may be on their way for so long.
const LAST_LOOKS: u32 = 2;

/// `taskwatch logs`.
#[derive(Debug, Args)]
pub(super) struct LogsArgs {
    /// Its id or name
    #[arg(value_name = "RUN")]
    run: String,
    /// The attempt, from 1 [default: the newest with a task]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    attempt: Option<u32>,
    /// The container [default: the one that decided how the task ended]
    #[arg(long, value_name = "NAME")]
    container: Option<String>,
    /// How many of the last lines
    #[arg(long, value_name = "N", default_value_t = 50, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    lines: u32,
    /// Go on with what is written from now on, until the run has ended
    #[arg(long, short)]
    follow: bool,
    #[command(flatten)]
    server: ServerArgs,
}

pub(super) async fn logs(arguments: LogsArgs, global: &Global, settings: &Settings) -> Result<u8, CliError> {
    let source = Lines::At(Server::at(arguments.server.server.as_deref(), settings)?);
    let asked = Asked {
        run: arguments.run,
        attempt: arguments.attempt,
        container: arguments.container,
        lines: arguments.lines,
    };
    if arguments.follow {
        let said = follow(&source, &asked, &mut |line| output::data(line)).await?;
        return Ok(u8::from(!said));
    }
    let answer = source.answer(&asked, asked.attempt, None).await?;
    match global.output {
        Some(Format::Json) => output::json(&answer),
        _ => texts(&answer).for_each(output::data),
    }
    if answer["lines"].is_null() {
        output::problem(&format!("{}: no lines: {}", asked.run, output::cell(&answer["why"])));
        return Ok(1);
    }
    Ok(0)
}

/// Which lines.
pub(super) struct Asked {
    pub(super) run: String,
    pub(super) attempt: Option<u32>,
    pub(super) container: Option<String>,
    pub(super) lines: u32,
}

/// Who reads lines.
#[derive(Clone)]
pub(super) enum Lines {
    /// A serving cell.
    At(Server),
    /// This process.
    In(Front),
}

impl Lines {
    /// Of the runs of a cell in this process.
    pub(super) fn of(cell: &Cell, reader: LogReader) -> Self {
        Self::In(Front::from(cell.clone()).with_logs(reader))
    }

    pub(super) async fn answer(
        &self,
        asked: &Asked,
        attempt: Option<u32>,
        token: Option<&str>,
    ) -> Result<Value, CliError> {
        match self {
            Self::At(server) => {
                let number = attempt.map_or_else(|| "last".to_owned(), |number| number.to_string());
                let mut query = vec![("lines", asked.lines.to_string())];
                query.extend(asked.container.clone().map(|name| ("container", name)));
                query.extend(token.map(|token| ("nextToken", token.to_owned())));
                server.get(&["runs", &asked.run, "attempts", &number, "log"], &query).await
            }
            Self::In(front) => {
                let container = asked.container.clone();
                let of = LinesOf { attempt, container, lines: asked.lines, token: token.map(str::to_owned) };
                let answer = front.lines(&asked.run, &of).await;
                let answer = answer.map_err(|e| CliError::other(format!("{:?} {e}", asked.run)))?;
                serde_json::to_value(answer).map_err(|e| CliError::other(e.to_string()))
            }
        }
    }

    /// Whether the run has ended.
    async fn is_final(&self, run: &str) -> Result<bool, CliError> {
        match self {
            Self::At(server) => {
                let run = server.get(&["runs", run], &[("limit", "1".to_owned())]).await?;
                Ok(run["final"].as_bool().unwrap_or(true))
            }
            Self::In(front) => {
                let found = front.find(run).await.map_err(|e| CliError::other(e.to_string()))?;
                Ok(found.iter().all(|one| one.run.status.is_final()))
            }
        }
    }
}

/// The texts of an answer's lines.
pub(super) fn texts(answer: &Value) -> impl Iterator<Item = &str> {
    answer["lines"].as_array().into_iter().flatten().filter_map(|line| line["text"].as_str())
}

/// Says the last lines of a run's newest attempt, and what it and the attempts behind it write, until the run has ended and
/// nothing more comes. Whether there were any.
pub(super) async fn follow(
    source: &Lines,
    asked: &Asked,
    say: &mut (dyn FnMut(&str) + Send),
) -> Result<bool, CliError> {
    let (mut token, mut attempt, mut said, mut why) = (None::<String>, asked.attempt, false, String::new());
    let mut silent = 0;
    loop {
        // Before the lines are asked for: what is written before its end is among them.
        let is_final = source.is_final(&asked.run).await?;
        let answer = source.answer(asked, attempt, token.as_deref()).await?;
        let number = answer["attempt"].as_u64().and_then(|number| u32::try_from(number).ok());
        let mut came = 0;
        texts(&answer).for_each(|line| {
            say(line);
            came += 1;
        });
        said |= came > 0;
        token = answer["nextToken"].as_str().map(str::to_owned).or(token);
        if let Some(new) = answer["why"].as_str().filter(|new| *new != why).map(str::to_owned) {
            output::problem(&format!("{}: no lines: {}", asked.run, output::plain(&new)));
            why = new;
        }
        let over = answer["over"].as_bool().unwrap_or(true);
        // Without group and stream there is nothing to wait for.
        let hopeless = answer["stream"].is_null() && over;
        silent = if came == 0 && (over || is_final) { silent + 1 } else { 0 };
        if silent >= LAST_LOOKS || (hopeless && is_final) {
            if is_final || asked.attempt.is_some() {
                return Ok(said);
            }
            let last = Asked { lines: 1, run: asked.run.clone(), container: None, attempt: None };
            let newest = source.answer(&last, None, None).await?["attempt"]
                .as_u64()
                .and_then(|number| u32::try_from(number).ok());
            if newest != number {
                (token, attempt, silent, why) = (None, newest, 0, String::new());
                continue;
            }
        } else {
            attempt = attempt.or(number.filter(|_| !answer["taskArn"].is_null()));
        }
        sleep(FOLLOW).await;
    }
}
