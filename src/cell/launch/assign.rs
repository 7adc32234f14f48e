//! Which task is which run's: what a RunTask answer, a search for the tasks of a call, or an event says to its members.

use std::sync::Arc;
use std::time::Duration;

use dashmap::DashMap;
use tokio::sync::OwnedMutexGuard;
use uuid::Uuid;

use super::governor::Governor;
use super::slots::Slot;
use crate::cell::backoff::Backoff;
use crate::cell::commit::Pipeline;
use crate::cell::lifecycle::Lifecycle;
use crate::cell::ports::RunTaskAnswer;
use crate::cell::runs::RunIndex;
use crate::cell::target::LaunchTarget;
use crate::core::failure::{self, Class, Failure};
use crate::core::ids::{TaskArn, Token};
use crate::core::machine::Input;
use crate::core::run::{Run, Stage};
use crate::core::time::Timestamp;
use crate::store::{Key, Store};

const FIRST_WAIT: Duration = Duration::from_secs(1);
const LONGEST_WAIT: Duration = Duration::from_secs(30);

/// Gives tasks to the members of their call, one word about a call at a time, so that two tasks never go to one run and
/// one task never to two.
pub(in crate::cell) struct Assignments {
    runs: Arc<RunIndex>,
    pipeline: Arc<Pipeline>,
    store: Arc<dyn Store>,
    governor: Arc<Governor>,
    lifecycle: Arc<Lifecycle>,
    locks: DashMap<Token, Arc<tokio::sync::Mutex<()>>>,
}

/// Whose a task is that an event shows.
pub(in crate::cell) enum Owner {
    /// This run's.
    Run(Uuid),
    /// A run's that has ended and left memory.
    EndedRun,
    /// No run's: its call is of this cell, and every attempt of it is over and had another task, or none.
    Stray,
    /// No call of this cell has this token.
    Unknown,
    /// The cell ended before it was known.
    CutOff,
}

/// One call, locked.
pub(in crate::cell) struct CallLock<'a> {
    assignments: &'a Assignments,
    token: Token,
    guard: Option<OwnedMutexGuard<()>>,
}

impl Drop for CallLock<'_> {
    fn drop(&mut self) {
        self.guard.take();
        // Nobody else has it: the map's own reference is the last.
        self.assignments.locks.remove_if(&self.token, |_, lock| Arc::strong_count(lock) == 1);
    }
}

impl Assignments {
    pub(in crate::cell) fn new(
        runs: Arc<RunIndex>,
        pipeline: Arc<Pipeline>,
        store: Arc<dyn Store>,
        governor: Arc<Governor>,
        lifecycle: Arc<Lifecycle>,
    ) -> Self {
        Self { runs, pipeline, store, governor, lifecycle, locks: DashMap::new() }
    }

