//! Which task is whose: what a RunTask answer, or a search for the tasks of a call, says to its members.

use std::sync::PoisonError;
use std::time::Duration;

use tokio::time::Instant;
use uuid::Uuid;

use super::Inner;
use super::place::Place;
use super::ports::RunTaskAnswer;
use super::slots::Slot;
use crate::core::failure::{self, Class};
use crate::core::machine::Input;
use crate::core::run::{Run, Stage};
use crate::store::Key;

/// ECS forgets a token an hour after the last of its tasks was stopped, and at the latest after 24 hours (API
/// reference, "Ensuring idempotency"): a short task's token can be gone an hour after the call. Some of it is kept back
/// for a call that is long under way.
const TOKEN_IS_SURE: Duration = Duration::from_secs(50 * 60);
/// What the events that wait in the queue have to say comes first, after a start and after a break. A process that was
/// killed may have had them in its hands: they come again after their visibility timeout.
const EVENTS_FIRST: Duration = Duration::from_secs(150);
/// The shortest break after which events are waited for.
const BREAK: Duration = Duration::from_secs(30);
const FIRST_WAIT: Duration = Duration::from_secs(1);
const LONGEST_WAIT: Duration = Duration::from_secs(30);

impl Inner {
    /// Takes up a call that an earlier process may have made: the same token again has the same effect, while ECS knows it.
    pub(super) async fn recall(&self, members: &[Uuid], token: &str) {
        if !self.token_is_sure(members, token) {
            return self.look_for(members, token).await;
        }
        let Some(place) = members.iter().find_map(|id| self.registry.read(*id, Place::of)) else { return };
        let Some(slot) = self.slot_again(&place, members.len(), token, 0).await else { return };
        self.call(members, token, &place, slot).await;
    }

    /// Whether ECS is sure to know the token of a call that it has seen.
    pub(super) fn token_is_sure(&self, members: &[Uuid], token: &str) -> bool {
        let launched =
            |run: &Run| run.attempt().filter(|a| a.token.as_deref() == Some(token)).and_then(|a| a.launched_at);
        let launched = members.iter().find_map(|id| self.registry.read(*id, launched).flatten());
        launched.is_none_or(|at| self.ports.clock.now().since(at) < TOKEN_IS_SURE)
    }

    /// Looks for the tasks of a call whose token ECS may have forgotten, so that sending it could launch them again.
    /// What ECS does not know and no event tells of was never launched, or ended long ago.
    pub(super) async fn look_for(&self, members: &[Uuid], token: &str) {
        let of_call = |run: &Run| Place::cluster_named(run).to_owned();
        let Some(cluster) = members.iter().find_map(|id| self.registry.read(*id, of_call)) else { return };
        let started_by = format!("{}/{token}", self.config.name);
        let mut wait = FIRST_WAIT;
        let arns = loop {
            let Some(_call) = self.read_slot().await else { return };
            match self.ports.ecs.tasks_started_by(&cluster, &started_by).await {
                Ok(arns) => break arns,
                Err(error) => tracing::warn!(%error, token, "ListTasks gave no answer; it is asked again"),
            }
            tokio::select! {
                biased;
                () = self.ended.cancelled() => return,
                () = tokio::time::sleep(wait) => {}
            }
            wait = (wait * 2).min(LONGEST_WAIT);
        };
        self.give(members, token, arns.into_iter().map(|arn| (arn, None))).await;
        if !self.events_were_heard() && members.iter().any(|id| self.is_launching(*id, token)) {
            tokio::select! {
                biased;
                () = self.ended.cancelled() => return,
                () = tokio::time::sleep_until(self.listens_since() + EVENTS_FIRST) => {}
            }
        }
        let _one_at_a_time = self.binding.lock().await;
        for id in members.iter().filter(|id| self.is_launching(**id, token)) {
            self.advance(*id, Input::Deferred).await;
        }
    }

    /// Whether events that came while nobody listened had time to be heard. Until then nothing is taken for lost.
    pub(super) fn events_were_heard(&self) -> bool {
        self.until_events_were_heard().is_none()
    }

