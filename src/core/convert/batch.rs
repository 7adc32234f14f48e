//! AWS Batch: job definitions, and jobs of them.

use serde_json::{Map, Value, json};

use super::members::Source;
use super::{Converted, around};
use crate::core::input::RequestError;
use crate::core::request::foreign::Foreign;

/// The container of a Batch job on ECS.
const CONTAINER: &str = "default";
/// The most attempts of a job, and rules of its retries.
const MOST_ATTEMPTS: u64 = 10;

/// All of an answer of describe-job-definitions.
pub(super) fn definitions(source: &Source<'_>) -> Result<Vec<Converted>, RequestError> {
    let all = source.list("jobDefinitions")?.iter().filter_map(Value::as_object);
    let all: Vec<Converted> =
        all.map(|members| definition(&Source::new(members, "jobDefinitions[]"))).collect::<Result<_, _>>()?;
    if all.is_empty() { Err(RequestError::new("jobDefinitions: has none")) } else { Ok(all) }
}

/// A job definition.
pub(super) fn definition(source: &Source<'_>) -> Result<Converted, RequestError> {
    if let Some(kind) = source.text("type")?.filter(|kind| *kind != "container") {
        return Err(RequestError::new(format!(
            "{}: a {kind} job has no counterpart: a run is one task; a container job has one",
            source.place("type")
        )));
    }
    for member in ["nodeProperties", "eksProperties"] {
        if source.get(member).is_some() {
            return Err(RequestError::new(format!(
                "{}: has no counterpart: a run is one ECS task",
                source.place(member)
            )));
        }
    }
    let name = source.text("jobDefinitionName")?;
    let what = name
        .map_or_else(|| Foreign::JobDefinition.name().to_owned(), |name| format!("job definition {name} of AWS Batch"));
    let family = name.unwrap_or("FAMILY");
    let mut notes = vec![format!(
        "register an ECS task definition {family} with the job's image, cpu, memory and roles: Batch's own belong to Batch"
    )];
    let mut run_task = Map::from_iter([("taskDefinition".to_owned(), family.into())]);
    let container = source.object("containerProperties")?;
    if let Some(of) = container {
        let parameters = source.object("parameters")?;
        overrides(&of, parameters.as_ref(), &mut run_task)?;
        if source.list("platformCapabilities")?.iter().any(|capability| capability == "FARGATE") {
            run_task.insert("launchType".to_owned(), "FARGATE".into());
        }
    }
    if source.get("ecsProperties").is_some() {
        notes.push("ecsProperties: containers, commands and environments go into the task definition".to_owned());
    }
    notes.push("cluster and networkConfiguration are the run's: add them to runTask".to_owned());
    let mut request = around(run_task);
    times(source, &mut request, &mut notes)?;
    for member in ["schedulingPriority", "propagateTags", "tags"] {
        if source.get(member).is_some() {
            notes.push(format!("{member}: of Batch; the run has priority and runTask.tags"));
        }
    }
    Ok(Converted { what, request, notes, ..Converted::default() })
}

/// What submit-job takes.
pub(super) fn job(source: &Source<'_>) -> Result<Converted, RequestError> {
    let definition = source.text("jobDefinition")?.ok_or_else(|| source.wrong("jobDefinition", "a string"))?;
    let name = crate::core::name::in_arn(definition);
    let family = name.split(':').next().unwrap_or(name);
    let mut notes = vec![format!(
        "register an ECS task definition {family}: taskwatch convert of the job definition says with what"
    )];
    let mut run_task = Map::from_iter([("taskDefinition".to_owned(), family.into())]);
    if let Some(of) = source.object("containerOverrides")? {
        overrides(&of, None, &mut run_task)?;
    }
    let array = source.object("arrayProperties")?;
    let size = array.map(|array| array.whole("size")).transpose()?.flatten();
    if let Some(size) = size {
        run_task.insert("count".to_owned(), size.into());
        notes.push(
            "AWS_BATCH_JOB_ARRAY_INDEX is TASKWATCH_ARRAY_INDEX here, AWS_BATCH_JOB_ATTEMPT is TASKWATCH_ATTEMPT"
                .to_owned(),
        );
    }
    let mut request = around(run_task);
    if size.is_some() {
        request["injectEnv"] = true.into();
    }
    if let Some(queue) = source.text("jobQueue")? {
        request["queue"] = crate::core::name::in_arn(queue).into();
    }
    if let Some(name) = source.text("jobName")? {
        notes.push(format!(
            "jobName {name}: names of jobs repeat, and a run's name does not: add a name that does not either"
        ));
    }
    if !source.list("dependsOn")?.is_empty() {
        return Err(RequestError::new("dependsOn: has no counterpart: send the request when the other run has ended"));
    }
    times(source, &mut request, &mut notes)?;
    Ok(Converted { what: Foreign::Job.name().to_owned(), request, notes, ..Converted::default() })
}

/// Command, environment and sizes of the one container.
fn overrides(
    of: &Source<'_>,
    parameters: Option<&Source<'_>>,
    run_task: &mut Map<String, Value>,
) -> Result<(), RequestError> {
    let mut container = Map::new();
    let command = of.list("command")?;
    if !command.is_empty() {
        container.insert(
            "command".to_owned(),
            command.iter().map(|word| substituted(word, parameters)).collect::<Result<_, _>>()?,
        );
    }
    if let Some(environment) = of.get("environment") {
        container.insert("environment".to_owned(), environment.clone());
    }
    if !container.is_empty() {
        container.insert("name".to_owned(), CONTAINER.into());
        run_task.insert("overrides".to_owned(), json!({"containerOverrides": [container]}));
    }
    Ok(())
}

