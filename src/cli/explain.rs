//! `taskwatch explain`, with ECS to ask.

use super::error::CliError;
use super::options::{Format, Global};
use super::settings::Settings;
use super::{aws, output};
use crate::cell::LogReader;
use crate::cell::ports::Ecs;
use crate::core::explain::{self, Explained};
use crate::core::task::Task;
use crate::core::verdict::Deciders;
use crate::explaining::{self, ExplainArgs, Found, Gathered, TaskAsked};

pub(super) const EXPLAIN_EXAMPLES: &str = "\
Examples:
  aws ecs describe-tasks --cluster batch --tasks ARN | taskwatch explain -
  taskwatch explain event.json --output json
  taskwatch explain arn:aws:ecs:eu-west-1:123456789012:task/batch/0123456789abcdef
  taskwatch explain 0123456789abcdef0123456789abcdef --cluster batch --logs
  taskwatch explain 'CannotPullContainerError: ref pull has been retried 5 time(s): i/o timeout'
  aws batch describe-jobs --jobs ID | taskwatch explain -";

/// Lines of a log that are shown.
const LINES: u32 = 50;

/// Explains every argument; ECS is asked about tasks that are given by ARN or id.
pub(super) async fn explain(arguments: ExplainArgs, global: &Global, settings: &Settings) -> Result<u8, CliError> {
    let sources = arguments.sources()?;
    let mut gathered = Gathered::of(sources.len());
    for source in &sources {
        let found = match arguments.find(source) {
            Ok(Found::Explained(explained)) => Ok(explained),
            Ok(Found::Task(task)) => described(&task, &arguments, (global, settings)).await,
            Err(error) => Err(error),
        };
        gathered.add(source, found)?;
    }
    gathered.write(match global.output {
        Some(Format::Json) => explaining::Format::Json,
        Some(Format::Table) => explaining::Format::Table,
        Some(Format::Text | Format::Only(_)) | None => explaining::Format::Text,
    })
}

/// Asks ECS about a task.
async fn described(
    asked: &TaskAsked<'_>,
    arguments: &ExplainArgs,
    (global, settings): (&Global, &Settings),
) -> Result<Explained, CliError> {
    let TaskAsked { task, cluster, region } = *asked;
    let decided_by = &arguments.decided_by;
    let clients = aws::clients_in(global, region).await?;
    let ecs = clients.ecs();
    let answer = ecs.describe_tasks(cluster, &[task.to_owned()]).await;
    let answer = answer.map_err(|e| CliError::other(format!("{task}: DescribeTasks: {e}")))?;
    let Some(task) = answer.tasks.first() else {
        return Err(CliError::other(format!(
            "{task}: ECS does not know it in cluster {cluster}; a stopped task is forgotten after about an hour"
        )));
    };
    let containers = match decided_by.as_slice() {
        [] => ecs.container_definitions(&task.task_definition_arn).await.unwrap_or_default(),
        _ => Vec::new(),
    };
    let essential = containers.into_iter().filter(|c| c.essential).map(|c| c.name);
    let names: Vec<String> = decided_by.iter().cloned().chain(essential).collect();
    let deciders = if names.is_empty() { Deciders::Unknown } else { Deciders::Named(&names) };
    if arguments.logs {
        lines(&clients.log_reader(settings.log_rate()), task, &names).await;
    }
    Ok(Explained { tasks: vec![explain::explain_task(task, deciders)], ..Explained::default() })
}

/// Says the last lines of a task, on stderr: stdout has the explanation.
async fn lines(reader: &LogReader, task: &Task<'_>, deciding: &[String]) {
    match reader.of_task(task, deciding, LINES).await {
        Ok((container, lines)) => {
            output::problem(&format!("last lines of container {:?}:", output::plain(&container)));
            lines.iter().for_each(|line| output::problem(&format!("  {}", line.text.trim_end())));
        }
        Err(why) => output::problem(&format!("no log lines: {}", output::plain(&why))),
    }
}
