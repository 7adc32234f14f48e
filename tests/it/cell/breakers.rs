//! Circuit breakers: a task definition that fails repeatedly for the same reason is paused, probed, and notified once.

use std::time::Duration;

use serde_json::{Value, json};
use taskwatch::cell::{Cell, FleetLimits, LimitsChange, Pause};
use taskwatch::core::run::{Run, Status};
use taskwatch::store::{Change, Store as _};

use crate::support::fakes::{Answer, World, eventually, settle, status, submit};

const INACTIVE: Answer = Answer::Refused("ClientException", "TaskDefinition is inactive");

/// A world in which three failures open the breaker.
fn world() -> World {
    let mut world = World::new();
    world.config.breaker.failures = 3;
    world
}

fn etl(more: Value) -> Value {
    let mut request = json!({"runTask": {"taskDefinition": "etl:7"}});
    request.as_object_mut().expect("an object").extend(more.as_object().cloned().unwrap_or_default());
    request
}

async fn one(cell: &Cell, more: Value) -> Run {
    submit(cell, etl(more)).await.remove(0)
}

/// Three runs fail; launches are paused from now on.
async fn breaker(world: &World, cell: &Cell) {
    world.ecs.then([INACTIVE, INACTIVE, INACTIVE]);
    for _ in 0..3 {
        let run = one(cell, json!({})).await;
        eventually("it is refused", || status(cell, &run) == Status::Failed).await;
    }
    eventually("it is paused", || cell.open_breakers().len() == 1).await;
}

/// Notifications of circuit breakers: status, id, and the message's detail.
fn digests(world: &World) -> Vec<(String, String, Value)> {
    let breakers = world.topic.taken().into_iter().filter(|n| n.detail_type.starts_with("Taskwatch Launches"));
    let told = breakers.map(|n| {
        let message: Value = serde_json::from_str(&n.message).expect("JSON");
        (message["detail"]["status"].as_str().expect("text").to_owned(), n.id, message["detail"].clone())
    });
    told.collect()
}

fn statuses(world: &World) -> Vec<String> {
    digests(world).into_iter().map(|(status, ..)| status).collect()
}

async fn minutes(n: u64) {
    tokio::time::sleep(Duration::from_secs(60 * n)).await;
}

async fn change(cell: &Cell, pause: &[&str], resume: &[&str]) {
    let pauses = |names: &[&str]| names.iter().map(|name| Pause::TaskDefinition((*name).into())).collect();
    let change = LimitsChange { pause: pauses(pause), resume: pauses(resume), ..LimitsChange::default() };
    cell.change_limits(change).await.expect("changed");
}

#[tokio::test(start_paused = true)]
async fn an_open_breaker_is_notified_once_and_closes_with_a_probe_that_starts() {
    let world = world();
    let cell = world.start().await;
    breaker(&world, &cell).await;
    // Alike, so that one call would take all three.
    let waiting = submit(&cell, json!({"runTask": {"taskDefinition": "etl:7", "count": 3}})).await;
    let other = submit(&cell, json!({})).await.remove(0);
    tokio::time::sleep(Duration::from_secs(50)).await;
    assert_eq!(status(&cell, &other), Status::Starting, "another task definition goes on");
    assert!(waiting.iter().all(|run| status(&cell, run) == Status::Queued));
    assert_eq!((world.ecs.tokens().len(), cell.counters().breakers_opened.get()), (4, 1));
    let [(told, _, detail)] = &digests(&world)[..] else { panic!("one digest") };
    assert_eq!((told.as_str(), &detail["failures"], &detail["taskDefinition"]), ("PAUSED", &json!(3), &json!("etl:7")));
    assert!(detail["message"].as_str().expect("text").contains(detail["hint"].as_str().expect("text")), "{detail}");
    // One run is let through; the others wait for what becomes of it.
    tokio::time::sleep(Duration::from_secs(30)).await;
    let of_etl = |wanted| waiting.iter().filter(|run| status(&cell, run) == wanted).count();
    assert_eq!((of_etl(Status::Starting), of_etl(Status::Queued)), (1, 2));
    world.event(&world.ecs.tasks()[1], 3, "RUNNING", json!({"startedAt": "2027-01-15T08:00:01Z"}));
    eventually("the others follow", || of_etl(Status::Queued) == 0).await;
    settle().await;
    assert_eq!((statuses(&world), cell.open_breakers().len()), (vec!["PAUSED".into(), "RESUMED".into()], 0));
    assert_eq!(digests(&world)[1].2["because"], "STARTED");
    assert!(cell.runs().iter().all(|run| run.attempts.len() == 1));
}

