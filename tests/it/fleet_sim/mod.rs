//! A fleet in a simulated world, on paused time and from a seed: real processes (`host`) with real cells and real stores, on one
//! table in memory. Processes are killed, stand still for as long as they like, are replaced by newer ones; calls of the
//! table are late, lost, throttled, or not answered at all, for one process or for everybody.
//!
//! `TASKWATCH_SIM_SEED=n` lives one seed again and prints what happened; `TASKWATCH_SIM_SEEDS=n` lives so many.

mod audit;
mod ecs;
mod node;
mod ports;
mod queue;
mod users;
mod wire;
mod world;

use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

use node::Fleet;
use world::{Sum, Trouble, World};

/// Fleets that `cargo test` lives through.
const SEEDS: u64 = 24;

fn live(seed: u64, trouble: Trouble) -> (Sum, Option<String>) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build();
    runtime.expect("a runtime").block_on(async {
        let world = World::new(seed, trouble).await;
        let fleet = Fleet::new(&world);
        users::begin(&fleet);
        fleet.live().await;
        audit::audit(&fleet).await;
        if let Trouble::Load(..) = trouble {
            let calls = std::mem::take(&mut world.state().ecs.calls);
            let sum = &mut world.state().sum;
            (sum.used, sum.throttled) = (calls.used(), calls.throttled);
        }
        let report = world.report();
        (world.sum(), report)
    })
}

fn number(variable: &str) -> Option<u64> {
    std::env::var(variable).ok().and_then(|text| text.parse().ok())
}

/// Lives fleets on every core, until one is broken.
fn holds(trouble: Trouble, seeds: u64) -> Sum {
    let seeds = match number("TASKWATCH_SIM_SEED") {
        Some(seed) => seed..seed + 1,
        None => 0..number("TASKWATCH_SIM_SEEDS").unwrap_or(seeds),
    };
    let (next, sum, broken) = (AtomicU64::new(seeds.start), Mutex::new(Sum::default()), Mutex::new(None));
    std::thread::scope(|scope| {
        for _ in 0..std::thread::available_parallelism().map_or(1, usize::from) {
            scope.spawn(|| {
                loop {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    if !seeds.contains(&seed) || broken.lock().expect("no panic").is_some() {
                        return;
                    }
                    let (lived, report) = live(seed, trouble);
                    sum.lock().expect("no panic").add(&lived);
                    if let Some(report) = report {
                        broken.lock().expect("no panic").get_or_insert(format!("TASKWATCH_SIM_SEED={seed}: {report}"));
                    }
                }
            });
        }
    });
    let sum = sum.into_inner().expect("no panic");
    println!("{trouble:?}: {sum:?}");
    if let Some(report) = broken.into_inner().expect("no panic") {
        panic!("{report}");
    }
    sum
}

#[test]
fn whatever_befalls_the_processes_of_a_fleet_every_run_ends_once_and_none_runs_twice() {
    let sum = holds(Trouble::Much, SEEDS);
    assert!(sum.killed > 0 && sum.died > 0 && sum.handed_over > 0, "{sum:?}");
}

#[test]
fn deployments_alone_lose_nothing_and_nobody_is_taken_for_dead() {
    let sum = holds(Trouble::Deployments, SEEDS / 3);
    assert!(sum.deployed > 0 && sum.handed_over > 0, "{sum:?}");
    assert_eq!((sum.killed, sum.died), (0, 0), "{sum:?}");
}

/// Cells are handed over and processes come and go while their tasks are all that there may be.
#[test]
fn a_fleet_of_few_tasks_never_has_more_and_all_runs_come_to_their_end() {
    for (most, seeds) in [(10, SEEDS / 3), (1, 2)] {
        let sum = holds(Trouble::Narrow(most), seeds);
        assert!(sum.handed_over > 0 && sum.most_tasks == most, "{sum:?}");
    }
}

#[test]
fn the_same_seed_is_the_same_history_of_a_fleet() {
    let [first, again, other] = [3, 3, 4].map(|seed| live(seed, Trouble::Much).0);
    assert_eq!(first, again);
    assert_ne!(first.hash, other.hash);
}

#[test]
fn a_fleet_uses_nine_tenths_of_a_quota_and_is_never_throttled() {
    let (sum, broken) = live(1, Trouble::Load(1_200, 1_200));
    println!("{:.1} % of the quota", 100.0 * sum.used);
    assert_eq!((broken, sum.throttled), (None, 0));
    assert!(sum.used >= 0.9, "{}", sum.used);
}

/// 17 a second, in bursts: no process has runs that wait at all times, and none gives up the share that it needs again soon. One
/// that forgets at once what waited uses 75 %; 84 % would be all that there is to use.
#[test]
fn a_fleet_keeps_up_with_runs_that_come_in_bursts() {
    let (sum, broken) = live(1, Trouble::Load(1_020, 51));
    println!("{:.1} % of the quota", 100.0 * sum.used);
    assert_eq!((broken, sum.throttled), (None, 0));
    assert!(sum.used >= 0.77, "{}", sum.used);
}
