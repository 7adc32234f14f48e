//! The process: one life of the cell after another, killed, restarted, and asked things by users.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use taskwatch::cell::{Cell, CellConfig, Clock, Ids, Ports, SubmitError, Submitted};
use taskwatch::core::breaker::BreakerRules;
use taskwatch::core::notification::Destinations;
use taskwatch::core::request::RunRequest;
use taskwatch::core::time::Timestamp;
use taskwatch::store::Store;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use super::agenda::Act;
use super::others::policies;
use super::plan::{HOUR, Plan};
use super::ports::{Dlq, Life, Line};
use super::queue::Which;
use super::world::World;
use super::{table, watch};

/// How long a world may take to settle once nothing goes wrong any more.
const LONGEST_REST: u64 = 72 * HOUR;
const DRAIN: Duration = Duration::from_secs(8);

/// The process that lives now, if one does.
pub(super) struct Process {
    world: Arc<World>,
    now: Mutex<Option<(Cell, Life)>>,
    restart: Notify,
    ids: Ids,
}

/// Lives a world to its end.
pub(super) async fn live(world: &Arc<World>) {
    let seed = world.state().plan.seed;
    let process = Arc::new(Process {
        world: Arc::clone(world),
        now: Mutex::new(None),
        restart: Notify::new(),
        ids: Ids::seeded(seed),
    });
    let done = CancellationToken::new();
    let agenda = tokio::spawn(Arc::clone(&process).carry_out());
    let lives = tokio::spawn(Arc::clone(&process).live_on(done.clone()));
    let watch = tokio::spawn(Arc::clone(&process).watch());
    let settled = process.settle().await;
    watch.abort();
    process.counted();
    let sizes = process.now().map(|(cell, _)| cell.sizes());
    agenda.abort();
    done.cancel();
    let _ = lives.await;
    let mut state = world.state();
    if !settled {
        state.audit_unsettled();
    }
    state.audit(sizes.filter(|_| settled));
}

fn config(plan: &Plan, life: u64) -> CellConfig {
    CellConfig {
        observe: policies(plan, life),
        destinations: Destinations {
            topic: Some("arn:aws:sns:x:1:t".into()),
            bus: Some("default".into()),
            ..Destinations::default()
        },
        run_task_rate: plan.rate,
        run_task_burst: 100,
        max_in_flight: plan.max_in_flight,
        max_queued: plan.max_queued,
        receivers: plan.receivers,
        reconcile_after: Duration::from_millis(plan.reconcile_after),
        keep_finished: plan.keep_finished,
        breaker: BreakerRules { failures: plan.breaker, ..BreakerRules::default() },
        ..CellConfig::new("sim")
    }
}

