//! The thread that writes the database. A batch of changes is one transaction and one fsync; so is all that has come meanwhile
//! of what the log has.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::time::Duration;

use tokio::sync::oneshot;

use super::database::Database;
use super::redo::Progress;
use crate::core::time::Timestamp;
use crate::store::{Change, StoreError};

/// So long without a commit, the log is folded into the database.
const IDLE: Duration = Duration::from_millis(500);

/// Changes, and the last entry of the log that is done with when the database has them.
pub(super) struct Committed {
    pub(super) number: u64,
    pub(super) changes: Arc<[Change]>,
}

/// What the thread is to do, in order.
pub(super) enum Job {
    /// To take in what is durable in the log.
    Apply(Committed),
    /// To do what somebody waits for.
    Do(Task),
}

/// Where an answer goes.
pub(super) type Answer<T> = oneshot::Sender<Result<T, StoreError>>;

/// What somebody waits for.
pub(super) enum Task {
    /// Makes changes durable.
    Commit(Committed, Answer<()>),
    /// Forgets ended runs.
    Expire(Timestamp, usize, Answer<usize>),
    #[cfg(any(test, debug_assertions))]
    Pragma(String, Answer<()>),
}

/// The thread while it works.
pub(super) struct Writing {
    pub(super) jobs: Sender<Job>,
    /// Closed when the thread has ended, which it does when nobody has `jobs` any more.
    pub(super) ended: Receiver<()>,
}

/// Starts the thread.
pub(super) fn start(database: Database, progress: Arc<Progress>) -> std::io::Result<Writing> {
    let (jobs, to_do) = channel();
    let (ending, ended) = channel();
    let thread = Thread { database, progress, unapplied: VecDeque::new(), written: false, _ending: ending };
    std::thread::Builder::new().name("store".into()).spawn(move || thread.work(&to_do))?;
    Ok(Writing { jobs, ended })
}

struct Thread {
    database: Database,
    progress: Arc<Progress>,
    /// Durable in the log, and not in the database.
    unapplied: VecDeque<Committed>,
    written: bool,
    /// Closed when the thread ends.
    _ending: Sender<()>,
}

impl Thread {
    fn work(mut self, jobs: &Receiver<Job>) {
        loop {
            let mut next = match jobs.recv_timeout(IDLE) {
                Ok(job) => Some(job),
                Err(RecvTimeoutError::Disconnected) => return,
                Err(RecvTimeoutError::Timeout) => None,
            };
            if next.is_none() && std::mem::take(&mut self.written) {
                self.database.checkpoint();
            }
            // Whatever of the log has come meanwhile goes with the first of it.
            while let Some(Job::Apply(committed)) = next {
                self.unapplied.push_back(committed);
                next = jobs.try_recv().ok();
            }
            let level = self.apply();
            if let Some(Job::Do(task)) = next {
                self.written = true;
                self.work_on(task, level);
            }
        }
    }

    /// `level`: the database has all that the log has.
    fn work_on(&mut self, task: Task, level: Result<(), StoreError>) {
        // Nobody waiting for the answer any more is no error.
        match task {
            Task::Commit(Committed { number, changes }, done) => {
                let written = level.and_then(|()| self.database.commit(&*changes, number));
                if written.is_ok() {
                    self.progress.applied(number);
                }
                drop(done.send(written));
            }
            Task::Expire(before, limit, done) => {
                drop(done.send(level.and_then(|()| self.database.expire(before, limit))));
            }
            #[cfg(any(test, debug_assertions))]
            Task::Pragma(pragma, done) => drop(done.send(self.database.pragma(&pragma))),
        }
    }

    /// Takes into the database what the log has. What it does not take stays, and whoever commits is told.
    fn apply(&mut self) -> Result<(), StoreError> {
        let Some(last) = self.unapplied.back().map(|committed| committed.number) else { return Ok(()) };
        self.written = true;
        let all = self.unapplied.iter().flat_map(|committed| committed.changes.iter());
        match self.database.commit(all, last) {
            Ok(()) => {
                self.unapplied.clear();
                self.progress.applied(last);
                Ok(())
            }
            Err(error) => {
                // A place among these changes is none in the commit of whoever is told.
                let error = match error {
                    StoreError::TooLarge { .. } => StoreError::Unavailable(error.to_string()),
                    error => error,
                };
                self.progress.failed(error.clone());
                Err(error)
            }
        }
    }
}

impl Drop for Thread {
    /// Also where it broke off: nobody is to wait for what will not come.
    fn drop(&mut self) {
        self.progress.failed(gone());
    }
}

/// What whoever comes too late is told.
pub(super) fn gone() -> StoreError {
    StoreError::Unavailable("the store's writer has ended; start taskwatch again".into())
}
