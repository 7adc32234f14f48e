use proptest::prelude::*;

use super::*;
use crate::core::failure;

const fn at(seconds: i64) -> Timestamp {
    Timestamp::from_millis(1_800_000_000_000 + seconds * 1000)
}

fn run(n: u128) -> Uuid {
    Uuid::from_u128(n)
}

fn missing() -> Failure {
    failure::from_exception("ClientException", "TaskDefinition is inactive")
}

fn denied() -> Failure {
    failure::from_exception("AccessDeniedException", "not authorized to perform: iam:PassRole")
}

fn rules() -> BreakerRules {
    BreakerRules { failures: 3, ..BreakerRules::default() }
}

fn saw(breakers: &mut CircuitBreakers, n: u128, launched: i64, now: i64, outcome: Outcome<'_>) -> Effects {
    let name = format!("run-{n}");
    let seen =
        AttemptOutcome { task_definition: "etl:7", run: run(n), name: &name, launched_at: Some(at(launched)), outcome };
    breakers.record_outcome(&seen, at(now))
}

fn fails(breakers: &mut CircuitBreakers, n: u128, launched: i64, now: i64) -> Effects {
    saw(breakers, n, launched, now, Outcome::Failed(&missing()))
}

/// A breaker of three failures in seconds 0 to 2, paused at 2.
fn paused() -> CircuitBreakers {
    let mut breakers = CircuitBreakers::new(rules(), Vec::new());
    for n in 0..3 {
        fails(&mut breakers, n, 0, n as i64);
    }
    breakers
}

/// The same with its first probe out as run 10, at 62.
fn probing() -> CircuitBreakers {
    let mut breakers = paused();
    assert!(breakers.due(at(62)));
    breakers.probing("etl:7", run(10));
    breakers
}

fn may_go(breakers: &CircuitBreakers) -> Option<bool> {
    breakers.snapshot().paused.get("etl:7").copied()
}

#[test]
fn permanent_failures_are_permanent() {
    assert!(seen_outcome_is_permanent(&missing()) && seen_outcome_is_permanent(&denied()));
}

fn seen_outcome_is_permanent(failure: &Failure) -> bool {
    failure.transience == crate::core::failure::Transience::Permanent
}

#[test]
fn so_many_failures_in_the_window_open_the_breaker_and_notify_once() {
    let mut breakers = CircuitBreakers::new(rules(), Vec::new());
    assert_eq!(fails(&mut breakers, 0, 0, 0), Effects::default());
    assert_eq!(fails(&mut breakers, 1, 0, 30), Effects::default());
    let effects = fails(&mut breakers, 2, 0, 60);
    let [BreakerChange::Opened(reason)] = effects.changes.as_slice() else { panic!("{effects:?}") };
    assert_eq!((reason.task_definition.as_str(), reason.error.as_str()), ("etl:7", "ECS.ClientException"));
    assert_eq!((reason.failures, reason.since, reason.paused_at), (3, at(0), at(60)));
    assert_eq!(reason.examples, ["run-0", "run-1", "run-2"]);
    assert_eq!((reason.next_probe_at, effects.persist), (Some(at(120)), true));
    assert_eq!(may_go(&breakers), Some(false));
    // Those that were under way count, and are not told of again.
    assert_eq!(fails(&mut breakers, 3, 50, 61), Effects::default());
    assert_eq!(breakers.open()[0].failures, 4);
}

#[test]
fn slow_failures_other_reasons_and_other_task_definitions_open_no_breaker() {
    let mut breakers = CircuitBreakers::new(rules(), Vec::new());
    for n in 0..20 {
        assert_eq!(fails(&mut breakers, n, 0, 31 * n as i64).changes, []);
    }
    let mut breakers = CircuitBreakers::new(rules(), Vec::new());
    for n in 0..4 {
        let failure = if n % 2 == 0 { missing() } else { denied() };
        assert_eq!(saw(&mut breakers, n, 0, 0, Outcome::Failed(&failure)).changes, []);
        let name = format!("app:{n}");
        let seen = AttemptOutcome {
            task_definition: &name,
            run: run(9),
            name: "x",
            launched_at: Some(at(0)),
            outcome: Outcome::Failed(&missing()),
        };
        assert_eq!(breakers.record_outcome(&seen, at(0)).changes, []);
    }
}

