//! The ports of one life of the cell: every call takes its time there and back, and ends with the life.

use std::sync::Arc;
use std::time::Duration;

use futures::future::{BoxFuture, FutureExt as _};
use taskwatch::cell::ports::{
    CallError, ContainerDefinition, Described, Ecs, Launchers, Message, Notifier, Queue, RunTaskAnswer, RunTaskCall,
};
use taskwatch::core::launcher::Launcher;
use taskwatch::core::notification::{Destination, Notification};
use taskwatch::core::observe::LaunchTarget;
use taskwatch::core::run::Run;
use taskwatch::core::time::Timestamp;
use taskwatch::store::{Capabilities, Change, Contents, EndedCounts, Key, Page, Posted, Query, Store, StoreError};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::plan::Away;
use super::queue::Which;
use super::world::{State, World};

/// One life of the process.
#[derive(Clone)]
pub(super) struct Life {
    pub(super) world: Arc<World>,
    pub(super) dead: CancellationToken,
}

impl Life {
    /// A call over the network. What a process that is killed meanwhile has sent may still arrive; no answer comes.
    async fn call<T>(&self, act: impl FnOnce(&mut State) -> T) -> T {
        let (there, back, arrives) = {
            let mut state = self.world.state();
            let slow = state.fault(0.02);
            let back = if slow { state.between(1_000, 8_000) } else { state.between(2, 200) };
            (state.between(1, 60), back, state.chance(0.5))
        };
        tokio::time::sleep(Duration::from_millis(there)).await;
        if self.dead.is_cancelled() && !arrives {
            return std::future::pending().await;
        }
        let result = self.world.act(act);
        tokio::time::sleep(Duration::from_millis(back)).await;
        self.alive().await;
        result
    }

    /// Never resolves for a process that is no more.
    pub(super) async fn alive(&self) {
        if self.dead.is_cancelled() {
            std::future::pending().await
        }
    }

    /// A call to the disk.
    async fn disk<T>(&self, look: impl FnOnce(&mut State) -> Result<T, StoreError>) -> Result<T, StoreError> {
        let took = self.world.state().between(1, 8);
        tokio::time::sleep(Duration::from_millis(took)).await;
        self.alive().await;
        let result = self.world.act(look);
        self.alive().await;
        result
    }
}

impl Ecs for Life {
    fn run_task<'a>(&'a self, call: &'a RunTaskCall) -> BoxFuture<'a, Result<RunTaskAnswer, CallError>> {
        self.call(|state| state.run_task(call)).boxed()
    }

    fn stop_task<'a>(&'a self, _: &'a str, arn: &'a str, reason: &'a str) -> BoxFuture<'a, Result<(), CallError>> {
        self.call(|state| state.stop_task(arn, reason)).boxed()
    }

    fn describe_tasks<'a>(&'a self, _: &'a str, arns: &'a [String]) -> BoxFuture<'a, Result<Described, CallError>> {
        self.call(|state| state.describe_tasks(arns)).boxed()
    }

    fn tasks_started_by<'a>(&'a self, _: &'a str, by: &'a str) -> BoxFuture<'a, Result<Vec<String>, CallError>> {
        self.call(|state| state.tasks_started_by(by)).boxed()
    }

    fn container_definitions<'a>(
        &'a self,
        definition: &'a str,
    ) -> BoxFuture<'a, Result<Vec<ContainerDefinition>, CallError>> {
        async move {
            let hangs = self.world.state().hangs(definition);
            if let Some(until) = hangs {
                tokio::time::sleep_until(until).await;
                self.alive().await;
                return Err(CallError::Unknown("no answer".into()));
            }
            self.call(|state| state.container_definitions(definition)).await
        }
        .boxed()
    }
}

impl Launchers for Life {
    fn targets<'a>(&'a self, launcher: &'a Launcher) -> BoxFuture<'a, Result<Vec<LaunchTarget>, CallError>> {
        self.call(|state| state.targets(launcher)).boxed()
    }
}

impl Notifier for Life {
    fn publish<'a>(&'a self, notifications: &'a [Notification]) -> BoxFuture<'a, Vec<Result<(), CallError>>> {
        self.call(|state| state.publish(notifications)).boxed()
    }
}

/// One queue, as one life sees it.
pub(super) struct Line(pub(super) Life, pub(super) Which);

impl Line {
    fn is_away(&self, state: &State) -> bool {
        let what = if self.1 == Which::Events { Away::Events } else { Away::Requests };
        state.away(what) || state.away(Away::Credentials)
    }

    async fn poll(&self, wait: Duration) -> Result<Vec<Message>, CallError> {
        let until = tokio::time::Instant::now() + wait;
        loop {
            let next = {
                let mut state = self.0.world.state();
                if self.is_away(&state) {
                    return Err(CallError::from_exception("QueueDoesNotExist", "The specified queue does not exist."));
                }
                let messages = state.receive(self.1);
                if !messages.is_empty() {
                    return Ok(messages);
                }
                state.sqs(self.1).next_visible().map(|at| state.instant(at))
            };
            tokio::select! {
                biased;
                () = tokio::time::sleep_until(until) => return Ok(Vec::new()),
                () = self.0.world.came(self.1).notified() => {}
                () = tokio::time::sleep_until(next.unwrap_or(until)) => {}
            }
        }
    }
}

