//! A fleet whose processes die by their own hand around every write of its rows: before and after a beat, a takeover, a cell
//! given back. In builds with failpoints (`src/cli/failpoints.rs`).

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::time::Duration;

use futures::future::join_all;

use super::process::Fleet;
use super::requests;

/// How a process is to die: where, and at which passing; and whether it is asked to end first.
struct Death(&'static str, u32, bool);

/// Side by side, so that others see each death.
const LANES: [&[Death]; 3] = [
    &[Death("take:before", 1, false), Death("take:after", 1, false), Death("read:after", 9, false)],
    &[
        Death("begin:before", 1, false),
        Death("begin:after", 1, false),
        Death("beat:before", 1, false),
        Death("beat:after", 1, false),
        Death("beat:after", 9, false),
        Death("read:after", 1, false),
        Death("beat:before", 9, false),
    ],
    &[Death("release:before", 1, true), Death("release:after", 1, true), Death("leave:before", 1, true)],
];
/// Requests that come with each life.
const EACH_LIFE: usize = 10;
/// A failpoint that is not passed so soon is not passed in this life: it ends by a kill from outside.
const LONGEST_LIFE: Duration = Duration::from_secs(20);
/// Further lives for a failpoint that ended none.
const TRIES: usize = 3;

struct Campaign {
    fleet: Fleet,
    struck: Mutex<BTreeMap<&'static str, usize>>,
    lives: Mutex<usize>,
}

impl Campaign {
    /// One life, and what is ordered at its beginning.
    async fn live(&self, Death(point, passing, asked): &Death) {
        let life = {
            let mut lives = self.lives.lock().expect("no panic");
            *lives += 1;
            *lives - 1
        };
        self.fleet.order(requests(life, EACH_LIFE)).await;
        let process = self.fleet.process_with(&[("TASKWATCH_KILL_AT", &format!("{point}:{passing}"))]);
        if *asked {
            let serving = process.said.line_with("the cell is served here");
            // In a fleet that has more processes than cells it has none.
            let _ = tokio::time::timeout(LONGEST_LIFE, serving).await;
            process.signal("TERM");
        }
        if process.dies_within(LONGEST_LIFE).await {
            *self.struck.lock().expect("no panic").entry(point).or_default() += 1;
        }
    }

    fn struck(&self, point: &str) -> usize {
        self.struck.lock().expect("no panic").get(point).copied().unwrap_or(0)
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_fleet_whose_processes_die_around_their_beats_and_takeovers_accounts_for_every_run() {
    let campaign =
        Campaign { fleet: Fleet::with_cells(4, 60.0).await, struck: Mutex::default(), lives: Mutex::default() };
    let lane = async |deaths: &[Death]| {
        for death in deaths {
            campaign.live(death).await;
        }
    };
    join_all(LANES.map(lane)).await;
    for Death(point, _, asked) in LANES.into_iter().flatten() {
        for _ in 0..TRIES {
            if campaign.struck(point) == 0 {
                campaign.live(&Death(point, 1, *asked)).await;
            }
        }
    }
    let (one, other) = (campaign.fleet.process(), campaign.fleet.process());
    super::serve_all(&[&one, &other]).await;
    let lives = *campaign.lives.lock().expect("no panic");
    campaign.fleet.accounts_for(lives * EACH_LIFE).await;
    let struck = campaign.struck.lock().expect("no panic").clone();
    println!("{} runs through {lives} lives; at failpoints: {struck:?}", lives * EACH_LIFE);
    let never: Vec<_> = LANES.into_iter().flatten().filter(|death| !struck.contains_key(death.0)).collect();
    assert!(never.is_empty(), "never passed: {:?}", never.iter().map(|death| death.0).collect::<Vec<_>>());
}
