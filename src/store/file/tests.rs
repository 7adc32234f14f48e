use std::sync::atomic::{AtomicUsize, Ordering};

use super::*;
use crate::core::filter::RunFilter;
use crate::core::run::Status;
use crate::store::codec::samples::Samples;
use crate::store::conformance::{NOW, ended, puts, runs};

async fn commit(store: &FileStore, changes: Vec<Change>) {
    store.commit(changes.into()).await.unwrap();
}

/// What was committed is in the database.
pub(super) async fn in_database(store: &FileStore) {
    store.commits.progress().level().await.unwrap();
}

async fn open_runs(store: &FileStore) -> Vec<Run> {
    store.load().await.unwrap().runs.all().await.unwrap()
}

#[test]
fn thousands_who_read_at_once_take_few_threads() {
    let begun = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&begun);
    let mut runtime = tokio::runtime::Builder::new_multi_thread();
    runtime.worker_threads(1).on_thread_start(move || {
        count.fetch_add(1, Ordering::Relaxed);
    });
    runtime.build().unwrap().block_on(async {
        let dir = tempfile::tempdir().unwrap();
        let store = FileStore::open(dir.path()).unwrap();
        let looks = (0..1_000).map(|n| store.find(Key::Request { name: format!("n-{n}"), from: 0 }, 1));
        let found = futures::future::join_all(looks).await;
        assert!(found.into_iter().all(|page| page.unwrap().items.is_empty()));
    });
    // One reads; those before it may be on their way to sleep. It was 512, which is what the runtime allows.
    let begun = begun.load(Ordering::Relaxed);
    assert!(begun <= 64, "{begun} threads");
}

/// How SQLite goes about a statement.
fn plan(database: &Connection, sql: &str, values: &[&dyn rusqlite::ToSql]) -> String {
    let mut statement = database.prepare(&format!("EXPLAIN QUERY PLAN {sql}")).unwrap();
    let steps = statement.query_map(values, |row| row.get::<_, String>(3)).unwrap();
    steps.collect::<Result<Vec<_>, _>>().unwrap().join("; ")
}

#[tokio::test]
async fn every_listing_walks_one_index_and_sorts_no_more_than_a_request() {
    let dir = tempfile::tempdir().unwrap();
    let store = FileStore::open(dir.path()).unwrap();
    commit(&store, puts(&runs(1).iter().map(|run| ended(run, NOW)).collect::<Vec<_>>())).await;
    let database = Connection::open(dir.path().join(FILE)).unwrap();
    let text = |text: &str| Some(text.to_owned());
    let mut seen = std::collections::BTreeSet::new();
    for queue in [None, text("q")] {
        for error in [None, text("Taskwatch.Stopped")] {
            for name in [None, text("n"), text("n/0")] {
                for (before, since) in [(None, None), (Some(Uuid::nil()), None), (Some(Uuid::nil()), Some(NOW))] {
                    let (queue, error, name) = (queue.clone(), error.clone(), name.clone());
                    let filter = RunFilter { queue, error, name, since, ..RunFilter::default() };
                    let query = Query { filter, before, limit: 50 };
                    let error = query.filter.error.as_ref().map(|_| 1);
                    let statuses = [Status::Succeeded, Status::Failed, Status::TimedOut, Status::Aborted];
                    for statuses in statuses.chunks(list::Statement::statuses(&query)).chain([&statuses[..1]]) {
                        let statement = list::Statement::of(&query, statuses, error, query.limit).unwrap();
                        let values: Vec<&dyn rusqlite::ToSql> = statement.values.iter().map(|value| &**value).collect();
                        let plan = plan(&database, &statement.sql, &values);
                        // A request has 10,000 runs at most: those are sorted, all else stands in the index's order.
                        let sorts = query.filter.name.is_some();
                        assert!(plan.starts_with("SEARCH ") && !plan.contains("SCAN"), "{query:?}: {plan}");
                        assert!(sorts || !plan.contains("TEMP B-TREE"), "{query:?}: {plan}");
                        // All that narrows it does so in the index; of a request's runs, those in the index are looked through.
                        assert!(!sorts || plan.contains("COVERING INDEX"), "{query:?}: {plan}");
                        let narrowing = if sorts { "(request=?" } else { "status=?" };
                        assert!(plan.contains(narrowing), "{query:?}: {plan}");
                        let bounds = if since.is_some() { "id>? AND id<?" } else { "id<?" };
                        assert!(sorts || query.before.is_none() || plan.contains(bounds), "{query:?}: {plan}");
                        assert!(sorts || query.filter.queue.is_none() || plan.contains("queue=?"), "{query:?}: {plan}");
                        assert!(sorts || query.filter.error.is_none() || plan.contains("error=?"), "{query:?}: {plan}");
                        seen.insert(plan);
                    }
                }
            }
        }
    }
    assert!(seen.len() >= 10, "{seen:#?}");
}

