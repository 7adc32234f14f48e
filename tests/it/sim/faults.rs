//! Faults that are switched on one by one: what the world does that a cell may not have been made for.

use rand::rngs::SmallRng;
use rand::{Rng, SeedableRng};

use super::plan::{Away, HOUR, MINUTE, Plan, SECOND, pick};

/// A kind of trouble, and the checks that go with it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fault {
    /// RunTask is refused before its token is looked up: also a call that took effect and whose answer was lost.
    RefusalInDoubt,
    /// ListTasks is behind by some seconds, and is refused, throttled and not answered at times.
    ListTasks,
    /// The machine sleeps: the process stands still, and so does its monotonic clock; the world goes on.
    Suspend,
    /// DescribeTaskDefinition of one family is never answered.
    HungDefinition,
    /// DescribeTasks is refused.
    DescribeRefused,
    /// Requests come twice at once, and are stopped by name as they come.
    Races,
    /// Ended runs are begun again, also as their request comes once more.
    Redrives,
    /// The process comes back to a backlog of events. What they say is no lost event, though DescribeTasks says it first.
    Backlog,
    /// The process is ended and begun again without a pause. Deadlines hold all the same.
    RestartLoop,
    /// RunTask is throttled at random.
    Throttles,
    /// Others launch in the same account.
    Others,
    /// There is room for a few tasks at once, and each holds its place until ECS has taken it down.
    LittleRoom,
}

/// What the faults add to a plan. All off by default.
#[derive(Clone, Debug, Default)]
pub(super) struct Faults {
    /// Share of the RunTask calls that are refused whether their token is known or not.
    pub(super) refused_early: f64,
    /// A task may be missing from ListTasks for so long, in milliseconds.
    pub(super) list_lag: u64,
    pub(super) list_fails: f64,
    /// Of which requests the machine sleeps as they have come, and for how long.
    pub(super) suspends: Vec<(usize, u64)>,
    /// From when to when DescribeTaskDefinition of [`HUNG`] is not answered.
    pub(super) hung: Option<(u64, u64)>,
    /// Share of requests that race with a copy of theirs and with a stop.
    pub(super) races: f64,
    /// Share of requests whose runs are begun again.
    pub(super) redriven: f64,
    /// No more corrections may be counted than events were lost.
    pub(super) counts_corrections: bool,
    /// How often others launch.
    pub(super) launches: usize,
    /// Deadlines hold, however often the process begins anew.
    pub(super) keeps_deadlines: bool,
    /// No more tasks have their places at once than may be in flight.
    pub(super) counts_places: bool,
}

/// The family whose definition cannot be read.
pub(super) const HUNG: &str = "family-3";

impl Plan {
    /// This plan with a fault.
    pub(super) fn with(mut self, fault: Fault) -> Self {
        let mut dice = SmallRng::seed_from_u64(self.seed ^ (0xfa_0175 + fault as u64));
        let horizon = self.horizon;
        let mut instants = |from: usize, to: usize| -> Vec<u64> {
            let count = dice.random_range(from..=to);
            (0..count).map(|_| dice.random_range(0..horizon * 4 / 5)).collect()
        };
        match fault {
            Fault::RefusalInDoubt => {
                let windows = instants(1, 4);
                self.faults.refused_early = *pick(&mut dice, &[0.0, 0.05, 0.3]);
                self.answer_lost = self.answer_lost.max(0.1);
                self.open(&windows, &[MINUTE, 5 * MINUTE], Away::Permission, &mut dice);
            }
            Fault::ListTasks => {
                self.faults.list_lag = *pick(&mut dice, &[5 * SECOND, 30 * SECOND]);
                self.faults.list_fails = 0.3;
                // Away for so long that ECS forgets tokens.
                self.longest_down = HOUR;
                self.crashes.extend([horizon / 4, horizon / 2]);
            }
            Fault::Suspend => {
                // Just as requests come: with calls of which the answers are lost, and events as well.
                (self.answer_lost, self.event_lost) = (0.4, 0.4);
                let longs = (0..3).map(|n| (n, *pick(&mut dice, &[5 * MINUTE, 3 * HOUR, 3 * HOUR])));
                self.faults.suspends = longs.collect();
            }
            Fault::HungDefinition => {
                let still = Self::still(self.seed);
                let ill = Self { event_late: 0.0, delete_fails: 0.0, commit_fails: 0.0, ..still };
                let hung = Some((MINUTE, horizon.min(ill.horizon)));
                self = Self { requests: 20, faults: Faults { hung, ..Faults::default() }, ..ill };
            }
            Fault::DescribeRefused => {
                let windows = instants(1, 4);
                self.open(&windows, &[5 * MINUTE, 40 * MINUTE], Away::Describe, &mut dice);
            }
            Fault::Races => self.faults.races = 0.7,
            Fault::Redrives => {
                self.faults.redriven = 0.7;
                // Ended runs are in the store only.
                self.keep_finished = 0;
            }
            Fault::Backlog => {
                let down = instants(2, 4);
                self = Self { requests: 30, event_late: 0.0, longest_down: 20 * MINUTE, ..Self::still(self.seed) };
                self.crashes = down.into_iter().map(|at| at % self.horizon).collect();
                self.faults.counts_corrections = true;
            }
            Fault::RestartLoop => {
                let from = instants(1, 1)[0];
                let apart = *pick(&mut dice, &[30 * SECOND, 45 * SECOND, 100 * SECOND]);
                self.longest_down = SECOND;
                self.restarts = (0..20).map(|n| from + n * apart).collect();
                self.crashes = (20..40).map(|n| from + n * apart).collect();
                self.task_fails = self.task_fails.max(0.5);
                self.faults.keeps_deadlines = true;
            }
            Fault::Throttles => self.throttled = 0.05,
            Fault::Others => {
                self.faults.launches = *pick(&mut dice, &[10, 30, 60]);
                self.faults.list_lag = *pick(&mut dice, &[0, 5 * SECOND]);
                self.faults.list_fails = *pick(&mut dice, &[0.0, 0.0, 0.1]);
                self.task_fails = self.task_fails.max(0.5);
                self.breaker = *pick(&mut dice, &[0, 0, 0, 3]);
                self.requests = self.requests.min(6);
                self.longest_down = self.longest_down.min(MINUTE);
                self.crash_at_commits = (0..15).map(|_| (dice.random_range(1..400), dice.random_bool(0.5))).collect();
            }
            Fault::LittleRoom => {
                // A new process, and a cell that was told of no STOPPED for 90 s, count fewer tasks than there are.
                self = Self { event_lost: 0.0, event_late: 0.0, requests: 20, ..Self::still(self.seed) };
                self.max_in_flight = *pick(&mut dice, &[1, 3, 8]);
                self.faults.counts_places = true;
            }
        }
        self
    }

    fn open(&mut self, from: &[u64], lengths: &[u64], what: Away, dice: &mut SmallRng) {
        self.windows.extend(from.iter().map(|from| (*from, from + pick(dice, lengths), what)));
    }
}
