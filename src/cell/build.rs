//! Puts a cell together, takes up what an earlier process left, and starts the parts that work on their own.

use std::collections::BTreeMap;
use std::sync::Arc;

use tokio::sync::{Notify, mpsc};
use uuid::Uuid;

use super::admit::{Admission, RequestsHandler};
use super::clock::Clock;
use super::commit::{Commit, Committer, Followers, Pipeline, PipelineParts, Retention, expire_all};
use super::config::{CellConfig, CellError, Ports};
use super::control::{CircuitBreakers, EffectiveLimits, LimitOverrides, time_probes};
use super::definitions::Definitions;
use super::deliver::{Delivery, DeliveryParts};
use super::follow::{
    Corrections, Deciders, Describer, EventsHandler, Handler, QueueKind, Receiver, Reconciler, TaskEvents, Timekeeper,
    count_corrections,
};
use super::health::DependencyHealth;
use super::hearing::EventHearing;
use super::launch::{
    Assignments, CallBuilder, Caller, Doubt, Governor, Launcher, Reads, Slots, StopQueue, Stopper, WaitingRuns,
};
use super::lifecycle::Lifecycle;
use super::operate::{LIMITS_NOTE, LimitsControl, Redrive};
use super::readiness::Readiness;
use super::runs::{RunIndex, StaleTaskIndex};
use super::view::{Counters, Feed, Lookup, Stats, sample_counters};
use crate::core::machine::{self, Effect, Input};
use crate::core::notification::{Origin, Outlet};
use crate::core::run::{Run, Stage};
use crate::core::time::Timestamp;
use crate::store::{Change, Contents};

/// The note of the store that says whose runs it has.
const NOTE: &str = "cell";

/// The parts of a cell that answer those who ask it. Those that only work are kept by their tasks.
pub(super) struct Parts {
    pub(super) name: String,
    pub(super) began_at: Timestamp,
    pub(super) clock: Clock,
    pub(super) lifecycle: Arc<Lifecycle>,
    pub(super) runs: Arc<RunIndex>,
    pub(super) pipeline: Arc<Pipeline>,
    pub(super) waiting: Arc<WaitingRuns>,
    pub(super) governor: Arc<Governor>,
    pub(super) limits: Arc<EffectiveLimits>,
    pub(super) breakers: Arc<CircuitBreakers>,
    pub(super) admission: Arc<Admission>,
    pub(super) redrive: Redrive,
    pub(super) limits_control: Arc<LimitsControl>,
    pub(super) delivery: Arc<Delivery>,
    pub(super) lookup: Arc<Lookup>,
    pub(super) feed: Arc<Feed>,
    pub(super) stats: Arc<Stats>,
    pub(super) counters: Arc<Counters>,
    pub(super) readiness: Readiness,
}

/// What durable commits are followed by.
struct Effects {
    waiting: Arc<WaitingRuns>,
    stops: Arc<StopQueue>,
    delivery: Arc<Delivery>,
    pipeline: Arc<Pipeline>,
    lifecycle: Arc<Lifecycle>,
}

impl Followers for Effects {
    fn launch(&self, run: Uuid) {
        self.waiting.push(run);
    }

    fn stop_task(&self, run: Uuid) {
        self.stops.put(run);
    }

    fn posted(&self, destinations: &[Outlet]) {
        self.delivery.posted(destinations);
    }

    fn too_large(&self, run: Uuid, why: String) {
        let pipeline = Arc::clone(&self.pipeline);
        // Not here: the committer waits for nobody.
        self.lifecycle.spawn(async move { drop(pipeline.advance(run, Input::TooLarge { why }).await) });
    }
}

