//! Full means that the queue keeps it: runs in flight, runs that wait, tasks a second.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::Ordering;
use std::time::Duration;

use serde_json::json;
use taskwatch::cell::{CallRates, LimitsChange, Pause, Quota, Shared, Shares};
use taskwatch::core::run::Run;
use taskwatch::store::Query;

use crate::support::fakes::{World, eventually, request, settle, submit};

#[tokio::test(start_paused = true)]
async fn no_more_runs_have_tasks_than_may() {
    let mut world = World::new();
    world.config.max_in_flight = 3;
    let cell = world.start().await;
    for _ in 0..8 {
        submit(&cell, json!({})).await;
    }
    tokio::time::sleep(Duration::from_secs(60)).await;
    assert_eq!(world.ecs.tasks().len(), 3);
    for ended in 0..5 {
        world.ended(&world.ecs.tasks()[ended], 0);
        eventually("the next one", || world.ecs.tasks().len() == ended + 4).await;
    }
}

/// Two cells of a process that may have one task.
async fn two_cells_with_room_for_one_task() -> [(World, taskwatch::cell::Cell); 2] {
    let quota = Quota::new((20.0, 100), CallRates::USUAL, 0.1);
    quota.set_shares(&Shares::all(1.0), 1);
    let shared = Shared { quota: Some(quota), ..Shared::of_one() };
    let (busy, other) = (World::of_cell("busy", 1), World::of_cell("other", 2));
    let cells = (busy.start_among(shared.clone()).await, other.start_among(shared).await);
    [(busy, cells.0), (other, cells.1)]
}

#[tokio::test(start_paused = true)]
async fn a_cell_with_many_runs_keeps_no_other_from_the_room_that_they_share() {
    let [(busy, many), (other, one)] = two_cells_with_room_for_one_task().await;
    submit(&many, json!({"count": 100})).await;
    eventually("its first task", || busy.ecs.tasks().len() == 1).await;
    submit(&one, json!({})).await;
    settle().await;
    for ended in 0..2 {
        assert!(other.ecs.tasks().is_empty(), "there is no room");
        busy.ended(&busy.ecs.tasks()[ended], 0);
        settle().await;
        if !other.ecs.tasks().is_empty() {
            break;
        }
    }
    assert_eq!(other.ecs.tasks().len(), 1, "it was given less, so it is its turn");
    other.ended(&other.ecs.tasks()[0], 0);
    let before = busy.ecs.tasks().len();
    settle().await;
    assert_eq!(busy.ecs.tasks().len(), before + 1, "and then the first one's again");
}

#[tokio::test(start_paused = true)]
async fn what_a_cell_no_longer_needs_another_has_at_once() {
    let [(first, one), (second, other)] = two_cells_with_room_for_one_task().await;
    submit(&one, json!({})).await;
    eventually("its task", || first.ecs.tasks().len() == 1).await;
    submit(&other, json!({})).await;
    settle().await;
    assert!(second.ecs.tasks().is_empty(), "there is no room");
    first.ended(&first.ecs.tasks()[0], 0);
    settle().await;
    assert_eq!(second.ecs.tasks().len(), 1);
}

/// A Fargate task holds its network interface and its vCPUs until STOPPED, 13 s and more after its containers have ended.
#[tokio::test(start_paused = true)]
async fn a_task_that_is_taken_down_has_its_place_until_it_has_stopped() {
    let mut world = World::new();
    world.config.max_in_flight = 1;
    let cell = world.start().await;
    submit(&cell, json!({"count": 3})).await;
    eventually("the first task", || world.ecs.tasks().len() == 1).await;
    let ended = json!({"startedAt": "2027-01-15T08:00:01Z", "containers": [{"name": "app", "exitCode": 0}]});
    let taken_down = |task: usize| world.event(&world.ecs.tasks()[task], 8, "DEPROVISIONING", ended.clone());
    taken_down(0);
    let ended_runs = || cell.runs().iter().filter(|run| run.status.is_final()).count();
    eventually("its run has ended", || ended_runs() == 1).await;
    tokio::time::sleep(Duration::from_secs(13)).await;
    assert_eq!((world.ecs.tasks().len(), cell.vitals().in_flight), (1, 1), "ECS has not taken it down yet");
    let waiting = cell.waiting_for(&cell.runs()).into_iter().flatten().next().expect("one waits");
    assert_eq!(waiting.text, "maxInFlight (1) is reached: 0 runs have a task, 1 ended task is being taken down by ECS");
    world.event(&world.ecs.tasks()[0], 9, "STOPPED", ended.clone());
    let began = tokio::time::Instant::now();
    eventually("the next task", || world.ecs.tasks().len() == 2).await;
    assert!(began.elapsed() < Duration::from_millis(100), "{:?}", began.elapsed());
    // The event of its STOPPED is lost.
    taken_down(1);
    let began = tokio::time::Instant::now();
    eventually("the last task", || world.ecs.tasks().len() == 3).await;
    assert!((85..95).contains(&began.elapsed().as_secs()), "{:?}", began.elapsed());
}

