use serde_json::json;

use super::*;
use crate::core::failure;
use crate::core::filter::RunFilter;
use crate::core::machine::{self, Input};
use crate::core::notification::{self, Origin, Outlets};
use crate::core::request::{RunRequest, RunSpec};
use crate::core::retry::RetryPolicy;
use crate::core::run::Status;
use uuid::Uuid;

const NOW: Timestamp = Timestamp::from_millis(1_800_000_000_000);

fn runs(count: u32) -> Vec<Run> {
    let request = json!({"runTask": {"taskDefinition": "etl:7", "overrides": {"cpu": "256"}}, "name": "n"});
    let spec = Arc::new(RunRequest::parse(&request.to_string()).unwrap().spec);
    let run = |index| {
        let mut run = Run::new(Uuid::now_v7(), format!("n/{index}"), index, Arc::clone(&spec), NOW);
        machine::apply(&mut run, &Input::Submitted, NOW);
        run
    };
    (0..count).map(run).collect()
}

/// The same run, stopped: final.
fn ended(run: &Run, at: Timestamp) -> Run {
    let mut run = run.clone();
    machine::apply(&mut run, &Input::StopAsked { reason: "x".into() }, at);
    assert!(run.status.is_final());
    run
}

fn topic() -> Outlet {
    Outlet::Topic("arn:t".into())
}

fn bus() -> Outlet {
    Outlet::Bus("b".into())
}

fn outlets() -> Outlets {
    Outlets { topic: Some("arn:t".into()), bus: Some("b".into()) }
}

fn puts(runs: &[Run]) -> Vec<Change> {
    runs.iter().map(|run| Change::Put(Box::new(run.clone()))).collect()
}

fn same(one: &Run, other: &Run) {
    assert_eq!(serde_json::to_value(one).unwrap(), serde_json::to_value(other).unwrap());
}

#[tokio::test]
async fn what_was_committed_is_there_after_opening_again() {
    let dir = tempfile::tempdir().unwrap();
    let all = runs(5);
    let done = ended(&all[0], NOW);
    let told = notification::build(&done, &Origin::default(), &outlets());
    {
        let store = FileStore::open(dir.path()).unwrap();
        store.commit(puts(&all)).await.unwrap();
        let end = vec![
            Change::Put(Box::new(done.clone())),
            Change::Post(Box::new(told[0].clone())),
            Change::Post(Box::new(told[1].clone())),
        ];
        store.commit(end).await.unwrap();
        store.commit(vec![Change::Forget(all[4].id)]).await.unwrap();
        let note = |text: &str| vec![Change::Note { name: "limits", text: text.into() }];
        store.commit(note("1")).await.unwrap();
        store.commit(note("2")).await.unwrap();
    }
    let store = FileStore::open(dir.path()).unwrap();
    let contents = store.load().await.unwrap();
    assert_eq!(contents.notes.get("limits").map(String::as_str), Some("2"));
    let undelivered: Vec<_> = contents.undelivered.into_iter().collect();
    assert_eq!((contents.runs.len(), undelivered), (3, vec![(topic(), 1), (bus(), 1)]));
    for run in &contents.runs {
        same(run, all.iter().find(|known| known.id == run.id).unwrap());
        assert!(Arc::ptr_eq(&run.spec, &contents.runs[0].spec), "siblings share their request");
    }
    same(&store.find(Key::Run(done.id)).await.unwrap()[0], &done);
    let of_request = store.find(Key::Request("n".into())).await.unwrap();
    assert_eq!(of_request.iter().map(|run| run.index).collect::<Vec<_>>(), [0, 1, 2, 3]);
    let outbox = store.outbox(&topic(), 0, 10).await.unwrap();
    assert_eq!(outbox[0].notification, told[0]);
    assert!(store.outbox(&topic(), outbox[0].seq, 10).await.unwrap().is_empty());
    store.commit(vec![Change::Delivered(outbox[0].seq)]).await.unwrap();
    assert!(store.outbox(&topic(), 0, 10).await.unwrap().is_empty());
    // The other outlet has its own.
    assert_eq!(store.outbox(&bus(), 0, 10).await.unwrap()[0].notification, told[1]);
}

