use std::time::Duration;

use serde_json::{Value, json};

use super::*;
use crate::core::breaker::BreakerRules;
use crate::core::failure::Class;
use crate::core::launcher::LauncherKind;
use crate::core::task::parse_task;

const NOW: Timestamp = Timestamp::from_millis(1_800_000_000_000);
const ARN: &str = "arn:aws:ecs:eu-west-1:123456789012:task/batch/0123456789abcdef0123456789abcdef";

fn task(more: &Value) -> Task<'static> {
    let mut task = json!({"taskArn": ARN, "clusterArn": "arn:aws:ecs:eu-west-1:123456789012:cluster/batch",
        "taskDefinitionArn": "arn:aws:ecs:eu-west-1:123456789012:task-definition/etl:7", "group": "family:etl",
        "startedBy": "events-rule/nightly", "lastStatus": "STOPPED", "desiredStatus": "STOPPED",
        "stopCode": "TaskFailedToStart", "stoppedReason": "CannotPullContainerError: not found",
        "containers": [{"name": "etl", "lastStatus": "STOPPED"}]});
    for (name, value) in more.as_object().unwrap() {
        task[name] = value.clone();
    }
    parse_task(&task)
}

fn failed(more: &Value) -> Option<ObservedFailure> {
    ObservedFailure::of_task(&task(more), Deciders::Unknown, NOW)
}

fn one() -> ObservedFailure {
    failed(&json!({})).unwrap()
}

fn ran(exit_code: i64) -> Value {
    json!({"stopCode": "EssentialContainerExited", "stoppedReason": "Essential container in task exited",
        "startedAt": "2027-01-15T08:00:00Z", "containers": [{"name": "etl", "lastStatus": "STOPPED", "exitCode": exit_code}]})
}

#[test]
fn a_task_that_failed_is_told_by_either_of_its_last_states_and_is_the_same_failure() {
    let stopped = one();
    let earlier = failed(&json!({"lastStatus": "DEPROVISIONING"})).unwrap();
    assert_eq!(stopped.id, earlier.id);
    assert_eq!((stopped.launcher.kind, stopped.launcher.name.as_deref()), (LauncherKind::Rule, Some("nightly")));
    assert_eq!(
        (stopped.cluster.as_str(), stopped.task_definition.as_str(), stopped.family()),
        ("batch", "etl:7", "etl")
    );
    assert_eq!((stopped.ran, stopped.failure.class), (false, Class::Image));
    assert_ne!(stopped.id, failed(&json!({"taskArn": "arn:other"})).unwrap().id);
    let program = failed(&ran(3)).unwrap();
    assert_eq!((program.ran, program.exit_code, program.failure.class), (true, Some(3), Class::Application));
}

#[test]
fn what_goes_on_or_ended_well_is_no_failure() {
    assert_eq!(failed(&ran(0)), None);
    for status in ["PENDING", "RUNNING", "STOPPING", "DEACTIVATING"] {
        assert_eq!(failed(&json!({"lastStatus": status})), None, "{status}");
    }
    // DEPROVISIONING may come before its last container's exit code.
    let ahead = json!({"lastStatus": "DEPROVISIONING", "stopCode": "EssentialContainerExited",
        "stoppedReason": "Essential container in task exited", "startedAt": "2027-01-15T08:00:00Z",
        "containers": [{"name": "etl", "lastStatus": "RUNNING"}]});
    assert_eq!(failed(&ahead), None);
}

#[test]
fn a_task_has_run_when_it_reached_running_or_a_container_of_it_has_an_exit_code() {
    assert!(!task(&json!({})).has_run());
    assert!(task(&json!({"startedAt": "2027-01-15T08:00:00Z"})).has_run());
    assert!(task(&json!({"containers": [{"name": "sidecar", "exitCode": 0}, {"name": "etl"}]})).has_run());
}

