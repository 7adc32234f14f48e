//! Runs that live long: redriven ones, and those that are tried again for weeks.

use super::tests::{Case, failed, failure, seconds, spec};
use super::*;
use crate::core::failure::Transience;
use crate::core::request::{Goal, RunSpec};

#[test]
fn a_redriven_run_begins_anew_and_keeps_its_history() {
    let placements = vec![serde_json::Map::new()];
    let timed = RunSpec { timeout_seconds: Some(60), placements, ..spec(Goal::Stopped, 1) };
    let mut case = Case::new(timed);
    for at in [0, 20] {
        case.launch(at, "x");
        case.give(at, Input::Refused(failure("RESOURCE:CPU", Transience::Elsewhere)));
        case.give(at + 20, Input::Due);
    }
    assert_eq!((case.0.status, case.0.attempts.len()), (Status::Failed, 2));
    assert_eq!(case.give(1_000, Input::Redriven), vec![Effect::Launch]);
    let attempt = case.0.attempt().unwrap();
    assert_eq!((case.0.status, attempt.number, attempt.placement), (Status::Queued, 3, 0));
    assert_eq!((case.0.finished_at, case.0.failure(), case.0.redrives), (None, None, 1));
    assert_eq!(next_deadline(&case.0), Some(seconds(1_060)), "timeoutSeconds count from the redrive");
    case.place(1_001, "t3");
    // The one retry that the policy allows is there again.
    case.see(1_002, "t3", 5, failed("Boom"));
    assert_eq!(case.0.status, Status::PendingRetry);
    case.give(1_060, Input::Due);
    assert_eq!((case.0.status, case.0.redrives), (Status::TimedOut, 1));
}

#[test]
fn only_what_ended_short_of_its_goal_is_redriven() {
    let mut case = Case::new(spec(Goal::Stopped, 0));
    assert!(!apply(&mut case.0, &Input::Redriven, seconds(1)).changed(), "an open run");
    case.place(0, "t");
    case.see(1, "t", 5, Verdict::Succeeded);
    assert!(!apply(&mut case.0, &Input::Redriven, seconds(2)).changed(), "a run that reached its goal");
    let mut stopped = Case::new(spec(Goal::Stopped, 0));
    stopped.give(1, Input::StopAsked { reason: "enough".into() });
    assert_eq!(stopped.give(2, Input::Redriven), vec![Effect::Launch]);
    assert_eq!(
        stopped.give(3, Input::StopAsked { reason: "again".into() }),
        vec![Effect::Notify],
        "it can be stopped again"
    );
}

/// A task that is placed and fails, and the next attempt, 20 s later; what the run is no longer found by.
fn fails_again(case: &mut Case, number: i64) -> Vec<(Option<String>, Option<String>)> {
    let arn = format!("t{number:08}");
    case.place(number * 20, &arn);
    case.see(number * 20 + 1, &arn, 5, failed("Boom"));
    let unlinked = |effect| match effect {
        Effect::Unlink { task_arn, token } => Some((task_arn, token)),
        _ => None,
    };
    case.give(number * 20 + 19, Input::Due).into_iter().filter_map(unlinked).collect()
}

#[test]
fn a_run_that_fails_every_20_seconds_costs_the_same_after_a_week() {
    let mut retrying = spec(Goal::Stopped, 99_999_999);
    retrying.retry.0[0].backoff_rate = 1.0;
    let mut case = Case::new(retrying);
    let mut unlinked = Vec::new();
    let mut costs = Vec::new();
    for number in 1..=30_000 {
        unlinked.extend(fails_again(&mut case, number));
        if number == 1_000 || number == 30_000 {
            costs.push((case.0.attempts.len(), serde_json::to_string(&case.0).unwrap().len()));
        }
    }
    let [(kept, bytes), (kept_later, bytes_later)] = costs[..] else { panic!("{costs:?}") };
    assert_eq!((kept, kept_later), (60, 60));
    // The numbers of the attempts grow by a digit.
    assert!(bytes.abs_diff(bytes_later) < bytes / 200, "{costs:?}");
    assert_eq!((case.0.attempts.total(), case.0.attempt().unwrap().number), (30_001, 30_001));
    assert_eq!(case.0.counts.0, [30_000], "retries are counted on");
    let expected = (11..=30_001 - 50).map(|n| (Some(format!("t{n:08}")), Some(format!("token-t{n:08}"))));
    assert!(unlinked.into_iter().eq(expected), "each attempt that is dropped says what it was known by");
    assert!(case.0.had("t00000010") && case.0.had("t00030000") && !case.0.had("t00000011"));
}
