//! Makes commits durable, many in one, and then does what follows from them.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::time::Instant;
use uuid::Uuid;

use super::batch::{Accepted, Commit, NotDurable};
use super::gathering::Gathering;
use super::later::Later;
use super::retention::Retention;
use crate::cell::backoff::Backoff;
use crate::cell::health::DependencyHealth;
use crate::cell::lifecycle::Lifecycle;
use crate::cell::runs::RunIndex;
use crate::cell::view::Feed;
use crate::cell::watermark::EventWatermark;
use crate::core::machine::Effect;
use crate::core::notification::Destination;
use crate::store::{Change, Store, StoreError};

/// Most transitions made durable in one commit.
const MOST_A_COMMIT: usize = 1024;
const FIRST_WAIT: Duration = Duration::from_millis(100);
const LONGEST_WAIT: Duration = Duration::from_millis(500);
/// That notifications were taken waits so long for other changes. After each end it would be a commit of its own, and the
/// next decision would wait for that.
const DELIVERED_WAIT: Duration = Duration::from_millis(5);
/// A throttled store is asked again ever more slowly.
const LONGEST_THROTTLED_WAIT: Duration = Duration::from_secs(5);

/// What is done once a commit is durable. Each is safe to do twice.
pub(in crate::cell) trait Followers: Send + Sync {
    /// A run's attempt waits for a launch slot.
    fn launch(&self, run: Uuid);
    /// A run's task is to be stopped.
    fn stop_task(&self, run: Uuid);
    /// A run has ended.
    fn ended(&self, run: Uuid);
    /// Notifications were put into the outbox for these destinations, one each.
    fn posted(&self, destinations: &[Destination]);
    /// The store cannot hold what a run has become: it is to end.
    fn too_large(&self, run: Uuid, why: String);
}

/// The one task that commits.
pub(in crate::cell) struct Committer {
    pub(in crate::cell) store: Arc<dyn Store>,
    pub(in crate::cell) runs: Arc<RunIndex>,
    pub(in crate::cell) retention: Arc<Retention>,
    pub(in crate::cell) feed: Arc<Feed>,
    pub(in crate::cell) followers: Arc<dyn Followers>,
    pub(in crate::cell) health: Arc<DependencyHealth>,
    pub(in crate::cell) watermark: Arc<EventWatermark>,
    pub(in crate::cell) lifecycle: Arc<Lifecycle>,
    pub(in crate::cell) gathering: Arc<Gathering>,
}

/// The cell has ended, or is another process's.
struct Over;

/// A change that the store does not take, by its position in the batch.
struct Refused {
    change: usize,
    run: Option<Uuid>,
    why: NotDurable,
}

impl Committer {
    /// Commits until the cell has ended and what had come before is done.
    pub(in crate::cell) async fn run(self, mut commits: mpsc::Receiver<Commit>) {
        let mut batch = Vec::with_capacity(MOST_A_COMMIT);
        let mut later = Later::new(self.store.capabilities().outlives_process);
        while self.next(&mut commits, &mut batch).await > 0 {
            if !self.lifecycle.may_act().await {
                return;
            }
            // What is not durable was neither answered nor done: it comes again.
            let Ok(()) = self.store_batch(&mut batch, &mut later).await else { return };
            later.wait(batch.iter_mut().filter_map(|commit| commit.later.take()));
            let forgotten: Vec<Uuid> = batch.drain(..).flat_map(|commit| self.follow(commit)).collect();
            if !self.store.capabilities().outlives_process && !forgotten.is_empty() {
                let forgotten = forgotten.into_iter().map(Change::Forget).collect();
                if let Err(error) = self.store.commit(forgotten).await {
                    tracing::debug!(%error, "finished runs were not forgotten");
                }
            }
        }
        if !later.all().is_empty()
            && let Err(error) = self.store.commit(later.all().into()).await
        {
            tracing::debug!(%error, "what was last seen of tasks whose runs had ended was not kept");
        }
    }

    /// The next commits; none once the cell has ended and what had come before is done.
    async fn next(&self, commits: &mut mpsc::Receiver<Commit>, batch: &mut Vec<Commit>) -> usize {
        if self.lifecycle.unless_ended(commits.recv_many(batch, MOST_A_COMMIT)).await.is_some() {
            self.gathering.decided().await;
            self.wait_for_company(commits, batch).await;
            while batch.len() < MOST_A_COMMIT
                && let Ok(more) = commits.try_recv()
            {
                batch.push(more);
            }
            return batch.len();
        }
        commits.close();
        commits.recv_many(batch, MOST_A_COMMIT).await
    }

    /// What need not be durable at once waits a while for what must, and goes with it: where a commit costs money, and
    /// everywhere if it says only what was delivered.
    async fn wait_for_company(&self, commits: &mut mpsc::Receiver<Commit>, batch: &mut Vec<Commit>) {
        let (began, soft_wait) = (Instant::now(), self.store.capabilities().soft_wait);
        let writes = |batch: &[Commit]| batch.iter().any(|commit| !commit.changes.is_empty());
        while writes(batch) && batch.iter().all(Commit::is_soft) {
            let only_delivered = batch.iter().all(Commit::is_delivered);
            let until = began + if only_delivered { soft_wait.max(DELIVERED_WAIT) } else { soft_wait };
            if Instant::now() >= until {
                return;
            }
            let room = MOST_A_COMMIT.saturating_sub(batch.len());
            if room == 0 {
                return;
            }
            tokio::select! {
                biased;
                () = self.lifecycle.draining() => return,
                more = tokio::time::timeout_at(until, commits.recv_many(batch, room)) => {
                    if !matches!(more, Ok(1..)) {
                        return;
                    }
                }
            }
        }
    }

