//! Which part knows which: the state first, then those who work on it.

use std::collections::BTreeMap;
use std::sync::Arc;

use tokio::sync::{Notify, mpsc};

use super::effects::Effects;
use super::parts::Parts;
use crate::cell::admit::{Admission, RequestsHandler};
use crate::cell::clock::Clock;
use crate::cell::commit::{Commit, Committer, Gathering, Pipeline, PipelineParts, Retention};
use crate::cell::config::{CellConfig, Ports};
use crate::cell::control::{BreakerControl, EffectiveLimits, LimitOverrides};
use crate::cell::definitions::Definitions;
use crate::cell::deliver::{Delivery, DeliveryParts};
use crate::cell::follow::{Corrections, Deciders, Describer, EventsHandler, Reconciler, TaskEvents, Timekeeper};
use crate::cell::health::DependencyHealth;
use crate::cell::launch::{
    Assignments, CallBuilder, Caller, Doubt, Governor, Launcher, Quota, QuotaPart, Reach, Reads, Slots, StopQueue,
    Stopper, WaitReasons, WaitingRuns,
};
use crate::cell::lifecycle::Lifecycle;
use crate::cell::observe::{Observer, ObserverParts, RepeatParts};
use crate::cell::operate::{LIMITS_NOTE, LimitsControl, Orders, Redrive};
use crate::cell::readiness::{QueuesHealth, Readiness};
use crate::cell::receive::{Bounds, Handler, QueueKind, Receiving};
use crate::cell::runs::RunIndex;
use crate::cell::shared::Shared;
use crate::cell::view::{Counters, Counting, Feed, Lookup, Stats};
use crate::cell::watermark::EventWatermark;
use crate::core::notification::Origin;
use crate::store::Store;

/// Messages in hand, at most. At 10,000 events a second as many are received, made durable and deleted within 0.2 s.
const EVENTS_IN_HAND: usize = 2000;
/// Each may have 10,000 runs.
const REQUESTS_IN_HAND: usize = 100;

/// A cell that is put together and does not work yet.
pub(super) struct Built {
    pub(super) parts: Parts,
    pub(super) retention: Arc<Retention>,
    pub(super) stops: Arc<StopQueue>,
    pub(super) launcher: Arc<Launcher>,
    pub(super) stopper: Arc<Stopper>,
    pub(super) committer: (Committer, mpsc::Receiver<Commit>),
    pub(super) timekeeper: Timekeeper,
    pub(super) reconciler: Reconciler,
    pub(super) corrections: Arc<Corrections>,
    pub(super) watermark: Arc<EventWatermark>,
    pub(super) receiving: Vec<Arc<Receiving>>,
    pub(super) store: Arc<dyn Store>,
}

/// The state of a cell, which everything else works on.
pub(super) struct Builder {
    config: CellConfig,
    ports: Ports,
    clock: Clock,
    origin: Origin,
    runs: Arc<RunIndex>,
    lifecycle: Arc<Lifecycle>,
    feed: Arc<Feed>,
    stats: Arc<Stats>,
    counters: Arc<Counters>,
    wake: Arc<Notify>,
    gathering: Arc<Gathering>,
    watermark: Arc<EventWatermark>,
    limits: Arc<EffectiveLimits>,
    breakers: Arc<BreakerControl>,
    governor: Arc<Governor>,
    part: Arc<QuotaPart>,
    waiting: Arc<WaitingRuns>,
    stops: Arc<StopQueue>,
    corrections: Arc<Corrections>,
    retention: Arc<Retention>,
    lookup: Arc<Lookup>,
    store_health: Arc<DependencyHealth>,
    run_task_health: Arc<DependencyHealth>,
    reach: Arc<Reach>,
}

/// What launching is made of, and what follows tasks shares with it.
struct Launching {
    launcher: Arc<Launcher>,
    stopper: Arc<Stopper>,
    assignments: Arc<Assignments>,
    definitions: Arc<Definitions>,
    reads: Arc<Reads>,
}

