//! The API of a process of a fleet: its cells, those of others, and those that have ended, as one.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use futures::FutureExt as _;
use futures::future::BoxFuture;
use serde_json::{Value, json};
use taskwatch::cell::{
    Cell, CellConfig, Clock, FleetLimits, Hindrance, Ids, Limits, LimitsChange, LimitsError, ObservedItem, RunChange,
    RunCounts,
};
use taskwatch::core::notification::{ObservedAction, ObservedOutcome};
use taskwatch::core::observe::ObservedFailure;
use taskwatch::core::order::{Order, Target};
use taskwatch::core::request::RunRequest;
use taskwatch::core::run::{Run, Status};
use taskwatch::core::task::parse_task;
use taskwatch::core::time::Timestamp;
use taskwatch::core::verdict::Deciders;
use taskwatch::fleet::{CellView, FleetView, ProcessView, Takeover, Takeovers};
use taskwatch::front::{Elsewhere, Fleet, Front, Moved, OwnCells, Seen, Unmoved};
use taskwatch::store::{Page, Query, StoreError};
use tokio::net::TcpListener;
use tokio::sync::{broadcast, watch};
use uuid::Uuid;

use super::stream::Events;
use super::{Served, serve_front};
use crate::support::fakes::{World, eventually, request, submit};

/// The runs of another process, whose queue can be shut.
struct Others {
    runs: Vec<Run>,
    orders: Mutex<Vec<(String, Order)>>,
    is_shut: bool,
    is_suspended: bool,
    view: FleetView,
    limits: Mutex<FleetLimits>,
    changes: broadcast::Sender<Moved>,
    observed: Vec<ObservedItem>,
}

impl Others {
    fn with(runs: Vec<Run>) -> Self {
        Self {
            runs,
            orders: Mutex::default(),
            is_shut: false,
            is_suspended: false,
            view: view(),
            limits: Mutex::default(),
            changes: broadcast::channel(16).0,
            observed: Vec::new(),
        }
    }

    fn seen(&self, fits: impl Fn(&Run) -> bool) -> Vec<Seen> {
        let seen = |run: &Run| Seen { cell: "blue-2".into(), run: run.clone(), waiting_for: None };
        self.runs.iter().filter(|run| fits(run)).map(seen).collect()
    }
}

impl Elsewhere for Others {
    fn fleet(&self) -> FleetView {
        self.view.clone()
    }

    fn is_suspended(&self) -> bool {
        self.is_suspended
    }

    fn hindrances(&self) -> Vec<Hindrance> {
        let hindrance = || Hindrance { what: "the table does not answer".to_owned(), why: None };
        self.is_shut.then(hindrance).into_iter().collect()
    }

    fn takeovers(&self) -> Takeovers {
        let one = BTreeMap::from([(Takeover::HandedOver, 2), (Takeover::Died, 1)]);
        BTreeMap::from([("blue-0".to_owned(), one), ("blue-2".to_owned(), BTreeMap::new())])
    }

