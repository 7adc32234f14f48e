//! Real processes of a fleet on a table of an emulator that others wrote: killed, standing still for too long, ended. Every run
//! ends once, on one task.

mod deployment;
#[cfg(debug_assertions)]
mod dying;
mod outage;
mod process;

use process::{Fleet, Process};
use serde_json::json;

use crate::support::whole::HANGS;

/// Requests of one load; a third of `TASKWATCH_FLEET_RUNS`, where that is set.
const LOAD: usize = 60;
/// While more than so many wait, the next ones are sent later.
const WAITING: u64 = 2_000;

fn runs(default: usize) -> usize {
    std::env::var("TASKWATCH_FLEET_RUNS").ok().and_then(|n| n.parse().ok()).unwrap_or(default)
}

fn requests(load: usize, runs: usize) -> impl Iterator<Item = String> {
    let request = move |n: usize| {
        json!({"name": format!("run-{load}-{n}"), "until": "stopped", "queue": format!("q{}", n % 3),
            "runTask": {"taskDefinition": format!("family-{}", n % 5), "launchType": "FARGATE",
                "networkConfiguration": {"awsvpcConfiguration": {"subnets": ["subnet-0a"]}}}})
        .to_string()
    };
    (0..runs).map(request)
}

/// With `TASKWATCH_FLEET_RUNS=20000` that many runs go through it all.
#[tokio::test(flavor = "multi_thread")]
async fn whatever_ends_a_process_its_cells_go_on_and_every_run_ends_once() {
    let load = runs(3 * LOAD).div_ceil(3);
    let fleet = Fleet::with_cells(4, 60.0).await;
    let (one, other, third) = (fleet.process(), fleet.process(), fleet.process());
    for process in [&one, &other, &third] {
        process.serves(1).await;
    }
    let began = std::time::Instant::now();

    // It stands still for so long that the others have all, in the middle of its work.
    fleet.order(requests(0, load)).await;
    one.signal("STOP");
    let stood = std::time::Instant::now();
    serve_all(&[&other, &third]).await;
    if load > LOAD {
        tokio::time::sleep(std::time::Duration::from_secs(20).saturating_sub(stood.elapsed())).await;
    }
    one.signal("CONT");
    one.said.line_with("it begins anew, without them").await;
    one.serves(1).await;
    let anew = one.said.so_far().iter().filter(|line| line.contains("begins anew")).count();
    assert_eq!(anew, 1, "it says so once");
    // Counted before the next one dies: what a process counted goes with it.
    assert!(taken_from_the_dead(&[&other, &third]).await >= 1, "the cells of the one that stood still");
    fleet.has_at_most_waiting(WAITING).await;

    // Killed.
    let before = taken_from_the_dead(&[&one, &third]).await;
    fleet.order(requests(1, load)).await;
    other.signal("KILL");
    let killed = std::time::Instant::now();
    serve_all(&[&one, &third]).await;
    println!("taken over {:.1} s after SIGKILL", killed.elapsed().as_secs_f64());
    assert!(taken_from_the_dead(&[&one, &third]).await > before, "the cells of the one that was killed");
    fleet.has_at_most_waiting(WAITING).await;

    // A newer one takes the place of one that ends well.
    let newer = fleet.process();
    newer.serves(1).await;
    fleet.order(requests(2, load)).await;
    one.signal("TERM");
    let ended = std::time::Instant::now();
    serve_all(&[&newer, &third]).await;
    println!("handed over {:.1} s after SIGTERM", ended.elapsed().as_secs_f64());
    assert!(one.ended().await.success());

    fleet.accounts_for(3 * load).await;
    println!("{} runs, each accounted for, after {:.0} s", 3 * load, began.elapsed().as_secs_f64());
    // A large load may be more than the emulator answers in time.
    assert!(load > LOAD || newer.log_is_clean(), "{}", newer.said.so_far().join("\n"));
}

/// How often these took over a cell whose owner gave no sign of life.
async fn taken_from_the_dead(processes: &[&Process]) -> u64 {
    let mut taken = 0;
    for process in processes {
        taken += process.metric_of("taskwatch_takeovers_total", "died").await;
    }
    taken
}

