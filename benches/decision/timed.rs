//! A store that tells when the decisions about events became durable.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use futures::future::{BoxFuture, FutureExt as _};
use hdrhistogram::Histogram;
use taskwatch::core::notification::Destination;
use taskwatch::core::run::{Run, Status};
use taskwatch::core::time::Timestamp;
use taskwatch::store::{Capabilities, Change, Contents, EndedCounts, Key, Page, Posted, Query, Store, StoreError};
use tokio::sync::watch;
use tokio::time::Instant;
use uuid::Uuid;

use super::queue::Paced;
use super::{Result, STEPS};

pub(crate) struct Timed {
    store: Arc<dyn Store>,
    queue: Arc<Paced>,
    /// By the step that was decided about, in microseconds.
    times: Mutex<[Vec<u64>; STEPS.len()]>,
    ended: watch::Sender<usize>,
}

impl Timed {
    pub(crate) fn new(store: Arc<dyn Store>, queue: Arc<Paced>) -> Self {
        Self { store, queue, times: Mutex::default(), ended: watch::Sender::default() }
    }

    fn taken(&self) -> MutexGuard<'_, [Vec<u64>; STEPS.len()]> {
        self.times.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Resolves when so many runs have ended durably. Not each has a decision about its beginning: where the machine stood still,
    /// the event of its end is received with that one.
    pub(crate) async fn ended(&self, runs: usize) {
        let _ = self.ended.subscribe().wait_for(|ended| *ended >= runs).await;
    }

    /// Of a step's decisions.
    pub(crate) fn times(&self, step: usize) -> Result<Histogram<u64>> {
        let mut times = Histogram::new(3)?;
        self.taken()[step].iter().try_for_each(|micros| times.record(*micros))?;
        Ok(times)
    }

    fn durable(&self, changes: &[Change]) {
        let now = Instant::now();
        let mut ended = 0;
        for change in changes {
            let Change::Put(run) = change else { continue };
            let step = match run.status {
                Status::Running => 0,
                Status::Succeeded => 1,
                _ => continue,
            };
            let Some(handed) = self.queue.handed(&run.name, STEPS[step]) else { continue };
            let micros = now.saturating_duration_since(handed).as_micros();
            self.taken()[step].push(u64::try_from(micros).unwrap_or(u64::MAX));
            ended += step;
        }
        self.ended.send_modify(|all| *all += ended);
    }
}

impl Store for Timed {
    fn capabilities(&self) -> Capabilities {
        self.store.capabilities()
    }

    fn load(&self) -> BoxFuture<'_, std::result::Result<Contents, StoreError>> {
        self.store.load()
    }

    fn commit(&self, changes: Arc<[Change]>) -> BoxFuture<'_, std::result::Result<(), StoreError>> {
        async move {
            self.store.commit(Arc::clone(&changes)).await?;
            self.durable(&changes);
            Ok(())
        }
        .boxed()
    }

    fn confirm_owner(&self) -> BoxFuture<'_, std::result::Result<(), StoreError>> {
        self.store.confirm_owner()
    }

    fn outbox(
        &self,
        destination: &Destination,
        after: u64,
        limit: usize,
    ) -> BoxFuture<'_, std::result::Result<Page<Posted, u64>, StoreError>> {
        self.store.outbox(destination, after, limit)
    }

    fn find(&self, key: Key, limit: usize) -> BoxFuture<'_, std::result::Result<Page<Run, u32>, StoreError>> {
        self.store.find(key, limit)
    }

    fn finished(&self, query: Query) -> BoxFuture<'_, std::result::Result<Page<Run, Uuid>, StoreError>> {
        self.store.finished(query)
    }

    fn ended(&self) -> BoxFuture<'_, std::result::Result<EndedCounts, StoreError>> {
        self.store.ended()
    }

    fn expire(&self, before: Timestamp, limit: usize) -> BoxFuture<'_, std::result::Result<usize, StoreError>> {
        self.store.expire(before, limit)
    }
}
