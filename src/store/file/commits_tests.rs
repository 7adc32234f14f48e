//! Commits that are durable in the log, and those that it is not for.

use std::collections::BTreeSet;
use std::fs::OpenOptions;

use super::logger::{Asked, Logger};
use super::redo::{Progress, Recovered};
use super::writer::{Job, Task};
use super::*;
use crate::store::codec;
use crate::store::conformance::{NOW, ended, of_request, puts, runs, same};

async fn commit(store: &FileStore, changes: Vec<Change>) {
    store.commit(changes.into()).await.unwrap();
}

async fn open_names(store: &FileStore) -> BTreeSet<String> {
    store.load().await.unwrap().runs.all().await.unwrap().into_iter().map(|run| run.name).collect()
}

/// The directory as a crash leaves it now.
fn crashed(dir: &Path) -> tempfile::TempDir {
    let copy = tempfile::tempdir().unwrap();
    for file in [FILE, "taskwatch.db-wal", redo::FILE] {
        std::fs::copy(dir.join(file), copy.path().join(file)).unwrap();
    }
    copy
}

#[tokio::test]
async fn small_commits_outlive_a_crash_before_the_database_has_them() {
    let dir = tempfile::tempdir().unwrap();
    let store = FileStore::open(dir.path()).unwrap();
    let (first, second, third) = (of_request("first", 1), of_request("second", 1), of_request("third", 1));
    commit(&store, puts(&first)).await;
    store.pragma("query_only=1").await;
    // In the log, and the database takes it not.
    commit(&store, [puts(&[ended(&first[0], NOW)]), puts(&second)].concat()).await;
    store.commits.progress().level().await.unwrap_err();
    // So it goes no further: neither this nor reading, which would not show all.
    store.commit(puts(&third).into()).await.unwrap_err();
    store.find(Key::request("second"), 1).await.unwrap_err();
    let crashed = crashed(dir.path());
    for _ in 0..2 {
        let after = FileStore::open(crashed.path()).unwrap();
        assert_eq!(open_names(&after).await, BTreeSet::from(["second/0".to_owned()]));
        assert_eq!(after.ended().await.unwrap().statuses.values().sum::<u64>(), 1);
        // What comes next is not taken for what was there.
        let passing = runs(1);
        commit(&after, puts(&passing)).await;
        commit(&after, vec![Change::Forget(passing[0].id)]).await;
    }
    // The disk writes again.
    store.pragma("query_only=0").await;
    commit(&store, puts(&third)).await;
    assert_eq!(open_names(&store).await, BTreeSet::from(["second/0".to_owned(), "third/0".to_owned()]));
}

#[tokio::test]
async fn whoever_reads_sees_each_commit_that_was_answered_small_or_large() {
    let dir = tempfile::tempdir().unwrap();
    let store = FileStore::open(dir.path()).unwrap();
    let mut open = BTreeSet::new();
    for n in 0..200 {
        let name = format!("n-{n}");
        let all = of_request(&name, if n % 50 == 7 { 500 } else { 1 });
        commit(&store, puts(&all)).await;
        let found = store.find(Key::request(&name), 1_000).await.unwrap().items;
        assert_eq!(found.len(), all.len(), "{name}");
        found.iter().zip(&all).for_each(|(found, run)| same(found, run));
        open.extend(all.into_iter().map(|run| run.name));
        // Now and then several in a row, so that they wait for the database together.
        if n % 3 == 0 {
            let gone: Vec<Run> = store.find(Key::request(&name), 1).await.unwrap().items;
            for run in gone {
                commit(&store, puts(&[ended(&run, NOW)])).await;
                commit(&store, vec![Change::Forget(run.id)]).await;
                open.remove(&run.name);
            }
        }
    }
    drop(store);
    assert_eq!(open_names(&FileStore::open(dir.path()).unwrap()).await, open);
}