    fn list(&self, query: Query) -> BoxFuture<'_, Result<Page<Seen, Uuid>, StoreError>> {
        let mut items = self.seen(|run| query.fits(run));
        items.reverse();
        let next = items.get(query.limit).map(|_| items[query.limit - 1].run.id);
        items.truncate(query.limit);
        async move { Ok(Page { items, next }) }.boxed()
    }

    fn find<'a>(&'a self, name: &'a str, from: u32, _: usize) -> BoxFuture<'a, Result<Page<Seen, u32>, StoreError>> {
        let items = self.seen(|run| (run.name == name || run.id.to_string() == name) && run.index >= from);
        async move { Ok(Page { items, next: None }) }.boxed()
    }

    fn counts(&self) -> BoxFuture<'_, RunCounts> {
        let mut counts = RunCounts::default();
        self.runs.iter().for_each(|run| *counts.statuses.entry(run.status).or_default() += 1);
        async move { counts }.boxed()
    }

    fn waiting(&self) -> BTreeMap<String, usize> {
        BTreeMap::from([("default".to_owned(), self.seen(|run| run.status == Status::Queued).len())])
    }

    fn in_flight(&self) -> usize {
        3
    }

    fn observed(&self) -> Vec<ObservedItem> {
        self.observed.clone()
    }

    fn changes(&self) -> broadcast::Receiver<Moved> {
        self.changes.subscribe()
    }

    fn limits(&self) -> Limits {
        self.limits.lock().expect("limits").in_force(&CellConfig::new("any"))
    }

    fn change_limits(&self, change: LimitsChange) -> BoxFuture<'_, Result<Limits, LimitsError>> {
        let mut limits = self.limits.lock().expect("limits");
        let changed = limits.changed(change, Timestamp::from_millis(1_800_000_000_000));
        let answer = changed.map(|changed| {
            *limits = changed;
            limits.in_force(&CellConfig::new("any"))
        });
        async move { answer }.boxed()
    }

    fn order<'a>(&'a self, cell: &'a str, order: Order) -> BoxFuture<'a, Result<(), Unmoved>> {
        async move {
            if self.is_shut {
                return Err(Unmoved { cell: cell.to_owned(), why: "no such queue".to_owned() });
            }
            self.orders.lock().expect("orders").push((cell.to_owned(), order));
            Ok(())
        }
        .boxed()
    }
}

/// Two processes, of which one serves a cell each; the third cell nobody does.
fn view() -> FleetView {
    let process = |id: &str, cells: &[&str]| ProcessView {
        id: id.to_owned(),
        version: "1.2.3".to_owned(),
        since: "2027-01-15T08:00:00Z".to_owned(),
        last_beat_seconds_ago: 0.5,
        cells: cells.iter().map(|cell| (*cell).to_owned()).collect(),
    };
    let cell = |name: &str, owner: Option<&str>, epoch, open| CellView {
        name: name.to_owned(),
        owner: owner.map(str::to_owned),
        epoch,
        open,
    };
    FleetView {
        fleet: "blue".to_owned(),
        processes: vec![process("one", &["blue-0"]), process("two", &["blue-1"])],
        cells: vec![
            cell("blue-0", Some("one"), 2, Some(7)),
            cell("blue-1", Some("two"), 1, Some(0)),
            cell("blue-2", None, 3, None),
        ],
    }
}

/// A process of that fleet behind its API.
pub(super) async fn of_two_processes() -> Fixture {
    fixture(Others::with(Vec::new())).await
}

/// A process with the cells blue-0 and blue-1, in whose fleet blue-2 is another's.
pub(super) struct Fixture {
    pub(super) served: Served,
    worlds: Vec<World>,
    cells: Vec<Cell>,
    others: Arc<Others>,
    own: watch::Sender<OwnCells>,
}

async fn fixture(others: Others) -> Fixture {
    let (mut worlds, mut cells) = (Vec::new(), Vec::new());
    for (name, seed) in [("blue-0", 1), ("blue-1", 2), ("blue-3", 3)] {
        let world = World::of_cell(name, seed);
        cells.push(world.start().await);
        worlds.push(world);
    }
    let (own, receiver) = watch::channel(OwnCells::from(&cells[..2]));
    let others = Arc::new(others);
    let fleet = Fleet {
        name: "blue".to_owned(),
        elsewhere: Arc::clone(&others) as _,
        clock: Clock::system(),
        ids: Ids::default(),
    };
    let front = Front::of_fleet(receiver, fleet);
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let served = serve_front(listener, worlds.remove(0), (cells[0].clone(), front), None);
    Fixture { served, worlds, cells, others, own }
}

fn run_of_another(name: &str, status: Status) -> Run {
    let parsed = RunRequest::parse(&request(json!({"name": name})).to_string()).expect("a request");
    let at = Timestamp::from_millis(1_800_000_000_500);
    Run { status, ..Run::new(Uuid::now_v7(), name.to_owned(), 0, Arc::new(parsed.spec), at) }
}

