//! Begins a cell: reads the store, takes up what was not done, and starts its loops.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures::StreamExt;
use tokio::sync::{Notify, mpsc};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use uuid::Uuid;

use super::door::Commit;
use super::feed::Feed;
use super::governor::Governor;
use super::receive::{Bounds, Ends, From, Handler, Receiving};
use super::registry::Rearm;
use super::silence::Silence;
use super::stats::Stats;
use super::{Cell, CellConfig, CellError, Clock, Counters, Inner, Ports, limits, storm};
use crate::core::machine::{self, Effect, Input};
use crate::core::notification::Origin;
use crate::core::run::{Run, Stage};
use crate::store::{Change, Contents};

/// Transitions on their way to the store: more wait, and so do those who made them.
const COMMITS: usize = 8192;
const DUE_AT_ONCE: usize = 64;
/// Messages in hand, at most. At 10,000 events a second as many are received, made durable and deleted within 0.2 s.
const EVENTS_IN_HAND: usize = 2000;
/// Each may have 10,000 runs.
const REQUESTS_IN_HAND: usize = 100;
/// The note of the store that says whose runs it has.
const NOTE: &str = "cell";

impl Cell {
    /// Begins a cell on what its store holds.
    ///
    /// # Errors
    /// A store that cannot be read, or has the runs of another cell; a name that `startedBy` cannot carry.
    pub async fn start(config: CellConfig, mut ports: Ports) -> Result<Self, CellError> {
        // startedBy takes letters, digits, hyphen, underscore and slash (API reference, RunTask).
        let fits = |c: char| c.is_ascii_alphanumeric() || "-_".contains(c);
        if !(1..=64).contains(&config.name.len()) || !config.name.chars().all(fits) {
            return Err(CellError::Name(config.name));
        }
        let contents = ports.store.load().await?;
        let is_noted = is_noted(&config.name, &contents)?;
        ports.clock = set_forward(ports.clock, &contents);
        let (commits, to_commit) = mpsc::channel(COMMITS);
        let inner = Arc::new(Inner::new(config, ports, commits));
        *inner.standing() = limits::Standing::read(contents.notes.get(limits::NOTE));
        inner.enforce(&inner.limits());
        *inner.storms() = storm::read(inner.config.storm, &contents.notes);
        inner.keep_gate();
        inner.untold.store(contents.undelivered.values().sum(), Ordering::Release);
        contents.undelivered.keys().for_each(|outlet| inner.deliver_to(outlet));
        inner.tasks.spawn(Arc::clone(&inner).commit_all(to_commit));
        if !is_noted {
            let (commit, _) = Commit::bare(vec![Change::Note { name: NOTE, text: inner.config.name.clone() }]);
            // The first commit: there is room for it.
            let _ = inner.commits.try_send(commit);
        }
        inner.launches.spawn(Arc::clone(&inner).launch_all());
        inner.tasks.spawn(Arc::clone(&inner).stop_all());
        inner.tasks.spawn(Arc::clone(&inner).keep_time());
        inner.tasks.spawn(Arc::clone(&inner).time_probes());
        inner.take_up(contents);
        inner.tasks.spawn(Arc::clone(&inner).reconcile_all());
        inner.tasks.spawn(Arc::clone(&inner).expire_all());
        inner.tasks.spawn(Arc::clone(&inner).sample_all());
        inner.receive();
        Ok(Self { inner })
    }
}

impl Inner {
    fn new(config: CellConfig, ports: Ports, commits: mpsc::Sender<super::door::Commit>) -> Self {
        let origin =
            Origin { cell: config.name.clone(), account: config.account.clone(), region: config.region.clone() };
        Self {
            began_at: ports.clock.now(),
            governor: Arc::new(Governor::new(config.run_task_rate, config.run_task_burst, config.describe_share)),
            registry: super::Registry::new(Silence::new(config.reconcile_after, config.poll)),
            origin,
            config,
            ports,
            commits,
            timers: super::Timers::default(),
            feed: Feed::default(),
            stats: Stats::default(),
            redriving: tokio::sync::Mutex::new(()),
            queue: Mutex::default(),
            standing: Mutex::default(),
            changing: tokio::sync::Mutex::new(()),
            look_again: Notify::new(),
            storms: Mutex::default(),
            gate_moved: Notify::new(),
            leaving: AtomicUsize::new(0),
            admitting: AtomicUsize::new(0),
            untold: AtomicUsize::new(0),
            outbox: super::Outbox::new(),
            delivered: Notify::new(),
            calls: super::slots::Calls::default(),
            stops: super::effects::Stops::default(),
            binding: tokio::sync::Mutex::new(()),
            describing: tokio::sync::Mutex::new(()),
            definitions: dashmap::DashMap::new(),
            finished: Mutex::default(),
            receiving: Default::default(),
            storing: Default::default(),
            launching: Default::default(),
            undescribed: Mutex::default(),
            counters: Counters::default(),
            listens_since: Mutex::new(tokio::time::Instant::now()),
            draining: CancellationToken::new(),
            ended: CancellationToken::new(),
            receivers: TaskTracker::new(),
            launches: TaskTracker::new(),
            tasks: TaskTracker::new(),
        }
    }