/// Waits until these serve all cells.
async fn serve_all(processes: &[&Process]) {
    let until = std::time::Instant::now() + HANGS;
    loop {
        let mut served = 0;
        for process in processes {
            served += process.fleet().await.map_or(0, |(_, has)| has);
        }
        if served >= 4 {
            return;
        }
        let logs: Vec<String> = processes.iter().map(|process| process.said.so_far().join("\n")).collect();
        assert!(std::time::Instant::now() < until, "they serve {served} cells:\n{}", logs.join("\n\n"));
        tokio::time::sleep(std::time::Duration::from_millis(100)).await;
    }
}

/// Tasks of the queue that has much to launch; `TASKWATCH_FLEET_RUNS` says otherwise.
const LARGE: usize = 400;

fn of_queue(queue: &str, n: usize) -> String {
    json!({"name": format!("{queue}-{n}"), "queue": queue, "runTask": {"taskDefinition": queue, "launchType": "FARGATE",
        "networkConfiguration": {"awsvpcConfiguration": {"subnets": ["subnet-0a"]}}}})
    .to_string()
}

/// AWS's default quotas in real time, four cells, two processes: as fast as the account allows, never faster; and a few runs of
/// another queue are launched among those of the queue that has much to launch, wherever both are.
#[tokio::test(flavor = "multi_thread")]
async fn the_cells_of_a_fleet_keep_to_one_quota_and_a_small_queue_waits_for_no_large_one() {
    let large = runs(LARGE);
    let fleet = Fleet::with_cells(4, 1.0).await;
    let (one, other) = (fleet.process(), fleet.process());
    one.serves(1).await;
    other.serves(1).await;
    fleet.aws.send(&fleet.requests, &(0..large).map(|n| of_queue("large", n)).collect::<Vec<_>>()).await;
    fleet.launches(large / 4).await;
    fleet.aws.send(&fleet.requests, &(0..10).map(|n| of_queue("small", n)).collect::<Vec<_>>()).await;
    let tasks = fleet.launches(large + 10).await;
    let throttled = async |process: &Process| process.metric("taskwatch_run_task_throttles_total").await;
    assert_eq!((throttled(&one).await, throttled(&other).await), (0, 0));
    let calls = async |process: &Process| process.metric("taskwatch_run_task_calls_total").await;
    let calls = [calls(&one).await, calls(&other).await];
    assert!(calls.iter().all(|calls| *calls > 0), "both launch: {calls:?}");
    let seconds = (tasks[tasks.len() - 1].0 - tasks[0].0) as f64 / 1000.0;
    // 20 calls a second, and 20 at once at first: runs of no array go one a call.
    let used = (calls.iter().sum::<u64>() as f64 - 20.0) / seconds / 20.0;
    println!("{calls:?} RunTask calls in {seconds:.1} s: {:.0} % of the quota", 100.0 * used);
    let last_small = tasks.iter().rposition(|(_, family)| family == "small").expect("small ones");
    println!("the last task of the small queue was number {last_small} of {}", tasks.len());
    assert!(last_small < large * 3 / 4, "{last_small}");
}

