//! `taskwatch convert`: the run request of what people have.

use clap::{Args, Parser as _};
use serde_json::Value;
use uuid::Uuid;

use super::aws_cli::Client;
use super::document::DocumentArgs;
use super::error::CliError;
use super::filter::now;
use super::input::read;
use super::run_args::RunArgs;
use super::shell::Beside;
use super::{listed, output, request, shell};
use crate::core::convert::{convert as converted, is_known};
use crate::core::request::{Acceptance, documents};

pub(super) const CONVERT_EXAMPLES: &str = "\
Examples:
  taskwatch convert workflow.yaml --state Load --input file://input.json
  aws events list-targets-by-rule --rule nightly | taskwatch convert -
  aws scheduler get-schedule --name nightly | taskwatch convert - > nightly.json
  aws batch describe-job-definitions --job-definition-name etl --status ACTIVE | taskwatch convert -
  taskwatch convert template.json
  CLUSTER=batch taskwatch convert launch.sh
  taskwatch convert template.yaml --set Cluster=batch --set Subnets='[\"subnet-0a\"]'

A FILE holds a Step Functions machine or state, an EventBridge target, an EventBridge Scheduler schedule, an AWS Batch job definition or
job, a CloudFormation template or a Serverless file of these, an ECS task definition, what aws ecs run-task --cli-input-json takes, or an aws ecs run-task
command line. The request goes to stdout, values of the environment included; what has no place in it is said on stderr.

Exit codes:
  0  converted
  2  it is none of these, or something in it is not converted; what is converted beside it is printed";

/// `taskwatch convert`.
#[derive(Debug, Args)]
pub(super) struct ConvertArgs {
    /// The document, in JSON or YAML, or a script or program with aws ecs run-task lines; - for stdin
    #[arg(value_name = "FILE|-")]
    file: String,
    #[command(flatten)]
    document: DocumentArgs,
}

/// An `aws ecs run-task` line, which is one of `taskwatch run`.
#[derive(Debug, clap::Parser)]
#[command(name = "aws ecs run-task", infer_long_args = true)]
struct Line {
    #[command(flatten)]
    run: RunArgs,
    #[command(flatten)]
    client: Client,
}

/// The requests of a file, and whether all of it is in them.
struct Requests {
    all: Vec<Value>,
    is_complete: bool,
}

/// 0, or 2 where something is not converted, or an error that says what the document is.
pub(super) fn convert(arguments: &ConvertArgs) -> Result<u8, CliError> {
    let text = read(&arguments.file)?;
    let about = |error: &dyn std::fmt::Display| CliError::usage(format!("{}: {error}", arguments.file));
    let set = arguments.document.values()?;
    let shown = |(name, value): (String, Value)| match value {
        Value::String(value) => (name, value),
        value => (name, value.to_string()),
    };
    let environment = |name: &str| std::env::var(name).ok();
    let beside = Beside { set: set.into_iter().map(shown).collect(), environment: &environment };
    let mut lines = shell::run_tasks(&text, &beside);
    lines.extend(listed::run_tasks(&text, &beside));
    lines.sort_by_key(|(at, _)| *at);
    let requests = match lines.is_empty() {
        true => match (of_documents(&text, &arguments.document, &about), shell::run_tasks_in_json(&text, &beside)) {
            (Err(_), lines) if !lines.is_empty() => of_lines(lines, &about)?,
            (requests, _) => requests?,
        },
        false => of_both(lines, &text, &arguments.document, &about)?,
    };
    match requests.all.as_slice() {
        [] => return Err(about(&"there is no document in it")),
        [one] => output::json(one),
        many => output::json(&many),
    }
    Ok(if requests.is_complete { 0 } else { 2 })
}

/// The requests of lines, and of the document in which they stand: a template or configuration has both.
fn of_both(
    lines: Vec<shell::Line>,
    text: &str,
    over: &DocumentArgs,
    about: &dyn Fn(&dyn std::fmt::Display) -> CliError,
) -> Result<Requests, CliError> {
    let of_lines = of_lines(lines, about);
    if !documents(text).is_ok_and(|all| all.iter().any(is_known)) {
        return of_lines;
    }
    let (mut requests, mut is_complete) = (Vec::new(), true);
    for part in [of_lines, of_documents(text, over, about)] {
        match part {
            Ok(part) => {
                requests.extend(part.all);
                is_complete &= part.is_complete;
            }
            Err(error) => {
                is_complete = false;
                output::problem(&output::plain(&format!("not converted: {error}")));
            }
        }
    }
    match requests.is_empty() {
        true => Err(about(&"nothing in it can be converted")),
        false => Ok(Requests { all: requests, is_complete }),
    }
}

