//! Processes of a fleet in virtual time, on a table in memory: who serves which cell, and what happens to those of a process that
//! ends, dies, or is not heard from.

mod fleet;
mod room;

use std::collections::BTreeMap;
use std::time::Duration;

use fleet::{Fleet, cells_of};
use serde_json::json;
use taskwatch::cell::SubmitError;
use taskwatch::core::request::RunRequest;
use taskwatch::core::run::Status;
use taskwatch::fleet::Takeover;
use taskwatch::host::Host;
use taskwatch::http::FleetEmf;
use taskwatch::store::dynamo::Value;

use crate::support::fakes::{eventually, request, submit};

/// Lets so much time pass.
async fn pass(seconds: u64) {
    tokio::time::sleep(Duration::from_secs(seconds)).await;
}

#[tokio::test(start_paused = true)]
async fn processes_share_the_cells_evenly_one_move_at_a_time() {
    let fleet = Fleet::of(4).await;
    let one = fleet.process("one");
    eventually("it has all of them", || cells_of(&one.host).len() == 4).await;
    let other = fleet.process("other");
    eventually("both have a cell", || cells_of(&other.host).len() == 1).await;
    assert_eq!(cells_of(&one.host).len(), 3, "one is moved, and then another");
    eventually("both have as many", || cells_of(&other.host).len() == 2 && cells_of(&one.host).len() == 2).await;
    let shared = (cells_of(&one.host), cells_of(&other.host));
    pass(120).await;
    assert_eq!((cells_of(&one.host), cells_of(&other.host)), shared, "nothing moves any more");
    assert_eq!(fleet.fenced_commits(), 0, "no cell had two owners");
    let view = one.host.view();
    assert_eq!((view.fleet.as_str(), view.processes.len(), view.cells.len()), ("blue", 2, 4));
    assert!(view.processes.iter().all(|process| process.cells.len() == 2 && process.last_beat_seconds_ago < 3.0));
    assert!(view.cells.iter().all(|cell| cell.owner.is_some() && cell.open == Some(0)), "{view:?}");
}

#[tokio::test(start_paused = true)]
async fn the_cells_of_a_killed_process_go_on_elsewhere_within_fifteen_seconds() {
    let fleet = Fleet::of(4).await;
    let [one, other] = fleet.two_with_equal_parts().await;
    let killed = one.host.own().borrow().to_vec();
    let run = submit(&killed[0], json!({"name": "open"})).await.remove(0);
    one.host.abandon();
    let began = tokio::time::Instant::now();
    eventually("the other has all", || cells_of(&other.host).len() == 4).await;
    assert!(began.elapsed() < Duration::from_secs(15), "{:?}", began.elapsed());
    let cell =
        other.host.own().borrow().iter().find(|cell| cell.name() == killed[0].name()).cloned().expect("its cell");
    assert_eq!(cell.run(run.id).map(|run| run.name.to_string()), Some("open".to_owned()));
    eventually("its row is gone", || other.host.view().processes.len() == 1).await;
}

#[tokio::test(start_paused = true)]
async fn a_process_that_ends_hands_its_cells_over() {
    let fleet = Fleet::of(4).await;
    let [one, other] = fleet.two_with_equal_parts().await;
    let began = tokio::time::Instant::now();
    one.host.drain(Duration::from_secs(8)).await;
    eventually("the other has all", || cells_of(&other.host).len() == 4).await;
    assert!(began.elapsed() < Duration::from_secs(5), "{:?}", began.elapsed());
    assert_eq!(fleet.fenced_commits(), 0, "no cell had two owners");
}

#[tokio::test(start_paused = true)]
async fn who_is_not_heard_from_does_nothing_and_begins_anew_once_it_was_replaced() {
    let fleet = Fleet::of(2).await;
    let [one, other] = fleet.two_with_equal_parts().await;
    let cell = one.host.own().borrow()[0].clone();
    let before = one.host.view().cells.iter().find(|row| row.name == cell.name()).and_then(|row| row.owner.clone());
    one.table.set_away(true);
    pass(7).await;
    assert!(cell.is_suspended() && !one.host.hindrances().is_empty());
    let refused = cell.submit(RunRequest::parse(&request(json!({})).to_string()).expect("a request")).await;
    assert!(matches!(refused, Err(SubmitError::Suspended)), "{refused:?}");
    let world = fleet.world(cell.name());
    let late = request(json!({"name": "late"})).to_string();
    let id = world.requests.put(&late);
    eventually("a receive that was out gives it back", || !world.journal.of("Release requests-").is_empty()).await;
    world.requests.put_as(&id, &late);
    eventually("the other has its cell", || cells_of(&other.host).len() == 2).await;
    eventually("the other takes what came", || world.ecs.launches().len() == 1).await;
    one.table.set_away(false);
    eventually("it is in the fleet again", || other.host.view().processes.len() == 2).await;
    tokio::time::timeout(Duration::from_secs(1), cell.ended()).await.expect("its cell was abandoned");
    let again = other.host.view().processes.into_iter().map(|process| process.id).collect::<Vec<_>>();
    assert!(!again.contains(&before.expect("an owner")), "it has another name now");
    eventually("it gets a cell again", || cells_of(&one.host).len() == 1).await;
    assert_eq!((fleet.fenced_commits(), world.ecs.launches().len()), (0, 1), "it wrote and launched nothing meanwhile");
}

