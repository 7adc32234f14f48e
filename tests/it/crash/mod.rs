//! The real process, killed again and again while fleets run through it, under faults: SIGKILL at random instants and at
//! every failpoint (`src/cli/failpoints.rs`), several cells side by side on one endpoint.
//!
//! `TASKWATCH_KILLS=3000` kills so often, in campaigns of some 300 with a fleet of their own, after each of which every
//! book is read. `TASKWATCH_KILLS_SEED=n` begins with the n-th.

mod cell;
mod ledger;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use rand::rngs::StdRng;
use rand::seq::{IndexedRandom, SliceRandom};
use rand::{Rng, SeedableRng};
use taskwatch::local::ecs::{EcsOptions, Quotas};
use taskwatch::local::faults::Script;
use taskwatch::local::{LocalOptions, Options, RunningLocal, start};

use cell::{Death, Keeping, KilledCell, TableAt};

use crate::support::emulator::Emulator;
use crate::table::make_table;

/// Cells side by side.
const CELLS: usize = 4;
/// Lives of each in one campaign.
const LIVES: usize = 75;

/// Every instant at which a crash makes a difference outside: before and after a commit, and before and after what follows.
static FAILPOINTS: [&str; 18] = [
    "commit:before",
    "commit:after",
    "run-task:before",
    "run-task:after",
    "stop-task:before",
    "stop-task:after",
    "describe-tasks:before",
    "describe-tasks:after",
    "receive-events:after",
    "receive-requests:after",
    "delete-events:before",
    "delete-events:after",
    "delete-requests:before",
    "delete-requests:after",
    "send-dlq:before",
    "send-dlq:after",
    "publish:before",
    "publish:after",
];

/// Around each write of a table of DynamoDB, where the store is one: in the place of a commit. Snapshots and rows come after
/// longer lives than these.
static OF_A_TABLE: [&str; 6] =
    ["take:before", "take:after", "append:before", "append:after", "claim:before", "claim:after"];
/// Lives of the cell on a table.
const LIVES_ON_TABLE: usize = 24;

/// A life passes these once or twice.
const RARE: [&str; 7] =
    ["stop-task", "send-dlq", "describe-tasks", "receive-requests", "delete-requests", "take", "claim"];
/// Further lives for a failpoint that ended none, on a busy machine.
const TRIES: usize = 10;

/// A tenth of the tasks fail; events come twice, late, out of order, early or never; answers get lost after the effect.
const FAULTS: &str = r#"
[task]
seconds = [20, 200]
[[fault]]
do = "exit-code"
probability = 0.1
[[fault]]
do = "eni-timeout"
probability = 0.05
[[fault]]
do = "answer-lost"
probability = 0.1
[fault.match]
operation = "RunTask"
[[fault]]
do = "throttle"
probability = 0.05
[fault.match]
operation = "RunTask"
[[fault]]
do = "early-event"
probability = 0.1
[[fault]]
do = "duplicate"
probability = 0.2
[[fault]]
do = "reorder"
probability = 0.2
[[fault]]
do = "drop"
probability = 0.2
"#;

async fn endpoint(seed: u64) -> RunningLocal {
    let ecs = EcsOptions {
        time_scale: 60.0,
        seed,
        script: Script::parse(FAULTS).expect("a script"),
        quotas: Some(Quotas::default()),
        auto_register: true,
        archive: true,
        // An hour of AWS's would be a minute here, and a campaign on a busy machine is longer: no cell may know of such a task.
        forgotten_after: 7.0 * 86_400.0,
        ..EcsOptions::default()
    };
    let listen = ([127, 0, 0, 1], 0).into();
    start(LocalOptions { listen, identity: Options::default(), ecs }).await.expect("a free port")
}

fn pick(dice: &mut StdRng) -> &'static u32 {
    [1, 1, 2, 3, 5, 9].choose(dice).unwrap_or(&1)
}

