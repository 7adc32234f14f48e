//! Table tests of the state machine.

mod defaults;
mod start;
mod statuses;

use std::sync::Arc;

use super::*;
use crate::core::failure::{Class, Transience};
use crate::core::request::{Goal, Notify, RunSpec};
use crate::core::retry::{Jitter, Retrier, RetryPolicy};
use crate::core::run_task::RunTask;

pub(super) const T0: Timestamp = Timestamp::from_millis(1_800_000_000_000);

pub(super) fn seconds(n: i64) -> Timestamp {
    Timestamp::from_millis(T0.millis() + n * 1000)
}

pub(super) fn spec(until: Goal, retries: u32) -> RunSpec {
    RunSpec {
        until,
        retry: RetryPolicy(vec![Retrier {
            error_equals: vec!["States.ALL".into()],
            interval_seconds: 10,
            max_attempts: retries,
            backoff_rate: 2.0,
            max_delay_seconds: None,
            jitter_strategy: Jitter::None,
        }]),
        ..RunSpec::new(RunTask::default())
    }
}

pub(super) fn failure(name: &str, transience: Transience) -> Failure {
    Failure {
        error: name.into(),
        class: Class::Service,
        transience,
        cause: "cause".into(),
        hint: "hint".into(),
        names: vec![name.into()],
    }
}

/// The token of the call that launched this task.
pub(super) fn token(task: &str) -> Token {
    Token::of([task])
}

pub(in crate::core) fn seen(arn: &str, version: i64, verdict: Verdict) -> Observation {
    let started_at = (verdict == Verdict::Running).then_some(T0);
    Observation {
        task_arn: arn.into(),
        token: Some(token(arn)),
        version,
        last_status: "X".into(),
        verdict,
        healthy: false,
        exit_code: None,
        created_at: Some(T0),
        pull_started_at: None,
        pull_stopped_at: None,
        started_at,
        stopped_at: None,
        log: None,
    }
}

pub(super) fn failed(name: &str) -> Verdict {
    Verdict::Failed(Box::new(failure(name, Transience::Transient)))
}

/// A run under test: every input at the instant given.
pub(super) struct Case(pub(super) Run);

impl Case {
    pub(super) fn new(spec: RunSpec) -> Self {
        let mut case = Self(Run::new(uuid::Uuid::nil(), "r".into(), 0, Arc::new(spec), T0));
        assert_eq!(case.give(0, Input::Submitted), vec![Effect::Launch]);
        case
    }

    pub(super) fn give(&mut self, at: i64, input: Input) -> Vec<Effect> {
        apply(&mut self.0, &input, seconds(at)).effects
    }

    /// RunTask is called for this task.
    pub(super) fn launch(&mut self, at: i64, task: &str) {
        self.give(at, Input::Launching { token: token(task), group_size: 1 });
    }

    pub(super) fn place(&mut self, at: i64, arn: &str) -> Vec<Effect> {
        self.launch(at, arn);
        self.give(at, Input::Placed { task_arn: arn.into(), created_at: None })
    }

    pub(super) fn see(&mut self, at: i64, arn: &str, version: i64, verdict: Verdict) -> Vec<Effect> {
        self.give(at, Input::Observed(seen(arn, version, verdict)))
    }
}

#[test]
fn the_seeds_policy_waits_10_20_and_40_seconds_and_then_fails() {
    let mut case = Case::new(spec(Goal::Stopped, 3));
    let mut at = 0;
    for (n, wait) in [10, 20, 40].into_iter().enumerate() {
        let arn = format!("t{n}");
        case.place(at, &arn);
        assert!(case.see(at, &arn, 3, failed("Boom")).is_empty());
        assert_eq!(case.0.status, Status::PendingRetry);
        assert_eq!(next_deadline(&case.0), Some(seconds(at + wait)));
        at += wait;
        assert_eq!(case.give(at, Input::Due), vec![Effect::Launch]);
    }
    case.place(at, "last");
    assert_eq!(case.see(at, "last", 3, failed("Boom")), vec![Effect::Notify]);
    assert_eq!((case.0.status, case.0.attempts.len()), (Status::Failed, 4));
    assert_eq!(next_deadline(&case.0), None);
}

#[test]
fn running_is_the_goal_or_only_a_step() {
    for (goal, status) in [(Goal::Running, Status::Succeeded), (Goal::Stopped, Status::Running)] {
        let mut case = Case::new(spec(goal, 0));
        case.place(0, "t");
        case.see(1, "t", 2, Verdict::Running);
        assert_eq!(case.0.status, status, "{goal:?}");
    }
}