/// What follows tasks.
struct Following {
    events: Arc<TaskEvents>,
    timekeeper: Timekeeper,
    reconciler: Reconciler,
}

impl Builder {
    pub(super) fn new(
        config: CellConfig,
        ports: Ports,
        shared: Shared,
        notes: &BTreeMap<String, String>,
        index: RunIndex,
    ) -> Self {
        let span = match shared.is_one_of_several {
            true => tracing::info_span!("cell", name = config.name),
            false => tracing::Span::none(),
        };
        let clock = ports.clock.clone();
        let (name, account, region) = (config.name.clone(), config.account.clone(), config.region.clone());
        let origin = Origin { cell: name, account, region };
        let runs = Arc::new(index);
        let (wake, counters) = (Arc::<Notify>::default(), Arc::<Counters>::default());
        let overrides = match &shared.limits {
            Some(fleet) => fleet.overrides().clone(),
            None => LimitOverrides::read(notes.get(LIMITS_NOTE)),
        };
        let limits = Arc::new(EffectiveLimits::new(&config, overrides));
        let store_health = Arc::<DependencyHealth>::default();
        let told = (origin.clone(), config.destinations.clone());
        let breakers =
            Arc::new(BreakerControl::new(config.breaker, notes, Arc::clone(&wake), Arc::clone(&counters), told));
        let tasks = (limits.current().run_task_rate, limits.current().run_task_burst);
        let quota = shared.quota.unwrap_or_else(|| Quota::new(tasks, config.call_rates, config.describe_share));
        let part = Arc::new(quota.part(&config.name, Arc::clone(&wake)));
        Self {
            governor: quota.governor(),
            waiting: Arc::new(WaitingRuns::new(
                Arc::clone(&runs),
                Arc::clone(&limits),
                Arc::clone(&breakers),
                (Arc::clone(&wake), Arc::clone(&part)),
                config.max_queued,
            )),
            watermark: Arc::new(EventWatermark::new(clock.clone(), ports.events.is_some(), Arc::clone(&store_health))),
            retention: Arc::new(Retention::new(Arc::clone(&runs), config.keep_finished, config.keep)),
            lookup: Arc::new(Lookup::new(Arc::clone(&runs), Arc::clone(&ports.store))),
            lifecycle: Arc::new(Lifecycle::new(shared.lease, span)),
            feed: Arc::default(),
            stats: Arc::default(),
            part,
            stops: Arc::default(),
            corrections: Arc::default(),
            store_health,
            run_task_health: Arc::default(),
            reach: Arc::default(),
            config,
            ports,
            clock,
            origin,
            runs,
            counters,
            wake,
            gathering: Arc::default(),
            limits,
            breakers,
        }
    }

