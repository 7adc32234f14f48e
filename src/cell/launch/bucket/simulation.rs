//! A bucket against AWS: a token bucket that throttles what is above its rate, and some calls at random. Virtual time,
//! chance from a seed.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::time::Duration;

use rand::rngs::SmallRng;
use rand::{Rng, SeedableRng};
use tokio::time::Instant;

use super::Bucket;

/// From when on AWS grants what: seconds, rate a second, burst, share throttled at random.
type Epoch = (f64, f64, f64, f64);

/// What is tried.
struct World<'w> {
    seed: u64,
    /// The rate that was set.
    set: f64,
    tasks_a_call: f64,
    aws: &'w [Epoch],
    /// How long an answer takes, in seconds.
    latency: (f64, f64),
    /// Calls a second that there are to make; else as many as may be.
    demand: Option<f64>,
}

#[derive(Clone, Copy)]
struct Call {
    at: f64,
    throttled: bool,
}

struct Lived {
    calls: Vec<Call>,
    cuts: Vec<f64>,
    tasks_a_call: f64,
    /// The highest rate that was ever allowed.
    most: f64,
}

impl Lived {
    fn of(&self, from: f64, to: f64) -> impl Iterator<Item = &Call> {
        self.calls.iter().filter(move |call| (from..to).contains(&call.at))
    }

    /// Tasks a second that went through.
    fn delivered(&self, from: f64, to: f64) -> f64 {
        self.of(from, to).filter(|call| !call.throttled).count() as f64 * self.tasks_a_call / (to - from)
    }

    /// Share of calls that were throttled.
    fn throttled(&self, from: f64, to: f64) -> f64 {
        let (all, throttled) = (self.of(from, to).count(), self.of(from, to).filter(|call| call.throttled).count());
        throttled as f64 / all.max(1) as f64
    }

    fn cuts_a_second(&self) -> usize {
        let within = |at: &f64| self.cuts.iter().filter(|other| (*at..*at + 0.999).contains(other)).count();
        self.cuts.iter().map(within).max().unwrap_or(0)
    }
}

/// Answers that are under way: when they come, of which generation, whether it is a throttle.
type UnderWay = BinaryHeap<Reverse<(u64, u64, bool)>>;

const STEP: f64 = 0.001;

fn live(world: &World<'_>, seconds: f64) -> Lived {
    let begun = Instant::now();
    let at = |seconds: f64| begun + Duration::from_secs_f64(seconds);
    let mut dice = SmallRng::seed_from_u64(world.seed);
    let mut bucket = Bucket::new(world.set, world.set.max(5.0 * world.tasks_a_call), begun);
    let (mut tokens, mut wanted) = (world.aws[0].2, 1.0);
    let mut under_way = UnderWay::new();
    let mut lived = Lived { calls: Vec::new(), cuts: Vec::new(), tasks_a_call: world.tasks_a_call, most: 0.0 };
    for tick in 0..(seconds / STEP) as u64 {
        let now = tick as f64 * STEP;
        let (_, rate, burst, random) = *world.aws.iter().rfind(|epoch| epoch.0 <= now).unwrap_or(&world.aws[0]);
        tokens = (tokens + rate * STEP).min(burst);
        wanted = (wanted + world.demand.unwrap_or(f64::MAX) * STEP).min(1000.0);
        while under_way.peek().is_some_and(|Reverse((due, ..))| *due <= tick) {
            let Some(Reverse((_, generation, throttled))) = under_way.pop() else { break };
            if !throttled {
                bucket.succeeded(at(now));
            } else if bucket.throttled(generation, world.tasks_a_call, at(now)) {
                lived.cuts.push(now);
            }
        }
        lived.most = lived.most.max(bucket.rate());
        while wanted >= 1.0 && under_way.len() < 64 && bucket.has(world.tasks_a_call, at(now)).is_ok() {
            let generation = bucket.spend(world.tasks_a_call, at(now));
            // One at random is throttled before it takes any tokens.
            let throttled = dice.random::<f64>() < random || tokens < world.tasks_a_call;
            if !throttled {
                tokens -= world.tasks_a_call;
                wanted -= 1.0;
            }
            lived.calls.push(Call { at: now, throttled });
            let takes = dice.random_range(world.latency.0..world.latency.1);
            under_way.push(Reverse((tick + (takes / STEP) as u64, generation, throttled)));
        }
    }
    lived
}

fn world(seed: u64, set: f64, aws: &[Epoch]) -> World<'_> {
    World { seed, set, tasks_a_call: 1.0, aws, latency: (0.03, 0.15), demand: None }
}

const SEEDS: u64 = 4;

/// So long a rate is looked at: some thousand calls, and ten minutes at least.
fn long(rate: f64) -> f64 {
    (6_000.0 / rate).max(600.0)
}

#[test]
fn throttles_at_random_cost_little() {
    for rate in [2.0, 20.0, 200.0] {
        for seed in 0..SEEDS {
            let lived = live(&world(seed, rate, &[(0.0, 1e9, 1e9, 0.05)]), long(rate));
            let share = lived.delivered(0.0, long(rate)) / rate;
            assert!(share >= 0.85, "{share} of {rate} a second went through, seed {seed}");
            assert!(lived.cuts_a_second() <= 1 && lived.most <= rate);
        }
    }
}