    /// Takes up what an earlier process left: nothing is launched that may be running already.
    fn take_up(self: &Arc<Self>, contents: Contents) {
        let mut calls: BTreeMap<String, Vec<Uuid>> = BTreeMap::new();
        for run in contents.runs {
            let (id, effects) = (run.id, machine::resume(&run));
            if let Some(token) = unanswered(&run) {
                calls.entry(token).or_default().push(id);
            }
            let is_final = run.status.is_final();
            let rearm = self.registry.insert(run);
            self.timers.rearm(id, &rearm);
            if is_final {
                self.retire(id);
            }
            for effect in effects {
                match effect {
                    Effect::Launch => self.enqueue(id),
                    Effect::StopTask { .. } => self.stop_task(id),
                    Effect::Notify => {}
                }
            }
        }
        for (token, members) in calls {
            let cell = Arc::clone(self);
            self.launches.spawn(async move { cell.recall(&members, &token).await });
        }
    }

    fn receive(self: &Arc<Self>) {
        let queues = [(&self.ports.events, From::Events), (&self.ports.requests, From::Requests)];
        for (queue, from) in queues {
            let Some(queue) = queue.clone() else { continue };
            let handler: Arc<dyn Handler> = match from {
                From::Events => Arc::new(super::watcher::Events(Arc::clone(self))),
                From::Requests => Arc::new(super::intake::Requests(Arc::clone(self))),
            };
            let messages = if matches!(from, From::Events) { EVENTS_IN_HAND } else { REQUESTS_IN_HAND };
            let bounds = Bounds { polls: self.config.receivers, messages };
            let ends = Ends { draining: self.draining.clone(), ended: self.ended.clone() };
            let health = Arc::clone(&self.receiving[from as usize]);
            Receiving::new((queue, from), handler, health, bounds, (ends, self.receivers.clone())).start();
        }
    }

    /// Gives every run its deadline's input when the time has come.
    async fn keep_time(self: Arc<Self>) {
        loop {
            let next = match self.timers.due(self.ports.clock.now()) {
                Ok(due) => {
                    let given = due.into_iter().map(|(at, id)| self.due(at, id));
                    futures::stream::iter(given).for_each_concurrent(DUE_AT_ONCE, |given| given).await;
                    continue;
                }
                Err(next) => next,
            };
            let longest = Duration::from_secs(3600);
            let wait = next.map_or(longest, |at| at.since(self.ports.clock.now()).max(Duration::from_millis(1)));
            tokio::select! {
                biased;
                () = self.ended.cancelled() => return,
                () = tokio::time::sleep(wait.min(longest)) => {}
                () = self.timers.changed() => {}
            }
        }
    }

    async fn due(&self, at: crate::core::time::Timestamp, id: Uuid) {
        if let Some(later) = self.listen_first(id) {
            if let Some(rearm) = self.registry.put_off(id, later) {
                self.timers.rearm(id, &rearm);
            }
            return;
        }
        if let Some(made) = self.advance(id, Input::Due).await
            && !made.changed
        {
            // It was not its time after all (the deadline moved meanwhile): what the run says now holds.
            let next = self.registry.read(id, machine::next_deadline).flatten();
            self.timers.rearm(id, &Rearm { old: Some(at), new: next, freed: false });
        }
    }

    /// Until when the deadline of a task waits that was placed before the cell began to listen: what happened to it
    /// before that stands in the events queue. A start timeout must not stop a task that has been running all along.
    fn listen_first(&self, id: Uuid) -> Option<crate::core::time::Timestamp> {
        let wait = self.until_events_were_heard()?;
        let now = self.ports.clock.now();
        let began = now.minus(self.listens_since().elapsed());
        let before = |run: &Run| {
            let placed = run.attempt().filter(|a| a.stage == Stage::Placed);
            placed.and_then(|a| a.placed_at).is_some_and(|at| at < began)
        };
        self.registry.read(id, before)?.then(|| now.plus(wait))
    }
}

/// Whether the store says that it is this cell's. One in which nothing is open may become another's.
fn is_noted(name: &str, contents: &Contents) -> Result<bool, CellError> {
    let Some(theirs) = contents.notes.get(NOTE) else { return Ok(false) };
    let open = contents.runs.iter().filter(|run| !run.status.is_final()).count();
    if theirs != name && open > 0 {
        return Err(CellError::OtherCell { theirs: theirs.clone(), ours: name.to_owned(), open });
    }
    Ok(theirs == name)
}

/// A clock that was set back since the store was written would put off every deadline by as much: the cell counts on from
/// the last instant that the store has seen.
fn set_forward(clock: Clock, contents: &Contents) -> Clock {
    let Some(seen) = contents.runs.iter().map(Run::noted_at).max() else { return clock };
    let (clock, behind) = clock.not_before(seen);
    if !behind.is_zero() {
        let behind = behind.as_secs_f64();
        tracing::warn!(%seen, behind, "this machine's clock is behind what the store has seen; the cell counts on from there: set the clock");
    }
    clock
}

/// The token of a run whose RunTask may have been sent and not answered.
fn unanswered(run: &Run) -> Option<String> {
    let attempt = run.attempt().filter(|a| a.stage == Stage::Launching && !run.status.is_final())?;
    attempt.token.clone()
}
