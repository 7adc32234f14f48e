//! What is on the screen at the sizes that terminals have.

use crossterm::event::KeyCode;
use ratatui::Terminal;
use ratatui::backend::TestBackend;
use ratatui::style::Color;
use serde_json::{Value, json};

use super::super::data::{Full, Row, read};
use super::super::state::{Message, State};
use super::super::tests::{at, counting, press, row, showing, typed};
use super::{Look, draw, text};

/// The screen at this size, as text.
fn screen(state: &mut State, width: u16, height: u16) -> String {
    let mut terminal = Terminal::new(TestBackend::new(width, height)).expect("a terminal");
    let mut drawn = state.drawn;
    let look = Look::new(true);
    terminal.draw(|frame| drawn = draw(state, &look, frame.area(), frame.buffer_mut())).expect("a frame");
    state.drawn(drawn);
    text(terminal.backend().buffer())
}

fn has(screen: &str, parts: &[&str]) {
    for part in parts {
        assert!(screen.contains(part), "{part:?} is not in\n{screen}");
    }
}

fn busy() -> State {
    let spread = |p50: f64| json!({"count": 7, "p50": p50, "p95": p50 * 2.0, "p99": p50 * 3.0});
    let minutes = json!([
        {"at": at(-1800).to_string(), "failures": {"Taskwatch.Image": 2}},
        {"at": at(-30).to_string(), "failures": {"Taskwatch.Spot": 8, "Taskwatch.Image": 3}},
    ]);
    let summary = json!({
        "launchesPerSecond": 12.5, "inFlight": 70, "waiting": 33, "outbox": 2, "queues": {"team-a": 30, "team-b": 3},
        "limits": {"runTaskRate": 20.0, "maxInFlight": 1_000_000, "pauses": [{"queue": "team-b", "by": "ann", "since": at(-720).to_string(), "reason": "freeze"}]},
        "statuses": {"QUEUED": 33, "RUNNING": 60, "SUCCEEDED": 900, "FAILED": 13}, "minutes": minutes,
        "counters": {"throttles": 5, "corrections": 4, "ended": {"FAILED": 77}},
        "eventLag": spread(0.02),
        "phases": {"queue": spread(0.5), "provisioning": spread(3.0), "pull": spread(2.0), "start": spread(1.0), "total": spread(7.0)},
        "circuitBreakers": [{"taskDefinition": "etl:7", "error": "CannotPullContainerError", "failures": 25, "cause": "no such tag",
            "hint": "push the image", "nextProbeAt": at(40).to_string()}],
    });
    let cause =
        "Essential container in task exited; container \"etl\" exited with 137: OutOfMemoryError: killed".into();
    let failed = Row { error: "OutOfMemoryError".into(), cause, exit_code: Some(137), ..row("8", "FAILED") };
    let again = Row { retry_at: Some(at(9)), error: "AGENT".into(), ..row("7", "PENDING_RETRY") };
    let rows = [row("9", "RUNNING"), failed, again].into_iter();
    showing(rows.chain((10..40).map(|n| row(&n.to_string(), "QUEUED"))).collect(), summary)
}

#[test]
fn everything_that_matters_fits_into_80_by_24() {
    let shown = screen(&mut busy(), 80, 24);
    has(&shown, &["taskwatch blue", "live 02:00:00 UTC", "launches 12.5/s of 20.0", "in flight 70 of 1M"]);
    has(&shown, &["waiting 33 in 2 queues", "event lag p50 20ms p95 40ms p99 60ms", "throttled 5", "corrections 4"]);
    has(&shown, &["QUEUED 33", "PENDING_RETRY 0", "SUCCEEDED 900", "FAILED 13", "TIMED_OUT 0"]);
    has(&shown, &["paused automatically: etl:7: CannotPullContainerError, 25 failed, probe in 40s"]);
    has(
        &shown,
        &[
            "paused: queue team-b (12m ago, by ann, freeze)",
            "provisioning      3.0s  6.0s  9.0s     7",
            "to RUNNING        7.0s",
        ],
    );
    has(&shown, &["failed attempts, last hour", "Spot             8", "Image            5"]);
    has(&shown, &["RUNNING       nightly-9", "FAILED        nightly-8", "exit 137 (etl): ", "again in 9s: AGENT"]);
    has(&shown, &["1/33", "? help", "q quit"]);
}

