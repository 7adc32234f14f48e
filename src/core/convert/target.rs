//! Targets of EventBridge rules, and schedules of EventBridge Scheduler.

use serde_json::{Map, Value};

use super::members::{Source, reference};
use super::{Converted, around};
use crate::core::input::RequestError;
use crate::core::request::Acceptance;
use crate::core::request::foreign::Foreign;
use crate::core::time::Timestamp;

/// Members of EcsParameters, and what RunTask calls them. CloudFormation calls some of them otherwise.
const PARAMETERS: [(&str, &str); 15] = [
    ("TaskDefinitionArn", "taskDefinition"),
    ("TaskCount", "count"),
    ("LaunchType", "launchType"),
    ("NetworkConfiguration", "networkConfiguration"),
    ("PlatformVersion", "platformVersion"),
    ("Group", "group"),
    ("CapacityProviderStrategy", "capacityProviderStrategy"),
    ("EnableECSManagedTags", "enableECSManagedTags"),
    ("EnableExecuteCommand", "enableExecuteCommand"),
    ("PlacementConstraints", "placementConstraints"),
    ("PlacementStrategy", "placementStrategy"),
    ("PlacementStrategies", "placementStrategy"),
    ("PropagateTags", "propagateTags"),
    ("ReferenceId", "referenceId"),
    ("Tags", "tags"),
];
/// A target of Scheduler that calls RunTask itself.
const UNIVERSAL: &str = ":aws-sdk:ecs:runTask";

/// All targets of a rule that are ECS tasks.
pub(super) fn all(source: &Source<'_>) -> Result<Vec<Converted>, RequestError> {
    let targets = source.list("Targets")?;
    let of_ecs =
        |value: &&Value| value.as_object().is_some_and(|target| Source::new(target, "").get("EcsParameters").is_some());
    let tasks: Vec<&Value> = targets.iter().filter(of_ecs).collect();
    if tasks.is_empty() {
        return Err(RequestError::new("Targets: none of them is an ECS task (EcsParameters): there is nothing to run"));
    }
    let left = targets.len() - tasks.len();
    let mut converted = Vec::new();
    for target in tasks.into_iter().filter_map(Value::as_object) {
        converted.push(rule(&Source::new(target, "Targets[]"))?);
    }
    if let Some(first) = converted.first_mut().filter(|_| left > 0) {
        first.notes.push(format!("{left} targets are no ECS tasks, and stay with the rule"));
    }
    Ok(converted)
}

/// One target of a rule.
pub(super) fn rule(source: &Source<'_>) -> Result<Converted, RequestError> {
    let what = match source.text("Id")? {
        Some(id) => format!("target {id} of an EventBridge rule"),
        None => Foreign::Target.name().to_owned(),
    };
    let mut notes = Vec::new();
    for member in ["InputTransformer", "InputPath"] {
        if source.get(member).is_some() {
            return Err(RequestError::new(format!(
                "{}: takes its values from each event, which a file has none of: let the rule send the request to the requests \
                 queue, with this transformer around it",
                source.place(member)
            )));
        }
    }
    let run_task = run_task(source, &mut notes)?;
    delivery(source, &mut notes);
    notes.push("the rule itself stays EventBridge's: give it the requests queue as its target".to_owned());
    Ok(Converted { what, request: around(run_task), notes, ..Converted::default() })
}

/// A schedule; one that fires once is the run's `startAt`.
pub(super) fn schedule(source: &Source<'_>, at: &Acceptance) -> Result<Converted, RequestError> {
    let what = match source.text("Name")? {
        Some(name) => format!("schedule {name} of EventBridge Scheduler"),
        None => Foreign::Schedule.name().to_owned(),
    };
    let target = source.object("Target")?.ok_or_else(|| source.wrong("Target", "an object"))?;
    let mut notes = Vec::new();
    let run_task = match target.text("Arn")? {
        Some(arn) if arn.ends_with(UNIVERSAL) => input(&target)?.unwrap_or_default(),
        _ if target.get("EcsParameters").is_some() => run_task(&target, &mut notes)?,
        _ => {
            return Err(RequestError::new(
                "Target: is no ECS task (EcsParameters, or aws-sdk:ecs:runTask): there is nothing to run",
            ));
        }
    };
    delivery(&target, &mut notes);
    let mut request = around(run_task);
    let expression = source.text("ScheduleExpression")?.unwrap_or_default();
    match once(expression, source.text("ScheduleExpressionTimezone")?.unwrap_or("UTC")) {
        Some(Ok(start)) if start > at.now => request["startAt"] = start.to_string().into(),
        Some(Ok(start)) => notes.push(format!("its instant, {start}, is past: the run starts at once")),
        Some(Err(why)) => return Err(RequestError::new(format!("ScheduleExpression: {expression:?}: {why}"))),
        None => notes.push(format!(
            "{expression} stays EventBridge Scheduler's: give the schedule the requests queue as its target, with this request as Input"
        )),
    }
    Ok(Converted { what, request, notes, ..Converted::default() })
}

