//! The one door to a run: apply, commit, then do what follows.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use tokio::sync::{mpsc, oneshot};
use uuid::Uuid;

use super::Inner;
use super::events::RunChange;
use crate::core::machine::{self, Effect, Input};
use crate::core::notification::{self, Outlet};
use crate::core::run::Run;
use crate::store::Change;

/// Most transitions made durable in one commit.
const MOST_A_COMMIT: usize = 1024;
const RETRY_STORE: Duration = Duration::from_millis(500);

/// One transition on its way to the store, and what to do once it is there.
pub(super) struct Commit {
    pub(super) changes: Vec<Change>,
    /// The run's effects, and how it looks now.
    after: Option<(Uuid, Vec<Effect>, RunChange)>,
    /// Outlets for which it put a notification into the outbox.
    posts: Vec<Outlet>,
    done: Option<oneshot::Sender<()>>,
}

impl Commit {
    /// Changes that nothing follows; the receiver resolves once they are durable.
    pub(super) fn bare(changes: Vec<Change>) -> (Self, oneshot::Receiver<()>) {
        let (done, durable) = oneshot::channel();
        (Self { changes, after: None, posts: Vec::new(), done: Some(done) }, durable)
    }
}

/// A transition that was made; resolves once it is durable.
pub(super) struct Made {
    pub(super) changed: bool,
    durable: Option<oneshot::Receiver<()>>,
}

impl Made {
    /// Waits for the commit; whether there was anything to commit.
    pub(super) async fn durable(self) -> bool {
        match self.durable {
            Some(done) => done.await.is_ok() && self.changed,
            None => self.changed,
        }
    }
}

impl Inner {
    /// Gives one input to one run. `None`: there is no such run, or the cell has ended.
    pub(super) async fn advance(&self, id: Uuid, input: Input) -> Option<Made> {
        // The place in the queue comes first, so that commits of one run queue up in the order they were made.
        let permit = self.commits.reserve().await.ok()?;
        let now = self.ports.clock.now();
        let (made, rearm) = self.registry.update(id, |run| {
            let applied = machine::apply(run, &input, now);
            if !applied.changed {
                return Made { changed: false, durable: None };
            }
            let (commit, durable) = self.commit_of(run, applied.effects);
            permit.send(commit);
            Made { changed: true, durable: Some(durable) }
        })?;
        self.timers.rearm(id, &rearm);
        Some(made)
    }

    /// Adds a run that was just accepted; resolves once it is durable.
    pub(super) async fn admit(&self, mut run: Run) -> Option<Made> {
        let permit = self.commits.reserve().await.ok()?;
        let id = run.id;
        let applied = machine::apply(&mut run, &Input::Submitted, self.ports.clock.now());
        let (commit, durable) = self.commit_of(&run, applied.effects);
        let rearm = self.registry.insert(run);
        permit.send(commit);
        self.timers.rearm(id, &rearm);
        Some(Made { changed: true, durable: Some(durable) })
    }

    fn commit_of(&self, run: &Run, effects: Vec<Effect>) -> (Commit, oneshot::Receiver<()>) {
        let (done, durable) = oneshot::channel();
        let mut changes = vec![Change::Put(Box::new(run.clone()))];
        let notifications = match effects.contains(&Effect::Notify) {
            true => notification::build(run, &self.origin, &self.config.outlets),
            false => Vec::new(),
        };
        let posts = notifications.iter().map(|notification| notification.outlet.clone()).collect();
        changes.extend(notifications.into_iter().map(|notification| Change::Post(Box::new(notification))));
        let after = Some((run.id, effects, RunChange::of(run)));
        (Commit { changes, after, posts, done: Some(done) }, durable)
    }

    /// Makes transitions durable, many in one commit, and then does what follows from them. Ends when the cell has.
    pub(super) async fn commit_all(self: Arc<Self>, mut commits: mpsc::Receiver<Commit>) {
        let mut batch = Vec::with_capacity(MOST_A_COMMIT);
        while self.next_commits(&mut commits, &mut batch).await > 0 {
            let changes: Vec<Change> = batch.iter_mut().flat_map(|c| std::mem::take(&mut c.changes)).collect();
            // Nothing is acknowledged and nothing is done until it is durable: a store that fails stops the cell's
            // work, not its memory of it.
            let mut said = false;
            while let Err(error) = self.ports.store.commit(changes.clone()).await {
                self.store_fails.store(true, Ordering::Relaxed);
                if !std::mem::replace(&mut said, true) {
                    tracing::error!(%error, "the store does not take changes; nothing goes on until it does");
                }
                if self.ended.is_cancelled() {
                    // What is not durable was neither answered nor done: it comes again.
                    return;
                }
                tokio::time::sleep(RETRY_STORE).await;
            }
            if said {
                self.store_fails.store(false, Ordering::Relaxed);
                tracing::info!("the store takes changes again");
            }
            for commit in batch.drain(..) {
                self.follow(commit);
            }
        }
    }

    /// The next transitions to commit; none once the cell has ended and what had come before is done.
    async fn next_commits(&self, commits: &mut mpsc::Receiver<Commit>, batch: &mut Vec<Commit>) -> usize {
        if !self.ended.is_cancelled() {
            tokio::select! {
                count = commits.recv_many(batch, MOST_A_COMMIT) => return count,
                () = self.ended.cancelled() => {}
            }
        }
        commits.close();
        commits.recv_many(batch, MOST_A_COMMIT).await
    }

    fn follow(self: &Arc<Self>, commit: Commit) {
        if let Some((id, effects, change)) = commit.after {
            for effect in effects {
                match effect {
                    Effect::Launch => self.enqueue(id),
                    Effect::StopTask { task_arn, reason } => self.stop_task(id, task_arn, reason),
                    Effect::Notify => {}
                }
            }
            if change.is_final {
                self.retire(id);
            }
            change.log();
            // Nobody listening is no error.
            let _ = self.changes.send(change);
        }
        self.untold.fetch_add(commit.posts.len(), Ordering::AcqRel);
        commit.posts.iter().for_each(|outlet| self.deliver_to(outlet));
        if let Some(done) = commit.done {
            let _ = done.send(());
        }
    }
}
