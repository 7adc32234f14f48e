//! The one door to a run: apply, commit, then do what follows.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use tokio::sync::{mpsc, oneshot};
use uuid::Uuid;

use super::Inner;
use super::events::RunChange;
use super::stats::Mark;
use crate::core::machine::{self, ChangeKind, Effect, Input};
use crate::core::notification::{self, Notification, Outlet};
use crate::core::run::Run;
use crate::core::storm::Before;
use crate::store::Change;

/// Most transitions made durable in one commit.
const MOST_A_COMMIT: usize = 1024;
const RETRY_STORE: Duration = Duration::from_millis(500);

/// A run's effects, and how it looks now.
type After = (Uuid, Vec<Effect>, RunChange);

/// What belongs together on its way to the store, and what to do once it is there.
#[derive(Default)]
pub(super) struct Commit {
    pub(super) changes: Vec<Change>,
    after: Vec<After>,
    /// Outlets for which it put a notification into the outbox.
    posts: Vec<Outlet>,
    done: Option<oneshot::Sender<()>>,
}

impl Commit {
    /// Changes that nothing follows; the receiver resolves once they are durable.
    pub(super) fn bare(changes: Vec<Change>) -> (Self, oneshot::Receiver<()>) {
        let (done, durable) = oneshot::channel();
        (Self { changes, done: Some(done), ..Self::default() }, durable)
    }

    /// Puts notifications into the outbox.
    pub(super) fn post(&mut self, notifications: Vec<Notification>) {
        self.posts.extend(notifications.iter().map(|notification| notification.outlet.clone()));
        self.changes.extend(notifications.into_iter().map(|notification| Change::Post(Box::new(notification))));
    }
}

/// A transition that was made; resolves once it is durable.
pub(super) struct Made {
    pub(super) changed: bool,
    durable: oneshot::Receiver<()>,
}

impl Made {
    /// Waits for the commit; whether there was anything to commit. `None`: the cell ended before it was durable.
    pub(super) async fn durable(self) -> Option<bool> {
        self.durable.await.ok().map(|()| self.changed)
    }
}

impl Inner {
    /// Gives one input to one run. `None`: there is no such run, or the cell has ended.
    pub(super) async fn advance(&self, id: Uuid, input: Input) -> Option<Made> {
        // The place in the queue comes first, so that commits of one run queue up in the order they were made.
        let permit = self.commits.reserve().await.ok()?;
        let now = self.ports.clock.now();
        let ((made, gate_moved), rearm) = self.registry.update(id, |run| {
            let (mark, before) = (Mark::of(run), Before::of(run));
            let applied = machine::apply(run, &input, now);
            let changed = applied.changed();
            if changed {
                self.stats.note(mark, run, now);
            }
            let (commit, durable) = match applied.change {
                // Nothing new: but what made it old may still be on its way to the store, and is waited for as well.
                ChangeKind::Unchanged => Commit::bare(Vec::new()),
                // Shown in its turn, and not written.
                ChangeKind::Transient => {
                    let (mut commit, durable) = Commit::bare(Vec::new());
                    commit.after.push((run.id, applied.effects, RunChange::of(run)));
                    (commit, durable)
                }
                ChangeKind::Durable => self.commit_of(run, applied.effects),
            };
            let send = |commit| permit.send(commit);
            let gate_moved = self.weather((before, &input, run), now, commit, send);
            (Made { changed, durable }, gate_moved)
        })?;
        if gate_moved {
            self.keep_gate();
        }
        self.timers.rearm(id, &rearm);
        if rearm.freed {
            self.look_again.notify_one();
        }
        Some(made)
    }

