//! The runtime that owns live runs and carries out what the core decides.
//!
//! Every input to a run goes through one pipeline (`commit`): [`crate::core::machine::apply`] under the run's lock, then a
//! group commit, and only then effects, answers and deletes. Each part owns its state, takes what it needs by its
//! constructor, and shows methods; `build` puts them together.

mod admit;
mod backoff;
mod build;
mod clock;
mod commit;
mod config;
mod control;
mod definitions;
mod deliver;
mod follow;
mod health;
mod ids;
mod launch;
mod lease;
mod lifecycle;
mod logs;
mod observe;
mod operate;
pub mod ports;
mod readiness;
mod receive;
mod runs;
mod shared;
mod standstill;
mod target;
mod view;
mod watermark;

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::broadcast;
use tokio::time::Instant;
use uuid::Uuid;

pub use admit::{SubmitError, Submitted};
pub use clock::Clock;
pub use config::{CallRates, CellConfig, CellError, POLL, Ports, Sizes};
pub use control::{FleetLimits, Limits, LimitsChange, LimitsError, Pause, Paused};
pub use deliver::DeliveryFailure;
pub use ids::Ids;
pub use launch::{Demand, ElsewhereCell, Pace, Quota, Shares, Spent, WaitReason, WaitingFor};
pub use lease::Lease;
pub use logs::{LOG_RATE, LogAnswer, LogReader, WithLines};
pub use observe::{ObservedCount, ObservedCounts, ObservedFilter, ObservedItem, has_observed, observed_in};
pub use operate::RedriveError;
pub use readiness::Hindrance;
pub use shared::Shared;
pub use standstill::Standstill;
pub use view::{
    BUCKET, BUCKETS, Bucket, Count, Counters, Moved, Numbered, Phases, Quantiles, RunChange, RunCounts, STEPS, Steps,
    Times, Totals, Vitals,
};

use crate::core::breaker::OpenBreaker;
use crate::core::request::{Acceptance, RunRequest};
use crate::core::run::Run;
use crate::core::time::Timestamp;
use crate::store::{Page, Query, StoreError};
use build::Parts;

/// A running cell. Clones are the same cell.
#[derive(Clone)]
pub struct Cell {
    parts: Arc<Parts>,
}

impl Cell {
    /// Begins a cell on what its store holds.
    ///
    /// # Errors
    /// A store that cannot be read, or has the runs of another cell; a name that `startedBy` cannot carry.
    pub async fn start(config: CellConfig, ports: Ports) -> Result<Self, CellError> {
        Self::start_among(config, ports, Shared::of_one()).await
    }

    /// The same of a cell that shares its process with others.
    ///
    /// # Errors
    /// As [`Cell::start`].
    pub async fn start_among(config: CellConfig, ports: Ports, shared: Shared) -> Result<Self, CellError> {
        Ok(Self { parts: Arc::new(build::start(config, ports, shared).await?) })
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.parts.name
    }

    /// Takes a request; it is durable when this answers. The same name with the same request is the same run.
    ///
    /// # Errors
    /// [`SubmitError::NameConflict`] for a name that another request has; [`SubmitError::Full`] while too many wait;
    /// [`SubmitError::Closed`] while draining.
    pub async fn submit(&self, request: RunRequest) -> Result<Submitted, SubmitError> {
        if self.parts.lifecycle.is_suspended() {
            return Err(SubmitError::Suspended);
        }
        if self.parts.waiting.is_full() {
            return Err(SubmitError::Full);
        }
        self.parts.admission.submit(request, None).await
    }

    /// What a request that comes now is evaluated with: this moment, and an id of its own.
    pub fn acceptance(&self) -> Acceptance {
        self.parts.admission.acceptance()
    }

    /// Asks a run to stop; false if there is none or it has ended.
    pub async fn stop(&self, id: Uuid, reason: &str) -> bool {
        self.stop_all(&[id], reason).await.first().copied().unwrap_or(false)
    }