#[tokio::test]
async fn an_entry_that_the_database_has_not_is_not_written_over() {
    let dir = tempfile::tempdir().unwrap();
    let (path, of) = (dir.path().join(redo::FILE), [7; 16]);
    let log = Recovered::read(&path, of).unwrap().emptied(0).unwrap();
    let progress = Arc::new(Progress::new(0));
    // Nobody does what is passed on.
    let (jobs, passed_on) = std::sync::mpsc::channel();
    let commits = Logger::new(path.clone(), Some(log), 0, Arc::clone(&progress), jobs).start().unwrap();
    let numbers = |after| {
        let recovered = Recovered::read(&path, of).unwrap();
        recovered.entries(after).into_iter().map(|(number, _)| number).collect::<Vec<_>>()
    };
    let add = async || {
        let (done, committed) = tokio::sync::oneshot::channel();
        commits.send(Asked { changes: puts(&runs(1)).into(), done }).unwrap();
        committed.await.unwrap().unwrap();
    };
    add().await;
    add().await;
    assert_eq!(numbers(0), [1, 2]);
    progress.applied(1);
    add().await;
    assert_eq!(numbers(1), [2, 3]);
    progress.applied(3);
    add().await;
    assert_eq!(numbers(3), [4], "from the front again");
    while numbers(3).len() < 256 {
        add().await;
    }
    assert!(passed_on.try_iter().all(|job| matches!(job, Job::Apply(_))));
    // It is full.
    let (done, _committed) = tokio::sync::oneshot::channel();
    commits.send(Asked { changes: puts(&runs(1)).into(), done }).unwrap();
    let Job::Do(Task::Commit(all, _)) = passed_on.recv().unwrap() else { panic!("it was added") };
    assert_eq!((all.number, all.changes.len()), (259, 1));
}

#[tokio::test]
async fn what_the_database_does_not_take_holds_up_what_comes_after_it() {
    let dir = tempfile::tempdir().unwrap();
    let store = FileStore::open(dir.path()).unwrap();
    let note = |name: &'static str, length| vec![Change::Note { name: name.into(), text: "x".repeat(length) }];
    store.pragma("length=2000").await;
    commit(&store, note("first", 4_000)).await;
    store.commits.progress().level().await.unwrap_err();
    for _ in 0..2 {
        // The database would take it, and say that it has all before it.
        let error = store.commit(note("second", 10).into()).await.unwrap_err();
        assert!(error.is_temporary() && error.to_string().contains("first"), "nothing is wrong with it: {error:?}");
    }
    store.pragma("length=1000000000").await;
    commit(&store, note("second", 10)).await;
    let notes: Vec<(String, usize)> =
        store.load().await.unwrap().notes.into_iter().map(|(name, text)| (name, text.len())).collect();
    assert_eq!(notes, [("first".to_owned(), 4_000), ("second".to_owned(), 10)]);
}

#[tokio::test]
async fn where_the_log_cannot_be_written_commits_go_to_the_database_and_its_entry_is_done_with() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join(redo::FILE);
    let mut connection = Connection::open(dir.path().join(FILE)).unwrap();
    schema::prepare(&mut connection).unwrap();
    let mut database = Database::new(connection, dir.path()).unwrap();
    let mut log = database.recover().unwrap().unwrap();
    log.write_to(OpenOptions::new().read(true).open(&path).unwrap());
    let commits = Commits::start(database, Some(log)).unwrap();
    let all = runs(3);
    commits.commit(puts(&all[..2]).into()).await.unwrap();
    commits.commit(puts(&all[2..]).into()).await.unwrap();
    drop(commits);
    // As if it had arrived all the same: it is not made once more.
    let connection = Connection::open(dir.path().join(FILE)).unwrap();
    let mut stray = Recovered::read(&path, schema::id(&connection).unwrap()).unwrap().emptied(0).unwrap();
    stray.append(&codec::encode_changes(&[Change::Forget(all[0].id)]).unwrap()).unwrap();
    drop(connection);
    assert_eq!(open_names(&FileStore::open(dir.path()).unwrap()).await.len(), 3);
}

#[tokio::test]
async fn an_entry_that_cannot_be_read_ends_the_start() {
    let dir = tempfile::tempdir().unwrap();
    drop(FileStore::open(dir.path()).unwrap());
    let of = schema::id(&Connection::open(dir.path().join(FILE)).unwrap()).unwrap();
    let mut log = Recovered::read(&dir.path().join(redo::FILE), of).unwrap().emptied(0).unwrap();
    log.append(br#"{"shared":[],"changes":[{"Later":1}]}"#).unwrap();
    for _ in 0..2 {
        let error = FileStore::open(dir.path()).err().unwrap();
        let StoreError::Corrupt(text) = &error else { panic!("{error:?}") };
        assert!(text.contains("entry 1 of taskwatch.redo cannot be read") && text.contains("Later"), "{text}");
    }
}
