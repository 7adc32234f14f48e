//! A fleet in virtual time: processes join, die, stand still, miss beats and reads, and change what they want.

use std::collections::BTreeMap;
use std::time::Duration;

use rand::rngs::SmallRng;
use rand::{Rng as _, SeedableRng as _};

use super::{BEAT, Beats, HOLD, Share, split};

const QUOTA: f64 = 20.0;
const TICK: Duration = Duration::from_millis(100);
const MINUTES: u64 = 10;
/// Fleets of each kind that `cargo test` lives through.
const SEEDS: u64 = 60;

struct Process {
    name: String,
    demand: f64,
    next: Duration,
    stands_still: Duration,
    beat: u64,
    beats: Beats,
    share: Share,
}

/// What the table has of a process.
#[derive(Clone, Copy)]
struct Row {
    beat: u64,
    demand: f64,
}

/// How often in a tick a process stands still, another one comes, one is killed.
#[derive(Clone, Copy)]
struct Trouble {
    stands_still: f64,
    comes: f64,
    is_killed: f64,
}

const MUCH: Trouble = Trouble { stands_still: 0.0005, comes: 0.002, is_killed: 0.001 };
const LITTLE: Trouble = Trouble { stands_still: 0.0, comes: 0.0002, is_killed: 0.0001 };

struct Fleet {
    trouble: Trouble,
    dice: SmallRng,
    hold: Duration,
    table: BTreeMap<String, Row>,
    processes: Vec<Process>,
    started: u32,
}

/// What became of it.
#[derive(Debug, Default)]
struct Used {
    /// The most that was launched at once, of the quota.
    most: f64,
    used: f64,
    /// What could have been.
    asked: f64,
}

impl Fleet {
    fn new(seed: u64, hold: Duration, trouble: Trouble) -> Self {
        let dice = SmallRng::seed_from_u64(seed);
        Self { trouble, dice, hold, table: BTreeMap::new(), processes: Vec::new(), started: 0 }
    }

    fn come_and_go(&mut self, now: Duration) {
        let count = self.processes.len();
        if count < 2 || (count < 6 && self.dice.random_bool(self.trouble.comes)) {
            self.started += 1;
            self.processes.push(Process {
                name: format!("process {}", self.started),
                demand: [0.0, 5.0, 50.0][self.dice.random_range(0..3)],
                next: now + BEAT.mul_f64(self.dice.random_range(0.0..1.0)),
                stands_still: now,
                beat: 0,
                beats: Beats::default(),
                share: Share::new(self.hold),
            });
        }
        // Killed: its row stays.
        if count > 2 && self.dice.random_bool(self.trouble.is_killed) {
            self.processes.remove(self.dice.random_range(0..count));
        }
    }

    fn tick(&mut self, now: Duration) -> f64 {
        self.come_and_go(now);
        let Self { trouble, dice, table, processes, .. } = self;
        for process in processes.iter_mut() {
            if dice.random_bool(0.001) {
                process.demand = [0.0, 1.0, 5.0, 50.0][dice.random_range(0..4)];
            }
            if dice.random_bool(trouble.stands_still) {
                process.stands_still = now + Duration::from_secs_f64(dice.random_range(1.0..15.0));
            }
            if now >= process.next && now >= process.stands_still {
                process.next = now + BEAT.mul_f64(dice.random_range(0.9..1.1));
                process.beat_and_read(now, table, dice);
            }
        }
        // One that stands still launches the more as soon as it wakes: it counts as if it never did.
        processes.iter().map(|process| process.rate(now)).sum()
    }

    fn asked(&self) -> f64 {
        self.processes.iter().map(|process| process.demand).sum::<f64>().min(QUOTA)
    }

    fn used(&self, now: Duration) -> f64 {
        self.processes.iter().map(|process| process.rate(now).min(process.demand)).sum()
    }
}

impl Process {
    fn beat_and_read(&mut self, now: Duration, table: &mut BTreeMap<String, Row>, dice: &mut SmallRng) {
        if dice.random_bool(0.03) {
            return;
        }
        self.beat += 1;
        table.insert(self.name.clone(), Row { beat: self.beat, demand: self.demand });
        // Some answers are lost: it beats, and does not know it.
        if dice.random_bool(0.03) {
            return;
        }
        self.share.confirmed(now);
        if dice.random_bool(0.03) {
            return;
        }
        self.beats.read(now, table.iter().map(|(name, row)| (name.as_str(), row.beat)));
        if table.len() == 1 {
            self.share.alone(now);
        }
        let alive = table.iter().filter(|(name, _)| **name == self.name || self.beats.is_alive(name, now));
        let demands = alive.map(|(name, row)| (name.as_str(), row.demand.into())).collect();
        self.share.computed(now, split(QUOTA, &demands).get(self.name.as_str()).copied().unwrap_or(0.0));
    }

    fn rate(&self, now: Duration) -> f64 {
        if self.demand > 0.0 { self.share.rate(now) } else { 0.0 }
    }
}

fn live(seed: u64, hold: Duration, trouble: Trouble) -> Used {
    let (mut fleet, mut used, mut now) = (Fleet::new(seed, hold, trouble), Used::default(), Duration::ZERO);
    while now < Duration::from_secs(60 * MINUTES) {
        let rate = fleet.tick(now);
        used.most = used.most.max(rate);
        used.used += fleet.used(now);
        used.asked += fleet.asked();
        now += TICK;
    }
    used
}

fn seeds() -> std::ops::Range<u64> {
    let number = |variable: &str| std::env::var(variable).ok().and_then(|text| text.parse::<u64>().ok());
    match number("TASKWATCH_SIM_SEED") {
        Some(seed) => seed..seed + 1,
        None => 0..number("TASKWATCH_SIM_SEEDS").unwrap_or(SEEDS),
    }
}

#[test]
fn the_shares_of_a_quota_never_add_up_to_more() {
    for (trouble, least) in [(MUCH, 0.85), (LITTLE, 0.9)] {
        let (mut used, mut asked) = (0.0, 0.0);
        for seed in seeds() {
            let lived = live(seed, HOLD, trouble);
            assert!(lived.most <= QUOTA + 1e-6, "TASKWATCH_SIM_SEED={seed}: {} of {QUOTA}", lived.most);
            used += lived.used;
            asked += lived.asked;
        }
        println!("{:.1} % of what could be used was", 100.0 * used / asked);
        assert!(used / asked > least, "{used} of {asked}");
    }
}

#[test]
fn shares_that_rise_at_once_or_too_early_exceed_the_quota() {
    for hold in [Duration::ZERO, BEAT * 2, BEAT * 7 / 2] {
        let most = (0..SEEDS).map(|seed| live(seed, hold, MUCH).most).fold(0.0, f64::max);
        println!("after {hold:?}: up to {most:.1} of {QUOTA}");
        assert!(most > QUOTA + 1.0, "after {hold:?}: {most}");
    }
}