fn names(listed: &Value) -> Vec<&str> {
    listed["runs"].as_array().expect("runs").iter().filter_map(|run| run["name"].as_str()).collect()
}

#[tokio::test]
async fn every_run_of_the_fleet_is_listed_counted_and_shown_with_its_cell() {
    let all =
        fixture(Others::with(vec![run_of_another("c", Status::Running), run_of_another("d", Status::Failed)])).await;
    submit(&all.cells[0], json!({"name": "a", "queue": "q"})).await;
    submit(&all.cells[1], json!({"name": "b", "queue": "q"})).await;
    let (status, listed) = all.served.get("/v1/runs").await;
    assert_eq!((status, names(&listed).len(), &listed["nextToken"]), (200, 4, &Value::Null), "{listed}");
    let mut paged = Vec::new();
    let mut path = "/v1/runs?limit=1".to_owned();
    while !path.is_empty() {
        let (_, page) = all.served.get(&path).await;
        paged.extend(names(&page).into_iter().map(str::to_owned));
        path = page["nextToken"].as_str().map(|next| format!("/v1/runs?limit=1&nextToken={next}")).unwrap_or_default();
    }
    assert_eq!(paged, names(&listed));
    for (name, cell) in [("a", "blue-0"), ("b", "blue-1"), ("c", "blue-2"), ("d", "blue-2")] {
        let (status, shown) = all.served.get(&format!("/v1/runs/{name}")).await;
        assert_eq!((status, &shown["cell"]), (200, &json!(cell)), "{shown}");
    }
    eventually("tasks", || !all.served.world.ecs.tasks().is_empty() && !all.worlds[0].ecs.tasks().is_empty()).await;
    let (_, summary) = all.served.get("/v1/summary").await;
    assert_eq!(
        (&summary["cell"], &summary["inFlight"], &summary["counters"]["accepted"]),
        (&json!("blue"), &json!(5), &json!(2))
    );
    assert_eq!((&summary["statuses"]["RUNNING"], &summary["statuses"]["FAILED"]), (&json!(1), &json!(1)), "{summary}");
    assert_eq!(summary["statuses"]["STARTING"], 2, "{summary}");
}

#[tokio::test]
async fn metrics_of_a_fleet_are_by_cell() {
    let all = fixture(Others::with(Vec::new())).await;
    submit(&all.cells[1], json!({"name": "b"})).await;
    let text =
        all.served.client.get(all.served.url("/metrics")).send().await.expect("an answer").text().await.expect("text");
    for line in [
        "taskwatch_requests_accepted_total{cell=\"blue-0\"} 0",
        "taskwatch_requests_accepted_total{cell=\"blue-1\"} 1",
        "taskwatch_runs{cell=\"blue-1\",status=\"FAILED\"} 0.0",
        "taskwatch_event_lag_seconds_count{cell=\"blue-0\"} 0",
        "taskwatch_takeovers_total{cell=\"blue-0\",kind=\"died\"} 1",
        "taskwatch_takeovers_total{cell=\"blue-0\",kind=\"handed_over\"} 2",
        // From 0 also of a cell that it never had: its first takeover is a rise.
        "taskwatch_takeovers_total{cell=\"blue-2\",kind=\"died\"} 0",
    ] {
        assert!(text.contains(line), "{line}: {text}");
    }
    assert_eq!(text.matches("# TYPE taskwatch_runs gauge").count(), 1, "one family of all cells");
}

