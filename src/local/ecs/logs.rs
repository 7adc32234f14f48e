//! CloudWatch Logs of the tasks: what their containers write, as the script or the task's life has it, in the streams of the
//! `awslogs` driver; and the events of ECS in the log group of ECS's event capture.
//!
//! Sources: CloudWatch Logs API reference, GetLogEvents, FilterLogEvents and DescribeLogStreams; ECS developer guide, "Send
//! Amazon ECS logs to CloudWatch".

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::Scope;
use super::body::Body;
use super::errors::{error, invalid_ours};
use super::filter::Filter;
use super::state::State;
use super::task::Task;
use crate::local::wire::{ApiError, ApiResult};

/// What is served.
pub(super) const OPERATIONS: [&str; 3] = ["GetLogEvents", "FilterLogEvents", "DescribeLogStreams"];
/// Events of one answer (API reference).
const MOST: i64 = 10_000;
const MOST_STREAMS: i64 = 50;
/// Pages that are empty where the script has it so, before the lines come.
const EMPTY_PAGES: u32 = 2;
/// Events of tasks that are kept for FilterLogEvents.
pub(super) const CAPTURED: usize = 10_000;

/// An event of ECS, as event capture keeps it.
#[derive(Debug)]
pub(super) struct Captured {
    pub(super) at: i64,
    pub(super) scope: Scope,
    pub(super) cluster: String,
    pub(super) event: Value,
}

/// A line with its instant.
type Line = (i64, String);

/// The lines of a group, by stream.
type Streams = BTreeMap<String, Vec<Line>>;

impl State {
    pub(super) fn logs(&mut self, scope: &Scope, operation: &str, body: Body<'_>, now: i64) -> ApiResult {
        let group = body.text("logGroupName")?.or(body.text("logGroupIdentifier")?);
        let group = group.ok_or_else(|| invalid_ours("logGroupName is required"))?;
        // An identifier may be the group's ARN.
        let group = group.split_once(":log-group:").map_or(group, |(_, name)| name.trim_end_matches(":*"));
        let captured = group.strip_prefix("/aws/events/ecs/containerinsights/");
        let streams = match captured.and_then(|rest| rest.strip_suffix("/performance")) {
            Some(cluster) => self.captured_of(scope, cluster),
            None => self.streams(scope, group, now),
        };
        let (streams, empty) = streams.ok_or_else(|| missing("The specified log group does not exist."))?;
        match operation {
            "GetLogEvents" => get(&streams, empty, body),
            "FilterLogEvents" => filter(&streams, body),
            _ => describe(scope, group, &streams, body),
        }
    }

    /// The streams of a group that a task definition names, and whether their first pages are empty.
    fn streams(&self, scope: &Scope, group: &str, now: i64) -> Option<(Streams, bool)> {
        let (mut streams, mut known, mut empty) =
            (Streams::new(), self.account(scope)?.definitions.log_to(group), false);
        for task in self.tasks.values().filter(|task| task.launch.scope == *scope) {
            for index in 0..task.containers.len() {
                let Some((stream, of_group)) = task.stream(index) else { continue };
                if of_group != group {
                    continue;
                }
                known = true;
                let lines = task.lines(index, now, self.options.time_scale);
                if !lines.is_empty() {
                    empty |= task.log.empty_pages;
                    streams.insert(stream, lines);
                }
            }
        }
        known.then_some((streams, empty))
    }

    fn captured_of(&self, scope: &Scope, cluster: &str) -> Option<(Streams, bool)> {
        let of_cluster = |one: &&Captured| one.scope == *scope && one.cluster == cluster;
        let lines: Vec<Line> =
            self.captured.iter().filter(of_cluster).map(|one| (one.at, one.event.to_string())).collect();
        (!lines.is_empty()).then(|| (BTreeMap::from([("events".to_owned(), lines)]), false))
    }
}