    pub(super) fn build(self, notes: &BTreeMap<String, String>) -> Built {
        let (pipeline, commits) = self.pipeline();
        let delivery = self.delivery(&pipeline);
        let committer = self.committer(&pipeline, &delivery);
        let launching = self.launching(&pipeline);
        let admission = self.admission(&pipeline);
        let observer = self.observer(&pipeline, &launching, &admission, notes);
        let following = self.following(&pipeline, &launching, &observer);
        let redrive = Arc::new(Redrive::new(
            Arc::clone(&self.runs),
            Arc::clone(&pipeline),
            Arc::clone(&self.waiting),
            Arc::clone(&self.retention),
            Arc::clone(&self.ports.store),
            Arc::clone(&self.lifecycle),
        ));
        let orders =
            Orders { runs: Arc::clone(&self.runs), pipeline: Arc::clone(&pipeline), redrive: Arc::clone(&redrive) };
        let (receiving, queues) = self.receiving((following.events, Arc::new(orders)), &admission);
        let readiness = Readiness {
            queues,
            store: self.store_health,
            run_task: self.run_task_health,
            lifecycle: Arc::clone(&self.lifecycle),
        };
        let limits_control = LimitsControl::new(
            Arc::clone(&self.limits),
            Arc::clone(&self.breakers),
            Arc::clone(&pipeline),
            self.clock.clone(),
            self.wake,
        );
        let wait_reasons = WaitReasons {
            limits: Arc::clone(&self.limits),
            breakers: Arc::clone(&self.breakers),
            runs: Arc::clone(&self.runs),
            waiting: Arc::clone(&self.waiting),
            governor: Arc::clone(&self.governor),
            clock: self.clock.clone(),
        };
        let counting = Counting::new(Arc::clone(&self.runs), Arc::clone(&self.ports.store));
        let parts = Parts {
            name: self.config.name,
            began_at: self.clock.now(),
            clock: self.clock,
            lifecycle: self.lifecycle,
            runs: self.runs,
            pipeline,
            waiting: self.waiting,
            governor: self.governor,
            limits: self.limits,
            breakers: self.breakers,
            admission,
            redrive,
            limits_control: Arc::new(limits_control),
            reads: launching.reads,
            delivery,
            lookup: self.lookup,
            counting,
            wait_reasons,
            feed: self.feed,
            stats: self.stats,
            counters: self.counters,
            readiness,
            reach: self.reach,
            observer,
        };
        Built {
            parts,
            retention: self.retention,
            stops: self.stops,
            launcher: launching.launcher,
            stopper: launching.stopper,
            committer: (committer, commits),
            timekeeper: following.timekeeper,
            reconciler: following.reconciler,
            corrections: self.corrections,
            watermark: self.watermark,
            receiving,
            store: self.ports.store,
        }
    }

    fn pipeline(&self) -> (Arc<Pipeline>, mpsc::Receiver<Commit>) {
        let (pipeline, commits) = Pipeline::new(PipelineParts {
            runs: Arc::clone(&self.runs),
            stats: Arc::clone(&self.stats),
            breakers: Arc::clone(&self.breakers),
            clock: self.clock.clone(),
            origin: self.origin.clone(),
            destinations: self.config.destinations.clone(),
            wake_launcher: Arc::clone(&self.wake),
        });
        (Arc::new(pipeline), commits)
    }

    fn delivery(&self, pipeline: &Arc<Pipeline>) -> Arc<Delivery> {
        Arc::new(Delivery::new(DeliveryParts {
            cell: self.config.name.clone(),
            store: Arc::clone(&self.ports.store),
            notifier: Arc::clone(&self.ports.notifier),
            pipeline: Arc::clone(pipeline),
            runs: Arc::clone(&self.runs),
            counters: Arc::clone(&self.counters),
            clock: self.clock.clone(),
            lifecycle: Arc::clone(&self.lifecycle),
        }))
    }

    fn committer(&self, pipeline: &Arc<Pipeline>, delivery: &Arc<Delivery>) -> Committer {
        let followers = Effects {
            waiting: Arc::clone(&self.waiting),
            stops: Arc::clone(&self.stops),
            delivery: Arc::clone(delivery),
            pipeline: Arc::clone(pipeline),
            lifecycle: Arc::clone(&self.lifecycle),
        };
        Committer {
            store: Arc::clone(&self.ports.store),
            runs: Arc::clone(&self.runs),
            retention: Arc::clone(&self.retention),
            feed: Arc::clone(&self.feed),
            followers: Arc::new(followers),
            health: Arc::clone(&self.store_health),
            watermark: Arc::clone(&self.watermark),
            lifecycle: Arc::clone(&self.lifecycle),
            gathering: Arc::clone(&self.gathering),
        }
    }