fn of_documents(
    text: &str,
    over: &DocumentArgs,
    about: &dyn Fn(&dyn std::fmt::Display) -> CliError,
) -> Result<Requests, CliError> {
    let (mut requests, mut is_complete) = (Vec::new(), true);
    for document in documents(text).map_err(|error| about(&error))? {
        let document = over.laid_over(document).map_err(|error| about(&error))?;
        let at = Acceptance::new(now(), Uuid::now_v7());
        for one in converted(document, &at).map_err(|error| about(&error))? {
            for note in &one.notes {
                output::problem(&output::plain(&format!("{}: {note}", one.what)));
            }
            for refused in &one.refused {
                output::problem(&output::plain(&format!("not converted: {refused}")));
            }
            is_complete &= one.refused.is_empty();
            requests.push(one.request);
        }
    }
    Ok(Requests { all: requests, is_complete })
}

/// The requests of all lines. Of several, one that cannot be taken keeps nobody from the others.
fn of_lines(lines: Vec<shell::Line>, about: &dyn Fn(&dyn std::fmt::Display) -> CliError) -> Result<Requests, CliError> {
    let (mut requests, mut refused) = (Vec::new(), Vec::new());
    for (_, line) in lines {
        match line.and_then(|words| of_line(&words)) {
            Ok(request) => requests.push(request),
            Err(error) => refused.push(error),
        }
    }
    // Where none can be taken, the first is the error.
    let error = if requests.is_empty() && !refused.is_empty() { Some(refused.remove(0)) } else { None };
    for refused in &refused {
        output::problem(&output::plain(&format!("a line is not converted: {refused}")));
    }
    match error {
        Some(error) => Err(about(&error)),
        None => Ok(Requests { all: requests, is_complete: refused.is_empty() }),
    }
}

fn of_line(words: &[String]) -> Result<Value, CliError> {
    let line = Line::try_parse_from(std::iter::once("aws ecs run-task".to_owned()).chain(words.iter().cloned()));
    let Line { mut run, client } = line.map_err(|error| CliError::usage(in_one_line(&error.to_string())))?;
    // `taskwatch run` takes a FILE there.
    if let Some(word) = &run.file {
        return Err(CliError::usage(format!(
            "{word:?} stands behind no option: aws ecs run-task takes none such; put quotes around a value with blanks, or --task-definition before the task definition"
        )));
    }
    // Many scripts have it, and the request is the same without it.
    let left_out = run.aws_cli.without_started_by();
    // What it asks of the answer has no place in a request.
    run.aws_cli.checked()?;
    let request = request::request(&run)?;
    let asks = run.aws_cli.query.is_some();
    for left_out in left_out.into_iter().chain(client.left_out(asks)) {
        output::problem(&output::plain(&left_out));
    }
    Ok(request.to_value())
}

/// What clap says: what is wrong, what is allowed, what may be meant. The rest is about the usage of another command.
fn in_one_line(said: &str) -> String {
    let is_rest = |line: &str| ["Usage:", "For more", "tip: to pass"].iter().any(|begin| line.starts_with(begin));
    let lines = said.lines().map(str::trim).take_while(|line| !is_rest(line));
    let lines: Vec<&str> = lines.filter(|line| !line.is_empty()).collect();
    lines.join(" ").replace(" tip: ", "; ").trim_start_matches("error: ").to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_word_behind_no_option_is_named() {
        let words = ["--cluster", "batch", "--launch-type", "FARGATE", "etl"].map(str::to_owned);
        let said = of_line(&words).unwrap_err().to_string();
        assert!(said.contains("\"etl\" stands behind no option") && said.contains("--task-definition"), "{said}");
        let words = ["--cluster", "batch", "--task-definition", "etl"].map(str::to_owned);
        assert_eq!(of_line(&words).unwrap()["runTask"]["taskDefinition"], "etl");
    }
}
