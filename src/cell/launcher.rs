//! Gives waiting runs their slots and calls RunTask: intent committed first, the same token until there is an answer.

use std::collections::BTreeMap;
use std::sync::atomic::Ordering;
use std::sync::{Arc, MutexGuard, PoisonError};
use std::time::Duration;

use futures::future::join_all;
use sha2::{Digest, Sha256};
use uuid::Uuid;

use super::Inner;
use super::place::{Kind, Place};
use super::ports::{CallError, RunTaskAnswer, RunTaskCall};
use super::queue::{Group, GroupKey, LaunchQueue};
use super::slots::Slot;
use crate::core::failure::{self, Class, Failure};
use crate::core::machine::Input;
use crate::core::run::{Run, Stage};
use crate::core::run_task::RunTask;

/// An hour less than the least that ECS remembers a clientToken.
const TOKEN_LIFE: Duration = Duration::from_secs(23 * 3600);
const FIRST_WAIT: Duration = Duration::from_secs(1);
const LONGEST_WAIT: Duration = Duration::from_secs(30);

impl Inner {
    /// Puts a run whose attempt waits into the launch queue.
    pub(super) fn enqueue(&self, id: Uuid) {
        let waits = |run: &Run| (Arc::clone(&run.spec), Place::of(run), group_key(run));
        if let Some((spec, place, key)) = self.registry.read(id, waits) {
            self.launch_queue().push(&spec.queue, spec.priority, place, id, key);
            self.look_again.notify_one();
        }
    }

    pub(super) fn launch_queue(&self) -> MutexGuard<'_, LaunchQueue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Runs that wait for a slot, by queue.
    pub(super) fn waiting_by_queue(&self) -> BTreeMap<String, usize> {
        self.launch_queue().by_queue()
    }

    /// Whether as many wait as may, those on their way into the queue counted; or as many are open as may be, those
    /// that wait for a retry counted.
    pub(super) fn is_full(&self) -> bool {
        let waiting = self.launch_queue().len() + self.admitting.load(Ordering::Acquire);
        let most_open = self.config.max_queued.saturating_add(self.limits().max_in_flight);
        waiting >= self.config.max_queued || self.registry.open() >= most_open
    }

    /// Launches what waits, as fast as the governor lets it, until the cell drains.
    pub(super) async fn launch_all(self: Arc<Self>) {
        while !self.draining.is_cancelled() {
            let wait = match self.next_launch() {
                Ok((group, slot)) => {
                    let cell = Arc::clone(&self);
                    self.launches.spawn(async move { cell.launch(group, slot).await });
                    // A long row of launches must not keep the runtime from answering.
                    tokio::task::yield_now().await;
                    continue;
                }
                Err(wait) => wait,
            };
            tokio::select! {
                () = self.look_again.notified() => {}
                () = tokio::time::sleep(wait) => {}
                () = self.draining.cancelled() => {}
            }
        }
    }

    /// The runs whose turn it is, counted as leaving, with the right to launch them; or when to look again, unless told
    /// before.
    fn next_launch(&self) -> Result<(Group, Slot), Duration> {
        let room = self.room();
        let (mut slot, mut wait) = (None, LONGEST_WAIT);
        let admit = |place: &Place, alike| match self.slot(place, alike) {
            Ok(granted) => slot.insert(granted).grant.tasks,
            Err(longer) => {
                wait = wait.min(longer);
                0
            }
        };
        let group = self.launch_queue().take(room, admit, |id| self.is_waiting(id));
        let (group, slot) = group.zip(slot).ok_or(wait)?;
        self.leaving.fetch_add(group.runs.len(), Ordering::AcqRel);
        if group.place.kind == Kind::Provider {
            self.registry.provisions(&group.place.cluster, group.runs.len());
        }
        Ok((group, slot))
    }

    /// How many more runs may have a task, those that have left the queue for their call counted.
    fn room(&self) -> usize {
        let taken = self.registry.live() + self.leaving.load(Ordering::Acquire);
        self.limits().max_in_flight.saturating_sub(taken)
    }