/// A word of a command: `Ref::name` is a parameter.
fn substituted(word: &Value, parameters: Option<&Source<'_>>) -> Result<Value, RequestError> {
    let Some(name) = word.as_str().and_then(|word| word.strip_prefix("Ref::")) else { return Ok(word.clone()) };
    let value = parameters.and_then(|parameters| parameters.get(name));
    value.cloned().ok_or_else(|| {
        RequestError::new(format!("command: Ref::{name} has no value in parameters: write the value in"))
    })
}

/// `retryStrategy` and `timeout`.
fn times(source: &Source<'_>, request: &mut Value, notes: &mut Vec<String>) -> Result<(), RequestError> {
    if let Some(strategy) = source.object("retryStrategy")? {
        request["retry"] = retry(&strategy, notes)?;
    } else {
        // A job without one is tried once.
        request["retry"] = json!([]);
    }
    let timeout = source.object("timeout")?;
    if let Some(seconds) = timeout.map(|timeout| timeout.whole("attemptDurationSeconds")).transpose()?.flatten() {
        request["attemptTimeoutSeconds"] = seconds.into();
    }
    Ok(())
}

/// Batch's retries in the Amazon States Language: in the same order, the first match decides, and none waits.
fn retry(strategy: &Source<'_>, notes: &mut Vec<String>) -> Result<Value, RequestError> {
    let attempts = strategy.whole("attempts")?.unwrap_or(1).clamp(1, MOST_ATTEMPTS);
    let retries = attempts - 1;
    let retrier = |names: Vec<String>, retries: u64| json!({"ErrorEquals": names, "IntervalSeconds": 1, "MaxAttempts": retries, "BackoffRate": 1});
    let rules = strategy.list("evaluateOnExit")?;
    let mut retriers: Vec<Value> = Vec::new();
    let mut all = None;
    for (n, rule) in rules.iter().enumerate() {
        let place = format!("retryStrategy.evaluateOnExit[{n}]");
        let rule = rule.as_object().ok_or_else(|| RequestError::new(format!("{place}: expected an object")))?;
        let rule = Source::new(rule, &place);
        let action = rule.text("action")?.unwrap_or_default().to_uppercase();
        let times = if action == "RETRY" { retries } else { 0 };
        match matched(&rule, &place)? {
            Matched::All => {
                all = Some(times);
                break;
            }
            Matched::Names(names) => retriers.push(retrier(names, times)),
            Matched::Nothing(what) => notes.push(format!("{place}: {what} has no counterpart and is left out")),
        }
    }
    // What no rule fits is tried again in Batch.
    let rest = all.unwrap_or(retries);
    if rest > 0 {
        retriers.push(retrier(vec!["States.ALL".to_owned()], rest));
    }
    if retries > 0 {
        notes.push("Batch counts all attempts together, retriers count each their own".to_owned());
    }
    Ok(Value::Array(retriers))
}

/// What a rule of `evaluateOnExit` fits.
enum Matched {
    All,
    Names(Vec<String>),
    Nothing(String),
}

fn matched(rule: &Source<'_>, place: &str) -> Result<Matched, RequestError> {
    let given = ["onStatusReason", "onReason", "onExitCode"].map(|name| (name, rule.text(name)));
    let mut conditions = Vec::new();
    for (name, text) in given {
        conditions.extend(text?.filter(|text| *text != "*").map(|text| (name, text)));
    }
    let [(name, text)] = conditions.as_slice() else {
        return match conditions.len() {
            0 => Ok(Matched::All),
            _ => Ok(Matched::Nothing("a rule of several conditions".to_owned())),
        };
    };
    let prefix = text.trim_end_matches('*').trim_end_matches([':', ' ']);
    Ok(match *name {
        "onExitCode" if prefix == "0" => Matched::Nothing("onExitCode 0, which is a success,".to_owned()),
        "onExitCode" => Matched::Nothing(format!(
            "onExitCode {text:?}: a program's own end is Taskwatch.Application, whatever its code"
        )),
        "onStatusReason" if prefix.starts_with("Host EC2") => {
            Matched::Names(vec!["Taskwatch.Host".into(), "Taskwatch.Spot".into()])
        }
        "onStatusReason" if prefix.starts_with("Task failed to start") => {
            Matched::Names(vec!["TaskFailedToStart".into()])
        }
        "onStatusReason" if prefix.starts_with("Essential container") => {
            Matched::Names(vec!["EssentialContainerExited".into()])
        }
        "onReason" if is_name(prefix) => Matched::Names(vec![prefix.to_owned()]),
        _ => {
            return Err(RequestError::new(format!(
                "{place}.{name}: {text:?} has no counterpart: there are no globs; docs/errors.md has the names for ErrorEquals"
            )));
        }
    })
}

/// ECS's own name of a failure, such as `CannotPullContainerError`.
fn is_name(text: &str) -> bool {
    text.chars().all(|c| c.is_ascii_alphanumeric()) && (text.ends_with("Error") || text.ends_with("Exception"))
}
