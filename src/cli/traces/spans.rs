//! A run's life as OpenTelemetry spans, in OTLP's JSON (the protocol's JSON mapping: ids in hex, instants as texts in nanoseconds).

use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256};

use crate::core::run::{Attempt, Run, Status};
use crate::core::time::Timestamp;

/// `SPAN_KIND_INTERNAL`.
const INTERNAL: u8 = 1;
/// `STATUS_CODE_OK` and `STATUS_CODE_ERROR`.
const OK: u8 = 1;
const ERROR: u8 = 2;

/// The spans of a run that ended: the run, its attempts, and each attempt's phases. After a redrive those of the new life only.
pub(super) fn of(run: &Run) -> Vec<Value> {
    let begin = run.redriven_at.unwrap_or(run.submitted_at);
    let end = run.finished_at.unwrap_or(begin);
    let trace = run.id.simple().to_string();
    let root = id(run, "run");
    let span = |id: &str, parent: Option<&str>, name: &str, (from, to): (Timestamp, Timestamp)| {
        let mut span = json!({"traceId": trace, "spanId": id, "name": name, "kind": INTERNAL,
            "startTimeUnixNano": nanos(from), "endTimeUnixNano": nanos(to.max(from))});
        if let Some(parent) = parent {
            span["parentSpanId"] = parent.into();
        }
        span
    };
    let mut whole = span(&root, None, "run", (begin, end));
    whole["attributes"] = attributes(json!({
        "taskwatch.run": run.id, "taskwatch.name": run.name, "taskwatch.status": run.status.as_str(),
        "taskwatch.queue": run.spec.queue, "taskwatch.attempts": run.attempts.total(), "aws.ecs.cluster": run.cluster(),
        "aws.ecs.task_definition": run.task_definition(), "error.type": run.ended_by.as_ref().map(|f| &f.error),
        "taskwatch.class": run.ended_by.as_ref().map(|f| f.class),
    }));
    whole["status"] = status(run.status == Status::Succeeded, run.ended_by.as_ref().map(|f| f.cause.as_str()));
    let mut spans = vec![whole];
    for attempt in run.attempts.iter().filter(|a| from(a).is_none_or(|at| at >= begin)) {
        let (own, from) = (id(run, &attempt.number.to_string()), from(attempt).unwrap_or(begin));
        let mut tried = span(&own, Some(&root), "attempt", (from, attempt.stopped_at.unwrap_or(end)));
        tried["attributes"] = attributes(json!({
            "taskwatch.run": run.id, "taskwatch.name": run.name, "taskwatch.attempt": attempt.number,
            "aws.ecs.task.arn": attempt.task_arn, "taskwatch.exit_code": attempt.exit_code,
            "taskwatch.placement": attempt.placement, "error.type": attempt.failure.as_ref().map(|f| &f.error),
            "taskwatch.class": attempt.failure.as_ref().map(|f| f.class),
        }));
        tried["status"] = status(attempt.failure.is_none(), attempt.failure.as_ref().map(|f| f.cause.as_str()));
        spans.push(tried);
        for (name, from, to) in phases(attempt) {
            let (Some(from), Some(to)) = (from, to) else { continue };
            let phase = id(run, &format!("{}/{name}", attempt.number));
            spans.push(span(&phase, Some(&own), name, (from, to)));
        }
    }
    spans
}

