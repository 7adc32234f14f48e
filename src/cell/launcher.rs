//! Gives waiting runs their slots and calls RunTask: intent committed first, the same token until there is an answer.

use std::collections::BTreeMap;
use std::sync::atomic::Ordering;
use std::sync::{Arc, PoisonError};
use std::time::Duration;

use futures::future::join_all;
use sha2::{Digest, Sha256};
use uuid::Uuid;

use super::Inner;
use super::ports::{CallError, RunTaskAnswer, RunTaskCall};
use super::queue::GroupKey;
use crate::core::failure::Failure;
use crate::core::machine::Input;
use crate::core::run::Run;
use crate::core::run_task::RunTask;

/// RunTask calls under way at once.
pub(super) const CALLS_AT_ONCE: usize = 32;
const FIRST_WAIT: Duration = Duration::from_secs(1);
const LONGEST_WAIT: Duration = Duration::from_secs(30);

impl Inner {
    /// Puts a run whose attempt waits into the launch queue.
    pub(super) fn enqueue(&self, id: Uuid) {
        let place = self.registry.read(id, |run| (run.spec.queue.clone(), run.spec.priority, group_key(run)));
        if let Some((queue, priority, key)) = place {
            self.queue.lock().unwrap_or_else(PoisonError::into_inner).push(&queue, priority, id, key);
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
                    biased;
                    () = self.draining.cancelled() => return,
                    () = self.slot_free.notified() => continue,
                    () = tokio::time::sleep(FIRST_WAIT) => continue,
                }
            }
            let group = self.queue.lock().unwrap_or_else(PoisonError::into_inner).take(room);
            if group.is_empty() {
                tokio::select! {
                    biased;
                    () = self.draining.cancelled() => return,
                    () = self.queued.notified() => continue,
                }
            }
            self.leaving.fetch_add(group.len(), Ordering::AcqRel);
            tokio::select! {
                biased;
                () = self.draining.cancelled() => return,
                () = self.governor.acquire(group.len()) => {}
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
        self.config.max_in_flight.saturating_sub(taken)
    }

    /// One RunTask call for these runs.
    async fn launch(&self, group: Vec<Uuid>) {
        let call_of = |run: &Run| run.attempt().map(|a| (run.id, a.number, a.call));
        let calls: Vec<_> = group.iter().filter_map(|id| self.registry.read(*id, call_of).flatten()).collect();
        let group_size = u32::try_from(group.len()).unwrap_or(1);
        let token = token(&self.config.name, &calls);
        let intents = group.iter().map(|id| async {
            let made = self.advance(*id, Input::Launching { token: token.clone(), group_size }).await?;
            // A run that was stopped meanwhile is no longer launched.
            made.durable().await?.then_some(*id)
        });
        let members: Vec<Uuid> = join_all(intents).await.into_iter().flatten().collect();
        self.leaving.fetch_sub(group.len(), Ordering::AcqRel);
        if !members.is_empty() {
            self.call(&members, &token).await;
        }
    }

    /// Calls RunTask for members whose token is committed, until AWS has said yes or no, events have told of every task,
    /// or the token may be forgotten. Also after a restart.
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
            if !members.iter().any(|id| self.is_launching(*id, token)) {
                return;
            }
            if !self.token_is_sure(members, token) {
                return self.look_for(members, token).await;
            }
            self.counters.launches.add(1);
            match self.ports.ecs.run_task(&call).await {
                Ok(answer) => {
                    self.governor.succeeded();
                    return self.settle(members, token, answer).await;
                }
                Err(CallError::Conflict(arns)) => {
                    let task = |arn: String| crate::core::task::Task { task_arn: arn.into(), ..Default::default() };
                    let tasks = arns.into_iter().map(task).collect();
                    return self.settle(members, token, RunTaskAnswer { tasks, failures: Vec::new() }).await;
                }
                Err(CallError::Refused(failure)) => return self.refuse(members, &failure).await,
                Err(CallError::Throttled(why)) => {
                    self.counters.throttles.add(1);
                    self.governor.throttled();
                    tracing::debug!(why, "RunTask was throttled");
                    tokio::select! {
                        biased;
                        () = self.ended.cancelled() => return,
                        () = self.governor.acquire(members.len()) => {}
                    }
                }
                Err(CallError::Unknown(why)) => {
                    tracing::warn!(why, token, "RunTask gave no answer; it is sent again with the same token");
                    tokio::select! {
                        biased;
                        () = self.ended.cancelled() => return,
                        () = tokio::time::sleep(wait) => {}
                    }
                    wait = (wait * 2).min(LONGEST_WAIT);
                }
            }
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

    async fn refuse(&self, members: &[Uuid], failure: &Failure) {
        for id in members {
            self.advance(*id, Input::Refused(failure.clone())).await;
        }
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

/// `clientToken`: a function of the cell, and of each run, attempt and call that it stands for. 40 hex digits; ECS takes
/// 64 of ASCII 33-126. All of them count: a crash may leave some members with the token committed and others without,
/// and those are launched anew, by another call.
fn token(cell: &str, calls: &[(Uuid, u32, u32)]) -> String {
    let mut digest = Sha256::new();
    digest.update(cell.as_bytes());
    for (run, attempt, call) in calls {
        digest.update(format!("|{run}|{attempt}|{call}").as_bytes());
    }
    digest.finalize().iter().take(20).map(|byte| format!("{byte:02x}")).collect()
}
