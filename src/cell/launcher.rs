//! Gives waiting runs their slots and calls RunTask: intent committed first, the same token until there is an answer.

use std::collections::BTreeMap;
use std::sync::atomic::Ordering;
use std::sync::{Arc, PoisonError};
use std::time::Duration;

use futures::future::join_all;
use sha2::{Digest, Sha256};
use uuid::Uuid;

use super::Inner;
use super::place::Place;
use super::ports::{CallError, RunTaskAnswer, RunTaskCall};
use super::queue::GroupKey;
use crate::core::failure::{self, Class, Failure};
use crate::core::machine::Input;
use crate::core::run::{Run, Stage};
use crate::core::run_task::RunTask;

/// RunTask calls under way at once.
pub(super) const CALLS_AT_ONCE: usize = 32;
/// An hour less than the least that ECS remembers a clientToken.
const TOKEN_LIFE: Duration = Duration::from_secs(23 * 3600);
const FIRST_WAIT: Duration = Duration::from_secs(1);
const LONGEST_WAIT: Duration = Duration::from_secs(30);

impl Inner {
    /// Puts a run whose attempt waits into the launch queue.
    pub(super) fn enqueue(&self, id: Uuid) {
        let waits = |run: &Run| (Arc::clone(&run.spec), Place::of(run), group_key(run));
        if let Some((spec, place, key)) = self.registry.read(id, waits) {
            let mut queue = self.queue.lock().unwrap_or_else(PoisonError::into_inner);
            queue.push(&spec.queue, spec.priority, place, id, key);
            drop(queue);
            self.queued.notify_one();
        }
    }

    /// Runs that wait for a slot, by queue.
    pub(super) fn waiting_by_queue(&self) -> BTreeMap<String, usize> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner).by_queue()
    }

    /// Runs that wait for a slot.
    fn waiting(&self) -> usize {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner).len()
    }

    /// Whether as many wait as may.
    pub(super) fn is_full(&self) -> bool {
        self.waiting() >= self.config.max_queued
    }

    /// Launches what waits, as fast as the governor lets it, until the cell drains.
    pub(super) async fn launch_all(self: Arc<Self>) {
        loop {
            let room = self.room();
            if room == 0 {
                tokio::select! {
                    () = self.slot_free.notified() => continue,
                    () = tokio::time::sleep(FIRST_WAIT) => continue,
                    () = self.draining.cancelled() => return,
                }
            }
            let waits = |id| self.is_waiting(id);
            let group = self.queue.lock().unwrap_or_else(PoisonError::into_inner).take(room, |_, alike| alike, waits);
            let Some(group) = group else {
                tokio::select! {
                    () = self.queued.notified() => continue,
                    () = self.draining.cancelled() => return,
                }
            };
            tracing::trace!(place = ?group.place, runs = group.runs.len(), "leaving the launch queue");
            let group = group.runs;
            self.leaving.fetch_add(group.len(), Ordering::AcqRel);
            tokio::select! {
                () = self.governor.acquire(group.len()) => {}
                () = self.draining.cancelled() => return,
            }
            let Ok(permit) = Arc::clone(&self.calls).acquire_owned().await else { return };
            let cell = Arc::clone(&self);
            self.launches.spawn(async move {
                cell.launch(group).await;
                drop(permit);
            });
        }
    }

    /// How many more runs may have a task, those that have left the queue for their call counted.
    fn room(&self) -> usize {
        let taken = self.registry.live() + self.leaving.load(Ordering::Acquire);
        self.limits().max_in_flight.saturating_sub(taken)
    }

    /// One RunTask call for these runs.
    async fn launch(&self, group: Vec<Uuid>) {
        let Some(&first) = group.first() else { return };
        let call_of = |run: &Run| run.attempt().map_or((0, 0), |a| (a.number, a.call));
        let (attempt, call) = self.registry.read(first, call_of).unwrap_or_default();
        let group_size = u32::try_from(group.len()).unwrap_or(1);
        let token = token(&self.config.name, first, attempt, call);
        let intents = group.iter().map(|id| async {
            let made = self.advance(*id, Input::Launching { token: token.clone(), group_size }).await?;
            // A run that was stopped meanwhile is no longer launched.
            made.durable().await.then_some(*id)
        });
        let members: Vec<Uuid> = join_all(intents).await.into_iter().flatten().collect();
        self.leaving.fetch_sub(group.len(), Ordering::AcqRel);
        if !members.is_empty() {
            self.call(&members, &token).await;
        }
    }

    /// Calls RunTask for members whose token is committed, until AWS has said yes or no. Also after a restart.
    pub(super) async fn call(&self, members: &[Uuid], token: &str) {
        let Some(run_task) = self.run_task_of(members).await else { return };
        let call = RunTaskCall {
            run_task,
            count: u32::try_from(members.len()).unwrap_or(1),
            client_token: token.to_owned(),
            started_by: format!("{}/{token}", self.config.name),
        };
        self.note_waits(members);
        let mut wait = FIRST_WAIT;
        loop {
            self.counters.launches.add(1);
            match self.ports.ecs.run_task(&call).await {
                Ok(answer) => {
                    self.governor.succeeded();
                    return self.settle(members, answer).await;
                }
                Err(CallError::Conflict(arns)) => {
                    let task = |arn: String| crate::core::task::Task { task_arn: arn.into(), ..Default::default() };
                    let tasks = arns.into_iter().map(task).collect();
                    return self.settle(members, RunTaskAnswer { tasks, failures: Vec::new() }).await;
                }
                Err(CallError::Refused(failure)) => return self.refuse(members, &failure).await,
                Err(CallError::Throttled(why)) => {
                    self.counters.throttles.add(1);
                    self.governor.throttled();
                    tracing::debug!(why, "RunTask was throttled");
                    tokio::select! {
                        () = self.governor.acquire(members.len()) => {}
                        () = self.ended.cancelled() => return,
                    }
                }
                Err(CallError::Unknown(why)) => {
                    tracing::warn!(why, token, "RunTask gave no answer; it is sent again with the same token");
                    tokio::select! {
                        () = tokio::time::sleep(wait) => {}
                        () = self.ended.cancelled() => return,
                    }
                    wait = (wait * 2).min(LONGEST_WAIT);
                }
            }
        }
    }

    /// Takes up a call that an earlier process may have made. The same token again has the same effect for as long as
    /// ECS knows it: 24 hours at least (API reference, "Ensuring idempotency"). After that its tasks are looked for.
    pub(super) async fn recall(&self, members: &[Uuid], token: &str) {
        let Some(&first) = members.first() else { return };
        let launched =
            self.registry.read(first, |run| (run.attempt().and_then(|a| a.launched_at), run.cluster().to_owned()));
        let Some((Some(launched), cluster)) = launched else { return self.call(members, token).await };
        if self.ports.clock.now().since(launched) < TOKEN_LIFE {
            return self.call(members, token).await;
        }
        let started_by = format!("{}/{token}", self.config.name);
        let mut wait = FIRST_WAIT;
        let arns = loop {
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
    async fn settle(&self, members: &[Uuid], answer: RunTaskAnswer) {
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
                self.governor.throttled();
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