impl Queue for Line {
    fn receive(&self, wait: Duration) -> BoxFuture<'_, Result<Vec<Message>, CallError>> {
        async move {
            let received = tokio::select! {
                biased;
                () = self.0.dead.cancelled() => std::future::pending().await,
                received = self.poll(wait) => received,
            };
            // Over the network, in which an answer may get lost with all that is in it.
            let lost = self.0.call(|state| state.fault(state.plan.answer_lost / 5.0)).await;
            if lost { Err(CallError::Unknown("connection reset".into())) } else { received }
        }
        .boxed()
    }

    fn delete(&self, receipts: Vec<String>) -> BoxFuture<'_, Result<Vec<String>, CallError>> {
        async move {
            let answer = self.0.call(|state| {
                if self.is_away(state) || state.fault(state.plan.delete_fails) {
                    return Err(CallError::Unknown("no answer".into()));
                }
                let left = state.delete(self.1, &receipts);
                if state.fault(state.plan.answer_lost) { Err(CallError::Unknown("reset".into())) } else { Ok(left) }
            });
            answer.await
        }
        .boxed()
    }

    fn release(&self, receipts: Vec<String>) -> BoxFuture<'_, Result<(), CallError>> {
        async move {
            self.0.call(|state| state.release(self.1, &receipts)).await;
            self.0.world.came(self.1).notify_waiters();
            Ok(())
        }
        .boxed()
    }

    fn send<'a>(&'a self, _: &'a str, _: &'a [(String, String)]) -> BoxFuture<'a, Result<(), CallError>> {
        async { Err(CallError::Unknown("nobody sends here".into())) }.boxed()
    }
}

/// The requests DLQ, which is only sent to.
pub(super) struct Dlq(pub(super) Life);

impl Queue for Dlq {
    fn receive(&self, _: Duration) -> BoxFuture<'_, Result<Vec<Message>, CallError>> {
        std::future::pending().boxed()
    }

    fn delete(&self, _: Vec<String>) -> BoxFuture<'_, Result<Vec<String>, CallError>> {
        std::future::pending().boxed()
    }

    fn release(&self, _: Vec<String>) -> BoxFuture<'_, Result<(), CallError>> {
        std::future::pending().boxed()
    }

    fn send<'a>(&'a self, body: &'a str, attributes: &'a [(String, String)]) -> BoxFuture<'a, Result<(), CallError>> {
        let send = |state: &mut State| {
            if state.fault(state.plan.publish_fails) {
                return Err(CallError::Unknown("no answer".into()));
            }
            let reason = attributes.first().map(|(_, reason)| reason.clone()).unwrap_or_default();
            state.dlq.push((body.to_owned(), reason));
            if state.fault(state.plan.answer_lost) { Err(CallError::Unknown("reset".into())) } else { Ok(()) }
        };
        self.0.call(send).boxed()
    }
}

impl Store for Life {
    fn load(&self) -> BoxFuture<'_, Result<Contents, StoreError>> {
        self.disk(|state| Ok(state.disk.load())).boxed()
    }

    fn commit(&self, changes: Arc<[Change]>) -> BoxFuture<'_, Result<(), StoreError>> {
        self.disk(move |state| {
            if state.away(Away::Disk) || state.fault(state.plan.commit_fails) {
                return Err(StoreError::Unavailable("the disk is full".into()));
            }
            state.disk.commits += 1;
            let commit = state.disk.commits;
            let dies = state.plan.crash_at_commits.iter().find(|(at, _)| *at == commit).map(|(_, after)| *after);
            if let Some(after) = dies {
                state.note(None, format!("process: is killed at commit {commit}, durable: {after}"));
                self.dead.cancel();
            }
            if dies != Some(false) {
                state.commit(&changes);
            }
            Ok(())
        })
        .boxed()
    }

    fn confirm_owner(&self) -> BoxFuture<'_, Result<(), StoreError>> {
        Box::pin(async { Ok(()) })
    }

    fn outbox(
        &self,
        destination: &Destination,
        after: u64,
        limit: usize,
    ) -> BoxFuture<'_, Result<Page<Posted, u64>, StoreError>> {
        let destination = destination.clone();
        self.disk(move |state| Ok(state.disk.page(&destination, after, limit))).boxed()
    }

    fn find(&self, key: Key, limit: usize) -> BoxFuture<'_, Result<Page<Run, u32>, StoreError>> {
        self.disk(move |state| Ok(state.disk.find(&key, limit))).boxed()
    }

    fn finished(&self, query: Query) -> BoxFuture<'_, Result<Page<Run, Uuid>, StoreError>> {
        self.disk(move |state| Ok(state.disk.finished(&query))).boxed()
    }

    fn ended(&self) -> BoxFuture<'_, Result<EndedCounts, StoreError>> {
        self.disk(|state| Ok(state.disk.ended())).boxed()
    }

    fn expire(&self, ended_before: Timestamp, limit: usize) -> BoxFuture<'_, Result<usize, StoreError>> {
        self.disk(move |state| Ok(state.disk.expire(ended_before, limit))).boxed()
    }

    fn capabilities(&self) -> Capabilities {
        Capabilities { ended_runs: true, ended_names: true, outlives_process: true, soft_wait: Duration::ZERO }
    }
}