    fn launching(&self, pipeline: &Arc<Pipeline>) -> Launching {
        let definitions = Arc::new(Definitions::new(Arc::clone(&self.ports.ecs)));
        let reads = Arc::new(Reads::new(Arc::clone(&self.governor), Arc::clone(&self.lifecycle)));
        let assignments = Arc::new(Assignments::new(
            Arc::clone(&self.runs),
            Arc::clone(pipeline),
            Arc::clone(&self.ports.store),
            Arc::clone(&self.governor),
            Arc::clone(&self.lifecycle),
        ));
        let slots = Arc::new(Slots::new(
            (Arc::clone(&self.governor), Arc::clone(&self.part)),
            Arc::clone(&self.limits),
            Arc::clone(&self.runs),
            (Arc::clone(&self.lifecycle), &self.wake),
        ));
        let launcher = Launcher {
            caller: self.caller(&definitions, &reads, &assignments, &slots),
            waiting: Arc::clone(&self.waiting),
            runs: Arc::clone(&self.runs),
            pipeline: Arc::clone(pipeline),
            slots,
            breakers: Arc::clone(&self.breakers),
            governor: Arc::clone(&self.governor),
            limits: Arc::clone(&self.limits),
            counters: Arc::clone(&self.counters),
            clock: self.clock.clone(),
            wake: Arc::clone(&self.wake),
            lifecycle: Arc::clone(&self.lifecycle),
        };
        let stopper = Stopper {
            queue: Arc::clone(&self.stops),
            ecs: Arc::clone(&self.ports.ecs),
            runs: Arc::clone(&self.runs),
            governor: Arc::clone(&self.governor),
            lifecycle: Arc::clone(&self.lifecycle),
        };
        Launching { launcher: Arc::new(launcher), stopper: Arc::new(stopper), assignments, definitions, reads }
    }

    fn caller(
        &self,
        definitions: &Arc<Definitions>,
        reads: &Arc<Reads>,
        assignments: &Arc<Assignments>,
        slots: &Arc<Slots>,
    ) -> Caller {
        let doubt = Doubt {
            cell: self.config.name.clone(),
            ecs: Arc::clone(&self.ports.ecs),
            runs: Arc::clone(&self.runs),
            assignments: Arc::clone(assignments),
            reads: Arc::clone(reads),
            watermark: Arc::clone(&self.watermark),
            clock: self.clock.clone(),
            lifecycle: Arc::clone(&self.lifecycle),
        };
        let requests = CallBuilder {
            cell: self.config.name.clone(),
            runs: Arc::clone(&self.runs),
            definitions: Arc::clone(definitions),
        };
        Caller {
            ecs: Arc::clone(&self.ports.ecs),
            runs: Arc::clone(&self.runs),
            requests,
            slots: Arc::clone(slots),
            governor: Arc::clone(&self.governor),
            assignments: Arc::clone(assignments),
            doubt,
            counters: Arc::clone(&self.counters),
            health: Arc::clone(&self.run_task_health),
            reach: Arc::clone(&self.reach),
            clock: self.clock.clone(),
            lifecycle: Arc::clone(&self.lifecycle),
        }
    }

    fn following(&self, pipeline: &Arc<Pipeline>, launching: &Launching, observer: &Arc<Observer>) -> Following {
        let events = Arc::new(TaskEvents {
            cell: self.config.name.clone(),
            began_at: self.clock.now(),
            runs: Arc::clone(&self.runs),
            pipeline: Arc::clone(pipeline),
            assignments: Arc::clone(&launching.assignments),
            deciders: Deciders::new(&self.runs, &launching.definitions, &self.lifecycle),
            stops: Arc::clone(&self.stops),
            foreign: Arc::clone(observer) as _,
            corrections: Arc::clone(&self.corrections),
            counters: Arc::clone(&self.counters),
            clock: self.clock.clone(),
        });
        let describer = Arc::new(Describer::new(
            Arc::clone(&self.ports.ecs),
            Arc::clone(&self.runs),
            Arc::clone(pipeline),
            Arc::clone(&events),
            Arc::clone(&launching.reads),
            (Arc::clone(&self.watermark), self.clock.clone()),
            Arc::clone(&self.lifecycle),
        ));
        let timekeeper = Timekeeper {
            runs: Arc::clone(&self.runs),
            pipeline: Arc::clone(pipeline),
            describer: Arc::clone(&describer),
            watermark: Arc::clone(&self.watermark),
            corrections: Arc::clone(&self.corrections),
            clock: self.clock.clone(),
            lifecycle: Arc::clone(&self.lifecycle),
        };
        let reconciler = Reconciler {
            runs: Arc::clone(&self.runs),
            describer,
            watermark: Arc::clone(&self.watermark),
            corrections: Arc::clone(&self.corrections),
            clock: self.clock.clone(),
            lifecycle: Arc::clone(&self.lifecycle),
        };
        Following { events, timekeeper, reconciler }
    }