#[test]
fn stopped_with_started_at_had_reached_running() {
    let mut case = Case::new(spec(Goal::Running, 0));
    case.place(0, "t");
    let stopped = Observation { started_at: Some(T0), ..seen("t", 6, failed("EssentialContainerExited")) };
    case.give(1, Input::Observed(stopped));
    assert_eq!(case.0.status, Status::Succeeded);
}

/// As recorded of ECS: `startedAt` is there, and ECS says that the task never started.
#[test]
fn a_task_that_failed_to_start_reached_nothing_whatever_its_started_at() {
    let mut case = Case::new(spec(Goal::Running, 0));
    case.place(0, "t");
    let stopped = Observation { started_at: Some(T0), ..seen("t", 6, failed("TaskFailedToStart")) };
    case.give(1, Input::Observed(stopped));
    assert_eq!(case.0.status, Status::Failed);
}

#[test]
fn jitter_spreads_the_waits_of_runs_over_the_whole_delay_and_a_replay_waits_as_long() {
    let mut jittered = spec(Goal::Stopped, 1);
    jittered.retry.0[0].interval_seconds = 1000;
    jittered.retry.0[0].jitter_strategy = Jitter::Full;
    let jittered = Arc::new(jittered);
    let wait = |n: u64| {
        let run = Run::new(
            uuid::Uuid::new_v5(&uuid::Uuid::nil(), &n.to_be_bytes()),
            "r".into(),
            0,
            Arc::clone(&jittered),
            T0,
        );
        let mut case = Case(run);
        case.give(0, Input::Submitted);
        case.place(0, "t");
        case.see(0, "t", 3, failed("Boom"));
        case.0.retry_at.map(|at| at.millis() - T0.millis()).unwrap()
    };
    let waits: Vec<i64> = (0..1000).map(wait).collect();
    assert_eq!(waits, (0..1000).map(wait).collect::<Vec<_>>());
    assert!(waits.iter().all(|wait| (0..=1_000_000).contains(wait)));
    for tenth in 0..10 {
        let among = waits.iter().filter(|wait| **wait / 100_000 == tenth).count();
        assert!((60..=140).contains(&among), "{among} of 1000 waits in tenth {tenth}");
    }
}

#[test]
fn older_and_equal_versions_change_nothing() {
    let mut case = Case::new(spec(Goal::Stopped, 0));
    case.place(0, "t");
    case.see(1, "t", 4, Verdict::Running);
    let before = case.0.clone();
    for version in [1, 3, 4] {
        let applied = apply(&mut case.0, &Input::Observed(seen("t", version, failed("Stale"))), seconds(2));
        assert_eq!(applied, Applied::default());
    }
    assert_eq!(case.0.revision, before.revision);
}

#[test]
fn the_task_of_an_ended_run_is_seen_to_have_stopped_and_nothing_else_comes_of_it() {
    let mut case = Case::new(spec(Goal::Stopped, 0));
    case.place(0, "t");
    case.see(1, "t", 4, Verdict::Succeeded);
    let attempt = case.0.attempt().unwrap();
    assert_eq!((attempt.stage, attempt.stopped_at), (Stage::Over, Some(seconds(1))), "when it was over for us");
    let before = case.0.clone();
    let stopped = |version| Observation {
        last_status: TaskStatus::Stopped,
        stopped_at: Some(seconds(14)),
        ..seen("t", version, failed("Late"))
    };
    for other in
        [stopped(4), Observation { last_status: "DEPROVISIONING".into(), ..stopped(5) }, seen("u", 9, failed("X"))]
    {
        assert_eq!(apply(&mut case.0, &Input::Observed(other), seconds(15)), Applied::default());
    }
    let applied = apply(&mut case.0, &Input::Observed(stopped(5)), seconds(15));
    assert_eq!(applied, Applied { change: ChangeKind::Transient, effects: Vec::new() });
    let attempt = case.0.attempt().unwrap();
    assert_eq!((&attempt.last_status, attempt.stopped_at), (&Some(TaskStatus::Stopped), Some(seconds(14))));
    assert_eq!(
        (case.0.status, case.0.finished_at, attempt.failure.as_ref()),
        (before.status, before.finished_at, None)
    );
}

