//! The store in DynamoDB, on a table in memory that outlives the process. What its log has is written down beside it, so that
//! the checks of the world know what is durable.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures::future::{BoxFuture, FutureExt as _};
use rand::Rng as _;
use taskwatch::cell::Clock;
use taskwatch::core::notification::Destination;
use taskwatch::core::run::Run;
use taskwatch::core::time::Timestamp;
use taskwatch::store::dynamo::fake::open_small;
use taskwatch::store::dynamo::{
    Batch, Conditional, Delete, DynamoOptions, Item, Items, Key as TableKey, Put, Query as TableQuery, Table,
    TableError, Update,
};
use taskwatch::store::{
    Capabilities, Change, Contents, DynamoStore, EndedCounts, Key, Page, Posted, Query, Runs, Store, StoreError,
};
use uuid::Uuid;

use super::plan::Away;
use super::ports::Life;

const KEEP: Duration = Duration::from_secs(7 * 86_400);

/// The table, as one life of the process calls it.
#[derive(Clone)]
struct Line {
    life: Life,
    given: Arc<Mutex<Given>>,
}

/// What the store was given.
#[derive(Default)]
struct Given {
    /// To be written with the next record.
    changes: Option<Arc<[Change]>>,
    /// What its outbox has, as far as it was read.
    outbox: BTreeMap<u64, (String, Destination)>,
}

/// The store of one life.
pub(super) struct TableStore {
    line: Line,
    store: DynamoStore,
}

/// What becomes of a call.
enum Ill {
    Throttled,
    Lost,
    Unanswered,
}

/// Takes the cell, however often it takes.
pub(super) async fn open(life: &Life, clock: &Clock) -> TableStore {
    let line = Line { life: life.clone(), given: Arc::default() };
    let incarnation: Arc<str> = format!("process {}", life.world.state().dice.random::<u64>()).into();
    loop {
        let clock = clock.clone();
        let options = DynamoOptions { place: "dynamodb:sim".into(), keep: KEEP, now: Arc::new(move || clock.now()) };
        match open_small(Arc::new(line.clone()), ("sim", None), Arc::clone(&incarnation), options).await {
            Ok(store) => return TableStore { line, store },
            Err(error @ StoreError::Corrupt(_)) => {
                life.world.state().violate(None, format!("the store cannot be opened: {error}"));
                return std::future::pending().await;
            }
            Err(_) => tokio::time::sleep(Duration::from_secs(5)).await,
        }
    }
}

impl Line {
    fn given(&self) -> MutexGuard<'_, Given> {
        self.given.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A call over the network. What a process that is killed meanwhile has sent may still arrive.
    async fn call<T>(
        &self,
        call: BoxFuture<'_, Result<T, TableError>>,
        written: impl FnOnce(&T) + Send,
    ) -> Result<T, TableError> {
        self.call_that_fails(1.0, call, written).await
    }

    /// The same, going wrong so many times as often.
    async fn call_that_fails<T>(
        &self,
        often: f64,
        call: BoxFuture<'_, Result<T, TableError>>,
        written: impl FnOnce(&T) + Send,
    ) -> Result<T, TableError> {
        let life = &self.life;
        let (there, back, arrives, ill) = {
            let mut state = life.world.state();
            let slow = state.fault(0.01);
            let back = if slow { state.between(100, 1_000) } else { state.between(1, 6) };
            let (there, arrives) = (state.between(1, 5), state.chance(0.5));
            let share = (state.plan.commit_fails * often).min(0.5);
            let fails = state.away(Away::Disk) || state.fault(share);
            let kind = state.between(0, 2);
            (
                there,
                back,
                arrives,
                fails
                    .then_some([Ill::Throttled, Ill::Lost, Ill::Unanswered])
                    .map(|all| all.into_iter().nth(kind as usize).unwrap_or(Ill::Lost)),
            )
        };
        tokio::time::sleep(Duration::from_millis(there)).await;
        if life.dead.is_cancelled() && !arrives {
            return std::future::pending().await;
        }
        let answer = match ill {
            None => call.await.inspect(written),
            Some(Ill::Throttled) => Err(TableError::Throttled("ThrottlingException".into())),
            Some(Ill::Lost) => Err(TableError::Unknown("connection refused".into())),
            Some(Ill::Unanswered) => {
                call.await.inspect(written)?;
                Err(TableError::Unknown("no answer".into()))
            }
        };
        tokio::time::sleep(Duration::from_millis(back)).await;
        life.alive().await;
        answer
    }

    /// A record with changes is written; whether its writer is killed, and before it is.
    fn is_killed_before_append(&self) -> bool {
        let mut state = self.life.world.state();
        state.disk.commits += 1;
        let commit = state.disk.commits;
        let dies = state.plan.crash_at_commits.iter().find(|(at, _)| *at == commit).map(|(_, after)| *after);
        if let Some(after) = dies {
            state.note(None, format!("process: is killed at append {commit}, durable: {after}"));
            self.life.dead.cancel();
        }
        dies == Some(false)
    }

    /// A whole group is in the log.
    fn appended(&self) {
        let given = self.given();
        let Some(changes) = given.changes.clone() else { return };
        self.life.world.act(|state| state.mirror(&changes, false, &given.outbox));
    }
}