impl Task {
    /// The stream of a container, and its group; none of a driver that writes elsewhere.
    fn stream(&self, index: usize) -> Option<(String, String)> {
        let name = &self.definition_of(index).name;
        let log = self.launch.definition.log_of(name)?;
        let option = |name: &str| log["options"][name].as_str().map(str::to_owned);
        let group = option("awslogs-group").filter(|_| log["logDriver"] == "awslogs")?;
        let stream = match option("awslogs-stream-prefix") {
            Some(prefix) => format!("{prefix}/{name}/{}", self.id),
            None => self.runtime_id(&self.containers[index]),
        };
        Some((stream, group))
    }

    /// What a container has written by now, evenly over its life.
    fn lines(&self, index: usize, now: i64, scale: f64) -> Vec<Line> {
        let Some(started) = self.started else { return Vec::new() };
        let container = &self.containers[index];
        let definition = self.definition_of(index);
        let over = self.execution_stopped.or_else(|| self.ending.as_ref().and_then(|ending| ending.at));
        let late = self.log.late.map_or(0, |late| super::scaled(late, scale));
        if late > 0 && now < over.map_or(i64::MAX, |over| over + late) {
            return Vec::new();
        }
        let code = container.exit_code.or_else(|| self.ending.as_ref()?.exits.get(index)?.0);
        let told = self.log.lines.as_ref().filter(|_| definition.essential);
        let Some(lines) = told else {
            let end = over.zip(code).map(|(over, code)| (over, format!("{} exits with {code}", definition.name)));
            return [(started, format!("{} starts", definition.name))].into_iter().chain(end).collect();
        };
        let end = container.ends_at.or(over);
        let gaps = i64::try_from(lines.len()).unwrap_or(i64::MAX).saturating_sub(1).max(1);
        let step = end.map_or_else(|| super::scaled(1.0, scale), |end| (end - started).max(0) / gaps);
        let until = over.map_or(now, |over| over.min(now));
        let at = |n: i64| if end.is_some() && n == gaps { end.unwrap_or(started) } else { started + step * n };
        let timed = lines.iter().zip(0..).map(|(line, n)| (at(n), line.clone()));
        timed.filter(|(at, _)| *at <= until).collect()
    }
}

fn missing(message: &str) -> ApiError {
    error(400, "ResourceNotFoundException", message)
}

fn limit(body: Body<'_>, most: i64) -> Result<usize, ApiError> {
    let limit = body.integer("limit")?.unwrap_or(most);
    if !(1..=most).contains(&limit) {
        return Err(invalid_ours(format!("limit must be between 1 and {most}.")));
    }
    Ok(usize::try_from(limit).unwrap_or(1))
}

/// Where a page begins, in which direction, and how many empty pages came before.
struct Place {
    forward: bool,
    at: usize,
    empty: u32,
}

impl Place {
    /// AWS's tokens are opaque; like these they begin with the direction.
    fn token(&self) -> String {
        format!("{}/{:056}/{}", if self.forward { "f" } else { "b" }, self.at, self.empty)
    }

    fn of(token: &str) -> Option<Self> {
        let parts: Vec<&str> = token.split('/').collect();
        let [direction @ ("f" | "b"), at, empty] = parts[..] else { return None };
        Some(Self { forward: direction == "f", at: at.parse().ok()?, empty: empty.parse().ok()? })
    }
}

