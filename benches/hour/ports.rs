//! What a process calls, late as calls over a network are.

use std::sync::Arc;
use std::time::Duration;

use futures::future::{BoxFuture, FutureExt as _};
use rand::Rng as _;
use taskwatch::cell::ports::{
    CallError, ContainerDefinition, Described, Ecs, Message, Notifier, Queue, RunTaskAnswer, RunTaskCall,
};
use taskwatch::core::notification::Notification;
use taskwatch::store::dynamo::fake::{FakeTable, size};
use taskwatch::store::dynamo::{Batch, Conditional, Delete, Item, Items, Key, Put, Query, Table, TableError, Update};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::account::ms;
use crate::queue::Mailbox;
use crate::world::{State, World};

/// Both ways together.
const TABLE: Duration = Duration::from_millis(6);
const QUEUES: Duration = Duration::from_millis(10);

/// A process, as all that it calls sees it.
#[derive(Clone)]
pub(crate) struct Life {
    pub(crate) world: Arc<World>,
    pub(crate) dead: CancellationToken,
}

impl Life {
    /// A call that takes so long; of a process that is dead meanwhile no answer comes.
    async fn call<T>(&self, takes: Duration, act: impl FnOnce(&mut State) -> T) -> T {
        tokio::time::sleep(takes / 2).await;
        let result = act(&mut self.world.state());
        tokio::time::sleep(takes / 2).await;
        if self.dead.is_cancelled() {
            std::future::pending().await
        }
        result
    }

    fn ecs_takes(&self) -> Duration {
        ms(self.world.state().dice.random_range(20..60))
    }
}

impl Ecs for Life {
    fn run_task<'a>(&'a self, call: &'a RunTaskCall) -> BoxFuture<'a, Result<RunTaskAnswer, CallError>> {
        self.call(self.ecs_takes(), |state| state.run_task(call)).boxed()
    }

    fn stop_task<'a>(&'a self, _: &'a str, arn: &'a str, _: &'a str) -> BoxFuture<'a, Result<(), CallError>> {
        let stop = |state: &mut State| {
            state.stop_task(arn);
            Ok(())
        };
        self.call(self.ecs_takes(), stop).boxed()
    }

    fn describe_tasks<'a>(&'a self, _: &'a str, arns: &'a [String]) -> BoxFuture<'a, Result<Described, CallError>> {
        self.call(self.ecs_takes(), |state| state.describe_tasks(arns)).boxed()
    }

    fn tasks_started_by<'a>(&'a self, _: &'a str, by: &'a str) -> BoxFuture<'a, Result<Vec<String>, CallError>> {
        let list = |state: &mut State| {
            state.record.other_calls += 1;
            match state.quotas.reads.take(1.0) {
                true => Ok(state.tasks.started_by(by)),
                false => Err(CallError::Throttled("Rate exceeded".into())),
            }
        };
        self.call(self.ecs_takes(), list).boxed()
    }

    fn container_definitions<'a>(&'a self, _: &'a str) -> BoxFuture<'a, Result<Vec<ContainerDefinition>, CallError>> {
        let app = ContainerDefinition { name: "app".to_owned(), essential: true, log: None };
        self.call(self.ecs_takes(), |_| Ok(vec![app])).boxed()
    }
}

impl Notifier for Life {
    fn publish<'a>(&'a self, notifications: &'a [Notification]) -> BoxFuture<'a, Vec<Result<(), CallError>>> {
        let publish = move |state: &mut State| {
            state.record.publishes += notifications.len();
            notifications.iter().for_each(|notification| state.is_told(&notification.message));
            notifications.iter().map(|_| Ok(())).collect()
        };
        self.call(QUEUES, publish).boxed()
    }
}

impl State {
    fn is_told(&mut self, message: &str) {
        let Ok(told) = serde_json::from_str::<serde_json::Value>(message) else { return };
        let detail = &told["detail"];
        let (Some(name), Some(status)) = (detail["name"].as_str(), detail["status"].as_str()) else { return };
        let id = detail["notificationId"].as_str().and_then(|id| Uuid::parse_str(id).ok()).unwrap_or_default();
        let last = detail["attempts"].as_array().and_then(|attempts| attempts.last());
        let ended = last.and_then(|last| last["taskArn"].as_str()).and_then(|arn| self.tasks.ended(arn));
        let silent = self.plan.is_silent.contains(&self.passed());
        self.record.told.add(name.to_owned(), id, status == "SUCCEEDED", ended.map(|at| at.elapsed()), silent);
    }
}

/// One queue, as one process calls it.
pub(crate) struct Line(pub(crate) Life, pub(crate) Arc<Mailbox>);

