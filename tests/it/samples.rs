//! `docs/notifications.md` shows what is really sent: its JSON blocks are made here, in order.

use std::collections::VecDeque;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use serde_json::{Map, Value, json};
use taskwatch::core::breaker::{BreakerChange, CloseReason, OpenBreaker};
use taskwatch::core::failure;
use taskwatch::core::log::{LogConfig, LogPlace};
use taskwatch::core::machine::{self, Input, Observation};
use taskwatch::core::notification::{self, Destinations, Notification, ObservedAction, ObservedOutcome, Origin};
use taskwatch::core::observe::ObservedFailure;
use taskwatch::core::request::{MessageFormat, RunRequest};
use taskwatch::core::run::{Run, Status};
use taskwatch::core::task::parse_task;
use taskwatch::core::time::Timestamp;
use taskwatch::core::verdict::{Deciders, Verdict};
use uuid::Uuid;

const TASK: &str = "arn:aws:ecs:eu-west-1:123456789012:task/batch/0123456789abcdef0123456789abcdef";
const NOW: Timestamp = Timestamp::from_millis(1_800_000_000_000);

fn after(seconds: u64) -> Timestamp {
    NOW.plus(Duration::from_secs(seconds))
}

/// A run of this name, after these inputs.
fn run(id: u128, name: &str, more: &[(&str, Value)], inputs: &[(u64, Input)]) -> Run {
    let mut request =
        json!({"retry": [], "runTask": {"cluster": "batch", "taskDefinition": "etl:7", "launchType": "FARGATE"}});
    more.iter().for_each(|(member, value)| request[*member] = value.clone());
    let request = RunRequest::parse(&request.to_string()).expect("a request");
    let mut run = Run::new(Uuid::from_u128(id), name.into(), 0, Arc::new(request.spec), NOW);
    machine::apply(&mut run, &Input::Submitted, NOW);
    for (seconds, input) in inputs {
        machine::apply(&mut run, input, after(*seconds));
    }
    assert!(run.status.is_final(), "{run:?}");
    run
}

fn launching() -> (u64, Input) {
    (1, Input::Launching { token: taskwatch::core::ids::Token::of(["t"]), group_size: 1 })
}

/// Where the lines of the task are.
fn log() -> LogPlace {
    let option = |name: &str| match name {
        "awslogs-group" => Some("/ecs/etl"),
        "awslogs-stream-prefix" => Some("ecs"),
        _ => None,
    };
    LogPlace::of("app", Some(&LogConfig::new("awslogs", option)), TASK, None)
}

fn succeeded() -> Run {
    let ended = Observation {
        task_arn: TASK.into(),
        token: None,
        version: 6,
        last_status: "DEPROVISIONING".into(),
        verdict: Verdict::Succeeded,
        healthy: false,
        exit_code: Some(0),
        created_at: Some(after(1)),
        pull_started_at: Some(after(5)),
        pull_stopped_at: Some(after(15)),
        started_at: Some(after(25)),
        stopped_at: None,
        log: Some(log().into()),
    };
    let placed = Input::Placed { task_arn: TASK.into(), created_at: Some(after(1)) };
    run(1, "nightly/0", &[], &[launching(), (2, placed), (325, Input::Observed(ended))])
}

fn failed(more: &[(&str, Value)]) -> Run {
    let failure = failure::from_exception("InvalidParameterException", "TaskDefinition is inactive");
    run(2, "nightly/1", more, &[launching(), (2, Input::Refused(failure))])
}

fn aborted() -> Run {
    run(3, "nightly/2", &[], &[(60, Input::StopAsked { reason: "maintenance".into() })])
}

fn timed_out() -> Run {
    run(4, "nightly/3", &[("timeoutSeconds", json!(600))], &[(600, Input::Due)])
}

fn origin() -> Origin {
    Origin { cell: "blue".into(), account: "123456789012".into(), region: "eu-west-1".into() }
}

fn destinations() -> Destinations {
    Destinations {
        topic: Some("arn:aws:sns:eu-west-1:123456789012:jobs".into()),
        bus: Some("jobs".into()),
        ..Destinations::default()
    }
}

/// The topic's and the bus's notification of a run's end.
fn told(run: &Run) -> [Notification; 2] {
    notification::build(run, &origin(), &destinations()).try_into().expect("two destinations")
}

fn parsed(text: &str) -> Value {
    serde_json::from_str(text).expect("JSON")
}

