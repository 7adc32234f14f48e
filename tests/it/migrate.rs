//! `taskwatch migrate-store` as a user runs it, between a directory and a table in MiniStack.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use serde_json::json;
use taskwatch::core::machine::{self, Input};
use taskwatch::core::request::RunRequest;
use taskwatch::core::run::Run;
use taskwatch::core::time::Timestamp;
use taskwatch::store::dynamo::DynamoOptions;
use taskwatch::store::migrate::Ledger;
use taskwatch::store::{Change, DynamoStore, FileStore, Key, Store};
use uuid::Uuid;

use super::cli::{stderr, stdout};
use super::emulators::clients;
use super::setup::Account;
use super::support::emulator::Emulator;

/// Of each kind.
const OPEN: usize = 60;
const ENDED: usize = 340;

/// A directory with the runs of the cell `blue-0`.
async fn source(dir: &Path, now: Timestamp) {
    let store = FileStore::open(dir).expect("a store");
    let run = |n: usize| {
        let name = format!("nightly-{n}");
        let request = json!({"name": name, "runTask": {"taskDefinition": "etl:7", "cluster": "batch"}});
        let spec = Arc::new(RunRequest::parse(&request.to_string()).expect("a request").spec);
        let mut run = Run::new(Uuid::now_v7(), name, 0, spec, now);
        machine::apply(&mut run, &Input::Submitted, now);
        if n >= OPEN {
            machine::apply(&mut run, &Input::StopAsked { reason: "x".into() }, now);
        }
        Change::Put(Arc::new(run))
    };
    let notes = [("cell", "blue-0".to_owned()), ("limits", "{}".to_owned())];
    let notes = notes.map(|(name, text)| Change::Note { name: name.into(), text });
    store.commit((0..OPEN + ENDED).map(run).chain(notes).collect()).await.expect("a commit");
}

async fn table(emulator: &Emulator, now: Timestamp) -> DynamoStore {
    let options =
        DynamoOptions { place: "dynamodb:runs".into(), keep: Duration::from_secs(604_800), now: Arc::new(move || now) };
    let table = Arc::new(clients(emulator).await.table("runs"));
    DynamoStore::open(table, "blue-0", "the test".into(), options).await.expect("the cell")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cells_runs_move_into_a_table_and_back() {
    let emulator = Emulator::ministack();
    let account = &mut Account::at(&emulator.endpoint());
    account.set_up(&["--fleet", "blue", "--store", "dynamodb:runs", "--cells", "1"]).await;
    let (old, back) = (tempfile::tempdir().expect("a directory"), tempfile::tempdir().expect("a directory"));
    let now = taskwatch::cell::Clock::system().now();
    source(old.path(), now).await;
    let place = |dir: &tempfile::TempDir| format!("file:{}", dir.path().display());
    let migrate = async |account: &Account, from: &str, to: &str, more: &[&str]| {
        account.run(&[&["migrate-store", from, to, "--cell", "blue-0"], more].concat()).await
    };
    let refused = account.run(&["migrate-store", &place(&old), "dynamodb:runs", "--cell", "green"]).await;
    assert_eq!(refused.status.code(), Some(2), "{}", stdout(&refused));
    assert!(stderr(&refused).contains("has the runs of the cell blue-0, not of green"), "{}", stderr(&refused));

    // A cell that serves from the directory has its lock.
    let serving = FileStore::open(old.path()).expect("the store");
    let locked = migrate(account, &place(&old), "dynamodb:runs", &[]).await;
    assert_eq!(locked.status.code(), Some(1), "{}", stdout(&locked));
    drop(serving);

    for n in 0..2 {
        let moved = migrate(account, &place(&old), "dynamodb:runs", &[]).await;
        assert_eq!(moved.status.code(), Some(0), "{n}: {}", stderr(&moved));
        let said = format!("{OPEN} open and {ENDED} ended runs, 0 undelivered notifications, 2 notes");
        assert!(stdout(&moved).contains(&said), "{n}: {}", stdout(&moved));
    }
    let store = table(&emulator, now).await;
    for (name, is_final) in [("nightly-7", false), ("nightly-399", true)] {
        let found = store.find(Key::request(name), 2).await.expect("an answer").items;
        assert_eq!((found.len(), found[0].status.is_final()), (1, is_final), "{name}");
    }

    // Now it has an owner, which loses it only to who insists.
    let refused = migrate(account, "dynamodb:runs", &place(&back), &[]).await;
    assert_eq!(refused.status.code(), Some(2), "{}", stdout(&refused));
    assert!(
        stderr(&refused).contains("is served by the test") && stderr(&refused).contains("--force"),
        "{}",
        stderr(&refused)
    );
    let moved = migrate(account, "dynamodb:runs", &place(&back), &["--force", "--output", "json"]).await;
    assert_eq!(moved.status.code(), Some(0), "{}", stderr(&moved));
    let late = Change::Note { name: "limits".into(), text: "late".into() };
    assert!(store.commit(Arc::from([late])).await.is_err(), "it is fenced");
    let ledgers = [old.path(), back.path()].map(|dir| FileStore::open(dir).expect("a store"));
    let mut counts = Vec::new();
    for store in ledgers {
        counts.push(Ledger::read(&store).await.expect("it can be read").0.counts(Timestamp::from_millis(0)));
    }
    assert_eq!(counts[0], counts[1], "there and back, nothing is another");

    // A directory that has gone on since, or is another's, is not overwritten.
    let other = tempfile::tempdir().expect("a directory");
    source(other.path(), now).await;
    let refused = migrate(account, &place(&other), "dynamodb:runs", &[]).await;
    assert_eq!(refused.status.code(), Some(1), "{}", stdout(&refused));
    assert!(stderr(&refused).contains("400 runs in the new store are not in the old one"), "{}", stderr(&refused));
}