/// Calls of ten tasks, as array requests have them: two of them a second use up 20 tasks.
#[test]
fn throttles_at_random_cost_little_where_a_call_is_for_ten_tasks() {
    for seed in 0..SEEDS {
        let tens = World { tasks_a_call: 10.0, ..world(seed, 20.0, &[(0.0, 1e9, 1e9, 0.05)]) };
        let lived = live(&tens, 3_000.0);
        let share = lived.delivered(0.0, 3_000.0) / 20.0;
        assert!(share >= 0.85, "{share} went through, seed {seed}");
    }
}

#[test]
fn a_real_limit_is_found_and_kept() {
    for (set, limit) in [(20.0, 2.0), (200.0, 20.0), (400.0, 200.0), (200.0, 190.0), (200.0, 2.0), (2.5, 2.0)] {
        for burst in [1.0, 5.0] {
            for seed in 0..SEEDS {
                let lived = live(&world(seed, set, &[(0.0, limit, limit * burst, 0.0)]), 60.0 + long(limit));
                let (from, to) = (60.0, 60.0 + long(limit));
                let (share, throttled) = (lived.delivered(from, to) / limit, lived.throttled(from, to));
                let what = format!("set {set}, limit {limit}, burst of {burst} s, seed {seed}");
                assert!(throttled < 0.01, "{:.2} % throttled, {what}", 100.0 * throttled);
                assert!(share >= 0.9, "{share} of the limit went through, {what}");
                assert!(lived.cuts_a_second() <= 1 && lived.most <= set, "{what}");
            }
        }
    }
}

#[test]
fn a_limit_that_falls_and_rises_is_followed() {
    let aws =
        [(0.0, 200.0, 200.0, 0.0), (300.0, 50.0, 50.0, 0.0), (600.0, 150.0, 150.0, 0.0), (1_200.0, 1e9, 1e9, 0.0)];
    for seed in 0..SEEDS {
        let lived = live(&world(seed, 200.0, &aws), 1_800.0);
        // Ten seconds after it fell, two minutes after it rose.
        for (from, to, limit) in
            [(0.0, 300.0, 200.0), (310.0, 600.0, 50.0), (720.0, 1_200.0, 150.0), (1_320.0, 1_800.0, 200.0)]
        {
            let (share, throttled) = (lived.delivered(from, to) / limit, lived.throttled(from, to));
            assert!(share >= 0.9, "{share} of {limit} a second, seed {seed}");
            assert!(throttled < 0.01, "{:.2} % throttled at {limit} a second, seed {seed}", 100.0 * throttled);
        }
        assert!(lived.throttled(0.0, 1_800.0) < 0.01);
        assert!(lived.cuts_a_second() <= 1);
    }
}

#[test]
fn a_limit_behind_throttles_at_random_is_kept() {
    for seed in 0..SEEDS {
        let lived = live(&world(seed, 200.0, &[(0.0, 100.0, 100.0, 0.05)]), 1_200.0);
        let (share, throttled) = (lived.delivered(60.0, 1_200.0) / 100.0, lived.throttled(60.0, 1_200.0));
        assert!(
            share >= 0.85 && throttled < 0.05 + 0.025,
            "{share}, {:.2} % throttled, seed {seed}",
            100.0 * throttled
        );
    }
}

#[test]
fn throttles_at_random_that_come_and_go_leave_the_rate() {
    let aws = [(0.0, 1e9, 1e9, 0.0), (60.0, 1e9, 1e9, 0.05), (660.0, 1e9, 1e9, 0.0), (1_200.0, 100.0, 100.0, 0.0)];
    for seed in 0..SEEDS {
        let lived = live(&world(seed, 200.0, &aws), 1_800.0);
        for (from, to, rate) in
            [(0.0, 60.0, 200.0), (60.0, 660.0, 200.0), (720.0, 1_200.0, 200.0), (1_210.0, 1_800.0, 100.0)]
        {
            let share = lived.delivered(from, to) / rate;
            assert!(share >= 0.85, "{share} of {rate} from {from} s, seed {seed}");
        }
        // What was noise hides no limit later.
        assert!(lived.throttled(1_210.0, 1_800.0) < 0.01, "seed {seed}");
    }
}

#[test]
fn when_nothing_went_through_for_a_while_it_is_back_within_half_a_minute() {
    for rate in [20.0, 200.0] {
        let aws = [(0.0, 1e9, 1e9, 0.0), (60.0, 1e9, 1e9, 1.0), (120.0, 1e9, 1e9, 0.0)];
        let lived = live(&world(1, rate, &aws), 300.0);
        let asked = lived.of(70.0, 120.0).count() as f64 / 50.0;
        assert!(asked <= rate * 0.06 + 0.1, "{asked} calls a second into a wall");
        assert!(lived.delivered(150.0, 300.0) / rate >= 0.99);
    }
}

/// What is asked for is a tenth of the rate: what was measured then must not hold up a fleet that comes.
#[test]
fn few_calls_tell_little() {
    for seed in 0..SEEDS {
        let few = World { demand: Some(0.2), ..world(seed, 20.0, &[(0.0, 1e9, 1e9, 0.3)]) };
        let lived = live(&few, 3_000.0);
        let delivered = lived.delivered(0.0, 3_000.0);
        assert!(delivered >= 0.19, "{delivered} went through, seed {seed}");
    }
}
