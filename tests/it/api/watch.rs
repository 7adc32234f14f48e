//! `taskwatch watch` in a real terminal, against a served cell.

use std::process::Command;

use serde_json::{Value, json};
use tokio::net::TcpListener;

use super::{Served, serve, serve_on};
use crate::support::fakes::{World, eventually, request};
use crate::support::terminal::Terminal;

/// A reason that would clear the screen and rename the window.
const HOSTILE: &str = "CannotPullContainerError: pull image manifest has been retried 1 time(s): \u{1b}]0;pwned\u{7}\u{1b}[2J\u{9b}2J not found";

async fn submit(served: &Served, more: Value) {
    let (status, taken) = served.post("/v1/runs", "application/json", request(more).to_string()).await;
    assert_eq!(status, 202, "{taken}");
}

/// A run by this name whose task has failed to pull, for a hostile reason.
async fn fail(served: &Served, name: &str) {
    let known = served.world.ecs.tasks().len();
    submit(served, json!({"name": name, "retry": []})).await;
    eventually("a task", || served.world.ecs.tasks().len() == known + 1).await;
    let more = json!({"stopCode": "TaskFailedToStart", "stoppedReason": HOSTILE});
    served.world.event(&served.world.ecs.tasks()[known], 9, "STOPPED", more);
}

fn watch(served: &Served, more: &[&str]) -> Terminal {
    let url = served.url("");
    Terminal::open(24, 80, &[&["watch", "--server", &url], more].concat(), &[])
}

#[tokio::test]
async fn watch_shows_runs_as_they_come_and_why_they_failed() {
    let served = serve(World::new(), None).await;
    let mut terminal = watch(&served, &[]);
    terminal.shows("no runs yet: submit some").await;
    fail(&served, "nightly").await;
    let list = terminal.shows("FAILED 1").await;
    assert!(list.contains("taskwatch c") && list.contains("failed attempts, last hour"), "{list}");
    terminal.shows("FAILED        nightly").await;
    terminal.press("\r");
    let run = terminal.shows("  do     ").await;
    assert!(
        run.contains("CannotPullContainerError (Taskwatch.Image") && run.contains("]0;pwned [2J 2J not found"),
        "{run}"
    );
    // Esc, back to the list, and a filter that nothing fits.
    terminal.press("\u{1b}");
    terminal.shows("WHAT").await;
    terminal.press("/queue=elsewhere\r");
    terminal.shows("no runs match").await;
    terminal.press("q");
    let ended = terminal.end().await;
    assert_eq!((ended.report.as_str(), ended.usual), ("0 restored", true));
    let text = String::from_utf8_lossy(&ended.bytes);
    assert!(!text.contains("\u{1b}]") && !text.contains(['\u{7}', '\u{9b}']), "it reached the terminal raw");
}

#[tokio::test]
async fn watch_comes_back_with_the_cell_and_gives_the_terminal_back() {
    let served = serve(World::new(), None).await;
    let mut terminal = watch(&served, &[]);
    terminal.shows("no runs yet").await;
    let Served { world, cell, address, shutdown, .. } = served;
    shutdown.cancel();
    drop(cell);
    terminal.shows("NOT CONNECTED").await;
    let mut listener = TcpListener::bind(address).await;
    while listener.is_err() {
        tokio::task::yield_now().await;
        listener = TcpListener::bind(address).await;
    }
    let cell = world.start().await;
    let served = serve_on(listener.expect("its port"), world, cell, None);
    terminal.shows("the cell restarted at").await;
    submit(&served, json!({"name": "later"})).await;
    terminal.shows("later").await;
    let killed = Command::new("kill").args(["-TERM", &terminal.pid.to_string()]).status().expect("kill");
    assert!(killed.success());
    let ended = terminal.end().await;
    assert_eq!((ended.report.as_str(), ended.usual), ("143 restored", true));
}

#[tokio::test]
async fn watch_stops_redrives_and_pauses_but_asks_first() {
    let served = serve(World::new(), None).await;
    submit(&served, json!({"name": "nightly", "retry": []})).await;
    eventually("a task", || served.world.ecs.tasks().len() == 1).await;
    let mut terminal = watch(&served, &["--queue", "default"]);
    terminal.shows("STARTING      nightly").await;
    terminal.press("r");
    terminal.shows("only a run that failed, timed out").await;
    terminal.press("s");
    terminal.shows("Stop nightly?").await;
    terminal.press("n");
    terminal.press("p");
    terminal.shows("Pause queue default").await;
    assert!(served.world.journal.of("StopTask").is_empty(), "{:?}", served.world.journal.of(""));
    terminal.press("\r");
    terminal.shows("paused: queue default").await;
    terminal.press("sy");
    terminal.shows("stop requested: nightly").await;
    served.world.ended(&served.world.ecs.tasks()[0], 137);
    terminal.shows("ABORTED       nightly").await;
    terminal.press("ry");
    terminal.shows("redriven: nightly").await;
    terminal.shows("QUEUED        nightly").await;
    terminal.press("\u{3}");
    let ended = terminal.end().await;
    assert_eq!((ended.report.as_str(), ended.usual), ("130 restored", true));
}