#[test]
fn more_room_shows_more_runs() {
    let (small, large) = (screen(&mut busy(), 80, 24), screen(&mut busy(), 120, 40));
    let runs = |screen: &str| screen.matches("nightly-").count();
    assert!(runs(&small) >= 5 && runs(&large) >= runs(&small) + 12, "{small}\n{large}");
    has(&large, &["QUEUED 33  STARTING 0  RUNNING 60  PENDING_RETRY 0  SUCCEEDED 900  FAILED 13"]);
}

#[test]
fn a_small_terminal_keeps_the_runs_and_has_the_figures_behind_tab() {
    let mut state = busy();
    let shown = screen(&mut state, 40, 15);
    has(
        &shown,
        &[
            "taskwatch blue",
            "launches 12.5/s of 20.0",
            "FAILED 13",
            "paused automatically: etl:7",
            "RUNNING       nightly-9",
        ],
    );
    assert!(!shown.contains("p95"), "{shown}");
    press(&mut state, KeyCode::Tab);
    has(&screen(&mut state, 40, 15), &["paused automatically: etl:7:", "do     push the image"]);
    typed(&mut state, "G");
    has(&screen(&mut state, 40, 15), &["Spot", "team-a"]);
    has(&screen(&mut state, 40, 60), &["event lag p50 20ms", "throttled 5", "to RUNNING"]);
    press(&mut state, KeyCode::Tab);
    has(&screen(&mut state, 40, 15), &["nightly-9"]);
}

#[test]
fn no_size_is_too_small_to_draw() {
    let mut state = busy();
    for keys in ["", "?", "/name=x", "\u{1b}p", "\u{1b}s", "\u{1b}n"] {
        for c in keys.chars() {
            press(&mut state, if c == '\u{1b}' { KeyCode::Esc } else { KeyCode::Char(c) });
        }
        for (width, height) in [(1, 1), (2, 3), (7, 2), (20, 6), (300, 5), (10, 100)] {
            screen(&mut state, width, height);
        }
    }
}

#[test]
fn the_selected_run_is_always_in_sight() {
    let mut state = busy();
    for (keys, name) in [("G", "nightly-39"), ("k", "nightly-38"), ("g", "nightly-9 "), ("jj", "nightly-7 ")] {
        typed(&mut state, keys);
        has(&screen(&mut state, 80, 24), &[name]);
    }
}

fn failed_run() -> Value {
    let attempt = |number: u32| {
        json!({"number": number, "stage": "Over", "taskArn": "arn:aws:ecs:eu-west-1:1:task/batch/abc", "exitCode": 137,
            "error": "OutOfMemoryError", "class": "Taskwatch.Application", "transience": "Taskwatch.Application",
            "cause": "OutOfMemoryError: \u{1b}[31mContainer killed due to memory usage, and a long text more of which nothing may be cut",
            "hint": "give the container more memory", "queuedAt": at(-80).to_string(), "launchedAt": at(-78).to_string(),
            "createdAt": at(-78).to_string(), "startedAt": at(-60).to_string(), "stoppedAt": at(-20).to_string()})
    };
    json!({"run": "9", "name": "nightly-9", "status": "FAILED", "final": true, "queue": "team-a", "until": "stopped",
        "submittedAt": at(-90).to_string(), "finishedAt": at(-20).to_string(), "runTask": {"taskDefinition": "etl:7", "cluster": "batch"},
        "attempts": [attempt(1), attempt(2), attempt(3)]})
}