/// Pages that the log has.
fn pages_in_log(dir: &Path) -> u64 {
    // Of the file's format (https://www.sqlite.org/fileformat2.html#walformat): a header, and one before each page.
    std::fs::metadata(dir.join(format!("{FILE}-wal"))).unwrap().len().saturating_sub(32) / (24 + 4096)
}

#[tokio::test]
async fn a_run_that_goes_on_writes_the_page_of_its_row_and_no_index() {
    let dir = tempfile::tempdir().unwrap();
    let store = FileStore::open(dir.path()).unwrap();
    let all = runs(2_000);
    commit(&store, puts(&all)).await;
    store.pragma("wal_checkpoint(TRUNCATE)").await;
    let mut goes_on = all[1_000].clone();
    goes_on.revision += 1;
    commit(&store, puts(&[goes_on])).await;
    in_database(&store).await;
    // And that of the number of the log's entry, which all that come together share.
    assert_eq!(pages_in_log(dir.path()), 2);
}

#[tokio::test]
async fn what_no_index_has_is_looked_for_a_bounded_number_of_runs_at_a_time() {
    let dir = tempfile::tempdir().unwrap();
    let store = FileStore::open(dir.path()).unwrap();
    let all: Vec<Run> = runs(u32::try_from(list::LOOKED_AT + 10).unwrap()).iter().map(|run| ended(run, NOW)).collect();
    commit(&store, puts(&all)).await;
    let filter = RunFilter { name: Some("?/3*".into()), ..RunFilter::default() };
    let query = Query { filter, before: Some(all[40].id), limit: 5 };
    let page = store.finished(query.clone()).await.unwrap();
    let names = |page: &crate::store::Page<Run, Uuid>| page.items.iter().map(|run| run.index).collect::<Vec<_>>();
    assert_eq!((names(&page), page.next), (vec![39, 38, 37, 36, 35], Some(all[35].id)));
    let query = Query { before: None, filter: RunFilter { name: Some("n/[39]".into()), ..query.filter }, ..query };
    assert!(!list::looks_at_each(&query), "no pattern");
    let query = Query { filter: RunFilter { name: Some("?/3".into()), ..RunFilter::default() }, ..query };
    let page = store.finished(query.clone()).await.unwrap();
    assert_eq!((names(&page), page.next), (vec![], Some(all[10].id)), "as many as it looks at, and more behind them");
    let page = store.finished(Query { before: page.next, ..query }).await.unwrap();
    assert_eq!((names(&page), page.next), (vec![3], None));
    // What it looks at is found by keys alone.
    let database = Connection::open(dir.path().join(FILE)).unwrap();
    let plan = plan(&database, list::REQUEST, &[&[0_u8; 16]]);
    assert!(!plan.contains("SCAN") && plan.matches("SEARCH").count() == 2, "{plan}");
}

#[test]
fn forgetting_a_run_looks_at_no_request_but_its_own() {
    let dir = tempfile::tempdir().unwrap();
    drop(FileStore::open(dir.path()).unwrap());
    let database = Connection::open(dir.path().join(FILE)).unwrap();
    let plan = plan(&database, write::UNUSED, &[&1]);
    assert!(!plan.contains("SCAN"), "{plan}");
}