#[tokio::test]
async fn watch_finds_sorts_and_marks_runs_and_stops_the_marked_ones_after_a_question_with_their_number() {
    let served = serve(World::new(), None).await;
    for name in ["etl-2", "report", "etl-10"] {
        submit(&served, json!({"name": name})).await;
    }
    eventually("their tasks", || served.world.ecs.tasks().len() == 3).await;
    let mut terminal = watch(&served, &[]);
    let order = |screen: &str| -> Vec<String> {
        let rows = screen.lines().filter(|line| line.starts_with("STARTING  "));
        rows.filter_map(|line| line.split_whitespace().nth(1).map(|name| name.trim_matches('*').to_owned())).collect()
    };
    let screen = terminal.shows("STARTING      etl-2").await;
    assert_eq!(order(&screen), ["etl-10", "report", "etl-2"], "newest first:\n{screen}");
    terminal.press("N");
    let screen = terminal.shows("by name").await;
    assert_eq!(order(&screen), ["etl-2", "etl-10", "report"], "numbers by their value:\n{screen}");
    // A part of a name is enough.
    terminal.press("/tl-\r");
    let screen = terminal.shows("name=*tl-*").await;
    assert!(screen.contains("1/2") || terminal.shows("1/2").await.contains("etl-10"), "{screen}");
    terminal.press(" j ");
    let screen = terminal.shows("2 marked").await;
    assert!(screen.contains("STARTING     *etl-2") && screen.contains("STARTING     *etl-10"), "{screen}");
    terminal.press("s");
    terminal.shows("Stop 2 runs?").await;
    assert!(served.world.journal.of("StopTask").is_empty(), "it asks first");
    terminal.press("y");
    terminal.shows("stop requested: 2 runs").await;
    eventually("StopTask", || served.world.journal.of("StopTask").len() == 2).await;
    terminal.press("q");
    assert_eq!(terminal.end().await.report, "0 restored");
}

#[tokio::test]
async fn without_a_terminal_watch_says_what_to_do_and_once_is_for_scripts() {
    let served = serve(World::new(), None).await;
    fail(&served, "nightly").await;
    eventually("its end", || served.cell.runs().iter().all(|run| run.status.is_final())).await;
    let live = served.command(&["watch"], "").await;
    let said = String::from_utf8_lossy(&live.stderr).into_owned();
    assert_eq!((live.status.code(), said.lines().count()), (Some(2), 1), "{said}");
    assert!(said.contains("list --output json") && said.contains("--once"), "{said}");
    let once = served.command(&["watch", "--once"], "").await;
    let frame = String::from_utf8_lossy(&once.stdout).into_owned();
    assert_eq!(once.status.code(), Some(0), "{}", String::from_utf8_lossy(&once.stderr));
    assert!(frame.contains("FAILED        nightly") && frame.lines().all(|line| line.chars().count() <= 80), "{frame}");
    let json = served.command(&["watch", "--once", "--output", "json"], "").await;
    let summary: Value = serde_json::from_slice(&json.stdout).expect("JSON");
    assert_eq!(summary["statuses"]["FAILED"], 1);
    for wrong in [&["watch", "--output", "json"][..], &["watch", "--once", "--status", "LOST"]] {
        assert_eq!(served.command(wrong, "").await.status.code(), Some(2), "{wrong:?}");
    }
}

#[tokio::test]
async fn watch_sends_the_token() {
    let served = serve(World::new(), Some("secret")).await;
    let refused = served.command(&["watch", "--once"], "").await;
    assert_eq!(refused.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&refused.stderr).contains("TASKWATCH_API_TOKEN"));
    let url = served.url("");
    let variables = [("TASKWATCH_API_TOKEN", "secret"), ("NO_COLOR", "1")];
    let mut terminal = Terminal::open(24, 80, &["watch", "--server", &url], &variables);
    terminal.shows("no runs yet").await;
    terminal.press("q");
    let ended = terminal.end().await;
    // Without colours: the only ones that are set are the terminal's own.
    let text = String::from_utf8_lossy(&ended.bytes);
    let coloured = ["\u{1b}[38;5", "\u{1b}[31m", "\u{1b}[32m", "\u{1b}[36m"];
    assert!(coloured.iter().all(|colour| !text.contains(colour)), "{text:?}");
}

#[tokio::test]
async fn no_command_lets_a_hostile_reason_reach_the_terminal() {
    let served = serve(World::new(), None).await;
    fail(&served, "nightly").await;
    eventually("its end", || served.cell.runs().iter().all(|run| run.status.is_final())).await;
    for arguments in [
        &["show", "nightly"][..],
        &["show", "nightly", "--output", "json"],
        &["list"],
        &["list", "--output", "json"],
        &["watch", "--once"],
        &["watch", "--once", "--status", "FAILED"],
    ] {
        let output = served.command(arguments, "").await;
        let text = String::from_utf8(output.stdout).expect("text");
        assert!(text.contains("nightly") || arguments.contains(&"show"), "{arguments:?}: {text}");
        assert!(!text.contains(|c: char| c.is_control() && c != '\n'), "{arguments:?}: {text:?}");
        if arguments == ["show", "nightly", "--output", "json"] {
            let run: Value = serde_json::from_str(&text).expect("JSON");
            assert_eq!(run["cause"], HOSTILE, "nothing of it is lost");
        }
    }
}