#[test]
fn a_run_tells_what_happened_and_what_to_do_the_newest_attempt_first() {
    let mut state = busy();
    press(&mut state, KeyCode::Enter);
    has(&screen(&mut state, 80, 24), &["nightly-9", "asking the cell"]);
    let full: Full = read(failed_run()).expect("a run");
    state.apply(Message::Shown("9".into(), Ok(Box::new(full))));
    let shown = screen(&mut state, 80, 24);
    has(&shown, &["FAILED", "task definition etl:7", "cluster batch", "ended 2026-11-26 01:59:40 UTC, after 1m10s"]);
    has(&shown, &["attempt 3  failed: exit 137", "in the queue 2.0s", "ran 40s", "task/batch/abc"]);
    has(
        &shown,
        &["cause  OutOfMemoryError: [31mContainer killed", "nothing may", "do     give the container more memory"],
    );
    assert!(shown.find("attempt 3") < shown.find("attempt 2"), "{shown}");
    let hints = |screen: &str| screen.matches("  do     give").count();
    assert_eq!(hints(&shown), 2, "the third is below:\n{shown}");
    typed(&mut state, "G");
    assert!(screen(&mut state, 80, 24).lines().nth(22).is_some_and(|line| hints(line) == 1), "its last line");
    typed(&mut state, "k");
    let narrow = screen(&mut state, 40, 15);
    assert!(narrow.lines().all(|line| line.chars().count() <= 40), "{narrow}");
}

#[test]
fn an_exit_code_is_in_sight_at_every_width() {
    for (width, parts) in [
        (80, &["exit 137 (etl)"][..]),
        (120, &["exit 137 (etl): OutOfMemoryError: killed", "TOOK"]),
        (200, &["exit 137 (etl): OutOfMemoryError: killed", "TASK DEFINITION", "team-a"]),
    ] {
        has(&screen(&mut busy(), width, 40), parts);
    }
}

#[test]
fn a_run_that_waits_says_what_for() {
    let text = "queue team-a is paused by ann since 2026-11-26T01:48:00.000Z: freeze";
    let mut waiting = json!({"run": "1", "name": "nightly-1", "status": "QUEUED", "submittedAt": at(-90).to_string(),
        "waitingFor": {"reason": "QUEUE_PAUSED", "text": text, "by": "ann"}});
    let mut state = showing(vec![read(waiting.clone()).expect("a row")], json!({}));
    has(&screen(&mut state, 120, 24), &["     0 queue team-a is paused by ann since 01:48:00 UTC: freeze"]);
    press(&mut state, KeyCode::Enter);
    waiting["attempts"] = json!([{"number": 1, "stage": "Waiting"}]);
    state.apply(Message::Shown("1".into(), Ok(Box::new(read(waiting).expect("a run")))));
    has(&screen(&mut state, 80, 24), &["waits: queue team-a is paused by ann since 01:48:00 UTC: freeze"]);
}

#[test]
fn the_time_of_a_phase_is_told_by_what_is_known_of_it() {
    let attempt = |more: Value| {
        let mut attempt = json!({"number": 1, "queuedAt": at(-80).to_string(), "launchedAt": at(-78).to_string(), "createdAt": at(-78).to_string()});
        attempt.as_object_mut().expect("members").extend(more.as_object().expect("members").clone());
        json!({"run": "9", "name": "nightly-9", "status": "STARTING", "attempts": [attempt]})
    };
    for (more, told) in [
        (
            json!({"stage": "Over", "lastStatus": "STOPPED", "stoppedAt": at(-76).to_string()}),
            "did not start, stopped after 2.0s",
        ),
        (json!({"stage": "Placed", "lastStatus": "PENDING"}), "provisioning, now PENDING, for 1m18s"),
        (json!({"stage": "Placed", "lastStatus": "PROVISIONING"}), "provisioning for 1m18s"),
        (json!({"stage": "Placed", "lastStatus": "RUNNING", "startedAt": at(-60).to_string()}), "running for 1m00s"),
        (json!({"stage": "Over", "startedAt": at(-60).to_string(), "stoppedAt": at(-20).to_string()}), "ran 40s"),
    ] {
        let mut state = busy();
        press(&mut state, KeyCode::Enter);
        state.apply(Message::Shown("9".into(), Ok(Box::new(read(attempt(more)).expect("a run")))));
        has(&screen(&mut state, 120, 24), &[told]);
    }
}