    /// How long until then, at least.
    pub(super) fn until_events_were_heard(&self) -> Option<Duration> {
        self.ports.events.as_ref()?;
        if self.store_fails() {
            // What is heard cannot be taken in.
            return Some(EVENTS_FIRST);
        }
        let left = EVENTS_FIRST.saturating_sub(self.listens_since().elapsed());
        (!left.is_zero()).then_some(left)
    }

    /// Since when events are heard and taken in without a break.
    pub(super) fn listens_since(&self) -> Instant {
        *self.listens_since.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// There was a break: what came meanwhile is heard from here on. A short one keeps back nothing to speak of, and many
    /// of them must not put off deadlines for ever.
    pub(super) fn listens_anew(&self, after: Duration) {
        if after < BREAK {
            return;
        }
        *self.listens_since.lock().unwrap_or_else(PoisonError::into_inner) = Instant::now();
    }

    /// Gives each task of an answer to a member that has none, and refuses the rest.
    pub(super) async fn settle(&self, members: &[Uuid], token: &str, answer: RunTaskAnswer, place: &Place, slot: Slot) {
        let tasks = answer.tasks.into_iter().map(|task| (task.task_arn.into_owned(), task.created_at));
        self.give(members, token, tasks).await;
        let _one_at_a_time = self.binding.lock().await;
        let mut failures = answer.failures.into_iter().cycle();
        for id in members.iter().filter(|id| self.is_launching(**id, token)) {
            let (reason, detail) = failures.next().unwrap_or_default();
            let failure = failure::from_refusal(&reason, detail.as_deref());
            let throttled = failure.class == Class::Throttled;
            if throttled {
                self.governor.throttled(place, &slot.grant, &failure.cause);
            }
            self.advance(*id, if throttled { Input::Deferred } else { Input::Refused(failure) }).await;
        }
    }

    /// Gives tasks that nobody has to members that have none. Of a run that has ended and left the memory, an answer may
    /// name the task as well.
    async fn give(
        &self,
        members: &[Uuid],
        token: &str,
        tasks: impl Iterator<Item = (String, Option<crate::core::time::Timestamp>)>,
    ) {
        let _one_at_a_time = self.binding.lock().await;
        for (task_arn, created_at) in tasks {
            if self.registry.of_task(&task_arn).is_some() {
                continue;
            }
            let Some(id) = members.iter().copied().find(|id| self.is_launching(*id, token)) else { return };
            if self.had_by_sibling(id, token, &task_arn).await == Some(false) {
                self.advance(id, Input::Placed { task_arn, created_at }).await;
            }
        }
    }

    /// Whether this run waits for the answer to this token's call.
    pub(super) fn is_launching(&self, id: Uuid, token: &str) -> bool {
        let waits =
            |run: &Run| run.attempt().is_some_and(|a| a.stage == Stage::Launching && a.token.as_deref() == Some(token));
        self.registry.read(id, waits).unwrap_or(false)
    }

    /// Whether a run of the same call had this task, and has ended and left the memory since: only the store knows.
    /// `None`: the cell ended before the store answered.
    pub(super) async fn had_by_sibling(&self, id: Uuid, token: &str, task_arn: &str) -> Option<bool> {
        let of_run = |run: &Run| (run.attempt().map_or(0, |a| a.group_size), run.request_name().to_owned());
        let Some((group_size, request)) = self.registry.read(id, of_run) else { return Some(false) };
        // While all of its call are in memory, so is whoever has the task: the usual case, and reading thousands of
        // siblings for each task would cost more than all else.
        if self.registry.of_token(token).len() >= group_size as usize || !self.ports.store.capabilities().ended_runs {
            return Some(false);
        }
        let mut wait = FIRST_WAIT;
        loop {
            let key = Key::Task { request: request.clone(), task_arn: task_arn.to_owned() };
            match self.ports.store.find(key, 1).await {
                Ok(runs) => return Some(!runs.items.is_empty()),
                Err(error) => tracing::warn!(%error, "the store does not tell whose task it is; it is asked again"),
            }
            tokio::select! {
                biased;
                () = self.ended.cancelled() => return None,
                () = tokio::time::sleep(wait) => {}
            }
            wait = (wait * 2).min(LONGEST_WAIT);
        }
    }
}
