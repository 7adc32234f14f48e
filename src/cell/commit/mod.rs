//! The commit pipeline, the only way to change a run: apply the input under the run's lock, take a place in the commit order,
//! make many changes durable at once, and only then do what follows from them.

mod batch;
mod committer;
mod gathering;
mod later;
mod retention;

use std::sync::Arc;

use serde_json::Value;
use tokio::sync::mpsc;
use uuid::Uuid;

use super::clock::Clock;
use super::control::BreakerControl;
use super::runs::{RunIndex, Updated};
use super::view::{RunChange, Stats};
use crate::core::ids::TaskArn;
use crate::core::machine::{self, ChangeKind, Effect, Input};
use crate::core::notification::{self, Destinations, Notification, Origin};
use crate::core::run::Run;
use crate::core::transition::{Snapshot, Transition};
use crate::store::Change;
use batch::{Accepted, After};
pub(super) use batch::{Commit, NotDurable, PendingCommit};
pub(super) use committer::{Committer, Followers};
pub(super) use gathering::Gathering;
pub(super) use retention::{Retention, expire_all};

/// Transitions on their way to the store: more wait, and so do those who made them.
const COMMITS: usize = 8192;

/// Gives inputs to runs and puts what comes of it into the order of commits.
pub(super) struct Pipeline {
    commits: mpsc::Sender<Commit>,
    runs: Arc<RunIndex>,
    stats: Arc<Stats>,
    breakers: Arc<BreakerControl>,
    clock: Clock,
    origin: Origin,
    destinations: Destinations,
    /// Something was freed that a waiting launch may use.
    wake_launcher: Arc<tokio::sync::Notify>,
}

/// What a pipeline is made of.
pub(super) struct PipelineParts {
    pub(super) runs: Arc<RunIndex>,
    pub(super) stats: Arc<Stats>,
    pub(super) breakers: Arc<BreakerControl>,
    pub(super) clock: Clock,
    pub(super) origin: Origin,
    pub(super) destinations: Destinations,
    pub(super) wake_launcher: Arc<tokio::sync::Notify>,
}

impl Pipeline {
    /// A pipeline, and the commits that come out of it, for the committer.
    pub(super) fn new(parts: PipelineParts) -> (Self, mpsc::Receiver<Commit>) {
        let (commits, to_commit) = mpsc::channel(COMMITS);
        let PipelineParts { runs, stats, breakers, clock, origin, destinations, wake_launcher } = parts;
        (Self { commits, runs, stats, breakers, clock, origin, destinations, wake_launcher }, to_commit)
    }

    /// Gives one input to one run. `None`: there is no such run, or the cell has ended.
    pub(super) async fn advance(&self, id: Uuid, input: Input) -> Option<PendingCommit> {
        self.advance_told(id, input, None).await
    }

    /// The same, with the task as it is told of at the run's end, should this be it.
    pub(super) async fn advance_told(&self, id: Uuid, input: Input, task: Option<Value>) -> Option<PendingCommit> {
        // The permit comes first: under the run's lock nothing may wait.
        let permit = self.commits.reserve().await.ok()?;
        let send = |commit| permit.send(commit);
        let Updated { result, freed } = self.runs.update(id, |run| self.apply(run, &input, task.as_ref(), send))?;
        if freed {
            self.wake_launcher.notify_one();
        }
        Some(result)
    }

    /// ECS has taken a task down: what it held is free.
    pub(super) fn task_stopped(&self, task_arn: &TaskArn) {
        if self.runs.vacated(task_arn) {
            self.wake_launcher.notify_one();
        }
    }

    /// Gives one input to many runs, and waits until all of it is durable: as many commits as there must be, not one a
    /// run. Answers for each whether it changed; `None` for one that is not there, or was not made durable.
    pub(super) async fn advance_all(&self, ids: &[Uuid], input: &Input) -> Vec<Option<bool>> {
        let mut pending = Vec::with_capacity(ids.len());
        for id in ids {
            pending.push(self.advance(*id, input.clone()).await);
        }
        let mut changed = Vec::with_capacity(ids.len());
        for made in pending {
            changed.push(match made {
                Some(made) => made.durable().await,
                None => None,
            });
        }
        changed
    }

