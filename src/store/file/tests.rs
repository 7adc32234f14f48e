use super::*;
use crate::store::conformance::{NOW, ended, puts, runs};

async fn commit(store: &FileStore, changes: Vec<Change>) {
    store.commit(changes.into()).await.unwrap();
}

async fn open_runs(store: &FileStore) -> Vec<Run> {
    store.load().await.unwrap().runs.all().await.unwrap()
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
        commit(&store, puts(pair)).await;
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
    let files = ["taskwatch.db", "taskwatch.db-wal", "taskwatch.db-shm", "lock"];
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
