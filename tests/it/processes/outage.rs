//! The table of a whole fleet is away: nobody listens, nothing is answered, calls arrive and their answers do not, or every call is
//! throttled. Nothing is acknowledged that is not durable, no cell moves, and then all goes on.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::process::{Fleet, Process};
use super::requests;
use crate::support::proxy::{Door, Proxy};
use crate::support::whole::HANGS;

/// Requests that come by the queue in each outage.
const QUEUED: usize = 10;
/// A user waits so long for an answer.
const PATIENCE: Duration = Duration::from_secs(2);

/// Cells, their owners and epochs.
async fn owners(process: &Process) -> Vec<(String, Option<String>, u64)> {
    let (view, _) = process.fleet().await.expect("the fleet");
    view.cells.into_iter().map(|cell| (cell.name, cell.owner, cell.epoch)).collect()
}

/// Each of two processes has two cells.
fn is_shared(fleet: &Value) -> bool {
    let cells = fleet["cells"].as_array().into_iter().flatten();
    let mut owners: Vec<&str> = cells.filter_map(|cell| cell["owner"].as_str()).collect();
    owners.sort_unstable();
    owners.chunk_by(PartialEq::eq).map(<[_]>::len).eq([2, 2])
}

fn asked(name: &str) -> Value {
    json!({"name": name, "until": "stopped", "runTask": {"taskDefinition": "asked", "launchType": "FARGATE",
        "networkConfiguration": {"awsvpcConfiguration": {"subnets": ["subnet-0a"]}}}})
}

/// Users ask both processes for runs until both refuse, because their fleet does not hear from them. The names that they asked
/// for, and those that were acknowledged.
async fn ask_until_refused(processes: [&Process; 2], door: Door) -> (Vec<String>, Vec<String>) {
    let (mut names, mut acknowledged, until) = (Vec::new(), Vec::new(), Instant::now() + HANGS);
    let mut refused = [false; 2];
    while refused.contains(&false) {
        for (process, refused) in processes.iter().zip(&mut refused) {
            let name = format!("asked-{door:?}-{}", names.len());
            let answer = process.try_send("POST", "/v1/runs", asked(&name), PATIENCE).await;
            names.push(name.clone());
            match answer {
                Some((202, _)) => acknowledged.push(name),
                Some((503, why)) if why["error"] == "Suspended" => *refused = true,
                // Of a table that is away for a moment its store tells as well.
                Some((503, why)) if why["error"] == "StoreUnavailable" => {}
                None => {}
                answer => panic!("{answer:?}"),
            }
        }
        let logs = processes.map(|process| process.said.so_far().join("\n"));
        assert!(Instant::now() < until, "{door:?}: {refused:?}\n{}", logs.join("\n\n"));
    }
    (names, acknowledged)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_fleet_whose_table_is_away_acknowledges_nothing_that_is_lost_and_moves_no_cell() {
    let fleet = Fleet::with_cells(4, 60.0).await;
    let proxy = Proxy::to(fleet.table()).await;
    let url = proxy.url();
    let [one, other] = [0, 1].map(|_| fleet.process_with(&[("AWS_ENDPOINT_URL_DYNAMODB", &url)]));
    for process in [&one, &other] {
        process.serves(1).await;
        process.knows("/v1/fleet", |view| view["processes"].as_array().is_some_and(|all| all.len() == 2)).await;
    }
    // The last move: from then on nothing is to move.
    for process in [&one, &other] {
        process.serves(2).await;
        process.knows("/v1/fleet", is_shared).await;
    }
    let before = owners(&one).await;
    let mut runs = 0;
    for (n, door) in [Door::Shut, Door::Hung, Door::Mute, Door::Throttled].into_iter().enumerate() {
        proxy.set(door);
        fleet.order(requests(n, QUEUED)).await;
        let (names, acknowledged) = ask_until_refused([&one, &other], door).await;
        for (process, order) in [(&one, "stop"), (&other, "redrive")] {
            let path = format!("/v1/runs/{}/{order}", names[0]);
            let (status, why) = process.try_send("POST", &path, json!({}), PATIENCE).await.expect("an answer, soon");
            assert_eq!((status, &why["error"]), (503, &json!("Suspended")), "{why}");
        }
        proxy.set(Door::Open);
        for process in [&one, &other] {
            process.is_ready().await;
        }
        for name in &acknowledged {
            one.knows(&format!("/v1/runs/{name}"), |run| run["name"] == name.as_str()).await;
        }
        // Who had no answer asks again, and elsewhere.
        for name in &names {
            let (status, answer) = other.send("POST", "/v1/runs", asked(name)).await;
            // What the table took without an answer is the other process's run, and it may say so before it has read that log.
            let is_taken = status == 202 || (status, &answer["error"]) == (409, &json!("AcceptedElsewhere"));
            assert!(is_taken, "{status} {answer}");
        }
        println!("{door:?}: {} of {} acknowledged", acknowledged.len(), names.len());
        runs += QUEUED + names.len();
    }
    fleet.accounts_for(runs).await;
    for process in [&one, &other] {
        assert_eq!(owners(process).await, before, "no cell has moved");
        let log = process.said.so_far().join("\n");
        assert!(!log.contains("is dead") && !log.contains("begins anew"), "{log}");
    }
}
