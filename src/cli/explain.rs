//! `taskwatch explain`.

use std::io::IsTerminal as _;
use std::path::Path;

use super::error::CliError;
use super::input::read;
use super::options::{Format, Global};
use super::settings::Settings;
use super::{aws, output};
use crate::cell::LogReader;
use crate::cell::ports::Ecs;
use crate::core::explain::{self, Explained, Explanation};
use crate::core::name::region_in_arn;
use crate::core::task::Task;
use crate::core::verdict::Deciders;
use clap::Args;

pub(super) const EXPLAIN_EXAMPLES: &str = "\
Examples:
  aws ecs describe-tasks --cluster batch --tasks ARN | taskwatch explain -
  taskwatch explain event.json --output json
  taskwatch explain arn:aws:ecs:eu-west-1:123456789012:task/batch/0123456789abcdef
  taskwatch explain 0123456789abcdef0123456789abcdef --cluster batch --logs
  taskwatch explain 'CannotPullContainerError: ref pull has been retried 5 time(s): i/o timeout'
  aws batch describe-jobs --jobs ID | taskwatch explain -";

/// `taskwatch explain`.
#[derive(Debug, Args)]
pub(super) struct ExplainArgs {
    /// Files with ECS events, or answers of DescribeTasks, RunTask or AWS Batch's DescribeJobs; a task's ARN, or its id (with --cluster);
    /// a reason as ECS words it; - for stdin
    #[arg(value_name = "FILE|TASK|TEXT|-")]
    sources: Vec<String>,
    /// The cluster of tasks that are given by their id
    #[arg(long)]
    cluster: Option<String>,
    /// The container whose exit code decides
    #[arg(long, value_name = "CONTAINER", value_delimiter = ',')]
    decided_by: Vec<String>,
    /// Show the last lines of the container that decided too (CloudWatch Logs; of tasks that are given by ARN or id)
    #[arg(long)]
    logs: bool,
}

/// What one argument is.
#[derive(Debug, PartialEq, Eq)]
enum Source {
    /// A file, or `-` for stdin.
    File,
    /// A task's ARN.
    Arn,
    /// A task's id without its cluster.
    Id,
    /// The text itself: a reason, or JSON.
    Text,
}

impl Source {
    /// A file that is there is a file, whatever else its name may be.
    fn of(text: &str) -> Self {
        let path = Path::new(text);
        if text == "-" || path.exists() {
            return Self::File;
        }
        if text.starts_with("arn:") {
            return Self::Arn;
        }
        let hex = |text: &str| text.chars().all(|c| c.is_ascii_hexdigit() || c == '-');
        // 32 digits, or a UUID for tasks of before the long ARNs.
        if matches!(text.len(), 32 | 36) && hex(text) {
            return Self::Id;
        }
        if text.starts_with(['{', '[']) {
            return Self::Text;
        }
        // One word is a reason where it is written like one.
        let one_word = !text.contains([' ', ':']) && text.contains(|c: char| c.is_ascii_lowercase());
        if one_word && !["Error", "Exception", "Exited"].iter().any(|end| text.ends_with(end)) {
            return Self::File;
        }
        let file = path
            .extension()
            .is_some_and(|end| ["json", "ndjson", "jsonl", "yaml", "yml", "txt", "log"].iter().any(|e| end == *e));
        // Words that are no file are meant as a reason, also those that nothing is known of.
        if !file && (text.contains(' ') || explain::explain_reason(text).is_some()) { Self::Text } else { Self::File }
    }
}

/// Lines of a log that are shown.
const LINES: u32 = 50;
/// So many broken lines are named; behind them comes how many more there are.
const MOST_NAMED: usize = 20;

