//! Takes ECS events from the events queue, finds their runs, and deletes them once what they caused is durable.

use std::sync::Arc;
use std::time::Duration;

use futures::future::BoxFuture;
use uuid::Uuid;

use super::Inner;
use super::door::Made;
use super::ports::Message;
use super::receive::{Fate, Handler};
use crate::core::machine::{Input, Observation};
use crate::core::task::{Deciders, Notice, Task, parse_notice};

/// ECS's clock and ours may differ, and a killed process's last calls be answered, by so much.
const OF_ANOTHER_LIFE: Duration = Duration::from_secs(60);

/// What became of a word about a task.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Seen {
    /// The task is not of this cell, or of a run that ended long ago.
    Foreign,
    /// Its run has it, durably; whether it told anything new.
    Known { new: bool },
    /// The cell ended before it was durable.
    CutOff,
}

/// The events queue's messages.
pub(super) struct Events(pub(super) Arc<Inner>);

impl Handler for Events {
    fn has_room(&self, _: usize) -> bool {
        !self.0.store_fails()
    }

    fn handle<'a>(&'a self, message: &'a Message) -> BoxFuture<'a, Fate> {
        Box::pin(self.0.notice(message))
    }

    fn again(&self, after: Duration) {
        self.0.listens_anew(after);
    }

    fn undeleted(&self, messages: usize) {
        self.0.counters.undeleted.add(messages);
    }
}

impl Inner {
    /// Gives an event to its run.
    async fn notice(&self, message: &Message) -> Fate {
        match parse_notice(&message.body) {
            Ok(Notice::Task(event)) => match self.observe(&event.task).await {
                Seen::Known { .. } => {
                    self.counters.events.add(1);
                    if let Some(sent) = message.sent_at {
                        self.counters.event_lag.record(self.ports.clock.now().since(sent));
                    }
                }
                Seen::Foreign => self.counters.foreign.add(1),
                Seen::CutOff => return Fate::Release,
            },
            Ok(Notice::Foreign(_)) => self.counters.foreign.add(1),
            Err(error) => {
                // It can never become an event, so it must not come again.
                self.counters.malformed.add(1);
                tracing::warn!(message = message.id, %error, "a message of the events queue was dropped");
            }
        }
        Fate::Done
    }

    /// Gives what ECS says of a task to its run.
    pub(super) async fn observe(&self, task: &Task<'_>) -> Seen {
        let token = task.started_by.as_deref().and_then(|by| by.strip_prefix(self.config.name.as_str()));
        let token = token.and_then(|rest| rest.strip_prefix('/')).map(str::to_owned);
        if let Some(id) = self.registry.of_task(&task.task_arn) {
            let observation = self.observation(id, task, token).await;
            return self.durably(self.advance(id, Input::Observed(observation)).await).await;
        }
        // The event overtook RunTask's answer, or found a restarted process: any open member of its call will do,
        // for they are alike.
        let Some(known) = token.as_deref() else { return Seen::Foreign };
        // Read, if it has to be, before the lock: every answer of RunTask waits for that.
        if let Some(alike) = self.registry.of_token(known).first() {
            self.deciders(*alike, task).await;
        }
        match self.bind(task, known).await {
            Ok(made) => self.durably(made).await,
            Err(seen) => seen,
        }
    }

    /// Gives the task to a member of its call, with what ECS says of it.
    async fn bind(&self, task: &Task<'_>, known: &str) -> Result<Option<Made>, Seen> {
        let _one_at_a_time = self.binding.lock().await;
        let members = self.registry.of_token(known);
        let id = match self.registry.of_task(&task.task_arn) {
            Some(id) => id,
            None => {
                let open = members.into_iter().find(|id| self.is_launching(*id, known));
                let Some(open) = open else {
                    self.note_stranger(task, known);
                    return Err(Seen::Foreign);
                };
                match self.had_by_sibling(open, known, &task.task_arn).await {
                    Some(false) => open,
                    Some(true) => return Err(Seen::Known { new: false }),
                    None => return Err(Seen::CutOff),
                }
            }
        };
        let observation = self.observation(id, task, Some(known.to_owned())).await;
        Ok(self.advance(id, Input::Observed(observation)).await)
    }

    /// Counts a task that bears this cell's name and that this cell did not launch: another one works under its name, with
    /// a store of its own. One that ended, or was launched before this process began, may be of a run that has left the memory.
    fn note_stranger(&self, task: &Task<'_>, token: &str) {
        let young = task.created_at.is_some_and(|at| at > self.began_at.plus(OF_ANOTHER_LIFE));
        let lives = ["PROVISIONING", "PENDING", "ACTIVATING", "RUNNING"].contains(&&*task.last_status);
        if !young || !lives || !self.registry.of_token(token).is_empty() {
            return;
        }
        self.counters.strangers.add(1);
        if self.counters.strangers.get().is_power_of_two() {
            let (cell, task, count) = (&self.config.name, &task.task_arn, self.counters.strangers.get());
            tracing::warn!(
                cell,
                %task,
                count,
                "tasks bear this cell's name that it did not launch: another cell has the same name and takes its events; \
                 give each its own TASKWATCH_CELL"
            );
        }
    }

    async fn durably(&self, made: Option<Made>) -> Seen {
        match made {
            Some(made) => made.durable().await.map_or(Seen::CutOff, |new| Seen::Known { new }),
            None if self.commits.is_closed() => Seen::CutOff,
            None => Seen::Foreign,
        }
    }

    async fn observation(&self, id: Uuid, task: &Task<'_>, token: Option<String>) -> Observation {
        let named = self.deciders(id, task).await;
        let deciders = if named.is_empty() { Deciders::Unknown } else { Deciders::Named(&named) };
        Observation {
            task_arn: task.task_arn.to_string(),
            token,
            version: task.version,
            last_status: task.last_status.to_string(),
            verdict: task.verdict(deciders),
            healthy: task.health_status.as_deref() == Some("HEALTHY"),
            exit_code: task.exit_code(deciders),
            created_at: task.created_at,
            pull_started_at: task.pull_started_at,
            pull_stopped_at: task.pull_stopped_at,
            started_at: task.started_at,
            stopped_at: task.stopped_at,
        }
    }

    /// The containers that decide: the request's, else the essential ones of the task definition; empty: not known.
    async fn deciders(&self, id: Uuid, task: &Task<'_>) -> Arc<[String]> {
        let named = self.registry.read(id, |run| run.spec.decided_by.clone()).unwrap_or_default();
        if !named.is_empty() {
            return named.into();
        }
        let ended = matches!(task.last_status.as_ref(), "DEPROVISIONING" | "STOPPED" | "DELETED");
        if !ended || task.task_definition_arn.is_empty() {
            return Arc::default();
        }
        let containers = self.containers_of(&task.task_definition_arn).await.unwrap_or_default();
        containers.iter().filter(|c| c.essential).map(|c| c.name.clone()).collect()
    }
}