fn get(streams: &Streams, empty: bool, body: Body<'_>) -> ApiResult {
    let stream = body.text("logStreamName")?.ok_or_else(|| invalid_ours("logStreamName is required"))?;
    let all = streams.get(stream).ok_or_else(|| missing("The specified log stream does not exist."))?;
    let (from, to) = (body.integer("startTime")?.unwrap_or(0), body.integer("endTime")?.unwrap_or(i64::MAX));
    let lines: Vec<&Line> = all.iter().filter(|(at, _)| (from..to).contains(at)).collect();
    let most = limit(body, MOST)?;
    let place = match body.text("nextToken")? {
        Some(token) => Place::of(token).ok_or_else(|| invalid_ours("The specified nextToken is invalid."))?,
        None if body.flag("startFromHead")? => Place { forward: true, at: 0, empty: 0 },
        None => Place { forward: false, at: lines.len(), empty: 0 },
    };
    let at = place.at.min(lines.len());
    let none_yet = empty && place.empty < EMPTY_PAGES;
    let (begin, end) = match place.forward {
        _ if none_yet => (at, at),
        true => (at, (at + most).min(lines.len())),
        false => (at.saturating_sub(most), at),
    };
    let seen = if none_yet { place.empty + 1 } else { place.empty };
    let event = |(at, text): &&Line| json!({"timestamp": at, "message": text, "ingestionTime": at});
    Ok(json!({
        "events": lines[begin..end].iter().map(event).collect::<Vec<_>>(),
        "nextForwardToken": Place { forward: true, at: end, empty: seen }.token(),
        "nextBackwardToken": Place { forward: false, at: begin, empty: seen }.token(),
    }))
}

fn filter(streams: &Streams, body: Body<'_>) -> ApiResult {
    let (from, to) = (body.integer("startTime")?.unwrap_or(0), body.integer("endTime")?.unwrap_or(i64::MAX));
    let pattern = Filter::of(body.text("filterPattern")?.unwrap_or_default())
        .ok_or_else(|| error(400, "InvalidParameterException", "Invalid filter pattern"))?;
    let (named, prefix) = (body.texts("logStreamNames")?, body.text("logStreamNamePrefix")?.unwrap_or_default());
    let is_wanted = |name: &str| (named.is_empty() || named.contains(&name)) && name.starts_with(prefix);
    let mut found: Vec<(i64, &str, &str)> = streams
        .iter()
        .filter(|(name, _)| is_wanted(name))
        .flat_map(|(name, lines)| lines.iter().map(move |(at, text)| (*at, name.as_str(), text.as_str())))
        .filter(|(at, _, text)| (from..to).contains(at) && pattern.fits(text))
        .collect();
    found.sort_by_key(|(at, ..)| *at);
    let most = limit(body, MOST)?;
    let begin = body.text("nextToken")?.map_or(Ok(0), |token| {
        token.parse::<usize>().map_err(|_| invalid_ours("The specified nextToken is invalid."))
    })?;
    let page = found.iter().enumerate().skip(begin).take(most);
    let event = |(n, (at, stream, text)): (usize, &(i64, &str, &str))| json!({"logStreamName": stream, "timestamp": at, "message": text, "ingestionTime": at, "eventId": format!("{n:056}")});
    let events: Vec<Value> = page.map(event).collect();
    let next = Some(begin + events.len()).filter(|end| *end < found.len()).map(|end| end.to_string());
    Ok(super::with_token(json!({"events": events, "searchedLogStreams": []}), next))
}

fn describe(scope: &Scope, group: &str, streams: &Streams, body: Body<'_>) -> ApiResult {
    let prefix = body.text("logStreamNamePrefix")?.unwrap_or_default();
    let after = body.text("nextToken")?.unwrap_or_default();
    let most = limit(body, MOST_STREAMS)?;
    let mut rest = streams.iter().filter(|(name, _)| name.starts_with(prefix) && name.as_str() > after).peekable();
    let view = |(name, lines): (&String, &Vec<Line>)| {
        let (first, last) = (lines.first().map(|(at, _)| *at), lines.last().map(|(at, _)| *at));
        let arn = format!("arn:aws:logs:{}:{}:log-group:{group}:log-stream:{name}", scope.region, scope.account);
        json!({"logStreamName": name, "creationTime": first, "firstEventTimestamp": first, "lastEventTimestamp": last,
            "lastIngestionTime": last, "uploadSequenceToken": "0", "arn": arn, "storedBytes": 0})
    };
    let page: Vec<Value> = rest.by_ref().take(most).map(view).collect();
    let last = page.last().and_then(|stream| stream["logStreamName"].as_str()).map(str::to_owned);
    let next = last.filter(|_| rest.peek().is_some());
    Ok(super::with_token(json!({"logStreams": page}), next))
}