fn record(more: &Value) -> RunTaskRecord {
    let mut detail = json!({"eventID": "e1", "eventSource": "ecs.amazonaws.com", "eventName": "RunTask",
        "eventTime": "2027-01-15T08:00:00Z", "userIdentity": {"type": "AssumedRole", "arn": "arn:aws:sts::1:assumed-role/events/x",
            "sessionContext": {"sessionIssuer": {"arn": "arn:aws:iam::1:role/events"}}},
        "requestParameters": {"cluster": "batch", "taskDefinition": "etl:7", "count": 3, "startedBy": "events-rule/nightly"},
        "responseElements": {"tasks": [], "failures": []}});
    for (name, value) in more.as_object().unwrap() {
        detail[name] = value.clone();
    }
    let event = json!({"source": "aws.ecs", "detail-type": "AWS API Call via CloudTrail", "detail": detail});
    RunTaskRecord::read(&event.to_string()).unwrap().unwrap()
}

#[test]
fn what_is_missing_is_what_was_asked_for_less_what_was_placed() {
    let reasons = |n: usize| vec![json!({"arn": "container-instance/x", "reason": "RESOURCE:MEMORY"}); n];
    let answered = |tasks: usize, failures: usize| {
        let tasks = vec![json!({ "taskArn": ARN }); tasks];
        record(&json!({"responseElements": {"tasks": tasks, "failures": reasons(failures)}})).refusal()
    };
    // On EC2 each container instance that did not fit has an entry.
    let refused = answered(1, 7).unwrap();
    assert_eq!((refused.count, refused.missing, refused.failure.error.as_str()), (Some(3), Some(2), "RESOURCE:MEMORY"));
    assert_eq!(refused.role.as_deref(), Some("arn:aws:iam::1:role/events"));
    assert_eq!((refused.launcher.name.as_deref(), refused.ran), (Some("nightly"), false));
    assert_eq!(answered(3, 0), None);
    assert_eq!(answered(3, 2), None, "all were placed");
    assert_eq!(answered(0, 0).unwrap().missing, Some(3), "without a reason too");
}

#[test]
fn an_error_refuses_all_and_a_record_without_its_answer_none() {
    let error = |code: &str| {
        record(&json!({"errorCode": code, "errorMessage": "Rate exceeded", "responseElements": null})).refusal()
    };
    let throttled = error("ThrottlingException").unwrap();
    assert_eq!((throttled.missing, throttled.failure.class), (Some(3), Class::Throttled));
    assert_eq!(error("ConflictException"), None, "its tasks are there");
    assert_eq!(record(&json!({"responseElements": null})).refusal(), None, "too large for a record");
    let once = record(&json!({"requestParameters": {"taskDefinition": "etl"}}));
    assert_eq!((once.count, once.refusal().unwrap().cluster.as_str()), (1, "default"));
}

#[test]
fn reasons_that_differ_are_named_in_the_cause() {
    let failures = json!([{"reason": "RESOURCE:MEMORY"}, {"reason": "AGENT"}, {"reason": "RESOURCE:MEMORY"}]);
    let refused = record(&json!({"responseElements": {"tasks": [], "failures": failures}})).refusal().unwrap();
    assert_eq!(
        (refused.failure.cause.as_str(), refused.failure.error.as_str()),
        ("RESOURCE:MEMORY; also AGENT", "RESOURCE:MEMORY")
    );
}

#[test]
fn other_records_and_broken_ones_are_told_apart() {
    let read = |detail: Value| RunTaskRecord::read(&json!({ "detail": detail }).to_string());
    let other = json!({"eventSource": "ecs.amazonaws.com", "eventName": "StopTask", "eventID": "e"});
    assert_eq!(read(other), Ok(None));
    assert!(read(json!({"eventSource": "ecs.amazonaws.com", "eventName": "RunTask"})).is_err());
    let probe = json!({"eventSource": "ecs.amazonaws.com", "eventName": "RunTask", "eventID": "e",
        "requestParameters": {"taskDefinition": "taskwatch-doctor:2147483647", "startedBy": "x".repeat(129)}});
    assert_eq!(read(probe), Ok(None), "doctor launches nothing");
    assert!(RunTaskRecord::read("{").is_err());
    let event = json!({"detail": {"eventSource": "ecs.amazonaws.com", "eventName": "RunTask", "eventID": "e"}});
    let by_topic = json!({"Type": "Notification", "Message": event.to_string()});
    assert!(matches!(RunTaskRecord::read(&by_topic.to_string()), Ok(Some(_))));
}

