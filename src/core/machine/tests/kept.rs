//! What is kept of very many attempts.

use super::*;

/// A task that is placed and fails, and the next attempt, 20 s later; what the run is no longer found by.
fn fails_again(case: &mut Case, number: i64) -> Vec<(Option<TaskArn>, Option<Token>)> {
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
    let expected = (11..=30_001 - 50).map(|n| (Some(format!("t{n:08}").into()), Some(token(&format!("t{n:08}")))));
    assert!(unlinked.into_iter().eq(expected), "each attempt that is dropped says what it was known by");
    assert!(case.0.had("t00000010") && case.0.had("t00030000") && !case.0.had("t00000011"));
}
