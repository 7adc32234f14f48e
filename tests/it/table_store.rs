//! The store in a table of DynamoDB, on emulators that others wrote: what it keeps, what a row says, whose a name is, what is
//! there of a commit that was cut off, and what a run costs.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use serde_json::json;
use taskwatch::aws::{Clients, DynamoTable, EventsPath};
use taskwatch::cell::ports::Queue;
use taskwatch::cell::{Cell, CellConfig, Clock, Ids, ObservedFilter, Ports};
use taskwatch::core::machine::{self, Input};
use taskwatch::core::request::RunRequest;
use taskwatch::core::run::{Run, Status};
use taskwatch::core::time::Timestamp;
use taskwatch::local::ecs::EcsOptions;
use taskwatch::local::faults::Script;
use taskwatch::local::{LocalOptions, Options, RunningLocal, start};
use taskwatch::store::dynamo::{DynamoOptions, Key as TableKey, Table};
use taskwatch::store::{Change, DynamoStore, Key, Query, Store, StoreError, find_all};
use uuid::Uuid;

use super::support::emulator::Emulator;
use super::support::polled::eventually;
use super::support::proxy::{Door, Proxy};
use super::support::whole::HANGS;
use super::table::{TABLE, make_table};

const NOW: Timestamp = Timestamp::from_millis(1_800_000_000_000);
const HOUR: Duration = Duration::from_secs(3_600);

/// A clock that stands where it is set.
#[derive(Clone)]
struct Standing(Arc<AtomicI64>);

impl Standing {
    fn at(now: Timestamp) -> Self {
        Self(Arc::new(AtomicI64::new(now.millis())))
    }

    fn set(&self, now: Timestamp) {
        self.0.store(now.millis(), Ordering::Relaxed);
    }
}

async fn open(table: &DynamoTable, cell: &str, clock: &Standing) -> DynamoStore {
    let now = Arc::clone(&clock.0);
    let options = DynamoOptions {
        place: format!("dynamodb:{TABLE}"),
        keep: HOUR,
        now: Arc::new(move || Timestamp::from_millis(now.load(Ordering::Relaxed))),
    };
    let incarnation = Uuid::new_v4().to_string().into();
    DynamoStore::open(Arc::new(table.clone()), cell, incarnation, options).await.expect("a store")
}

/// Accepted runs of one request, which asks for `cpu`.
fn runs(name: &str, count: Option<u32>, cpu: &str) -> Vec<Run> {
    let request = json!({"name": name, "runTask": {"taskDefinition": "etl:7", "overrides": {"cpu": cpu}}});
    let request = RunRequest::parse(&request.to_string()).expect("a request");
    let (digest, spec) = (request.digest(), Arc::new(request.spec));
    let run = |index: u32| {
        let name = if count.is_some() { format!("{name}/{index}") } else { name.to_owned() };
        let mut run = Run { digest, ..Run::new(Uuid::now_v7(), name, index, Arc::clone(&spec), NOW) };
        machine::apply(&mut run, &Input::Submitted, NOW);
        run
    };
    (0..count.unwrap_or(1)).map(run).collect()
}

/// The same run, stopped.
fn ended(run: &Run) -> Run {
    let mut run = run.clone();
    machine::apply(&mut run, &Input::StopAsked { reason: "enough".into() }, NOW);
    run
}

async fn put(store: &DynamoStore, runs: &[Run]) -> Result<(), StoreError> {
    store.commit(runs.iter().map(|run| Change::Put(Arc::new(run.clone()))).collect()).await
}

async fn row(table: &DynamoTable, name: &str, place: u64) -> Option<taskwatch::store::dynamo::Item> {
    table.get(TableKey { pk: format!("N#{name}").into(), sk: place }).await.expect("an answer")
}

