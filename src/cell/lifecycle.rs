//! The phases of a cell's life (it works, it is suspended, it drains, it has ended), and the tasks that work in it.

use std::future::Future;
use std::sync::OnceLock;
use std::time::Duration;

use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tracing::{Instrument as _, Span};

use super::lease::Lease;

/// For what is on its way to the store when everything else has ended.
const LAST_COMMITS: Duration = Duration::from_secs(2);
/// After the end, for what is being made durable.
const LAST_ACKNOWLEDGEMENTS: Duration = Duration::from_secs(1);

/// Which phase a cell is in. Every part that works on its own has one of these and the tasks it starts go through it.
pub(super) struct Lifecycle {
    lease: Lease,
    /// Of a process with several cells: which one its log lines are of.
    span: Span,
    draining: CancellationToken,
    ended: CancellationToken,
    receivers: TaskTracker,
    launches: TaskTracker,
    tasks: TaskTracker,
    abandoned: OnceLock<String>,
}

impl Lifecycle {
    /// Of a cell that works for as long as its process has the lease. Its log lines are in the span.
    pub(super) fn new(lease: Lease, span: Span) -> Self {
        let (draining, ended, receivers, launches, tasks, abandoned) = Default::default();
        Self { lease, span, draining, ended, receivers, launches, tasks, abandoned }
    }

    /// Whether the cell is to do nothing that another process could do: its fleet does not hear from it.
    pub(super) fn is_suspended(&self) -> bool {
        !self.lease.is_held()
    }

    /// Waits while the cell is suspended; false if it ended before.
    pub(super) async fn may_act(&self) -> bool {
        !self.is_suspended() || self.unless_ended(self.lease.held()).await.is_some()
    }

    /// Whether the cell takes nothing more.
    pub(super) fn is_draining(&self) -> bool {
        self.draining.is_cancelled()
    }

    /// Resolves when the cell takes nothing more.
    pub(super) async fn draining(&self) {
        self.draining.cancelled().await;
    }

    pub(super) fn is_ended(&self) -> bool {
        self.ended.is_cancelled()
    }

    pub(super) async fn ended(&self) {
        self.ended.cancelled().await;
    }

    /// Waits; false if the cell ended before.
    pub(super) async fn sleep(&self, wait: Duration) -> bool {
        tokio::select! {
            biased;
            () = self.ended.cancelled() => false,
            () = tokio::time::sleep(wait) => true,
        }
    }

    /// What `work` gives; `None` if the cell ended before.
    pub(super) async fn unless_ended<T>(&self, work: impl Future<Output = T>) -> Option<T> {
        tokio::select! {
            biased;
            () = self.ended.cancelled() => None,
            done = work => Some(done),
        }
    }

    /// Resolves when the cell has ended and its last commits had their time: what waits for ECS or a store that hangs
    /// is left to the next process.
    pub(super) async fn cut_off(&self) {
        self.ended.cancelled().await;
        tokio::time::sleep(LAST_ACKNOWLEDGEMENTS).await;
    }

    /// Starts a task that goes on until the end.
    pub(super) fn spawn<F>(&self, work: F) -> tokio::task::JoinHandle<F::Output>
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static,
    {
        self.tasks.spawn(work.instrument(self.span.clone()))
    }

    /// Starts a launch: the drain waits for it.
    pub(super) fn spawn_launch(&self, work: impl Future<Output = ()> + Send + 'static) {
        self.launches.spawn(work.instrument(self.span.clone()));
    }

    /// Starts a receiver: the drain waits for it first.
    pub(super) fn spawn_receiver(&self, work: impl Future<Output = ()> + Send + 'static) {
        self.receivers.spawn(work.instrument(self.span.clone()));
    }

    /// Takes nothing more, and waits until receivers and launches are done, at most until an instant.
    pub(super) async fn drain(&self, until: Instant) {
        self.draining.cancel();
        self.receivers.close();
        self.launches.close();
        let _ = tokio::time::timeout_at(until, self.receivers.wait()).await;
        let _ = tokio::time::timeout_at(until, self.launches.wait()).await;
    }

    /// Ends, and gives what is on its way to the store a moment.
    pub(super) async fn end(&self) {
        self.ended.cancel();
        self.tasks.close();
        // Receivers that were cut off give back what they have in hand.
        let last = async { tokio::join!(self.tasks.wait(), self.receivers.wait()) };
        let _ = tokio::time::timeout(LAST_COMMITS, last).await;
    }

    /// Ends at once and waits for nothing.
    pub(super) fn abandon(&self) {
        self.draining.cancel();
        self.ended.cancel();
        for tracker in [&self.receivers, &self.launches, &self.tasks] {
            tracker.close();
        }
    }

    /// Takes nothing more and ends, within a time: what it has in hand is given back, the calls that are out and the commits on
    /// their way are waited for.
    pub(super) async fn hand_over(&self, until: Instant) {
        self.drain(until).await;
        self.end().await;
    }

    /// Ends at once because the cell is another process's now.
    pub(super) fn lose(&self, why: String) {
        let _ = self.abandoned.set(why);
        self.abandon();
    }

    /// Why the cell was abandoned, if another process has it now.
    pub(super) fn lost(&self) -> Option<&str> {
        self.abandoned.get().map(String::as_str)
    }
}
