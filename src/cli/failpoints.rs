//! Failpoints of the real process, in builds with debug assertions only: a released binary has none of this.
//!
//! A cell meets the world through its ports alone, so every instant at which a crash makes a difference outside lies
//! between two of their calls. The failpoints therefore stand around the ports, and no line of the cell knows of them.
//!
//! `TASKWATCH_KILL_AT=run-task:after:3`: SIGKILL itself when the third RunTask has been answered, before the cell knows.
//! `TASKWATCH_SICK_DISK=FILE`: while FILE is there, SQLite has the limit that it names (`max_page_count=1` is a full disk,
//! `query_only=1` a read-only one).

use std::path::PathBuf;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures::future::BoxFuture;
use rustix::process::{Signal, getpid, kill_process};
use uuid::Uuid;

use super::error::CliError;
use crate::cell::Ports;
use crate::cell::ports::{
    CallError, ContainerDefinition, Described, Ecs, Message, Notifier, Queue, RunTaskAnswer, RunTaskCall,
};
use crate::core::notification::{Destination, Notification};
use crate::core::run::Run;
use crate::core::time::Timestamp;
use crate::store::dynamo::{
    self, Batch, Condition, Conditional, Delete, Item, Items, Key as TableKey, Put, Table, TableError, Update,
};
use crate::store::{
    Capabilities, Change, Contents, EndedCounts, FileStore, Key, Page, Posted, Query, Store, StoreError,
};

/// No limit of SQLite's but its own (<https://www.sqlite.org/limits.html>).
const WELL: &str = "max_page_count=4294967294";

/// Where the process is to be killed, if anywhere.
#[derive(Clone, Debug, Default)]
pub(super) struct Failpoints(Option<Arc<(String, AtomicU32)>>);

impl Failpoints {
    /// Reads `TASKWATCH_KILL_AT`.
    pub(super) fn from_env() -> Result<Self, CliError> {
        let Ok(text) = std::env::var("TASKWATCH_KILL_AT") else { return Ok(Self::default()) };
        let wrong = || CliError::usage(format!("TASKWATCH_KILL_AT is {text:?}: expected point:before|after:passing"));
        let (at, passing) = text.rsplit_once(':').ok_or_else(wrong)?;
        let passing = passing.parse().map_err(|_| wrong())?;
        Ok(Self(Some(Arc::new((at.to_owned(), AtomicU32::new(passing))))))
    }

    /// Around each call of these ports.
    pub(super) fn around(&self, mut ports: Ports) -> Ports {
        let line = |queue: Arc<dyn Queue>, name| Arc::new(Around(self.clone(), queue, name)) as Arc<dyn Queue>;
        ports.events = ports.events.map(|queue| line(queue, "events"));
        ports.requests = ports.requests.map(|queue| line(queue, "requests"));
        ports.requests_dlq = ports.requests_dlq.map(|queue| line(queue, "dlq"));
        ports.ecs = Arc::new(Around(self.clone(), ports.ecs, "ecs"));
        ports.notifier = Arc::new(Around(self.clone(), ports.notifier, "notifier"));
        ports
    }

    /// Around each commit of this store.
    pub(super) fn around_store(&self, store: FileStore) -> impl Store + use<> {
        let sick = std::env::var_os("TASKWATCH_SICK_DISK").map(PathBuf::from);
        Disk { points: self.clone(), store, sick, applied: Mutex::new(WELL.to_owned()) }
    }

    /// Around each write of this table.
    pub(super) fn around_table(&self, table: Arc<dyn Table>) -> Arc<dyn Table> {
        Arc::new(Around(self.clone(), table, "table"))
    }

    async fn pass<T>(&self, point: String, call: impl Future<Output = T>) -> T {
        self.reach(&point, "before");
        let answer = call.await;
        self.reach(&point, "after");
        answer
    }

