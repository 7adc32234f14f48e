//! The thread that adds small commits to the log. What the log is not for, it passes on to the writer.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};

use super::redo::{self, Log, Progress};
use super::writer::{Answer, Committed, Job, Task};
use crate::store::{Change, codec};

/// Most changes of a small commit. More of them share the database's pages, and its fsync is one.
const MOST_CHANGES: usize = 64;
/// The largest payload of a small commit, in bytes: far below what SQLite refuses, so that the database takes what the log has.
const MOST_BYTES: usize = 16 * 1024;

/// A commit, and who waits for it.
pub(super) struct Asked {
    pub(super) changes: Arc<[Change]>,
    pub(super) done: Answer<()>,
}

/// Adds small commits to the log.
pub(super) struct Logger {
    file: PathBuf,
    /// None: this disk takes none.
    log: Option<Log>,
    progress: Arc<Progress>,
    writer: Sender<Job>,
    /// The last entry that was begun.
    last: u64,
}

impl Logger {
    /// `last`: the last entry of the log, which is empty since the database has it.
    pub(super) const fn new(
        file: PathBuf,
        log: Option<Log>,
        last: u64,
        progress: Arc<Progress>,
        writer: Sender<Job>,
    ) -> Self {
        Self { file, log, progress, writer, last }
    }

    /// Starts the thread, which ends when nobody commits any more.
    pub(super) fn start(self) -> std::io::Result<Sender<Asked>> {
        let (commits, asked) = channel();
        std::thread::Builder::new().name("store-log".into()).spawn(move || self.work(&asked))?;
        Ok(commits)
    }

    fn work(mut self, commits: &Receiver<Asked>) {
        while let Ok(Asked { changes, done }) = commits.recv() {
            let job = match self.add(&changes) {
                Some(number) => {
                    self.progress.logged(number);
                    // Nobody waiting for the answer any more is no error. It comes first: the database has time.
                    let _ = done.send(Ok(()));
                    Job::Apply(Committed { number, changes })
                }
                // An entry that failed may be durable all the same: what takes its place says that it is done with.
                None => Job::Do(Task::Commit(Committed { number: self.last, changes }, done)),
            };
            if self.writer.send(job).is_err() {
                return;
            }
        }
    }

    /// Makes a small commit durable; the number of its entry. None: the database is to do it.
    fn add(&mut self, changes: &[Change]) -> Option<u64> {
        let log = self.log.as_mut()?;
        if changes.len() > MOST_CHANGES || self.progress.is_failing() {
            return None;
        }
        // What cannot be encoded the writer will say.
        let payload = codec::encode_changes(changes).ok().filter(|payload| payload.len() <= MOST_BYTES)?;
        if self.progress.is_level() {
            log.rewind();
        }
        if !log.has_room(payload.len()) {
            return None;
        }
        let added = log.append(&payload);
        self.last = log.last();
        match added {
            Ok(number) => Some(number),
            Err(error) => {
                tracing::warn!(file = %self.file.display(), %error, "{}", redo::NONE);
                self.log = None;
                None
            }
        }
    }
}
