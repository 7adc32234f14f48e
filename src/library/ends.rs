//! Who waits for which run: one listener for all of them, however many.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::broadcast::error::RecvError;
use tokio::sync::oneshot;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use uuid::Uuid;

use super::LaunchError;
use crate::cell::Cell;
use crate::core::run::Run;

/// Those who wait.
pub(super) struct Ends {
    cell: Cell,
    waiting: Mutex<HashMap<Uuid, Vec<oneshot::Sender<Run>>>>,
    closed: CancellationToken,
    listener: TaskTracker,
}

/// The end of one run, to wait for.
#[derive(Debug)]
pub(super) struct End {
    run: oneshot::Receiver<Run>,
    closed: CancellationToken,
}

impl End {
    pub(super) async fn run(self) -> Result<Run, LaunchError> {
        let gone = || if self.closed.is_cancelled() { LaunchError::Closed } else { LaunchError::Forgotten };
        self.run.await.map_err(|_| gone())
    }
}

impl Ends {
    /// Begins to listen to a cell.
    pub(super) fn follow(cell: &Cell) -> Arc<Self> {
        let ends = Arc::new(Self {
            cell: cell.clone(),
            waiting: Mutex::default(),
            closed: CancellationToken::new(),
            listener: TaskTracker::new(),
        });
        ends.listener.spawn(Arc::clone(&ends).listen(cell.subscribe()));
        ends
    }

    /// Nobody is waited for any longer.
    pub(super) fn close(&self) {
        self.closed.cancel();
        self.waiting().clear();
    }

    /// Waits until it no longer holds the cell.
    pub(super) async fn closed(&self) {
        self.listener.close();
        self.listener.wait().await;
    }

    /// The end of a run, which may have come already.
    pub(super) fn of(&self, run: Run) -> End {
        let (sender, receiver) = oneshot::channel();
        let id = run.id;
        if run.status.is_final() {
            let _ = sender.send(run);
        } else {
            self.waiting().entry(id).or_default().push(sender);
            // It may have ended before anybody waited for it.
            self.check(id);
        }
        if self.closed.is_cancelled() {
            self.waiting().clear();
        }
        End { run: receiver, closed: self.closed.clone() }
    }

    async fn listen(self: Arc<Self>, mut changes: tokio::sync::broadcast::Receiver<crate::cell::Numbered>) {
        loop {
            let change = tokio::select! {
                biased;
                () = self.closed.cancelled() => return,
                change = changes.recv() => change,
            };
            match change {
                Ok(numbered) if numbered.change.is_final => self.check(numbered.change.run),
                Ok(_) => {}
                // Some changes were missed: each run says for itself how it is.
                Err(RecvError::Lagged(_)) => {
                    let all: Vec<Uuid> = self.waiting().keys().copied().collect();
                    all.into_iter().for_each(|id| self.check(id));
                }
                Err(RecvError::Closed) => return self.close(),
            }
        }
    }

    /// Tells those who wait for a run if it has ended; those who wait for one that is gone hear that.
    fn check(&self, id: Uuid) {
        let run = self.cell.run(id);
        if run.as_ref().is_some_and(|run| !run.status.is_final()) {
            return;
        }
        for sender in self.waiting().remove(&id).unwrap_or_default() {
            if let Some(run) = &run {
                // Who has gone away does not want to know.
                let _ = sender.send(run.clone());
            }
        }
    }

    fn waiting(&self) -> std::sync::MutexGuard<'_, HashMap<Uuid, Vec<oneshot::Sender<Run>>>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