/// 0, or 1 where a part of the input is no JSON: what is, is explained all the same.
pub(super) async fn explain(arguments: ExplainArgs, global: &Global, settings: &Settings) -> Result<u8, CliError> {
    let (mut all, mut broken, mut unknown) = (Explained::default(), Vec::new(), false);
    let terminal = std::io::stdin().is_terminal();
    let sources = sources(&arguments.sources, terminal)?;
    for source in &sources {
        let found = match found(source, terminal, &arguments, (global, settings)).await {
            // One that is not known does not cost the others.
            Err(error) if sources.len() > 1 => {
                output::problem(&output::plain(&error.to_string()));
                unknown = true;
                continue;
            }
            found => found?,
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
        Format::Text | Format::Only(_) => all.tasks.iter().for_each(|task| output::data(&text(task))),
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
    if all.tasks.is_empty() && all.others.is_empty() && !unknown {
        return Err(CliError::other(
            "nothing to explain: expected ECS task events, answers of DescribeTasks, RunTask or AWS Batch's DescribeJobs, or a reason as \
             ECS words it",
        ));
    }
    Ok(u8::from(!broken.is_empty() || unknown))
}

/// What one argument says.
async fn found(
    source: &str,
    terminal: bool,
    arguments: &ExplainArgs,
    scope: (&Global, &Settings),
) -> Result<Explained, CliError> {
    match Source::of(source) {
        Source::Arn => described(source, None, arguments, scope).await,
        Source::Id => {
            let no_cluster = || {
                CliError::usage(format!(
                    "{source}: a task's id alone does not say where it is: add --cluster, or give its ARN"
                ))
            };
            let cluster = arguments.cluster.as_deref().ok_or_else(no_cluster)?;
            described(source, Some(cluster), arguments, scope).await
        }
        Source::Text => Ok(explain::explain(source, &arguments.decided_by)),
        Source::File => {
            if source == "-" && terminal {
                output::problem("reading from the terminal: paste it, then press Ctrl-D on a line of its own");
            }
            Ok(explain::explain(&read(source)?, &arguments.decided_by))
        }
    }
}

/// The arguments; without any, stdin. A person at a terminal is told what to type instead of being waited for.
fn sources(given: &[String], terminal: bool) -> Result<Vec<String>, CliError> {
    match given {
        [] if terminal => Err(CliError::usage(
            "what is to be explained? a file or - (ECS events, answers of DescribeTasks, RunTask, AWS Batch's DescribeJobs), a task's ARN, \
             its id with --cluster, or a reason in quotes; see taskwatch explain --help",
        )),
        [] => Ok(vec!["-".to_owned()]),
        given => Ok(given.to_vec()),
    }
}

/// Says what could not be read.
fn name(broken: &[String]) {
    broken.iter().take(MOST_NAMED).for_each(|line| output::problem(&output::plain(line)));
    match broken.len().saturating_sub(MOST_NAMED) {
        0 => {}
        more => output::problem(&format!("and {more} more that are not JSON")),
    }
}

/// Asks ECS about a task: an ARN, or an id in this cluster.
async fn described(
    task: &str,
    cluster: Option<&str>,
    arguments: &ExplainArgs,
    (global, settings): (&Global, &Settings),
) -> Result<Explained, CliError> {
    let decided_by = &arguments.decided_by;
    // arn:aws:ecs:region:account:task/cluster/id, or without the cluster before 2018.
    let parts: Vec<&str> = task.splitn(6, ':').collect();
    let resource: Vec<&str> = parts.get(5).copied().unwrap_or_default().split('/').collect();
    let in_arn = if resource.len() == 3 { resource[1] } else { "default" };
    let cluster = cluster.unwrap_or(in_arn);
    // The cluster's ARN has the region too.
    let region = region_in_arn(task).or_else(|| region_in_arn(cluster));
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

fn text(task: &Explanation) -> String {
    let mut lines =
        vec![format!("{:<9} {}", task.status, output::plain(task.task_arn.as_deref().unwrap_or("(no task)")))];
    if let Some(error) = &task.error {
        // A program's own end is the name of a class and of a transience both.
        let mut names = vec![error.as_str()];
        for name in [task.class.map(|c| c.as_str()), task.transience.map(|t| t.as_str())].into_iter().flatten() {
            if !names.contains(&name) {
                names.push(name);
            }
        }
        let general = if names.len() > 1 { format!(" ({})", names[1..].join(", ")) } else { String::new() };
        lines.push(format!("  error   {}{general}", output::plain(error)));
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_argument_is_what_it_looks_like() {
        for (text, expected) in [
            ("-", Source::File),
            ("Cargo.toml", Source::File),
            ("/nowhere.json", Source::File),
            ("image errors of today.json", Source::File),
            ("image-errors", Source::File),
            ("arn:aws:ecs:eu-west-1:123456789012:task/batch/0123456789abcdef", Source::Arn),
            ("0123456789abcdef0123456789abcdef", Source::Id),
            ("01234567-89ab-cdef-0123-456789abcdef", Source::Id),
            ("CannotPullContainerError: EOF", Source::Text),
            ("OutOfMemoryError", Source::Text),
            ("RESOURCE:MEMORY", Source::Text),
            ("AGENT", Source::Text),
            ("Task failed to start", Source::Text),
            ("{\"lastStatus\": \"RUNNING\"}", Source::Text),
        ] {
            assert_eq!(Source::of(text), expected, "{text}");
        }
    }

    #[test]
    fn nobody_is_waited_for_at_a_terminal_without_being_told() {
        let asked = sources(&[], true).expect_err("a question").to_string();
        assert!(asked.contains("--cluster") && asked.contains("--help") && !asked.contains('\n'), "{asked}");
        assert_eq!(sources(&[], false).expect("stdin"), ["-"]);
        assert_eq!(sources(&["-".to_owned()], true).expect("stdin"), ["-"]);
    }

    #[test]
    fn no_name_is_said_twice() {
        let told = explain::explain_reason("Exit code 3").expect("a failure");
        let shown = text(&Explanation { error: Some("Taskwatch.Application".to_owned()), ..told });
        assert!(shown.contains("\n  error   Taskwatch.Application\n"), "{shown}");
    }
}
