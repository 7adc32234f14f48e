//! How long an event takes: to parse, to judge, and to decide what it means for its run.

use std::hint::black_box;
use std::sync::Arc;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use taskwatch::core::ids::Token;
use taskwatch::core::machine::{Input, Observation, apply};
use taskwatch::core::observe::ObservedFailure;
use taskwatch::core::request::RunRequest;
use taskwatch::core::run::Run;
use taskwatch::core::task::{Notice, Task, parse_notice};
use taskwatch::core::time::Timestamp;
use taskwatch::core::verdict::Deciders;

/// As the binary.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Recorded events, by what they are of.
const EVENTS: [(&str, &str); 3] = [
    ("5.8 kB, five containers, failed", include_str!("../tests/fixtures/events/05-fargate-testsuite-fail-v6.json")),
    (
        "3.0 kB, two containers, runs",
        include_str!("../tests/fixtures/events/30-docs-ec2-asg-provider-running-v4-2025.json"),
    ),
    (
        "2.4 kB, one container, ended",
        include_str!("../tests/fixtures/events/25-fargate-runtask-deprovisioning-v4-2019.json"),
    ),
];
const NOW: Timestamp = Timestamp::from_millis(1_800_000_000_000);

fn task(body: &str) -> Option<Task<'_>> {
    match parse_notice(body) {
        Ok(Notice::Task(event)) => Some(event.task),
        _ => None,
    }
}

fn observation(task: &Task<'_>, token: Token) -> Observation {
    Observation {
        task_arn: task.task_arn.as_ref().into(),
        token: Some(token),
        version: task.version,
        last_status: task.last_status.as_ref().into(),
        verdict: task.verdict(Deciders::Unknown),
        healthy: false,
        exit_code: task.exit_code(Deciders::Unknown),
        created_at: task.created_at,
        pull_started_at: task.pull_started_at,
        pull_stopped_at: task.pull_stopped_at,
        started_at: task.started_at,
        stopped_at: task.stopped_at,
        log: None,
    }
}

/// A run whose RunTask call is out.
fn launching(token: Token) -> Option<Run> {
    let request = RunRequest::parse(r#"{"runTask": {"taskDefinition": "etl:7"}, "until": "stopped"}"#).ok()?;
    let mut run = Run::new(uuid::Uuid::nil(), "bench".into(), 0, Arc::new(request.spec), NOW);
    apply(&mut run, &Input::Submitted, NOW);
    apply(&mut run, &Input::Launching { token, group_size: 1 }, NOW);
    Some(run)
}

fn events(criterion: &mut Criterion) {
    for (name, event) in EVENTS {
        one(criterion, name, event);
    }
}

fn one(criterion: &mut Criterion, name: &str, event: &str) {
    // As SQS has it: without the white space of the recorded file.
    let compact = serde_json::from_str::<serde_json::Value>(event).map(|v| v.to_string()).unwrap_or_default();
    // As the cell reads it from `startedBy`.
    let token = Token::of(["token"]);
    let (Some(run), Some(parsed)) = (launching(token), task(&compact)) else { return };
    let mut group = criterion.benchmark_group(name);
    group.throughput(Throughput::Elements(1));
    group.bench_function("read over as JSON", |b| {
        b.iter(|| black_box(serde_json::from_str::<serde::de::IgnoredAny>(black_box(&compact)).is_ok()));
    });
    group.bench_function("parse", |b| b.iter(|| black_box(task(black_box(&compact)))));
    // What a cell does with the event of a task of others that ended well, but for its delete.
    let foreign = |body: &str| task(body).map(|task| ObservedFailure::of_task(&task, Deciders::Unknown, NOW).is_some());
    let well = compact.replace("\"exitCode\":1", "\"exitCode\":0");
    group.bench_function("parse and judge one of others", |b| b.iter(|| black_box(foreign(black_box(&well)))));
    group.bench_function("judge", |b| b.iter(|| black_box(observation(black_box(&parsed), token))));
    group.bench_function("parse, judge and decide", |b| {
        b.iter(|| {
            let mut run = run.clone();
            let seen = task(black_box(&compact)).map(|task| observation(&task, token));
            seen.map(|seen| apply(&mut run, &Input::Observed(seen), NOW))
        });
    });
    group.finish();
}

criterion_group!(benches, events);
criterion_main!(benches);
