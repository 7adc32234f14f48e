//! A run as a person reads it: how it stands, why, and each attempt with its phases and what to do.

use std::time::Duration;

use serde_json::Value;

use super::super::console;
use super::super::duration::seconds;
use super::super::failure::Failure;
use super::super::filter::took;
use super::super::output::cell;
use crate::core::name::in_arn;
use crate::core::time::Timestamp;

/// All of it, in lines.
pub(super) fn described(run: &Value, now: Timestamp) -> String {
    let mut lines = vec![format!("{}  {}{}", cell(&run["name"]), cell(&run["status"]), outcome(run))];
    let mut fact = |name: &str, text: String| lines.push(format!("  {name:<16}{text}"));
    if run["waitingFor"]["text"].is_string() {
        fact("waits for", cell(&run["waitingFor"]["text"]));
    }
    let task = &run["runTask"];
    let cluster = task["cluster"].as_str().map_or("default", in_arn);
    fact("task definition", format!("{}, cluster {cluster}", in_arn(&cell(&task["taskDefinition"]))));
    let priority = run["priority"].as_i64().filter(|priority| *priority != 0);
    let priority = priority.map(|priority| format!(", priority {priority}")).unwrap_or_default();
    fact("queue", format!("{}{priority}, until {}", cell(&run["queue"]), cell(&run["until"])));
    let next = if run["attempts"].as_array().is_some_and(Vec::is_empty) { "starts" } else { "next attempt" };
    for (name, member) in [("submitted", "submittedAt"), ("begun again", "redrivenAt"), (next, "retryAt")] {
        if let Some(at) = at(run, member) {
            fact(name, format!("{} ({})", cell(&run[member]), ago(at, now)));
        }
    }
    let took = took(run, now).map(|took| seconds(took.as_secs_f64())).unwrap_or_default();
    match at(run, "finishedAt") {
        Some(at) => fact("finished", format!("{} ({}), took {took}", cell(&run["finishedAt"]), ago(at, now))),
        None => fact("takes", format!("{took} so far")),
    }
    if run["stopReason"].is_string() {
        fact("stop requested", cell(&run["stopReason"]));
    }
    fact("run", cell(&run["run"]));
    attempts(run, now, &mut lines);
    lines.join("\n")
}

/// What decided: an exit code first, then the failure.
fn outcome(run: &Value) -> String {
    Some(failed(run)).filter(|words| !words.is_empty()).map(|words| format!("  {words}")).unwrap_or_default()
}

/// `exit 137 (etl), OutOfMemoryError`.
fn failed(of: &Value) -> String {
    Failure::of(of["error"].as_str(), of["cause"].as_str(), of["exitCode"].as_i64()).brief()
}

fn attempts(run: &Value, now: Timestamp, lines: &mut Vec<String>) {
    let all = run["attempts"].as_array().map_or(&[][..], Vec::as_slice);
    let mut last = 0;
    for attempt in all {
        let number = attempt["number"].as_u64().unwrap_or_default();
        if number > last + 1 {
            lines.push(format!("  {} attempts are left out", number - last - 1));
        }
        last = number;
        describe(run, attempt, now, lines);
    }
}

fn describe(run: &Value, attempt: &Value, now: Timestamp, lines: &mut Vec<String>) {
    let words = [state(run, attempt), failed(attempt)];
    let words: Vec<&str> = words.iter().map(String::as_str).filter(|word| !word.is_empty()).collect();
    lines.push(format!("  attempt {}  {}", cell(&attempt["number"]), words.join("  ")));
    let mut fact = |name: &str, text: String| lines.push(format!("    {name:<14}{text}"));
    let phases = phases(attempt, now);
    if !phases.is_empty() {
        fact("took", phases.join(", "));
    }
    if attempt["cause"].is_string() {
        let class =
            if attempt["class"].is_string() { format!(" ({})", cell(&attempt["class"])) } else { String::new() };
        fact("cause", format!("{}{class}", cell(&attempt["cause"])));
    }
    if attempt["hint"].is_string() {
        fact("do", cell(&attempt["hint"]));
    }
    if let Some(arn) = attempt["taskArn"].as_str() {
        fact("task", cell(&attempt["taskArn"]));
        console::task(arn).into_iter().for_each(|url| fact("console", url));
    }
    let log = &attempt["log"];
    // Where nothing ran there is nothing to read.
    let has_run = attempt["startedAt"].is_string() || attempt["exitCode"].is_i64();
    match (log["stream"].is_string(), log["why"].is_string()) {
        (true, _) if has_run => {
            fact("log", format!("{} {} ({})", cell(&log["group"]), cell(&log["stream"]), cell(&log["driver"])));
        }
        (false, true) if has_run => fact("log", cell(&log["why"])),
        _ => {}
    }
}