#[tokio::test(start_paused = true)]
async fn a_full_cell_leaves_requests_in_their_queue() {
    let mut world = World::new();
    world.config.max_in_flight = 1;
    world.config.max_queued = 20;
    world.config.receivers = 1;
    let cell = world.start().await;
    for _ in 0..200 {
        world.requests.put(&request(json!({})).to_string());
    }
    tokio::time::sleep(Duration::from_secs(600)).await;
    let taken = cell.runs().len();
    assert!((20..=31).contains(&taken), "{taken} runs were taken, 20 may wait");
    assert_eq!(world.requests.waiting() + taken, 200);
}

#[tokio::test(start_paused = true)]
async fn a_run_that_ends_while_its_queue_is_paused_waits_no_more() {
    let mut world = World::new();
    world.config.max_queued = 1;
    let cell = world.start().await;
    cell.change_limits(LimitsChange { pause: vec![Pause::Queue("a".into())], ..LimitsChange::default() })
        .await
        .unwrap();
    let waiting = || cell.vitals().waiting;
    let stopped = submit(&cell, json!({"queue": "a"})).await.remove(0);
    eventually("one waits", || waiting() == BTreeMap::from([("a".to_owned(), 1)])).await;
    cell.stop(stopped.id, "x").await;
    assert_eq!(waiting(), BTreeMap::new());
    submit(&cell, json!({"queue": "a", "timeoutSeconds": 60})).await;
    eventually("the other waits", || waiting() == BTreeMap::from([("a".to_owned(), 1)])).await;
    tokio::time::sleep(Duration::from_secs(61)).await;
    assert_eq!(waiting(), BTreeMap::new());
}

#[tokio::test(start_paused = true)]
async fn launches_keep_to_the_rate() {
    let world = World::new();
    let cell = world.start().await;
    let begun = tokio::time::Instant::now();
    for _ in 0..30 {
        submit(&cell, json!({"count": 10})).await;
    }
    eventually("all are launched", || world.ecs.tasks().len() == 300).await;
    // 100 at once, then 20 a second.
    let took = begun.elapsed().as_secs_f64();
    assert!((9.5..11.0).contains(&took), "{took} s for 300 tasks");
}

#[tokio::test(start_paused = true)]
async fn finished_runs_are_forgotten_when_there_are_too_many() {
    let mut world = World::new();
    world.config.keep_finished = 5;
    let cell = world.start().await;
    for n in 0..20 {
        let run = &submit(&cell, json!({"name": format!("run-{n}")})).await[0];
        eventually("a task", || world.ecs.tasks().len() == n + 1).await;
        world.ended(&world.ecs.tasks()[n], 0);
        cell.finished(run.id).await;
    }
    eventually("the oldest are forgotten", || cell.runs().len() == 5).await;
    assert_eq!(world.topic.taken().len(), 20);
    let found = async |name: &str| cell.find(name).await.expect("the store").len();
    assert_eq!((found("run-0").await, found("run-19").await), (0, 1));
}

#[tokio::test(start_paused = true)]
async fn finished_runs_leave_memory_when_their_time_is_over_and_open_ones_stay() {
    let mut world = World::new();
    world.config.keep = Duration::from_secs(3600);
    let cell = world.start().await;
    for minute in 0..3 {
        submit(&cell, json!({})).await;
        eventually("a task", || world.ecs.tasks().len() == minute + 1).await;
        world.ended(&world.ecs.tasks()[minute], 0);
        tokio::time::sleep(Duration::from_secs(600)).await;
    }
    submit(&cell, json!({"until": "stopped"})).await;
    assert_eq!(cell.sizes().runs, 4);
    // 30 minutes have passed: the first is an hour old in 30, the last in 50.
    tokio::time::sleep(Duration::from_secs(35 * 60)).await;
    assert_eq!(cell.sizes().runs, 3);
    tokio::time::sleep(Duration::from_secs(20 * 60)).await;
    assert_eq!((cell.sizes().runs, cell.sizes().names), (1, 1));
}