    /// Adds the runs of a request that was just accepted: in one commit, so that it is there as a whole or not at all.
    /// Dropped before it resolves, it has added all of them or none.
    pub(super) async fn admit(&self, runs: impl Iterator<Item = Run>) -> Option<Made> {
        let permit = self.commits.reserve().await.ok()?;
        let (mut all, durable) = Commit::bare(Vec::new());
        for mut run in runs {
            let id = run.id;
            let applied = machine::apply(&mut run, &Input::Submitted, self.ports.clock.now());
            let (commit, _) = self.commit_of(&run, applied.effects);
            all.changes.extend(commit.changes);
            all.after.extend(commit.after);
            all.posts.extend(commit.posts);
            let rearm = self.registry.insert(run);
            self.timers.rearm(id, &rearm);
        }
        permit.send(all);
        Some(Made { changed: true, durable })
    }

    /// Waits until all that was decided so far is durable; false if the cell ends before.
    pub(super) async fn all_durable(&self) -> bool {
        let (commit, durable) = Commit::bare(Vec::new());
        self.commits.send(commit).await.is_ok() && durable.await.is_ok()
    }

    fn commit_of(&self, run: &Run, effects: Vec<Effect>) -> (Commit, oneshot::Receiver<()>) {
        let (done, durable) = oneshot::channel();
        let changes = vec![Change::Put(Box::new(run.clone()))];
        let notifies = effects.contains(&Effect::Notify);
        let after = vec![(run.id, effects, RunChange::of(run))];
        let mut commit = Commit { changes, after, posts: Vec::new(), done: Some(done) };
        if notifies {
            commit.post(notification::build(run, &self.origin, &self.config.outlets));
        }
        (commit, durable)
    }

    /// Makes transitions durable, many in one commit, and then does what follows from them. Ends when the cell has.
    pub(super) async fn commit_all(self: Arc<Self>, mut commits: mpsc::Receiver<Commit>) {
        let mut batch = Vec::with_capacity(MOST_A_COMMIT);
        while self.next_commits(&mut commits, &mut batch).await > 0 {
            let changes: Vec<Change> = batch.iter_mut().flat_map(|c| std::mem::take(&mut c.changes)).collect();
            // Nothing is acknowledged and nothing is done until it is durable: a store that fails stops the cell's
            // work, not its memory of it.
            while !changes.is_empty()
                && let Err(error) = self.ports.store.commit(changes.clone()).await
            {
                if self.storing.ill(&error) == 1 {
                    tracing::error!(%error, "the store does not take changes; nothing goes on until it does");
                }
                if self.ended.is_cancelled() {
                    // What is not durable was neither answered nor done: it comes again.
                    return;
                }
                tokio::time::sleep(RETRY_STORE).await;
            }
            if let Some(ill) = self.storing.well() {
                self.listens_anew(ill);
                tracing::info!("the store takes changes again");
            }
            for commit in batch.drain(..) {
                self.follow(commit);
            }
        }
    }

    /// Whether the store refused the last commit.
    pub(super) fn store_fails(&self) -> bool {
        self.storing.trouble(1).is_some()
    }

    /// The next transitions to commit; none once the cell has ended and what had come before is done.
    async fn next_commits(&self, commits: &mut mpsc::Receiver<Commit>, batch: &mut Vec<Commit>) -> usize {
        if !self.ended.is_cancelled() {
            tokio::select! {
                biased;
                () = self.ended.cancelled() => {}
                count = commits.recv_many(batch, MOST_A_COMMIT) => return count,
            }
        }
        commits.close();
        commits.recv_many(batch, MOST_A_COMMIT).await
    }

    fn follow(self: &Arc<Self>, commit: Commit) {
        for (id, effects, change) in commit.after {
            for effect in effects {
                match effect {
                    Effect::Launch => self.enqueue(id),
                    Effect::StopTask { .. } => self.stop_task(id),
                    Effect::Notify => {}
                    Effect::Unlink { task_arn, token } => self.registry.unlink_attempt(id, task_arn, token),
                }
            }
            if change.is_final {
                self.retire(id);
            }
            change.log();
            self.feed.tell(change);
        }
        self.untold.fetch_add(commit.posts.len(), Ordering::AcqRel);
        commit.posts.iter().for_each(|outlet| self.deliver_to(outlet));
        if let Some(done) = commit.done {
            let _ = done.send(());
        }
    }
}