#[test]
fn an_event_that_overtakes_the_answer_places_the_attempt() {
    let mut case = Case::new(spec(Goal::Stopped, 0));
    case.launch(0, "t");
    case.see(1, "another", 2, Verdict::Running);
    assert_eq!(case.0.status, Status::Queued, "a task of another call is not ours");
    case.see(1, "t", 2, Verdict::Running);
    assert_eq!(case.0.status, Status::Running);
    let late = apply(&mut case.0, &Input::Placed { task_arn: "t".into(), created_at: None }, seconds(2));
    assert!(!late.changed());
}

#[test]
fn a_start_timeout_stops_the_task_before_the_next_attempt() {
    let mut case = Case::new(spec(Goal::Running, 1));
    case.place(0, "t1");
    assert_eq!(next_deadline(&case.0), Some(seconds(900)));
    let effects = case.give(900, Input::Due);
    assert!(matches!(&effects[..], [Effect::StopTask { task_arn, .. }] if task_arn == "t1"));
    assert_eq!(case.0.attempts.len(), 1, "no second attempt while the first may live");
    // Too late to count as started: it was killed by us.
    case.see(901, "t1", 3, Verdict::Running);
    assert!(!case.0.status.is_final());
    case.see(930, "t1", 5, failed("UserInitiated"));
    assert_eq!(case.0.status, Status::PendingRetry);
    assert_eq!(case.0.failure().map(|f| f.error.as_str()), Some("Taskwatch.StartTimeout"));
}

#[test]
fn a_stop_that_shows_no_effect_is_sent_again() {
    let mut case = Case::new(spec(Goal::Stopped, 0));
    case.place(0, "t");
    case.give(5, Input::StopAsked { reason: "enough".into() });
    let again = next_deadline(&case.0).unwrap();
    assert!(again > seconds(5));
    let effects = apply(&mut case.0, &Input::Due, again).effects;
    assert!(matches!(&effects[..], [Effect::StopTask { .. }]));
}

#[test]
fn a_stop_while_the_call_is_out_waits_for_its_answer() {
    let mut case = Case::new(spec(Goal::Stopped, 3));
    case.launch(0, "token");
    assert!(case.give(1, Input::StopAsked { reason: "enough".into() }).is_empty());
    assert!(!case.0.status.is_final());
    let effects = case.give(2, Input::Placed { task_arn: "t".into(), created_at: None });
    assert!(matches!(&effects[..], [Effect::StopTask { .. }]));
    assert_eq!(case.see(3, "t", 5, failed("UserInitiated")), vec![Effect::Notify]);
    assert_eq!(case.0.status, Status::Aborted);
}

#[test]
fn a_stop_of_a_waiting_run_ends_it_at_once() {
    let mut case = Case::new(spec(Goal::Stopped, 3));
    assert_eq!(case.give(1, Input::StopAsked { reason: "enough".into() }), vec![Effect::Notify]);
    assert_eq!(case.0.status, Status::Aborted);
    let late = apply(&mut case.0, &Input::Launching { token: token("x"), group_size: 1 }, seconds(2));
    assert!(!late.changed(), "a final run is never launched");
}

#[test]
fn work_that_was_done_before_the_stop_reached_it_counts() {
    let mut case = Case::new(spec(Goal::Stopped, 3));
    case.place(0, "t");
    case.give(1, Input::StopAsked { reason: "enough".into() });
    case.see(2, "t", 5, Verdict::Succeeded);
    assert_eq!(case.0.status, Status::Succeeded);
}

#[test]
fn the_runs_timeout_ends_it_wherever_it_is_and_notifies() {
    let timed = RunSpec { timeout_seconds: Some(60), ..spec(Goal::Stopped, 9) };
    let mut waiting = Case::new(timed.clone());
    waiting.place(0, "t");
    waiting.see(1, "t", 4, failed("Boom"));
    assert_eq!(waiting.0.status, Status::PendingRetry);
    assert_eq!(waiting.give(60, Input::Due), vec![Effect::Notify], "a timeout during the wait notifies as any end");
    assert_eq!(waiting.0.status, Status::TimedOut);
    assert_eq!(waiting.0.failure().map(|f| f.error.as_str()), Some("Taskwatch.RunTimeout"));

    let mut running = Case::new(timed);
    running.place(0, "t");
    running.see(1, "t", 2, Verdict::Running);
    assert!(matches!(&running.give(60, Input::Due)[..], [Effect::StopTask { .. }]));
    running.see(61, "t", 5, failed("UserInitiated"));
    assert_eq!(running.0.status, Status::TimedOut);
}