/// Where an attempt is, in ECS's words where it has a task.
fn state(run: &Value, attempt: &Value) -> String {
    let task = || {
        attempt["lastStatus"]
            .as_str()
            .map_or("task launched".to_owned(), |_| format!("task {}", cell(&attempt["lastStatus"])))
    };
    match attempt["stage"].as_str().unwrap_or_default() {
        "Waiting" => "not launched yet".to_owned(),
        "Launching" => "RunTask was called, no answer yet".to_owned(),
        "Stopping" => format!("is being stopped, {}", task()),
        "Over" if attempt["error"].is_null() => "succeeded".to_owned(),
        "Over" if attempt["taskArn"].is_null() => "failed to launch".to_owned(),
        "Over" => "failed".to_owned(),
        _ if run["status"] == "SUCCEEDED" => format!("succeeded, {}", task()),
        _ => task(),
    }
}

/// How long each phase took, as far as ECS gave its times.
fn phases(attempt: &Value, now: Timestamp) -> Vec<String> {
    let over = attempt["stage"] == "Over";
    let end = at(attempt, "stoppedAt").or((!over).then_some(now));
    let [queued, launched, created] = ["queuedAt", "launchedAt", "createdAt"].map(|name| at(attempt, name));
    let [pulls, pulled, started] = ["pullStartedAt", "pullStoppedAt", "startedAt"].map(|name| at(attempt, name));
    let spans = [
        ("queue", queued, launched),
        ("provisioning", created.or(launched), pulls.or(started)),
        ("pull", pulls, pulled),
        ("start", pulled, started),
        ("ran", started, end),
    ];
    let long = |took: Duration| seconds(took.as_secs_f64());
    spans.into_iter().filter_map(|(name, from, to)| Some(format!("{name} {}", long(to?.since(from?))))).collect()
}

fn at(of: &Value, member: &str) -> Option<Timestamp> {
    of[member].as_str().and_then(Timestamp::parse)
}

/// How long ago, or in how long.
fn ago(at: Timestamp, now: Timestamp) -> String {
    if at > now {
        format!("in {}", seconds(at.since(now).as_secs_f64()))
    } else {
        format!("{} ago", seconds(now.since(at).as_secs_f64()))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn now() -> Timestamp {
        Timestamp::parse("2026-11-22T02:10:00Z").expect("an instant")
    }

    #[test]
    fn the_exit_code_comes_first_and_each_attempt_has_its_phases() {
        let run = json!({
            "run": "019a", "name": "nightly", "status": "FAILED", "final": true, "error": "EssentialContainerExited",
            "exitCode": 3, "queue": "team-a", "priority": 0, "until": "stopped", "redrivenAt": null, "retryAt": null,
            "submittedAt": "2026-11-22T02:00:00Z", "finishedAt": "2026-11-22T02:01:00Z", "stopReason": null,
            "runTask": {"taskDefinition": "arn:aws:ecs:eu-west-1:1:task-definition/etl:7", "cluster": "batch"},
            "attempts": [{
                "number": 1, "stage": "Over", "exitCode": 3, "error": "EssentialContainerExited",
                "class": "Taskwatch.Application", "cause": "it ended", "hint": "see its log", "lastStatus": "STOPPED",
                "taskArn": "arn:aws:ecs:eu-west-1:123456789012:task/batch/0a1b",
                "queuedAt": "2026-11-22T02:00:00Z", "launchedAt": "2026-11-22T02:00:02Z", "createdAt": "2026-11-22T02:00:02Z",
                "pullStartedAt": "2026-11-22T02:00:12Z", "pullStoppedAt": "2026-11-22T02:00:15Z",
                "startedAt": "2026-11-22T02:00:16Z", "stoppedAt": "2026-11-22T02:00:59Z",
            }],
        });
        let expected = "\
nightly  FAILED  exit 3
  task definition etl:7, cluster batch
  queue           team-a, until stopped
  submitted       2026-11-22T02:00:00Z (10m00s ago)
  finished        2026-11-22T02:01:00Z (9m00s ago), took 1m00s
  run             019a
  attempt 1  failed  exit 3
    took          queue 2.0s, provisioning 10s, pull 3.0s, start 1.0s, ran 43s
    cause         it ended (Taskwatch.Application)
    do            see its log
    task          arn:aws:ecs:eu-west-1:123456789012:task/batch/0a1b
    console       https://eu-west-1.console.aws.amazon.com/ecs/v2/clusters/batch/tasks/0a1b?region=eu-west-1";
        assert_eq!(described(&run, now()), expected);
    }

    #[test]
    fn a_run_that_waits_says_for_what() {
        let run = json!({
            "run": "019a", "name": "n", "status": "QUEUED", "final": false, "queue": "a", "priority": 5, "until": "running",
            "submittedAt": "2026-11-22T02:09:00Z", "runTask": {"taskDefinition": "etl:7"},
            "waitingFor": {"reason": "QUEUE_PAUSED", "text": "queue a is paused by ops@host"},
            "attempts": [{"number": 1, "stage": "Waiting", "queuedAt": "2026-11-22T02:09:00Z"}],
        });
        let expected = "\
n  QUEUED
  waits for       queue a is paused by ops@host
  task definition etl:7, cluster default
  queue           a, priority 5, until running
  submitted       2026-11-22T02:09:00Z (1m00s ago)
  takes           1m00s so far
  run             019a
  attempt 1  not launched yet";
        assert_eq!(described(&run, now()), expected);
    }
}
