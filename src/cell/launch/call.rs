//! One RunTask call: the same token until AWS has said yes or no, and what follows from the answer.

use std::sync::Arc;
use std::time::Duration;

use uuid::Uuid;

use super::assign::Assignments;
use super::doubt::Doubt;
use super::governor::Governor;
use super::reach::Reach;
use super::request::CallBuilder;
use super::slots::{Slot, Slots};
use crate::cell::backoff::Backoff;
use crate::cell::clock::Clock;
use crate::cell::health::DependencyHealth;
use crate::cell::lifecycle::Lifecycle;
use crate::cell::ports::{CallError, Ecs, RunTaskAnswer, RunTaskCall};
use crate::cell::runs::RunIndex;
use crate::cell::target::LaunchTarget;
use crate::cell::view::Counters;
use crate::core::failure::Failure;
use crate::core::ids::Token;
use crate::core::run::Run;
use crate::core::task::Task;

/// ECS forgets a token an hour after the last of its tasks was stopped, and at the latest after 24 hours (API
/// reference, "Ensuring idempotency"): a short task's token can be gone an hour after the call. A signed call arrives up
/// to 15 minutes late, and that is kept back, with some more for a call that is long under way.
const TOKEN_IS_SURE: Duration = Duration::from_secs(40 * 60);
const FIRST_WAIT: Duration = Duration::from_secs(1);
const LONGEST_WAIT: Duration = Duration::from_secs(30);

/// Calls RunTask.
pub(in crate::cell) struct Caller {
    pub(in crate::cell) ecs: Arc<dyn Ecs>,
    pub(in crate::cell) runs: Arc<RunIndex>,
    pub(in crate::cell) requests: CallBuilder,
    pub(in crate::cell) slots: Arc<Slots>,
    pub(in crate::cell) governor: Arc<Governor>,
    pub(in crate::cell) assignments: Arc<Assignments>,
    pub(in crate::cell) doubt: Doubt,
    pub(in crate::cell) counters: Arc<Counters>,
    /// Failing: RunTask was not answered, neither yes nor no.
    pub(in crate::cell) health: Arc<DependencyHealth>,
    pub(in crate::cell) reach: Arc<Reach>,
    pub(in crate::cell) clock: Clock,
    pub(in crate::cell) lifecycle: Arc<Lifecycle>,
}

/// The members of a call, whose token is committed.
pub(super) struct Members<'a> {
    pub(super) ids: &'a [Uuid],
    pub(super) token: Token,
    pub(super) target: &'a LaunchTarget,
}

/// How a call ended.
enum Answered {
    /// 200, or the tasks that a conflict names.
    Accepted(RunTaskAnswer, Slot),
    /// AWS says no and will say no again.
    Refused(Failure),
    /// ECS may have forgotten the token: sent again, it could launch the tasks once more.
    TokenUnsure,
    /// Nobody waits for the answer any more: events have told of every task, or the cell has ended.
    Settled,
}

impl Caller {
    /// Calls until there is an answer, and does what it says. `in_doubt`: an earlier process may have sent it.
    pub(super) async fn call(&self, members: &Members<'_>, slot: Slot, mut in_doubt: bool) {
        let Some(call) = self.requests.call(members.ids, members.token).await else { return };
        let Members { ids, token, target } = *members;
        match self.send_until_answered(&call, members, slot, &mut in_doubt).await {
            Answered::Accepted(answer, slot) => self.assignments.accept(ids, token, answer, (target, slot)).await,
            Answered::Refused(failure) if in_doubt => {
                tracing::warn!(runs = ?ids, %token, error = failure.error, cause = failure.cause,
                    "RunTask was refused after a call without an answer: its tasks are looked for first");
                if self.doubt.find_until_settled(ids, token).await.is_some() {
                    self.assignments.refuse_rest(ids, token, &failure).await;
                }
            }
            Answered::Refused(failure) => self.assignments.refuse_rest(ids, token, &failure).await,
            Answered::TokenUnsure => self.find_instead(members).await,
            Answered::Settled => {}
        }
    }

    /// Takes up a call that an earlier process may have made: the same token again has the same effect, while ECS knows it.
    pub(super) async fn recall(&self, members: &Members<'_>) {
        if !self.token_is_sure(members) {
            return self.find_instead(members).await;
        }
        let slot = self.slots.slot_again(members.target, members.ids.len(), members.token, 0).await;
        if let Some(slot) = slot {
            self.call(members, slot, true).await;
        }
    }