    fn reach(&self, point: &str, side: &str) {
        let Some((at, left)) = self.0.as_deref() else { return };
        if at.strip_prefix(point).and_then(|rest| rest.strip_prefix(':')) == Some(side)
            && left.fetch_sub(1, Ordering::SeqCst) == 1
        {
            let _ = kill_process(getpid(), Signal::KILL);
            loop {
                std::thread::park();
            }
        }
    }
}

/// A port with failpoints around its calls.
struct Around<P: ?Sized>(Failpoints, Arc<P>, &'static str);

impl Around<dyn Queue> {
    fn at(&self, call: &str) -> String {
        format!("{call}-{}", self.2)
    }
}

impl Queue for Around<dyn Queue> {
    fn receive(&self, wait: Duration) -> BoxFuture<'_, Result<Vec<Message>, CallError>> {
        Box::pin(async move {
            let received = self.1.receive(wait).await;
            // An empty hand is no instant of interest.
            if received.as_ref().is_ok_and(|messages| !messages.is_empty()) {
                self.0.reach(&self.at("receive"), "after");
            }
            received
        })
    }

    fn delete(&self, receipts: Vec<String>) -> BoxFuture<'_, Result<Vec<String>, CallError>> {
        Box::pin(self.0.pass(self.at("delete"), self.1.delete(receipts)))
    }

    fn release(&self, receipts: Vec<String>) -> BoxFuture<'_, Result<(), CallError>> {
        Box::pin(self.0.pass(self.at("release"), self.1.release(receipts)))
    }

    fn send<'a>(&'a self, body: &'a str, attributes: &'a [(String, String)]) -> BoxFuture<'a, Result<(), CallError>> {
        Box::pin(self.0.pass(self.at("send"), self.1.send(body, attributes)))
    }
}

impl Ecs for Around<dyn Ecs> {
    fn run_task<'a>(&'a self, call: &'a RunTaskCall) -> BoxFuture<'a, Result<RunTaskAnswer, CallError>> {
        Box::pin(self.0.pass("run-task".into(), self.1.run_task(call)))
    }

    fn stop_task<'a>(
        &'a self,
        cluster: &'a str,
        task_arn: &'a str,
        reason: &'a str,
    ) -> BoxFuture<'a, Result<(), CallError>> {
        Box::pin(self.0.pass("stop-task".into(), self.1.stop_task(cluster, task_arn, reason)))
    }

    fn describe_tasks<'a>(
        &'a self,
        cluster: &'a str,
        task_arns: &'a [String],
    ) -> BoxFuture<'a, Result<Described, CallError>> {
        Box::pin(self.0.pass("describe-tasks".into(), self.1.describe_tasks(cluster, task_arns)))
    }

    fn tasks_started_by<'a>(
        &'a self,
        cluster: &'a str,
        started_by: &'a str,
    ) -> BoxFuture<'a, Result<Vec<String>, CallError>> {
        self.1.tasks_started_by(cluster, started_by)
    }

    fn container_definitions<'a>(
        &'a self,
        task_definition: &'a str,
    ) -> BoxFuture<'a, Result<Vec<ContainerDefinition>, CallError>> {
        self.1.container_definitions(task_definition)
    }
}

impl Notifier for Around<dyn Notifier> {
    fn publish<'a>(&'a self, notifications: &'a [Notification]) -> BoxFuture<'a, Vec<Result<(), CallError>>> {
        Box::pin(self.0.pass("publish".into(), self.1.publish(notifications)))
    }
}