#[tokio::test(start_paused = true)]
async fn a_run_that_is_tried_again_and_again_leaves_nothing_of_its_old_attempts() {
    let mut world = World::new();
    world.config.keep_finished = 0;
    let cell = world.start().await;
    let always = json!([{"ErrorEquals": ["States.ALL"], "IntervalSeconds": 1, "BackoffRate": 1, "MaxAttempts": 1_000}]);
    let run = &submit(&cell, json!({"retry": always})).await[0];
    for n in 0..200 {
        eventually("a task", || world.ecs.tasks().len() == n + 1).await;
        world.ended(&world.ecs.tasks()[n], 1);
    }
    eventually("the last attempt", || world.ecs.tasks().len() == 201).await;
    let attempts = cell.run(run.id).expect("known").attempts;
    assert_eq!((attempts.len(), attempts.total()), (60, 201));
    let sizes = cell.sizes();
    assert_eq!((sizes.tasks, sizes.tokens), (60, 60));
    world.ended(&world.ecs.tasks()[200], 0);
    eventually("the run is forgotten", || cell.sizes().runs == 0).await;
    let sizes = cell.sizes();
    assert_eq!((sizes.tasks, sizes.tokens, sizes.names), (0, 0, 0));
}

#[tokio::test(start_paused = true)]
async fn one_of_many_that_is_in_memory_is_found_without_reading_the_others() {
    let world = World::new();
    world.store.keeps_final_runs();
    let cell = world.start().await;
    submit(&cell, json!({"name": "many", "count": 5})).await;
    let before = world.journal.of("Find").len();
    let found = cell.find("many/3").await.expect("the store");
    assert_eq!(found.iter().map(|run| run.name.as_str()).collect::<Vec<_>>(), ["many/3"]);
    assert_eq!(world.journal.of("Find").len(), before);
    assert_eq!(cell.find("many").await.expect("the store").len(), 5);
}

/// What no longer is in memory comes from the store in pages, and a short page is not the last.
#[tokio::test(start_paused = true)]
async fn short_pages_of_the_store_hide_nothing() {
    let mut world = World::new();
    world.config.keep_finished = 2;
    world.store.keeps_final_runs();
    world.store.gives_short_pages(1);
    let cell = world.start().await;
    submit(&cell, json!({"name": "many", "count": 9})).await;
    eventually("tasks", || world.ecs.tasks().len() == 9).await;
    world.ecs.tasks().iter().for_each(|task| world.ended(task, 0));
    eventually("most left memory", || cell.runs().len() == 2).await;
    let names = |runs: &[Run]| runs.iter().map(|run| run.name.clone()).collect::<BTreeSet<_>>().len();
    assert_eq!(names(&cell.find("many").await.expect("the store")), 9);
    let (mut seen, mut before) = (Vec::new(), None);
    loop {
        let page = cell.list(Query { before, limit: 4, ..Query::default() }).await.expect("the store");
        seen.extend(page.items);
        before = page.next;
        if before.is_none() {
            break;
        }
    }
    assert_eq!((seen.len(), names(&seen)), (9, 9));
    eventually("all are told", || world.topic.taken().len() == 9).await;
}

#[tokio::test(start_paused = true)]
async fn a_cell_is_ready_only_while_it_receives_from_both_queues() {
    let world = World::new();
    world.events.refuses.store(true, Ordering::Relaxed);
    let cell = world.start().await;
    world.requests.put(&request(json!({})).to_string());
    eventually("the request is taken", || cell.runs().len() == 1).await;
    assert!(!cell.ready(), "ready without its events");
    world.events.refuses.store(false, Ordering::Relaxed);
    eventually("ready", || cell.ready()).await;
    world.requests.refuses.store(true, Ordering::Relaxed);
    eventually("not ready", || !cell.ready()).await;
}
