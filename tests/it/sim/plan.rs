//! What a seed makes of a world: how big, how long, and how ill it is to be.

use rand::rngs::SmallRng;
use rand::{Rng, SeedableRng};

use super::faults::Faults;

pub(super) const SECOND: u64 = 1_000;
pub(super) const MINUTE: u64 = 60 * SECOND;
pub(super) const HOUR: u64 = 60 * MINUTE;

/// What is away while a window is open.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Away {
    Ecs,
    Events,
    Requests,
    Topic,
    Disk,
    /// Every call: `ExpiredTokenException`.
    Credentials,
    /// EventBridge holds events back and delivers them when it is over.
    Bus,
    /// Every task definition is inactive: RunTask is refused for good.
    Definitions,
    /// A bad deploy: every RunTask is AccessDenied, whether its token is known or not.
    Permission,
    /// Every DescribeTasks is AccessDenied.
    Describe,
}

const ALL_AWAY: [Away; 8] =
    [Away::Ecs, Away::Events, Away::Requests, Away::Topic, Away::Disk, Away::Credentials, Away::Bus, Away::Definitions];

/// Probabilities and bounds; times in milliseconds.
#[derive(Clone, Debug)]
pub(super) struct Plan {
    pub(super) seed: u64,
    /// From here on nothing goes wrong any more, so that everything can come to its end.
    pub(super) horizon: u64,
    pub(super) requests: usize,
    pub(super) windows: Vec<(u64, u64, Away)>,
    pub(super) crashes: Vec<u64>,
    pub(super) restarts: Vec<u64>,
    /// Commits (counted over all lives) around which the process is killed; true: once it is durable.
    pub(super) crash_at_commits: Vec<(u64, bool)>,
    pub(super) longest_down: u64,
    pub(super) event_lost: f64,
    pub(super) event_twice: f64,
    pub(super) event_late: f64,
    pub(super) answer_lost: f64,
    pub(super) server_error: f64,
    pub(super) throttled: f64,
    pub(super) refused: f64,
    pub(super) no_capacity: f64,
    pub(super) task_fails: f64,
    pub(super) delete_fails: f64,
    pub(super) publish_fails: f64,
    pub(super) commit_fails: f64,
    pub(super) stop_refused: f64,
    pub(super) repeated: f64,
    pub(super) stopped_by_hand: f64,
    pub(super) receivers: usize,
    pub(super) rate: f64,
    pub(super) max_in_flight: usize,
    pub(super) max_queued: usize,
    pub(super) keep_finished: usize,
    pub(super) reconcile_after: u64,
    pub(super) visibility: u64,
    /// So many failures of a task definition open its circuit breaker.
    pub(super) breaker: u32,
    pub(super) faults: Faults,
    /// The store is a table of DynamoDB.
    pub(super) on_table: bool,
}

impl Plan {
    /// A few hours of a small fleet.
    pub(super) fn small(seed: u64) -> Self {
        let mut dice = SmallRng::seed_from_u64(seed);
        let hours = dice.random_range(1..5);
        let requests = dice.random_range(4..30);
        Self::of(seed, hours * HOUR, requests, &mut dice)
    }

    /// A day of a fleet of thousands.
    pub(super) fn day(seed: u64, requests: usize) -> Self {
        let mut dice = SmallRng::seed_from_u64(seed);
        Self {
            keep_finished: 100,
            max_in_flight: 100_000,
            rate: 20.0,
            ..Self::of(seed, 24 * HOUR, requests, &mut dice)
        }
    }

    /// An hour of a small fleet in a world where the network alone is ill.
    pub(super) fn still(seed: u64) -> Self {
        let mut dice = SmallRng::seed_from_u64(seed);
        let ill = Self::of(seed, HOUR / 2, 6, &mut dice);
        let (windows, crashes, restarts, crash_at_commits) = Default::default();
        let fleet = Self { max_in_flight: 100_000, max_queued: 100_000, rate: 20.0, longest_down: MINUTE, ..ill };
        Self { windows, crashes, restarts, crash_at_commits, ..fleet }
    }

