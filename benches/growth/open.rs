//! Open runs: put into a store, loaded by a cell, and told of by events.

use std::collections::VecDeque;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use futures::future::{BoxFuture, FutureExt as _};
use taskwatch::cell::ports::{CallError, Message, Queue};
use taskwatch::cell::{Cell, CellConfig, Clock, Ids, Ports};
use taskwatch::store::FileStore;
use tokio::sync::watch;

use super::events::{event, template};
use super::ports::{Accepting, NoEcs};
use super::{Result, in_use, on_disk, runs};

/// Events whose handling is measured at most, each of another run, spread over all: RUNNING, which the cell makes durable.
const EVENTS: usize = 100_000;
const RUNNING: usize = 2;
/// Messages of a receive.
const MOST: usize = 10;
/// For the threads of what was dropped to end.
const SETTLED: Duration = Duration::from_millis(500);

/// Each of one run, or of one event.
pub(crate) struct Costs {
    pub(crate) accepted: f64,
    pub(crate) placed: f64,
    pub(crate) disk: f64,
    pub(crate) load: f64,
    pub(crate) memory: f64,
    pub(crate) event: f64,
}

/// What a cell without runs has in memory.
pub(crate) async fn of_no_runs() -> Result<usize> {
    let home = tempfile::tempdir()?;
    let before = in_use();
    let cell = cell(home.path(), &Arc::new(Waiting::default())).await?;
    tokio::time::sleep(SETTLED).await;
    let memory = in_use().saturating_sub(before);
    cell.drain(Duration::from_secs(5)).await;
    Ok(memory)
}

async fn cell(dir: &Path, queue: &Arc<Waiting>) -> Result<Cell> {
    let ports = Ports {
        ecs: Arc::new(NoEcs),
        events: Some(Arc::clone(queue) as _),
        requests: None,
        requests_dlq: None,
        launchers: None,
        notifier: Arc::new(Accepting),
        store: Arc::new(FileStore::open(dir)?),
        clock: Clock::system(),
        ids: Ids::default(),
    };
    Ok(Cell::start(CellConfig::new("drain"), ports).await?)
}

pub(crate) async fn measure(count: usize, of_no_runs: usize) -> Result<Costs> {
    let home = tempfile::tempdir()?;
    let dir = home.path().join("store");
    let each = |began: Instant, count: usize| began.elapsed().as_secs_f64() * 1e6 / count as f64;

    let took = runs::fill(&FileStore::open(&dir)?, count).await?;
    let [accepted, placed] = took.map(|step| step.as_secs_f64() * 1e6 / count as f64);
    let disk = on_disk(&dir)? as f64 / count as f64;

    let queue = Arc::new(Waiting::default());
    tokio::time::sleep(SETTLED).await;
    let (before, began) = (in_use(), Instant::now());
    let cell = cell(&dir, &queue).await?;
    let load = each(began, count);
    tokio::time::sleep(SETTLED).await;
    let memory = in_use().saturating_sub(before + of_no_runs) as f64 / count as f64;
    if cell.open() != count {
        return Err(format!("{} of {count} runs are open", cell.open()).into());
    }

    let template = template()?;
    let events = EVENTS.min(count);
    let bodies = (0..events).map(|n| event(&template, n * (count / events), RUNNING).to_string()).collect();
    let began = Instant::now();
    queue.put(bodies);
    queue.emptied(events).await;
    let event = each(began, events);
    cell.drain(Duration::from_secs(5)).await;
    Ok(Costs { accepted, placed, disk, load, memory, event })
}

/// An events queue whose calls take no time.
#[derive(Default)]
struct Waiting {
    bodies: Mutex<VecDeque<String>>,
    came: tokio::sync::Notify,
    deleted: watch::Sender<usize>,
}

impl Waiting {
    fn put(&self, bodies: VecDeque<String>) {
        *self.bodies.lock().unwrap_or_else(PoisonError::into_inner) = bodies;
        self.came.notify_waiters();
    }

    async fn emptied(&self, count: usize) {
        let _ = self.deleted.subscribe().wait_for(|deleted| *deleted >= count).await;
    }

    fn take(&self) -> Vec<Message> {
        let mut bodies = self.bodies.lock().unwrap_or_else(PoisonError::into_inner);
        let count = bodies.len().min(MOST);
        let message = |body: String| {
            let id = uuid::Uuid::new_v4().to_string();
            Message { receipt: id.clone(), id, body, sent_at: None }
        };
        bodies.drain(..count).map(message).collect()
    }
}

impl Queue for Waiting {
    fn receive(&self, wait: Duration) -> BoxFuture<'_, std::result::Result<Vec<Message>, CallError>> {
        async move {
            let came = self.came.notified();
            let taken = self.take();
            if !taken.is_empty() {
                return Ok(taken);
            }
            let _ = tokio::time::timeout(wait, came).await;
            Ok(self.take())
        }
        .boxed()
    }

    fn delete(&self, receipts: Vec<String>) -> BoxFuture<'_, std::result::Result<Vec<String>, CallError>> {
        self.deleted.send_modify(|deleted| *deleted += receipts.len());
        async { Ok(Vec::new()) }.boxed()
    }

    fn release(&self, _: Vec<String>) -> BoxFuture<'_, std::result::Result<(), CallError>> {
        async { Ok(()) }.boxed()
    }

    fn send<'a>(&'a self, _: &'a str, _: &'a [(String, String)]) -> BoxFuture<'a, std::result::Result<(), CallError>> {
        async { Ok(()) }.boxed()
    }
}