/// As a subscriber sees it: subject, attributes, and the message unfolded.
fn of_topic(notification: &Notification) -> Value {
    let attributes: Map<String, Value> =
        notification.attributes.iter().map(|(name, value)| (name.clone(), json!(value))).collect();
    json!({"Subject": notification.subject, "MessageAttributes": attributes, "Message": parsed(&notification.message)})
}

fn detail(run: &Run) -> Value {
    parsed(&told(run)[0].message)["detail"].clone()
}

fn of_bus(notification: &Notification) -> Value {
    json!({"source": "taskwatch", "detail-type": notification.detail_type, "time": notification.at,
        "resources": notification.resources, "detail": parsed(&notification.message)})
}

fn breaker() -> OpenBreaker {
    let failure = failure::from_exception("InvalidParameterException", "TaskDefinition is inactive");
    OpenBreaker {
        task_definition: "etl:7".into(),
        error: failure.error,
        class: failure.class,
        cause: failure.cause,
        hint: failure.hint,
        failures: 20,
        examples: (15..20).map(|n| format!("nightly/{n}")).collect::<VecDeque<_>>(),
        since: NOW,
        paused_at: after(8),
        failed_probes: 0,
        next_probe_at: Some(after(68)),
    }
}

/// A rule's task that never ran and is launched once more, as a chat is told.
fn observed_in_chat() -> Notification {
    let task = json!({"taskArn": TASK, "clusterArn": "arn:aws:ecs:eu-west-1:123456789012:cluster/batch",
        "taskDefinitionArn": "arn:aws:ecs:eu-west-1:123456789012:task-definition/etl:7", "startedBy": "events-rule/nightly",
        "lastStatus": "STOPPED", "stopCode": "TaskFailedToStart",
        "stoppedReason": "Timeout waiting for network interface provisioning to complete."});
    let failed = ObservedFailure::of_task(&parse_task(&task), Deciders::Unknown, NOW).expect("a failure");
    let outcome = ObservedOutcome {
        action: ObservedAction::Retry,
        policy: Some("cron jobs".into()),
        run: Some(format!("observe:cron-jobs:{}", failed.id)),
        why: "it never ran, and its launcher does not try again".into(),
    };
    let destinations = Destinations { format: MessageFormat::Chat, ..destinations() };
    notification::observed(&failed, &outcome, (&origin(), &destinations), (0, &[])).remove(0)
}

fn digest(change: &BreakerChange, at: Timestamp) -> Notification {
    notification::digest(change, at, &origin(), &destinations()).remove(0)
}

/// The samples, in the order of the page.
fn samples() -> Vec<Value> {
    let [failure, on_the_bus] = told(&failed(&[]));
    let own_words = failed(&[("notify", json!({"messages": {"FAILED": "the nightly export failed"}}))]);
    let [own_words, _] = told(&own_words);
    let ended = OpenBreaker { failures: 27, failed_probes: 1, next_probe_at: None, ..breaker() };
    vec![
        of_topic(&failure),
        detail(&succeeded()),
        detail(&timed_out()),
        detail(&aborted()),
        json!({"Subject": own_words.subject, "Message": own_words.message}),
        json!({"MessageGroupId": failure.run, "MessageDeduplicationId": failure.id}),
        of_bus(&on_the_bus),
        of_topic(&digest(&BreakerChange::Opened(breaker()), after(8))),
        of_topic(&digest(&BreakerChange::Closed(ended, CloseReason::Started), after(195))),
        parsed(&observed_in_chat().message),
    ]
}

#[test]
fn the_documented_notifications_are_those_that_are_sent() {
    assert_eq!(timed_out().status, Status::TimedOut);
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/notifications.md");
    let page = std::fs::read_to_string(&path).expect("docs/notifications.md");
    let samples = samples();
    let mut parts = page.split("```json\n");
    let mut made = parts.next().unwrap_or_default().to_owned();
    let mut blocks = 0;
    for (sample, part) in samples.iter().zip(parts) {
        let rest = part.split_once("\n```").map_or("", |(_, rest)| rest);
        made += &format!("```json\n{}\n```{rest}", serde_json::to_string_pretty(sample).expect("JSON"));
        blocks += 1;
    }
    assert_eq!((blocks, page.matches("```json\n").count()), (samples.len(), samples.len()));
    if std::env::var_os("UPDATE_DOCS").is_some() {
        std::fs::write(&path, &made).expect("docs/notifications.md");
    }
    let kept = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(kept == made, "docs/notifications.md is out of date: UPDATE_DOCS=1 cargo test samples::");
}