impl Table for Around<dyn Table> {
    fn put_if(&self, put: Put) -> BoxFuture<'_, Result<Conditional<()>, TableError>> {
        let point = match put.item.key.pk.split('#').next() {
            Some("L") => "append",
            Some("S") => "chunk",
            Some("N") if put.item.attributes.contains_key("b") => "row",
            Some("N") => "claim",
            _ if put.item.attributes.contains_key("beat") => "begin",
            _ => "make",
        };
        Box::pin(self.0.pass(point.to_owned(), self.1.put_if(put)))
    }

    fn update_if(&self, update: Update) -> BoxFuture<'_, Result<Conditional<Item>, TableError>> {
        let point = match () {
            () if update.set.contains_key("epoch") => "take",
            () if update.set.contains_key("beat") => "beat",
            () if update.set.contains_key("want") => "want",
            () if update.remove.iter().any(|name| *name == *"owner") => "release",
            () if update.set.contains_key("slot") => "point",
            () => "update",
        };
        Box::pin(self.0.pass(point.to_owned(), self.1.update_if(update)))
    }

    fn delete_if(&self, delete: Delete) -> BoxFuture<'_, Result<Conditional<()>, TableError>> {
        let is_own = matches!(delete.condition, Condition::Equals("id", _));
        let point = if is_own { "leave" } else { "remove" };
        Box::pin(self.0.pass(point.to_owned(), self.1.delete_if(delete)))
    }

    fn get(&self, key: TableKey) -> BoxFuture<'_, Result<Option<Item>, TableError>> {
        self.1.get(key)
    }

    fn query(&self, query: dynamo::Query) -> BoxFuture<'_, Result<Items, TableError>> {
        let is_of_the_fleet = matches!(&query, dynamo::Query::Items { pk, .. } if **pk == *"FLEET");
        let answer = self.1.query(query);
        if is_of_the_fleet { Box::pin(self.0.pass("read".to_owned(), answer)) } else { answer }
    }

    fn batch_get(&self, keys: Vec<TableKey>) -> BoxFuture<'_, Result<Batch, TableError>> {
        self.1.batch_get(keys)
    }
}

/// A store with failpoints around its commits, on a disk that can fall ill.
struct Disk {
    points: Failpoints,
    store: FileStore,
    sick: Option<PathBuf>,
    applied: Mutex<String>,
}

impl Disk {
    async fn fall_ill_or_recover(&self) {
        let Some(file) = &self.sick else { return };
        let wanted = std::fs::read_to_string(file).unwrap_or_else(|_| WELL.to_owned());
        let changed = {
            let mut applied = self.applied.lock().unwrap_or_else(PoisonError::into_inner);
            std::mem::replace(&mut *applied, wanted.clone()) != wanted
        };
        if changed {
            for pragma in ["query_only=0", WELL, &wanted] {
                self.store.pragma(pragma).await;
            }
        }
    }
}

impl Store for Disk {
    fn load(&self) -> BoxFuture<'_, Result<Contents, StoreError>> {
        self.store.load()
    }

    fn commit(&self, changes: Arc<[Change]>) -> BoxFuture<'_, Result<(), StoreError>> {
        Box::pin(async move {
            self.fall_ill_or_recover().await;
            self.points.pass("commit".into(), self.store.commit(changes)).await
        })
    }

    fn confirm_owner(&self) -> BoxFuture<'_, Result<(), StoreError>> {
        self.store.confirm_owner()
    }

    fn outbox(
        &self,
        destination: &Destination,
        after: u64,
        limit: usize,
    ) -> BoxFuture<'_, Result<Page<Posted, u64>, StoreError>> {
        self.store.outbox(destination, after, limit)
    }

    fn find(&self, key: Key, limit: usize) -> BoxFuture<'_, Result<Page<Run, u32>, StoreError>> {
        self.store.find(key, limit)
    }

    fn finished(&self, query: Query) -> BoxFuture<'_, Result<Page<Run, Uuid>, StoreError>> {
        self.store.finished(query)
    }

    fn ended(&self) -> BoxFuture<'_, Result<EndedCounts, StoreError>> {
        self.store.ended()
    }

    fn expire(&self, ended_before: Timestamp, limit: usize) -> BoxFuture<'_, Result<usize, StoreError>> {
        self.store.expire(ended_before, limit)
    }

    fn capabilities(&self) -> Capabilities {
        self.store.capabilities()
    }
}
