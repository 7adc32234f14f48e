//! The table, as one process calls it: calls are late, lost, throttled, unanswered, and some arrive long after they were given
//! up. What a process that stands still was about to send goes out once it goes on.

use std::sync::Arc;
use std::time::Duration;

use futures::future::{BoxFuture, FutureExt as _};
use rand::Rng as _;
use taskwatch::store::dynamo::fake::FakeTable;
use taskwatch::store::dynamo::{Batch, Conditional, Delete, Item, Items, Key, Put, Query, Table, TableError, Update};

use super::node::Life;

/// A call is given up after so long, as the adapter for AWS gives it up.
const PATIENCE: Duration = Duration::from_secs(1);

/// The way to the table.
#[derive(Clone)]
pub(super) struct Wire(pub(super) Life);

/// What becomes of a call.
enum Fate {
    Answered,
    Throttled,
    Lost,
    /// It arrives after so long more, and nobody hears the answer.
    Unheard(Duration),
}

impl Wire {
    async fn call<T: Send + 'static>(
        &self,
        call: impl FnOnce(Arc<FakeTable>) -> BoxFuture<'static, Result<T, TableError>> + Send,
    ) -> Result<T, TableError> {
        let life = &self.0;
        life.goes_on().await;
        let (there, back, fate, arrives) = {
            let mut state = life.world.state();
            let away = state.table_is_away || life.is_cut_off();
            let fate = match () {
                () if away => Fate::Lost,
                () if state.fault(0.01) => Fate::Throttled,
                () if state.fault(0.01) => Fate::Lost,
                () if state.fault(0.02) => {
                    let longest = if state.fault(0.3) { 30_000 } else { 2_000 };
                    Fate::Unheard(state.millis(0, longest))
                }
                () => Fate::Answered,
            };
            let slow = state.fault(0.02);
            let back = if slow { state.millis(100, 900) } else { state.millis(1, 12) };
            (state.millis(1, 12), back, fate, state.dice.random_bool(0.5))
        };
        tokio::time::sleep(there).await;
        if life.is_dead() && !arrives {
            return std::future::pending().await;
        }
        let table = Arc::clone(&life.world.table);
        let answer = match fate {
            Fate::Answered => call(table).await,
            Fate::Throttled => Err(TableError::Throttled("ThrottlingException".into())),
            Fate::Lost => {
                tokio::time::sleep(PATIENCE).await;
                Err(TableError::Unknown("no connection".into()))
            }
            Fate::Unheard(after) => {
                let call = call(table);
                tokio::spawn(async move {
                    tokio::time::sleep(after).await;
                    drop(call.await);
                });
                tokio::time::sleep(PATIENCE).await;
                Err(TableError::Unknown("no answer within 1 s".into()))
            }
        };
        tokio::time::sleep(back).await;
        life.goes_on().await;
        answer
    }
}

impl Table for Wire {
    fn put_if(&self, put: Put) -> BoxFuture<'_, Result<Conditional<()>, TableError>> {
        self.call(move |table| async move { table.put_if(put).await }.boxed()).boxed()
    }

    fn update_if(&self, update: Update) -> BoxFuture<'_, Result<Conditional<Item>, TableError>> {
        self.call(move |table| async move { table.update_if(update).await }.boxed()).boxed()
    }

    fn delete_if(&self, delete: Delete) -> BoxFuture<'_, Result<Conditional<()>, TableError>> {
        self.call(move |table| async move { table.delete_if(delete).await }.boxed()).boxed()
    }

    fn get(&self, key: Key) -> BoxFuture<'_, Result<Option<Item>, TableError>> {
        self.call(move |table| async move { table.get(key).await }.boxed()).boxed()
    }

    fn query(&self, query: Query) -> BoxFuture<'_, Result<Items, TableError>> {
        self.call(move |table| async move { table.query(query).await }.boxed()).boxed()
    }

    fn batch_get(&self, keys: Vec<Key>) -> BoxFuture<'_, Result<Batch, TableError>> {
        self.call(move |table| async move { table.batch_get(keys).await }.boxed()).boxed()
    }
}
