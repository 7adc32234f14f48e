//! What users ask for: requests by the queue and by a process's API, some of them twice, some of them stopped.

use std::sync::Arc;
use std::time::Duration;

use rand::Rng as _;
use serde_json::json;
use taskwatch::cell::{SubmitError, Submitted};
use taskwatch::core::order::{Order, Target};
use taskwatch::core::request::RunRequest;
use taskwatch::core::run::Run;

use super::node::Fleet;
use super::world::{State, Trouble};

const REQUESTS: usize = 40;
/// Within so many milliseconds.
const WITHIN: u64 = 200_000;

/// The names of a request's runs.
pub(super) fn runs_of(name: &str, count: usize) -> Vec<String> {
    if count == 0 { vec![name.to_owned()] } else { (0..count).map(|n| format!("{name}/{n}")).collect() }
}

/// Sends everything when it is time.
pub(super) fn begin(fleet: &Arc<Fleet>) {
    let trouble = fleet.world.state().trouble;
    if let Trouble::Load(runs, at_once) = trouble {
        return drop(tokio::spawn(load(Arc::clone(fleet), runs, at_once)));
    }
    for n in 0..REQUESTS {
        let fleet = Arc::clone(fleet);
        tokio::spawn(async move { one(&fleet, n).await });
    }
}

/// Once every process has its share.
async fn load(fleet: Arc<Fleet>, runs: usize, at_once: usize) {
    let name = |n: usize| format!("order-{n:05}");
    {
        let mut state = fleet.world.state();
        for n in 0..runs {
            state.ecs.expect(&name(n), 1);
            state.await_runs(&name(n), 0);
        }
    }
    tokio::time::sleep(Duration::from_secs(30)).await;
    for n in 0..runs {
        let name = name(n);
        let request = json!({"name": name, "until": "stopped", "queue": format!("q{}", n % 3),
            "runTask": {"taskDefinition": "app:1", "launchType": "FARGATE", "group": name}});
        fleet.world.state().requests.put(request.to_string());
        if (n + 1) % at_once == 0 {
            fleet.world.came.notify_waiters();
            tokio::time::sleep(Duration::from_secs(3)).await;
        }
    }
    fleet.world.came.notify_waiters();
}

struct Plan {
    at: Duration,
    count: usize,
    by_queue: bool,
    /// The same again, so much later, and how.
    again: Option<(Duration, bool)>,
    stopped: Option<Duration>,
}

fn plan(state: &mut State) -> Plan {
    let at = state.millis(0, WITHIN);
    let again = (state.dice.random_bool(0.3)).then(|| (state.millis(0, 60_000), state.dice.random_bool(0.5)));
    let stopped = (state.dice.random_bool(0.1)).then(|| state.millis(500, 40_000));
    let counts = [0, 0, 0, 0, 2, 5, 12];
    let count = counts[state.dice.random_range(0..counts.len())];
    Plan { at, count, by_queue: state.dice.random_bool(0.5), again, stopped }
}

async fn one(fleet: &Arc<Fleet>, n: usize) {
    let name = format!("order-{n:02}");
    let plan = {
        let mut state = fleet.world.state();
        let plan = plan(&mut state);
        state.ecs.expect(&name, plan.count.max(1));
        state.await_runs(&name, plan.count);
        plan
    };
    let mut request = json!({"name": name, "until": "stopped",
        "runTask": {"taskDefinition": "app:1", "launchType": "FARGATE", "group": name}});
    if plan.count > 0 {
        request["runTask"]["count"] = plan.count.into();
    }
    let body = request.to_string();
    tokio::time::sleep(plan.at).await;
    if let Some(after) = plan.stopped {
        let (fleet, name) = (Arc::clone(fleet), name.clone());
        tokio::spawn(async move {
            tokio::time::sleep(after).await;
            stop(&fleet, &name).await;
        });
    }
    send(fleet, &name, &body, plan.by_queue).await;
    if let Some((after, by_queue)) = plan.again {
        tokio::time::sleep(after).await;
        send(fleet, &name, &body, by_queue).await;
    }
}

async fn send(fleet: &Arc<Fleet>, name: &str, body: &str, by_queue: bool) {
    if by_queue {
        let mut state = fleet.world.state();
        state.note(format!("user: sends {name} to the queue"));
        state.requests.put(body.to_owned());
        drop(state);
        return fleet.world.came.notify_waiters();
    }
    let request = RunRequest::parse(body).expect("a request");
    loop {
        let answered = submit(fleet, &request).await;
        if is_answered(&mut fleet.world.state(), name, answered) {
            return;
        }
        let wait = fleet.world.state().millis(500, 10_000);
        tokio::time::sleep(wait).await;
    }
}

/// The runs, and of those that are new the cell that has them.
type Answer = Result<Vec<(String, Option<String>)>, SubmitError>;

/// Whether the user has the answer that counts.
fn is_answered(state: &mut State, name: &str, answer: Option<Answer>) -> bool {
    match answer {
        Some(Ok(runs)) => {
            state.note(format!("user: {name} is accepted"));
            let new = runs.into_iter().filter_map(|(run, cell)| Some((run, cell?)));
            state.accepted.extend(new);
            true
        }
        Some(Err(error @ SubmitError::NameConflict(_))) => {
            state.violate(format!("{name}: {error}"));
            true
        }
        // It is some other cell's, as the front would find out.
        Some(Err(SubmitError::Elsewhere { .. })) => true,
        _ => false,
    }
}

/// One try at whatever process; `None`: no answer came.
async fn submit(fleet: &Fleet, request: &RunRequest) -> Option<Answer> {
    let node = fleet.any()?;
    let cells = node.cells();
    let place = fleet.world.state().dice.random_range(0..cells.len().max(1));
    let cell = cells.get(place)?.clone();
    let asked = async {
        let answer = cell.submit(request.clone()).await;
        // Of a process that stands still nobody hears.
        node.life.goes_on().await;
        answer
    };
    let answer = tokio::select! {
        biased;
        () = node.life.dies() => return None,
        answer = tokio::time::timeout(Duration::from_secs(20), asked) => answer.ok()?,
    };
    // What came before may be the ended run of another cell.
    let cell_of = |run: Run, existing: bool| (run.name.clone(), (!existing).then(|| cell.name().to_owned()));
    let runs = |submitted: Submitted| submitted.runs.into_iter().map(|run| cell_of(run, submitted.existing)).collect();
    Some(answer.map(runs))
}

/// Stops a request's runs: at the process that serves their cell, or by an order to the cell's queue, which comes twice.
async fn stop(fleet: &Fleet, name: &str) {
    for node in fleet.nodes() {
        for cell in node.cells().iter().filter(|cell| cell.knows(name)) {
            let Ok(runs) = cell.find(name).await else { continue };
            let by_order = fleet.world.state().dice.random_bool(0.5);
            fleet.world.state().note(format!("user: stops {name}, by an order: {by_order}"));
            if by_order {
                let order = Order::Stop { runs: runs.iter().map(Target::from).collect(), reason: "enough".to_owned() };
                let mut state = fleet.world.state();
                let queue = state.events.get_mut(cell.name()).expect("a queue");
                for _ in 0..2 {
                    for part in order.parts() {
                        queue.put(part.message());
                    }
                }
                drop(state);
                fleet.world.came.notify_waiters();
            } else {
                let ids: Vec<_> = runs.iter().map(|run| run.id).collect();
                let stopping = cell.stop_all(&ids, "enough");
                let _ = tokio::time::timeout(Duration::from_secs(20), stopping).await;
            }
            return;
        }
    }
}