#[tokio::test(start_paused = true)]
async fn probes_that_fail_cost_one_run_each_ever_more_rarely_and_notify_nobody() {
    let world = world();
    let cell = world.start().await;
    breaker(&world, &cell).await;
    world.ecs.then((0..20).map(|_| INACTIVE));
    for _ in 0..20 {
        one(&cell, json!({})).await;
    }
    // After 1, 2, 4, 8 minutes, and then every 10.
    tokio::time::sleep(Duration::from_secs(30)).await;
    let mut spent = Vec::new();
    for _ in 0..6 {
        minutes(5).await;
        spent.push(cell.runs().iter().filter(|run| run.status == Status::Failed).count() - 3);
    }
    assert_eq!(spent, [2, 3, 4, 4, 5, 5]);
    assert_eq!((statuses(&world).len(), cell.open_breakers()[0].failed_probes), (1, 5));
}

#[tokio::test(start_paused = true)]
async fn an_open_breaker_and_its_notification_survive_a_restart() {
    let world = world();
    world.topic.down.send_replace(true);
    let first = world.start().await;
    breaker(&world, &first).await;
    let run = one(&first, json!({})).await;
    let before = first.open_breakers();
    first.drain(Duration::ZERO).await;
    world.topic.down.send_replace(false);
    let second = world.start().await;
    settle().await;
    let now = second.open_breakers();
    assert_eq!((now.len(), &now[0].cause, now[0].paused_at), (1, &before[0].cause, before[0].paused_at));
    assert_eq!(status(&second, &run), Status::Queued);
    eventually("it is told", || statuses(&world) == ["PAUSED"]).await;
    eventually("a probe goes", || status(&second, &run) == Status::Starting).await;
    world.event(&world.ecs.tasks()[0], 3, "RUNNING", json!({"startedAt": "2027-01-15T08:00:01Z"}));
    eventually("it is over", || second.open_breakers().is_empty()).await;
    second.drain(Duration::from_secs(1)).await;
    let third = world.start().await;
    assert!(third.open_breakers().is_empty());
    settle().await;
    assert_eq!(statuses(&world), ["PAUSED", "RESUMED"]);
}

#[tokio::test(start_paused = true)]
async fn an_operator_resumes_it_and_it_stays_so_after_a_restart() {
    let world = world();
    let cell = world.start().await;
    breaker(&world, &cell).await;
    let runs = [one(&cell, json!({})).await, one(&cell, json!({})).await];
    settle().await;
    change(&cell, &[], &["app"]).await;
    assert_eq!(cell.open_breakers().len(), 1, "another one was resumed");
    change(&cell, &[], &["arn:aws:ecs:us-east-1:123456789012:task-definition/etl"]).await;
    assert!(cell.open_breakers().is_empty());
    eventually("they go", || runs.iter().all(|run| status(&cell, run) == Status::Starting)).await;
    assert_eq!(digests(&world)[1].2["because"], "OPERATOR");
    cell.drain(Duration::from_secs(1)).await;
    assert!(world.start().await.open_breakers().is_empty());
}

#[tokio::test(start_paused = true)]
async fn the_operators_pause_outlives_the_breaker() {
    let world = world();
    let cell = world.start().await;
    breaker(&world, &cell).await;
    let runs = [one(&cell, json!({})).await, one(&cell, json!({})).await];
    let queued = || runs.iter().filter(|run| status(&cell, run) == Status::Queued).count();
    eventually("a probe goes", || queued() == 1).await;
    change(&cell, &["etl"], &[]).await;
    world.event(&world.ecs.tasks()[0], 3, "RUNNING", json!({"startedAt": "2027-01-15T08:00:01Z"}));
    eventually("it is over", || cell.open_breakers().is_empty()).await;
    minutes(30).await;
    assert_eq!(queued(), 1);
    change(&cell, &[], &["etl"]).await;
    eventually("it goes", || queued() == 0).await;
}

#[tokio::test(start_paused = true)]
async fn a_run_that_waits_for_a_breaker_still_ends_by_its_timeout_or_a_stop() {
    let world = world();
    let cell = world.start().await;
    breaker(&world, &cell).await;
    let (timed, stopped) = (one(&cell, json!({"timeoutSeconds": 20})).await, one(&cell, json!({})).await);
    settle().await;
    assert!(cell.stop(stopped.id, "enough").await);
    assert_eq!(status(&cell, &stopped), Status::Aborted);
    tokio::time::sleep(Duration::from_secs(25)).await;
    assert_eq!(status(&cell, &timed), Status::TimedOut);
    // Neither was the probe: the next one to come is.
    minutes(2).await;
    let next = one(&cell, json!({})).await;
    eventually("it goes", || status(&cell, &next) == Status::Starting).await;
}