#[test]
fn a_start_voids_the_failures_of_what_was_launched_before_it() {
    let mut breakers = CircuitBreakers::new(rules(), Vec::new());
    fails(&mut breakers, 0, 10, 11);
    fails(&mut breakers, 1, 10, 12);
    // Launched before them, started after they failed: that says nothing of what came later.
    saw(&mut breakers, 2, 5, 13, Outcome::Started);
    assert_eq!(fails(&mut breakers, 3, 10, 14).changes.len(), 1);
    let mut breakers = CircuitBreakers::new(rules(), Vec::new());
    fails(&mut breakers, 0, 10, 11);
    fails(&mut breakers, 1, 10, 12);
    saw(&mut breakers, 2, 12, 13, Outcome::Started);
    assert_eq!(fails(&mut breakers, 3, 13, 14).changes.len(), 0);
}

#[test]
fn one_probe_at_a_time_and_ever_more_rarely() {
    let mut breakers = paused();
    let (mut now, mut waits) = (2, Vec::new());
    for n in 10..18 {
        let next = breakers.next().unwrap();
        waits.push(next.since(at(now)).as_secs());
        now = (next.millis() - at(0).millis()) / 1000;
        assert!(!breakers.due(at(now - 1)) && breakers.due(at(now)));
        assert_eq!((may_go(&breakers), breakers.next()), (Some(true), None));
        breakers.probing("etl:7", run(n));
        assert_eq!((may_go(&breakers), breakers.next()), (Some(false), None));
        now += 5;
        let effects = fails(&mut breakers, n, now, now);
        assert!(effects.persist && effects.changes.is_empty());
    }
    assert_eq!(waits, [60, 120, 240, 480, 600, 600, 600, 600]);
    assert_eq!((breakers.open()[0].failed_probes, breakers.open()[0].failures), (8, 11));
}

#[test]
fn a_probe_that_starts_closes_the_breaker() {
    let mut breakers = probing();
    let effects = saw(&mut breakers, 10, 62, 70, Outcome::Started);
    assert!(
        matches!(effects.changes.as_slice(), [BreakerChange::Closed(reason, CloseReason::Started)] if reason.failures == 3)
    );
    assert_eq!((may_go(&breakers), breakers.open().len(), effects.persist), (None, 0, true));
    assert_eq!(fails(&mut breakers, 11, 71, 72).changes, [], "it counts from one again");
}

#[test]
fn a_task_from_before_the_pause_ends_it_neither_by_starting_nor_by_failing_otherwise() {
    let mut breakers = probing();
    assert_eq!(saw(&mut breakers, 4, 1, 70, Outcome::Started).changes, []);
    assert_eq!(saw(&mut breakers, 5, 1, 71, Outcome::Failed(&denied())).changes, []);
    assert_eq!(may_go(&breakers), Some(false));
}

#[test]
fn a_probe_that_fails_for_another_reason_closes_the_breaker_and_counts_for_the_other() {
    let mut breakers = probing();
    let effects = saw(&mut breakers, 10, 62, 70, Outcome::Failed(&denied()));
    assert!(matches!(effects.changes.as_slice(), [BreakerChange::Closed(_, CloseReason::OtherReason)]), "{effects:?}");
    saw(&mut breakers, 11, 70, 71, Outcome::Failed(&denied()));
    let effects = saw(&mut breakers, 12, 70, 72, Outcome::Failed(&denied()));
    assert!(matches!(effects.changes.as_slice(), [BreakerChange::Opened(reason)] if reason.failures == 3));
}