    fn observer(
        &self,
        pipeline: &Arc<Pipeline>,
        launching: &Launching,
        admission: &Arc<Admission>,
        notes: &BTreeMap<String, String>,
    ) -> Arc<Observer> {
        let parts = ObserverParts {
            policies: self.config.observe.clone(),
            series: self.config.breaker,
            pipeline: Arc::clone(pipeline),
            definitions: Arc::clone(&launching.definitions),
            origin: self.origin.clone(),
            destinations: self.config.destinations.clone(),
            clock: self.clock.clone(),
        };
        let repeats = RepeatParts {
            ecs: Arc::clone(&self.ports.ecs),
            launchers: self.ports.launchers.clone(),
            admission: Arc::clone(admission),
            lookup: Arc::clone(&self.lookup),
            clock: self.clock.clone(),
            lifecycle: Arc::clone(&self.lifecycle),
        };
        Arc::new(Observer::new(parts, repeats, notes))
    }

    fn admission(&self, pipeline: &Arc<Pipeline>) -> Arc<Admission> {
        Arc::new(Admission {
            runs: Arc::clone(&self.runs),
            pipeline: Arc::clone(pipeline),
            waiting: Arc::clone(&self.waiting),
            lookup: Arc::clone(&self.lookup),
            store: Arc::clone(&self.ports.store),
            store_health: Arc::clone(&self.store_health),
            ids: self.ports.ids.clone(),
            clock: self.clock.clone(),
            counters: Arc::clone(&self.counters),
            lifecycle: Arc::clone(&self.lifecycle),
        })
    }

    /// The pipelines of the queues that there are, and the health of each.
    fn receiving(
        &self,
        (events, orders): (Arc<TaskEvents>, Arc<Orders>),
        admission: &Arc<Admission>,
    ) -> (Vec<Arc<Receiving>>, QueuesHealth) {
        let (watermark, store_health) = (Arc::clone(&self.watermark), Arc::clone(&self.store_health));
        let events: Arc<dyn Handler> =
            Arc::new(EventsHandler { events, orders, watermark, store_health, counters: Arc::clone(&self.counters) });
        let (admission, dlq) = (Arc::clone(admission), self.ports.requests_dlq.clone());
        let requests: Arc<dyn Handler> = Arc::new(RequestsHandler { admission, dlq });
        let (mut receiving, mut queues) = (Vec::new(), Vec::new());
        for (kind, queue, handler, messages) in [
            (QueueKind::Events, &self.ports.events, events, EVENTS_IN_HAND),
            (QueueKind::Requests, &self.ports.requests, requests, REQUESTS_IN_HAND),
        ] {
            let Some(queue) = queue else { continue };
            let health = Arc::<DependencyHealth>::default();
            queues.push((kind.queue(), Arc::clone(&health)));
            let bounds = Bounds { polls: self.config.receivers, messages };
            let (lifecycle, gathering) = (Arc::clone(&self.lifecycle), Arc::clone(&self.gathering));
            receiving.push(Receiving::new((Arc::clone(queue), kind), handler, health, bounds, (lifecycle, gathering)));
        }
        (receiving, queues)
    }
}
