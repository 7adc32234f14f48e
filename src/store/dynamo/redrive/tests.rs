use std::time::Duration;

use super::*;
use crate::core::machine::{self, Input};
use crate::store::conformance::{NOW, ended as end_of, of_request, puts, same};
use crate::store::dynamo::fake::{Call, FakeTable, Fate, Fault};
use crate::store::dynamo::table::Key as TableKey;
use crate::store::dynamo::{DynamoOptions, DynamoStore, keys};
use crate::store::{EndedCounts, Key, Store, StoreError, find_all};

const FAULTS: [Fault; 3] = [Fault::Throttled, Fault::Lost, Fault::Unanswered];
/// More writes than a redrive makes here.
const WRITES: usize = 7;

async fn open(table: &Arc<FakeTable>) -> DynamoStore {
    let options =
        DynamoOptions { place: "dynamodb:runs".into(), keep: Duration::from_secs(600), now: Arc::new(|| NOW) };
    DynamoStore::open(Arc::clone(table) as _, "blue", Uuid::new_v4().to_string().into(), options).await.unwrap()
}

/// Behind `nth` writes, so many go wrong.
fn break_writes(table: &FakeTable, fault: Fault, nth: usize, most: usize) {
    let mut writes = 0;
    table.decide(move |call| {
        writes += usize::from(call.is_write());
        let breaks = call.is_write() && (nth + 1..=nth + most).contains(&writes);
        Fate { fault: Some(fault).filter(|_| breaks), ..Fate::default() }
    });
}

/// The only run of its request.
fn single(name: &str) -> Run {
    Run { name: name.into(), ..of_request(name, 1).remove(0) }
}

fn redriven(run: &Run) -> Run {
    let mut again = run.clone();
    assert!(machine::apply(&mut again, &Input::Redriven, NOW).changed());
    again
}

async fn commit(store: &DynamoStore, runs: &[Run]) -> Result<(), StoreError> {
    store.commit(puts(runs).into()).await
}

/// As the committer does: the same changes until they are taken.
async fn insist(store: &DynamoStore, runs: &[Run]) {
    for _ in 0..WRITES {
        match commit(store, runs).await {
            Ok(()) => return,
            Err(error) => assert!(error.is_temporary(), "{error}"),
        }
    }
    panic!("it is not taken");
}

/// Runs that have ended, and are rows.
async fn settled(table: &Arc<FakeTable>, runs: &[Run]) -> (DynamoStore, Vec<Run>) {
    let store = open(table).await;
    commit(&store, runs).await.unwrap();
    let ends: Vec<Run> = runs.iter().map(|run| end_of(run, NOW)).collect();
    commit(&store, &ends).await.unwrap();
    store.settle().await.unwrap();
    assert!(ends.iter().all(|end| store.owned.journal.read(|kept| kept.run(end.id).is_none())));
    (store, ends)
}

fn has_ttl(table: &FakeTable, row: &TableKey) -> bool {
    table.items()[row].contains_key("ttl")
}

/// What was begun again is open in the log that a next owner reads, counted so, and TTL takes neither its row nor its name.
async fn check(table: &Arc<FakeTable>, all: &[Run], begun: &[Run]) {
    let store = open(table).await;
    let loaded = store.load().await.unwrap().runs.all().await.unwrap();
    assert_eq!(loaded.len(), begun.len());
    for run in begun {
        same(loaded.iter().find(|loaded| loaded.id == run.id).unwrap(), run);
        let row = ended::row_of(run, 0);
        assert!(!has_ttl(table, &keys::row(&row.request, row.index)), "{}: its row is forgotten some day", run.name);
        assert!(!has_ttl(table, &keys::row(&row.request, None)), "{}: its name is free some day", run.name);
    }
    let mut counted = EndedCounts::default();
    all.iter()
        .filter(|run| begun.iter().all(|begun| begun.id != run.id))
        .for_each(|run| counted.add(&end_of(run, NOW)));
    assert_eq!(store.ended().await.unwrap(), counted);
}

/// Some runs end, are rows, and are begun again, whichever write goes wrong on the way, and in whichever way.
async fn whatever_goes_wrong(all: &[Run], begun: std::ops::Range<usize>) {
    for fault in FAULTS {
        for (nth, most) in (0..WRITES).flat_map(|nth| [(nth, 1), (nth, 2)]) {
            let table = Arc::<FakeTable>::default();
            let (store, ends) = settled(&table, all).await;
            let again: Vec<Run> = ends[begun.clone()].iter().map(redriven).collect();
            break_writes(&table, fault, nth, most);
            insist(&store, &again).await;
            table.be_well();
            let mut counted = EndedCounts::default();
            ends.iter().filter(|end| again.iter().all(|run| run.id != end.id)).for_each(|end| counted.add(end));
            assert_eq!(store.ended().await.unwrap(), counted, "{fault:?} of {nth}");
            check(&table, all, &again).await;
        }
    }
}