/// Whichever process is asked, and whether a cell is served or not.
#[tokio::test(flavor = "multi_thread")]
async fn every_process_answers_for_every_run_of_the_fleet() {
    let fleet = Fleet::with_cells(2, 60.0).await;
    let one = fleet.process();
    one.serves(2).await;
    let request = |name: &str| {
        json!({"name": name, "until": "stopped", "queue": "q", "runTask": {"taskDefinition": "app", "launchType": "FARGATE",
            "networkConfiguration": {"awsvpcConfiguration": {"subnets": ["subnet-0a"]}}}})
    };
    // They wait until the queue goes on.
    let paused = one.send("PATCH", "/v1/limits", json!({"pause": [{"queue": "q"}]})).await;
    assert_eq!(paused.0, 200, "{}", paused.1);
    let names: Vec<String> = (0..8).map(|n| format!("waits-{n}")).collect();
    let (status, taken) = one.send("POST", "/v1/runs", names.iter().map(|name| request(name)).collect()).await;
    assert_eq!((status, taken["runs"].as_array().map(Vec::len)), (202, Some(8)), "{taken}");

    let other = fleet.process();
    other.serves(1).await;
    for process in [&one, &other] {
        process
            .knows("/v1/runs?status=QUEUED", |listed| listed["runs"].as_array().is_some_and(|runs| runs.len() == 8))
            .await;
        process.knows("/v1/summary", |summary| summary["statuses"]["QUEUED"] == 8 && summary["queues"]["q"] == 8).await;
        for name in &names {
            process.knows(&format!("/v1/runs/{name}"), |shown| shown["status"] == "QUEUED").await;
            let (_, shown) = process.send("GET", &format!("/v1/runs/{name}"), json!(null)).await;
            assert_eq!(shown["waitingFor"]["reason"], "QUEUE_PAUSED", "{shown}");
        }
        let (status, limits) = process.send("GET", "/v1/limits", json!(null)).await;
        assert_eq!((status, &limits["pauses"][0]["queue"]), (200, &json!("q")), "{limits}");
        // A name is one run in the whole fleet.
        for name in &names {
            let (status, again) = process.send("POST", "/v1/runs", request(name)).await;
            assert_eq!((status, &again["runs"][0]["existing"]), (202, &json!(true)), "{again}");
        }
        let conflict =
            process.send("POST", "/v1/runs", json!({"name": names[0], "runTask": {"taskDefinition": "b"}})).await;
        assert_eq!((conflict.0, &conflict.1["error"]), (409, &json!("NameConflict")), "{}", conflict.1);
    }
    // Either stops runs of both.
    for (process, name) in [(&one, &names[0]), (&other, &names[0]), (&one, &names[1]), (&other, &names[2])] {
        let (status, stopped) = process.send("POST", &format!("/v1/runs/{name}/stop"), json!({})).await;
        assert!(status == 202 || stopped["error"] == "AlreadyEnded", "{stopped}");
    }
    for process in [&one, &other] {
        for name in &names[..3] {
            process.knows(&format!("/v1/runs/{name}"), |shown| shown["status"] == "ABORTED").await;
        }
        process.knows("/v1/summary", |summary| summary["statuses"]["ABORTED"] == 3).await;
    }
    for (process, name) in [(&one, &names[0]), (&other, &names[1]), (&one, &names[2])] {
        let (status, redriven) = process.send("POST", &format!("/v1/runs/{name}/redrive"), json!({})).await;
        assert_eq!(status, 202, "{redriven}");
    }
    for process in [&one, &other] {
        process.knows("/v1/summary", |summary| summary["statuses"]["QUEUED"] == 8).await;
    }
    let (status, _) = other.send("PATCH", "/v1/limits", json!({"resume": [{"queue": "q"}]})).await;
    assert_eq!(status, 200);
    let told = fleet.told(8).await;
    assert_eq!((told.len(), fleet.tasks()), (8, 8), "the three that were stopped had no task");
}

#[test]
fn a_fleet_whose_table_cannot_be_asked_does_not_start_and_says_so_in_one_line() {
    let mut serve = std::process::Command::new(env!("CARGO_BIN_EXE_taskwatch"));
    serve.env_clear().arg("serve").envs([
        ("AWS_ACCESS_KEY_ID", "test"),
        ("AWS_SECRET_ACCESS_KEY", "test"),
        ("AWS_REGION", "us-east-1"),
        ("AWS_ENDPOINT_URL", "http://127.0.0.1:1"),
        ("TASKWATCH_FLEET", "blue"),
        ("TASKWATCH_STORE", "dynamodb:runs"),
        ("TASKWATCH_REQUESTS_QUEUE_URL", "http://127.0.0.1:1/1/requests"),
        ("TASKWATCH_LISTEN", "127.0.0.1:0"),
    ]);
    let ended = serve.output().expect("taskwatch serve");
    let said = String::from_utf8_lossy(&ended.stderr);
    assert_eq!((ended.status.code(), said.lines().count()), (Some(1), 1), "{said}");
    assert!(said.starts_with("error: dynamodb:runs: DynamoDB does not answer ("), "{said}");
}
