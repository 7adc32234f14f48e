//! Runs with a start time.

use super::*;

fn case(at: i64) -> Case {
    let spec = RunSpec { start_at: Some(seconds(at)), timeout_seconds: Some(60), ..spec(Goal::Stopped, 0) };
    Case(Run::new(uuid::Uuid::nil(), "r".into(), 0, Arc::new(spec), T0))
}

#[test]
fn the_first_attempt_waits_for_the_start_and_the_timeout_counts_from_it() {
    let mut case = case(100);
    assert_eq!(case.give(0, Input::Submitted), vec![]);
    assert_eq!((case.0.status, case.0.retry_at), (Status::PendingRetry, Some(seconds(100))));
    assert!(!apply(&mut case.0, &Input::Submitted, seconds(1)).changed(), "once is enough");
    assert!(!apply(&mut case.0, &Input::Due, seconds(99)).changed());
    assert_eq!(next_deadline(&case.0), Some(seconds(100)));
    assert_eq!(case.give(100, Input::Due), vec![Effect::Launch]);
    assert_eq!((case.0.status, case.0.attempts.len()), (Status::Queued, 1));
    assert_eq!(next_deadline(&case.0), Some(seconds(160)));
}

#[test]
fn a_start_in_the_past_is_now() {
    let mut case = case(-5);
    assert_eq!(case.give(0, Input::Submitted), vec![Effect::Launch]);
    assert_eq!(next_deadline(&case.0), Some(seconds(60)));
}

#[test]
fn a_run_is_stopped_before_its_start_and_redriven_at_once() {
    let mut case = case(100);
    case.give(0, Input::Submitted);
    assert_eq!(case.give(1, Input::StopAsked { reason: "no".into() }), vec![Effect::Notify]);
    assert_eq!((case.0.status, case.0.attempts.len(), next_deadline(&case.0)), (Status::Aborted, 0, None));
    assert_eq!(case.give(2, Input::Redriven), vec![Effect::Launch]);
    assert_eq!(next_deadline(&case.0), Some(seconds(62)));
}
