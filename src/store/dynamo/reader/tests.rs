use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use super::*;
use crate::core::filter::RunFilter;
use crate::core::run::Status;
use crate::core::time::Timestamp;
use crate::store::conformance::{NOW, ended, puts, runs, same};
use crate::store::dynamo::DynamoStore;
use crate::store::dynamo::fake::{Call, FakeTable, Fate, Fault};
use crate::store::{Change, Store as _};

/// A fleet of the cells blue-0 and blue-1, of which blue-0 is the reading process's own, and green-0 of another fleet.
struct Fleet {
    table: Arc<FakeTable>,
    now: Arc<AtomicI64>,
    reader: FleetReader,
}

fn names(names: &[&str]) -> BTreeSet<Arc<str>> {
    names.iter().map(|name| Arc::from(*name)).collect()
}

impl Fleet {
    fn new() -> Self {
        let (table, now) = (Arc::<FakeTable>::default(), Arc::new(AtomicI64::new(NOW.millis())));
        let reader = FleetReader::new(Arc::clone(&table) as _, options(&now));
        reader.set(&names(&["blue-0", "blue-1"]), &names(&["blue-1"]));
        Self { table, now, reader }
    }

    async fn open(&self, cell: &str) -> DynamoStore {
        let incarnation = Uuid::new_v4().to_string().into();
        DynamoStore::open(Arc::clone(&self.table) as _, cell, incarnation, options(&self.now)).await.unwrap()
    }

    /// What is new of blue-1: what was void, the runs by name, and how many are gone.
    async fn look(&self) -> (bool, Vec<String>, usize) {
        let (mut anew, mut now, mut gone) = (false, Vec::new(), 0);
        let mut tell = |news| match news {
            News::Anew => anew = true,
            News::Run(run) => now.push(format!("{} {}", run.name, run.status.as_str())),
            News::Gone(_) => gone += 1,
        };
        self.reader.look("blue-1", &mut tell).await.unwrap();
        now.sort();
        (anew, now, gone)
    }

    async fn listed(&self, limit: usize, before: Option<Uuid>) -> (Vec<(Arc<str>, Uuid)>, Option<Uuid>) {
        let query = Query { limit, before, ..Query::default() };
        let page = self.reader.list(query).await.unwrap();
        (page.items.into_iter().map(|one| (one.cell, one.run.id)).collect(), page.next)
    }
}

fn options(now: &Arc<AtomicI64>) -> DynamoOptions {
    let now = Arc::clone(now);
    DynamoOptions {
        place: "dynamodb:runs".into(),
        keep: Duration::from_secs(7 * 86_400),
        now: Arc::new(move || Timestamp::from_millis(now.load(Ordering::Relaxed))),
    }
}

async fn commit(store: &DynamoStore, changes: Vec<Change>) {
    store.commit(changes.into()).await.unwrap();
}

fn said(run: &Run) -> String {
    format!("{} {}", run.name, run.status.as_str())
}

#[tokio::test]
async fn the_open_runs_of_another_cell_are_known_as_they_change() {
    let fleet = Fleet::new();
    assert_eq!(fleet.look().await, (false, vec![], 0), "there is no such cell yet");
    let other = fleet.open("blue-1").await;
    let of_other = runs(3);
    commit(&other, puts(&of_other)).await;
    let all: Vec<String> = of_other.iter().map(said).collect();
    assert_eq!(fleet.look().await, (true, all.clone(), 0));
    assert_eq!(fleet.look().await, (false, vec![], 0));
    let over = ended(&of_other[1], NOW);
    commit(&other, puts(std::slice::from_ref(&over))).await;
    assert_eq!(fleet.look().await, (false, vec![said(&over)], 0));
    assert_eq!(fleet.reader.ended().statuses, [(Status::Aborted, 1)].into());
    other.settle().await.unwrap();
    assert_eq!(fleet.look().await, (false, vec![], 1), "it is a row now");
    assert_eq!(fleet.reader.ended().statuses, [(Status::Aborted, 1)].into());
    // Whoever takes the cell, or nobody: the log goes on.
    let next = fleet.open("blue-1").await;
    commit(&next, puts(&[ended(&of_other[0], NOW)])).await;
    assert_eq!(fleet.look().await.1, [said(&ended(&of_other[0], NOW))]);
}

#[tokio::test]
async fn a_look_that_is_broken_off_loses_nothing() {
    let fleet = Fleet::new();
    let other = fleet.open("blue-1").await;
    let of_other = runs(3);
    commit(&other, puts(&of_other)).await;
    // The log is read; whose its names are cannot be.
    let of_names = |call: &Call| Some(Fault::Refused).filter(|_| call.partition().starts_with("N#"));
    fleet.table.decide(move |call| Fate { fault: of_names(call), ..Fate::default() });
    assert!(fleet.reader.look("blue-1", &mut |news| panic!("{news:?} was told")).await.is_err());
    fleet.table.be_well();
    assert_eq!(fleet.look().await, (true, of_other.iter().map(said).collect(), 0));
}

