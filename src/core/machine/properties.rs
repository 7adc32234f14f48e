//! Property tests of the state machine: whatever happens, in whatever order, the promises hold.

use std::collections::BTreeSet;
use std::sync::Arc;

use proptest::prelude::*;

use super::tests::{failure, seconds, seen, spec, token};
use super::*;
use crate::core::failure::Transience;
use crate::core::request::Goal;

/// One step of a random history; numbers are taken modulo what exists.
#[derive(Clone, Debug)]
enum Step {
    Launch,
    Answer,
    Refuse,
    Defer,
    Event { task: usize, version: i64, kind: u8 },
    Missing,
    Due,
    Later(i64),
    Stop,
    Redrive,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => Just(Step::Launch),
        4 => Just(Step::Answer),
        1 => Just(Step::Refuse),
        1 => Just(Step::Defer),
        8 => (0..6_usize, 0..9_i64, 0..6_u8).prop_map(|(task, version, kind)| Step::Event { task, version, kind }),
        1 => Just(Step::Missing),
        4 => Just(Step::Due),
        3 => (1..500_i64).prop_map(Step::Later),
        1 => Just(Step::Stop),
        1 => Just(Step::Redrive),
    ]
}

/// The world's own book of a run's tasks: an ARN lives from its RunTask until an event ended it.
struct World {
    run: Run,
    now: i64,
    /// Every task ECS ever made for this run, in order; one per token.
    tasks: Vec<String>,
    dead: BTreeSet<String>,
    notified: usize,
    finals: BTreeSet<Status>,
    redrives: usize,
}

const RETRIES: u32 = 3;

/// A run without what a transient change may change.
pub(super) fn settled(run: &Run) -> serde_json::Value {
    let mut run = run.clone();
    run.revision = 0;
    if let Some(attempt) = run.attempts.last_mut() {
        (attempt.version, attempt.last_status, attempt.heard_at) = (0, None, None);
        (attempt.created_at, attempt.pull_started_at, attempt.pull_stopped_at) = (None, None, None);
        attempt.started_at = attempt.started_at.map(|_| seconds(0));
        attempt.exit_code = attempt.exit_code.map(|_| 0);
        attempt.stopped_at = attempt.stopped_at.filter(|_| attempt.stage == Stage::Over).map(|_| seconds(0));
    }
    serde_json::to_value(&run).unwrap()
}

impl World {
    fn new(until: Goal, timeout: Option<u64>, start: Option<i64>) -> Self {
        let start_at = start.map(seconds);
        let spec = crate::core::request::RunSpec { timeout_seconds: timeout, start_at, ..spec(until, RETRIES) };
        let run = Run::new(uuid::Uuid::from_u128(7), "r".into(), 0, Arc::new(spec), seconds(0));
        let mut world = Self {
            run,
            now: 0,
            tasks: Vec::new(),
            dead: BTreeSet::new(),
            notified: 0,
            finals: BTreeSet::new(),
            redrives: 0,
        };
        world.give(Input::Submitted);
        world
    }

    fn give(&mut self, input: Input) {
        let before = self.run.clone();
        let applied = apply(&mut self.run, &input, seconds(self.now));
        self.notified += applied.effects.iter().filter(|e| **e == Effect::Notify).count();
        if self.run.status.is_final() {
            self.finals.insert(self.run.status);
        }
        if !applied.changed() {
            assert_eq!(serde_json::to_value(&before).unwrap(), serde_json::to_value(&self.run).unwrap());
            assert!(applied.effects.is_empty());
        }
        if applied.change == ChangeKind::Transient {
            assert_eq!(settled(&before), settled(&self.run), "a transient change touches what no decision reads");
            assert!(applied.effects.is_empty());
        }
        assert_eq!(self.run.revision, before.revision + u64::from(applied.changed()));
        if before.status.is_final() && input != Input::Redriven {
            assert!(!applied.changed(), "a final run changes by a redrive only");
        }
        if applied.changed() && input == Input::Redriven {
            assert!(before.can_be_redriven(), "redriven though {:?}", before.status);
            assert_eq!(self.run.attempts[..before.attempts.len()], before.attempts[..], "its history is kept");
            self.finals.clear();
            self.notified = 0;
            self.redrives += 1;
        }
    }

