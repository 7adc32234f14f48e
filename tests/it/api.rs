//! The HTTP API and the commands that speak it, against a cell in a world of fakes.

mod bounds;
mod breakers;
mod commands;
mod description;
mod documented;
mod ended;
mod fleet;
mod metrics;
mod page;
mod rollup;
mod stream;
mod watch;

use std::net::SocketAddr;
use std::process::{Command, Output, Stdio};

use serde_json::{Value, json};
use taskwatch::cell::Cell;
use taskwatch::front::Front;
use taskwatch::http;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use crate::support::fakes::{World, eventually, request};

/// A cell behind its API.
struct Served {
    world: World,
    cell: Cell,
    address: SocketAddr,
    client: reqwest::Client,
    shutdown: CancellationToken,
}

async fn serve(world: World, token: Option<&str>) -> Served {
    let cell = world.start().await;
    serve_cell(world, cell, token).await
}

async fn serve_cell(world: World, cell: Cell, token: Option<&str>) -> Served {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    serve_on(listener, world, cell, token)
}

fn serve_on(listener: TcpListener, world: World, cell: Cell, token: Option<&str>) -> Served {
    let front = Front::from(cell.clone());
    serve_front(listener, world, (cell, front), token)
}

/// A process that serves a cell, and answers for more than that.
fn serve_front(listener: TcpListener, world: World, (cell, front): (Cell, Front), token: Option<&str>) -> Served {
    let address = listener.local_addr().expect("an address");
    let shutdown = CancellationToken::new();
    tokio::spawn(http::serve(listener, front, token.map(str::to_owned), shutdown.clone()));
    Served { world, cell, address, client: reqwest::Client::new(), shutdown }
}

impl Served {
    fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    async fn post(&self, path: &str, kind: &str, body: impl Into<reqwest::Body>) -> (u16, Value) {
        let sent = self.client.post(self.url(path)).header("content-type", kind).body(body).send().await;
        answer(sent.expect("an answer")).await
    }

    async fn get(&self, path: &str) -> (u16, Value) {
        answer(self.client.get(self.url(path)).send().await.expect("an answer")).await
    }

    /// The binary, against this cell.
    async fn command(&self, arguments: &[&str], stdin: &str) -> Output {
        let mut command = Command::new(env!("CARGO_BIN_EXE_taskwatch"));
        command.env_clear().args(arguments).args(["--server", &self.url("")]);
        let stdin = stdin.to_owned();
        let run = move || {
            let pipes = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
            let mut child = pipes.spawn().expect("taskwatch");
            let mut input = child.stdin.take().expect("stdin");
            // A command that does not read its input has closed it.
            let _ = std::io::Write::write_all(&mut input, stdin.as_bytes());
            drop(input);
            child.wait_with_output().expect("its output")
        };
        tokio::task::spawn_blocking(run).await.expect("the command")
    }
}

async fn answer(response: reqwest::Response) -> (u16, Value) {
    let status = response.status().as_u16();
    (status, response.json().await.expect("JSON"))
}

#[tokio::test]
async fn one_request_is_taken_once_and_shown_with_every_attempt() {
    let served = serve(World::new(), None).await;
    let again = json!([{"ErrorEquals": ["Taskwatch.Application"], "IntervalSeconds": 60}]);
    let body = request(json!({"name": "nightly", "retry": again})).to_string();
    let (status, first) = served.post("/v1/runs", "application/json", body.clone()).await;
    assert_eq!((status, &first["runs"][0]["existing"]), (202, &json!(false)), "{first}");
    let (status, again) = served.post("/v1/runs", "application/json", body).await;
    assert_eq!((status, &again["runs"][0]["existing"]), (202, &json!(true)));
    assert_eq!(first["runs"][0]["run"], again["runs"][0]["run"]);
    let other = request(json!({"name": "nightly", "priority": 1})).to_string();
    let (status, conflict) = served.post("/v1/runs", "application/json", other).await;
    assert_eq!((status, &conflict["error"]), (409, &json!("NameConflict")));
    assert!(conflict["message"].as_str().is_some_and(|text| text.starts_with("\"nightly\" is the name")), "{conflict}");

    eventually("a task", || !served.world.ecs.tasks().is_empty()).await;
    served.world.ended(&served.world.ecs.tasks()[0], 3);
    let id = uuid::Uuid::parse_str(first["runs"][0]["run"].as_str().expect("an id")).expect("a UUID");
    eventually("a failed attempt", || served.cell.run(id).is_some_and(|run| run.retry_at.is_some())).await;
    for name in ["nightly", &id.to_string()] {
        let (status, shown) = served.get(&format!("/v1/runs/{name}")).await;
        assert_eq!((status, &shown["status"]), (200, &json!("PENDING_RETRY")), "{shown}");
        assert_eq!(shown["attempts"][0]["exitCode"], 3);
        assert!(shown["attempts"][0]["hint"].is_string() && shown["retryAt"].is_string(), "{shown}");
    }
    let (status, missing) = served.get("/v1/runs/nobody").await;
    assert_eq!((status, &missing["error"]), (404, &json!("NotFound")));
}