impl Queue for Line {
    fn receive(&self, wait: Duration) -> BoxFuture<'_, Result<Vec<Message>, CallError>> {
        async move {
            let messages = tokio::select! {
                biased;
                () = self.0.dead.cancelled() => std::future::pending().await,
                messages = self.1.receive(wait) => messages,
            };
            self.0.call(QUEUES, |state| state.record.sqs_requests += 1).await;
            Ok(messages)
        }
        .boxed()
    }

    fn delete(&self, receipts: Vec<String>) -> BoxFuture<'_, Result<Vec<String>, CallError>> {
        let delete = move |state: &mut State| {
            state.record.sqs_requests += 1;
            receipts.iter().for_each(|receipt| self.1.delete(receipt));
            Ok(Vec::new())
        };
        self.0.call(QUEUES, delete).boxed()
    }

    fn release(&self, receipts: Vec<String>) -> BoxFuture<'_, Result<(), CallError>> {
        let release = move |state: &mut State| {
            state.record.sqs_requests += 1;
            receipts.iter().for_each(|receipt| self.1.release(receipt));
            Ok(())
        };
        self.0.call(QUEUES, release).boxed()
    }

    fn send<'a>(&'a self, _: &'a str, _: &'a [(String, String)]) -> BoxFuture<'a, Result<(), CallError>> {
        async { Err(CallError::Unknown("nobody sends here".into())) }.boxed()
    }
}

/// The way to the table, which counts what its calls cost.
pub(crate) struct Wire(pub(crate) Life);

impl Wire {
    async fn call<T: Send + 'static>(
        &self,
        cost: impl FnOnce(&Result<T, TableError>, &mut State) + Send,
        call: impl FnOnce(Arc<FakeTable>) -> BoxFuture<'static, Result<T, TableError>> + Send,
    ) -> Result<T, TableError> {
        let life = &self.0;
        tokio::time::sleep(TABLE / 2).await;
        if life.dead.is_cancelled() {
            return std::future::pending().await;
        }
        let answer = call(Arc::clone(&life.world.table)).await;
        cost(&answer, &mut life.world.state());
        tokio::time::sleep(TABLE / 2).await;
        answer
    }
}

/// Units of so large a write (DynamoDB developer guide: a unit for each KB that is begun).
fn writes(bytes: usize) -> f64 {
    bytes.div_ceil(1_024).max(1) as f64
}

/// Units of a consistent read of so much: one for 4 KB that are begun.
fn reads(bytes: usize) -> f64 {
    bytes.div_ceil(4_096).max(1) as f64
}

fn size_of(item: &Item) -> usize {
    size(&item.key, &item.attributes)
}

impl Table for Wire {
    fn put_if(&self, put: Put) -> BoxFuture<'_, Result<Conditional<()>, TableError>> {
        let units = writes(size_of(&put.item));
        let cost = move |_: &_, state: &mut State| state.record.write_units += units;
        self.call(cost, move |table| async move { table.put_if(put).await }.boxed()).boxed()
    }

    fn update_if(&self, update: Update) -> BoxFuture<'_, Result<Conditional<Item>, TableError>> {
        let cost = move |answer: &Result<Conditional<Item>, TableError>, state: &mut State| {
            let bytes = match answer {
                Ok(Conditional::Written(item)) => size_of(item),
                _ => 1,
            };
            state.record.write_units += writes(bytes);
        };
        self.call(cost, move |table| async move { table.update_if(update).await }.boxed()).boxed()
    }

    fn delete_if(&self, delete: Delete) -> BoxFuture<'_, Result<Conditional<()>, TableError>> {
        let cost = |_: &_, state: &mut State| state.record.write_units += 1.0;
        self.call(cost, move |table| async move { table.delete_if(delete).await }.boxed()).boxed()
    }

    fn get(&self, key: Key) -> BoxFuture<'_, Result<Option<Item>, TableError>> {
        let cost = |answer: &Result<Option<Item>, TableError>, state: &mut State| {
            let bytes = answer.as_ref().ok().and_then(Option::as_ref).map_or(1, size_of);
            state.record.read_units += reads(bytes);
        };
        self.call(cost, move |table| async move { table.get(key).await }.boxed()).boxed()
    }

    fn query(&self, query: Query) -> BoxFuture<'_, Result<Items, TableError>> {
        let cost = |answer: &Result<Items, TableError>, state: &mut State| {
            let bytes = answer.as_ref().map_or(1, |items| items.items.iter().map(size_of).sum());
            state.record.read_units += reads(bytes);
        };
        self.call(cost, move |table| async move { table.query(query).await }.boxed()).boxed()
    }

    fn batch_get(&self, keys: Vec<Key>) -> BoxFuture<'_, Result<Batch, TableError>> {
        let cost = |answer: &Result<Batch, TableError>, state: &mut State| {
            let items = answer.as_ref().map(|batch| batch.items.as_slice()).unwrap_or_default();
            state.record.read_units += items.iter().map(|item| reads(size_of(item))).sum::<f64>();
        };
        self.call(cost, move |table| async move { table.batch_get(keys).await }.boxed()).boxed()
    }
}