#[test]
fn a_probe_that_says_nothing_is_followed_by_another_after_the_usual_wait() {
    let mut breakers = probing();
    let effects = saw(&mut breakers, 10, 62, 100, Outcome::Inconclusive);
    assert_eq!((effects.changes.len(), effects.persist, breakers.next()), (0, true, Some(at(160))));
    // One that waits again, because RunTask was throttled, costs nothing.
    let mut breakers = probing();
    assert!(!breakers.waits_again(run(11)) && breakers.waits_again(run(10)));
    assert_eq!(may_go(&breakers), Some(true));
}

#[test]
fn two_reasons_open_one_breaker_twice() {
    let mut breakers = paused();
    for n in 3..5 {
        assert_eq!(saw(&mut breakers, n, 1, 3, Outcome::Failed(&denied())).changes, []);
    }
    let effects = saw(&mut breakers, 5, 1, 3, Outcome::Failed(&denied()));
    assert!(matches!(effects.changes.as_slice(), [BreakerChange::Opened(reason)] if reason.error == denied().error));
    assert_eq!((breakers.open().len(), breakers.snapshot().paused.len()), (2, 1));
    breakers.due(at(62));
    breakers.probing("etl:7", run(10));
    // The probe fails for the second: the first one is over, launches stay paused.
    let effects = saw(&mut breakers, 10, 62, 63, Outcome::Failed(&denied()));
    assert!(
        matches!(effects.changes.as_slice(), [BreakerChange::Closed(reason, _)] if reason.error == missing().error)
    );
    assert_eq!((may_go(&breakers), breakers.open().len()), (Some(false), 1));
}

#[test]
fn a_probe_that_says_nothing_of_a_later_reason_is_followed_by_another() {
    for outcome in [Outcome::Started, Outcome::Failed(&failure::from_exception("ServerException", "once"))] {
        let mut breakers = probing();
        // What was launched before the pause fails late, for another reason.
        for n in 3..6 {
            saw(&mut breakers, n, 1, 63, Outcome::Failed(&denied()));
        }
        assert_eq!((breakers.open().len(), breakers.next()), (2, None));
        let effects = saw(&mut breakers, 10, 62, 70, outcome);
        assert!(
            matches!(effects.changes.as_slice(), [BreakerChange::Closed(reason, _)] if reason.error == missing().error)
        );
        assert_eq!((may_go(&breakers), breakers.next(), effects.persist), (Some(false), Some(at(130)), true));
        assert!(breakers.due(at(130)) && may_go(&breakers) == Some(true));
    }
}

#[test]
fn an_operator_closes_it_and_a_breaker_that_soon_opens_again_keeps_its_waits() {
    let mut breakers = paused();
    assert_eq!(breakers.resume(|name| name == "other", at(5)), Effects::default());
    let effects = breakers.resume(|name| name == "etl:7", at(5));
    assert!(matches!(effects.changes.as_slice(), [BreakerChange::Closed(_, CloseReason::Operator)]));
    assert_eq!(may_go(&breakers), None);
    for n in 20..23 {
        fails(&mut breakers, n, 6, 6);
    }
    assert_eq!(breakers.next(), Some(at(66)));

    let mut breakers = probing();
    saw(&mut breakers, 10, 62, 70, Outcome::Started);
    for n in 20..23 {
        fails(&mut breakers, n, 71, 71);
    }
    assert_eq!(breakers.next(), Some(at(71 + 120)), "it flaps");
}

#[test]
fn what_is_kept_opens_again() {
    let mut breakers = paused();
    let again = CircuitBreakers::new(rules(), breakers.open());
    assert_eq!((again.open(), again.next(), may_go(&again)), (breakers.open(), Some(at(62)), Some(false)));
    // While a probe is out nobody knows how it ends: after a restart another may go.
    breakers.due(at(62));
    breakers.probing("etl:7", run(10));
    assert_eq!(may_go(&CircuitBreakers::new(rules(), breakers.open())), Some(true));
    let text = serde_json::to_string(&breakers.open()).unwrap();
    assert_eq!(serde_json::from_str::<Vec<OpenBreaker>>(&text).unwrap(), breakers.open());
    assert!(CircuitBreakers::new(BreakerRules { failures: 0, ..rules() }, breakers.open()).open().is_empty());
}