/// Takes what format 3 added out of a database again.
const AS_FORMAT_2: &str = "
DROP TRIGGER ended_comes; DROP TRIGGER ended_goes; DROP TRIGGER ended_error_comes; DROP TRIGGER ended_error_goes;
DROP TABLE redo; DROP TABLE ended_counts; ALTER TABLE errors DROP COLUMN runs;
ALTER TABLE specs DROP COLUMN task_definition; ALTER TABLE specs DROP COLUMN cluster;
PRAGMA user_version = 2;";

#[tokio::test]
async fn what_format_2_has_is_counted_when_it_is_opened_and_listed_by_what_it_launched() {
    let dir = tempfile::tempdir().unwrap();
    let store = FileStore::open(dir.path()).unwrap();
    let all = runs(5);
    let done: Vec<Run> = all[1..].iter().map(|run| ended(run, NOW)).collect();
    commit(&store, puts(&[&all[..1], &done[..3]].concat())).await;
    drop(store);
    Connection::open(dir.path().join(FILE)).unwrap().execute_batch(AS_FORMAT_2).unwrap();
    let store = FileStore::open(dir.path()).unwrap();
    commit(&store, puts(&done[3..])).await;
    let mut expected = EndedCounts::default();
    done.iter().for_each(|run| expected.add(run));
    assert_eq!(store.ended().await.unwrap(), expected);
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
async fn a_request_is_forgotten_with_the_last_of_its_runs() {
    let dir = tempfile::tempdir().unwrap();
    let store = FileStore::open(dir.path()).unwrap();
    let day = std::time::Duration::from_secs(86_400);
    let all = runs(3);
    commit(&store, puts(&[ended(&all[0], NOW), ended(&all[1], NOW), all[2].clone()])).await;
    assert_eq!(store.expire(NOW.plus(day), 10).await.unwrap(), 2);
    let specs = || {
        let database = Connection::open(dir.path().join(FILE)).unwrap();
        database.query_row("SELECT count(*) FROM specs", [], |row| row.get::<_, i64>(0)).unwrap()
    };
    assert_eq!(specs(), 1, "the open run keeps its request");
    commit(&store, puts(&runs(1))).await;
    let last: Vec<Run> = open_runs(&store).await.iter().map(|run| ended(run, NOW)).collect();
    assert_eq!(last.len(), 2);
    commit(&store, puts(&last)).await;
    assert_eq!(store.expire(NOW.plus(day), 10).await.unwrap(), 2);
    assert_eq!(specs(), 0);
}

#[tokio::test]
async fn later_formats_and_foreign_databases_are_refused_and_unchanged() {
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
    let foreign = Connection::open(other.path().join(FILE)).unwrap();
    foreign.execute_batch("CREATE TABLE theirs (id INTEGER)").unwrap();
    drop(foreign);
    let theirs = std::fs::read(other.path().join(FILE)).unwrap();
    let error = FileStore::open(other.path()).err().unwrap().to_string();
    assert!(error.contains("another program's"), "{error}");
    assert_eq!(std::fs::read(other.path().join(FILE)).unwrap(), theirs, "another program's database was changed");
    // Elsewhere: the log of one whose writer is about to end may still stand beside it.
    let damaged = tempfile::tempdir().unwrap();
    std::fs::write(damaged.path().join(FILE), "not a database at all, but longer than a header ".repeat(100)).unwrap();
    let error = FileStore::open(damaged.path()).err().unwrap();
    assert!(matches!(&error, StoreError::Corrupt(why) if why.contains("damaged")), "{error}");
}

#[tokio::test]
async fn a_log_that_was_cut_off_anywhere_opens_as_of_some_commit() {
    let dir = tempfile::tempdir().unwrap();
    let store = FileStore::open(dir.path()).unwrap();
    let all = runs(12);
    // A reader that began while the log was empty keeps the checkpoints away, so that every commit is still in the log, and
    // nothing of it in the database.
    let reader = Connection::open(dir.path().join(FILE)).unwrap();
    reader.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(())).unwrap();
    reader.execute_batch("BEGIN; SELECT count(*) FROM open;").unwrap();
    for pair in all.chunks(2) {
        commit(&store, puts(pair)).await;
        in_database(&store).await;
    }
    let (database, log) = (dir.path().join(FILE), dir.path().join(format!("{FILE}-wal")));
    let log = std::fs::read(log).unwrap();
    let mut seen = std::collections::BTreeSet::new();
    for cut in (0..=log.len()).step_by(997).chain([log.len()]) {
        let torn = tempfile::tempdir().unwrap();
        std::fs::copy(&database, torn.path().join(FILE)).unwrap();
        std::fs::write(torn.path().join(format!("{FILE}-wal")), &log[..cut]).unwrap();
        let count = open_runs(&FileStore::open(torn.path()).unwrap()).await.len();
        assert_eq!(count % 2, 0, "half of a commit is there");
        seen.insert(count);
    }
    assert_eq!(seen.last(), Some(&12));
    assert!(seen.len() >= 6, "{seen:?}");
}

