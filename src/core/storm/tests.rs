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

fn rules() -> StormRules {
    StormRules { failures: 3, ..StormRules::default() }
}

fn saw(storms: &mut Storms, n: u128, launched: i64, now: i64, outcome: Outcome<'_>) -> Follows {
    let name = format!("run-{n}");
    let seen = Seen { task_definition: "etl:7", run: run(n), name: &name, launched_at: Some(at(launched)), outcome };
    storms.saw(&seen, at(now))
}

fn fails(storms: &mut Storms, n: u128, launched: i64, now: i64) -> Follows {
    saw(storms, n, launched, now, Outcome::Failed(&missing()))
}

/// A storm of three failures in seconds 0 to 2, paused at 2.
fn paused() -> Storms {
    let mut storms = Storms::new(rules(), Vec::new());
    for n in 0..3 {
        fails(&mut storms, n, 0, n as i64);
    }
    storms
}

/// The same with its first probe out as run 10, at 62.
fn probing() -> Storms {
    let mut storms = paused();
    assert!(storms.due(at(62)));
    storms.probing("etl:7", run(10));
    storms
}

fn may_go(storms: &Storms) -> Option<bool> {
    storms.gate().paused.get("etl:7").copied()
}

#[test]
fn permanent_failures_are_permanent() {
    assert!(seen_outcome_is_permanent(&missing()) && seen_outcome_is_permanent(&denied()));
}

fn seen_outcome_is_permanent(failure: &Failure) -> bool {
    failure.transience == crate::core::failure::Transience::Permanent
}

#[test]
fn so_many_failures_in_the_window_pause_and_are_told_once() {
    let mut storms = Storms::new(rules(), Vec::new());
    assert_eq!(fails(&mut storms, 0, 0, 0), Follows::default());
    assert_eq!(fails(&mut storms, 1, 0, 30), Follows::default());
    let follows = fails(&mut storms, 2, 0, 60);
    let [Turn::Paused(storm)] = follows.turns.as_slice() else { panic!("{follows:?}") };
    assert_eq!((storm.task_definition.as_str(), storm.error.as_str()), ("etl:7", "ECS.ClientException"));
    assert_eq!((storm.failures, storm.since, storm.paused_at), (3, at(0), at(60)));
    assert_eq!(storm.examples, ["run-0", "run-1", "run-2"]);
    assert_eq!((storm.next_probe_at, follows.keep), (Some(at(120)), true));
    assert_eq!(may_go(&storms), Some(false));
    // Those that were under way count, and are not told of again.
    assert_eq!(fails(&mut storms, 3, 50, 61), Follows::default());
    assert_eq!(storms.storms()[0].failures, 4);
}

#[test]
fn slow_failures_and_other_reasons_and_other_task_definitions_are_no_storm() {
    let mut storms = Storms::new(rules(), Vec::new());
    for n in 0..20 {
        assert_eq!(fails(&mut storms, n, 0, 31 * n as i64).turns, []);
    }
    let mut storms = Storms::new(rules(), Vec::new());
    for n in 0..4 {
        let failure = if n % 2 == 0 { missing() } else { denied() };
        assert_eq!(saw(&mut storms, n, 0, 0, Outcome::Failed(&failure)).turns, []);
        let name = format!("app:{n}");
        let seen = Seen {
            task_definition: &name,
            run: run(9),
            name: "x",
            launched_at: Some(at(0)),
            outcome: Outcome::Failed(&missing()),
        };
        assert_eq!(storms.saw(&seen, at(0)).turns, []);
    }
}

#[test]
fn a_start_voids_the_failures_of_what_was_launched_before_it() {
    let mut storms = Storms::new(rules(), Vec::new());
    fails(&mut storms, 0, 10, 11);
    fails(&mut storms, 1, 10, 12);
    // Launched before them, started after they failed: that says nothing of what came later.
    saw(&mut storms, 2, 5, 13, Outcome::Started);
    assert_eq!(fails(&mut storms, 3, 10, 14).turns.len(), 1);
    let mut storms = Storms::new(rules(), Vec::new());
    fails(&mut storms, 0, 10, 11);
    fails(&mut storms, 1, 10, 12);
    saw(&mut storms, 2, 12, 13, Outcome::Started);
    assert_eq!(fails(&mut storms, 3, 13, 14).turns.len(), 0);
}