#[tokio::test(start_paused = true)]
async fn cloudwatch_is_told_of_each_cell_under_the_fleets_name_and_of_its_takeover_once() {
    let fleet = Fleet::of(4).await;
    let [one, other] = fleet.two_with_equal_parts().await;
    let mut emf = FleetEmf::new("blue", Duration::from_secs(60));
    let mut lines = || -> BTreeMap<String, serde_json::Value> {
        let cells = other.host.own().borrow().clone();
        let lines = emf.lines(&cells, |cell| other.host.took(cell));
        let parsed = lines.iter().map(|line| serde_json::from_str::<serde_json::Value>(line).expect("JSON"));
        parsed.map(|line| (line["Cell"].as_str().expect("a cell").to_owned(), line)).collect()
    };
    let counted = |line: &serde_json::Value| (line["HandedOver"].as_u64(), line["TakenFromDead"].as_u64());
    let first = lines();
    assert_eq!(first.keys().cloned().collect::<Vec<_>>(), cells_of(&other.host));
    for line in first.values() {
        let directive = &line["_aws"]["CloudWatchMetrics"][0];
        assert_eq!((&directive["Dimensions"], &line["Fleet"]), (&json!([["Fleet"]]), &json!("blue")), "{line}");
        assert_eq!(counted(line), (Some(1), Some(0)), "{line}");
    }
    assert_eq!(lines().len(), 0, "once a minute");
    pass(60).await;
    assert!(lines().values().all(|line| counted(line) == (Some(0), Some(0))), "it was reported");
    one.host.abandon();
    eventually("the other has all", || cells_of(&other.host).len() == 4).await;
    let anew: Vec<serde_json::Value> =
        lines().into_values().filter(|line| counted(line) == (Some(0), Some(1))).collect();
    assert_eq!(anew.len(), 2, "{anew:?}");
    let taken = |host: &Host, kind| host.takeovers().values().filter_map(|cell| cell.get(&kind)).sum::<u64>();
    assert_eq!([Takeover::HandedOver, Takeover::Died].map(|kind| taken(&other.host, kind)), [2, 2]);
    assert_eq!((taken(&one.host, Takeover::First), one.host.takeovers().len()), (4, 4));
}

#[tokio::test(start_paused = true)]
async fn a_table_that_is_away_for_a_minute_moves_no_cell() {
    let fleet = Fleet::of(4).await;
    let [one, other] = fleet.two_with_equal_parts().await;
    let before = (cells_of(&one.host), cells_of(&other.host), fleet.opened());
    let cell = one.host.own().borrow()[0].clone();
    for process in [&one, &other] {
        process.table.set_away(true);
    }
    pass(30).await;
    assert!([&one, &other].iter().all(|process| process.host.hindrances().len() == 1));
    pass(30).await;
    for process in [&one, &other] {
        process.table.set_away(false);
    }
    eventually("they go on", || !cell.is_suspended() && other.host.hindrances().is_empty()).await;
    let run = submit(&cell, json!({"name": "after"})).await.remove(0);
    pass(60).await;
    assert_eq!((cells_of(&one.host), cells_of(&other.host), fleet.opened()), before, "no cell was opened again");
    assert_eq!(cell.run(run.id).map(|run| run.status), Some(Status::Starting));
}

#[tokio::test(start_paused = true)]
async fn a_cell_that_another_has_taken_is_left_and_the_process_goes_on() {
    let fleet = Fleet::of(2).await;
    let one = fleet.process("one");
    eventually("it has all", || cells_of(&one.host).len() == 2).await;
    let cell = one.host.own().borrow()[0].clone();
    fleet.fence(cell.name());
    submit_and_forget(&cell);
    tokio::time::timeout(Duration::from_secs(2), cell.ended()).await.expect("it learns it with its next commit");
    eventually("it takes the cell again, which nobody has", || cells_of(&one.host).len() == 2).await;
    let again = one.host.own().borrow().iter().find(|again| again.name() == cell.name()).cloned().expect("the cell");
    submit(&again, json!({"name": "again"})).await;
}

fn submit_and_forget(cell: &taskwatch::cell::Cell) {
    let (cell, request) = (cell.clone(), RunRequest::parse(&request(json!({})).to_string()).expect("a request"));
    tokio::spawn(async move { cell.submit(request).await });
}

#[tokio::test(start_paused = true)]
async fn a_cell_of_a_later_format_and_one_that_cannot_be_opened_hinder_no_other() {
    let fleet = Fleet::of(4).await;
    fleet.table.change(&fleet.table.key_of("blue-0"), |cell| drop(cell.insert("format".into(), Value::number(9))));
    fleet.cannot_open("blue-1");
    let one = fleet.process("one");
    eventually("it serves the others", || cells_of(&one.host) == ["blue-2", "blue-3"]).await;
    pass(60).await;
    assert_eq!(cells_of(&one.host), ["blue-2", "blue-3"]);
    let owner =
        |name: &str| one.host.view().cells.iter().find(|cell| cell.name == name).and_then(|cell| cell.owner.clone());
    assert_eq!((owner("blue-0"), owner("blue-1")), (None, None), "others may have them");
    fleet.can_open("blue-1");
    eventually("it is tried again", || cells_of(&one.host).len() == 3).await;
}
