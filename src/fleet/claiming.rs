//! Processes that claim places, in virtual time: each beats and reads when it likes, some beats and answers are lost, some
//! processes are killed or hand tasks over, and another one goes on with these.

use std::collections::BTreeMap;
use std::time::Duration;

use rand::rngs::SmallRng;
use rand::{Rng as _, SeedableRng as _};

use super::{BEAT, Claim, DEAD, HOLD, Places, Share};

const TICK: Duration = Duration::from_millis(100);
const SEEDS: u64 = 60;
/// Those who take over a dead process's tasks count them so soon after its row is gone.
const TAKEN_OVER: Duration = Duration::from_secs(2);

struct Process {
    name: String,
    places: Places,
    /// All or nothing: whether it may act, and has watched the others for long enough.
    share: Share,
    /// By its last beat.
    claimed: usize,
    used: usize,
    waits: usize,
    /// Tasks that another process goes on with, counted here until that one counts them: its name, and whether it does.
    left: Option<(usize, String, bool)>,
    beats_at: Duration,
    /// A beat is confirmed: then it reads.
    reads_at: Option<Duration>,
}

/// What is left out, to see that it is needed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Without {
    Nothing,
    /// What is claimed is used at once.
    LookingAgain,
    /// Claims of the dead are forgotten at once.
    Holding,
}

struct World {
    dice: SmallRng,
    without: Without,
    places: usize,
    rows: BTreeMap<String, Claim>,
    processes: Vec<Process>,
    /// Of dead processes: when the row goes, and when somebody goes on with the tasks.
    removed: Vec<(Duration, String)>,
    orphans: Vec<(Duration, usize)>,
    begun: usize,
}

impl World {
    fn new(seed: u64, without: Without) -> Self {
        let mut dice = SmallRng::seed_from_u64(seed);
        let places = [1, 2, 3, 10, 33][dice.random_range(0..5)];
        let (rows, processes, removed, orphans) = Default::default();
        Self { dice, without, places, rows, processes, removed, orphans, begun: 0 }
    }

    fn hold(&self) -> Duration {
        if self.without == Without::Holding { Duration::ZERO } else { HOLD }
    }

    fn begin(&mut self, now: Duration) {
        self.begun += 1;
        let beats_at = now + BEAT.mul_f64(self.dice.random_range(0.0..1.0));
        let (name, places) = (format!("process {}", self.begun), Places::new(self.hold()));
        let share = Share::new(HOLD);
        self.processes.push(Process {
            name,
            places,
            share,
            claimed: 0,
            used: 0,
            waits: 0,
            left: None,
            beats_at,
            reads_at: None,
        });
    }

    fn kill(&mut self, now: Duration) {
        let n = self.dice.random_range(0..self.processes.len());
        let takes_over = |left: &(usize, String, bool)| left.1 == self.processes[n].name;
        let are_moved = self.processes.iter().any(|process| process.left.as_ref().is_some_and(takes_over));
        if are_moved || self.processes[n].left.is_some() {
            return;
        }
        let killed = self.processes.remove(n);
        self.orphans.push((now + DEAD + TAKEN_OVER, killed.used));
        self.removed.push((now + DEAD, killed.name));
    }

    /// Hands all tasks of a process over to another one.
    fn hand_over(&mut self) {
        let (from, to) =
            (self.dice.random_range(0..self.processes.len()), self.dice.random_range(0..self.processes.len()));
        if from != to && self.processes[from].left.is_none() {
            let name = self.processes[to].name.clone();
            self.processes[to].used += self.processes[from].used;
            let tasks = std::mem::take(&mut self.processes[from].used);
            self.processes[from].left = Some((tasks, name, false));
        }
    }

    fn may_use(&self, process: &Process, now: Duration) -> usize {
        if process.share.rate(now) == 0.0 {
            return 0;
        }
        let hasty = if self.without == Without::LookingAgain { process.claimed } else { 0 };
        process.places.limit().max(hasty)
    }

