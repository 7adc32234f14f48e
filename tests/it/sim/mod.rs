//! The whole cell in a simulated world, on paused time: hours and days in which everything goes wrong, from a seed.
//!
//! `TASKWATCH_SIM_SEED=n` lives one seed again and prints what happened; `TASKWATCH_SIM_SEEDS=n` lives so many.

mod agenda;
mod audit;
mod checks;
mod disk;
mod ecs;
mod faults;
mod fleet;
mod others;
mod plan;
mod ports;
mod process;
mod queue;
mod table;
mod topic;
mod trace;
mod watch;
mod world;

use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

use faults::Fault;
use plan::Plan;
use world::World;

/// Small worlds that `cargo test` lives through.
const SEEDS: u64 = 40;

/// What became of a world.
struct Outcome {
    seed: u64,
    hash: u64,
    lines: usize,
    runs: usize,
    tasks: usize,
    commits: u64,
    /// Notifications of circuit breakers, and of what others launched.
    digests: usize,
    /// Launches of others that were made once more.
    repeats: usize,
    /// What must not be, with the history of the requests concerned.
    violated: Option<String>,
}

fn live(plan: Plan) -> Outcome {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build();
    let seed = plan.seed;
    let world = runtime.expect("a runtime").block_on(async {
        let world = World::new(plan);
        process::live(&world).await;
        world
    });
    let state = world.state();
    Outcome {
        seed,
        hash: state.trace.hash(),
        lines: state.trace.len(),
        runs: state.disk.runs.len(),
        tasks: state.ecs.tasks.len(),
        commits: state.disk.commits,
        digests: state.disk.digests.len(),
        repeats: state.others.repeats(),
        violated: report(&state),
    }
}

fn report(state: &world::State) -> Option<String> {
    let first = state.violations.first()?;
    let all: String = state.violations.iter().take(20).map(|v| format!("  {}\n", v.what)).collect();
    let request = state.violations.iter().find_map(|v| v.request);
    let history = request.map(|n| state.trace.of(n)).unwrap_or_default();
    Some(format!("seed {}: {}\n{all}{:#?}\nhistory:\n{history}", state.plan.seed, first.what, state.plan))
}

/// Lives worlds on every core; the outcomes in the order of their seeds.
fn live_all(seeds: std::ops::Range<u64>, plan: impl Fn(u64) -> Plan + Sync) -> Vec<Outcome> {
    let (next, outcomes) = (AtomicU64::new(seeds.start), Mutex::new(Vec::new()));
    std::thread::scope(|scope| {
        for _ in 0..std::thread::available_parallelism().map_or(1, usize::from) {
            scope.spawn(|| {
                loop {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    if !seeds.contains(&seed) {
                        return;
                    }
                    let outcome = live(plan(seed));
                    outcomes.lock().expect("no panic").push(outcome);
                }
            });
        }
    });
    let mut outcomes = outcomes.into_inner().expect("no panic");
    outcomes.sort_by_key(|outcome| outcome.seed);
    outcomes
}

fn number(variable: &str) -> Option<u64> {
    std::env::var(variable).ok().and_then(|text| text.parse().ok())
}

fn judge(outcomes: &[Outcome]) {
    let bad: Vec<&Outcome> = outcomes.iter().filter(|o| o.violated.is_some()).collect();
    let total = |of: fn(&Outcome) -> usize| outcomes.iter().map(of).sum::<usize>();
    println!(
        "{} worlds, {} runs, {} tasks, {} notifications of circuit breakers and of others, {} repeats, {} lines",
        outcomes.len(),
        total(|o| o.runs),
        total(|o| o.tasks),
        total(|o| o.digests),
        total(|o| o.repeats),
        total(|o| o.lines)
    );
    if let Some(first) = bad.first() {
        let seeds: Vec<u64> = bad.iter().map(|o| o.seed).collect();
        let line = |o: &&Outcome| o.violated.as_deref().and_then(|text| text.lines().next()).unwrap_or("").to_owned();
        bad.iter().for_each(|outcome| println!("{}", line(outcome)));
        panic!(
            "{} of {} seeds failed: {seeds:?}\n{}",
            bad.len(),
            outcomes.len(),
            first.violated.as_deref().unwrap_or("")
        );
    }
}

#[test]
fn whatever_goes_wrong_every_run_ends_once_and_is_notified() {
    let seeds = match number("TASKWATCH_SIM_SEED") {
        Some(seed) => seed..seed + 1,
        None => 0..number("TASKWATCH_SIM_SEEDS").unwrap_or(SEEDS),
    };
    judge(&live_all(seeds, Plan::small));
}

/// A day of a fleet of thousands; `TASKWATCH_SIM_DAYS` makes it more of them.
#[test]
fn a_day_of_thousands_of_runs_comes_to_its_end() {
    let days = live_all(0..number("TASKWATCH_SIM_DAYS").unwrap_or(1), |seed| Plan::day(seed, 400));
    assert!(days.iter().all(|day| day.runs > 2_000), "a small day");
    judge(&days);
}