#[tokio::test]
async fn an_array_and_lines_are_taken_item_by_item() {
    let served = serve(World::new(), None).await;
    let good = |n: u32| request(json!({"name": format!("n{n}")}));
    let array = json!([good(1), {"runTask": {"taskDefinitio": "x"}}, good(2)]);
    let (status, taken) = served.post("/v1/runs", "application/json", array.to_string()).await;
    assert_eq!((status, taken["runs"].as_array().map(Vec::len)), (202, Some(2)), "{taken}");
    assert_eq!((&taken["refused"][0]["item"], &taken["refused"][0]["error"]), (&json!(1), &json!("InvalidRequest")));

    let lines = format!("{}\n\nrubbish\n{}\n{}\n{}", good(3), "x".repeat(2 * 1024 * 1024), good(4), good(1));
    let (status, taken) = served.post("/v1/runs", "application/x-ndjson", lines).await;
    assert_eq!((status, taken["runs"].as_array().map(Vec::len)), (202, Some(3)), "{taken}");
    assert_eq!(taken["refused"].as_array().map(Vec::len), Some(2), "{taken}");
    assert_eq!(taken["refused"][1]["error"], "RequestTooLarge");

    let (status, refused) = served.post("/v1/runs", "application/json", "[1, 2]").await;
    assert_eq!((status, &refused["error"]), (400, &json!("InvalidRequest")), "{refused}");
    for body in ["", "{", "null", "{}", "\"x\""] {
        let (status, refused) = served.post("/v1/runs", "application/json", body).await;
        assert_eq!((status, &refused["error"]), (400, &json!("InvalidRequest")), "{body}: {refused}");
    }
    let huge = format!("[{}]", "1,".repeat(9 * 1024 * 1024));
    assert_eq!(served.post("/v1/runs", "application/json", huge).await.0, 413);
    assert_eq!(served.cell.runs().len(), 4);
}

#[tokio::test]
async fn ten_thousand_lines_are_ten_thousand_runs() {
    let mut world = World::new();
    world.config.run_task_rate = 0.01;
    let served = serve(world, None).await;
    let lines = futures::stream::iter(
        (0..10_000).map(|n| Ok::<_, std::io::Error>(format!("{}\n", request(json!({"name": format!("n{n}")}))))),
    );
    let body = reqwest::Body::wrap_stream(lines);
    let (status, taken) = served.post("/v1/runs", "application/x-ndjson", body).await;
    assert_eq!((status, taken["runs"].as_array().map(Vec::len)), (202, Some(10_000)));
    assert_eq!(taken["runs"][9_999]["name"], "n9999", "they are answered in order");
}

#[tokio::test]
async fn lists_filter_and_page() {
    let served = serve(World::new(), None).await;
    for n in 0..25 {
        let queue = if n % 5 == 0 { "slow" } else { "fast" };
        let body = request(json!({"name": format!("n{n}"), "queue": queue}));
        served.post("/v1/runs", "application/json", body.to_string()).await;
    }
    let mut seen = Vec::new();
    let mut next = String::new();
    loop {
        let (status, page) = served.get(&format!("/v1/runs?limit=10{next}")).await;
        assert_eq!(status, 200, "{page}");
        seen.extend(page["runs"].as_array().expect("runs").iter().map(|run| run["name"].clone()));
        match page["nextToken"].as_str() {
            Some(token) => next = format!("&nextToken={token}"),
            None => break,
        }
    }
    assert_eq!(seen.len(), 25);
    assert_eq!((&seen[0], &seen[24]), (&json!("n24"), &json!("n0")), "newest first");
    let (_, slow) = served.get("/v1/runs?queue=slow").await;
    assert_eq!(slow["runs"].as_array().map(Vec::len), Some(5));
    let (_, none) = served.get("/v1/runs?status=FAILED,aborted").await;
    assert_eq!(none["runs"].as_array().map(Vec::len), Some(0));
    for wrong in ["status=LOST", "limit=0", "limit=x", "nextToken=7", "stauts=FAILED"] {
        let (status, refused) = served.get(&format!("/v1/runs?{wrong}")).await;
        assert_eq!((status, &refused["error"]), (400, &json!("InvalidRequest")), "{wrong}: {refused}");
    }
    let (status, summary) = served.get("/v1/summary").await;
    assert_eq!(status, 200);
    assert_eq!(summary["counters"]["accepted"], 25);
}

