//! A store that release 0.1 wrote in format 1 (tests/fixtures/store-1) and its runs as that release had them.

use serde_json::Value;
use tempfile::TempDir;

use super::tests::in_database;
use super::*;
use crate::core::filter::RunFilter;
use crate::core::machine::{self, Input};
use crate::core::run::Status;
use crate::store::conformance::{NOW, ended, puts, runs};
use crate::store::find_all;

const OF_FORMAT_1: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/store-1/taskwatch.db");

fn expected() -> Vec<Run> {
    let lines = include_str!("../../../tests/fixtures/store-1/runs.jsonl").lines();
    let run = |line: &str| {
        let mut run: Value = serde_json::from_str(line).unwrap();
        // Of 32 equal bytes one is written.
        run["digest"] = std::iter::repeat_n(run["digest"].clone(), 32).collect();
        serde_json::from_value(run).unwrap()
    };
    lines.map(run).collect()
}

fn opened() -> (TempDir, FileStore) {
    let dir = tempfile::tempdir().unwrap();
    std::fs::copy(OF_FORMAT_1, dir.path().join(FILE)).unwrap();
    let store = FileStore::open(dir.path()).unwrap();
    (dir, store)
}

fn same(one: &Run, other: &Run) {
    assert_eq!(serde_json::to_value(one).unwrap(), serde_json::to_value(other).unwrap());
}

async fn finished(store: &FileStore, query: Query) -> Vec<Uuid> {
    let (mut seen, mut before) = (Vec::new(), None);
    loop {
        let page = store.finished(Query { before, limit: 4, ..query.clone() }).await.unwrap();
        seen.extend(page.items.iter().map(|run| run.id));
        before = page.next;
        if before.is_none() {
            return seen;
        }
    }
}