    /// Whether the cell has ended and takes no input any more.
    pub(super) fn is_closed(&self) -> bool {
        self.commits.is_closed()
    }

    fn apply(&self, run: &mut Run, input: &Input, task: Option<&Value>, send: impl FnOnce(Commit)) -> PendingCommit {
        let now = self.clock.now();
        let before = Snapshot::of(run);
        let applied = machine::apply(run, input, now);
        let (mut commit, pending) = match applied.change {
            // What made it old may still be on its way to the store, and is waited for as well.
            ChangeKind::Unchanged => Commit::barrier(),
            // Its end was told: there is nothing more to tell of it. It is written, for nothing else will bring it back.
            ChangeKind::Transient if run.status.is_final() => {
                let (mut commit, pending) = Commit::barrier();
                commit.later = Some(Change::Put(Arc::new(run.clone())));
                (commit, pending)
            }
            // Shown in its turn, and not written.
            ChangeKind::Transient => {
                let (mut commit, pending) = Commit::barrier();
                commit.after.push(After { run: run.id, effects: applied.effects, change: RunChange::of(run) });
                (commit, pending)
            }
            ChangeKind::Durable => {
                let (mut commit, pending) = Commit::of(Vec::with_capacity(1));
                self.add(&mut commit, run, applied.effects, task);
                (commit, pending)
            }
        };
        let transition = Transition::between(before, run);
        self.stats.note(&transition, now);
        let waits_again = *input == Input::Deferred;
        match self.breakers.record(&transition, waits_again, now) {
            Some(recorded) => recorded.send(|notifications, note| {
                commit.post(notifications);
                note.into_iter().for_each(|note| commit.push(note));
                send(commit);
            }),
            None => send(commit),
        }
        pending
    }

    /// Adds the runs of a request that was just accepted: in one commit, so that it is there as a whole or not at all, and
    /// visible only once it is durable. `until_visible` is held until then.
    pub(super) async fn admit(&self, mut runs: Vec<Run>, until_visible: Box<dyn Send>) -> Option<PendingCommit> {
        let (mut all, pending) = Commit::of(Vec::with_capacity(runs.len()));
        for run in &mut runs {
            let applied = machine::apply(run, &Input::Submitted, self.clock.now());
            self.add(&mut all, run, applied.effects, None);
        }
        all.accepted = Some(Accepted { runs, until_visible });
        self.commits.send(all).await.ok()?;
        Some(pending)
    }

    /// Makes changes of no run durable, in their order; a place for them is taken by `send`.
    pub(super) async fn reserve(&self) -> Option<mpsc::Permit<'_, Commit>> {
        self.commits.reserve().await.ok()
    }

    /// Makes changes of no run durable.
    pub(super) async fn commit(&self, changes: Vec<Change>) -> Option<()> {
        let (commit, pending) = Commit::of(changes);
        self.commits.send(commit).await.ok()?;
        pending.durable().await.map(drop)
    }

    /// Puts notifications of no run into the outbox, durably.
    pub(super) async fn post(&self, notifications: Vec<Notification>) -> Option<()> {
        let (mut commit, pending) = Commit::of(Vec::new());
        commit.post(notifications);
        self.commits.send(commit).await.ok()?;
        pending.durable().await.map(drop)
    }

    /// The first commit of a cell, before anything else can come: there is room for it.
    pub(super) fn commit_first(&self, changes: Vec<Change>) {
        let _ = self.commits.try_send(Commit::of(changes).0);
    }

    /// Adds a run as it is now, with what follows.
    fn add(&self, commit: &mut Commit, run: &Run, effects: Vec<Effect>, task: Option<&Value>) {
        commit.push(Change::Put(Arc::new(run.clone())));
        if effects.contains(&Effect::Notify) {
            commit.post(notification::of_end(run, task, &self.origin, &self.destinations));
        }
        commit.after.push(After { run: run.id, effects, change: RunChange::of(run) });
    }
}
