//! The API against its own description, by a tool that others wrote; its metrics through Prometheus's own parser.

use std::process::Stdio;

use serde_json::json;

use super::{Served, serve};
use crate::support::fakes::{World, eventually, request};
use crate::support::python;

const TOKEN: &str = "s3cret";

/// A request that the schema allows may be refused for what a schema cannot say, such as a member that RunTask does not have.
const CHECKS: &str = "
[[operations]]
include-operation-id = [\"submit\", \"changeLimits\"]
checks.positive_data_acceptance.enabled = false
";

/// A cell in which something of everything has happened.
async fn lived_in() -> Served {
    let mut world = World::new();
    // Whatever is submitted waits, so that a thousand requests cost no thousand tasks.
    world.config.run_task_burst = 4;
    world.config.run_task_rate = 0.1;
    world.config.max_queued = 1_000_000;
    let mut served = serve(world, Some(TOKEN)).await;
    let token = reqwest::header::HeaderValue::from_static("Bearer s3cret");
    let headers = [(reqwest::header::AUTHORIZATION, token)].into_iter().collect();
    served.client = reqwest::Client::builder().default_headers(headers).build().expect("a client");
    for (name, retry) in
        [("failed", json!([])), ("waits", json!([{"ErrorEquals": ["States.ALL"], "IntervalSeconds": 9999}]))]
    {
        let body = request(json!({"name": name, "retry": retry}));
        served.post("/v1/runs", "application/json", body.to_string()).await;
    }
    eventually("tasks", || served.world.ecs.tasks().len() == 2).await;
    served.world.ecs.tasks().iter().for_each(|task| served.world.ended(task, 3));
    eventually("ends", || {
        served.cell.runs().iter().all(|run| run.attempt().is_some_and(|attempt| attempt.exit_code == Some(3)))
    })
    .await;
    served
}

#[tokio::test(flavor = "multi_thread")]
async fn every_answer_is_as_the_description_says() {
    let served = lived_in().await;
    let home = tempfile::tempdir().expect("a folder");
    std::fs::write(home.path().join("schemathesis.toml"), CHECKS).expect("its settings");
    let mut command = python::command();
    command
        .args(["-c", "import sys; from schemathesis.cli import schemathesis; sys.exit(schemathesis())", "run"])
        .arg(served.url("/openapi.json"))
        .args(["--header", &format!("Authorization: Bearer {TOKEN}"), "--seed", "7"])
        // A stream does not end; what it sends is tested beside this.
        .args([
            "--exclude-path",
            "/v1/stream",
            "--phases",
            "examples,coverage,fuzzing",
            "--max-examples",
            "50",
            "--no-color",
        ])
        .args(["--request-timeout", "20", "--workers", "2", "--warnings", "off"])
        .current_dir(home.path())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let output = tokio::task::spawn_blocking(move || command.output()).await.expect("a task").expect("schemathesis");
    let said = String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}");
    assert!(said.contains("Operations:"), "{said}");
}