    fn take(&mut self, step: &Step) {
        let launching = self.run.attempt().is_some_and(|a| a.stage == Stage::Launching) && !self.run.status.is_final();
        match step {
            Step::Launch => {
                let waiting = self.run.attempt().is_some_and(|a| a.stage == Stage::Waiting);
                if waiting && !self.run.status.is_final() {
                    let task = format!("t{}", self.tasks.len());
                    self.give(Input::Launching { token: token(&task), group_size: 1 });
                    self.tasks.push(task);
                }
            }
            Step::Answer if launching => {
                let task_arn = self.tasks.last().cloned().unwrap_or_default().into();
                self.give(Input::Placed { task_arn, created_at: None });
            }
            Step::Refuse | Step::Defer if launching => {
                // ECS says that it made no task for this call.
                self.dead.extend(self.tasks.last().cloned());
                self.give(match step {
                    Step::Refuse => Input::Refused(failure("RESOURCE:CPU", Transience::Elsewhere)),
                    _ => Input::Deferred,
                });
            }
            Step::Event { task, version, kind } if !self.tasks.is_empty() => self.event(*task, *version, *kind),
            Step::Missing => {
                let live = self.run.attempt().filter(|a| a.task_arn.is_some()).cloned();
                if let Some(attempt) = live {
                    let arn = attempt.task_arn.unwrap();
                    if self.now * 1000 - attempt.placed_at.map_or(0, |t| t.since(seconds(0)).as_millis() as i64)
                        >= 300_000
                    {
                        self.dead.insert(arn.to_string());
                    }
                    self.give(Input::Missing { task_arn: arn });
                }
            }
            Step::Due => {
                if let Some(at) = next_deadline(&self.run) {
                    self.now = self.now.max(at.since(seconds(0)).as_secs() as i64 + 1);
                }
                self.give(Input::Due);
            }
            Step::Later(seconds) => self.now += seconds,
            Step::Stop => self.give(Input::StopAsked { reason: "enough".into() }),
            Step::Redrive => self.give(Input::Redriven),
            _ => {}
        }
    }

    fn event(&mut self, task: usize, version: i64, kind: u8) {
        let arn = self.tasks[task % self.tasks.len()].clone();
        if self.dead.contains(&arn) {
            // Stale: a duplicate of something that was told before.
            return self.give(Input::Observed(seen(&arn, version.min(4), Verdict::Running)));
        }
        let verdict = match kind {
            0 => Verdict::Starting,
            1 | 2 => Verdict::Running,
            3 => Verdict::Stopping,
            4 => Verdict::Succeeded,
            _ => Verdict::Failed(Box::new(failure("Boom", Transience::Transient))),
        };
        let over = matches!(verdict, Verdict::Succeeded | Verdict::Failed(_));
        // An end is always the highest version of its task.
        let version = if over { 100 } else { version };
        if over {
            self.dead.insert(arn.clone());
        }
        self.give(Input::Observed(seen(&arn, version, verdict)));
    }

    fn check(&self) {
        let live: Vec<_> = self.tasks.iter().filter(|t| !self.dead.contains(*t)).collect();
        assert!(live.len() <= 1, "two live tasks: {live:?}");
        let stages = self.run.attempts.iter().filter(|a| a.stage != Stage::Over).count();
        assert!(stages <= 1, "two live attempts");
        let allowed = (RETRIES as usize + 1) * (self.redrives + 1);
        assert!(self.run.attempts.len() <= allowed, "more attempts than the policy allows");
        let numbers: Vec<u32> = self.run.attempts.iter().map(|a| a.number).collect();
        assert!(numbers.iter().copied().eq(1..=numbers.len() as u32), "numbered on: {numbers:?}");
        assert!(self.finals.len() <= 1, "two final states: {:?}", self.finals);
        assert_eq!(self.notified, self.finals.len(), "told once, at the end");
        assert!(
            self.run.status.is_final() || next_deadline(&self.run).is_some() || {
                let attempt = self.run.attempt().unwrap();
                // Only these wait for somebody else: a launch slot, RunTask's answer, or the task itself.
                matches!(attempt.stage, Stage::Waiting | Stage::Launching | Stage::Placed)
            },
            "nothing will ever happen to {:?}",
            self.run
        );
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 600, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_history_keeps_the_invariants(
        until in prop_oneof![Just(Goal::Running), Just(Goal::Stopped), Just(Goal::Healthy)],
        timeout in prop_oneof![Just(None), (1..2_000_u64).prop_map(Some)],
        start in prop_oneof![4 => Just(None), 1 => (-10..500_i64).prop_map(Some)],
        steps in proptest::collection::vec(step(), 1..80),
    ) {
        let mut world = World::new(until, timeout, start);
        for step in &steps {
            world.take(step);
            world.check();
        }
    }

    #[test]
    fn a_history_that_goes_on_comes_to_an_end(steps in proptest::collection::vec(step(), 1..40)) {
        let mut world = World::new(Goal::Stopped, None, None);
        for step in &steps {
            world.take(step);
        }
        for _ in 0..40 {
            for step in [Step::Launch, Step::Answer, Step::Event { task: world.tasks.len().saturating_sub(1), version: 100, kind: 5 }, Step::Due] {
                world.take(&step);
                world.check();
            }
        }
        prop_assert!(world.run.status.is_final(), "{:?}", world.run);
    }
}