    fn tick(&mut self, now: Duration, is_calm: bool) {
        for (_, name) in self.removed.extract_if(.., |(at, _)| *at <= now) {
            self.rows.remove(&name);
        }
        let taken: usize = self.orphans.extract_if(.., |(at, _)| *at <= now).map(|(_, tasks)| tasks).sum();
        self.processes[0].used += taken;
        for n in 0..self.processes.len() {
            let may_use = self.may_use(&self.processes[n], now);
            let process = &mut self.processes[n];
            let ended = (0..process.used).filter(|_| self.dice.random_bool(0.01)).count();
            process.used -= ended;
            if self.dice.random_bool(if is_calm { 0.0 } else { 0.01 }) {
                process.waits = [0, 1, 5, 100][self.dice.random_range(0..4)];
            }
            let left = process.left.as_ref().map_or(0, |(tasks, ..)| *tasks);
            let more = may_use.saturating_sub(process.used + left).min(process.waits);
            process.used += more;
            process.waits -= if is_calm { 0 } else { more };
            self.beat_or_read(n, now);
        }
    }

    fn beat_or_read(&mut self, n: usize, now: Duration) {
        let (process, dice) = (&mut self.processes[n], &mut self.dice);
        if process.reads_at.is_some_and(|at| at <= now) {
            process.reads_at = None;
            if let Some((tasks, ..)) = process.left.take_if(|(.., is_counted)| *is_counted) {
                process.places.gave(tasks);
            }
            let rows = self.rows.iter().map(|(name, claim)| (name.as_str(), *claim)).collect();
            process.places.read(now, self.places, &process.name, &rows);
            process.share.computed(now, 1.0);
        } else if process.beats_at <= now {
            process.beats_at = now + BEAT.mul_f64(dice.random_range(0.9..1.1));
            let used = process.used + process.left.as_ref().map_or(0, |(tasks, ..)| *tasks);
            process.claimed = process.places.claims(used);
            let row = Claim { places: process.claimed, wanted: used + process.waits, weight: 1.0, takes_part: true };
            if dice.random_bool(0.97) {
                if dice.random_bool(0.97) {
                    process.places.confirmed();
                    process.share.confirmed(now);
                    process.reads_at = Some(now + TICK * dice.random_range(0..5));
                }
                let name = process.name.clone();
                let left = self.processes.iter_mut().filter_map(|process| process.left.as_mut());
                left.filter(|(_, to, _)| *to == name).for_each(|(.., is_counted)| *is_counted = true);
                self.rows.insert(name, row);
            }
        }
    }

    /// Tasks that there are.
    fn used(&self) -> usize {
        let orphans = self.orphans.iter().map(|(_, tasks)| *tasks);
        self.processes.iter().map(|process| process.used).chain(orphans).sum()
    }
}

/// The most that were used at once beyond what there are; and in the end, when all want more than there are, what each has.
fn live(seed: u64, without: Without) -> (usize, Vec<usize>, usize) {
    let (mut world, mut most, mut now) = (World::new(seed, without), 0, Duration::ZERO);
    let calm = Duration::from_secs(300);
    while now < calm * 2 {
        let count = world.processes.len();
        if count < 2 || (now < calm && count < 5 && world.dice.random_bool(0.005)) {
            world.begin(now);
        } else if now < calm && count > 2 && world.dice.random_bool(0.003) {
            world.kill(now);
        }
        if now < calm && world.dice.random_bool(0.003) {
            world.hand_over();
        }
        if now >= calm {
            world.processes.iter_mut().for_each(|process| process.waits = 100);
        }
        world.tick(now, now >= calm);
        most = most.max(world.used().saturating_sub(world.places));
        now += TICK;
    }
    let limits = world.processes.iter().map(|process| process.places.limit()).collect();
    (most, limits, world.places)
}

#[test]
fn processes_never_use_more_places_than_there_are_and_each_comes_to_its_part() {
    for seed in 0..SEEDS {
        let (most, limits, places) = live(seed, Without::Nothing);
        assert_eq!(most, 0, "seed {seed}: more than {places}");
        assert_eq!(limits.iter().sum::<usize>(), places, "seed {seed}: {limits:?}");
        let (least, largest) = (limits.iter().min(), limits.iter().max());
        assert!(largest.zip(least).is_some_and(|(one, other)| one - other <= 1), "seed {seed}: {limits:?}");
    }
}

#[test]
fn without_looking_again_and_without_holding_what_the_dead_have_there_are_more() {
    for without in [Without::LookingAgain, Without::Holding] {
        let most = (0..SEEDS).map(|seed| live(seed, without).0).max();
        assert!(most > Some(0), "{without:?}");
    }
}