    /// One RunTask call for these runs.
    async fn launch(&self, group: Group, slot: Slot) {
        let Group { place, runs } = group;
        let Some(&first) = runs.first() else { return };
        let call_of = |run: &Run| run.attempt().map_or((0, 0), |a| (a.number, a.call));
        let (attempt, call) = self.registry.read(first, call_of).unwrap_or_default();
        let group_size = u32::try_from(runs.len()).unwrap_or(1);
        let token = token(&self.config.name, first, attempt, call);
        let intents = runs.iter().map(|id| async {
            let made = self.advance(*id, Input::Launching { token: token.clone(), group_size }).await?;
            // A run that was stopped meanwhile is no longer launched.
            made.durable().await.then_some(*id)
        });
        let members: Vec<Uuid> = join_all(intents).await.into_iter().flatten().collect();
        self.leaving.fetch_sub(runs.len(), Ordering::AcqRel);
        if place.kind == Kind::Provider {
            self.registry.provisioned(&place.cluster, runs.len());
        }
        if members.len() < runs.len() {
            self.look_again.notify_one();
        }
        if !members.is_empty() {
            self.call(&members, &token, &place, slot).await;
        }
    }

    /// Calls RunTask for members whose token is committed, until AWS has said yes or no. Also after a restart.
    async fn call(&self, members: &[Uuid], token: &str, place: &Place, mut slot: Slot) {
        let Some(run_task) = self.run_task_of(members).await else { return };
        let call = RunTaskCall {
            run_task,
            count: u32::try_from(members.len()).unwrap_or(1),
            client_token: token.to_owned(),
            started_by: format!("{}/{token}", self.config.name),
        };
        self.note_waits(members);
        let (mut wait, mut throttled) = (FIRST_WAIT, 0);
        loop {
            self.counters.launches.add(1);
            slot.grant.sent(members.len());
            match self.ports.ecs.run_task(&call).await {
                Ok(answer) => {
                    self.governor.succeeded(place);
                    return self.settle(members, answer, place, slot).await;
                }
                Err(CallError::Conflict(arns)) => {
                    let task = |arn: String| crate::core::task::Task { task_arn: arn.into(), ..Default::default() };
                    let tasks = arns.into_iter().map(task).collect();
                    return self.settle(members, RunTaskAnswer { tasks, failures: Vec::new() }, place, slot).await;
                }
                Err(CallError::Refused(failure)) => return self.refuse(members, &failure).await,
                Err(CallError::Throttled(why)) => {
                    self.counters.throttles.add(1);
                    self.governor.throttled(place, &slot.grant, &why);
                    tracing::debug!(why, token, "RunTask was throttled");
                    throttled += 1;
                }
                Err(CallError::Unknown(why)) => {
                    tracing::warn!(why, token, "RunTask gave no answer; it is sent again with the same token");
                    throttled = 0;
                    tokio::select! {
                        () = tokio::time::sleep(wait) => {}
                        () = self.ended.cancelled() => return,
                    }
                    wait = (wait * 2).min(LONGEST_WAIT);
                }
            }
            // Others may call while this one waits.
            drop(slot);
            let Some(next) = self.slot_again(place, members.len(), token, throttled).await else { return };
            slot = next;
        }
    }

    /// Takes up a call that an earlier process may have made. The same token again has the same effect for as long as
    /// ECS knows it: 24 hours at least (API reference, "Ensuring idempotency"). After that its tasks are looked for.
    pub(super) async fn recall(&self, members: &[Uuid], token: &str) {
        let Some(&first) = members.first() else { return };
        let known = |run: &Run| {
            (run.attempt().and_then(|a| a.launched_at), Place::cluster_named(run).to_owned(), Place::of(run))
        };
        let Some((launched, cluster, place)) = self.registry.read(first, known) else { return };
        let age = launched.map(|at| self.ports.clock.now().since(at)).unwrap_or_default();
        if age < TOKEN_LIFE {
            let Some(slot) = self.slot_again(&place, members.len(), token, 0).await else { return };
            return self.call(members, token, &place, slot).await;
        }
        let started_by = format!("{}/{token}", self.config.name);
        let mut wait = FIRST_WAIT;
        let arns = loop {
            let Some(_call) = self.read_slot().await else { return };
            match self.ports.ecs.tasks_started_by(&cluster, &started_by).await {
                Ok(arns) => break arns,
                Err(error) => tracing::warn!(%error, token, "ListTasks gave no answer; it is asked again"),
            }
            tokio::select! {
                () = tokio::time::sleep(wait) => {}
                () = self.ended.cancelled() => return,
            }
            wait = (wait * 2).min(LONGEST_WAIT);
        };
        let _one_at_a_time = self.binding.lock().await;
        let mut arns = arns.into_iter();
        for id in members {
            let input = match arns.next() {
                Some(task_arn) => Input::Placed { task_arn, created_at: None },
                // Nothing of that call runs: it goes out anew, with a token of its own.
                None => Input::Deferred,
            };
            self.advance(*id, input).await;
        }
    }