/// The instant of `at(…)`; none of `rate(…)` and `cron(…)`.
fn once(expression: &str, zone: &str) -> Option<Result<Timestamp, &'static str>> {
    let local = expression.strip_prefix("at(")?.strip_suffix(')')?;
    let Ok(local) = local.parse::<jiff::civil::DateTime>() else {
        return Some(Err("expected at(yyyy-mm-ddThh:mm:ss)"));
    };
    if zone != "UTC" {
        return Some(Err("its time zone is not UTC: write the instant as startAt into the request"));
    }
    let instant = local.to_zoned(jiff::tz::TimeZone::UTC).map(|zoned| zoned.timestamp().as_millisecond());
    Some(instant.map(Timestamp::from_millis).map_err(|_| "is no instant"))
}

/// The RunTask request that EventBridge makes of a target.
fn run_task(target: &Source<'_>, notes: &mut Vec<String>) -> Result<Map<String, Value>, RequestError> {
    let parameters = target.object("EcsParameters")?.ok_or_else(|| target.wrong("EcsParameters", "an object"))?;
    let mut run_task = Map::new();
    for (name, value) in parameters.members().iter().filter(|(_, value)| !value.is_null()) {
        let same =
            |(known, _): &&(&str, &str)| known.eq_ignore_ascii_case(name) || (name == "TagList" && *known == "Tags");
        let Some((_, ours)) = PARAMETERS.iter().find(same) else {
            return Err(RequestError::new(format!("EcsParameters.{name}: has no counterpart in RunTask")));
        };
        if let Some(place) = reference(value, &format!("EcsParameters.{name}")) {
            return Err(RequestError::new(format!(
                "{place}: has its value in CloudFormation only: write the value in"
            )));
        }
        let value = match (*ours, value) {
            ("networkConfiguration", Value::Object(network)) => network_configuration(network),
            // CloudFormation has numbers as texts too.
            ("count", Value::String(text)) => text.parse::<u64>().map_or_else(|_| value.clone(), Value::from),
            _ => value.clone(),
        };
        run_task.insert((*ours).to_owned(), value);
    }
    match target.text("Arn")? {
        Some(arn) => drop(run_task.insert("cluster".to_owned(), arn.into())),
        None => notes.push("no Arn: the cluster is \"default\" unless runTask.cluster says otherwise".to_owned()),
    }
    if let Some(overrides) = input(target)? {
        run_task.insert("overrides".to_owned(), Value::Object(overrides));
    }
    Ok(run_task)
}

/// `Input` is a text with JSON: of an ECS target the overrides.
fn input(target: &Source<'_>) -> Result<Option<Map<String, Value>>, RequestError> {
    let Some(text) = target.text("Input")? else { return Ok(None) };
    let parsed = serde_json::from_str(text);
    parsed.map(Some).map_err(|error| {
        RequestError::new(format!(
            "{}: expected an object in JSON: line {} column {}",
            target.place("Input"),
            error.line(),
            error.column()
        ))
    })
}

/// CloudFormation writes `AwsVpcConfiguration`, the APIs `awsvpcConfiguration`.
fn network_configuration(network: &Map<String, Value>) -> Value {
    let renamed = |name: &String| {
        if name.eq_ignore_ascii_case("awsvpcConfiguration") { "awsvpcConfiguration".to_owned() } else { name.clone() }
    };
    Value::Object(network.iter().map(|(name, value)| (renamed(name), value.clone())).collect())
}

/// What a target says of its delivery is not the run's.
fn delivery(target: &Source<'_>, notes: &mut Vec<String>) {
    for (member, why) in [
        (
            "RoleArn",
            "taskwatch calls RunTask with its own role: it needs ecs:RunTask, and iam:PassRole for the task's roles",
        ),
        ("RetryPolicy", "is for the delivery: keep it for the way to the requests queue; retry is for the task"),
        ("DeadLetterConfig", "is for the delivery: keep it for the way to the requests queue"),
    ] {
        if target.get(member).is_some() {
            notes.push(format!("{member}: {why}"));
        }
    }
}