    /// Asks runs to stop, in as few commits as there must be; for each, false if there is none or it has ended.
    pub async fn stop_all(&self, ids: &[Uuid], reason: &str) -> Vec<bool> {
        operate::stop_all(&self.parts.pipeline, ids, reason).await
    }

    /// Why nothing that is asked of it becomes durable at the moment; `None`: it does soon.
    pub fn standstill(&self) -> Option<Standstill> {
        if self.parts.pipeline.is_closed() {
            return Some(Standstill::Closed);
        }
        if self.parts.lifecycle.is_suspended() {
            return Some(Standstill::Suspended);
        }
        self.parts.readiness.store.failure(1).map(Standstill::Store)
    }

    /// Begins a run again that failed, timed out or was aborted; durable when this answers. Its retries and
    /// `timeoutSeconds` count anew, its attempts are numbered on, and its next end is notified under an id of its own.
    ///
    /// # Errors
    /// [`RedriveError::NotRedrivable`] for a run that is open or SUCCEEDED; see the others.
    pub async fn redrive(&self, id: Uuid) -> Result<Run, RedriveError> {
        self.redrive_all(&[id]).await.pop().unwrap_or(Err(RedriveError::Gone))
    }

    /// The same of many runs, in as few commits as there must be; an answer for each, in order.
    pub async fn redrive_all(&self, ids: &[Uuid]) -> Vec<Result<Run, RedriveError>> {
        self.parts.redrive.redrive_all(ids).await
    }

    /// The limits and pauses in force.
    pub fn limits(&self) -> Limits {
        Limits::clone(&self.parts.limits.current())
    }

    /// Changes limits and pauses; durable, and in force, when this answers.
    ///
    /// # Errors
    /// [`LimitsError::Wrong`] names the value that cannot be; [`LimitsError::Closed`] once the cell has ended.
    pub async fn change_limits(&self, change: LimitsChange) -> Result<Limits, LimitsError> {
        // To its end, though whoever asked may go away meanwhile: what is durable must also be in force.
        let control = Arc::clone(&self.parts.limits_control);
        let changing = self.parts.lifecycle.spawn(async move { control.change(change).await });
        let limits = changing.await.map_err(|_| LimitsError::Closed)??;
        Ok(Limits::clone(&limits))
    }

    /// Follows the limits and pauses of its fleet, in place of its own: in force when this answers.
    ///
    /// # Errors
    /// [`LimitsError::Closed`] once the cell has ended.
    pub async fn follow_limits(&self, fleet: &FleetLimits) -> Result<(), LimitsError> {
        self.parts.limits_control.follow(fleet).await
    }

    /// One run as it is now, if it is in memory.
    pub fn run(&self, id: Uuid) -> Option<Run> {
        self.parts.runs.read(id, Run::clone)
    }

    /// Every run in memory as it is now.
    pub fn runs(&self) -> Vec<Run> {
        self.parts.runs.collect(|run| Some(run.clone()))
    }

    /// The runs that an id, a name, or the name of an array stands for: in memory, else in the store.
    ///
    /// # Errors
    /// The store cannot be read.
    pub async fn find(&self, name: &str) -> Result<Vec<Run>, StoreError> {
        self.parts.lookup.find(name).await
    }

    /// The same, at most `limit` of them in the order of their index, from index `from` on: an array has 10,000 at most.
    ///
    /// # Errors
    /// The store cannot be read.
    pub async fn find_page(&self, name: &str, from: u32, limit: usize) -> Result<Page<Run, u32>, StoreError> {
        self.parts.lookup.page(name, from, limit).await
    }

    /// The runs that fit, newest first, a page at a time. The order is that of submission and never changes, so pages neither
    /// repeat nor leave out a run that fits all the while.
    ///
    /// # Errors
    /// The store cannot be read.
    pub async fn list(&self, query: Query) -> Result<Page<Run, Uuid>, StoreError> {
        self.parts.lookup.list(query).await
    }