#[tokio::test]
async fn a_name_of_many_is_stopped_as_one() {
    let served = serve(World::new(), None).await;
    let body = request(json!({"name": "fleet", "count": 4}));
    served.post("/v1/runs", "application/json", body.to_string()).await;
    eventually("tasks", || served.world.ecs.tasks().len() == 4).await;
    let (status, stopped) = served.post("/v1/runs/fleet%2F2/stop", "application/json", "{\"reason\": \"one\"}").await;
    assert_eq!((status, stopped["runs"].as_array().map(Vec::len)), (202, Some(1)), "{stopped}");
    let (status, stopped) = served.post("/v1/runs/fleet/stop", "application/json", "").await;
    assert_eq!((status, stopped["runs"].as_array().map(Vec::len)), (202, Some(4)));
    eventually("StopTask", || served.world.journal.of("StopTask").len() == 4).await;
    assert_eq!(served.post("/v1/runs/fleet/stop", "application/json", "{\"why\": 1}").await.0, 400);
}

#[tokio::test]
async fn an_array_request_is_shown_page_by_page() {
    let mut world = World::new();
    world.config.run_task_rate = 0.01;
    world.config.run_task_burst = 1;
    let served = serve(world, None).await;
    let body = request(json!({"name": "fleet", "count": 2300, "retry": []}));
    served.post("/v1/runs", "application/json", body.to_string()).await;
    let names = async |query: &str| {
        let (status, page) = served.get(&format!("/v1/runs/fleet{query}")).await;
        assert_eq!(status, 200, "{page}");
        let names: Vec<String> =
            page["runs"].as_array().expect("runs").iter().map(|run| run["name"].to_string()).collect();
        (names, page["nextToken"].as_str().map(str::to_owned))
    };
    assert_eq!(names("").await.0.len(), 100, "as many as a page of the list");
    let (mut seen, mut next) = names("?limit=1000").await;
    while let Some(token) = next {
        let (more, further) = names(&format!("?limit=1000&nextToken={token}")).await;
        assert!(more.len() <= 1000);
        seen.extend(more);
        next = further;
    }
    let expected: Vec<String> = (0..2300).map(|n| format!("\"fleet/{n}\"")).collect();
    assert_eq!(seen, expected);
    assert_eq!(names("?nextToken=2299").await, (Vec::new(), None));
    for wrong in ["limit=0", "limit=1001", "nextToken=x", "page=2"] {
        let (status, refused) = served.get(&format!("/v1/runs/fleet?{wrong}")).await;
        assert_eq!((status, &refused["error"]), (400, &json!("InvalidRequest")), "{wrong}: {refused}");
    }
    let (_, one) = served.get("/v1/runs/fleet%2F7?limit=1").await;
    assert_eq!(one["name"], "fleet/7", "one run is shown as ever");

    served.post("/v1/runs/fleet%2F1700/stop", "application/json", "").await;
    let output = served.command(&["show", "fleet"], "").await;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(text.starts_with("fleet: 2300 runs: 1 ABORTED, "), "{text}");
    let groups: Vec<&str> = text.lines().filter(|line| line.contains(" × ")).collect();
    assert!(matches!(groups[..], [_, waiting] if waiting.ends_with("are launched on Fargate")), "{text}");
    let stopped = "1 × ABORTED, Stopped: stopped on request: stopped by an operator\n  do: somebody asked for it";
    assert!(text.contains(stopped) && text.contains("  runs: fleet/1700\n"), "{text}");
    let output = served.command(&["show", "fleet", "--all"], "").await;
    assert_eq!(String::from_utf8_lossy(&output.stdout).matches("\n  attempt 1").count(), 2300);
    let output = served.command(&["show", "fleet", "--output", "json"], "").await;
    let all: Value = serde_json::from_slice(&output.stdout).expect("JSON");
    assert_eq!(all["runs"].as_array().map(Vec::len), Some(2300));
    let pretty = serde_json::to_string_pretty(&all).expect("JSON") + "\n";
    assert_eq!(String::from_utf8_lossy(&output.stdout), pretty, "written item by item, it is written as ever");
}