#[tokio::test(start_paused = true)]
async fn a_probe_that_was_put_off_leaves_its_turn_to_another() {
    let world = world();
    let cell = world.start().await;
    breaker(&world, &cell).await;
    let runs = [one(&cell, json!({})).await, one(&cell, json!({})).await];
    // A 200 that refuses for its rate: the run waits again, and nothing was learnt.
    world.ecs.then([Answer::Places(0, "Rate exceeded")]);
    eventually("a probe goes", || runs.iter().any(|run| status(&cell, run) == Status::Starting)).await;
    let launched = world.ecs.launches();
    let [.., put_off, probe] = launched.as_slice() else { panic!("two calls") };
    assert!(probe.duration_since(*put_off) < Duration::from_secs(30), "it waits for no other turn");
    assert_eq!(runs.iter().filter(|run| status(&cell, run) == Status::Queued).count(), 1);
}

#[tokio::test(start_paused = true)]
async fn without_circuit_breakers_every_run_is_tried() {
    let mut world = world();
    world.config.breaker.failures = 0;
    let cell = world.start().await;
    world.ecs.then((0..30).map(|_| INACTIVE));
    for _ in 0..30 {
        one(&cell, json!({})).await;
    }
    eventually("all fail", || cell.runs().iter().filter(|run| run.status == Status::Failed).count() == 30).await;
    settle().await;
    assert!(cell.open_breakers().is_empty() && digests(&world).is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_breaker_that_an_older_release_noted_stays_open() {
    let before = world();
    let cell = before.start().await;
    breaker(&before, &cell).await;
    let text = serde_json::to_string(&cell.open_breakers()).expect("JSON");
    let after = world();
    after.store.commit([Change::Note { name: "storms".into(), text }].into()).await.expect("a note");
    let open = after.start().await.open_breakers();
    assert_eq!((open.len(), open[0].task_definition.as_str()), (1, "etl:7"));
}

#[tokio::test(start_paused = true)]
async fn a_cell_of_a_fleet_follows_its_limits_and_closes_what_was_resumed_after_it_opened() {
    let world = world();
    let cell = world.start().await;
    let resume = LimitsChange {
        max_in_flight: Some(7),
        pause: vec![Pause::Queue("q".into())],
        resume: vec![Pause::TaskDefinition("etl".into())],
        ..LimitsChange::default()
    };
    let before = FleetLimits::default().changed(resume.clone(), world.clock.now()).expect("limits");
    minutes(1).await;
    breaker(&world, &cell).await;
    let before = FleetLimits::read(&before.text()).expect("as they were written");
    cell.follow_limits(&before).await.expect("followed");
    let limits = cell.limits();
    assert_eq!((limits.max_in_flight, limits.pauses.len()), (7, 1));
    assert_eq!(cell.open_breakers().len(), 1, "it opened after somebody had resumed the task definition");
    minutes(1).await;
    let after = before.changed(resume, world.clock.now()).expect("limits");
    cell.follow_limits(&after).await.expect("followed");
    assert_eq!(cell.open_breakers().len(), 0);
    breaker(&world, &cell).await;
    cell.follow_limits(&after).await.expect("followed");
    assert_eq!(cell.open_breakers().len(), 1, "it opened again since");
    cell.follow_limits(&FleetLimits::default()).await.expect("followed");
    assert_eq!(cell.limits().max_in_flight, world.config.max_in_flight);
    assert!(FleetLimits::read("{\"limits\": 3}").is_err());
}

#[tokio::test(start_paused = true)]
async fn what_another_cell_found_out_is_paused_here_and_the_probe_is_left_to_it() {
    let world = world();
    let cell = world.start().await;
    cell.pause_elsewhere(["etl:7".to_owned()].into());
    let run = one(&cell, json!({})).await;
    tokio::time::sleep(Duration::from_secs(3600)).await;
    assert_eq!((status(&cell, &run), world.ecs.launches().len()), (Status::Queued, 0), "no probe leaves");
    let reason = cell.waiting_for(std::slice::from_ref(&run)).remove(0).expect("it waits").text;
    assert!(reason.contains("another cell of the fleet"), "{reason}");
    cell.pause_elsewhere([].into());
    eventually("it goes on", || world.ecs.launches().len() == 1).await;
    // Its own breaker keeps its own probes, whatever others say.
    breaker(&world, &cell).await;
    cell.pause_elsewhere(["etl:7".to_owned()].into());
    let probe = one(&cell, json!({})).await;
    eventually("its probe leaves", || status(&cell, &probe) == Status::Starting).await;
}