#[test]
fn the_outcome_of_an_attempt_follows_from_before_and_after() {
    use crate::core::machine::{self, Input};
    use crate::core::transition::{Snapshot, Transition};
    let request =
        crate::core::request::RunRequest::parse(r#"{"taskDefinition": "arn:aws:ecs:x:1:task-definition/etl:7"}"#)
            .unwrap();
    let mut new = crate::core::run::Run::new(run(1), "n".into(), 0, std::sync::Arc::new(request.spec), at(0));
    machine::apply(&mut new, &Input::Submitted, at(0));
    let after = |inputs: &[Input]| {
        let (mut run, mut seen) = (new.clone(), Vec::new());
        for input in inputs {
            let before = Snapshot::of(&run);
            machine::apply(&mut run, input, at(1));
            seen.extend(AttemptOutcome::of(&Transition::between(before, &run)).map(|seen| {
                assert_eq!(seen.task_definition, "etl:7");
                format!("{:?}", seen.outcome).split('(').next().unwrap_or_default().to_owned()
            }));
        }
        seen
    };
    let launching = Input::Launching { token: crate::core::ids::Token::of(["a"]), group_size: 1 };
    let placed = Input::Placed { task_arn: "a".into(), created_at: None };
    let running = machine::tests::seen("a", 2, crate::core::verdict::Verdict::Running);
    let stop = Input::StopAsked { reason: "x".into() };
    let refused = |failure: Failure| Input::Refused(failure);
    assert_eq!(after(&[launching.clone(), refused(missing())]), ["Failed"]);
    let capacity = failure::from_refusal("RESOURCE:MEMORY", None);
    assert_eq!(after(&[launching.clone(), refused(capacity)]), ["Inconclusive"]);
    assert_eq!(after(&[launching, placed, Input::Observed(running)]), ["Started"]);
    assert_eq!(after(&[stop]), ["Inconclusive"]);
}

proptest! {
    /// Whatever happens: a breaker notifies once when it opens and once when it closes, no more than one probe is out, and what
    /// is paused has a next probe, one that may go, or one that is out.
    #[test]
    fn any_history_notifies_once_and_never_blocks_for_ever(steps in prop::collection::vec((0_u8..8, 0_u8..2, 0_i64..40), 1..400)) {
        let mut breakers = CircuitBreakers::new(rules(), Vec::new());
        let (mut now, mut n, mut out) = (0, 100, None);
        let mut open = std::collections::BTreeSet::new();
        for (step, which, wait) in steps {
            now += wait;
            breakers.due(at(now));
            if may_go(&breakers) == Some(true) && out.is_none() {
                n += 1;
                breakers.probing("etl:7", run(n));
                out = Some((n, now));
            }
            let failure = if which == 0 { missing() } else { denied() };
            let (number, launched) = match out {
                Some(probe) if step < 4 => { out = None; probe }
                _ => { n += 1; (n, now - 20) }
            };
            let effects = match step % 4 {
                0 => saw(&mut breakers, number, launched, now, Outcome::Started),
                1 | 2 => saw(&mut breakers, number, launched, now, Outcome::Failed(&failure)),
                _ => saw(&mut breakers, number, launched, now, Outcome::Inconclusive),
            };
            for change in &effects.changes {
                match change {
                    BreakerChange::Opened(reason) => prop_assert!(open.insert(reason.error.clone()), "told twice"),
                    BreakerChange::Closed(reason, _) => prop_assert!(open.remove(&reason.error), "never told of"),
                }
            }
            prop_assert_eq!(breakers.open().len(), open.len());
            if open.is_empty() {
                prop_assert_eq!(may_go(&breakers), None);
                out = None;
            } else {
                prop_assert!(breakers.next().is_some() || may_go(&breakers) == Some(true) || out.is_some());
            }
        }
    }
}
