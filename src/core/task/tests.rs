//! Table tests of tasks and events, on recorded ones too.

use rand::{Rng, SeedableRng, rngs::SmallRng};

use super::*;
use crate::core::failure::{Class, Transience};
use crate::core::time::Timestamp;
use crate::core::verdict::{Deciders, Verdict};

fn fixtures() -> Vec<(String, String)> {
    let dir = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/events");
    let mut files: Vec<_> = std::fs::read_dir(dir).unwrap().map(|f| f.unwrap().path()).collect();
    files.sort();
    files.into_iter().map(|p| (p.display().to_string(), std::fs::read_to_string(&p).unwrap())).collect()
}

fn recorded(number: &str) -> Task<'static> {
    let (_, text) = fixtures().into_iter().find(|(name, _)| name.contains(&format!("/{number}-"))).unwrap();
    match parse_notice(&text).unwrap() {
        Notice::Task(event) => event.task.into_owned(),
        other => panic!("{other:?}"),
    }
}

fn codes(task: &mut Task<'static>, codes: &[(&'static str, Option<i64>)]) {
    let container = |(name, exit_code): &(&'static str, Option<i64>)| Container {
        name: (*name).into(),
        exit_code: *exit_code,
        ..Container::default()
    };
    task.containers = codes.iter().map(container).collect();
}

