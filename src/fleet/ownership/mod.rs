//! A fleet's cells in virtual time: processes come, end, are killed and stand still, their calls are late or lost, and the table
//! is away. Nobody acts on a cell that is another's, an outage moves none, and in quiet times each has its part.
//!
//! `TASKWATCH_SIM_SEED=n` lives one seed again; `TASKWATCH_SIM_SEEDS=n` lives so many.

mod world;

use std::time::Duration;

use world::{Broken, CELLS, MUCH, NONE, OUTAGE, STARTS, STOPS, Trouble, World, seconds};

/// Fleets of each kind that `cargo test` lives through.
const SEEDS: u64 = 150;

fn at(after: f64) -> Duration {
    seconds(1_000.0 + after)
}

/// A fleet in trouble for four minutes, and then in peace.
fn live(seed: u64, trouble: Trouble, broken: Broken) -> World {
    let mut world = World::new(seed, trouble, broken);
    for n in 0..3 {
        world.begin(seconds(0.4 * f64::from(n)));
    }
    world.live_until(at(240.0));
    world
}

fn seeds() -> std::ops::Range<u64> {
    let number = |variable: &str| std::env::var(variable).ok().and_then(|text| text.parse::<u64>().ok());
    match number("TASKWATCH_SIM_SEED") {
        Some(seed) => seed..seed + 1,
        None => 0..number("TASKWATCH_SIM_SEEDS").unwrap_or(SEEDS),
    }
}

fn fairly(cells: usize, processes: usize) -> Vec<usize> {
    let more = cells % processes;
    (0..processes).map(|n| cells / processes + usize::from(n >= processes - more)).collect()
}

#[test]
fn nobody_acts_on_a_cell_that_is_anothers_and_in_peace_each_has_its_part() {
    let (mut removed, mut taken) = (0, 0);
    for seed in seeds() {
        let mut world = live(seed, MUCH, Broken::Nothing);
        assert_eq!(world.violation, None, "TASKWATCH_SIM_SEED={seed}");
        for trouble in [STOPS, STARTS] {
            assert_eq!(live(seed, trouble, Broken::Nothing).violation, None, "TASKWATCH_SIM_SEED={seed}: {trouble:?}");
        }
        world.trouble = NONE;
        if world.processes.values().all(|process| process.ends) {
            world.begin(Duration::ZERO);
        }
        world.live_until(at(360.0));
        let parts = world.parts();
        assert_eq!(parts, fairly(CELLS, parts.len()), "TASKWATCH_SIM_SEED={seed}: {}", world.shown());
        let before = world.taken;
        world.live_until(at(420.0));
        assert_eq!(world.taken, before, "TASKWATCH_SIM_SEED={seed}: nothing moves any more");
        (removed, taken) = (removed + world.removed, taken + world.taken);
    }
    println!("{removed} processes declared dead, {taken} cells taken");
}

#[test]
fn a_dead_process_loses_its_cells_within_eleven_seconds_and_one_that_ends_within_five() {
    for seed in 0..40 {
        let mut world = World::new(seed, NONE, Broken::Nothing);
        let first = world.begin(Duration::ZERO);
        world.begin(seconds(0.7));
        world.live_until(at(60.0 + seed as f64 / 13.0));
        assert_eq!(world.parts(), fairly(CELLS, 2));
        let longest = match seed % 2 {
            0 => {
                world.processes.remove(&first);
                11.0 + 2.0
            }
            _ => {
                world.end(&first);
                5.0 + 2.0
            }
        };
        let end = world.now + seconds(longest);
        world.live_until(end);
        assert_eq!(world.parts(), [CELLS], "seed {seed}");
    }
}

#[test]
fn an_outage_of_the_table_moves_no_cell_and_kills_nobody() {
    for seed in seeds() {
        let mut world = World::new(seed, OUTAGE, Broken::Nothing);
        (0..3).for_each(|n| drop(world.begin(seconds(0.4 * f64::from(n)))));
        world.live_until(at(59.0));
        let before = (world.taken, world.removed);
        assert_eq!(world.parts(), fairly(CELLS, 3));
        world.live_until(at(90.0));
        assert!(world.processes.values().all(|process| process.member.is_suspended(world.now)));
        world.live_until(at(150.0));
        assert_eq!((world.taken, world.removed), before, "seed {seed}");
        assert!(world.processes.values().all(|process| !process.member.is_suspended(world.now)));
    }
}

#[test]
fn without_its_rules_a_fleet_does_harm() {
    for broken in [Broken::RemovesWhateverItSees, Broken::BeatsAgain, Broken::SeveralAtOnce] {
        let found =
            (0..1_000).find_map(|seed| live(seed, STOPS, broken).violation.map(|what| format!("seed {seed}: {what}")));
        println!("{broken:?}: {found:?}");
        assert!(found.is_some(), "{broken:?} did no harm");
    }
    let dies = |seed: u64| {
        let mut world = World::new(seed, OUTAGE, Broken::FailedReadsCount);
        (0..3).for_each(|n| drop(world.begin(seconds(0.4 * f64::from(n)))));
        world.live_until(at(150.0));
        world.removed > 0
    };
    assert!((0..SEEDS).any(dies), "failed reads that count did no harm");
}