#[tokio::test]
async fn a_run_is_found_by_a_task_of_any_attempt_within_its_request() {
    let dir = tempfile::tempdir().unwrap();
    let (file, memory) = (FileStore::open(dir.path()).unwrap(), crate::store::MemoryStore::default());
    let mut all = runs(3);
    for (n, run) in all.iter_mut().enumerate() {
        let again = run.attempts[0].clone();
        run.attempts.push(again);
        run.attempts[0].task_arn = Some(format!("arn:task/{n}a"));
        run.attempts[1].task_arn = Some(format!("arn:task/{n}b"));
    }
    for store in [&file as &dyn Store, &memory] {
        store.commit(puts(&all)).await.unwrap();
        let found = async |request: &str, task_arn: &str| {
            let key = Key::Task { request: request.into(), task_arn: task_arn.into() };
            store.find(key).await.unwrap().iter().map(|run| run.index).collect::<Vec<_>>()
        };
        assert_eq!(found("n", "arn:task/1a").await, [1]);
        assert_eq!(found("n", "arn:task/2b").await, [2]);
        for (request, task_arn) in
            [("other", "arn:task/1a"), ("n", "arn:task/1"), ("n", "rn:task/1a"), ("n", "arn:task/3a")]
        {
            assert!(found(request, task_arn).await.is_empty(), "{request} {task_arn}");
        }
    }
}

#[tokio::test]
async fn final_runs_are_paged_newest_first_through_every_filter() {
    let dir = tempfile::tempdir().unwrap();
    let (file, memory) = (FileStore::open(dir.path()).unwrap(), crate::store::MemoryStore::default());
    let mut all = runs(40);
    for (n, run) in all.iter_mut().enumerate() {
        run.spec = Arc::new(RunSpec { queue: format!("q{}", n % 2), ..(*run.spec).clone() });
        match n % 4 {
            0 => {}
            1 => {
                machine::apply(run, &Input::StopAsked { reason: "x".into() }, NOW);
            }
            _ => {
                machine::apply(run, &Input::Launching { token: format!("t{n}"), group_size: 1 }, NOW);
                let refusal = failure::from_refusal(if n % 4 == 2 { "RESOURCE:CPU" } else { "AGENT" }, None);
                run.spec = Arc::new(RunSpec { retry: RetryPolicy(Vec::new()), ..(*run.spec).clone() });
                machine::apply(run, &Input::Refused(refusal), NOW);
            }
        }
    }
    file.commit(puts(&all)).await.unwrap();
    memory.commit(puts(&all)).await.unwrap();
    let text = |text: &str| Some(text.to_owned());
    for (filter, count) in [
        (RunFilter::default(), 30),
        (RunFilter { statuses: Some(vec![Status::Failed]), ..RunFilter::default() }, 20),
        (RunFilter { statuses: Some(vec![Status::Queued, Status::Aborted]), ..RunFilter::default() }, 10),
        (RunFilter { queue: text("q0"), ..RunFilter::default() }, 10),
        (RunFilter { error: text("RESOURCE:CPU"), ..RunFilter::default() }, 10),
        (RunFilter { error: text("Taskwatch.Capacity"), queue: text("q1"), ..RunFilter::default() }, 0),
        (RunFilter { error: text("Taskwatch"), ..RunFilter::default() }, 0),
        (RunFilter { name: text("n"), ..RunFilter::default() }, 30),
        (RunFilter { name: text("n/3"), ..RunFilter::default() }, 1),
    ] {
        for store in [&file as &dyn Store, &memory] {
            let mut seen: Vec<Uuid> = Vec::new();
            loop {
                let page = Query { filter: filter.clone(), before: seen.last().copied(), limit: 7 };
                let page = store.finished(page).await.unwrap();
                assert!(page.len() <= 7 && page.iter().all(|run| filter.fits(run) && run.status.is_final()));
                seen.extend(page.iter().map(|run| run.id));
                if page.len() < 7 {
                    break;
                }
            }
            assert_eq!(seen.len(), count, "{filter:?}");
            assert!(seen.is_sorted_by(|a, b| a > b), "{filter:?}");
        }
    }
}