fn exited(list: &[(&'static str, Option<i64>)]) -> Task<'static> {
    let mut task = Task {
        last_status: "STOPPED".into(),
        stop_code: Some("EssentialContainerExited".into()),
        stopped_reason: Some("Essential container in task exited".into()),
        ..Task::default()
    };
    codes(&mut task, list);
    task
}

#[test]
fn every_recorded_event_is_read() {
    let (mut tasks, mut foreign) = (0, 0);
    for (name, text) in fixtures() {
        match parse_notice(&text) {
            Ok(Notice::Task(event)) => {
                tasks += 1;
                assert!(!event.task.task_arn.is_empty() && !event.task.last_status.is_empty(), "{name}");
            }
            Ok(Notice::Foreign(_)) => foreign += 1,
            Err(error) => panic!("{name}: {error}"),
        }
    }
    assert!(tasks >= 20 && foreign >= 10, "{tasks} {foreign}");
}

#[test]
fn recorded_ends_are_told_apart() {
    for (number, good, class) in [
        ("03", false, Some(Class::Secrets)),
        ("05", false, Some(Class::Application)),
        ("07", false, Some(Class::Application)),
        ("09", false, Some(Class::Stopped)),
        ("11", false, Some(Class::Application)),
        ("12", false, Some(Class::Application)),
        ("19", false, Some(Class::Stopped)),
        ("21", true, None),
        ("23", true, None),
        ("25", true, None),
        ("27", false, Some(Class::Application)),
    ] {
        match recorded(number).verdict(Deciders::Unknown) {
            Verdict::Succeeded => assert!(good, "{number}"),
            Verdict::Failed(failure) => assert_eq!((good, Some(failure.class)), (false, class), "{number} {failure:?}"),
            other => panic!("{number}: {other:?}"),
        }
    }
    for (number, verdict) in [("01", Verdict::Starting), ("14", Verdict::Running), ("24", Verdict::Starting)] {
        assert_eq!(recorded(number).verdict(Deciders::Unknown), verdict, "{number}");
    }
}

#[test]
fn only_the_deciding_containers_decide() {
    let names = ["main".to_owned()];
    let task = exited(&[("main", Some(0)), ("sidecar", Some(1))]);
    assert_eq!(task.verdict(Deciders::Named(&names)), Verdict::Succeeded);
    assert!(matches!(task.verdict(Deciders::Unknown), Verdict::Failed(_)));
    let task = exited(&[("main", Some(3)), ("sidecar", Some(0))]);
    assert!(matches!(task.verdict(Deciders::Named(&names)), Verdict::Failed(_)));
    assert_eq!(task.exit_code(Deciders::Named(&names)), Some(3));
}

#[test]
fn a_decider_that_the_task_does_not_have_is_named_and_never_tried_again() {
    let names = ["mian".to_owned()];
    let Verdict::Failed(failure) = exited(&[("main", Some(0)), ("log", Some(0))]).verdict(Deciders::Named(&names))
    else {
        panic!("nobody knows how it ended");
    };
    assert_eq!((failure.class, failure.transience), (Class::Configuration, Transience::Permanent));
    assert!(failure.cause.contains("\"mian\"") && failure.cause.contains("main, log"), "{}", failure.cause);
    let mut lost = exited(&[("main", None)]);
    lost.stopped_reason = Some("Host EC2 (instance i-1) terminated.".into());
    assert!(matches!(lost.verdict(Deciders::Named(&names)), Verdict::Failed(f) if f.class == Class::Host));
}

#[test]
fn before_running_a_task_is_starting_whatever_its_times() {
    for status in ["PROVISIONING", "PENDING", "ACTIVATING", "pending"] {
        let mut task = Task { last_status: status.into(), ..Task::default() };
        assert_eq!(task.verdict(Deciders::Unknown), Verdict::Starting, "{status}");
        task.started_at = Some(crate::core::time::Timestamp::from_millis(0));
        assert_eq!(task.verdict(Deciders::Unknown), Verdict::Starting, "{status}");
    }
}

#[test]
fn deprovisioning_waits_for_a_container_that_is_said_to_run() {
    for (status, waits) in [("RUNNING", true), ("PENDING", true), ("STOPPED", false), ("stopped", false), ("", false)] {
        let mut task = exited(&[("main", None)]);
        task.last_status = "DEPROVISIONING".into();
        task.containers[0].last_status = status.into();
        let verdict = task.verdict(Deciders::Unknown);
        assert_eq!(verdict == Verdict::Stopping, waits, "{status:?}: {verdict:?}");
    }
}

#[test]
fn a_missing_exit_code_is_not_zero() {
    let names = ["main".to_owned()];
    for task in [exited(&[("main", None)]), exited(&[]), exited(&[("other", Some(0))])] {
        assert!(matches!(task.verdict(Deciders::Named(&names)), Verdict::Failed(_)));
    }
    assert!(matches!(exited(&[("main", None)]).verdict(Deciders::Unknown), Verdict::Failed(_)));
    assert_eq!(exited(&[("main", None)]).exit_code(Deciders::Unknown), None);
}

#[test]
fn a_sidecar_that_was_stopped_after_success_is_no_failure() {
    let task = exited(&[("a", Some(0)), ("b", Some(143)), ("c", Some(137))]);
    assert_eq!(task.verdict(Deciders::Unknown), Verdict::Succeeded);
    assert!(matches!(exited(&[("a", Some(143))]).verdict(Deciders::Unknown), Verdict::Failed(_)));
}

/// Seen with a program that ends before its sidecar is up (github comic/grand-challenge.org, tests of its ECS executor).
#[test]
fn a_task_that_ended_before_all_had_started_is_judged_by_its_deciders() {
    let mut task = exited(&[("sidecar", None), ("app", Some(0))]);
    task.stop_code = Some("TaskFailedToStart".into());
    let app = ["app".to_owned()];
    assert_eq!(task.verdict(Deciders::Named(&app)), Verdict::Succeeded);
    assert!(matches!(task.verdict(Deciders::Unknown), Verdict::Failed(_)));
    task.stopped_reason = Some("CannotPullContainerError: x".into());
    assert!(matches!(task.verdict(Deciders::Named(&app)), Verdict::Failed(_)));
}

#[test]
fn a_lost_host_is_no_success_whatever_the_exit_code() {
    let mut task = exited(&[("a", Some(0))]);
    task.stop_code = None;
    task.stopped_reason = Some("Host EC2 (instance i-1) terminated.".into());
    assert!(matches!(task.verdict(Deciders::Unknown), Verdict::Failed(f) if f.class == Class::Host));
}

#[test]
fn deprovisioning_already_tells_and_a_running_task_that_is_wanted_stopped_does_not() {
    let mut task = exited(&[("a", Some(0))]);
    task.last_status = "DEPROVISIONING".into();
    assert_eq!(task.verdict(Deciders::Unknown), Verdict::Succeeded);
    for status in ["RUNNING", "DEACTIVATING", "STOPPING"] {
        task.last_status = status.into();
        task.desired_status = "STOPPED".into();
        assert_eq!(task.verdict(Deciders::Unknown), Verdict::Stopping, "{status}");
    }
}

#[test]
fn odd_documents_are_read_for_what_they_say() {
    let body = r#"{"source":"aws.ecs","detail-type":"ECS Task State Change","id":null,"resources":["arn:t"],"new":{"a":[1]},
        "detail":{"version":"7","lastStatus":"STOPPED","stopCode":"null","containers":[null,7,{"name":"a","exitCode":"3","cpu":"null"}],
        "createdAt":1739458104.5,"stoppedAt":"soon","startedAt":null,"overrides":"?","attachments":null}}"#;
    let Notice::Task(event) = parse_notice(body).unwrap() else { panic!() };
    assert_eq!((event.task.task_arn.as_ref(), event.task.version), ("arn:t", 7));
    assert_eq!(event.task.stop_code, None);
    assert_eq!(event.task.exit_code(Deciders::Unknown), Some(3));
    assert_eq!(event.task.created_at.map(Timestamp::millis), Some(1_739_458_104_500));
    assert_eq!(event.task.stopped_at, None);
}

#[test]
fn an_event_is_found_inside_an_sns_notification() {
    let (_, event) = fixtures().into_iter().find(|(name, _)| name.contains("/12-")).unwrap();
    let body = serde_json::json!({"Type": "Notification", "MessageId": "m", "Message": event}).to_string();
    assert!(matches!(parse_notice(&body), Ok(Notice::Task(_))));
}

#[test]
fn what_is_no_event_is_an_error_with_its_beginning() {
    for body in
        ["", "[]", "hello", "7", "null", "{\"a\"", "{\"source\":\"aws.ecs\",\"detail-type\":\"ECS Task State Change\"}"]
    {
        assert!(parse_notice(body).is_err(), "{body}");
    }
    assert!(matches!(parse_notice("{}"), Ok(Notice::Foreign(_))));
}

#[test]
fn parsing_borrows() {
    let (_, text) = fixtures().into_iter().find(|(name, _)| name.contains("/12-")).unwrap();
    let Notice::Task(event) = parse_notice(&text).unwrap() else { panic!() };
    assert!(matches!(event.task.task_arn, Cow::Borrowed(_)));
    assert!(matches!(event.task.stop_code, Some(Cow::Borrowed(_))));
    assert!(matches!(event.task.containers[0].name, Cow::Borrowed(_)));
}

#[test]
fn no_mutation_of_a_recorded_event_panics() {
    let mut random = SmallRng::seed_from_u64(7);
    for (_, text) in fixtures() {
        for _ in 0..50 {
            let mut bytes = text.clone().into_bytes();
            for _ in 0..random.random_range(1..6) {
                if bytes.is_empty() {
                    break;
                }
                let at = random.random_range(0..bytes.len());
                match random.random_range(0..3) {
                    0 => bytes[at] = random.random_range(32..127),
                    1 => drop(bytes.remove(at)),
                    _ => bytes.truncate(at.max(1)),
                }
            }
            let Ok(body) = std::str::from_utf8(&bytes) else { continue };
            if let Ok(Notice::Task(event)) = parse_notice(body) {
                let _ = event.task.verdict(Deciders::Unknown);
            }
        }
    }
}