/// How so many lives of one cell are to end: at failpoints in turn, and some at random.
fn deaths(seed: u64, lives: usize, failpoints: &[&'static str]) -> Vec<Death> {
    let mut dice = StdRng::seed_from_u64(seed);
    let mut deaths: Vec<Death> = (0..lives)
        .map(|life| match failpoints.get(life % (failpoints.len() + failpoints.len().div_ceil(3))) {
            // The first passings are the ones that every life has; later ones find it in the middle of its work.
            Some(point) if !RARE.iter().any(|rare| point.starts_with(rare)) => Death::At(point, *pick(&mut dice)),
            Some(point) => Death::At(point, 1),
            None => Death::After(Duration::from_millis(dice.random_range(5..700))),
        })
        .collect();
    deaths.shuffle(&mut dice);
    deaths
}

/// One life with what is ordered at its beginning.
async fn live(cell: &mut KilledCell, death: &Death, struck: &[AtomicUsize]) {
    cell.order(death).await;
    if let Some(point) = cell.live_and_die(death).await {
        let place = FAILPOINTS.iter().chain(&OF_A_TABLE).position(|known| *known == point).expect("a failpoint");
        struck[place].fetch_add(1, Ordering::Relaxed);
    }
}

/// Further lives for the failpoints that ended none.
async fn die_where_nobody_did<'s>(
    cell: &mut KilledCell,
    points: impl IntoIterator<Item = (&'static &'static str, &'s AtomicUsize)>,
    struck: &[AtomicUsize],
) {
    for (point, count) in points.into_iter().filter(|_| cfg!(debug_assertions)) {
        for _ in 0..TRIES {
            if count.load(Ordering::Relaxed) == 0 {
                live(cell, &Death::Surely(point), struck).await;
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_again_and_again_every_run_ends_once_and_no_task_runs_twice() {
    let kills: usize = std::env::var("TASKWATCH_KILLS").ok().and_then(|n| n.parse().ok()).unwrap_or(CELLS * LIVES);
    let struck: Arc<Vec<AtomicUsize>> = Arc::new(FAILPOINTS.iter().map(|_| AtomicUsize::new(0)).collect());
    let (mut killed, mut runs, mut tasks) = (0, 0, 0);
    let first: u64 = std::env::var("TASKWATCH_KILLS_SEED").ok().and_then(|n| n.parse().ok()).unwrap_or(0);
    for campaign in first..first + kills.div_ceil(CELLS * LIVES) as u64 {
        let local = endpoint(campaign).await;
        let cells = (0..CELLS as u64).map(|n| {
            let (struck, url) = (Arc::clone(&struck), local.url());
            async move {
                let mut cell = KilledCell::new(&format!("crash-{n}"), &url, Keeping::Disk).await;
                for death in deaths(campaign * 100 + n, LIVES, &FAILPOINTS) {
                    live(&mut cell, &death, &struck).await;
                }
                die_where_nobody_did(&mut cell, FAILPOINTS.iter().zip(struck.iter()), &struck).await;
                cell.live_to_the_end().await;
                cell
            }
        });
        let cells = futures::future::join_all(cells).await;
        let ledger = local.ecs.tasks_snapshot();
        for cell in &cells {
            ledger::check(cell, &ledger).await;
            runs += cell.runs();
            killed += cell.lives;
        }
        tasks += ledger.len();
        println!("{killed} kills so far: {runs} runs, {tasks} tasks, every one accounted for");
    }
    let struck = FAILPOINTS.iter().zip(struck.iter()).map(|(point, count)| (*point, count.load(Ordering::Relaxed)));
    let struck: Vec<(&str, usize)> = struck.collect();
    println!("of {killed} kills at failpoints: {struck:?}");
    let never: Vec<_> = struck.iter().filter(|(_, count)| *count == 0).collect();
    assert!(never.is_empty() || !cfg!(debug_assertions), "never passed: {never:?}");
}

/// The same with the runs in a table of MiniStack's: killed before and after each of its writes. `TASKWATCH_KILLS` for
/// longer ones.
#[tokio::test(flavor = "multi_thread")]
async fn killed_again_and_again_on_a_table_every_run_ends_once_and_no_task_runs_twice() {
    let kills = std::env::var("TASKWATCH_KILLS").ok().and_then(|n| n.parse().ok()).unwrap_or(LIVES_ON_TABLE);
    let seed: u64 = std::env::var("TASKWATCH_KILLS_SEED").ok().and_then(|n| n.parse().ok()).unwrap_or(0);
    let emulator = Emulator::ministack();
    let (local, table) = (endpoint(seed).await, make_table(&emulator).await);
    let keeping = Keeping::Table(TableAt { table, endpoint: emulator.endpoint() });
    let mut cell = KilledCell::new("crash-table", &local.url(), keeping).await;
    let struck: Vec<AtomicUsize> = FAILPOINTS.iter().chain(&OF_A_TABLE).map(|_| AtomicUsize::new(0)).collect();
    // Of the other ports the ones that come with every life.
    let points: Vec<&str> = OF_A_TABLE.into_iter().chain(["run-task:after", "delete-events:before"]).collect();
    for death in deaths(seed, kills, &points) {
        live(&mut cell, &death, &struck).await;
    }
    die_where_nobody_did(&mut cell, OF_A_TABLE.iter().zip(&struck[FAILPOINTS.len()..]), &struck).await;
    cell.live_to_the_end().await;
    ledger::check(&cell, &local.ecs.tasks_snapshot()).await;
    let of_table = struck[FAILPOINTS.len()..].iter().map(|count| count.load(Ordering::Relaxed));
    let of_table: Vec<_> = OF_A_TABLE.iter().zip(of_table).collect();
    println!("{} runs through {} kills; at the table's failpoints: {of_table:?}", cell.runs(), cell.lives);
    assert!(of_table.iter().all(|(_, count)| *count > 0) || !cfg!(debug_assertions), "{of_table:?}");
}
