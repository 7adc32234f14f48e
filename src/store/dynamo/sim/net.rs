//! A table behind a network that delays, loses and repeats: each call is on its way until the history lets it arrive.

use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard};
use std::task::{Context, Poll};

use futures::future::BoxFuture;

use super::world::World;
use crate::store::dynamo::link::{Link, Patience};
use crate::store::dynamo::rules::Rules;
use crate::store::dynamo::table::{
    Batch, Conditional, Delete, Item, Items, Key, Put, Query, Table, TableError, Update,
};

/// A call on its way.
#[derive(Clone)]
pub(super) enum Call {
    Put(Put),
    Update(Update),
    Get(Key),
    Query(Query),
    BatchGet(Vec<Key>),
    /// Not of the protocol: deletes the records of the log up to a position.
    DeleteLog(u64),
    /// No call: time goes on.
    Nap,
    /// No call either: an answer that is late.
    Answer(Box<Answer>),
}

/// What a call answers.
#[derive(Clone)]
pub(super) enum Answer {
    Put(Conditional<()>),
    Update(Conditional<Item>),
    Get(Option<Item>),
    Query(Items),
    BatchGet(Batch),
    Done,
    Failed(TableError),
}

/// Where an answer comes to.
pub(super) type Reply = Arc<Mutex<Option<Answer>>>;

/// A call, of whom, and where its answer is waited for, if it still is.
pub(super) struct Flight {
    pub(super) client: u32,
    pub(super) call: Call,
    pub(super) reply: Option<Reply>,
}

/// The table as one client sees it.
#[derive(Clone)]
pub(super) struct Wire {
    pub(super) client: u32,
    pub(super) world: Arc<Mutex<World>>,
}

struct Waiting(Reply);

impl Future for Waiting {
    type Output = Answer;

    fn poll(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Answer> {
        self.0.lock().unwrap().take().map_or(Poll::Pending, Poll::Ready)
    }
}

impl Wire {
    pub(super) fn world(&self) -> MutexGuard<'_, World> {
        self.world.lock().unwrap()
    }

    async fn send(&self, call: Call) -> Result<Answer, TableError> {
        let reply = Reply::default();
        self.world().net.push(Flight { client: self.client, call, reply: Some(Arc::clone(&reply)) });
        match Waiting(reply).await {
            Answer::Failed(error) => Err(error),
            answer => Ok(answer),
        }
    }

    /// Lets time go on.
    pub(super) async fn nap(&self) {
        let _ = self.send(Call::Nap).await;
    }

    pub(super) async fn delete_log(&self, upto: u64) {
        while self.send(Call::DeleteLog(upto)).await.is_err() {}
    }

    /// The table with some rules, tried again at once and for ever.
    pub(super) fn link(&self, rules: Rules) -> Link {
        Link { table: Arc::new(self.clone()), patience: Arc::new(Endless), rules }
    }
}

struct Endless;

impl Patience for Endless {
    fn wait(&self, _: u32) -> BoxFuture<'_, bool> {
        Box::pin(async { true })
    }
}

macro_rules! answered {
    ($sent:expr, $kind:ident) => {
        Box::pin(async move {
            match $sent.await? {
                Answer::$kind(answer) => Ok(answer),
                _ => panic!("an answer to another call"),
            }
        })
    };
}

impl Table for Wire {
    fn put_if(&self, put: Put) -> BoxFuture<'_, Result<Conditional<()>, TableError>> {
        answered!(self.send(Call::Put(put)), Put)
    }

    fn update_if(&self, update: Update) -> BoxFuture<'_, Result<Conditional<Item>, TableError>> {
        answered!(self.send(Call::Update(update)), Update)
    }

    fn delete_if(&self, _: Delete) -> BoxFuture<'_, Result<Conditional<()>, TableError>> {
        panic!("the log deletes nothing")
    }

    fn get(&self, key: Key) -> BoxFuture<'_, Result<Option<Item>, TableError>> {
        answered!(self.send(Call::Get(key)), Get)
    }

    fn query(&self, query: Query) -> BoxFuture<'_, Result<Items, TableError>> {
        answered!(self.send(Call::Query(query)), Query)
    }

    fn batch_get(&self, keys: Vec<Key>) -> BoxFuture<'_, Result<Batch, TableError>> {
        answered!(self.send(Call::BatchGet(keys)), BatchGet)
    }
}