    /// How long these attempts waited for their call: first ones and retries apart.
    fn note_waits(&self, members: &[Uuid]) {
        let now = self.ports.clock.now();
        for id in members {
            let waited = self.registry.read(*id, |run| run.attempt().and_then(|a| Some((a.number, a.queued_at?))));
            if let Some((number, queued)) = waited.flatten() {
                let waits = if number > 1 { &self.counters.retry_wait } else { &self.counters.first_wait };
                waits.record(now.since(queued));
            }
        }
    }

    /// Gives each task to a member that no event has given one, and refuses the rest.
    async fn settle(&self, members: &[Uuid], answer: RunTaskAnswer, place: &Place, slot: Slot) {
        let _one_at_a_time = self.binding.lock().await;
        let mut open: Vec<Uuid> = members.iter().copied().filter(|id| self.is_launching(*id)).collect();
        for task in answer.tasks.iter().filter(|t| self.registry.of_task(&t.task_arn).is_none()) {
            if open.is_empty() {
                tracing::warn!(task = %task.task_arn, "RunTask placed more tasks than were asked for");
                break;
            }
            let id = open.remove(0);
            let input = Input::Placed { task_arn: task.task_arn.to_string(), created_at: task.created_at };
            self.advance(id, input).await;
        }
        let mut failures = answer.failures.into_iter().cycle();
        for id in open {
            let (reason, detail) = failures.next().unwrap_or_default();
            let failure = failure::from_refusal(&reason, detail.as_deref());
            let throttled = failure.class == Class::Throttled;
            if throttled {
                self.governor.throttled(place, &slot.grant, &failure.cause);
            }
            self.advance(id, if throttled { Input::Deferred } else { Input::Refused(failure) }).await;
        }
    }

    async fn refuse(&self, members: &[Uuid], failure: &Failure) {
        for id in members {
            self.advance(*id, Input::Refused(failure.clone())).await;
        }
    }

    fn is_waiting(&self, id: Uuid) -> bool {
        self.registry.read(id, |run| run.attempt().is_some_and(|a| a.stage == Stage::Waiting)).unwrap_or(false)
    }

    pub(super) fn is_launching(&self, id: Uuid) -> bool {
        self.registry.read(id, |run| run.attempt().is_some_and(|a| a.stage == Stage::Launching)).unwrap_or(false)
    }

    /// The request of a group, placement and environment included. Its members are alike, or it has only one.
    async fn run_task_of(&self, members: &[Uuid]) -> Option<RunTask> {
        let first = *members.first()?;
        let (spec, placement, env) = self.registry.read(first, |run| {
            let placement = run.attempt().map_or(0, |a| a.placement);
            (Arc::clone(&run.spec), placement, env(run))
        })?;
        let run_task = match placement.checked_sub(1).and_then(|i| spec.placements.get(i)) {
            Some(over) => spec.run_task.at(over),
            None => spec.run_task.clone(),
        };
        if !spec.inject_env {
            return Some(run_task);
        }
        let containers = self.containers_of(run_task.task_definition()).await.unwrap_or_default();
        let names: Vec<String> = containers.iter().map(|c| c.name.clone()).collect();
        Some(run_task.with_env(&names, &env))
    }
}

fn env(run: &Run) -> Vec<(String, String)> {
    let attempt = run.attempt().map_or(1, |a| a.number);
    vec![
        ("TASKWATCH_RUN".into(), run.id.to_string()),
        ("TASKWATCH_ATTEMPT".into(), attempt.to_string()),
        ("TASKWATCH_ARRAY_INDEX".into(), run.index.to_string()),
    ]
}

/// Runs may share a call if they share the request and the placement, and nothing tells one from another.
fn group_key(run: &Run) -> Option<GroupKey> {
    let placement = run.attempt().map_or(0, |a| a.placement);
    (!run.spec.inject_env).then_some((Arc::as_ptr(&run.spec) as usize, placement))
}

/// `clientToken`: a function of cell, run, attempt and call. 40 hex digits; ECS takes 64 of ASCII 33-126.
fn token(cell: &str, run: Uuid, attempt: u32, call: u32) -> String {
    let digest = Sha256::digest(format!("{cell}|{run}|{attempt}|{call}").as_bytes());
    digest.iter().take(20).map(|byte| format!("{byte:02x}")).collect()
}
