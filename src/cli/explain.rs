//! `taskwatch explain`.

use super::error::CliError;
use super::input::read;
use super::options::{Format, Global};
use super::{aws, output};
use crate::cell::ports::Ecs;
use crate::core::explain::{self, Explained, Explanation};
use crate::core::verdict::Deciders;
use clap::Args;

pub(super) const EXPLAIN_EXAMPLES: &str = "\
Examples:
  aws ecs describe-tasks --cluster batch --tasks ARN | taskwatch explain -
  taskwatch explain event.json --output json
  taskwatch explain arn:aws:ecs:eu-west-1:123456789012:task/batch/0123456789abcdef";

/// `taskwatch explain`.
#[derive(Debug, Args)]
pub(super) struct ExplainArgs {
    /// Files with ECS events, DescribeTasks or RunTask answers; a task's ARN; - for stdin
    #[arg(value_name = "FILE|TASK_ARN|-", default_value = "-")]
    sources: Vec<String>,
    /// The container whose exit code decides
    #[arg(long, value_name = "CONTAINER", value_delimiter = ',')]
    decided_by: Vec<String>,
}

/// So many broken lines are named; behind them comes how many more there are.
const MOST_NAMED: usize = 20;

/// 0, or 1 where a part of the input is no JSON: what is, is explained all the same.
pub(super) async fn explain(arguments: ExplainArgs, global: &Global) -> Result<u8, CliError> {
    let (mut all, mut broken) = (Explained::default(), Vec::new());
    for source in &arguments.sources {
        let found = if source.starts_with("arn:") {
            described(source, &arguments.decided_by, global).await?
        } else {
            explain::explain(&read(source)?, &arguments.decided_by)
        };
        broken.extend(found.broken.iter().map(|broken| format!("{source}, {broken}")));
        all.tasks.extend(found.tasks);
        all.others.extend(found.others);
        all.skipped += found.skipped;
    }
    let format = global.output.unwrap_or(Format::Text);
    match format {
        Format::Json => output::json(&all.tasks),
        Format::Table if all.tasks.is_empty() => {}
        Format::Table => output::data(&table(&all.tasks)),
        Format::Text => all.tasks.iter().for_each(|task| output::data(&text(task))),
    }
    // JSON and tables are for tasks; what else there was is said beside them.
    for other in &all.others {
        let line = format!("not a task: {}", output::plain(other));
        if matches!(format, Format::Text) { output::data(&line) } else { output::problem(&line) }
    }
    match all.skipped.saturating_sub(all.others.len()) {
        0 => {}
        1 => output::problem("1 document is neither about a task nor an event"),
        n => output::problem(&format!("{n} documents are neither about a task nor an event")),
    }
    name(&broken);
    if all.tasks.is_empty() && all.others.is_empty() {
        return Err(CliError::other(
            "nothing to explain: expected ECS task events, or answers of DescribeTasks or RunTask",
        ));
    }
    Ok(u8::from(!broken.is_empty()))
}

/// Says what could not be read.
fn name(broken: &[String]) {
    broken.iter().take(MOST_NAMED).for_each(|line| output::problem(&output::plain(line)));
    match broken.len().saturating_sub(MOST_NAMED) {
        0 => {}
        more => output::problem(&format!("and {more} more that are not JSON")),
    }
}

async fn described(arn: &str, decided_by: &[String], global: &Global) -> Result<Explained, CliError> {
    // arn:aws:ecs:region:account:task/cluster/id, or without the cluster before 2018.
    let parts: Vec<&str> = arn.splitn(6, ':').collect();
    let task: Vec<&str> = parts.get(5).copied().unwrap_or_default().split('/').collect();
    let cluster = if task.len() == 3 { task[1] } else { "default" };
    let ecs = aws::clients_in(global, parts.get(3).copied()).await?.ecs();
    let answer = ecs.describe_tasks(cluster, &[arn.to_owned()]).await;
    let answer = answer.map_err(|e| CliError::other(format!("{arn}: DescribeTasks: {e}")))?;
    let Some(task) = answer.tasks.first() else {
        return Err(CliError::other(format!(
            "{arn}: ECS does not know it; a stopped task is forgotten after about an hour"
        )));
    };
    let containers = match decided_by {
        [] => ecs.container_definitions(&task.task_definition_arn).await.unwrap_or_default(),
        _ => Vec::new(),
    };
    let essential = containers.into_iter().filter(|c| c.essential).map(|c| c.name);
    let names: Vec<String> = decided_by.iter().cloned().chain(essential).collect();
    let deciders = if names.is_empty() { Deciders::Unknown } else { Deciders::Named(&names) };
    Ok(Explained { tasks: vec![explain::explain_task(task, deciders)], ..Explained::default() })
}

fn text(task: &Explanation) -> String {
    let mut lines =
        vec![format!("{:<9} {}", task.status, output::plain(task.task_arn.as_deref().unwrap_or("(no task)")))];
    let class = task.class.map(|c| c.as_str()).unwrap_or_default();
    let transience = task.transience.map(|t| t.as_str()).unwrap_or_default();
    if let Some(error) = &task.error {
        // The class of a program's own end is its transience too.
        let kind = if class == transience { class.to_owned() } else { format!("{class}, {transience}") };
        lines.push(format!("  error   {} ({kind})", output::plain(error)));
    }
    let rest = [("cause", &task.cause), ("do", &task.hint)];
    lines.extend(
        rest.into_iter().filter_map(|(name, text)| Some(format!("  {name:<7} {}", output::plain(text.as_ref()?)))),
    );
    lines.join("\n") + "\n"
}

fn table(tasks: &[Explanation]) -> String {
    let mut table = comfy_table::Table::new();
    table.load_preset(comfy_table::presets::NOTHING).set_header(["STATUS", "ERROR", "CLASS", "TASK"]);
    for task in tasks {
        let id = output::plain(task.task_arn.as_deref().and_then(|arn| arn.rsplit('/').next()).unwrap_or("-"));
        let error = output::plain(task.error.as_deref().unwrap_or("-"));
        table.add_row([task.status, &error, task.class.map_or("-", |c| c.as_str()), &id]);
    }
    table.to_string()
}