    fn of(seed: u64, horizon: u64, requests: usize, dice: &mut SmallRng) -> Self {
        // Some worlds are well in this or that respect, some ill, so that one trouble does not always hide another.
        let ill = |dice: &mut SmallRng, usual: f64| usual * *pick(dice, &[0.0, 0.3, 1.0, 1.0, 2.5]);
        let instants = |dice: &mut SmallRng, most: usize| -> Vec<u64> {
            let count = dice.random_range(0..=most);
            (0..count).map(|_| dice.random_range(0..horizon)).collect()
        };
        let windows = instants(dice, 5).into_iter().map(|from| {
            let length = *pick(dice, &[30 * SECOND, 5 * MINUTE, 10 * MINUTE, 40 * MINUTE]);
            (from, from + length, *pick(dice, &ALL_AWAY))
        });
        Self {
            seed,
            horizon,
            requests,
            windows: windows.collect(),
            crashes: instants(dice, 8),
            restarts: instants(dice, 3),
            crash_at_commits: (0..dice.random_range(0..6))
                .map(|_| (dice.random_range(1..60 + 20 * requests as u64), dice.random_bool(0.5)))
                .collect(),
            longest_down: *pick(dice, &[SECOND, MINUTE, 10 * MINUTE, 40 * MINUTE]),
            event_lost: ill(dice, 0.2),
            event_twice: ill(dice, 0.1),
            event_late: ill(dice, 0.04),
            answer_lost: ill(dice, 0.05),
            server_error: ill(dice, 0.05),
            throttled: ill(dice, 0.1),
            refused: ill(dice, 0.01),
            no_capacity: ill(dice, 0.08),
            task_fails: ill(dice, 0.3),
            delete_fails: ill(dice, 0.03),
            publish_fails: ill(dice, 0.1),
            commit_fails: ill(dice, 0.02),
            stop_refused: ill(dice, 0.1),
            repeated: ill(dice, 0.1),
            stopped_by_hand: ill(dice, 0.05),
            receivers: dice.random_range(1..5),
            rate: *pick(dice, &[1.0, 5.0, 20.0, 20.0]),
            max_in_flight: *pick(dice, &[3, 20, 100_000, 100_000]),
            max_queued: *pick(dice, &[10, 100_000, 100_000]),
            keep_finished: *pick(dice, &[0, 5, 100]),
            reconcile_after: *pick(dice, &[60 * SECOND, 300 * SECOND]),
            visibility: *pick(dice, &[30 * SECOND, 120 * SECOND]),
            breaker: *pick(dice, &[0, 2, 5, 20]),
            faults: Faults::default(),
            on_table: false,
        }
    }

    /// The same with a table of DynamoDB in the place of a disk.
    pub(super) fn on_table(self) -> Self {
        Self { on_table: true, ..self }
    }

    /// Whether the cell or ECS may be away for so long that ECS forgets tasks meanwhile: an hour.
    pub(super) fn may_lose_tasks(&self) -> bool {
        let down = self.longest_down * (self.crashes.len() + self.crash_at_commits.len() + self.restarts.len()) as u64;
        let away: u64 = self.windows.iter().map(|(from, to, _)| to - from).sum();
        let slept: u64 = self.faults.suspends.iter().map(|(_, long)| long).sum();
        down + away + slept > 40 * MINUTE
    }

    pub(super) fn away(&self, now: u64, what: Away) -> bool {
        self.windows.iter().any(|(from, to, away)| *away == what && (*from..*to).contains(&now))
    }

    /// When the longest window of this kind that is open now closes.
    pub(super) fn back_at(&self, now: u64, what: Away) -> Option<u64> {
        let open = self.windows.iter().filter(|(from, to, away)| *away == what && (*from..*to).contains(&now));
        open.map(|(_, to, _)| *to).max()
    }
}

pub(super) fn pick<'t, T>(dice: &mut SmallRng, of: &'t [T]) -> &'t T {
    &of[dice.random_range(0..of.len())]
}
