//! Commits: small ones go to the log, large ones to the database, each by a thread.

use std::sync::mpsc::{Receiver, Sender};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::oneshot;

use super::database::Database;
use super::logger::{Asked, Logger};
use super::redo::{self, Log, Progress};
use super::writer::{self, Job, Task, Writing, gone};
use crate::core::time::Timestamp;
use crate::store::{Change, StoreError};

/// So long an end waits for what is under way.
const ENDING: Duration = Duration::from_secs(5);

/// The way to the threads that write. They end, with their last job done, when this is dropped.
pub(super) struct Commits {
    /// None only while it ends.
    to: Option<(Sender<Asked>, Sender<Job>)>,
    progress: Arc<Progress>,
    /// In a mutex only to be shared.
    ended: Mutex<Receiver<()>>,
}

impl Commits {
    /// Of a database that has all that was in the log, which is empty. None: small commits go to the database too.
    pub(super) fn start(database: Database, log: Option<Log>) -> std::io::Result<Self> {
        let (file, last) = (database.dir().join(redo::FILE), database.applied());
        let progress = Arc::new(Progress::new(last));
        let Writing { jobs, ended } = writer::start(database, Arc::clone(&progress))?;
        let logger = Logger::new(file, log, last, Arc::clone(&progress), jobs.clone());
        Ok(Self { to: Some((logger.start()?, jobs)), progress, ended: Mutex::new(ended) })
    }

    /// How far the database is behind what was committed.
    pub(super) const fn progress(&self) -> &Arc<Progress> {
        &self.progress
    }

    /// Bounded by its caller: one commit is under way at a time.
    pub(super) async fn commit(&self, changes: Arc<[Change]>) -> Result<(), StoreError> {
        let (done, committed) = oneshot::channel();
        let sent = self.to.as_ref().and_then(|(commits, _)| commits.send(Asked { changes, done }).ok());
        answer(sent, committed).await
    }

    pub(super) async fn expire(&self, ended_before: Timestamp, limit: usize) -> Result<usize, StoreError> {
        // What was committed may be what is to go.
        self.progress.level().await?;
        let (done, expired) = oneshot::channel();
        answer(self.send(Task::Expire(ended_before, limit, done)), expired).await
    }

    /// Sets one of SQLite's limits, as in `max_page_count=10`.
    #[cfg(any(test, debug_assertions))]
    pub(super) async fn pragma(&self, pragma: &str) {
        // What came before is not to meet it.
        let _ = self.progress.level().await;
        let (done, set) = oneshot::channel();
        let _ = answer(self.send(Task::Pragma(pragma.to_owned(), done)), set).await;
    }

    fn send(&self, task: Task) -> Option<()> {
        self.to.as_ref().and_then(|(_, writer)| writer.send(Job::Do(task)).ok())
    }
}

impl Drop for Commits {
    /// Whoever opens the directory next finds nobody writing in it.
    fn drop(&mut self) {
        self.to = None;
        // An error is what is waited for: the thread is gone, and its end of the channel with it.
        let _ = self.ended.get_mut().unwrap_or_else(PoisonError::into_inner).recv_timeout(ENDING);
    }
}

async fn answer<T>(sent: Option<()>, answer: oneshot::Receiver<Result<T, StoreError>>) -> Result<T, StoreError> {
    sent.ok_or_else(gone)?;
    answer.await.map_err(|_| gone())?
}