fn policies(text: Value) -> Result<Vec<Policy>, String> {
    let settings: Vec<PolicySettings> = serde_json::from_value(text).map_err(|e| e.to_string())?;
    let minutes = |text: &str| Some(Duration::from_secs(60 * text.strip_suffix('m')?.parse::<u64>().ok()?));
    settings.into_iter().enumerate().map(|(place, policy)| policy.policy(place + 1, minutes)).collect()
}

#[test]
fn the_first_policy_that_matches_decides() {
    let policies = policies(json!([
        {"name": "canaries", "match": {"family": "canary-*"}, "action": "ignore"},
        {"name": "programs", "match": {"ran": true, "cluster": ["batch", "other"]}, "action": "ignore"},
        {"name": "pulls", "match": {"launcher": "rule", "name": "night*"}, "when": ["Taskwatch.Image"]},
        {"name": "rest", "action": "ignore"},
    ]))
    .unwrap();
    let name = |failed: &ObservedFailure| decide(&policies, failed).policy.map(|policy| policy.name.clone());
    assert_eq!(name(&one()).as_deref(), Some("pulls"));
    assert_eq!(name(&failed(&ran(3)).unwrap()).as_deref(), Some("programs"));
    let canary = failed(&json!({"taskDefinitionArn": "arn:x:task-definition/canary-1:2"})).unwrap();
    assert_eq!(name(&canary).as_deref(), Some("canaries"));
    let secret = json!({"stoppedReason": "ResourceInitializationError: unable to pull secrets or registry auth"});
    assert_eq!(name(&failed(&secret).unwrap()).as_deref(), Some("rest"));
}

#[test]
fn without_a_policy_everything_is_told_but_what_was_stopped_or_is_told_elsewhere() {
    let action = |more: &Value| decide(&[], &failed(more).unwrap()).action.clone();
    assert_eq!(action(&json!({})), Action::Notify);
    assert_eq!(action(&ran(3)), Action::Notify);
    let stopped = json!({"stopCode": "UserInitiated", "stoppedReason": "Task stopped by user"});
    assert_eq!(action(&stopped), Action::Ignore);
    assert_eq!(action(&json!({"startedBy": "ecs-svc/1", "group": "service:web"})), Action::Ignore);
    let cell = crate::core::ids::Token::of(["x"]).started_by("green");
    assert_eq!(action(&json!({ "startedBy": cell })), Action::Ignore);
    let named = policies(json!([{"match": {"launcher": "service"}}, {"when": "Taskwatch.Stopped"}])).unwrap();
    let action = |more: &Value| decide(&named, &failed(more).unwrap()).action.clone();
    assert_eq!(action(&stopped), Action::Notify);
    assert_eq!(action(&json!({"startedBy": "ecs-svc/1", "group": "service:web"})), Action::Notify);
}

#[test]
fn a_name_that_was_cut_fits_by_what_is_left_of_it() {
    let cut = failed(&json!({"startedBy": "events-rule/prd-recommend-batch-even"})).unwrap();
    let fits = |name: &str| {
        let policies = policies(json!([{"match": { "name": name }, "action": "ignore"}])).unwrap();
        decide(&policies, &cut).policy.is_some()
    };
    assert!(fits("prd-recommend-batch-evening") && fits("prd-recommend-batch-even") && fits("prd-*"));
    assert!(!fits("prd-recommend-batch-morning") && !fits("prd"));
}

