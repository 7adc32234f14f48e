//! What happened lately: an hour of minutes, and how long each phase of a start took.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use super::times::Times;
use crate::core::failure::Class;
use crate::core::run::{Attempt, Status};
use crate::core::time::Timestamp;
use crate::core::transition::Transition;

/// The span of one bucket.
pub const BUCKET: Duration = Duration::from_secs(60);
/// How many are kept: an hour.
pub const BUCKETS: usize = 60;

/// Over how many seconds the launch rate is taken.
const RATE_SECONDS: i64 = 10;

/// What happened in one minute.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Bucket {
    /// When it began.
    pub at: Timestamp,
    /// Runs accepted.
    pub submitted: u64,
    /// Tasks placed by RunTask.
    pub launched: u64,
    /// Tasks that reached RUNNING.
    pub started: u64,
    /// RunTask calls throttled.
    pub throttles: u64,
    /// DescribeTasks answers that told what an event should have.
    pub corrections: u64,
    /// Task events of this cell.
    pub events: u64,
    /// Runs ended, by status.
    pub ended: BTreeMap<Status, u64>,
    /// Attempts failed, by class.
    pub failures: BTreeMap<Class, u64>,
}

/// From a run's request to its task's RUNNING, by phase.
#[derive(Debug, Default)]
pub struct Phases {
    /// From its place in the launch queue to RunTask: ours.
    pub queue: Times,
    /// From ECS's `createdAt` to `pullStartedAt`: placement, network interface, machine.
    pub provisioning: Times,
    /// From `pullStartedAt` to `pullStoppedAt`.
    pub pull: Times,
    /// From `pullStoppedAt` to `startedAt`.
    pub start: Times,
    /// From its place in the launch queue to `startedAt`.
    pub total: Times,
}

/// Counts since the cell began, and by the minute.
#[derive(Debug, Default)]
pub(in crate::cell) struct Stats {
    buckets: Mutex<VecDeque<Bucket>>,
    totals: Mutex<Totals>,
    /// Tasks placed, by the second: the last ones.
    placed: Mutex<VecDeque<(i64, u64)>>,
    pub(in crate::cell) phases: Phases,
}

/// Since the cell began.
#[derive(Clone, Debug, Default)]
pub struct Totals {
    /// Runs ended, by status.
    pub ended: BTreeMap<Status, u64>,
    /// Attempts failed, by class.
    pub failures: BTreeMap<Class, u64>,
}

impl Stats {
    /// Changes this minute's bucket.
    pub(in crate::cell) fn count(&self, now: Timestamp, change: impl FnOnce(&mut Bucket)) {
        let span = i64::try_from(BUCKET.as_millis()).unwrap_or(i64::MAX);
        let at = Timestamp::from_millis(now.millis().div_euclid(span) * span);
        let mut buckets = self.buckets.lock().unwrap_or_else(PoisonError::into_inner);
        if buckets.back().is_none_or(|last| last.at < at) {
            buckets.push_back(Bucket { at, ..Bucket::default() });
            while buckets.len() > BUCKETS {
                buckets.pop_front();
            }
        }
        if let Some(last) = buckets.back_mut() {
            change(last);
        }
    }

    /// The minutes in which anything happened, of the last hour, oldest first.
    pub(in crate::cell) fn buckets(&self, now: Timestamp) -> Vec<Bucket> {
        let hour = BUCKET * u32::try_from(BUCKETS).unwrap_or(u32::MAX);
        let buckets = self.buckets.lock().unwrap_or_else(PoisonError::into_inner);
        buckets.iter().filter(|bucket| now.since(bucket.at) < hour).cloned().collect()
    }