#[test]
fn marked_runs_and_the_order_are_in_sight_without_colours() {
    let mut state = busy();
    typed(&mut state, "j T");
    let shown = screen(&mut state, 80, 40);
    has(&shown, &["runs, by tries ↓", "1 marked  1/33", "FAILED       *nightly-8", "TRIES↓"]);
    typed(&mut state, "s");
    has(&screen(&mut state, 80, 24), &["nightly-8 is FAILED: it has ended"]);
}

#[test]
fn no_connection_and_questions_are_in_sight() {
    let mut state = busy();
    state.apply(Message::Lost("http://cell:7717: cannot connect; is it there?".into()));
    state.apply(Message::Tick(at(3)));
    let shown = screen(&mut state, 80, 24);
    has(&shown, &["NOT CONNECTED", "no connection for 3s, trying again: cannot connect", "nightly-9"]);
    typed(&mut state, "s");
    has(&screen(&mut state, 40, 15), &["Stop nightly-9?", "y yes   n no"]);
    typed(&mut state, "n/fail");
    has(&screen(&mut state, 40, 15), &["/fail"]);
    press(&mut state, KeyCode::Esc);
    typed(&mut state, "?");
    has(&screen(&mut state, 80, 24), &["redrive the marked runs or this one (asks first)", "q  Ctrl-C"]);
}

#[test]
fn there_is_no_colour_where_none_is_wanted() {
    for colour in [true, false] {
        let state = busy();
        let mut terminal = Terminal::new(TestBackend::new(80, 24)).expect("a terminal");
        let look = Look::new(colour);
        let paint = |frame: &mut ratatui::Frame<'_>| {
            draw(&state, &look, frame.area(), frame.buffer_mut());
        };
        terminal.draw(paint).expect("a frame");
        let cells = &terminal.backend().buffer().content;
        assert_eq!(cells.iter().any(|cell| cell.fg != Color::Reset || cell.bg != Color::Reset), colour);
    }
}

#[test]
fn wide_characters_are_not_torn() {
    let wide = Row { name: "夜間処理".into(), ..row("1", "RUNNING") };
    has(&screen(&mut showing(vec![wide], json!({})), 80, 24), &["RUNNING       夜間処理"]);
}

#[test]
fn runs_in_numbers_have_a_line_for_each_cause_and_the_selected_one_is_told_in_full() {
    let mut state = counting();
    let shown = screen(&mut state, 80, 24);
    has(&shown, &["12 runs", "QUEUED 2  SUCCEEDED 1  FAILED 9", "RUNS STATUS        WHAT", "Enter list these runs"]);
    has(
        &shown,
        &["     6 FAILED        exit 3 (etl)", "do     see its log", "runs   fleet/0, fleet/1, fleet/2 and 3 more"],
    );
    has(&shown, &["     3 FAILED        AGENT: no agent", "     2 QUEUED        queue a is paused by ann"]);
    typed(&mut state, "j");
    let shown = screen(&mut state, 80, 24);
    assert!(shown.contains("cause  no agent") && !shown.contains("see its log"), "{shown}");
    typed(&mut state, "G");
    let low = screen(&mut state, 40, 9);
    has(&low, &["     2 QUEUED        queue a is paused", "runs   fleet/10, fleet/11"]);
    assert!(low.lines().all(|line| line.chars().count() <= 40), "{low}");
}