#[test]
fn one_probe_at_a_time_and_ever_more_rarely() {
    let mut storms = paused();
    let (mut now, mut waits) = (2, Vec::new());
    for n in 10..18 {
        let next = storms.next().unwrap();
        waits.push(next.since(at(now)).as_secs());
        now = (next.millis() - at(0).millis()) / 1000;
        assert!(!storms.due(at(now - 1)) && storms.due(at(now)));
        assert_eq!((may_go(&storms), storms.next()), (Some(true), None));
        storms.probing("etl:7", run(n));
        assert_eq!((may_go(&storms), storms.next()), (Some(false), None));
        now += 5;
        let follows = fails(&mut storms, n, now, now);
        assert!(follows.keep && follows.turns.is_empty());
    }
    assert_eq!(waits, [60, 120, 240, 480, 600, 600, 600, 600]);
    assert_eq!((storms.storms()[0].failed_probes, storms.storms()[0].failures), (8, 11));
}

#[test]
fn a_probe_that_starts_ends_the_storm() {
    let mut storms = probing();
    let follows = saw(&mut storms, 10, 62, 70, Outcome::Started);
    assert!(matches!(follows.turns.as_slice(), [Turn::Resumed(storm, Why::Started)] if storm.failures == 3));
    assert_eq!((may_go(&storms), storms.storms().len(), follows.keep), (None, 0, true));
    assert_eq!(fails(&mut storms, 11, 71, 72).turns, [], "it counts from one again");
}

#[test]
fn a_task_from_before_the_pause_ends_it_neither_by_starting_nor_by_failing_otherwise() {
    let mut storms = probing();
    assert_eq!(saw(&mut storms, 4, 1, 70, Outcome::Started).turns, []);
    assert_eq!(saw(&mut storms, 5, 1, 71, Outcome::Failed(&denied())).turns, []);
    assert_eq!(may_go(&storms), Some(false));
}

#[test]
fn a_probe_that_fails_for_another_reason_ends_the_storm_and_counts_for_the_other() {
    let mut storms = probing();
    let follows = saw(&mut storms, 10, 62, 70, Outcome::Failed(&denied()));
    assert!(matches!(follows.turns.as_slice(), [Turn::Resumed(_, Why::OtherReason)]), "{follows:?}");
    saw(&mut storms, 11, 70, 71, Outcome::Failed(&denied()));
    let follows = saw(&mut storms, 12, 70, 72, Outcome::Failed(&denied()));
    assert!(matches!(follows.turns.as_slice(), [Turn::Paused(storm)] if storm.failures == 3));
}

#[test]
fn a_probe_that_says_nothing_is_followed_by_another_after_the_usual_wait() {
    let mut storms = probing();
    let follows = saw(&mut storms, 10, 62, 100, Outcome::Inconclusive);
    assert_eq!((follows.turns.len(), follows.keep, storms.next()), (0, true, Some(at(160))));
    // One that waits again, because RunTask was throttled, costs nothing.
    let mut storms = probing();
    assert!(!storms.waits_again(run(11)) && storms.waits_again(run(10)));
    assert_eq!(may_go(&storms), Some(true));
}

#[test]
fn two_reasons_are_two_storms_of_one_pause() {
    let mut storms = paused();
    for n in 3..5 {
        assert_eq!(saw(&mut storms, n, 1, 3, Outcome::Failed(&denied())).turns, []);
    }
    let follows = saw(&mut storms, 5, 1, 3, Outcome::Failed(&denied()));
    assert!(matches!(follows.turns.as_slice(), [Turn::Paused(storm)] if storm.error == denied().error));
    assert_eq!((storms.storms().len(), storms.gate().paused.len()), (2, 1));
    storms.due(at(62));
    storms.probing("etl:7", run(10));
    // The probe fails for the second: the first one is over, launches stay paused.
    let follows = saw(&mut storms, 10, 62, 63, Outcome::Failed(&denied()));
    assert!(matches!(follows.turns.as_slice(), [Turn::Resumed(storm, _)] if storm.error == missing().error));
    assert_eq!((may_go(&storms), storms.storms().len()), (Some(false), 1));
}