#[test]
fn a_states_own_timeout_is_seen_by_retry() {
    let timed = RunSpec { attempt_timeout_seconds: Some(60), ..spec(Goal::Stopped, 1) };
    let mut case = Case::new(timed);
    for (start, arn) in [(0, "t1"), (100, "t2")] {
        case.place(start, arn);
        case.see(start + 1, arn, 2, Verdict::Running);
        assert!(matches!(&case.give(start + 60, Input::Due)[..], [Effect::StopTask { .. }]));
        case.see(start + 61, arn, 5, failed("UserInitiated"));
        if start == 0 {
            assert_eq!(case.0.status, Status::PendingRetry);
            case.give(100, Input::Due);
        }
    }
    assert_eq!(case.0.status, Status::TimedOut);
}

#[test]
fn missing_is_not_yet_and_then_lost() {
    let mut case = Case::new(spec(Goal::Stopped, 1));
    case.place(0, "t");
    case.give(200, Input::Missing { task_arn: "t".into() });
    assert_eq!(case.0.status, Status::Starting);
    case.give(400, Input::Missing { task_arn: "t".into() });
    assert_eq!(case.0.status, Status::PendingRetry);
    assert_eq!(case.0.failure().map(|f| f.error.as_str()), Some("Taskwatch.TaskLost"));
}

#[test]
fn a_task_that_was_to_be_stopped_and_is_gone_is_lost_not_timed_out() {
    let mut case = Case::new(spec(Goal::Stopped, 0));
    case.place(0, "t");
    case.give(901, Input::Due);
    case.give(8000, Input::Missing { task_arn: "t".into() });
    assert_eq!(case.0.status, Status::Failed);
    assert_eq!(case.0.failure().map(|f| f.error.as_str()), Some("Taskwatch.TaskLost"));
}

#[test]
fn only_a_failure_that_another_place_may_cure_moves_to_the_next_placement() {
    let placements = vec![serde_json::Map::new(), serde_json::Map::new()];
    for (transience, expected) in [(Transience::Elsewhere, vec![0, 1, 2, 2]), (Transience::Transient, vec![0, 0, 0, 0])]
    {
        let mut case = Case::new(RunSpec { placements: placements.clone(), ..spec(Goal::Stopped, 3) });
        let mut at = 0;
        for _ in 0..3 {
            case.launch(at, "x");
            case.give(at, Input::Refused(failure("RESOURCE:CPU", transience)));
            at += 100;
            case.give(at, Input::Due);
        }
        let places: Vec<usize> = case.0.attempts.iter().map(|a| a.placement).collect();
        assert_eq!(places, expected);
    }
}

#[test]
fn a_throttle_inside_an_answer_is_no_attempt_but_needs_a_new_token() {
    let mut case = Case::new(spec(Goal::Stopped, 0));
    case.launch(0, "x");
    assert_eq!(case.give(1, Input::Deferred), vec![Effect::Launch]);
    let attempt = case.0.attempt().unwrap();
    assert_eq!((attempt.number, attempt.call, attempt.stage), (1, 2, Stage::Waiting));
    assert_eq!(case.0.status, Status::Queued);
}

#[test]
fn healthy_needs_running_and_healthy() {
    let mut case = Case::new(spec(Goal::Healthy, 0));
    case.place(0, "t");
    case.see(1, "t", 3, Verdict::Running);
    assert_eq!(case.0.status, Status::Starting);
    // DescribeTasks tells of health at the version that the event had.
    case.give(2, Input::Observed(Observation { healthy: true, ..seen("t", 3, Verdict::Running) }));
    assert_eq!(case.0.status, Status::Succeeded);
}

#[test]
fn a_restart_repeats_what_was_not_done() {
    let mut case = Case::new(spec(Goal::Stopped, 0));
    assert_eq!(resume(&case.0), vec![Effect::Launch]);
    case.place(0, "t");
    assert!(resume(&case.0).is_empty());
    case.give(1, Input::StopAsked { reason: "enough".into() });
    assert!(matches!(&resume(&case.0)[..], [Effect::StopTask { .. }]));
}

#[test]
fn notify_on_says_which_ends_are_notified() {
    let silent =
        RunSpec { notify: Notify { on: Some(vec![Status::Failed]), ..Notify::default() }, ..spec(Goal::Running, 0) };
    let mut case = Case::new(silent);
    case.place(0, "t");
    assert!(case.see(1, "t", 2, Verdict::Running).is_empty());
}