/// The same; and the process ends before it has tried again: the operator asks the next owner.
async fn whatever_goes_wrong_before_a_crash(all: &[Run], begun: std::ops::Range<usize>) {
    for fault in FAULTS {
        for nth in 0..WRITES {
            let table = Arc::<FakeTable>::default();
            let (store, ends) = settled(&table, all).await;
            let again: Vec<Run> = ends[begun.clone()].iter().map(redriven).collect();
            break_writes(&table, fault, nth, WRITES);
            if commit(&store, &again).await.is_ok() {
                continue;
            }
            table.be_well();
            drop(store);
            let next = open(&table).await;
            let mut begun = Vec::new();
            for run in &again {
                let found = find_all(&next, Key::Run(run.id)).await.unwrap().remove(0);
                begun.push(if found.status.is_final() { redriven(&found) } else { found });
            }
            insist(&next, &begun).await;
            check(&table, all, &begun).await;
        }
    }
}

#[tokio::test]
async fn a_redrive_is_durable_once_whichever_write_goes_wrong() {
    whatever_goes_wrong(&[single("nightly")], 0..1).await;
    whatever_goes_wrong_before_a_crash(&[single("nightly")], 0..1).await;
}

#[tokio::test]
async fn a_redrive_of_many_is_durable_once_whichever_write_goes_wrong() {
    let all = [single("nightly"), single("weekly"), single("monthly")];
    whatever_goes_wrong(&all, 0..2).await;
    whatever_goes_wrong_before_a_crash(&all, 0..2).await;
}

#[tokio::test]
async fn a_redrive_in_an_array_is_durable_once_and_keeps_its_name_whichever_write_goes_wrong() {
    whatever_goes_wrong(&of_request("array", 3), 0..2).await;
    whatever_goes_wrong_before_a_crash(&of_request("array", 3), 0..2).await;
}

/// What the committer gives together may have more than one step of a run.
#[tokio::test]
async fn two_steps_of_a_redriven_run_that_are_given_together_are_durable() {
    for nth in 0..WRITES {
        let table = Arc::<FakeTable>::default();
        let (store, ends) = settled(&table, &[single("nightly")]).await;
        let first = redriven(&ends[0]);
        let second = Run { revision: first.revision + 1, ..first.clone() };
        break_writes(&table, Fault::Unanswered, nth, 1);
        if commit(&store, &[first.clone(), second.clone()]).await.is_err() && nth % 2 == 0 {
            drop(store);
            insist(&open(&table).await, std::slice::from_ref(&first)).await;
            if open(&table).await.load().await.unwrap().runs.all().await.unwrap()[0].revision == first.revision {
                check(&table, &ends, &[first]).await;
                continue;
            }
        } else {
            insist(&store, &[first, second.clone()]).await;
        }
        check(&table, &ends, &[second]).await;
    }
}

/// Before it is a row, the log alone has its end.
#[tokio::test]
async fn an_ended_run_is_kept_whose_redrive_was_lost_with_its_process() {
    for run in [single("nightly"), of_request("array", 1).remove(0)] {
        for is_seen_again in [false, true] {
            let table = Arc::<FakeTable>::default();
            let store = open(&table).await;
            commit(&store, std::slice::from_ref(&run)).await.unwrap();
            let mut end = end_of(&run, NOW);
            commit(&store, std::slice::from_ref(&end)).await.unwrap();
            table.decide(|call| {
                let is_append = matches!(call, Call::Put(_)) && call.partition().starts_with("L#");
                Fate { fault: Some(Fault::Lost).filter(|_| is_append), ..Fate::default() }
            });
            assert!(commit(&store, &[redriven(&end)]).await.is_err());
            table.be_well();
            drop(store);

            let next = open(&table).await;
            if is_seen_again {
                // What is last seen of its task.
                end.revision += 1;
                commit(&next, std::slice::from_ref(&end)).await.unwrap();
            }
            next.settle().await.unwrap();
            let found = find_all(&next, Key::Run(end.id)).await.unwrap();
            assert_eq!(found.len(), 1, "{} is forgotten", run.name);
            same(&found[0], &end);
            let row = ended::row_of(&end, 0);
            assert!(
                has_ttl(&table, &keys::row(&row.request, row.index)) && has_ttl(&table, &keys::row(&row.request, None))
            );
            let again = redriven(&end);
            insist(&next, std::slice::from_ref(&again)).await;
            check(&table, std::slice::from_ref(&run), &[again]).await;
        }
    }
}