impl Table for Line {
    fn put_if(&self, put: Put) -> BoxFuture<'_, Result<Conditional<()>, TableError>> {
        Box::pin(async move {
            let item = &put.item;
            let is_append = item.key.pk.starts_with("L#") && item.bytes("b").is_ok_and(|body| !body.is_empty());
            let is_last = item.number("part").ok() == item.number("of").ok();
            if is_append && is_last && self.given().changes.is_some() && self.is_killed_before_append() {
                return std::future::pending().await;
            }
            let written = move |answer: &Conditional<()>| {
                if is_append && is_last && *answer == Conditional::Written(()) {
                    self.appended();
                }
            };
            self.call(self.life.world.table.put_if(put), written).await
        })
    }

    fn update_if(&self, update: Update) -> BoxFuture<'_, Result<Conditional<Item>, TableError>> {
        // Of rows there are few, each between two steps of a commit.
        let often = if update.key.pk.starts_with("N#") { 10.0 } else { 1.0 };
        self.call_that_fails(often, self.life.world.table.update_if(update), |_| ()).boxed()
    }

    fn delete_if(&self, delete: Delete) -> BoxFuture<'_, Result<Conditional<()>, TableError>> {
        self.call(self.life.world.table.delete_if(delete), |_| ()).boxed()
    }

    fn get(&self, key: TableKey) -> BoxFuture<'_, Result<Option<Item>, TableError>> {
        self.call(self.life.world.table.get(key), |_| ()).boxed()
    }

    fn query(&self, query: TableQuery) -> BoxFuture<'_, Result<Items, TableError>> {
        self.call(self.life.world.table.query(query), |_| ()).boxed()
    }

    fn batch_get(&self, keys: Vec<TableKey>) -> BoxFuture<'_, Result<Batch, TableError>> {
        self.call(self.life.world.table.batch_get(keys), |_| ()).boxed()
    }
}

impl TableStore {
    /// An answer, unless its process is no more.
    async fn alive<T>(&self, call: impl Future<Output = T>) -> T {
        self.line.life.alive().await;
        let answer = call.await;
        self.line.life.alive().await;
        answer
    }

    /// What is acknowledged is in the log, and not only in what was given.
    async fn check_open(&self, begun: Vec<(Uuid, u64)>) {
        for (id, revision) in begun {
            let found = self.store.find(Key::Run(id), 1).await.map(|page| page.items).unwrap_or_default();
            if !found.iter().any(|run| !run.status.is_final() && run.revision >= revision) {
                let what = format!("run {id} was begun again, and is not in the log as revision {revision}");
                self.line.life.world.state().violate(None, what);
            }
        }
    }
}

impl Store for TableStore {
    fn capabilities(&self) -> Capabilities {
        self.store.capabilities()
    }

    fn load(&self) -> BoxFuture<'_, Result<Contents, StoreError>> {
        Box::pin(async move {
            let mut contents = self.alive(self.store.load()).await?;
            let runs = std::mem::replace(&mut contents.runs, Runs::ready(Vec::new())).all().await?;
            let undelivered = contents.undelivered.values().sum();
            self.line.life.world.act(|state| state.check_loaded(&runs, undelivered));
            Ok(Contents { runs: Runs::ready(runs), ..contents })
        })
    }

    fn commit(&self, changes: Arc<[Change]>) -> BoxFuture<'_, Result<(), StoreError>> {
        Box::pin(async move {
            let begun = self.line.life.world.state().begun_again(&changes);
            self.line.given().changes = Some(Arc::clone(&changes));
            self.alive(self.store.commit(Arc::clone(&changes))).await?;
            self.check_open(begun).await;
            let mut given = self.line.given();
            given.changes = None;
            self.line.life.world.act(|state| state.mirror(&changes, true, &given.outbox));
            Ok(())
        })
    }

    fn confirm_owner(&self) -> BoxFuture<'_, Result<(), StoreError>> {
        self.alive(self.store.confirm_owner()).boxed()
    }

    fn outbox(
        &self,
        destination: &Destination,
        after: u64,
        limit: usize,
    ) -> BoxFuture<'_, Result<Page<Posted, u64>, StoreError>> {
        let destination = destination.clone();
        Box::pin(async move {
            let page = self.alive(self.store.outbox(&destination, after, limit.min(7))).await?;
            let told = |posted: &Posted| (posted.seq, (posted.notification.id.clone(), destination.clone()));
            self.line.given().outbox.extend(page.items.iter().map(told));
            Ok(page)
        })
    }

    fn find(&self, key: Key, limit: usize) -> BoxFuture<'_, Result<Page<Run, u32>, StoreError>> {
        self.alive(self.store.find(key, limit.min(2))).boxed()
    }

    fn finished(&self, query: Query) -> BoxFuture<'_, Result<Page<Run, Uuid>, StoreError>> {
        let limit = query.limit.min(5);
        self.alive(self.store.finished(Query { limit, ..query })).boxed()
    }

    fn ended(&self) -> BoxFuture<'_, Result<EndedCounts, StoreError>> {
        self.alive(self.store.ended()).boxed()
    }

    fn expire(&self, ended_before: Timestamp, limit: usize) -> BoxFuture<'_, Result<usize, StoreError>> {
        self.alive(self.store.expire(ended_before, limit)).boxed()
    }
}