    /// Locks one call: a store that hangs holds up this call, and no other.
    pub(in crate::cell) async fn lock(&self, token: Token) -> CallLock<'_> {
        let lock = Arc::clone(&*self.locks.entry(token).or_default());
        CallLock { assignments: self, token, guard: Some(lock.lock_owned().await) }
    }

    /// Takes RunTask's answer: each task goes to a member that has none, and the rest are refused.
    pub(super) async fn accept(
        &self,
        members: &[Uuid],
        token: Token,
        answer: RunTaskAnswer,
        (target, slot): (&LaunchTarget, Slot),
    ) {
        let tasks = answer.tasks.into_iter().map(|task| (TaskArn::from(task.task_arn.as_ref()), task.created_at));
        self.assign(members, token, tasks).await;
        let _one_at_a_time = self.lock(token).await;
        let mut failures = answer.failures.into_iter().cycle();
        for id in members.iter().filter(|id| self.is_launching(**id, token)) {
            let (reason, detail) = failures.next().unwrap_or_default();
            let failure = failure::from_refusal(&reason, detail.as_deref());
            let throttled = failure.class == Class::Throttled;
            if throttled {
                self.governor.throttled(target, &slot.grant, &failure.cause);
            }
            self.advance(*id, if throttled { Input::Deferred } else { Input::Refused(failure) }).await;
        }
    }

    /// Gives tasks that nobody has to members that have none. Of a run that has ended and left memory, an answer may name
    /// the task as well.
    pub(super) async fn assign(
        &self,
        members: &[Uuid],
        token: Token,
        tasks: impl Iterator<Item = (TaskArn, Option<Timestamp>)>,
    ) {
        let _one_at_a_time = self.lock(token).await;
        for (task_arn, created_at) in tasks {
            if self.runs.of_task(&task_arn).is_some() {
                continue;
            }
            let Some(id) = members.iter().copied().find(|id| self.is_launching(*id, token)) else { return };
            if self.had_by_sibling(id, token, &task_arn).await == Some(false) {
                self.advance(id, Input::Placed { task_arn, created_at }).await;
            }
        }
    }

    /// Refuses the members that have no task.
    pub(super) async fn refuse_rest(&self, members: &[Uuid], token: Token, failure: &Failure) {
        let _one_at_a_time = self.lock(token).await;
        for id in members.iter().filter(|id| self.is_launching(**id, token)) {
            self.advance(*id, Input::Refused(failure.clone())).await;
        }
    }

    /// Lets the members that have no task wait for another call.
    pub(super) async fn defer_rest(&self, members: &[Uuid], token: Token) {
        let _one_at_a_time = self.lock(token).await;
        for id in members.iter().filter(|id| self.is_launching(**id, token)) {
            self.advance(*id, Input::Deferred).await;
        }
    }

    /// Whose a task of a locked call is: its run's, or any member's that has none yet, for they are alike.
    pub(in crate::cell) async fn owner(&self, lock: &CallLock<'_>, task_arn: &TaskArn) -> Owner {
        if let Some(id) = self.runs.of_task(task_arn) {
            return Owner::Run(id);
        }
        let members = self.runs.of_token(lock.token);
        let open = members.iter().copied().find(|id| self.is_launching(*id, lock.token));
        let Some(member) = open.or(members.first().copied()) else { return Owner::Unknown };
        match (self.had_by_sibling(member, lock.token, task_arn).await, open) {
            (Some(true), _) => Owner::EndedRun,
            (Some(false), Some(open)) => Owner::Run(open),
            (Some(false), None) => Owner::Stray,
            (None, _) => Owner::CutOff,
        }
    }

    async fn advance(&self, id: Uuid, input: Input) {
        // Its place in the commit order is taken; nobody waits for it here.
        drop(self.pipeline.advance(id, input).await);
    }

    /// Whether this run waits for the answer to this token's call.
    pub(super) fn is_launching(&self, id: Uuid, token: Token) -> bool {
        let waits = |run: &Run| run.attempt().is_some_and(|a| a.stage == Stage::Launching && a.token == Some(token));
        self.runs.read(id, waits).unwrap_or(false)
    }

    /// Whether a run of the same call had this task, and has ended and left memory since: only the store knows.
    /// `None`: the cell ended before the store answered.
    async fn had_by_sibling(&self, id: Uuid, token: Token, task_arn: &TaskArn) -> Option<bool> {
        let of_call = |run: &Run| {
            let attempt = run.attempts.iter().rev().find(|a| a.token == Some(token));
            (attempt.map_or(0, |a| a.group_size), run.request_name().to_owned())
        };
        let Some((group_size, request)) = self.runs.read(id, of_call) else { return Some(false) };
        // While all of its call are in memory, so is whoever has the task: the usual case, and reading thousands of
        // siblings for each task would cost more than all else.
        let all_in_memory = self.runs.of_token(token).len() >= usize::from(group_size);
        if all_in_memory || !self.store.capabilities().ended_runs {
            return Some(false);
        }
        let mut backoff = Backoff::new(FIRST_WAIT, LONGEST_WAIT, task_arn);
        loop {
            let key = Key::Task { request: request.clone(), task_arn: task_arn.to_string() };
            match self.store.find(key, 1).await {
                Ok(page) => return Some(!page.items.is_empty()),
                Err(error) => tracing::warn!(%error, "the store does not tell whose task it is; it is asked again"),
            }
            if !self.lifecycle.sleep(backoff.next()).await {
                return None;
            }
        }
    }
}