#[test]
fn a_listing_walks_an_index_and_sorts_nothing() {
    let dir = tempfile::tempdir().unwrap();
    drop(FileStore::open(dir.path()).unwrap());
    let database = Connection::open(dir.path().join(FILE)).unwrap();
    for (narrow, index) in [("", "runs_by_status"), ("AND runs.queue = 'q'", "runs_by_queue")] {
        let sql = format!(
            "EXPLAIN QUERY PLAN {} WHERE runs.finished_at IS NOT NULL AND runs.status = 'FAILED' AND runs.id < x'00' {narrow}
             ORDER BY runs.id DESC LIMIT 7",
            record::SELECT
        );
        let mut statement = database.prepare(&sql).unwrap();
        let plan: Vec<String> = statement.query_map([], |row| row.get(3)).unwrap().collect::<Result<_, _>>().unwrap();
        let plan = plan.join("; ");
        assert!(plan.contains(index) && !plan.contains("TEMP B-TREE"), "{plan}");
    }
}

#[test]
fn forgetting_a_run_looks_at_no_request_but_its_own() {
    let dir = tempfile::tempdir().unwrap();
    drop(FileStore::open(dir.path()).unwrap());
    let database = Connection::open(dir.path().join(FILE)).unwrap();
    let mut statement = database.prepare(&format!("EXPLAIN QUERY PLAN {}", writer::UNUSED)).unwrap();
    let plan: Vec<String> = statement.query_map([1], |row| row.get(3)).unwrap().collect::<Result<_, _>>().unwrap();
    assert!(!plan.iter().any(|step| step.starts_with("SCAN")), "{plan:?}");
}

#[tokio::test]
async fn a_second_process_is_refused_and_told_who_has_it() {
    let dir = tempfile::tempdir().unwrap();
    let _first = FileStore::open(dir.path()).unwrap();
    let error = FileStore::open(dir.path()).err().unwrap().to_string();
    assert!(error.contains(&format!("process {}", std::process::id())), "{error}");
    assert!(error.contains(&dir.path().display().to_string()), "{error}");
}

#[tokio::test]
async fn only_old_runs_that_were_told_of_are_forgotten() {
    let dir = tempfile::tempdir().unwrap();
    let store = FileStore::open(dir.path()).unwrap();
    let all = runs(4);
    let day = std::time::Duration::from_secs(86_400);
    let (old, untold, new) = (ended(&all[0], NOW), ended(&all[1], NOW), ended(&all[2], NOW.plus(day)));
    let told = notification::build(&untold, &Origin::default(), &outlets());
    store.commit(puts(&[old.clone(), untold.clone(), new.clone(), all[3].clone()])).await.unwrap();
    store.commit(vec![Change::Post(Box::new(told[0].clone()))]).await.unwrap();
    assert_eq!(store.expire(NOW.plus(day / 2), 10).await.unwrap(), 1);
    assert!(store.find(Key::Run(old.id)).await.unwrap().is_empty());
    assert_eq!(store.find(Key::Request("n".into())).await.unwrap().len(), 3);
    let posted = store.outbox(&topic(), 0, 1).await.unwrap();
    store.commit(vec![Change::Delivered(posted[0].seq)]).await.unwrap();
    assert_eq!(store.expire(NOW.plus(day * 2), 10).await.unwrap(), 2);
    let specs = || {
        let database = Connection::open(dir.path().join(FILE)).unwrap();
        database.query_row("SELECT count(*) FROM specs", [], |row| row.get::<_, i64>(0)).unwrap()
    };
    // The open run keeps its request.
    assert_eq!(specs(), 1);
    assert_eq!(store.load().await.unwrap().runs.len(), 1);
    store.commit(puts(&runs(1))).await.unwrap();
    assert_eq!(store.load().await.unwrap().runs.len(), 2);
    let last: Vec<Run> = store.load().await.unwrap().runs.iter().map(|run| ended(run, NOW)).collect();
    store.commit(puts(&last)).await.unwrap();
    assert_eq!(store.expire(NOW.plus(day), 10).await.unwrap(), 2);
    assert_eq!(specs(), 0, "a request is forgotten with the last of its runs");
}