/// Begins a cell on what its store holds.
pub(super) async fn start(config: CellConfig, ports: Ports) -> Result<Parts, CellError> {
    check_name(&config.name)?;
    let contents = ports.store.load().await?;
    let is_noted = is_noted(&config.name, &contents)?;
    let index = RunIndex::new(StaleTaskIndex::new(config.reconcile_after, config.poll));
    let Contents { notes, undelivered, runs, .. } = contents;
    let (left, noted_at) = Left::read(runs, &index, ports.clock.now()).await?;
    let ports = Ports { clock: set_forward(ports.clock.clone(), noted_at), ..ports };
    let built = Builder { config, ports, notes }.build(index);
    built.parts.delivery.take_up(&undelivered);
    if !is_noted {
        built.parts.pipeline.commit_first(vec![Change::Note { name: NOTE, text: built.parts.name.clone() }]);
    }
    left.take_up(&built);
    Ok(built.start())
}

/// `startedBy` takes letters, digits, hyphen, underscore and slash (API reference, RunTask).
fn check_name(name: &str) -> Result<(), CellError> {
    let fits = |c: char| c.is_ascii_alphanumeric() || "-_".contains(c);
    let is_name = (1..=64).contains(&name.len()) && name.chars().all(fits);
    if is_name { Ok(()) } else { Err(CellError::Name(name.to_owned())) }
}

/// Whether the store says that it is this cell's. One in which nothing is open may become another's.
fn is_noted(name: &str, contents: &Contents) -> Result<bool, CellError> {
    let Some(theirs) = contents.notes.get(NOTE) else { return Ok(false) };
    if theirs != name && contents.open > 0 {
        return Err(CellError::OtherCell { theirs: theirs.clone(), ours: name.to_owned(), open: contents.open });
    }
    Ok(theirs == name)
}

/// A clock that was set back since the store was written would put off every deadline by as much: the cell counts on from
/// the last instant that the store has seen.
fn set_forward(clock: Clock, seen: Option<Timestamp>) -> Clock {
    let Some(seen) = seen else { return clock };
    let (clock, behind) = clock.not_before(seen);
    if !behind.is_zero() {
        let behind = behind.as_secs_f64();
        tracing::warn!(%seen, behind, "this machine's clock is behind what the store has seen; the cell counts on from there: set the clock");
    }
    clock
}

/// What an earlier process left to be done.
#[derive(Default)]
struct Left {
    launches: Vec<Uuid>,
    stops: Vec<Uuid>,
    finished: Vec<Uuid>,
    /// Calls that may have been sent and not answered, by token.
    calls: BTreeMap<String, Vec<Uuid>>,
}

impl Left {
    /// Reads the runs into the index, and what each left; and the last instant that any of them has seen.
    async fn read(
        mut runs: crate::store::Runs,
        index: &RunIndex,
        now: Timestamp,
    ) -> Result<(Self, Option<Timestamp>), CellError> {
        let (mut left, mut noted_at) = (Self::default(), None);
        while let Some(part) = runs.next().await? {
            for run in part {
                noted_at = noted_at.max(Some(run.noted_at()));
                left.note(&run);
                index.restore(run, now);
            }
        }
        // The order of acceptance, in which they had stood.
        left.launches.sort_unstable();
        Ok((left, noted_at))
    }

    fn note(&mut self, run: &Run) {
        if let Some(token) = unanswered(run) {
            self.calls.entry(token).or_default().push(run.id);
        }
        if run.status.is_final() {
            self.finished.push(run.id);
        }
        for effect in machine::resume(run) {
            match effect {
                Effect::Launch => self.launches.push(run.id),
                Effect::StopTask { .. } => self.stops.push(run.id),
                Effect::Notify | Effect::Unlink { .. } => {}
            }
        }
    }

    /// Takes it up: nothing is launched that may be running already.
    fn take_up(self, built: &Built) {
        self.finished.into_iter().for_each(|id| drop(built.retention.retire(id)));
        self.launches.into_iter().for_each(|id| built.parts.waiting.push(id));
        self.stops.into_iter().for_each(|id| built.stops.put(id));
        for (token, members) in self.calls {
            let launcher = Arc::clone(&built.launcher);
            built.parts.lifecycle.spawn_launch(async move { launcher.recall(&members, &token).await });
        }
    }
}

