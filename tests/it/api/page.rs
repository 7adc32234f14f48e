//! The page, in a real browser.

mod attention;
mod demo;
mod files;
mod fleet;
mod live;
mod look;
mod many;
mod operate;
mod rollup;
mod runs;
mod select;
mod times;
mod view;

use serde_json::{Value, json};
use taskwatch::cell::Cell;

use self::look::{FAINT, WIDE};
use super::{Served, serve, serve_cell};
use crate::support::browser::Browser;
use crate::support::fakes::{World, eventually, request};

/// A reason as an attacker would write it.
const HOSTILE: &str =
    "CannotPullContainerError: <script>document.title='taken'</script><img src=x onerror=alert(1)> no";

async fn submit(served: &Served, more: Value) {
    let (status, taken) = served.post("/v1/runs", "application/json", request(more).to_string()).await;
    assert_eq!(status, 202, "{taken}");
}

/// Ends the newest task of ECS's ledger; `code` is its container's.
async fn end_newest(served: &Served, tasks: usize, code: i64) {
    eventually("a task", || served.world.ecs.tasks().len() == tasks).await;
    served.world.ended(&served.world.ecs.tasks()[tasks - 1], code);
}

fn all_final(cell: &Cell) -> bool {
    cell.runs().iter().all(|run| run.status.is_final())
}

/// A cell with a run of every kind that a few events can make: `good`, `bad` (failed twice), `hostile`, `held`, `runs`.
async fn lived_in(token: Option<&str>) -> Served {
    let mut world = World::new();
    world.config.run_task_rate = 1_000.0;
    let served = serve(world, token).await;
    let mut served = served;
    if let Some(token) = token {
        let value = format!("Bearer {token}").parse().expect("a header");
        let headers = [(reqwest::header::AUTHORIZATION, value)].into_iter().collect();
        served.client = reqwest::Client::builder().default_headers(headers).build().expect("a client");
    }
    submit(&served, json!({"name": "good"})).await;
    end_newest(&served, 1, 0).await;
    let once = json!([{"ErrorEquals": ["States.ALL"], "IntervalSeconds": 1, "MaxAttempts": 1, "BackoffRate": 1}]);
    submit(&served, json!({"name": "bad", "queue": "team-b", "retry": once})).await;
    end_newest(&served, 2, 3).await;
    end_newest(&served, 3, 4).await;
    submit(&served, json!({"name": "hostile", "retry": []})).await;
    eventually("a task", || served.world.ecs.tasks().len() == 4).await;
    let more = json!({"stopCode": "TaskFailedToStart", "stoppedReason": HOSTILE});
    served.world.event(&served.world.ecs.tasks()[3], 9, "STOPPED", more);
    eventually("their ends", || served.cell.runs().len() == 3 && all_final(&served.cell)).await;
    submit(&served, json!({"name": "runs"})).await;
    eventually("a task", || served.world.ecs.tasks().len() == 5).await;
    let started = json!({"startedAt": "2027-01-15T08:00:01Z", "createdAt": "2027-01-15T08:00:00Z"});
    served.world.event(&served.world.ecs.tasks()[4], 3, "RUNNING", started);
    eventually("RUNNING", || served.cell.runs().iter().any(|run| run.status.as_str() == "RUNNING")).await;
    served
}

/// A selector of the row of a run by its name.
fn row(name: &str) -> String {
    format!(
        "[...document.querySelectorAll('.runs tbody tr')].find(row => row.querySelector('.name').textContent === {})",
        json!(name)
    )
}

/// A button by its text, of those that are seen.
fn button(text: &str) -> String {
    format!(
        "[...document.querySelectorAll('button')].find(b => b.textContent === {} && b.checkVisibility())",
        json!(text)
    )
}

const NAMES: &str = "[...document.querySelectorAll('.runs tbody td.name')].map(cell => cell.textContent).join(' ')";
