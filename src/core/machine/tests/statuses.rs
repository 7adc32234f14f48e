//! What each status of a task says.

use serde_json::json;

use super::*;
use crate::core::verdict::Deciders;

/// A run with this goal after one event about its task.
fn after_event(until: Goal, detail: serde_json::Value) -> Run {
    let mut case = Case::new(spec(until, 0));
    case.place(0, "t");
    let mut task = crate::core::task::parse_task(&detail);
    (task.task_arn, task.version) = ("t".into(), 4);
    case.give(1, Input::Observed(Observation::of(&task, None, Deciders::Unknown)));
    case.0
}

#[test]
fn a_task_whose_status_is_running_has_run_with_or_without_started_at() {
    let notice = json!({"lastStatus": "RUNNING", "desiredStatus": "STOPPED", "stopCode": "SpotInterruption",
        "stoppedReason": "Your Spot Task was interrupted."});
    let plain = json!({"lastStatus": "RUNNING", "desiredStatus": "RUNNING"});
    let bare = json!({"lastStatus": "running"});
    for detail in [notice, plain, bare] {
        for (goal, status) in
            [(Goal::Running, Status::Succeeded), (Goal::Stopped, Status::Running), (Goal::Healthy, Status::Starting)]
        {
            let run = after_event(goal, detail.clone());
            assert_eq!(run.status, status, "{goal:?} {detail}");
            assert_eq!(run.attempt().unwrap().started_at, Some(seconds(1)), "{goal:?} {detail}");
            assert_eq!(next_deadline(&run), None, "no start timeout for a task that has started: {goal:?} {detail}");
        }
    }
}

#[test]
fn other_statuses_are_no_proof_of_running_and_started_at_is_with_any() {
    for last in ["PROVISIONING", "PENDING", "ACTIVATING", "DEACTIVATING", "STOPPING", "SOMETHING_NEW"] {
        for desired in ["RUNNING", "STOPPED"] {
            let detail = json!({"lastStatus": last, "desiredStatus": desired});
            let started = json!({"lastStatus": last, "desiredStatus": desired, "startedAt": "2027-01-15T08:00:00Z"});
            for (goal, status) in [(Goal::Running, Status::Succeeded), (Goal::Stopped, Status::Running)] {
                assert_eq!(after_event(goal, detail.clone()).status, Status::Starting, "{goal:?} {detail}");
                assert_eq!(after_event(goal, started.clone()).status, status, "{goal:?} {started}");
            }
        }
    }
}

#[test]
fn only_what_follows_the_task_on_its_way_needs_no_commit() {
    let mut case = Case::new(spec(Goal::Stopped, 1));
    case.launch(0, "t");
    let mut kind = |version, detail: serde_json::Value| {
        let mut task = crate::core::task::parse_task(&detail);
        (task.task_arn, task.version) = ("t".into(), version);
        let seen = Observation::of(&task, Some(token("t")), Deciders::Unknown);
        apply(&mut case.0, &Input::Observed(seen), seconds(version)).change
    };
    let started = "2027-01-15T08:00:00Z";
    let exited = json!([{"name": "a", "exitCode": 0}, {"name": "b", "lastStatus": "RUNNING"}]);
    for (version, detail, expected) in [
        (1, json!({"lastStatus": "PROVISIONING"}), ChangeKind::Durable), // It places the task.
        (2, json!({"lastStatus": "PENDING", "createdAt": started}), ChangeKind::Transient),
        (2, json!({"lastStatus": "PENDING"}), ChangeKind::Unchanged),
        (3, json!({"lastStatus": "PENDING", "pullStartedAt": started}), ChangeKind::Transient),
        (4, json!({"lastStatus": "ACTIVATING", "pullStoppedAt": started}), ChangeKind::Transient),
        (5, json!({"lastStatus": "RUNNING"}), ChangeKind::Durable),
        (6, json!({"lastStatus": "RUNNING", "startedAt": started}), ChangeKind::Transient),
        (7, json!({"lastStatus": "RUNNING", "startedAt": started, "containers": exited}), ChangeKind::Durable),
        (8, json!({"lastStatus": "DEACTIVATING", "startedAt": started, "containers": exited}), ChangeKind::Transient),
        (9, json!({"lastStatus": "DEPROVISIONING", "startedAt": started, "containers": exited}), ChangeKind::Transient),
        (10, json!({"lastStatus": "STOPPED", "startedAt": started}), ChangeKind::Durable),
    ] {
        assert_eq!(kind(version, detail.clone()), expected, "{detail}");
    }
    assert_eq!(case.0.status, Status::PendingRetry);
}