/// The token of a run whose RunTask may have been sent and not answered.
fn unanswered(run: &Run) -> Option<String> {
    let attempt = run.attempt().filter(|a| a.stage == Stage::Launching && !run.status.is_final())?;
    attempt.token.clone()
}

struct Builder {
    config: CellConfig,
    ports: Ports,
    notes: BTreeMap<String, String>,
}

/// A cell that is put together and does not work yet.
struct Built {
    parts: Parts,
    retention: Arc<Retention>,
    stops: Arc<StopQueue>,
    launcher: Arc<Launcher>,
    stopper: Arc<Stopper>,
    committer: (Committer, mpsc::Receiver<Commit>),
    timekeeper: Timekeeper,
    reconciler: Reconciler,
    corrections: Arc<Corrections>,
    hearing: Arc<EventHearing>,
    receivers: Vec<Receiver>,
    store: Arc<dyn crate::store::Store>,
}

impl Builder {
    fn build(self, index: RunIndex) -> Built {
        let Self { config, ports, notes } = self;
        let clock = ports.clock.clone();
        let origin =
            Origin { cell: config.name.clone(), account: config.account.clone(), region: config.region.clone() };
        // State.
        let runs = Arc::new(index);
        let lifecycle = Arc::<Lifecycle>::default();
        let (feed, stats, counters) = (Arc::<Feed>::default(), Arc::<Stats>::default(), Arc::<Counters>::default());
        let wake = Arc::new(Notify::new());
        let health = || Arc::<DependencyHealth>::default();
        let (store_health, run_task_health, events_health, requests_health) = (health(), health(), health(), health());
        let hearing = Arc::new(EventHearing::new(clock.clone(), ports.events.is_some()));
        let limits = Arc::new(EffectiveLimits::new(&config, LimitOverrides::read(notes.get(LIMITS_NOTE))));
        let breakers = Arc::new(CircuitBreakers::new(
            config.storm,
            &notes,
            Arc::clone(&wake),
            Arc::clone(&counters),
            (origin.clone(), config.outlets.clone()),
        ));
        let (rate, burst) = (limits.current().run_task_rate, limits.current().run_task_burst);
        let governor = Arc::new(Governor::new(rate, burst, config.describe_share));
        let waiting = Arc::new(WaitingRuns::new(
            Arc::clone(&runs),
            Arc::clone(&limits),
            Arc::clone(&breakers),
            Arc::clone(&wake),
            config.max_queued,
        ));
        let stops = Arc::<StopQueue>::default();
        let corrections = Arc::<Corrections>::default();
        let retention = Arc::new(Retention::new(Arc::clone(&runs), config.keep_finished, config.keep));
        let lookup = Arc::new(Lookup::new(Arc::clone(&runs), Arc::clone(&ports.store)));
        // The pipeline and what follows a commit.
        let (pipeline, commits) = Pipeline::new(PipelineParts {
            runs: Arc::clone(&runs),
            stats: Arc::clone(&stats),
            breakers: Arc::clone(&breakers),
            clock: clock.clone(),
            origin,
            destinations: config.outlets.clone(),
            wake_launcher: Arc::clone(&wake),
        });
        let pipeline = Arc::new(pipeline);
        let delivery = Arc::new(Delivery::new(DeliveryParts {
            cell: config.name.clone(),
            store: Arc::clone(&ports.store),
            notifier: Arc::clone(&ports.notifier),
            pipeline: Arc::clone(&pipeline),
            counters: Arc::clone(&counters),
            clock: clock.clone(),
            lifecycle: Arc::clone(&lifecycle),
        }));
        let committer = Committer {
            store: Arc::clone(&ports.store),
            runs: Arc::clone(&runs),
            retention: Arc::clone(&retention),
            feed: Arc::clone(&feed),
            followers: Arc::new(Effects {
                waiting: Arc::clone(&waiting),
                stops: Arc::clone(&stops),
                delivery: Arc::clone(&delivery),
                pipeline: Arc::clone(&pipeline),
                lifecycle: Arc::clone(&lifecycle),
            }),
            health: Arc::clone(&store_health),
            hearing: Arc::clone(&hearing),
            lifecycle: Arc::clone(&lifecycle),
        };
        // Launching.
        let definitions = Arc::new(Definitions::new(Arc::clone(&ports.ecs)));
        let reads = Arc::new(Reads::new(Arc::clone(&governor), Arc::clone(&lifecycle)));
        let slots =
            Arc::new(Slots::new(Arc::clone(&governor), Arc::clone(&limits), Arc::clone(&runs), Arc::clone(&lifecycle)));
        let assignments = Arc::new(Assignments::new(
            Arc::clone(&runs),
            Arc::clone(&pipeline),
            Arc::clone(&ports.store),
            Arc::clone(&governor),
            Arc::clone(&lifecycle),
        ));
        let doubt = Doubt {
            cell: config.name.clone(),
            ecs: Arc::clone(&ports.ecs),
            runs: Arc::clone(&runs),
            assignments: Arc::clone(&assignments),
            reads: Arc::clone(&reads),
            hearing: Arc::clone(&hearing),
            clock: clock.clone(),
            lifecycle: Arc::clone(&lifecycle),
        };
        let caller = Caller {
            ecs: Arc::clone(&ports.ecs),
            runs: Arc::clone(&runs),
            requests: CallBuilder {
                cell: config.name.clone(),
                runs: Arc::clone(&runs),
                definitions: Arc::clone(&definitions),
            },
            slots: Arc::clone(&slots),
            governor: Arc::clone(&governor),
            assignments: Arc::clone(&assignments),
            doubt,
            counters: Arc::clone(&counters),
            health: Arc::clone(&run_task_health),
            clock: clock.clone(),
            lifecycle: Arc::clone(&lifecycle),
        };
        let launcher = Arc::new(Launcher {
            waiting: Arc::clone(&waiting),
            runs: Arc::clone(&runs),
            pipeline: Arc::clone(&pipeline),
            slots,
            caller,
            breakers: Arc::clone(&breakers),
            governor: Arc::clone(&governor),
            limits: Arc::clone(&limits),
            counters: Arc::clone(&counters),
            clock: clock.clone(),
            wake: Arc::clone(&wake),
            lifecycle: Arc::clone(&lifecycle),
        });
        let stopper = Arc::new(Stopper {
            queue: Arc::clone(&stops),
            ecs: Arc::clone(&ports.ecs),
            runs: Arc::clone(&runs),
            governor: Arc::clone(&governor),
            lifecycle: Arc::clone(&lifecycle),
        });
        // Following.
        let events = Arc::new(TaskEvents {
            cell: config.name.clone(),
            began_at: clock.now(),
            runs: Arc::clone(&runs),
            pipeline: Arc::clone(&pipeline),
            assignments,
            deciders: Deciders::new(Arc::clone(&runs), definitions),
            stops: Arc::clone(&stops),
            corrections: Arc::clone(&corrections),
            counters: Arc::clone(&counters),
            clock: clock.clone(),
        });
        let describer = Arc::new(Describer::new(
            Arc::clone(&ports.ecs),
            Arc::clone(&runs),
            Arc::clone(&pipeline),
            Arc::clone(&events),
            reads,
            Arc::clone(&hearing),
            Arc::clone(&lifecycle),
        ));
        let timekeeper = Timekeeper {
            runs: Arc::clone(&runs),
            pipeline: Arc::clone(&pipeline),
            describer: Arc::clone(&describer),
            hearing: Arc::clone(&hearing),
            clock: clock.clone(),
            lifecycle: Arc::clone(&lifecycle),
        };
        let reconciler = Reconciler {
            runs: Arc::clone(&runs),
            describer,
            hearing: Arc::clone(&hearing),
            corrections: Arc::clone(&corrections),
            counters: Arc::clone(&counters),
            clock: clock.clone(),
            poll: config.poll,
            lifecycle: Arc::clone(&lifecycle),
        };
        // Requests and operators.
        let admission = Arc::new(Admission {
            runs: Arc::clone(&runs),
            pipeline: Arc::clone(&pipeline),
            waiting: Arc::clone(&waiting),
            lookup: Arc::clone(&lookup),
            store: Arc::clone(&ports.store),
            store_health: Arc::clone(&store_health),
            ids: ports.ids.clone(),
            clock: clock.clone(),
            counters: Arc::clone(&counters),
            lifecycle: Arc::clone(&lifecycle),
        });
        let redrive = Redrive::new(
            Arc::clone(&runs),
            Arc::clone(&pipeline),
            Arc::clone(&waiting),
            Arc::clone(&retention),
            Arc::clone(&ports.store),
            Arc::clone(&lifecycle),
        );
        let limits_control = Arc::new(LimitsControl::new(
            Arc::clone(&limits),
            Arc::clone(&breakers),
            Arc::clone(&pipeline),
            clock.clone(),
            wake,
        ));
        // Queues.
        let events_handler: Arc<dyn Handler> =
            Arc::new(EventsHandler { events, hearing: Arc::clone(&hearing), lifecycle: Arc::clone(&lifecycle) });
        let requests_handler: Arc<dyn Handler> =
            Arc::new(RequestsHandler { admission: Arc::clone(&admission), dlq: ports.requests_dlq.clone() });
        let mut receivers = Vec::new();
        let mut queues = Vec::new();
        for (kind, queue, handler, health) in [
            (QueueKind::Events, ports.events, events_handler, events_health),
            (QueueKind::Requests, ports.requests, requests_handler, requests_health),
        ] {
            let Some(queue) = queue else { continue };
            queues.push((kind.queue(), Arc::clone(&health)));
            for _ in 0..config.receivers.max(1) {
                receivers.push(Receiver {
                    kind,
                    queue: Arc::clone(&queue),
                    handler: Arc::clone(&handler),
                    health: Arc::clone(&health),
                    lifecycle: Arc::clone(&lifecycle),
                });
            }
        }
        let readiness =
            Readiness { queues, store: store_health, run_task: run_task_health, lifecycle: Arc::clone(&lifecycle) };
        let parts = Parts {
            name: config.name,
            began_at: clock.now(),
            clock,
            lifecycle,
            runs,
            pipeline,
            waiting,
            governor,
            limits,
            breakers,
            admission,
            redrive,
            limits_control,
            delivery,
            lookup,
            feed,
            stats,
            counters,
            readiness,
        };
        Built {
            parts,
            retention,
            stops,
            launcher,
            stopper,
            committer: (committer, commits),
            timekeeper,
            reconciler,
            corrections,
            hearing,
            receivers,
            store: ports.store,
        }
    }
}

impl Built {
    /// Starts what works on its own.
    fn start(self) -> Parts {
        let parts = self.parts;
        let (lifecycle, clock) = (&parts.lifecycle, || parts.clock.clone());
        let (committer, commits) = self.committer;
        lifecycle.spawn(committer.run(commits));
        lifecycle.spawn_launch(self.launcher.run());
        lifecycle.spawn(self.stopper.run());
        lifecycle.spawn(self.timekeeper.run());
        lifecycle.spawn(time_probes(Arc::clone(&parts.breakers), clock(), Arc::clone(lifecycle)));
        lifecycle.spawn(self.reconciler.run());
        let counters = || Arc::clone(&parts.counters);
        lifecycle.spawn(count_corrections(self.corrections, self.hearing, counters(), clock(), Arc::clone(lifecycle)));
        lifecycle.spawn(expire_all(self.retention, self.store, clock(), Arc::clone(lifecycle)));
        lifecycle.spawn(sample_counters(counters(), Arc::clone(&parts.stats), clock(), Arc::clone(lifecycle)));
        self.receivers.into_iter().for_each(|receiver| lifecycle.spawn_receiver(receiver.run()));
        parts
    }
}
