//! Gives waiting runs their slots: intent committed first, then the call.

use std::sync::Arc;
use std::time::Duration;

use futures::future::join_all;
use tokio::sync::Notify;
use uuid::Uuid;

use super::call::{Caller, Members};
use super::queue::Group;
use super::slots::{Slot, Slots};
use super::waiting::WaitingRuns;
use crate::cell::clock::Clock;
use crate::cell::commit::Pipeline;
use crate::cell::control::{BreakerControl, EffectiveLimits};
use crate::cell::launch::Governor;
use crate::cell::lifecycle::Lifecycle;
use crate::cell::runs::RunIndex;
use crate::cell::target::{Kind, LaunchTarget};
use crate::cell::view::Counters;
use crate::core::ids::Token;
use crate::core::machine::Input;
use crate::core::run::Run;

/// What waits for room is woken when there is some; this is for what is missed.
const LONGEST_WAIT: Duration = Duration::from_secs(30);

/// Launches what waits.
pub(in crate::cell) struct Launcher {
    pub(in crate::cell) waiting: Arc<WaitingRuns>,
    pub(in crate::cell) runs: Arc<RunIndex>,
    pub(in crate::cell) pipeline: Arc<Pipeline>,
    pub(in crate::cell) slots: Arc<Slots>,
    pub(in crate::cell) caller: Caller,
    pub(in crate::cell) breakers: Arc<BreakerControl>,
    pub(in crate::cell) governor: Arc<Governor>,
    pub(in crate::cell) limits: Arc<EffectiveLimits>,
    pub(in crate::cell) counters: Arc<Counters>,
    pub(in crate::cell) clock: Clock,
    pub(in crate::cell) wake: Arc<Notify>,
    pub(in crate::cell) lifecycle: Arc<Lifecycle>,
}

impl Launcher {
    /// Launches what waits, as fast as the governor lets it, until the cell drains.
    pub(in crate::cell) async fn run(self: Arc<Self>) {
        let mut limits = 0;
        while !self.lifecycle.is_draining() {
            self.keep_to_limits(&mut limits);
            let wait = match self.next() {
                Ok((group, slot)) => {
                    let launcher = Arc::clone(&self);
                    self.lifecycle.spawn_launch(async move { launcher.launch(group, slot).await });
                    // A long row of launches must not keep the runtime from answering.
                    tokio::task::yield_now().await;
                    continue;
                }
                Err(wait) => wait,
            };
            tokio::select! {
                biased;
                () = self.lifecycle.draining() => {}
                () = self.wake.notified() => {}
                () = tokio::time::sleep(wait) => {}
            }
            tokio::select! {
                biased;
                () = self.lifecycle.draining() => {}
                _ = self.lifecycle.may_act() => {}
            }
        }
    }

    /// Takes up a call that an earlier process may have made.
    pub(in crate::cell) async fn recall(&self, members: &[Uuid], token: Token) {
        let Some(target) = members.iter().find_map(|id| self.runs.read(*id, LaunchTarget::of)) else { return };
        self.caller.recall(&Members { ids: members, token, target: &target }).await;
    }

    /// Keeps the governor to the limits in force.
    fn keep_to_limits(&self, seen: &mut u64) {
        let version = self.limits.version();
        if *seen != version {
            *seen = version;
            let limits = self.limits.current();
            self.governor.set_rate(limits.run_task_rate, limits.run_task_burst);
            self.slots.fit(limits.run_task_rate);
        }
    }

    /// The runs whose turn it is, with the right to launch them; or when to check again, unless woken before.
    fn next(&self) -> Result<(Group, Slot), Duration> {
        let (mut slot, mut wait) = (None, LONGEST_WAIT);
        let admit = |target: &LaunchTarget, alike| match self.slots.slot(target, alike) {
            Ok(granted) => slot.insert(granted).grant.tasks,
            Err(longer) => {
                wait = wait.min(longer);
                0
            }
        };
        let group = self.waiting.take(admit);
        let group = group.map_err(|again| wait.min(again.unwrap_or(LONGEST_WAIT)))?;
        let slot = slot.ok_or(wait)?;
        if group.target.kind == Kind::Provider {
            self.runs.provisions(&group.target.cluster, group.runs.len());
        }
        Ok((group, slot))
    }

    /// One RunTask call for these runs.
    async fn launch(&self, group: Group, slot: Slot) {
        let Group { target, runs, probe } = group;
        let token = self.caller.requests.token(&runs);
        let members = self.commit_intent(&runs, token).await;
        self.waiting.left(runs.len());
        if target.kind == Kind::Provider {
            self.runs.provisioned(&target.cluster, runs.len());
        }
        if probe {
            let lost = runs.iter().filter(|run| !members.contains(run));
            lost.for_each(|run| self.breakers.waits_again(*run));
        }
        // What was not launched after all leaves room.
        self.wake.notify_one();
        if !members.is_empty() {
            self.note_waits(&members);
            self.caller.call(&Members { ids: &members, token, target: &target }, slot, false).await;
        }
    }

    /// Makes the token durable for these runs; those that are to be launched still.
    async fn commit_intent(&self, runs: &[Uuid], token: Token) -> Vec<Uuid> {
        let group_size = u32::try_from(runs.len()).unwrap_or(1);
        let intents = runs.iter().map(|id| async {
            let made = self.pipeline.advance(*id, Input::Launching { token, group_size }).await?;
            // A run that was stopped meanwhile is no longer launched.
            made.durable().await?.then_some(*id)
        });
        join_all(intents).await.into_iter().flatten().collect()
    }

    /// Records how long these attempts waited for their call: first ones and retries apart.
    fn note_waits(&self, members: &[Uuid]) {
        let now = self.clock.now();
        for id in members {
            let waited = |run: &Run| run.attempt().and_then(|a| Some((a.number, a.queued_at?)));
            if let Some((number, queued)) = self.runs.read(*id, waited).flatten() {
                let waits = if number > 1 { &self.counters.retry_wait } else { &self.counters.first_wait };
                waits.record(now.since(queued));
            }
        }
    }
}