#[tokio::test]
async fn runs_are_found_and_listed_with_their_cell_also_when_nobody_serves_it() {
    let fleet = Fleet::new();
    let (own, other, foreign) = (fleet.open("blue-0").await, fleet.open("blue-1").await, fleet.open("green-0").await);
    let (of_own, of_other, of_foreign) = (runs(1), runs_of("other", 4), runs_of("foreign", 1));
    for (store, all) in [(&own, &of_own), (&other, &of_other), (&foreign, &of_foreign)] {
        commit(store, puts(all)).await;
        commit(store, puts(&[ended(&all[0], NOW)])).await;
        store.settle().await.unwrap();
    }
    drop(other);
    fleet.look().await;
    // Its own open runs are in its memory, and of no concern here; the ended ones are rows like all others.
    let of = |cell: &str, run: &Run| (Arc::from(cell), run.id);
    let mut expected: Vec<_> = of_other.iter().map(|run| of("blue-1", run)).collect();
    expected.push(of("blue-0", &of_own[0]));
    expected.sort_by_key(|(_, id)| std::cmp::Reverse(*id));
    assert_eq!(fleet.listed(9, None).await, (expected.clone(), None));
    let (mut paged, mut before) = (Vec::new(), None);
    loop {
        let (page, next) = fleet.listed(2, before).await;
        paged.extend(page);
        before = next;
        if before.is_none() {
            break;
        }
    }
    assert_eq!(paged, expected);
    let filter = RunFilter { statuses: Some(vec![Status::Queued]), ..RunFilter::default() };
    let open = fleet.reader.list(Query { filter, limit: 9, before: None }).await.unwrap();
    assert_eq!(open.items.len(), 3);

    let found = fleet.reader.find("other", 0, 9).await.unwrap();
    assert_eq!(found.items.iter().map(|one| one.run.index).collect::<Vec<_>>(), [0, 1, 2, 3]);
    assert!(found.items.iter().all(|one| &*one.cell == "blue-1"));
    same(&found.items[3].run, &of_other[3]);
    let part = fleet.reader.find("other", 1, 2).await.unwrap();
    assert_eq!((part.items.len(), part.next), (2, Some(3)));
    for (wanted, run) in [("other/2".to_owned(), &of_other[2]), (of_other[0].id.to_string(), &of_other[0])] {
        let found = fleet.reader.find(&wanted, 0, 9).await.unwrap().items;
        assert_eq!(found.iter().map(|one| one.run.id).collect::<Vec<_>>(), [run.id], "{wanted}");
    }
    assert_eq!(fleet.reader.find("foreign", 0, 9).await.unwrap().items.len(), 0, "another fleet's");
    fleet.now.fetch_add(8 * 86_400_000, Ordering::Relaxed);
    assert_eq!(fleet.reader.find("n", 0, 9).await.unwrap().items.len(), 0, "its time is over");
}

fn runs_of(name: &str, count: u32) -> Vec<Run> {
    crate::store::conformance::of_request(name, count)
}

#[tokio::test]
async fn a_run_is_found_in_its_cell_though_another_cells_log_has_its_name() {
    let fleet = Fleet::new();
    let all = names(&["blue-0", "blue-1"]);
    fleet.reader.set(&all, &all);
    let (first, other) = (fleet.open("blue-0").await, fleet.open("blue-1").await);
    let accepted = runs(2);
    commit(&other, puts(&accepted)).await;
    // It is written down before the name is claimed, and that it is another's with the next commit, which does not come.
    let refused = first.commit(puts(&runs(2)).into()).await;
    assert!(matches!(refused, Err(StoreError::NameTaken { .. })), "{refused:?}");
    let found = async || {
        for cell in &all {
            fleet.reader.look(cell, &mut |_| ()).await.unwrap();
        }
        let page = fleet.reader.find("n", 0, 10).await.unwrap();
        page.items.into_iter().map(|one| format!("{} {}", one.cell, said(&one.run))).collect::<Vec<_>>()
    };
    assert_eq!(found().await, ["blue-1 n/0 QUEUED", "blue-1 n/1 QUEUED"]);
    let over: Vec<Run> = accepted.iter().map(|run| ended(run, NOW)).collect();
    commit(&other, puts(&over)).await;
    other.settle().await.unwrap();
    assert_eq!(found().await, ["blue-1 n/0 ABORTED", "blue-1 n/1 ABORTED"]);
}
