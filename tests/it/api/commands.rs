//! What operators do from the command line: find runs, stop them, begin them again, set limits, look away.

use std::process::Output;

use serde_json::{Value, json};

use super::{Served, serve};
use crate::support::fakes::{World, eventually, request};
use crate::support::terminal::Terminal;

async fn submit(served: &Served, more: Value) {
    let (status, answer) = served.post("/v1/runs", "application/json", request(more).to_string()).await;
    assert_eq!(status, 202, "{answer}");
}

fn out(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}

fn err(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// Three runs: one has failed with 3, one was refused for want of CPU, one runs.
async fn lived_in() -> Served {
    let served = serve(World::new(), None).await;
    let etl = json!({"taskDefinition": "etl:7", "cluster": "batch"});
    submit(&served, json!({"name": "nightly-1", "until": "stopped", "retry": [], "runTask": etl})).await;
    eventually("a task", || served.world.ecs.tasks().len() == 1).await;
    served.world.ended(&served.world.ecs.tasks()[0], 3);
    served.world.ecs.then([crate::support::fakes::Answer::Places(0, "RESOURCE:CPU")]);
    submit(&served, json!({"name": "weekly", "retry": []})).await;
    eventually("ends", || served.cell.runs().iter().filter(|run| run.status.is_final()).count() == 2).await;
    submit(&served, json!({"name": "nightly-2", "queue": "team-a", "until": "stopped"})).await;
    eventually("a task", || served.world.ecs.tasks().len() == 2).await;
    served
}

#[tokio::test]
async fn list_finds_runs_in_many_ways_and_says_when_none_match() {
    let served = lived_in().await;
    for (arguments, expected) in [
        (&["nightly"][..], &["nightly-2", "nightly-1"][..]),
        (&["*-1"], &["nightly-1"]),
        (&["--name", "nightly-?", "--sort", "name"], &["nightly-1", "nightly-2"]),
        (&["--name", "nightly"], &[]),
        (&["--error", "capacity"], &["weekly"]),
        (&["--error", "taskwatch.APPLICATION"], &["nightly-1"]),
        (&["--task-definition", "etl"], &["nightly-1"]),
        (&["--cluster", "batch", "--since", "1h"], &["nightly-1"]),
        (&["--since", "2999-01-01"], &[]),
    ] {
        let output = served.command(&[&["list", "-o", "text"], arguments].concat(), "").await;
        assert_eq!(output.status.code(), Some(0), "{output:?}");
        let text = out(&output);
        let names: Vec<&str> = text.lines().filter_map(|line| line.split('\t').next()).collect();
        assert_eq!(names, expected, "{arguments:?}");
        assert_eq!(err(&output).contains("no runs match"), expected.is_empty(), "{output:?}");
    }
    let output = served.command(&["list", "--status", "TIMED_OUT"], "").await;
    assert_eq!((out(&output).as_str(), err(&output).as_str()), ("", "no runs match\n"), "no header above nothing");
    let table = out(&served.command(&["list", "--wide"], "").await);
    let row = table.lines().find(|line| line.contains("nightly-1")).expect("a row");
    for part in ["FAILED", "exit 3 (app)", "etl:7", "batch"] {
        assert!(row.contains(part), "{part}: {table}");
    }
    let output = served.command(&["list", "--since", "yesterday"], "").await;
    assert_eq!(output.status.code(), Some(2), "{output:?}");
}

#[tokio::test]
async fn stop_says_what_it_asked_for_and_refuses_what_has_ended() {
    let served = lived_in().await;
    let output = served.command(&["stop", "nightly-1"], "").await;
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    assert!(err(&output).contains("AlreadyEnded") && err(&output).contains("as FAILED"), "{output:?}");
    let output = served.command(&["stop", "nightly-2", "weekly"], "").await;
    assert_eq!(output.status.code(), Some(1), "one of two: {output:?}");
    assert!(out(&output).contains("stop requested") && !out(&output).contains("Taskwatch.Stopped"), "{output:?}");
    assert!(err(&output).contains("weekly: AlreadyEnded"), "{output:?}");
    eventually("StopTask", || served.world.journal.of("StopTask").len() == 1).await;
}

#[tokio::test]
async fn what_filters_choose_is_counted_and_asked_about() {
    let served = lived_in().await;
    let output = served.command(&["stop", "--queue", "team-a"], "").await;
    assert_eq!(output.status.code(), Some(2), "{output:?}");
    assert!(err(&output).contains("nothing was stopped: it would be 1 run (1 STARTING)"), "{output:?}");
    let output = served.command(&["redrive", "--error", "capacity", "--dry-run", "-o", "text"], "").await;
    assert_eq!((output.status.code(), out(&output).as_str()), (Some(0), "weekly\tFAILED\n"), "{output:?}");
    let url = served.url("");
    let mut terminal = Terminal::open(24, 80, &["redrive", "--name", "*", "--server", &url], &[]);
    terminal.shows("Redrive 2 runs (2 FAILED)? [y/N]").await;
    terminal.press("\r");
    terminal.shows("nothing was redriven").await;
    terminal.end().await;
    assert!(served.cell.runs().iter().all(|run| run.redrives == 0) && served.world.journal.of("StopTask").is_empty());
    let output = served.command(&["stop", "--queue", "team-a", "--yes"], "").await;
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    eventually("StopTask", || served.world.journal.of("StopTask").len() == 1).await;
    let output = served.command(&["stop", "--queue", "none", "--yes"], "").await;
    assert_eq!((output.status.code(), err(&output).as_str()), (Some(0), "no runs match\n"));
}

#[tokio::test]
async fn runs_that_have_ended_are_left_out_before_the_question() {
    let served = lived_in().await;
    let output = served.command(&["stop", "--status", "FAILED"], "").await;
    let (code, said) = (output.status.code(), err(&output));
    assert_eq!((code, said.as_str()), (Some(0), "nothing was stopped: all that match have ended: 2 runs (2 FAILED)\n"));
    let output =
        served.command(&["stop", "--name", "*", "--status", "failed,starting", "--dry-run", "-o", "text"], "").await;
    assert_eq!(out(&output), "nightly-2\tSTARTING\n");
    assert_eq!(err(&output), "left out, because they have ended: 2 runs (2 FAILED)\n");
    let url = served.url("");
    let stop = ["stop", "--status", "FAILED,STARTING", "--server", &url];
    let mut terminal = Terminal::open(24, 100, &stop, &[]);
    terminal.shows("Stop 1 run (1 STARTING)? [y/N]").await;
    terminal.press("y\r");
    assert_eq!(terminal.end().await.report, "0 restored");
    eventually("StopTask", || served.world.journal.of("StopTask").len() == 1).await;
}

#[tokio::test]
async fn limits_are_shown_and_set_and_pauses_warn_of_names_that_no_run_has() {
    let served = lived_in().await;
    let output = served.command(&["limits", "--run-task-rate", "7.5", "--max-in-flight", "9"], "").await;
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    let limits = served.cell.limits();
    assert_eq!((limits.run_task_rate, limits.max_in_flight, limits.run_task_burst), (7.5, 9, 100));
    let shown = out(&served.command(&["limits"], "").await);
    assert!(shown.contains("runTaskRate") && shown.contains("7.5") && shown.contains("runTaskBurst"), "{shown}");
    let output = served.command(&["limits", "--max-in-flight", "0"], "").await;
    assert_eq!(output.status.code(), Some(2), "{output:?}");
    served.command(&["limits", "--reset"], "").await;
    assert_eq!(served.cell.limits().run_task_rate, 20.0);

    let output = served.command(&["pause", "--task-definition", "etl", "--queue", "team-a", "--reason", "x"], "").await;
    assert!(err(&output).is_empty() && out(&output).contains('@'), "who is said: {output:?}");
    let output = served.command(&["pause", "--task-definition", "nosuch:99"], "").await;
    assert!(err(&output).contains("warning: no run has the task definition nosuch:99"), "{output:?}");
    let version = served.world.journal.of("Commit note").len();
    let output = served.command(&["resume", "--queue", "other"], "").await;
    assert!(err(&output).contains("nothing was resumed"), "{output:?}");
    assert_eq!(served.world.journal.of("Commit note").len(), version, "nothing was changed");
}

#[tokio::test]
async fn list_watch_goes_on_with_each_change() {
    let served = lived_in().await;
    let url = served.url("");
    let mut terminal = Terminal::open(24, 120, &["list", "-w", "nightly", "--server", &url], &[]);
    terminal.shows("nightly-2").await;
    served.world.ended(&served.world.ecs.tasks()[1], 0);
    let screen = terminal.shows("SUCCEEDED").await;
    assert!(screen.lines().filter(|line| line.contains("nightly-2")).count() >= 2, "{screen}");
    assert!(!screen.contains("weekly"), "{screen}");
    terminal.press("\u{3}");
    terminal.end().await;
}

#[tokio::test]
async fn a_run_at_a_server_goes_on_when_its_follower_leaves() {
    let served = serve(World::new(), None).await;
    let run = ["run", "--task-definition", "app:1", "--until", "stopped", "--name", "r"];
    let url = served.url("");
    let mut terminal = Terminal::open(24, 160, &[&run[..], &["--server", &url]].concat(), &[]);
    eventually("a task", || served.world.ecs.tasks().len() == 1).await;
    terminal.shows("STARTING").await;
    terminal.press("\u{3}");
    terminal.shows("leaving: r goes on at").await;
    assert_eq!(terminal.end().await.report, "130 restored");
    let output = served.command(&[&run[..], &["--detach", "-o", "text"]].concat(), "").await;
    assert_eq!((output.status.code(), out(&output).as_str()), (Some(0), "r\tSTARTING\n"), "{output:?}");
    assert!(served.world.journal.of("StopTask").is_empty(), "nobody asked for that");
}

/// The first Ctrl-C asks, one that comes at once is the same wish, the next one stops the run, and one more leaves.
#[tokio::test]
async fn a_second_ctrl_c_stops_the_run_at_a_server_and_a_third_leaves() {
    let served = serve(World::new(), None).await;
    let url = served.url("");
    for (name, tasks, waits) in [("stops", 1, true), ("leaves", 2, false)] {
        let run = ["run", "--task-definition", "app:1", "--until", "stopped", "--name", name, "--server", &url];
        let mut terminal = Terminal::open(24, 160, &run, &[]);
        eventually("a task", || served.world.ecs.tasks().len() == tasks).await;
        terminal.shows("STARTING").await;
        terminal.press("\u{3}");
        terminal.shows("Ctrl-C again within 3 s stops it").await;
        terminal.presses_until("\u{3}", "stopping what was launched; once more to leave at once").await;
        eventually("StopTask", || served.world.journal.of("StopTask").len() == tasks).await;
        if waits {
            served.world.ended(&served.world.ecs.tasks()[tasks - 1], 137);
            terminal.shows("ABORTED").await;
            assert_eq!(terminal.end().await.report, "130 restored");
        } else {
            terminal.presses_until("\u{3}", "interrupted again: tasks may still be stopping").await;
            assert_eq!(terminal.end().await.report, "1 restored");
        }
    }
}
