use std::collections::HashMap;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Mutex, PoisonError};

use super::*;
use crate::core::machine::{self, Input};
use crate::core::time::Timestamp;
use crate::store::conformance::{NOW, ended, of_request, puts, same};
use crate::store::dynamo::fake::{Call, FakeTable, Fate, Fault};
use crate::store::dynamo::table::Key as TableKey;
use crate::store::dynamo::{DynamoOptions, DynamoStore, keys};
use crate::store::{Change, Key, Store, find_all};

const ARRAYS: usize = 20;
const APPEND: Duration = Duration::from_millis(10);

/// How often each row was written.
type Writes = Arc<Mutex<HashMap<TableKey, usize>>>;

/// Appends take their time, and of the puts of rows those go wrong that `breaks` says.
fn decide(table: &FakeTable, writes: &Writes, breaks: impl Fn(usize) -> bool + Send + 'static) {
    let (writes, mut count) = (Arc::clone(writes), 0);
    table.decide(move |call| match call {
        Call::Put(key) if key.pk.starts_with("L#") => Fate { there: APPEND, ..Fate::default() },
        Call::Put(key) if key.pk.starts_with("N#") => {
            count += 1;
            let fault = Some(Fault::Throttled).filter(|_| breaks(count));
            if fault.is_none() {
                *writes.lock().unwrap_or_else(PoisonError::into_inner).entry(key.clone()).or_default() += 1;
            }
            Fate { fault, ..Fate::default() }
        }
        _ => Fate::default(),
    });
}

async fn open(table: &Arc<FakeTable>) -> Arc<DynamoStore> {
    let now = Arc::new(|| NOW.plus(Duration::from_secs(60)));
    let options = DynamoOptions { place: "dynamodb:runs".into(), keep: Duration::from_secs(600), now };
    Arc::new(DynamoStore::open(Arc::clone(table) as _, "blue", "one".into(), options).await.unwrap())
}

/// Arrays of two runs each that have ended.
async fn end_arrays(store: &DynamoStore) -> Vec<Run> {
    let all: Vec<Run> = (0..ARRAYS).flat_map(|n| of_request(&format!("array{n}"), 2)).collect();
    store.commit(puts(&all).into()).await.unwrap();
    let ends: Vec<Run> = all.iter().map(|run| ended(run, NOW)).collect();
    store.commit(puts(&ends).into()).await.unwrap();
    ends
}

/// Commits, one after another.
async fn load(store: Arc<DynamoStore>) {
    for n in 0_u64.. {
        store.commit([Change::Note { name: "limits".into(), text: n.to_string() }].into()).await.unwrap();
    }
}

async fn rows_are_written_under_load(breaks: impl Fn(usize) -> bool + Send + 'static) {
    let table = Arc::<FakeTable>::default();
    let store = open(&table).await;
    let ends = end_arrays(&store).await;
    let writes = Writes::default();
    decide(&table, &writes, breaks);
    let load = tokio::spawn(load(Arc::clone(&store)));
    tokio::time::sleep(Duration::from_secs(30)).await;
    load.abort();

    let kept = ends.iter().filter(|end| store.owned.journal.read(|kept| kept.run(end.id).is_some())).count();
    assert_eq!(kept, 0, "ended runs are kept in memory");
    let writes = writes.lock().unwrap_or_else(PoisonError::into_inner).clone();
    assert!(writes.len() == 2 * ARRAYS && writes.values().all(|count| *count == 1), "{writes:?}");
    let items = table.items();
    for (key, item) in items.iter().filter(|(key, _)| key.pk.starts_with("N#")) {
        assert!(item.contains_key("ttl"), "{key} is never forgotten");
        assert!(key.sk == 0 || item.contains_key("b"), "{key} is no row");
    }
}

#[tokio::test(start_paused = true)]
async fn rows_of_arrays_are_written_once_while_commits_are_under_way() {
    rows_are_written_under_load(|_| false).await;
}