/// What an attempt goes through, from and to: by our own clock until RunTask, then by ECS's.
fn phases(attempt: &Attempt) -> [(&'static str, Option<Timestamp>, Option<Timestamp>); 5] {
    let a = attempt;
    [
        ("queue", a.queued_at, a.launched_at),
        ("provision", a.created_at, a.pull_started_at),
        ("pull", a.pull_started_at, a.pull_stopped_at),
        ("start", a.pull_stopped_at, a.started_at),
        ("work", a.started_at, a.started_at.and(a.stopped_at)),
    ]
}

fn from(attempt: &Attempt) -> Option<Timestamp> {
    attempt.queued_at.or(attempt.launched_at)
}

/// The same for the same part of the same life of a run: what is sent twice is one span.
fn id(run: &Run, part: &str) -> String {
    let digest = Sha256::digest(format!("{}/{}/{part}", run.id, run.redrives));
    digest.iter().take(8).map(|byte| format!("{byte:02x}")).collect()
}

fn nanos(at: Timestamp) -> String {
    format!("{}000000", at.millis().max(0))
}

fn status(ok: bool, message: Option<&str>) -> Value {
    match message.filter(|_| !ok) {
        Some(message) => json!({"code": ERROR, "message": message}),
        None => json!({"code": if ok { OK } else { ERROR }}),
    }
}

/// Named values as OTLP has them; what is null is left out.
fn attributes(named: Value) -> Value {
    let Value::Object(named) = named else { return Value::Null };
    let value = |value: Value| match value {
        Value::Null => None,
        // 64-bit integers are texts in the protocol's JSON.
        Value::Number(number) => Some(json!({"intValue": number.to_string()})),
        Value::String(text) => Some(json!({"stringValue": text})),
        other => Some(json!({"stringValue": other.to_string()})),
    };
    named.into_iter().filter_map(|(key, v)| Some(json!({"key": key, "value": value(v)?}))).collect()
}

/// The body of one export.
pub(super) fn export(spans: Vec<Value>, service: &str, cell: &str) -> Value {
    let resource = Map::from_iter([
        ("service.name".to_owned(), service.into()),
        ("service.version".to_owned(), env!("CARGO_PKG_VERSION").into()),
        ("taskwatch.cell".to_owned(), cell.into()),
    ]);
    json!({"resourceSpans": [{
        "resource": {"attributes": attributes(Value::Object(resource))},
        "scopeSpans": [{"scope": {"name": "taskwatch", "version": env!("CARGO_PKG_VERSION")}, "spans": spans}],
    }]})
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::time::Duration;

    use super::*;
    use crate::core::failure;
    use crate::core::request::RunSpec;
    use crate::core::run_task::RunTask;

    fn at(seconds: u64) -> Timestamp {
        Timestamp::from_millis(1_800_000_000_000).plus(Duration::from_secs(seconds))
    }

    fn run() -> Run {
        let id = uuid::Uuid::from_u128(0x0123_4567_89ab_7def_8123_4567_89ab_cdef);
        let mut run = Run::new(id, "nightly".into(), 0, Arc::new(RunSpec::new(RunTask::default())), at(0));
        let mut first = Attempt::new(1, 0);
        (first.queued_at, first.launched_at, first.stopped_at) = (Some(at(0)), Some(at(1)), Some(at(9)));
        first.failure = Some(failure::start_timeout(8).into());
        let mut second = Attempt::new(2, 0);
        (second.queued_at, second.launched_at, second.created_at) = (Some(at(20)), Some(at(21)), Some(at(21)));
        (second.pull_started_at, second.pull_stopped_at, second.started_at) =
            (Some(at(30)), Some(at(40)), Some(at(45)));
        (second.stopped_at, second.exit_code, second.task_arn) = (Some(at(60)), Some(0), Some("arn:2".into()));
        (run.attempts, run.status, run.finished_at) = (vec![first, second].into(), Status::Succeeded, Some(at(61)));
        run
    }

    fn value<'s>(span: &'s Value, key: &str) -> &'s Value {
        let all = span["attributes"].as_array().unwrap();
        all.iter().find(|pair| pair["key"] == key).map_or(&Value::Null, |pair| &pair["value"])
    }

    #[test]
    fn a_runs_life_is_a_trace_by_its_id() {
        let spans = of(&run());
        let names: Vec<&str> = spans.iter().map(|span| span["name"].as_str().unwrap()).collect();
        assert_eq!(names, ["run", "attempt", "queue", "attempt", "queue", "provision", "pull", "start", "work"]);
        assert!(spans.iter().all(|span| span["traceId"] == "0123456789ab7def8123456789abcdef"));
        let ids: std::collections::BTreeSet<&str> = spans.iter().map(|span| span["spanId"].as_str().unwrap()).collect();
        assert!(ids.len() == spans.len() && ids.iter().all(|id| id.len() == 16));
        assert_eq!(spans[1]["parentSpanId"], spans[0]["spanId"]);
        assert_eq!(spans[8]["parentSpanId"], spans[3]["spanId"]);
        assert_eq!((&spans[0]["status"]["code"], &spans[1]["status"]["code"]), (&json!(OK), &json!(ERROR)));
        assert_eq!(value(&spans[1], "error.type")["stringValue"], "Taskwatch.StartTimeout");
        assert_eq!(value(&spans[3], "aws.ecs.task.arn")["stringValue"], "arn:2");
        assert_eq!(value(&spans[3], "taskwatch.attempt")["intValue"], "2");
        assert_eq!(spans[8]["startTimeUnixNano"], "1800000045000000000");
        assert_eq!(spans[8]["endTimeUnixNano"], "1800000060000000000");
        assert_eq!(of(&run()), spans, "sent twice it is the same");
    }

    #[test]
    fn after_a_redrive_only_the_new_end_is_notified() {
        let mut again = run();
        (again.redrives, again.redriven_at) = (1, Some(at(15)));
        let spans = of(&again);
        assert_eq!(spans.iter().filter(|span| span["name"] == "attempt").count(), 1);
        assert_ne!(spans[0]["spanId"], of(&run())[0]["spanId"]);
        assert_eq!(spans[0]["startTimeUnixNano"], "1800000015000000000");
    }
}