#[tokio::test]
async fn all_that_an_older_release_wrote_is_found() {
    let (_dir, store) = opened();
    let all = expected();
    let contents = store.load().await.unwrap();
    assert_eq!(contents.notes.get("cell").map(String::as_str), Some("blue"));
    assert_eq!(contents.notes.get("limits").map(String::as_str), Some(r#"{"paused":["nightly"]}"#));
    assert_eq!((contents.open, contents.undelivered.values().sum::<usize>()), (4, 2));
    let open = contents.runs.all().await.unwrap();
    assert_eq!(open.len(), 4);
    assert!(open.iter().all(|run| Arc::ptr_eq(&run.spec, &open[0].spec)), "siblings share their request");
    for run in &all {
        same(&find_all(&store, Key::Run(run.id)).await.unwrap()[0], run);
        let by_name = find_all(&store, Key::request(run.request_name())).await.unwrap();
        same(by_name.iter().find(|other| other.id == run.id).unwrap(), run);
        if let Some(task_arn) = run.attempt().and_then(|a| a.task_arn.clone()) {
            let key = Key::Task { request: run.request_name().into(), task_arn: task_arn.to_string() };
            same(&find_all(&store, key).await.unwrap()[0], run);
        }
        assert_eq!(open.iter().any(|open| open.id == run.id), !run.status.is_final());
    }
    for destination in contents.undelivered.keys() {
        assert_eq!(store.outbox(destination, 0, 9).await.unwrap().items.len(), 1);
    }
}

#[tokio::test]
async fn old_runs_are_counted_until_they_go() {
    let (_dir, store) = opened();
    let count = |runs: &[Run]| {
        let mut counts = EndedCounts::default();
        runs.iter().for_each(|run| counts.add(run));
        counts
    };
    let mut all = expected();
    assert_eq!(store.ended().await.unwrap(), count(&all));
    // One goes over into the new tables as it is begun again, one ends, one is forgotten.
    let refused = all.iter().position(|run| run.name == "refused").unwrap();
    machine::apply(&mut all[refused], &Input::Redriven, NOW);
    let open = all.iter().position(|run| run.name == "many/2").unwrap();
    machine::apply(&mut all[open], &Input::StopAsked { reason: "x".into() }, NOW);
    store.commit(puts(&[all[refused].clone(), all[open].clone()]).into()).await.unwrap();
    assert_eq!(store.ended().await.unwrap(), count(&all));
    let gone = all.iter().position(|run| run.status == Status::Succeeded).unwrap();
    store.commit(vec![Change::Forget(all[gone].id)].into()).await.unwrap();
    all.remove(gone);
    assert_eq!(store.ended().await.unwrap(), count(&all));
    let year = std::time::Duration::from_secs(365 * 86_400);
    while store.expire(NOW.plus(year), 10).await.unwrap() > 0 {}
    let left = finished(&store, Query::default()).await;
    all.retain(|run| left.contains(&run.id));
    assert_eq!(store.ended().await.unwrap(), count(&all));
}

#[tokio::test]
async fn old_and_new_runs_are_listed_together_through_every_filter() {
    let (_dir, store) = opened();
    let mut all = expected();
    let new: Vec<Run> = runs(9).iter().map(|run| ended(run, NOW)).collect();
    store.commit(puts(&new).into()).await.unwrap();
    // One of the old ones goes on, and over into the new tables, and ends there.
    let place = all.iter().position(|run| run.name == "many/2").unwrap();
    machine::apply(&mut all[place], &Input::StopAsked { reason: "x".into() }, NOW);
    store.commit(puts(&all[place..=place]).into()).await.unwrap();
    all.extend(new);
    all.sort_by_key(|run| std::cmp::Reverse(run.id));
    let text = |text: &str| Some(text.to_owned());
    for statuses in [None, Some(vec![Status::Failed]), Some(vec![Status::Aborted, Status::Succeeded])] {
        for queue in [None, text("nightly"), text("default")] {
            for error in [None, text("Taskwatch.Stopped"), text("ECS.ClientException")] {
                for name in [None, text("many"), text("many/2"), text("refused"), text("refused/0"), text("n")] {
                    let (statuses, queue, error) = (statuses.clone(), queue.clone(), error.clone());
                    let query = Query {
                        filter: RunFilter { statuses, queue, error, name, ..RunFilter::default() },
                        ..Query::default()
                    };
                    let fits = all.iter().filter(|run| run.status.is_final() && query.fits(run));
                    let fits: Vec<Uuid> = fits.map(|run| run.id).collect();
                    assert_eq!(finished(&store, query.clone()).await, fits, "{query:?}");
                }
            }
        }
    }
}

#[tokio::test]
async fn old_runs_go_over_when_they_are_written_and_their_tables_go_with_the_last() {
    let (dir, store) = opened();
    let all = expected();
    let left = |dir: &Path, table: &str| {
        let database = Connection::open(dir.join(FILE)).unwrap();
        database.query_row(&format!("SELECT count(*) FROM {table}"), [], |row| row.get::<_, i64>(0)).unwrap()
    };
    let mut open: Vec<Run> = all.iter().filter(|run| !run.status.is_final()).cloned().collect();
    // An equal revision changes nothing, and moves nothing.
    store.commit(puts(&open).into()).await.unwrap();
    in_database(&store).await;
    assert_eq!((left(dir.path(), "open"), left(dir.path(), "old_runs")), (0, 37));
    for run in &mut open {
        machine::apply(run, &Input::StopAsked { reason: "x".into() }, NOW);
    }
    store.commit(puts(&open).into()).await.unwrap();
    in_database(&store).await;
    assert_eq!(left(dir.path(), "old_runs"), 33);
    let found = store.load().await.unwrap().runs.all().await.unwrap();
    let still: Vec<&Run> = open.iter().filter(|run| !run.status.is_final()).collect();
    assert_eq!(found.len(), still.len());
    for run in still {
        same(found.iter().find(|other| other.id == run.id).unwrap(), run);
    }
    let gone = all.iter().find(|run| run.name == "refused").unwrap();
    store.commit(vec![Change::Forget(gone.id)].into()).await.unwrap();
    assert!(find_all(&store, Key::Run(gone.id)).await.unwrap().is_empty());
    let year = std::time::Duration::from_secs(365 * 86_400);
    while store.expire(NOW.plus(year), 10).await.unwrap() > 0 {}
    // One that nobody has been told of stays.
    assert_eq!((left(dir.path(), "old_runs"), left(dir.path(), "old_specs")), (1, 1));
    for destination in store.load().await.unwrap().undelivered.keys() {
        let posted = store.outbox(destination, 0, 9).await.unwrap().items;
        store.commit(vec![Change::Delivered(posted[0].seq)].into()).await.unwrap();
    }
    assert_eq!(store.expire(NOW.plus(year), 10).await.unwrap(), 1);
    drop(store);
    let store = FileStore::open(dir.path()).unwrap();
    assert_eq!(left(dir.path(), "sqlite_master WHERE name LIKE 'old_%'"), 0);
    store.commit(puts(&runs(1)).into()).await.unwrap();
    assert_eq!(find_all(&store, Key::request("n")).await.unwrap().len(), 1);
}