#[test]
fn an_operator_ends_it_and_a_storm_that_comes_back_soon_goes_on_with_its_waits() {
    let mut storms = paused();
    assert_eq!(storms.resume(|name| name == "other", at(5)), Follows::default());
    let follows = storms.resume(|name| name == "etl:7", at(5));
    assert!(matches!(follows.turns.as_slice(), [Turn::Resumed(_, Why::Operator)]));
    assert_eq!(may_go(&storms), None);
    for n in 20..23 {
        fails(&mut storms, n, 6, 6);
    }
    assert_eq!(storms.next(), Some(at(66)));

    let mut storms = probing();
    saw(&mut storms, 10, 62, 70, Outcome::Started);
    for n in 20..23 {
        fails(&mut storms, n, 71, 71);
    }
    assert_eq!(storms.next(), Some(at(71 + 120)), "it flaps");
}

#[test]
fn what_is_kept_opens_again() {
    let mut storms = paused();
    let again = Storms::new(rules(), storms.storms());
    assert_eq!((again.storms(), again.next(), may_go(&again)), (storms.storms(), Some(at(62)), Some(false)));
    // While a probe is out nobody knows how it ends: after a restart another may go.
    storms.due(at(62));
    storms.probing("etl:7", run(10));
    assert_eq!(may_go(&Storms::new(rules(), storms.storms())), Some(true));
    let text = serde_json::to_string(&storms.storms()).unwrap();
    assert_eq!(serde_json::from_str::<Vec<Storm>>(&text).unwrap(), storms.storms());
    assert!(Storms::new(StormRules { failures: 0, ..rules() }, storms.storms()).storms().is_empty());
}

#[test]
fn what_was_seen_is_told_by_before_and_after() {
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
            seen.extend(Seen::of(&Transition::between(before, &run)).map(|seen| {
                assert_eq!(seen.task_definition, "etl:7");
                format!("{:?}", seen.outcome).split('(').next().unwrap_or_default().to_owned()
            }));
        }
        seen
    };
    let launching = Input::Launching { token: "t".into(), group_size: 1 };
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
    /// Whatever happens: a storm is told of once when it comes and once when it goes, no more than one probe is out, and what
    /// is paused has a next probe, one that may go, or one that is out.
    #[test]
    fn any_history_is_told_once_and_never_stuck(steps in prop::collection::vec((0_u8..8, 0_u8..2, 0_i64..40), 1..400)) {
        let mut storms = Storms::new(rules(), Vec::new());
        let (mut now, mut n, mut out) = (0, 100, None);
        let mut open = std::collections::BTreeSet::new();
        for (step, which, wait) in steps {
            now += wait;
            storms.due(at(now));
            if may_go(&storms) == Some(true) && out.is_none() {
                n += 1;
                storms.probing("etl:7", run(n));
                out = Some((n, now));
            }
            let failure = if which == 0 { missing() } else { denied() };
            let (number, launched) = match out {
                Some(probe) if step < 4 => { out = None; probe }
                _ => { n += 1; (n, now - 20) }
            };
            let follows = match step % 4 {
                0 => saw(&mut storms, number, launched, now, Outcome::Started),
                1 | 2 => saw(&mut storms, number, launched, now, Outcome::Failed(&failure)),
                _ => saw(&mut storms, number, launched, now, Outcome::Inconclusive),
            };
            for turn in &follows.turns {
                match turn {
                    Turn::Paused(storm) => prop_assert!(open.insert(storm.error.clone()), "told twice"),
                    Turn::Resumed(storm, _) => prop_assert!(open.remove(&storm.error), "never told of"),
                }
            }
            prop_assert_eq!(storms.storms().len(), open.len());
            if open.is_empty() {
                prop_assert_eq!(may_go(&storms), None);
                out = None;
            } else {
                prop_assert!(storms.next().is_some() || may_go(&storms) == Some(true) || out.is_some());
            }
        }
    }
}