    /// Makes a batch durable, but for commits that the store does not take: those are taken out of it and settled. What waits
    /// for a commit goes with it, in front: it is older.
    async fn store_batch(&self, batch: &mut Vec<Commit>, later: &mut Later) -> Result<(), Over> {
        loop {
            let own = batch.iter().map(|commit| commit.changes.len()).sum();
            let waited = later.going_with(own);
            let with = waited.len();
            let changes: Arc<[Change]> =
                waited.iter().chain(batch.iter().flat_map(|commit| &commit.changes)).cloned().collect();
            match self.store_changes(changes).await? {
                None => {
                    later.written(with);
                    return Ok(());
                }
                Some(Refused { change, .. }) if change < with => later.give_up(change),
                Some(refused) => self.take_out(batch, Refused { change: refused.change - with, ..refused }),
            }
        }
    }

    /// Gives the store the same changes until it takes them. Nothing is acknowledged and nothing is done before: a store
    /// that fails stops the cell's work, not its memory of it.
    async fn store_changes(&self, changes: Arc<[Change]>) -> Result<Option<Refused>, Over> {
        let mut backoff = Backoff::new(FIRST_WAIT, LONGEST_WAIT, "store");
        let mut throttled = Backoff::new(FIRST_WAIT, LONGEST_THROTTLED_WAIT, "throttled store");
        loop {
            let error = match self.ask_store(&changes).await {
                Ok(()) => {
                    self.note_success();
                    return Ok(None);
                }
                Err(error) => error,
            };
            let wait = match error {
                StoreError::Fenced { .. } => {
                    self.lifecycle.lose(error.to_string());
                    return Err(Over);
                }
                StoreError::TooLarge { change, run, .. } => {
                    return Ok(Some(Refused { change, run, why: NotDurable::TooLarge(error.to_string()) }));
                }
                StoreError::NameTaken { change, name, cell, same } => {
                    self.note_success();
                    return Ok(Some(Refused { change, run: None, why: NotDurable::NameTaken { name, cell, same } }));
                }
                StoreError::Throttled(_) => throttled.next(),
                StoreError::Unavailable(_) | StoreError::Corrupt(_) => backoff.next(),
            };
            self.note_failure(&error);
            if self.lifecycle.is_ended() {
                return Err(Over);
            }
            tokio::time::sleep(wait).await;
        }
    }

    /// Commits; where there is nothing to commit, what was decided before is acknowledged: only while the cell is known to
    /// own its store.
    async fn ask_store(&self, changes: &Arc<[Change]>) -> Result<(), StoreError> {
        if changes.is_empty() { self.store.confirm_owner().await } else { self.store.commit(Arc::clone(changes)).await }
    }

    fn note_failure(&self, error: &StoreError) {
        if self.health.failed(error) == 1 {
            tracing::error!(%error, "the store does not take changes; nothing goes on until it does");
        }
    }

    fn note_success(&self) {
        if let Some(failing) = self.health.succeeded() {
            self.watermark.resumed(failing);
            tracing::info!("the store takes changes again");
        }
    }

    /// Takes the commit with this change out of the batch. A request is refused; a run is to end.
    fn take_out(&self, batch: &mut Vec<Commit>, refused: Refused) {
        let Refused { change, run, why } = refused;
        let mut before = 0;
        let holds = |commit: &Commit| {
            before += commit.changes.len();
            change < before
        };
        // A position beyond the batch would be the store's fault: the last commit is as good as any to go on.
        let position = batch.iter().position(holds).unwrap_or(batch.len().saturating_sub(1));
        let commit = batch.remove(position);
        if let NotDurable::TooLarge(why) = &why {
            tracing::error!(error = why, "the store cannot hold this");
            if let Some(run) = run.filter(|_| commit.accepted.is_none()) {
                self.followers.too_large(run, why.clone());
            }
        }
        commit.settle(Err(why));
    }

    /// Does what follows from a durable commit; the finished runs that left memory for it.
    fn follow(&self, mut commit: Commit) -> Vec<Uuid> {
        // The name is claimed until its runs bear it.
        let held = commit.accepted.take().map(|Accepted { runs, until_visible }| {
            runs.into_iter().for_each(|run| self.runs.insert(run));
            until_visible
        });
        let mut forgotten = Vec::new();
        for after in std::mem::take(&mut commit.after) {
            for effect in after.effects {
                match effect {
                    Effect::Launch => self.followers.launch(after.run),
                    Effect::StopTask { .. } => self.followers.stop_task(after.run),
                    Effect::Notify => {}
                    Effect::Unlink { task_arn, token } => self.runs.unlink_attempt(after.run, task_arn, token),
                }
            }
            if after.change.is_final {
                self.followers.ended(after.run);
                forgotten.extend(self.retention.retire(after.run));
            }
            after.change.log();
            self.feed.publish(after.change);
        }
        drop(held);
        if !commit.destinations.is_empty() {
            self.followers.posted(&commit.destinations);
        }
        commit.settle(Ok(()));
        forgotten
    }
}