    /// What ECS does not know and no event tells of was never launched, or ended long ago: it is launched anew.
    async fn find_instead(&self, members: &Members<'_>) {
        if self.doubt.find_until_received(members.ids, members.token).await.is_some() {
            self.assignments.defer_rest(members.ids, members.token).await;
        }
    }

    async fn send_until_answered(
        &self,
        call: &RunTaskCall,
        members: &Members<'_>,
        mut slot: Slot,
        in_doubt: &mut bool,
    ) -> Answered {
        let Members { ids, token, target } = *members;
        let mut backoff = Backoff::new(FIRST_WAIT, LONGEST_WAIT, &token);
        let mut throttled = 0;
        loop {
            if !ids.iter().any(|id| self.assignments.is_launching(*id, token)) {
                return Answered::Settled;
            }
            if !self.token_is_sure(members) {
                return Answered::TokenUnsure;
            }
            // The last moment: a process that stood still may have been replaced, by one that makes the same call.
            if !self.lifecycle.may_act().await || self.lifecycle.is_ended() {
                return Answered::Settled;
            }
            self.counters.launches.add(1);
            slot.grant.sent(ids.len());
            let answer = self.ecs.run_task(call).await;
            self.note_health(&answer, ids, token);
            match answer {
                Ok(answer) => {
                    self.governor.succeeded(target);
                    return Answered::Accepted(answer, slot);
                }
                Err(CallError::Conflict(arns)) => return Answered::Accepted(adopted(arns), slot),
                Err(CallError::Refused(failure)) => return Answered::Refused(*failure),
                Err(CallError::Throttled(why)) => {
                    self.counters.throttles.add(1);
                    self.governor.throttled(target, &slot.grant, &why);
                    tracing::debug!(runs = ?ids, why, %token, "RunTask was throttled");
                    throttled += 1;
                    drop(slot);
                }
                Err(failed @ (CallError::Unknown(_) | CallError::Unreached(_))) => {
                    *in_doubt |= matches!(failed, CallError::Unknown(_));
                    throttled = 0;
                    // Others may call while this one waits.
                    drop(slot);
                    if !self.lifecycle.sleep(backoff.next()).await {
                        return Answered::Settled;
                    }
                }
            }
            match self.slots.slot_again(target, ids.len(), token, throttled).await {
                Some(next) => slot = next,
                None => return Answered::Settled,
            }
        }
    }

    /// Whether ECS is sure to know the token of a call that it has seen.
    fn token_is_sure(&self, members: &Members<'_>) -> bool {
        let launched = |run: &Run| run.attempt().filter(|a| a.token == Some(members.token)).and_then(|a| a.launched_at);
        let launched = members.ids.iter().find_map(|id| self.runs.read(*id, launched).flatten());
        launched.is_none_or(|at| self.clock.now().since(at) < TOKEN_IS_SURE)
    }

    /// Notes whether ECS is there. Logs that it does not answer when it begins and when it ends, not for each of thousands of calls.
    fn note_health(&self, answer: &Result<RunTaskAnswer, CallError>, members: &[Uuid], token: Token) {
        let is_told = matches!(answer, Err(CallError::Unreached(why)) if self.reach.unreached(why));
        match answer {
            Err(CallError::Unknown(why) | CallError::Unreached(why)) if self.health.failed(why) == 1 && !is_told => {
                tracing::warn!(runs = ?members, why, %token, "RunTask gave no answer; it is sent again with the same token");
            }
            Err(CallError::Unknown(why) | CallError::Unreached(why)) => {
                tracing::debug!(runs = ?members, why, %token, "RunTask gave no answer");
            }
            _ => {
                self.reach.reached();
                if self.health.succeeded().is_some() {
                    tracing::info!("RunTask is answered again");
                }
            }
        }
    }
}

/// The tasks that a ConflictException names: the token was used for them.
fn adopted(arns: Vec<String>) -> RunTaskAnswer {
    let task = |arn: String| Task { task_arn: arn.into(), ..Default::default() };
    RunTaskAnswer { tasks: arns.into_iter().map(task).collect(), failures: Vec::new() }
}