#[test]
fn wrong_settings_are_named_with_what_is_allowed() {
    for (policy, part) in [
        (json!({"action": "tell"}), "observe.policy 1: action is \"tell\": expected notify, retry, ignore"),
        (json!({"name": "x", "match": {"launcher": "rules"}}), "observe.policy 1 (\"x\"): match.launcher is \"rules\""),
        (json!({"match": {"launcher": "rules"}}), "did you mean rule?"),
        (json!({"match": {"family": []}}), "match.family is empty"),
        (json!({"when": []}), "when is empty"),
        (json!({"when": ["Taskwatch.Imag"]}), "did you mean Taskwatch.Image?"),
        (json!({"name": ""}), "name: expected 1 to 64"),
        (json!({"within": "5m"}), "within is for action = \"retry\""),
        (json!({"action": "retry", "within": "soon"}), "within is \"soon\": expected a duration"),
        (json!({"action": "retry", "within": "120m"}), "expected a duration from 1s to 50m"),
        (json!({"action": "retry", "settle": "0m"}), "settle is \"0m\": expected a duration from 1s to 10m"),
        (json!({"action": "retry", "newer": "stop"}), "newer is \"stop\": expected skip or repeat"),
        (json!({"action": "retry", "retry": {"MaxAttempt": 1}}), "did you mean MaxAttempts?"),
        (json!({"matches": {}}), "unknown field `matches`"),
        (json!({"match": {"queue": "x"}}), "unknown field `queue`"),
    ] {
        let error = policies(json!([policy])).unwrap_err();
        assert!(error.contains(part), "{policy}: {error}");
    }
}

#[test]
fn what_was_seen_is_known_after_a_restart_and_the_oldest_is_forgotten() {
    let (mut seen, mut store) = (Seen::default(), std::collections::BTreeMap::<&str, String>::new());
    let id = |n: usize| super::id("test", &n.to_string());
    for n in 0..15_000 {
        assert!(!seen.contains(id(n)));
        let (name, text) = seen.insert(id(n));
        assert!(text.len() < 6_000, "a note stays small");
        store.insert(name, text);
        if n % 1_000 == 999 {
            seen = Seen::read(|name| store.get(name).map(String::as_str));
        }
        assert!(seen.contains(id(n)));
    }
    assert!(store.len() == NOTES.len() && seen.len() > 9_900, "{}", seen.len());
    assert!(seen.contains(id(14_999 - 9_900)) && !seen.contains(id(0)) && !seen.is_empty());
    assert!(Seen::read(|_| Some("{")).is_empty());
}

#[test]
fn many_failures_alike_are_told_when_they_begin_and_when_they_are_over() {
    let rules = BreakerRules { failures: 3, window: Duration::from_secs(60), probe: Duration::from_secs(60) };
    let at = |seconds: u64| NOW.plus(Duration::from_secs(seconds));
    let mut series = Series::new(rules, Vec::new());
    let other = failed(&ran(3)).unwrap();
    assert_eq!(series.record(&one(), None, at(0)), Told::Singly);
    assert_eq!(series.record(&one(), None, at(1)), Told::Singly);
    assert_eq!(series.record(&other, None, at(1)), Told::Singly, "another reason");
    let Told::AsSeries(open, _) = series.record(&one(), None, at(2)) else { panic!("the third begins it") };
    assert_eq!((open.failures, open.since), (3, at(0)));
    assert_eq!(series.record(&one(), None, at(30)), Told::Counted { persist: true });
    assert_eq!(series.record(&one(), None, at(50)), Told::Counted { persist: false });
    assert_eq!(series.next(), Some(at(110)));
    assert!(series.due(at(109)).is_empty());
    // A restart in between.
    let mut series = Series::new(rules, series.open());
    let over = series.due(at(110));
    assert_eq!((over.len(), over[0].failures, series.next()), (1, 5, None));
    assert_eq!(series.record(&one(), None, at(111)), Told::Singly, "it begins anew");
    let never = BreakerRules { failures: 0, ..rules };
    let mut series = Series::new(never, Vec::new());
    assert!((0..100).all(|_| series.record(&one(), None, NOW) == Told::Singly));
}

#[test]
fn failures_that_are_far_apart_are_told_singly() {
    let mut series = Series::new(BreakerRules::default(), Vec::new());
    for n in 0..200 {
        assert_eq!(series.record(&one(), None, NOW.plus(Duration::from_secs(n * 4))), Told::Singly);
    }
}