#[tokio::test]
async fn only_its_owner_reads_a_store() {
    use std::os::unix::fs::PermissionsExt as _;
    let above = tempfile::tempdir().unwrap();
    let dir = above.path().join("made/data");
    let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
    let files = ["taskwatch.db", "taskwatch.db-wal", "taskwatch.db-shm", "taskwatch.redo", "lock"];
    let store = FileStore::open(&dir).unwrap();
    commit(&store, puts(&runs(1))).await;
    assert_eq!(mode(&dir), 0o700);
    for file in files {
        assert_eq!(mode(&dir.join(file)), 0o600, "{file}");
    }
    // As an older release left it, killed.
    let older = above.path().join("older");
    std::fs::create_dir(&older).unwrap();
    for file in files {
        std::fs::copy(dir.join(file), older.join(file)).unwrap();
        std::fs::set_permissions(older.join(file), std::fs::Permissions::from_mode(0o644)).unwrap();
    }
    std::fs::set_permissions(&older, std::fs::Permissions::from_mode(0o755)).unwrap();
    let store = FileStore::open(&older).unwrap();
    commit(&store, puts(&runs(1))).await;
    for file in files {
        assert_eq!(mode(&older.join(file)), 0o600, "{file}");
    }
    assert_eq!(mode(&older), 0o755, "a directory that others may have a part in was changed");
}

/// 3,000 runs as they come, each with a request of its own, written at each of their transitions.
#[tokio::test]
async fn an_ended_run_takes_little_room_with_its_request_and_indexes() {
    let dir = tempfile::tempdir().unwrap();
    let store = FileStore::open(dir.path()).unwrap();
    let mut samples = Samples::new(77);
    let mut count = 0_u64;
    for _ in 0..30 {
        let done: Vec<Run> = (0..100).map(|_| samples.next()).filter(|run| run.status.is_final()).collect();
        let began = |run: &Run| {
            let mut open = Run::new(run.id, run.name.clone(), run.index, Arc::clone(&run.spec), run.submitted_at);
            open.digest = run.digest;
            open
        };
        commit(&store, puts(&done.iter().map(began).collect::<Vec<_>>())).await;
        count += done.len() as u64;
        commit(&store, puts(&done)).await;
    }
    drop(store);
    let database = Connection::open(dir.path().join(FILE)).unwrap();
    let number = |pragma: &str| database.pragma_query_value(None, pragma, |row| row.get::<_, i64>(0)).unwrap();
    let used = (number("page_count") - number("freelist_count")) * number("page_size");
    let each = u64::try_from(used).unwrap() / count;
    println!("{each} bytes a run, of {count}");
    assert!(each <= 1_200, "{each}");
}