#[tokio::test]
async fn a_token_guards_everything_but_health() {
    let served = serve(World::new(), Some("s3cret")).await;
    for path in ["/v1/runs", "/v1/runs/x", "/v1/summary", "/v1/limits", "/v1/stream?status=X", "/metrics"] {
        let (status, refused) = served.get(path).await;
        assert_eq!((status, &refused["error"]), (401, &json!("Unauthorized")), "{path}");
        for (given, expected) in [("Bearer s3cret", 200), ("Bearer s3cre", 401), ("Basic s3cret", 401), ("s3cret", 401)]
        {
            let sent = served.client.get(served.url(path)).header("authorization", given).send().await;
            let sent = sent.expect("an answer");
            let status = sent.status().as_u16();
            assert_eq!(status == 401, expected == 401, "{path} {given}: {status}");
        }
    }
    assert_eq!(served.get("/healthz").await.0, 200);
    assert_eq!(served.get("/openapi.json").await.0, 200);
    assert_eq!(served.get("/nowhere").await.0, 404);
}

#[tokio::test]
async fn a_full_cell_says_so() {
    let mut world = World::new();
    world.config.run_task_rate = 0.01;
    world.config.run_task_burst = 1;
    world.config.max_queued = 3;
    let served = serve(world, None).await;
    let mut last = (0, Value::Null);
    for _ in 0..10 {
        last = served.post("/v1/runs", "application/json", request(json!({})).to_string()).await;
    }
    assert_eq!((last.0, &last.1["error"]), (429, &json!("TooManyRuns")));
}

#[tokio::test]
async fn submit_list_show_and_stop_from_the_command_line() {
    let served = serve(World::new(), None).await;
    let lines = format!("{}\n{}\nrubbish\n", request(json!({"name": "a"})), request(json!({"name": "b"})));
    let output = served.command(&["submit", "-"], &lines).await;
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    assert_eq!(String::from_utf8_lossy(&output.stdout), "a\nb\n");
    assert!(String::from_utf8_lossy(&output.stderr).contains("- request 3: InvalidRequest: not JSON"), "{output:?}");
    let output = served.command(&["submit", "-"], &request(json!({"name": "pretty"})).to_string()).await;
    assert_eq!(output.status.code(), Some(0), "{output:?}");

    let output = served.command(&["list", "--output", "text"], "").await;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let names: Vec<&str> = text.lines().filter_map(|line| line.split('\t').next()).collect();
    assert_eq!(names, ["pretty", "b", "a"]);
    let output = served.command(&["show", "a"], "").await;
    assert!(String::from_utf8_lossy(&output.stdout).contains("attempt 1"), "{output:?}");
    let output = served.command(&["stop", "a", "--reason", "enough"], "").await;
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    let output = served.command(&["show", "nobody"], "").await;
    assert_eq!(output.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&output.stderr).contains("NotFound"), "{output:?}");
    let refused =
        Command::new(env!("CARGO_BIN_EXE_taskwatch")).args(["list", "--server", "http://127.0.0.1:9"]).output();
    assert!(String::from_utf8_lossy(&refused.expect("output").stderr).contains("is `taskwatch serve` running there?"));
}

#[tokio::test]
async fn run_follows_at_the_server_and_exits_as_the_task_did() {
    let served = serve(World::new(), None).await;
    let world = &served.world;
    let arguments = ["run", "--task-definition", "app:1", "--until", "stopped", "--retries", "0", "--name", "r"];
    let following = served.command(&arguments, "");
    let ending = async {
        eventually("a task", || !world.ecs.tasks().is_empty()).await;
        world.ended(&world.ecs.tasks()[0], 7);
    };
    let (output, ()) = tokio::join!(following, ending);
    assert_eq!(output.status.code(), Some(7), "{output:?}");
    let result: Value = serde_json::from_slice(&output.stdout).expect("JSON");
    assert_eq!((&result["status"], &result["exitCode"]), (&json!("FAILED"), &json!(7)));
    // The same request again is the same run: it has ended.
    let text = served.command(&[&arguments[..], &["--output", "text"]].concat(), "").await;
    assert_eq!(String::from_utf8_lossy(&text.stdout), "r\tFAILED\n", "{text:?}");
}
