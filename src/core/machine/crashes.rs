//! Property test: what a crash loses of transient changes makes no difference to what becomes of a run.

use std::sync::Arc;

use proptest::prelude::*;

use super::properties::settled;
use super::tests::{failure, seconds, seen, spec};
use super::*;
use crate::core::failure::Transience;
use crate::core::request::{Goal, RunSpec};

/// What happens; numbers are taken modulo what exists.
#[derive(Clone, Debug)]
enum Step {
    /// The task goes on to its next status.
    Goes,
    /// One of the events that there are so far comes, in any order and as often as it likes.
    Event(usize),
    /// The task is described as it is.
    Described {
        healthy: bool,
    },
    Later(i64),
    Due,
    Stop,
    /// The second world loses what was not committed.
    Crash,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        6 => Just(Step::Goes),
        8 => (0..10_usize).prop_map(Step::Event),
        2 => any::<bool>().prop_map(|healthy| Step::Described { healthy }),
        2 => (1..400_i64).prop_map(Step::Later),
        2 => Just(Step::Due),
        1 => Just(Step::Stop),
        6 => Just(Step::Crash),
    ]
}

/// How a task's life is told: statuses in order, up to its end.
const BEFORE: [&str; 3] = ["PROVISIONING", "PENDING", "ACTIVATING"];
const AFTER: [&str; 4] = ["RUNNING", "RUNNING", "DEACTIVATING", "STOPPING"];

fn life(arn: &str, starts: bool, works: bool) -> Vec<Observation> {
    let of = |(n, last_status): (usize, &&str)| {
        let has_run = n >= BEFORE.len();
        let verdict = match *last_status {
            "RUNNING" => Verdict::Running,
            "DEACTIVATING" | "STOPPING" => Verdict::Stopping,
            _ => Verdict::Starting,
        };
        let started_at = has_run.then(|| seconds(3));
        Observation { last_status: (*last_status).into(), started_at, ..seen(arn, n as i64 + 1, verdict) }
    };
    let after = if starts { &AFTER[..] } else { &[] };
    let mut told: Vec<_> = BEFORE.iter().chain(after).enumerate().map(of).collect();
    let verdict = match (starts, works) {
        (true, true) => Verdict::Succeeded,
        (true, false) => Verdict::Failed(Box::new(failure("Boom", Transience::Transient))),
        (false, _) => Verdict::Failed(Box::new(failure("TaskFailedToStart", Transience::Transient))),
    };
    for last_status in ["DEPROVISIONING", "STOPPED"] {
        let version = told.len() as i64 + 1;
        let started_at = starts.then(|| seconds(3));
        let exit_code = starts.then_some(i64::from(!works));
        let end = seen(arn, version, verdict.clone());
        told.push(Observation { last_status: last_status.into(), started_at, exit_code, ..end });
    }
    told
}

/// The same history, once with everything remembered and once with crashes.
struct Worlds {
    whole: Run,
    crashing: Run,
    committed: Run,
    now: i64,
    tasks: usize,
    task: Vec<Observation>,
    /// How far the task is.
    at: usize,
    /// Whether tasks start, and whether they do their work: bit n is for the n-th.
    fates: (u8, u8),
}

impl Worlds {
    fn new(spec: RunSpec, fates: (u8, u8)) -> Self {
        let run = Run::new(uuid::Uuid::from_u128(7), "r".into(), 0, Arc::new(spec), seconds(0));
        let (whole, crashing, committed) = (run.clone(), run.clone(), run);
        let mut worlds = Self { whole, crashing, committed, now: 0, tasks: 0, task: Vec::new(), at: 0, fates };
        worlds.give(&Input::Submitted);
        worlds
    }

    fn give(&mut self, input: &Input) {
        let now = seconds(self.now);
        apply(&mut self.whole, input, now);
        let applied = apply(&mut self.crashing, input, now);
        if applied.change == ChangeKind::Durable {
            assert!(self.crashing.revision > self.committed.revision, "a later record has a higher revision");
            self.committed = self.crashing.clone();
        }
        assert_eq!(settled(&self.whole), settled(&self.crashing), "after {input:?}");
    }

    /// What waits for a launch gets its task.
    fn launch(&mut self) {
        let waits = self.whole.attempt().is_some_and(|a| a.stage == Stage::Waiting) && !self.whole.status.is_final();
        if !waits {
            return;
        }
        let arn = format!("t{}", self.tasks);
        let fate = |fates: u8| fates >> (self.tasks % 8) & 1 == 1;
        (self.task, self.at) = (life(&arn, fate(self.fates.0), fate(self.fates.1)), 0);
        self.tasks += 1;
        self.give(&Input::Launching { token: format!("token-{arn}"), group_size: 1 });
        self.give(&Input::Placed { task_arn: arn, created_at: None });
    }

    fn take(&mut self, step: &Step) {
        match step {
            Step::Goes => self.at = (self.at + 1).min(self.task.len() - 1),
            Step::Event(event) => {
                let event = self.task[event % (self.at + 1)].clone();
                self.give(&Input::Observed(event));
            }
            Step::Described { healthy } => {
                let now = self.task[self.at].clone();
                let healthy = *healthy && now.verdict == Verdict::Running;
                self.give(&Input::Observed(Observation { healthy, ..now }));
            }
            Step::Later(seconds) => self.now += seconds,
            Step::Due => self.give(&Input::Due),
            Step::Stop => self.give(&Input::StopAsked { reason: "enough".into() }),
            Step::Crash => self.crashing = self.committed.clone(),
        }
        self.launch();
    }

    /// The task's last event comes, and so on with each attempt.
    fn end(&mut self) {
        for _ in 0..20 {
            self.take(&Step::Crash);
            self.at = self.task.len() - 1;
            self.take(&Step::Event(self.at));
            self.now += 1_000;
            self.take(&Step::Due);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 600, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_crash_that_loses_every_transient_change_ends_in_the_same_status(
        until in prop_oneof![Just(Goal::Running), Just(Goal::Stopped), Just(Goal::Healthy)],
        timeout in prop_oneof![Just(None), (1..2_000_u64).prop_map(Some)],
        fates in any::<(u8, u8)>(),
        steps in proptest::collection::vec(step(), 1..60),
    ) {
        let mut worlds = Worlds::new(RunSpec { timeout_seconds: timeout, ..spec(until, 3) }, fates);
        worlds.launch();
        steps.iter().for_each(|step| worlds.take(step));
        worlds.end();
        prop_assert!(worlds.whole.status.is_final(), "{:?}", worlds.whole);
        let end = |run: &Run| (run.status, run.attempts.total(), run.ended_by.clone(), run.failure().cloned());
        prop_assert_eq!(end(&worlds.whole), end(&worlds.crashing));
    }
}
