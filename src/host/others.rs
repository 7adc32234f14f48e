//! The runs of the cells that other processes serve, or nobody, as their logs have them.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures::future::join_all;
use tokio::sync::broadcast;
use tokio::task::JoinSet;
use tokio::time::Instant;
use uuid::Uuid;

use super::Host;
use crate::cell::{Moved, RunChange};
use crate::core::run::{Run, Status};
use crate::fleet::BEAT;
use crate::store::StoreError;
use crate::store::dynamo::{FleetReader, News};

/// A log in which nothing was new is looked at more rarely, down to so often: a look costs a read of the table.
const RARELY: Duration = Duration::from_secs(6);
/// Changes that a slow listener may be behind before it misses the oldest.
const BEHIND: usize = 8_192;

/// Follows the other cells of a fleet, for as long as it is there.
pub struct Others {
    known: Arc<Known>,
    /// Ends with this.
    _task: JoinSet<()>,
}

struct Known {
    reader: FleetReader,
    pictures: Mutex<BTreeMap<Arc<str>, Picture>>,
    changes: broadcast::Sender<Moved>,
}

/// The open runs of a cell, counted.
#[derive(Default)]
struct Picture {
    runs: HashMap<Uuid, (Status, Arc<str>)>,
    statuses: BTreeMap<Status, u64>,
    /// Those that wait for their launch, by queue.
    waiting: BTreeMap<Arc<str>, usize>,
}

/// When a cell's log is looked at again.
struct Due {
    at: Instant,
    after: Duration,
}

impl Others {
    /// Follows all cells of the fleet that the process does not serve itself.
    pub fn follow(host: Host, reader: FleetReader) -> Self {
        let known = Known { reader, pictures: Mutex::default(), changes: broadcast::channel(BEHIND).0 };
        let known = Arc::new(known);
        let mut task = JoinSet::new();
        task.spawn(Arc::clone(&known).go_on(host));
        Self { known, _task: task }
    }

    /// The table, for what is asked of it.
    pub fn reader(&self) -> &FleetReader {
        &self.known.reader
    }

    /// Every change from here on.
    pub fn changes(&self) -> broadcast::Receiver<Moved> {
        self.known.changes.subscribe()
    }

    /// How many open runs the other cells have, by status.
    pub fn open(&self) -> BTreeMap<Status, u64> {
        let mut open = BTreeMap::new();
        for picture in self.known.pictures().values() {
            picture.statuses.iter().for_each(|(status, n)| *open.entry(*status).or_default() += n);
        }
        open
    }

    /// How many of them wait for their launch, by queue.
    pub fn waiting(&self) -> BTreeMap<String, usize> {
        let mut waiting = BTreeMap::new();
        for picture in self.known.pictures().values() {
            picture.waiting.iter().for_each(|(queue, n)| *waiting.entry(queue.to_string()).or_default() += n);
        }
        waiting
    }
}

impl Known {
    fn pictures(&self) -> MutexGuard<'_, BTreeMap<Arc<str>, Picture>> {
        self.pictures.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn go_on(self: Arc<Self>, host: Host) {
        let (own, mut due) = (host.own(), BTreeMap::<Arc<str>, Due>::new());
        loop {
            tokio::time::sleep(BEAT).await;
            let all: BTreeSet<Arc<str>> = host.view().cells.iter().map(|cell| cell.name.as_str().into()).collect();
            let served: BTreeSet<Arc<str>> = own.borrow().iter().map(|cell| cell.name().into()).collect();
            let followed: BTreeSet<Arc<str>> = all.difference(&served).cloned().collect();
            self.set(&all, &followed);
            due.retain(|cell, _| followed.contains(cell));
            let now = Instant::now();
            let is_due = |cell: &&Arc<str>| due.get(*cell).is_none_or(|due| due.at <= now);
            let looks = followed.iter().filter(is_due).map(async |cell| (Arc::clone(cell), self.look(cell).await));
            for (cell, looked) in join_all(looks).await {
                let before = due.get(&cell).map_or(BEAT, |due| due.after);
                let after = match looked {
                    Ok(false) => (before * 2).min(RARELY),
                    Ok(true) => Duration::ZERO,
                    Err(error) => {
                        tracing::debug!(%cell, %error, "the log of another cell could not be read; it is tried again");
                        Duration::ZERO
                    }
                };
                due.insert(cell, Due { at: now + after, after: after.max(BEAT) });
            }
        }
    }

    fn set(&self, all: &BTreeSet<Arc<str>>, followed: &BTreeSet<Arc<str>>) {
        self.reader.set(all, followed);
        let mut pictures = self.pictures();
        let before = pictures.len();
        pictures.retain(|cell, _| followed.contains(cell));
        if pictures.len() < before {
            let _ = self.changes.send(Moved::Missed);
        }
    }

    /// Takes in what is new of a cell; whether anything was.
    async fn look(&self, cell: &Arc<str>) -> Result<bool, StoreError> {
        let (mut is_anew, mut is_new) = (false, false);
        let mut tell = |news| {
            is_new = true;
            let mut pictures = self.pictures();
            let picture = pictures.entry(Arc::clone(cell)).or_default();
            match news {
                News::Anew => {
                    is_anew = true;
                    *picture = Picture::default();
                }
                News::Run(run) => {
                    picture.note(&run);
                    if !is_anew {
                        // Nobody listening is no error.
                        let _ = self.changes.send(Moved::Change(Arc::new(RunChange::of(&run))));
                    }
                }
                News::Gone(run) => picture.remove(run),
            }
        };
        let looked = self.reader.look(cell, &mut tell).await;
        if is_anew {
            let _ = self.changes.send(Moved::Missed);
        }
        looked.map(|()| is_new)
    }
}

impl Picture {
    fn note(&mut self, run: &Run) {
        self.remove(run.id);
        if run.status.is_final() {
            return;
        }
        let queue = self.waiting.get_key_value(run.spec.queue.as_str()).map(|(queue, _)| Arc::clone(queue));
        let queue = queue.unwrap_or_else(|| run.spec.queue.as_str().into());
        *self.statuses.entry(run.status).or_default() += 1;
        if run.status == Status::Queued {
            *self.waiting.entry(Arc::clone(&queue)).or_default() += 1;
        }
        self.runs.insert(run.id, (run.status, queue));
    }

    fn remove(&mut self, run: Uuid) {
        let Some((status, queue)) = self.runs.remove(&run) else { return };
        if let Some(count) = self.statuses.get_mut(&status) {
            *count = count.saturating_sub(1);
        }
        if status == Status::Queued
            && let Some(count) = self.waiting.get_mut(&queue)
        {
            *count = count.saturating_sub(1);
            if *count == 0 {
                self.waiting.remove(&queue);
            }
        }
    }
}
