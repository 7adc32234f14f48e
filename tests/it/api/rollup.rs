//! Many runs in numbers: counted by status, and grouped by what they failed of and wait for.

use serde_json::{Value, json};

use super::{Served, serve};
use crate::support::fakes::{World, eventually, request};
use crate::support::terminal::Terminal;

async fn submit(served: &Served, more: Value) {
    let (status, answer) = served.post("/v1/runs", "application/json", request(more).to_string()).await;
    assert_eq!(status, 202, "{answer}");
}

/// An array of nine: four exited with 3, one with 4, two could not pull their image, one ended well, one runs; and two runs that
/// are held up.
async fn lived_in() -> Served {
    let mut world = World::new();
    world.config.run_task_rate = 1_000.0;
    let served = serve(world, None).await;
    submit(&served, json!({"name": "fleet", "count": 9, "retry": []})).await;
    eventually("their tasks", || served.world.ecs.tasks().len() == 9).await;
    let tasks = served.world.ecs.tasks();
    for (task, code) in tasks.iter().zip([3, 3, 3, 3, 4, 0]) {
        served.world.ended(task, code);
    }
    for (n, task) in tasks[6..8].iter().enumerate() {
        let reason = format!("CannotPullContainerError: pull has been retried {n} time(s): 0a1b{n}/etl: not found");
        served.world.event(task, 9, "STOPPED", json!({"stopCode": "TaskFailedToStart", "stoppedReason": reason}));
    }
    eventually("their ends", || served.cell.runs().iter().filter(|run| run.status.is_final()).count() == 8).await;
    let pause = json!({"pause": [{"queue": "held"}], "by": "ann"});
    let sent = served.client.patch(served.url("/v1/limits")).json(&pause).send().await.expect("an answer");
    assert_eq!(sent.status(), 200);
    for name in ["a", "b"] {
        submit(&served, json!({"name": name, "queue": "held"})).await;
    }
    served
}

#[tokio::test]
async fn runs_are_counted_and_each_group_of_failures_is_listed_by_what_it_says() {
    let served = lived_in().await;
    let (status, all) = served.get("/v1/rollup").await;
    assert_eq!((status, &all["runs"], &all["complete"]), (200, &json!(11), &json!(true)), "{all}");
    assert_eq!(all["statuses"], json!({"FAILED": 7, "QUEUED": 2, "STARTING": 1, "SUCCEEDED": 1}));
    let (_, fleet) = served.get("/v1/rollup?name=fleet").await;
    assert_eq!((&fleet["runs"], &fleet["waits"]), (&json!(9), &json!([])));
    let causes = fleet["causes"].as_array().expect("groups");
    let told = |group: &Value| (group["runs"].as_u64(), group["exitCode"].as_i64());
    assert_eq!(causes.iter().map(told).collect::<Vec<_>>(), [(Some(4), Some(3)), (Some(2), None), (Some(1), Some(4))]);
    assert_eq!(all["causes"].as_array().map(Vec::len), Some(3), "the others have not failed");
    assert_eq!(causes[1]["examples"], json!(["fleet/6", "fleet/7"]));
    assert!(causes[1]["hint"].is_string() && causes[1]["class"] == "Taskwatch.Image", "{}", causes[1]);
    for group in causes {
        let mut query: Vec<(&str, String)> = vec![("name", "fleet".into())];
        for (parameter, member) in
            [("status", "status"), ("error", "error"), ("exitCode", "exitCode"), ("cause", "causePattern")]
        {
            let value = &group[member];
            let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
            query.extend((!value.is_null()).then_some((parameter, text)));
        }
        let list = served.client.get(served.url("/v1/runs")).query(&query).send().await.expect("an answer");
        let list: Value = list.json().await.expect("JSON");
        assert_eq!(
            list["runs"].as_array().map(Vec::len),
            group["runs"].as_u64().map(|n| n as usize),
            "{query:?}: {list}"
        );
    }
    let (_, held) = served.get("/v1/rollup?queue=held").await;
    assert_eq!((&held["runs"], &held["causes"]), (&json!(2), &json!([])));
    let wait = &held["waits"][0];
    assert_eq!(
        (&wait["runs"], &wait["status"], &wait["reason"]),
        (&json!(2), &json!("QUEUED"), &json!("QUEUE_PAUSED"))
    );
    assert!(wait["text"].as_str().is_some_and(|text| text.starts_with("queue held is paused by ann")), "{wait}");
    let (status, refused) = served.get("/v1/rollup?limit=3").await;
    assert_eq!((status, &refused["error"]), (400, &json!("InvalidRequest")), "it is no page: {refused}");
    let (_, one) = served.get("/v1/rollup?name=fleet/3&exitCode=3&cause=ESSENTIAL").await;
    assert_eq!(one["runs"], 1);
}

#[tokio::test]
async fn show_sums_an_array_up_and_list_finds_its_failures_by_exit_code_and_cause() {
    let served = lived_in().await;
    let output = served.command(&["show", "fleet"], "").await;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    for part in [
        "fleet: 9 runs: 7 FAILED, 1 STARTING, 1 SUCCEEDED",
        "4 × FAILED, exit 3 (app)\n  do: ",
        "  runs: fleet/0, fleet/1, fleet/2 and 1 more",
        "2 × FAILED, CannotPullContainerError: pull has been retried 0 time(s)",
    ] {
        assert!(text.contains(part), "{part}: {text}");
    }
    for (arguments, expected) in [
        (&["--exit-code", "4"][..], 1),
        (&["--cause", "NOT FOUND"], 2),
        (&["--cause", "*retried 1 time*"], 1),
        (&["--cause", "retried*"], 0),
    ] {
        let output = served.command(&[&["list", "-o", "text"], arguments].concat(), "").await;
        assert_eq!(String::from_utf8_lossy(&output.stdout).lines().count(), expected, "{arguments:?}: {output:?}");
    }
    let output = served.command(&["redrive", "--exit-code", "4", "--yes", "-o", "text"], "").await;
    assert_eq!(String::from_utf8_lossy(&output.stdout), "fleet/4\tQUEUED\n", "{output:?}");
}

#[tokio::test]
async fn watch_counts_an_array_and_lists_the_runs_of_a_cause() {
    let served = lived_in().await;
    let url = served.url("");
    let watch = ["watch", "--server", &url, "--status", "FAILED", "--since", "1h"];
    let mut terminal = Terminal::open(30, 120, &watch, &[]);
    terminal.shows("fleet/7").await;
    terminal.press("a");
    terminal.shows("9 runs with name=fleet").await;
    let screen = terminal.shows("4 FAILED        exit 3 (app)").await;
    assert!(screen.contains("STARTING 1  SUCCEEDED 1  FAILED 7"), "{screen}");
    terminal.press("j");
    terminal.shows("cause  CannotPullContainerError: pull has been retried").await;
    terminal.press("\r");
    let screen = terminal.shows("1/2").await;
    assert!(screen.contains("fleet/6") && screen.contains("fleet/7") && !screen.contains("fleet/5"), "{screen}");
    // Back to all runs, in numbers as well; and on with what happens.
    terminal.press("\u{1b}");
    terminal.shows("SUCCEEDED     fleet/5").await;
    terminal.press("c");
    terminal.shows("11 runs").await;
    terminal.shows("2 QUEUED        queue held is paused by ann").await;
    served.world.ended(&served.world.ecs.tasks()[8], 3);
    terminal.shows("5 FAILED        exit 3 (app)").await;
    terminal.press("q");
    assert_eq!(terminal.end().await.report, "0 restored");
}