/// A small fleet, killed at its commits in turn: before one is durable, or after it, before anything follows. Every third
/// such instant; `TASKWATCH_SIM_COMMIT_STRIDE=1` takes them all.
#[test]
fn killed_at_any_commit_it_goes_on() {
    let still = live(Plan::still(5));
    assert_eq!(still.violated, None);
    assert!(still.commits > 60, "{} commits", still.commits);
    let stride = number("TASKWATCH_SIM_COMMIT_STRIDE").unwrap_or(3).max(1);
    judge(&live_all(0..2 * still.commits / stride, |n| {
        let (commit, durable) = (n * stride / 2, (n * stride).is_multiple_of(2));
        Plan { crash_at_commits: vec![(commit + 1, durable)], ..Plan::still(5) }
    }));
}

/// The store is a table of DynamoDB, which is slow, throttled, away, and does what it does not say.
#[test]
fn whatever_goes_wrong_with_a_table_every_run_ends_once_and_is_notified() {
    let seeds = match number("TASKWATCH_SIM_SEED") {
        Some(seed) => seed..seed + 1,
        None => 0..number("TASKWATCH_SIM_SEEDS").unwrap_or(SEEDS / 4),
    };
    judge(&live_all(seeds.clone(), |seed| Plan::small(seed).on_table()));
    judge(&live_all(seeds, |seed| Plan::small(seed).with(Fault::Redrives).on_table()));
}

/// The same fleet as above, killed around its appends. Every twentieth such instant, or as `TASKWATCH_SIM_COMMIT_STRIDE` says.
#[test]
fn killed_at_any_append_it_goes_on() {
    let still = live(Plan::still(5).on_table());
    assert_eq!(still.violated, None);
    assert!(still.commits > 40, "{} appends", still.commits);
    let stride = number("TASKWATCH_SIM_COMMIT_STRIDE").unwrap_or(20).max(1);
    judge(&live_all(0..2 * still.commits / stride, |n| {
        let (commit, durable) = (n * stride / 2, (n * stride).is_multiple_of(2));
        Plan { crash_at_commits: vec![(commit + 1, durable)], ..Plan::still(5) }.on_table()
    }));
}

/// Worlds with one more fault; `TASKWATCH_SIM_SEED` and `TASKWATCH_SIM_SEEDS` as above.
fn with(fault: Fault) {
    let seeds = match number("TASKWATCH_SIM_SEED") {
        Some(seed) => seed..seed + 1,
        None => 0..number("TASKWATCH_SIM_SEEDS").unwrap_or(SEEDS / 5),
    };
    judge(&live_all(seeds, |seed| Plan::small(seed).with(fault)));
}

#[test]
fn a_refusal_of_a_call_in_doubt_tells_no_run_that_its_task_failed() {
    with(Fault::RefusalInDoubt);
}

#[test]
fn list_tasks_may_be_behind_and_refused() {
    with(Fault::ListTasks);
}

#[test]
fn a_machine_that_sleeps_launches_nothing_twice() {
    with(Fault::Suspend);
}

#[test]
fn a_definition_that_cannot_be_read_holds_up_no_other() {
    with(Fault::HungDefinition);
}

#[test]
fn describe_tasks_may_be_refused() {
    with(Fault::DescribeRefused);
}

#[test]
fn requests_race_with_their_copies_and_stops() {
    with(Fault::Races);
}

#[test]
fn redrives_race_with_requests() {
    with(Fault::Redrives);
}

#[test]
fn a_backlog_is_no_lost_event() {
    with(Fault::Backlog);
}

#[test]
fn restarts_put_off_no_deadline() {
    with(Fault::RestartLoop);
}

#[test]
fn no_more_tasks_have_their_places_than_there_is_room_for() {
    with(Fault::LittleRoom);
}

#[test]
fn throttles_at_random_are_only_that() {
    with(Fault::Throttles);
}

/// Rules, schedules and others launch in the same account.
#[test]
fn what_others_launch_is_told_once_and_repeated_once_and_only_where_it_never_ran() {
    let seeds = match number("TASKWATCH_SIM_SEED") {
        Some(seed) => seed..seed + 1,
        None => 0..number("TASKWATCH_SIM_SEEDS").unwrap_or(SEEDS / 4),
    };
    let worlds = live_all(seeds.clone(), |seed| Plan::small(seed).with(Fault::Others));
    judge(&worlds);
    assert!(worlds.len() < 10 || worlds.iter().map(|world| world.repeats).sum::<usize>() > worlds.len());
    judge(&live_all(0..seeds.end / 5, |seed| Plan::small(seed).with(Fault::Others).on_table()));
}

#[test]
fn the_same_seed_is_the_same_history() {
    for seed in [3, 7] {
        let (first, again) = (live(Plan::small(seed)), live(Plan::small(seed)));
        assert_eq!((first.hash, first.lines), (again.hash, again.lines), "seed {seed}");
        assert!(first.lines > 100 && first.commits > 10);
    }
    assert_ne!(live(Plan::small(3)).hash, live(Plan::small(4)).hash);
}