async fn keeps_what_it_is_given(emulator: Emulator) {
    let table = make_table(&emulator).await;
    let clock = Standing::at(NOW.plus(Duration::from_secs(60)));
    let store = open(&table, "blue", &clock).await;
    let (array, single) = (runs("array", Some(3), "256"), runs("single", None, "256"));
    put(&store, &array).await.expect("durable");
    put(&store, &single).await.expect("durable");
    let (end, part) = (ended(&single[0]), ended(&array[1]));
    put(&store, &[end.clone(), part.clone()]).await.expect("durable");
    // Written as rows some seconds later.
    let is_row = async |name: &str, place| row(&table, name, place).await.is_some_and(|row| row.bytes("b").is_ok());
    eventually("their rows", async || is_row("single", 0).await && is_row("array", 2).await).await;
    let told = row(&table, "single", 0).await.expect("a row");
    let text = |name: &str| told.text(name).map(|text| text.to_string()).unwrap_or_default();
    assert_eq!([text("name"), text("cell"), text("status"), text("queue")], ["single", "blue", "ABORTED", "default"]);
    assert_eq!([text("taskDefinition"), text("class")], ["etl:7", "Taskwatch.Stopped"]);
    assert_eq!(text("finishedAt"), NOW.to_string());
    let ttl = told.number("ttl").expect("a time");
    let least = NOW.plus(HOUR).millis() as u64 / 1_000;
    assert!((least..=least + 36).contains(&ttl), "{ttl} of {least}");

    // Taken over: the log has what is open, the rows what has ended.
    let second = open(&table, "blue", &clock).await;
    assert!(second.epoch() > store.epoch());
    let contents = second.load().await.expect("readable");
    assert_eq!(contents.open, 2);
    let by_id = find_all(&second, Key::Run(end.id)).await.expect("readable");
    assert_eq!(
        by_id.iter().map(|run| (run.name.as_str(), run.status)).collect::<Vec<_>>(),
        [("single", Status::Aborted)]
    );
    let of_array = find_all(&second, Key::request("array")).await.expect("readable");
    assert_eq!(of_array.iter().map(|run| run.index).collect::<Vec<_>>(), [0, 1, 2]);
    let listed = second.finished(Query { limit: 9, ..Query::default() }).await.expect("readable").items;
    let listed: BTreeSet<&str> = listed.iter().map(|run| run.name.as_str()).collect();
    assert_eq!(listed, BTreeSet::from(["array/1", "single"]));
    assert_eq!(second.ended().await.expect("readable").statuses, [(Status::Aborted, 2)].into());
    // The first one learns of it, whatever it tries.
    let fenced = put(&store, &runs("late", None, "256")).await;
    assert!(matches!(fenced, Err(StoreError::Fenced { .. })), "{fenced:?}");
    assert!(matches!(store.confirm_owner().await, Err(StoreError::Fenced { .. })));
    assert!(row(&table, "late", 0).await.is_none());

    // Begun again, and its row with it: neither TTL nor a name that is free takes it.
    let mut again = end.clone();
    machine::apply(&mut again, &Input::Redriven, NOW);
    put(&second, std::slice::from_ref(&again)).await.expect("durable");
    assert!(row(&table, "single", 0).await.is_some_and(|row| row.number("ttl").is_err()));
    assert_eq!(second.ended().await.expect("readable").statuses, [(Status::Aborted, 1)].into());
    assert_eq!(second.load().await.expect("readable").open, 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn ministack_keeps_what_the_store_is_given() {
    keeps_what_it_is_given(Emulator::ministack()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn moto_keeps_what_the_store_is_given() {
    keeps_what_it_is_given(Emulator::moto()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_name_is_free_when_its_time_is_over_and_not_before() {
    let emulator = Emulator::ministack();
    let table = make_table(&emulator).await;
    let clock = Standing::at(NOW.plus(Duration::from_secs(60)));
    let (blue, green) = (open(&table, "blue", &clock).await, open(&table, "green", &clock).await);
    let (first, array) = (runs("nightly", None, "256"), runs("many", Some(2), "256"));
    put(&blue, &first).await.expect("durable");
    put(&blue, &array).await.expect("durable");
    let taken = async |store: &DynamoStore, run: Vec<Run>| match put(store, &run).await {
        Err(StoreError::NameTaken { change: 0, cell, same, .. }) => Some((cell, same)),
        other => other.map(|()| None).expect("durable or taken"),
    };
    assert_eq!(taken(&green, runs("nightly", None, "256")).await, Some(("blue".into(), true)));
    assert_eq!(taken(&green, runs("nightly", None, "512")).await, Some(("blue".into(), false)));
    // What was refused is gone, for whoever comes next as well.
    assert_eq!(open(&table, "green", &clock).await.load().await.expect("readable").open, 0);
    let green = open(&table, "green", &clock).await;
    put(&blue, &[ended(&first[0]), ended(&array[0]), ended(&array[1])]).await.expect("durable");
    let closed = async || {
        let is_closed = async |name| row(&table, name, 0).await.is_some_and(|row| row.number("ttl").is_ok());
        is_closed("nightly").await && is_closed("many").await
    };
    eventually("their names have a time", closed).await;
    // TTL is late: the rows are there for long.
    clock.set(NOW.plus(HOUR - Duration::from_secs(1)));
    assert_eq!(taken(&green, runs("nightly", None, "256")).await, Some(("blue".into(), true)));
    assert_eq!(find_all(&blue, Key::request("nightly")).await.expect("readable").len(), 1);
    clock.set(NOW.plus(HOUR + Duration::from_secs(200)));
    assert_eq!(taken(&green, runs("nightly", None, "256")).await, None);
    assert_eq!(taken(&green, runs("many", Some(2), "256")).await, None);
    assert_eq!(green.load().await.expect("readable").open, 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_append_whose_answer_was_lost_is_its_own() {
    is_its_own(Emulator::ministack()).await;
}

/// Where a refusal does not say what refused the record, it is asked for.
#[tokio::test(flavor = "multi_thread")]
async fn an_append_whose_answer_was_lost_is_its_own_also_where_a_refusal_says_nothing() {
    if let Some(emulator) = Emulator::dynalite() {
        is_its_own(emulator).await;
    }
}

async fn is_its_own(emulator: Emulator) {
    let table = make_table(&emulator).await;
    let proxy = Proxy::to(emulator.address()).await;
    let behind = super::support::emulator::clients_at(&proxy.url()).await.table(TABLE);
    let clock = Standing::at(NOW);
    let store = open(&behind, "blue", &clock).await;
    put(&store, &runs("first", None, "256")).await.expect("durable");
    let records = async || {
        let mut all = 0;
        for partition in 0..16 {
            let pk = format!("L#blue#{partition}").into();
            let query = taskwatch::store::dynamo::Query::Items { pk, from: 0, to: u64::MAX };
            all += table.query(query).await.expect("a page").items.len();
        }
        all
    };
    let before = records().await;
    proxy.set(Door::Mute);
    let second: Arc<[Change]> = runs("second", None, "256").into_iter().map(|run| Change::Put(run.into())).collect();
    // A try may be lost with the connection that the door broke: another reaches the log.
    let in_the_log = async || {
        let unanswered = store.commit(Arc::clone(&second)).await;
        assert!(
            matches!(&unanswered, Err(StoreError::Unavailable(why)) if why.contains("does not answer")),
            "{unanswered:?}"
        );
        records().await == before + 1
    };
    eventually("it is in the log", in_the_log).await;
    proxy.set(Door::Open);
    store.commit(second).await.expect("its own");
    assert_eq!(records().await, before + 1, "it was not written twice");
    assert_eq!(store.load().await.expect("readable").open, 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_of_ten_thousand_is_there_as_a_whole_or_not_at_all() {
    let emulator = Emulator::ministack();
    let table = make_table(&emulator).await;
    let clock = Standing::at(NOW);
    let store = open(&table, "blue", &clock).await;
    let many = runs("many", Some(10_000), "256");
    put(&store, &many).await.expect("durable");
    let second = open(&table, "blue", &clock).await;
    assert_eq!(second.load().await.expect("readable").open, 10_000);
    // Its last record never came, as if its process had been killed between two of them.
    let part = async |partition: u64| {
        let pk = format!("L#green#{partition}").into();
        let query = taskwatch::store::dynamo::Query::Items { pk, from: 0, to: u64::MAX };
        let page = table.query(query).await.expect("a page").items;
        page.into_iter().find(|item| item.number("part").is_ok_and(|part| part == 1))
    };
    let green = open(&table, "green", &clock).await;
    put(&green, &runs("more", Some(10_000), "256")).await.expect("durable");
    let mut first = None;
    for partition in 0..16 {
        first = first.or(part(partition).await);
    }
    let first = first.expect("a first part");
    assert!(first.number("of").expect("parts") > 1, "it takes several records");
    let torn = taskwatch::store::dynamo::Put {
        item: taskwatch::store::dynamo::Item { key: TableKey { pk: "L#red#2".into(), sk: 0 }, ..first.clone() },
        condition: taskwatch::store::dynamo::Condition::ALWAYS,
    };
    // The cell red has that part alone, behind its fence.
    drop(open(&table, "red", &clock).await);
    let mut torn = torn;
    torn.item.attributes.insert("n".into(), taskwatch::store::dynamo::Value::number(2));
    table.put_if(torn).await.expect("written");
    let red = open(&table, "red", &clock).await;
    assert_eq!(red.load().await.expect("readable").open, 0);
    put(&red, &runs("another", None, "256")).await.expect("durable");
    assert_eq!(open(&table, "red", &clock).await.load().await.expect("readable").open, 1);
}

/// A cell whose store is a table of MiniStack's, which counts write units. Tasks take as long as tasks do, ten times faster.
struct Priced {
    table: DynamoTable,
    clients: Clients,
    store: Arc<DynamoStore>,
    cell: Cell,
    requests: String,
    events: String,
    /// They end with this.
    _emulators: (Emulator, RunningLocal),
}

async fn priced() -> Priced {
    let emulator = Emulator::ministack();
    let table = make_table(&emulator).await;
    let script = Script::parse("[task]\nseconds = 20\n").expect("a script");
    let ecs =
        EcsOptions { time_scale: 10.0, seed: 5, script, auto_register: true, archive: true, ..EcsOptions::default() };
    let listen = ([127, 0, 0, 1], 0).into();
    let local = start(LocalOptions { listen, identity: Options::default(), ecs }).await.expect("a free port");
    let clients = super::support::emulator::clients_at(&local.url()).await;
    let path = EventsPath::make(&clients, "w").await.expect("an events queue");
    let requests = clients.create_queue("requests").await.expect("a queue");
    let (topic, _) = clients.create_subscribed_topic("told").await.expect("a topic");
    let mut config = CellConfig::new("w");
    config.destinations.topic = Some(topic);
    let clock = Clock::system();
    let ahead = clock.clone();
    let options = DynamoOptions {
        place: format!("dynamodb:{TABLE}"),
        keep: config.keep,
        // Rows are written some seconds after the end: here, soon.
        now: Arc::new(move || ahead.now().plus(Duration::from_secs(17))),
    };
    let store = DynamoStore::open(Arc::new(table.clone()), "w", "the test".into(), options).await.expect("a store");
    let store = Arc::new(store);
    let ports = Ports {
        ecs: Arc::new(clients.ecs()),
        events: Some(Arc::new(clients.queue(&path.queue_url))),
        requests: Some(Arc::new(clients.queue(&requests))),
        requests_dlq: None,
        launchers: None,
        notifier: Arc::new(clients.publisher()),
        store: Arc::clone(&store) as _,
        clock,
        ids: Ids::default(),
    };
    let cell = Cell::start(config, ports).await.expect("a cell");
    Priced { table, clients, store, cell, requests, events: path.queue_url, _emulators: (emulator, local) }
}

/// Runs that come one by one, so many a second.
async fn units(runs: usize, a_second: f64) -> f64 {
    let Priced { table, clients, store, cell, requests, _emulators, .. } = priced().await;
    let before = table.write_units();
    let queue = clients.queue(&requests);
    let mut tick = tokio::time::interval(Duration::from_secs_f64(1.0 / a_second));
    for n in 0..runs {
        tick.tick().await;
        let subnets = json!(["subnet-0123456789abcdef0", "subnet-0fedcba9876543210"]);
        let network = json!({"awsvpcConfiguration": {"subnets": subnets, "securityGroups": ["sg-0123456789abcdef0"]}});
        // Each has something of its own, as a command would be.
        let group = format!("s3-company-data-incoming-part-{n:05}");
        let run_task = json!({"taskDefinition": "etl:7", "launchType": "FARGATE", "networkConfiguration": network,
            "group": group});
        let request = json!({"name": format!("nightly-2026-11-22-{n}"), "runTask": run_task, "until": "stopped"});
        queue.send(&request.to_string(), &[]).await.expect("sent");
    }
    let rows = async || {
        let mut written = 0;
        for n in 0..runs {
            let row = row(&table, &format!("nightly-2026-11-22-{n}"), 0).await;
            written += usize::from(row.is_some_and(|row| row.bytes("b").is_ok()));
        }
        written
    };
    let all = async {
        while rows().await < runs {
            tokio::time::sleep(Duration::from_millis(500)).await;
        }
    };
    let in_time = tokio::time::timeout(HANGS, all).await;
    assert!(in_time.is_ok(), "{} of {runs} are rows: {:?}", rows().await, store.ended().await);
    cell.drain(Duration::from_secs(1)).await;
    table.write_units() - before
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_on_a_table_costs_no_more_write_units_than_documented() {
    let runs = std::env::var("TASKWATCH_COST_RUNS").ok().and_then(|runs| runs.parse().ok()).unwrap_or(30);
    let units = units(runs, 5.0).await / runs as f64;
    println!("{runs} runs, 5 a second: {units:.2} write units each");
    assert!(units > 3.0 && units <= 7.0, "{units}");
}

/// Failures of tasks of others that come one by one, ten a second.
#[tokio::test(flavor = "multi_thread")]
async fn an_observed_failure_costs_no_more_write_units_than_documented() {
    let failures = std::env::var("TASKWATCH_COST_RUNS").ok().and_then(|runs| runs.parse().ok()).unwrap_or(40);
    let Priced { table, clients, cell, events, _emulators, .. } = priced().await;
    let before = table.write_units();
    let queue = clients.queue(&events);
    let mut tick = tokio::time::interval(Duration::from_millis(100));
    for n in 0..failures {
        tick.tick().await;
        let detail = json!({"taskArn": format!("arn:aws:ecs:us-east-1:123456789012:task/batch/{:032x}", n * 7_919),
            "clusterArn": "arn:aws:ecs:us-east-1:123456789012:cluster/batch", "group": format!("family:etl-{n}"),
            "taskDefinitionArn": format!("arn:aws:ecs:us-east-1:123456789012:task-definition/etl-{n}:7"),
            "startedBy": "events-rule/nightly-export", "lastStatus": "STOPPED", "desiredStatus": "STOPPED",
            "createdAt": "2027-01-15T08:00:00Z", "stoppedAt": "2027-01-15T08:01:00Z", "stopCode": "TaskFailedToStart",
            "stoppedReason": "Timeout waiting for network interface provisioning to complete.", "version": 5,
            "containers": [{"name": "app", "lastStatus": "STOPPED"}]});
        let event = json!({"source": "aws.ecs", "detail-type": "ECS Task State Change", "detail": detail});
        queue.send(&event.to_string(), &[]).await.expect("sent");
    }
    let all_told = async || {
        let listed = cell.observed(&ObservedFilter::default(), None, failures).items.len();
        listed == failures && cell.undelivered() == 0
    };
    eventually("all are told", all_told).await;
    cell.drain(Duration::from_secs(1)).await;
    let units = (table.write_units() - before) / failures as f64;
    println!("{failures} failures of others, 10 a second: {units:.2} write units each");
    assert!(units > 1.0 && units <= 3.0, "{units}");
}