impl Process {
    fn now(&self) -> Option<(Cell, Life)> {
        self.now.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn set(&self, now: Option<(Cell, Life)>) {
        *self.now.lock().unwrap_or_else(PoisonError::into_inner) = now;
    }

    /// Whether everything came to its end.
    async fn settle(&self) -> bool {
        let (horizon, last) = {
            let state = self.world.state();
            (state.instant(state.plan.horizon), state.instant(state.plan.horizon + LONGEST_REST))
        };
        tokio::time::sleep_until(horizon).await;
        while tokio::time::Instant::now() < last {
            tokio::time::sleep(Duration::from_secs(30)).await;
            if self.world.state().is_settled() {
                // What the last commits led to.
                tokio::time::sleep(Duration::from_secs(60)).await;
                return self.world.state().is_settled();
            }
        }
        false
    }

    /// Adds up what this life counted.
    fn counted(&self) {
        if let Some((cell, _)) = self.now() {
            self.world.state().watch.corrections += cell.counters().corrections.get();
        }
    }

    /// Looks again and again whether deadlines are kept.
    async fn watch(self: Arc<Self>) {
        loop {
            tokio::time::sleep(Duration::from_millis(watch::EVERY)).await;
            if self.now().is_some() {
                self.world.state().check_deadlines();
            }
        }
    }

    /// One life after another.
    async fn live_on(self: Arc<Self>, done: CancellationToken) {
        loop {
            let life = Life { world: Arc::clone(&self.world), dead: CancellationToken::new() };
            let Some(cell) = self.begin(&life).await else { continue };
            self.set(Some((cell.clone(), life.clone())));
            tokio::select! {
                biased;
                () = life.dead.cancelled() => {}
                () = done.cancelled() => {
                    cell.drain(DRAIN).await;
                    return;
                }
                () = self.restart.notified() => {
                    self.world.state().note(None, "process: is asked to end".into());
                    tokio::select! {
                        biased;
                        () = life.dead.cancelled() => {}
                        () = cell.drain(DRAIN) => {}
                    }
                }
            }
            self.counted();
            self.set(None);
            life.dead.cancel();
            // What is left of it ends; nothing that it does reaches the world any more.
            tokio::spawn(async move { cell.drain(Duration::ZERO).await });
            self.rest().await;
        }
    }

    async fn rest(&self) {
        let down = {
            let mut state = self.world.state();
            let longest = if state.now() < state.plan.horizon { state.plan.longest_down } else { 0 };
            1_000 + state.between(0, longest)
        };
        tokio::time::sleep(Duration::from_millis(down)).await;
    }

    async fn begin(&self, life: &Life) -> Option<Cell> {
        let (config, wall) = {
            let mut state = self.world.state();
            state.note(None, "process: begins".into());
            state.lives += 1;
            (config(&state.plan, state.lives), state.start + state.now() as i64)
        };
        let clock = Clock::starting_at(Timestamp::from_millis(wall));
        self.world.state().clock = Some(clock.clone());
        let on_table = self.world.state().plan.on_table;
        let store: Arc<dyn Store> = if on_table {
            tokio::select! {
                biased;
                () = life.dead.cancelled() => return None,
                opened = table::open(life, &clock) => Arc::new(opened),
            }
        } else {
            Arc::new(life.clone())
        };
        let ports = Ports {
            ecs: Arc::new(life.clone()),
            events: Some(Arc::new(Line(life.clone(), Which::Events))),
            requests: Some(Arc::new(Line(life.clone(), Which::Requests))),
            requests_dlq: Some(Arc::new(Dlq(life.clone()))),
            launchers: Some(Arc::new(life.clone())),
            notifier: Arc::new(life.clone()),
            store,
            clock: clock.clone(),
            ids: self.ids.clone(),
        };
        tokio::select! {
            biased;
            () = life.dead.cancelled() => None,
            cell = Cell::start(config, ports) => Some(cell.expect("a cell")),
        }
    }

    /// Carries out the agenda.
    async fn carry_out(self: Arc<Self>) {
        loop {
            let (due, next) = {
                let mut state = self.world.state();
                let now = state.now();
                (state.agenda.pop(now), state.agenda.next_at().map(|at| state.instant(at)))
            };
            match (due, next) {
                (Some(act), _) => self.carry_out_one(act),
                (None, None) => self.world.moved.notified().await,
                (None, Some(next)) => tokio::select! {
                    biased;
                    () = self.world.moved.notified() => {}
                    () = tokio::time::sleep_until(next) => {}
                },
            }
        }
    }

    fn carry_out_one(self: &Arc<Self>, act: Act) {
        match act {
            Act::Task { task, epoch, step } => self.world.state().go_on(task, epoch, step),
            Act::Deliver(body) => {
                let mut state = self.world.state();
                let now = state.now();
                state.events.put(now, body);
                self.world.came(Which::Events).notify_waiters();
            }
            Act::Submit { request, other } => self.submit(request, other),
            Act::Stop(request) => drop(tokio::spawn(Arc::clone(self).stop(request))),
            Act::Redrive(request) => drop(tokio::spawn(Arc::clone(self).redrive(request))),
            Act::Suspend(long) => self.suspend(long),
            Act::Launch(launcher) => self.world.state().launch_of_others(launcher),
            Act::LateTask(call) => self.world.state().late_task(call),
            Act::StopOfOthers(task) => self.world.state().begin_stop(task, "Task stopped by a person"),
            Act::Crash => {
                if let Some((_, life)) = self.now() {
                    self.world.state().note(None, "process: is killed".into());
                    life.dead.cancel();
                }
            }
            Act::Restart => {
                if self.now().is_some() {
                    self.restart.notify_one();
                }
            }
        }
    }

    /// The world goes on, and nothing of this machine does: all that happens meanwhile happens before any other task of this
    /// runtime comes to its turn.
    fn suspend(self: &Arc<Self>, long: u64) {
        let until = {
            let mut state = self.world.state();
            state.note(None, format!("process: the machine sleeps for {long} ms"));
            state.now() + long
        };
        loop {
            let act = {
                let mut state = self.world.state();
                let next = state.agenda.next_at().filter(|at| *at <= until);
                let passed = next.unwrap_or(until).saturating_sub(state.now());
                state.slept += passed;
                if let Some(clock) = &state.clock {
                    clock.sleep_through(Duration::from_millis(passed));
                }
                next.and_then(|at| state.agenda.pop(at))
            };
            match act {
                // It sleeps already.
                Some(Act::Suspend(_)) => {}
                Some(act) => self.carry_out_one(act),
                None => break,
            }
        }
        self.world.state().note(None, "process: the machine wakes".into());
        for which in [Which::Events, Which::Requests] {
            self.world.came(which).notify_waiters();
        }
    }

    fn submit(self: &Arc<Self>, request: usize, other: bool) {
        let mut state = self.world.state();
        if state.fleet.orders[request].by_queue {
            state.order_by_queue(request, other);
            self.world.came(Which::Requests).notify_waiters();
        } else {
            state.fleet.under_way += 1;
            let order = &state.fleet.orders[request];
            let body = if other { order.other.clone() } else { order.body.clone() };
            drop(tokio::spawn(Arc::clone(self).order(request, body)));
        }
    }

    /// A user who sends a request over HTTP until there is an answer.
    async fn order(self: Arc<Self>, order: usize, body: String) {
        let request = RunRequest::parse(&body).expect("a request");
        loop {
            let answer = self.ask(request.clone()).await;
            if self.hear(order, &request, answer.as_ref()) {
                return;
            }
            let wait = self.world.state().between(1_000, 20_000);
            tokio::time::sleep(Duration::from_millis(wait)).await;
        }
    }

    /// Whether the user has the answer that counts.
    fn hear(&self, order: usize, request: &RunRequest, answer: Option<&Result<Submitted, SubmitError>>) -> bool {
        let mut state = self.world.state();
        state.note(Some(order), format!("user: sends order {order}: {}", said(answer)));
        match answer {
            Some(Ok(submitted)) => {
                let name = request.name.clone().unwrap_or_default();
                state.check_accepted(&name, request);
                if submitted.runs.len() != request.count.unwrap_or(1) as usize {
                    state.violate(Some(order), format!("{name}: the answer has {} runs", submitted.runs.len()));
                }
            }
            Some(Err(SubmitError::NameConflict(_))) => state.check_conflict(order, request.digest()),
            Some(Err(_)) | None => return false,
        }
        state.fleet.under_way -= 1;
        true
    }

    /// One try; `None`: no answer came, or nobody waited for it.
    async fn ask(&self, request: RunRequest) -> Option<Result<Submitted, SubmitError>> {
        let (cell, life) = self.now()?;
        let (patience, lost) = {
            let mut state = self.world.state();
            let short = state.fault(0.1);
            let lost = state.plan.answer_lost;
            (if short { state.between(1, 30) } else { 30_000 }, state.fault(lost))
        };
        let answer = tokio::select! {
            biased;
            () = life.dead.cancelled() => None,
            answer = tokio::time::timeout(Duration::from_millis(patience), cell.submit(request)) => answer.ok(),
        };
        answer.filter(|_| !lost)
    }

    async fn redrive(self: Arc<Self>, order: usize) {
        let Some((cell, life)) = self.now() else { return };
        let name = self.world.state().fleet.orders[order].name().map(str::to_owned);
        let Some(name) = name else { return };
        self.world.state().note(Some(order), format!("user: redrives {name}"));
        let redrives = async {
            for run in cell.find(&name).await.unwrap_or_default().iter().filter(|run| run.can_be_redriven()) {
                let _ = cell.redrive(run.id).await;
            }
        };
        tokio::select! {
            biased;
            () = life.dead.cancelled() => {}
            () = redrives => {}
        }
    }

    async fn stop(self: Arc<Self>, order: usize) {
        let Some((cell, life)) = self.now() else { return };
        let name = self.world.state().fleet.orders[order].name().map(str::to_owned);
        let Some(name) = name else { return };
        self.world.state().note(Some(order), format!("user: stops {name}"));
        let stops = async {
            for run in cell.find(&name).await.unwrap_or_default() {
                cell.stop(run.id, "enough").await;
            }
        };
        tokio::select! {
            biased;
            () = life.dead.cancelled() => {}
            () = stops => {}
        }
    }
}

fn said(answer: Option<&Result<Submitted, SubmitError>>) -> String {
    match answer {
        None => "no answer".into(),
        Some(Ok(submitted)) => format!("accepted, existing: {}", submitted.existing),
        Some(Err(error)) => error.to_string(),
    }
}