    pub(in crate::cell) fn totals(&self) -> Totals {
        self.totals.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn place(&self, now: Timestamp) {
        let second = now.millis() / 1000;
        let mut placed = self.placed.lock().unwrap_or_else(PoisonError::into_inner);
        match placed.back_mut().filter(|(at, _)| *at >= second) {
            Some((_, count)) => *count += 1,
            None => placed.push_back((second, 1)),
        }
        while placed.front().is_some_and(|(at, _)| *at < second - RATE_SECONDS) {
            placed.pop_front();
        }
    }

    /// Tasks placed a second, over the last whole seconds.
    pub(in crate::cell) fn launch_rate(&self, now: Timestamp) -> f64 {
        let second = now.millis() / 1000;
        let placed = self.placed.lock().unwrap_or_else(PoisonError::into_inner);
        let lately = placed.iter().filter(|(at, _)| (second - RATE_SECONDS..second).contains(at));
        lately.map(|(_, count)| *count).sum::<u64>() as f64 / RATE_SECONDS as f64
    }

    /// Counts what a run's transition says.
    pub(in crate::cell) fn note(&self, transition: &Transition<'_>, now: Timestamp) {
        let placed = transition.placed().is_some();
        let running = transition.running();
        let failure = transition.failed().map(|failure| failure.class);
        let ended = transition.ended();
        if placed {
            self.place(now);
        }
        if let Some(attempt) = running {
            self.phases.note(attempt);
        }
        if failure.is_some() || ended.is_some() {
            let mut totals = self.totals.lock().unwrap_or_else(PoisonError::into_inner);
            failure.iter().for_each(|class| *totals.failures.entry(*class).or_default() += 1);
            ended.iter().for_each(|status| *totals.ended.entry(*status).or_default() += 1);
        }
        if placed || running.is_some() || failure.is_some() || ended.is_some() {
            self.count(now, |bucket| {
                bucket.launched += u64::from(placed);
                bucket.started += u64::from(running.is_some());
                failure.iter().for_each(|class| *bucket.failures.entry(*class).or_default() += 1);
                ended.iter().for_each(|status| *bucket.ended.entry(*status).or_default() += 1);
            });
        }
    }
}

impl Phases {
    /// The task of an attempt has just been seen to have reached RUNNING.
    fn note(&self, attempt: &Attempt) {
        let [queued, launched, created] = [attempt.queued_at, attempt.launched_at, attempt.created_at];
        let [pulls, pulled, started] = [attempt.pull_started_at, attempt.pull_stopped_at, attempt.started_at];
        for (phase, from, to) in [
            (&self.queue, queued, launched),
            (&self.provisioning, created, pulls),
            (&self.pull, pulls, pulled),
            (&self.start, pulled, started),
            (&self.total, queued, started),
        ] {
            if let (Some(from), Some(to)) = (from, to) {
                phase.record(to.since(from));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::core::failure;
    use crate::core::ids::Token;
    use crate::core::machine::{Input, Observation, apply};
    use crate::core::request::RunSpec;
    use crate::core::run::Run;
    use crate::core::run_task::RunTask;
    use crate::core::transition::Snapshot;
    use crate::core::verdict::Verdict;

    const T0: Timestamp = Timestamp::from_millis(1_800_000_000_000);

    fn at(seconds: u64) -> Timestamp {
        T0.plus(Duration::from_secs(seconds))
    }

    struct Case(Run, Stats);

    impl Case {
        fn give(&mut self, seconds: u64, input: &Input) {
            let before = Snapshot::of(&self.0);
            apply(&mut self.0, input, at(seconds));
            self.1.note(&Transition::between(before, &self.0), at(seconds));
        }
    }

    #[tokio::test(start_paused = true)]
    async fn phases_are_told_by_ecss_own_times_and_each_failure_and_end_once() {
        let mut spec = RunSpec::new(RunTask::default());
        spec.until = crate::core::request::Goal::Stopped;
        let mut case = Case(Run::new(uuid::Uuid::nil(), "r".into(), 0, Arc::new(spec), T0), Stats::default());
        case.give(0, &Input::Submitted);
        case.give(2, &Input::Launching { token: Token::of(["t"]), group_size: 1 });
        case.give(3, &Input::Refused(failure::from_refusal("AGENT", None)));
        case.give(13, &Input::Due);
        case.give(15, &Input::Launching { token: Token::of(["u"]), group_size: 1 });
        let mut seen = Observation {
            task_arn: "arn".into(),
            token: Some(Token::of(["u"])),
            version: 1,
            last_status: "RUNNING".into(),
            verdict: Verdict::Running,
            healthy: false,
            exit_code: None,
            created_at: Some(at(15)),
            pull_started_at: Some(at(35)),
            pull_stopped_at: Some(at(65)),
            started_at: Some(at(70)),
            stopped_at: None,
            log: None,
        };
        case.give(71, &Input::Observed(seen.clone()));
        case.give(71, &Input::Observed(seen.clone()));
        seen.version = 2;
        case.give(72, &Input::Observed(seen.clone()));
        (seen.version, seen.verdict) = (3, Verdict::Succeeded);
        case.give(80, &Input::Observed(seen.clone()));
        case.give(81, &Input::Observed(seen));
        let phases = &case.1.phases;
        let seconds = |times: &Times| (times.count(), times.steps().sum_seconds);
        assert_eq!(seconds(&phases.queue), (1, 2.0));
        assert_eq!(seconds(&phases.provisioning), (1, 20.0));
        assert_eq!(seconds(&phases.pull), (1, 30.0));
        assert_eq!(seconds(&phases.start), (1, 5.0));
        assert_eq!(seconds(&phases.total), (1, 57.0));
        let totals = case.1.totals();
        assert_eq!(totals.failures, [(Class::Host, 1)].into());
        assert_eq!(totals.ended, [(Status::Succeeded, 1)].into());
        let buckets = case.1.buckets(at(80));
        assert_eq!(buckets.len(), 2);
        assert_eq!((&buckets[0].failures, buckets[1].started), (&totals.failures, 1));
        assert!(case.1.buckets(at(2 * 3600)).is_empty(), "an hour is kept");
    }

    #[test]
    fn no_more_than_an_hour_of_minutes_is_kept() {
        let stats = Stats::default();
        (0..1_000).for_each(|minute| stats.count(at(minute * 60), |bucket| bucket.submitted += 1));
        assert_eq!(stats.buckets(at(999 * 60)).len(), BUCKETS);
        assert_eq!(stats.buckets.lock().unwrap().len(), BUCKETS);
    }
}