#[tokio::test(start_paused = true)]
async fn a_row_that_is_throttled_is_written_again_and_the_others_are_not() {
    rows_are_written_under_load(|count| count % 7 == 3).await;
}

/// What a failed commit left may begin a run of an array again: until it is known, the array's name is not given up.
#[tokio::test(start_paused = true)]
async fn the_name_of_an_array_is_kept_while_it_is_unknown_whether_a_run_of_it_was_begun_again() {
    let table = Arc::<FakeTable>::default();
    let store = open(&table).await;
    let ends = end_arrays(&store).await;
    let is_append = |call: &Call| matches!(call, Call::Put(key) if key.pk.starts_with("L#"));
    table.decide(move |call| Fate { fault: Some(Fault::Lost).filter(|_| is_append(call)), ..Fate::default() });
    let mut again = ends[0].clone();
    machine::apply(&mut again, &Input::Redriven, NOW);
    let again = puts(&[again]);
    assert!(store.commit(again.clone().into()).await.is_err());
    tokio::time::sleep(Duration::from_secs(30)).await;
    let name = keys::row("array0", None);
    assert!(!table.items()[&name].contains_key("ttl"), "its name is given up");
    table.be_well();
    store.commit(again.into()).await.unwrap();
    load_for(&store, Duration::from_secs(20)).await;
    assert!(!table.items()[&name].contains_key("ttl"), "its name is given up");
    let other = keys::row("array1", None);
    assert!(table.items()[&other].contains_key("ttl"), "another name is kept for ever");
}

async fn load_for(store: &Arc<DynamoStore>, time: Duration) {
    for n in 0..time.as_secs() {
        store.commit([Change::Note { name: "limits".into(), text: n.to_string() }].into()).await.unwrap();
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
}

/// DynamoDB deletes what has expired within days; a name is free at once.
#[tokio::test(start_paused = true)]
async fn an_array_has_rows_of_its_own_where_those_of_an_earlier_one_are_not_deleted_yet() {
    let (table, now) = (Arc::<FakeTable>::default(), Arc::new(AtomicI64::new(NOW.millis())));
    let clock = Arc::clone(&now);
    let options = DynamoOptions {
        place: "dynamodb:runs".into(),
        keep: Duration::from_secs(600),
        now: Arc::new(move || Timestamp::from_millis(clock.load(Ordering::Relaxed))),
    };
    let store = DynamoStore::open(Arc::clone(&table) as _, "blue", "one".into(), options).await.unwrap();
    for day in 0..2 {
        let at = NOW.plus(Duration::from_secs(86_400 * day));
        now.store(at.millis(), Ordering::Relaxed);
        let all = of_request("nightly", 2);
        store.commit(puts(&all).into()).await.unwrap();
        let ends: Vec<Run> = all.iter().map(|run| ended(run, at)).collect();
        store.commit(puts(&ends).into()).await.unwrap();
        store.settle().await.unwrap();
        let found = find_all(&store, Key::request("nightly")).await.unwrap();
        assert_eq!(found.len(), 2, "day {day}");
        found.iter().zip(&ends).for_each(|(found, end)| same(found, end));
        assert_eq!(store.ended().await.unwrap().statuses.values().sum::<u64>(), 2);
    }
}

/// A commit and the writing of rows look at the log and at what is known, on threads of their own.
#[test]
fn commits_and_rows_never_wait_for_each_other_for_ever() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let store = runtime.block_on(async { open(&Arc::default()).await });
    let (done, ended) = std::sync::mpsc::channel();
    for is_commit in [true, false] {
        let (owned, done) = (Arc::clone(&store.owned), done.clone());
        std::thread::spawn(move || {
            for _ in 0..200_000 {
                if is_commit { owned.forget_known() } else { drop(owned.unwritten(Duration::ZERO)) }
            }
            done.send(())
        });
    }
    for _ in 0..2 {
        ended.recv_timeout(Duration::from_secs(30)).expect("they wait for each other");
    }
}
