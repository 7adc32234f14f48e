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
use crate::core::failure::Failure;
use crate::core::machine::Input;
use crate::core::run::{Run, Stage};
use crate::core::run_task::RunTask;

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
        self.is_full_with(0)
    }

    /// The same when so many more come.
    pub(super) fn is_full_with(&self, more: usize) -> bool {
        let waiting = self.launch_queue().len() + self.admitting.load(Ordering::Acquire) + more;
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
                biased;
                () = self.draining.cancelled() => {}
                () = self.look_again.notified() => {}
                () = tokio::time::sleep(wait) => {}
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
        let mut queue = self.launch_queue();
        let group = queue.take(room, admit, |id| self.is_waiting(id));
        if let Some(Group { place, runs, .. }) = group.as_ref().filter(|group| group.probe) {
            runs.iter().for_each(|run| queue.set_gate(self.send_probe(&place.definition, *run)));
        }
        drop(queue);
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
        let Group { place, runs, probe } = group;
        let call_of = |run: &Run| run.attempt().map(|a| (run.id, a.number, a.call));
        let calls: Vec<_> = runs.iter().filter_map(|id| self.registry.read(*id, call_of).flatten()).collect();
        let group_size = u32::try_from(runs.len()).unwrap_or(1);
        let token = token(&self.config.name, &calls);
        let intents = runs.iter().map(|id| async {
            let made = self.advance(*id, Input::Launching { token: token.clone(), group_size }).await?;
            // A run that was stopped meanwhile is no longer launched.
            made.durable().await?.then_some(*id)
        });
        let members: Vec<Uuid> = join_all(intents).await.into_iter().flatten().collect();
        self.leaving.fetch_sub(runs.len(), Ordering::AcqRel);
        if place.kind == Kind::Provider {
            self.registry.provisioned(&place.cluster, runs.len());
        }
        if members.len() < runs.len() {
            if probe {
                runs.iter().for_each(|run| self.no_probe(*run));
            }
            self.look_again.notify_one();
        }
        if !members.is_empty() {
            self.call(&members, &token, &place, slot).await;
        }
    }

    /// Calls RunTask for members whose token is committed, until AWS has said yes or no, events have told of every task,
    /// or the token may be forgotten. Also after a restart.
    pub(super) async fn call(&self, members: &[Uuid], token: &str, place: &Place, mut slot: Slot) {
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
            if !members.iter().any(|id| self.is_launching(*id, token)) {
                return;
            }
            if !self.token_is_sure(members, token) {
                drop(slot);
                return self.look_for(members, token).await;
            }
            self.counters.launches.add(1);
            slot.grant.sent(members.len());
            let answer = self.ports.ecs.run_task(&call).await;
            self.note_launching(&answer, members, token);
            match answer {
                Ok(answer) => {
                    self.governor.succeeded(place);
                    return self.settle(members, token, answer, place, slot).await;
                }
                Err(CallError::Conflict(arns)) => {
                    let task = |arn: String| crate::core::task::Task { task_arn: arn.into(), ..Default::default() };
                    let tasks = arns.into_iter().map(task).collect();
                    let answer = RunTaskAnswer { tasks, failures: Vec::new() };
                    return self.settle(members, token, answer, place, slot).await;
                }
                Err(CallError::Refused(failure)) => return self.refuse(members, &failure).await,
                Err(CallError::Throttled(why)) => {
                    self.counters.throttles.add(1);
                    self.governor.throttled(place, &slot.grant, &why);
                    tracing::debug!(runs = ?members, why, token, "RunTask was throttled");
                    throttled += 1;
                }
                Err(CallError::Unknown(_)) => {
                    throttled = 0;
                    tokio::select! {
                        biased;
                        () = self.ended.cancelled() => return,
                        () = tokio::time::sleep(wait) => {}
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

    /// Says that ECS does not answer when it begins and when it ends, not for each of thousands of calls.
    fn note_launching(&self, answer: &Result<RunTaskAnswer, CallError>, members: &[Uuid], token: &str) {
        match answer {
            Err(CallError::Unknown(why)) if self.launching.ill(why) == 1 => {
                tracing::warn!(runs = ?members, why, token, "RunTask gave no answer; it is sent again with the same token");
            }
            Err(CallError::Unknown(why)) => tracing::debug!(runs = ?members, why, token, "RunTask gave no answer"),
            _ => {
                if self.launching.well().is_some() {
                    tracing::info!("RunTask is answered again");
                }
            }
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

/// Runs may share a call if they are of one request and one placement, and nothing tells one from another. Equal requests
/// under other names do not, though they may share their spec after a restart: who of a call has which task is known by
/// the request's name ([`Inner::had_by_sibling`]).
fn group_key(run: &Run) -> Option<GroupKey> {
    let placement = run.attempt().map_or(0, |a| a.placement);
    let of_many = run.name.len() > run.request_name().len();
    let spec = Arc::as_ptr(&run.spec) as usize;
    (of_many && !run.spec.inject_env).then(|| (spec, placement, run.request_name().into()))
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