    /// The runs in memory that fit, newest first, a page at a time: all open ones and those that ended lately.
    ///
    /// # Errors
    /// The walk over them broke off.
    pub async fn list_in_memory(&self, query: Query) -> Result<Page<Run, Uuid>, StoreError> {
        self.parts.lookup.list_in_memory(query).await
    }

    /// Whether a run that an id, a name, or the name of an array stands for is in memory.
    pub fn knows(&self, name: &str) -> bool {
        self.parts.lookup.knows(name)
    }

    /// Whether it is the same cell, in the same life.
    pub fn is(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.parts, &other.parts)
    }

    /// For each run why it has no task yet, as things are now; `None` for one that has a task or has ended.
    pub fn waiting_for(&self, runs: &[Run]) -> Vec<Option<WaitingFor>> {
        self.parts.wait_reasons.of(runs)
    }

    /// Resolves when ECS refuses DescribeTasks for good, with what it said. Where no queue brings events, nothing tells of the
    /// tasks then.
    pub async fn describe_refusal(&self) -> String {
        self.parts.reads.refusal().await
    }

    /// Waits until a run has ended.
    pub async fn finished(&self, id: Uuid) -> Option<Run> {
        let mut changes = self.subscribe();
        loop {
            let run = self.run(id)?;
            if run.status.is_final() {
                return Some(run);
            }
            if let Err(broadcast::error::RecvError::Closed) = changes.recv().await {
                return self.run(id);
            }
        }
    }

    /// Every change of every run from here on. A slow listener misses the oldest.
    pub fn subscribe(&self) -> broadcast::Receiver<Numbered> {
        self.parts.feed.listen()
    }

    /// What came after the change of this number, and every change from here on; `None` when some of it is no longer kept.
    pub fn subscribe_after(&self, number: u64) -> Option<(Vec<Numbered>, broadcast::Receiver<Numbered>)> {
        self.parts.feed.listen_after(number)
    }

    /// The number of the newest change.
    pub fn last_change(&self) -> u64 {
        self.parts.feed.last()
    }

    /// Task definitions that are not launched because they failed for the same reason again and again.
    pub fn open_breakers(&self) -> Vec<OpenBreaker> {
        self.parts.breakers.open()
    }

    /// Task definitions whose circuit breakers are open in other cells of the fleet: this cell does not launch them, and leaves
    /// the probe to those cells.
    pub fn pause_elsewhere(&self, definitions: BTreeSet<String>) {
        self.parts.breakers.set_elsewhere(definitions);
    }

    /// Failures of tasks and launches of others that fit, newest first, a page at a time. They are kept in memory, 10,000 at most.
    pub fn observed(&self, filter: &ObservedFilter, before: Option<u64>, limit: usize) -> Page<ObservedItem, u64> {
        self.parts.observer.list(filter, before, limit)
    }

    /// How many failures of others were seen.
    pub fn observed_counts(&self) -> &ObservedCounts {
        self.parts.observer.counts()
    }

    /// How fast AWS is called now, bucket by bucket.
    pub fn paces(&self) -> Vec<Pace> {
        self.parts.governor.paces()
    }

    /// What it would launch if it could.
    pub fn demand(&self) -> Demand {
        self.parts.waiting.demand()
    }

    /// How much it may launch beside the other cells of its process, 1.0 being as much as one with one queue of its own.
    pub fn set_weight(&self, weight: f64) {
        self.parts.waiting.set_weight(weight);
    }

    /// Counts since the cell began.
    pub fn counters(&self) -> &Counters {
        &self.parts.counters
    }

    /// How long the phases of a start take.
    pub fn phases(&self) -> &Phases {
        &self.parts.stats.phases
    }

    /// When this process began its work on the cell.
    pub fn began_at(&self) -> Timestamp {
        self.parts.began_at
    }

    /// Durable notifications that no destination has taken yet.
    pub fn undelivered(&self) -> usize {
        self.parts.delivery.undelivered()
    }

    /// The destinations to which notifications cannot be delivered.
    pub fn delivery_failures(&self) -> Vec<DeliveryFailure> {
        self.parts.delivery.failures()
    }

    /// Whether it receives what it is to receive.
    pub fn ready(&self) -> bool {
        self.not_ready().is_empty()
    }

    /// What hinders it, each in a line for its operator; nothing when it is ready.
    pub fn not_ready(&self) -> Vec<String> {
        self.hindrances().iter().map(ToString::to_string).collect()
    }

    /// What hinders it, what was said of it apart.
    pub fn hindrances(&self) -> Vec<Hindrance> {
        self.parts.readiness.hindrances()
    }

    /// Resolves when RunTask could not be called and never had been: why, with what to do. It waits from the moment it is made. The cell itself goes on trying; it is for
    /// those who wait and are there to mend it.
    pub fn unreachable(&self) -> impl Future<Output = String> + use<> {
        self.parts.reach.unreachable()
    }

    /// Whether it does nothing that another process could do, because its process is not heard from in the fleet.
    pub fn is_suspended(&self) -> bool {
        self.parts.lifecycle.is_suspended()
    }

    /// Runs that have not ended.
    pub fn open(&self) -> usize {
        self.parts.runs.open()
    }

    /// Why the cell was abandoned: another process has it now. Its process is to say so and end, or begin anew.
    pub fn lost(&self) -> Option<String> {
        self.parts.lifecycle.lost().map(str::to_owned)
    }

    /// Resolves when the cell has ended, however.
    pub async fn ended(&self) {
        self.parts.lifecycle.ended().await;
    }

    /// How it is.
    pub fn vitals(&self) -> Vitals {
        let parts = &self.parts;
        let at = parts.clock.now();
        Vitals {
            at,
            waiting: parts.waiting.by_queue(),
            in_flight: parts.runs.live(),
            outbox: parts.delivery.undelivered(),
            outbox_age: parts.delivery.oldest().map(|oldest| at.since(oldest)).unwrap_or_default(),
            launch_rate: parts.stats.launch_rate(at),
            not_ready: self.not_ready(),
            minutes: parts.stats.buckets(at),
            totals: parts.stats.totals(),
        }
    }

    /// How many runs there are, by status and by class of failure.
    pub async fn counts(&self) -> RunCounts {
        self.parts.counting.now().await
    }

    /// How much it holds in memory.
    pub fn sizes(&self) -> Sizes {
        let index = self.parts.runs.sizes();
        Sizes {
            runs: index.runs,
            tasks: index.tasks,
            tokens: index.tokens,
            names: index.names,
            timers: index.deadlines,
            waiting: self.parts.waiting.by_queue().values().sum(),
            live: self.parts.waiting.live(),
            undelivered: self.parts.delivery.undelivered(),
        }
    }

    /// Waits until every notification so far was delivered, at most so long.
    pub async fn flush(&self, longest: Duration) {
        self.parts.delivery.flush(longest).await;
    }

    /// Ends well, in `longest` at most: takes nothing more, launches nothing more, waits for the calls that are out,
    /// delivers what is in the outbox, and stops. What is left stays in the store for the next start.
    pub async fn drain(&self, longest: Duration) {
        let until = Instant::now() + longest;
        self.parts.lifecycle.drain(until).await;
        self.flush(until.duration_since(Instant::now())).await;
        self.parts.lifecycle.end().await;
    }

    /// Ends for another process to go on, in `longest` at most and two seconds for the last commits: takes nothing more, gives
    /// back what it has in hand, waits for the calls that are out. What the outbox has is the next owner's to deliver.
    pub async fn hand_over(&self, longest: Duration) {
        self.parts.lifecycle.hand_over(Instant::now() + longest).await;
    }

    /// Ends at once and waits for nothing, as a process does that is killed: tasks go on, and a durable store has what the
    /// next start needs.
    pub fn abandon(&self) {
        self.parts.lifecycle.abandon();
    }
}