#[tokio::test]
async fn later_formats_and_strangers_are_refused_and_left_alone() {
    let dir = tempfile::tempdir().unwrap();
    drop(FileStore::open(dir.path()).unwrap());
    let database = Connection::open(dir.path().join(FILE)).unwrap();
    database.pragma_update(None, "user_version", 7).unwrap();
    let error = FileStore::open(dir.path()).err().unwrap().to_string();
    assert!(error.contains("format 7") && error.contains("newer taskwatch"), "{error}");
    database.pragma_update(None, "application_id", 0).unwrap();
    let error = FileStore::open(dir.path()).err().unwrap().to_string();
    assert!(error.contains("another program's"), "{error}");
    drop(database);
    let other = tempfile::tempdir().unwrap();
    let stranger = Connection::open(other.path().join(FILE)).unwrap();
    stranger.execute_batch("CREATE TABLE theirs (id INTEGER)").unwrap();
    drop(stranger);
    let theirs = std::fs::read(other.path().join(FILE)).unwrap();
    let error = FileStore::open(other.path()).err().unwrap().to_string();
    assert!(error.contains("another program's"), "{error}");
    assert_eq!(std::fs::read(other.path().join(FILE)).unwrap(), theirs, "a stranger's database was changed");
    std::fs::write(dir.path().join(FILE), "not a database at all, but longer than a header ".repeat(100)).unwrap();
    let error = FileStore::open(dir.path()).err().unwrap().to_string();
    assert!(error.contains("damaged"), "{error}");
}

#[tokio::test]
async fn a_log_that_was_cut_off_anywhere_opens_as_of_some_commit() {
    let dir = tempfile::tempdir().unwrap();
    let store = FileStore::open(dir.path()).unwrap();
    let all = runs(12);
    // A reader's old snapshot keeps the checkpoints away, so that every commit is still in the log.
    let reader = Connection::open(dir.path().join(FILE)).unwrap();
    reader.execute_batch("BEGIN; SELECT count(*) FROM runs;").unwrap();
    for pair in all.chunks(2) {
        store.commit(puts(pair)).await.unwrap();
    }
    let (database, log) = (dir.path().join(FILE), dir.path().join(format!("{FILE}-wal")));
    let log = std::fs::read(log).unwrap();
    let mut seen = std::collections::BTreeSet::new();
    for cut in (0..=log.len()).step_by(997).chain([log.len()]) {
        let torn = tempfile::tempdir().unwrap();
        std::fs::copy(&database, torn.path().join(FILE)).unwrap();
        std::fs::write(torn.path().join(format!("{FILE}-wal")), &log[..cut]).unwrap();
        let count = FileStore::open(torn.path()).unwrap().load().await.unwrap().runs.len();
        assert_eq!(count % 2, 0, "half of a commit is there");
        seen.insert(count);
    }
    assert_eq!(seen.last(), Some(&12));
    assert!(seen.len() >= 6, "{seen:?}");
}

#[tokio::test]
async fn a_full_disk_loses_nothing_and_the_store_goes_on_when_there_is_room() {
    let dir = tempfile::tempdir().unwrap();
    let store = FileStore::open(dir.path()).unwrap();
    let all = runs(2_000);
    store.commit(puts(&all[..10])).await.unwrap();
    // SQLite's own bound on the database's size fails exactly as a full disk does: SQLITE_FULL.
    store.writer.pragma("max_page_count=40").await;
    let error = store.commit(puts(&all[10..])).await.unwrap_err().to_string();
    assert!(error.contains("the disk is full"), "{error}");
    assert_eq!(store.load().await.unwrap().runs.len(), 10, "a refused batch left something behind");
    store.writer.pragma("max_page_count=1000000").await;
    store.commit(puts(&all[10..])).await.unwrap();
    assert_eq!(store.load().await.unwrap().runs.len(), 2_000);
}
