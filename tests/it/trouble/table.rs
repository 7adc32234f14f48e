//! A table of DynamoDB as the store: another process takes the cell, the table is away, silent, or not there.

use std::collections::BTreeMap;
use std::process::Command;

use taskwatch::aws::DynamoTable;
use taskwatch::store::dynamo::{Item, Query, Table};

use crate::support::emulator::Emulator;
use crate::support::proxy::{Door, Proxy};
use crate::support::site::{Serving, Site, eventually, request};
use crate::table::{TABLE, make_table};

use super::names;

/// A site whose runs are kept in a table of MiniStack's.
struct Kept {
    site: Site,
    emulator: Emulator,
    table: DynamoTable,
}

impl Kept {
    async fn new(name: &'static str) -> Self {
        let emulator = Emulator::ministack();
        let (site, table) = (Site::new(name).await, make_table(&emulator).await);
        Self { site, emulator, table }
    }

    fn serve(&self, settings: &[(&str, &str)]) -> Serving {
        let (endpoint, store) = (self.emulator.endpoint(), format!("dynamodb:{TABLE}"));
        let mut all = vec![("AWS_ENDPOINT_URL_DYNAMODB", endpoint.as_str()), ("TASKWATCH_STORE", store.as_str())];
        all.extend_from_slice(settings);
        self.site.serve(&all)
    }

    /// The records of the cell's log, by position: who wrote each.
    async fn log(&self) -> BTreeMap<u64, String> {
        let mut log = BTreeMap::new();
        for partition in 0..16 {
            let pk = format!("L#{}#{partition}", self.site.name).into();
            let page = self.table.query(Query::Items { pk, from: 0, to: u64::MAX }).await.expect("a page");
            let record = |item: &Item| Some((item.number("n").ok()?, item.text("w").ok()?.to_string()));
            log.extend(page.items.iter().filter_map(record));
        }
        log
    }
}

fn signal(serving: &Serving, signal: &str) {
    let sent = Command::new("kill").args([signal, &serving.pid().to_string()]).status().expect("kill");
    assert!(sent.success());
}

/// Says who has the cell, in one line, and ends.
async fn is_replaced(mut old: Serving, by: &Serving) {
    assert_eq!(old.end().await.code(), Some(1));
    let who = format!("process {}", by.pid());
    let line = old.says("error: ").await;
    assert!(line.contains("the cell is not served any more") && line.contains(&who), "{line}");
    let lines = old.log().iter().filter(|line| line.contains("owns this cell now")).count();
    assert_eq!(lines, 1, "{:#?}", old.log());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_process_takes_the_cell_and_the_first_says_so_and_ends() {
    let kept = Kept::new("taken").await;
    let first = kept.serve(&[]);
    kept.site.order(names(0..10)).await;
    eventually("tasks", async || kept.site.local.ecs.tasks_snapshot().len() == 10).await;
    let second = kept.serve(&[]);
    second.is_ready().await;
    kept.site.order(names(10..20)).await;
    kept.site.all_end_well(20).await;
    is_replaced(first, &second).await;
    assert!(second.readyz().await.0, "the second goes on");
    // The cell is given up at the end: the next one finds it free, and everything that was.
    let mut second = second;
    second.terminate();
    assert_eq!(second.end().await.code(), Some(0));
    let third = kept.serve(&[]);
    third.is_ready().await;
    let (status, answer) = third.submit("run-3").await;
    assert!(status == 202 && answer.contains("SUCCEEDED"), "{status} {answer}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_process_that_slept_through_its_replacement_writes_nothing_more() {
    let kept = Kept::new("slept").await;
    let first = kept.serve(&[]);
    kept.site.order(names(0..60)).await;
    eventually("tasks", async || kept.site.local.ecs.tasks_snapshot().len() >= 20).await;
    signal(&first, "-STOP");
    let second = kept.serve(&[]);
    second.is_ready().await;
    let mark = format!("process {} ", first.pid());
    let of_first = async || kept.log().await.into_values().filter(|by| by.starts_with(&mark)).count();
    let before = of_first().await;
    assert!(before > 0, "{:?}", kept.log().await);
    signal(&first, "-CONT");
    kept.site.order(names(60..70)).await;
    is_replaced(first, &second).await;
    assert_eq!(of_first().await, before);
    kept.site.all_end_well(70).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_table_that_is_away_stops_the_cell_which_says_so_and_goes_on_when_it_is_back() {
    let kept = Kept::new("away").await;
    let proxy = Proxy::to(kept.emulator.address()).await;
    let url = proxy.url();
    let serving = kept.serve(&[("AWS_ENDPOINT_URL_DYNAMODB", &url)]);
    serving.is_ready().await;
    kept.site.order(names(0..5)).await;
    kept.site.all_end_well(5).await;
    let mut runs = 5;
    for door in [Door::Shut, Door::Mute, Door::Hung] {
        proxy.set(door);
        kept.site.order(names(runs..runs + 5)).await;
        runs += 5;
        serving.is_not_ready("its store does not take changes: dynamodb:taskwatch: DynamoDB does not answer").await;
        let (status, answer) = serving.submit("refused").await;
        assert!(status == 503 && answer.contains("StoreUnavailable"), "{status} {answer}");
        proxy.set(Door::Open);
        serving.is_ready().await;
        kept.site.all_end_well_after(runs - 5, runs).await;
    }
    let said = serving.log().iter().filter(|line| line.contains("the store does not take changes")).count();
    assert_eq!(said, 3, "once each time");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_table_that_is_not_there_refuses_the_start_in_one_line() {
    let kept = Kept::new("none").await;
    let mut serving = kept.serve(&[("TASKWATCH_STORE", "dynamodb:another")]);
    assert_eq!(serving.end().await.code(), Some(1));
    let line = serving.says("error: ").await;
    assert!(line.starts_with("error: dynamodb:another: the table cannot be used (ResourceNotFoundException"), "{line}");
    assert_eq!(serving.log().len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_name_is_one_run_of_two_cells_on_one_table() {
    let kept = Kept::new("names").await;
    let first = kept.serve(&[]);
    first.is_ready().await;
    let other = Site::new("others").await;
    let (endpoint, store) = (kept.emulator.endpoint(), format!("dynamodb:{TABLE}"));
    let second = other.serve(&[("AWS_ENDPOINT_URL_DYNAMODB", &endpoint), ("TASKWATCH_STORE", &store)]);
    second.is_ready().await;
    assert_eq!(first.submit("one").await.0, 202);
    let (status, answer) = second.submit("one").await;
    assert!(status == 409 && answer.contains("AcceptedElsewhere") && answer.contains("cell names"), "{answer}");
    // The same of a message: it is done, and nothing runs here.
    other.aws.send(&other.requests, &[request("one").to_string()]).await;
    eventually("the queue is empty", async || other.aws.depth(&other.requests).await == 0).await;
    assert_eq!(second.submit("two").await.0, 202);
    kept.site.all_end_well(1).await;
    other.all_end_well(1).await;
}
