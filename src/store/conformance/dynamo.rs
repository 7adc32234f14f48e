//! The store in DynamoDB, on a table in memory: as it is just after a commit, and as it is some seconds later, when what has
//! ended is rows.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use futures::FutureExt as _;
use futures::future::BoxFuture;
use uuid::Uuid;

use super::{Fault, NOW, Subject};
use crate::core::notification::Destination;
use crate::core::run::Run;
use crate::core::time::Timestamp;
use crate::store::dynamo::fake::{self, Call, FakeTable, Fate};
use crate::store::dynamo::{DynamoOptions, DynamoStore};
use crate::store::{Capabilities, Change, Contents, EndedCounts, Key, Page, Posted, Query, Store, StoreError};

const KEEP: Duration = Duration::from_secs(7 * 86_400);

pub(super) struct Dynamo {
    store: DynamoStore,
    table: Arc<FakeTable>,
    now: Arc<AtomicI64>,
}

fn open(table: &Arc<FakeTable>, now: &Arc<AtomicI64>) -> DynamoStore {
    let now = Arc::clone(now);
    let options = DynamoOptions {
        place: "dynamodb:runs".into(),
        keep: KEEP,
        now: Arc::new(move || Timestamp::from_millis(now.load(Ordering::Relaxed))),
    };
    let opened = DynamoStore::open(Arc::clone(table) as _, "blue", Uuid::new_v4().to_string().into(), options);
    // A table in memory answers at once.
    opened.now_or_never().unwrap().unwrap()
}

fn fate(fault: fake::Fault, writes: impl Fn(&Call) -> bool) -> impl Fn(&Call) -> Fate {
    move |call| Fate { fault: Some(fault).filter(|_| writes(call)), ..Fate::default() }
}

/// Has the table fail; what the store says then. Of calls that find no answer all are that `silences` says.
fn break_table<'t>(
    table: &FakeTable,
    store: &DynamoStore,
    fault: Fault,
    silences: fn(&Call) -> bool,
) -> BoxFuture<'t, Option<&'static str>> {
    let said = match fault {
        Fault::Gone => {
            table.be_well();
            store.take_at_most(None);
            ""
        }
        Fault::Full => {
            table.decide(fate(fake::Fault::Throttled, Call::is_write));
            "the table is throttled"
        }
        Fault::ReadOnly => {
            table.decide(fate(fake::Fault::Refused, Call::is_write));
            "the table cannot be used"
        }
        Fault::Away => {
            table.decide(fate(fake::Fault::Lost, Call::is_write));
            "DynamoDB does not answer"
        }
        Fault::Silent => {
            table.decide(fate(fake::Fault::Unanswered, silences));
            "DynamoDB does not answer"
        }
        Fault::Small(most) => {
            store.take_at_most(Some(most));
            ""
        }
    };
    async move { Some(said) }.boxed()
}

impl Subject for Dynamo {
    fn new() -> Self {
        let (table, now) = (Arc::<FakeTable>::default(), Arc::new(AtomicI64::new(NOW.millis())));
        Self { store: open(&table, &now), table, now }
    }

    fn store(&self) -> &dyn Store {
        &self.store
    }

    fn reopen(self) -> Self {
        let Self { store, table, now } = self;
        drop(store);
        Self { store: open(&table, &now), table, now }
    }

    fn fault(&self, fault: Fault) -> BoxFuture<'_, Option<&'static str>> {
        // The first try, and what it is looked at with.
        break_table(&self.table, &self.store, fault, |_| true)
    }

    fn expire(&self, ended_before: Timestamp, _: usize) -> BoxFuture<'_, usize> {
        async move {
            let count = async || self.store.ended().await.unwrap().statuses.values().sum::<u64>();
            let before = count().await;
            self.store.settle().await.unwrap();
            // Those of about one time go together: a little later than each of them.
            let now = ended_before.plus(KEEP + KEEP / 100);
            self.now.fetch_max(now.millis(), Ordering::Relaxed);
            usize::try_from(before - count().await).unwrap()
        }
        .boxed()
    }

    fn forgets_by_itself(&self) -> bool {
        true
    }
}

/// The same, some seconds after each commit.
pub(super) struct DynamoRows(Settled, Arc<FakeTable>, Arc<AtomicI64>);

impl DynamoRows {
    fn of(of: Dynamo) -> Self {
        let Dynamo { store, table, now } = of;
        Self(Settled(store), table, now)
    }

    fn into_inner(self) -> Dynamo {
        let Self(Settled(store), table, now) = self;
        Dynamo { store, table, now }
    }
}

impl Subject for DynamoRows {
    fn new() -> Self {
        Self::of(Dynamo::new())
    }

    fn store(&self) -> &dyn Store {
        &self.0
    }

    fn reopen(self) -> Self {
        Self::of(self.into_inner().reopen())
    }

    fn fault(&self, fault: Fault) -> BoxFuture<'_, Option<&'static str>> {
        break_table(&self.1, &self.0.0, fault, Call::is_write)
    }

    fn expire(&self, ended_before: Timestamp, _: usize) -> BoxFuture<'_, usize> {
        async move {
            let count = async || self.0.ended().await.unwrap().statuses.values().sum::<u64>();
            let before = count().await;
            self.2.fetch_max(ended_before.plus(KEEP + KEEP / 100).millis(), Ordering::Relaxed);
            usize::try_from(before - count().await).unwrap()
        }
        .boxed()
    }

    fn forgets_by_itself(&self) -> bool {
        true
    }
}

struct Settled(DynamoStore);

impl Store for Settled {
    fn capabilities(&self) -> Capabilities {
        self.0.capabilities()
    }

    fn load(&self) -> BoxFuture<'_, Result<Contents, StoreError>> {
        self.0.load()
    }

    fn commit(&self, changes: Arc<[Change]>) -> BoxFuture<'_, Result<(), StoreError>> {
        Box::pin(async move {
            self.0.commit(changes).await?;
            self.0.settle().await
        })
    }

    fn confirm_owner(&self) -> BoxFuture<'_, Result<(), StoreError>> {
        self.0.confirm_owner()
    }

    fn outbox(
        &self,
        destination: &Destination,
        after: u64,
        limit: usize,
    ) -> BoxFuture<'_, Result<Page<Posted, u64>, StoreError>> {
        self.0.outbox(destination, after, limit)
    }

    fn find(&self, key: Key, limit: usize) -> BoxFuture<'_, Result<Page<Run, u32>, StoreError>> {
        self.0.find(key, limit)
    }

    fn finished(&self, query: Query) -> BoxFuture<'_, Result<Page<Run, Uuid>, StoreError>> {
        self.0.finished(query)
    }

    fn ended(&self) -> BoxFuture<'_, Result<EndedCounts, StoreError>> {
        self.0.ended()
    }

    fn expire(&self, ended_before: Timestamp, limit: usize) -> BoxFuture<'_, Result<usize, StoreError>> {
        self.0.expire(ended_before, limit)
    }
}