#[tokio::test]
async fn a_run_of_another_process_is_stopped_and_redriven_by_an_order_to_its_cell() {
    let (running, failed) = (run_of_another("c", Status::Running), run_of_another("d", Status::Failed));
    let all = fixture(Others::with(vec![running.clone(), failed.clone()])).await;
    let own = submit(&all.cells[1], json!({"name": "b"})).await;
    let (status, _) = all.served.post("/v1/runs/b/stop", "application/json", r#"{"reason": "late"}"#).await;
    let asked = all.cells[1].run(own[0].id).and_then(|run| run.stop_asked);
    assert_eq!((status, asked.as_deref()), (202, Some("late")));
    let (status, stopped) = all.served.post("/v1/runs/c/stop", "application/json", r#"{"reason": "late"}"#).await;
    assert_eq!((status, names(&stopped)), (202, vec!["c"]));
    let (status, redriven) = all.served.post("/v1/runs/d/redrive", "application/json", "").await;
    assert_eq!((status, names(&redriven)), (202, vec!["d"]), "{redriven}");
    let (status, refused) = all.served.post("/v1/runs/c/redrive", "application/json", "").await;
    assert_eq!((status, &refused["error"]), (409, &json!("NotRedrivable")));
    let orders = [
        ("blue-2".to_owned(), Order::Stop { runs: vec![Target::from(&running)], reason: "late".to_owned() }),
        ("blue-2".to_owned(), Order::Redrive { runs: vec![Target::from(&failed)] }),
    ];
    assert_eq!(*all.others.orders.lock().expect("orders"), orders);
}

#[tokio::test]
async fn an_order_that_cannot_be_passed_on_is_an_error_and_the_process_says_what_hinders_it() {
    let mut others = Others::with(vec![run_of_another("c", Status::Running), run_of_another("d", Status::Failed)]);
    others.is_shut = true;
    let all = fixture(others).await;
    for path in ["/v1/runs/c/stop", "/v1/runs/d/redrive"] {
        let (status, refused) = all.served.post(path, "application/json", "").await;
        assert_eq!((status, &refused["error"]), (503, &json!("CellUnreachable")), "{refused}");
        assert!(refused["message"].as_str().is_some_and(|text| text.contains("blue-2")), "{refused}");
    }
    let (status, ready) = all.served.get("/readyz").await;
    assert_eq!(status, 503);
    assert!(ready["message"].as_str().is_some_and(|text| text.starts_with("the table does not answer")), "{ready}");
}

#[tokio::test]
async fn a_process_that_its_fleet_does_not_hear_from_refuses_orders_of_every_run() {
    let mut others = Others::with(vec![run_of_another("c", Status::Running), run_of_another("d", Status::Failed)]);
    others.is_suspended = true;
    let all = fixture(others).await;
    submit(&all.cells[1], json!({"name": "b"})).await;
    for path in ["/v1/runs/b/stop", "/v1/runs/c/stop", "/v1/runs/d/redrive"] {
        let (status, refused) = all.served.post(path, "application/json", "").await;
        assert_eq!((status, &refused["error"]), (503, &json!("Suspended")), "{refused}");
        assert!(refused["message"].as_str().is_some_and(|text| text.contains("to another process")), "{refused}");
    }
    assert!(all.others.orders.lock().expect("orders").is_empty());
}

#[tokio::test]
async fn a_name_goes_to_one_cell_and_without_a_cell_nothing_is_taken() {
    let all = fixture(Others::with(Vec::new())).await;
    for n in 0..20 {
        let body = request(json!({"name": format!("n{n}")})).to_string();
        let (_, first) = all.served.post("/v1/runs", "application/json", body.clone()).await;
        let (_, again) = all.served.post("/v1/runs", "application/json", body).await;
        assert_eq!((&first["runs"][0]["run"], &again["runs"][0]["existing"]), (&again["runs"][0]["run"], &json!(true)));
    }
    assert!(all.cells[..2].iter().all(|cell| cell.counters().accepted.get() > 0), "each has some");
    all.own.send(OwnCells::from([])).expect("the front");
    let (status, refused) = all.served.post("/v1/runs", "application/json", request(json!({})).to_string()).await;
    assert_eq!((status, &refused["error"]), (503, &json!("NoCell")), "{refused}");
    let change = json!({"maxInFlight": 7, "pause": [{"queue": "q"}]}).to_string();
    let changed =
        all.served.client.patch(all.served.url("/v1/limits")).header("content-type", "application/json").body(change);
    assert_eq!(changed.send().await.expect("an answer").status(), 200);
    let (status, limits) = all.served.get("/v1/limits").await;
    assert_eq!((status, &limits["maxInFlight"], &limits["pauses"][0]["queue"]), (200, &json!(7), &json!("q")));
}

#[tokio::test]
async fn a_stream_follows_cells_that_come_and_go_and_says_when_to_list_again() {
    let all = fixture(Others::with(Vec::new())).await;
    let mut events = Events::open(&all.served, "", Some("1-1")).await;
    let hello = events.next().await.expect("hello");
    assert_eq!((hello.name.as_str(), &hello.data["cell"]), ("hello", &json!("blue")));
    assert_eq!(events.next().await.expect("resync").name, "resync");
    submit(&all.cells[1], json!({"name": "b"})).await;
    let change = events.named("run").await;
    assert_eq!((&change.data["name"], change.id), (&json!("b"), None));
    all.own.send(OwnCells::from(&all.cells[..])).expect("the front");
    events.named("resync").await;
    submit(&all.cells[2], json!({"name": "new"})).await;
    while events.named("run").await.data["name"] != "new" {}
    let other = RunChange::of(&run_of_another("c", Status::Running));
    all.others.changes.send(Moved::Change(Arc::new(other))).expect("a listener");
    while events.named("run").await.data["name"] != "c" {}
}

#[tokio::test(flavor = "multi_thread")]
async fn the_fleet_is_shown_with_the_contracts_members() {
    let fixture = fixture(Others::with(Vec::new())).await;
    let shown = fixture.served.get("/v1/fleet").await;
    assert_eq!(shown.1["cells"][0], json!({"name": "blue-0", "owner": "one", "epoch": 2, "open": 7}));
    assert_eq!(shown.1["cells"][2], json!({"name": "blue-2", "owner": null, "epoch": 3, "open": null}));
    let process = json!({"id": "one", "version": "1.2.3", "since": "2027-01-15T08:00:00Z", "lastBeatSecondsAgo": 0.5,
        "cells": ["blue-0"]});
    assert_eq!((&shown.1["fleet"], &shown.1["processes"][0]), (&json!("blue"), &process));
}

/// A failure that another process of the fleet observed.
fn observed_elsewhere(number: u64, family: &str) -> ObservedItem {
    let task = json!({"taskArn": format!("arn:{number}"), "lastStatus": "STOPPED", "stopCode": "TaskFailedToStart",
        "stoppedReason": "CannotPullContainerError: gone", "taskDefinitionArn": format!("{family}:1")});
    let at = Timestamp::from_millis(1_800_000_000_000);
    let failed = ObservedFailure::of_task(&parse_task(&task), Deciders::Unknown, at).expect("a failure");
    let outcome = ObservedOutcome { action: ObservedAction::Notify, policy: None, run: None, why: String::new() };
    ObservedItem { number, failed, outcome }
}

#[tokio::test]
async fn what_another_process_observed_is_listed_by_every_process_of_the_fleet() {
    let observed = [(7, "etl"), (9, "web"), (8, "etl")].map(|(number, family)| observed_elsewhere(number, family));
    let all = fixture(Others { observed: observed.into(), ..Others::with(Vec::new()) }).await;
    let arns = |listed: &Value| -> Vec<String> {
        let items = listed["observed"].as_array().expect("failures");
        items.iter().filter_map(|one| one["taskArn"].as_str().map(str::to_owned)).collect()
    };
    let listed = all.served.get("/v1/observed").await.1;
    assert_eq!(arns(&listed), ["arn:9", "arn:8", "arn:7"]);
    assert_eq!(arns(&all.served.get("/v1/observed?family=etl").await.1), ["arn:8", "arn:7"]);
    let first = all.served.get("/v1/observed?limit=2").await.1;
    let next = first["nextToken"].as_str().expect("another page");
    assert_eq!(arns(&all.served.get(&format!("/v1/observed?limit=2&nextToken={next}")).await.1), ["arn:7"]);
}
