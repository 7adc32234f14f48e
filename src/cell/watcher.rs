//! Takes ECS events from the events queue, finds their runs, and deletes them once what they caused is durable.

use std::sync::Arc;

use uuid::Uuid;

use super::Inner;
use super::ports::Message;
use crate::core::machine::{Input, Observation};
use crate::core::task::{Deciders, Notice, Task, parse_notice};

impl Inner {
    /// What the messages cause, durably. Every message that comes back from here may be deleted.
    pub(super) async fn watch(&self, messages: Vec<Message>) -> Vec<String> {
        let handled = messages.into_iter().map(|message| async move {
            self.notice(&message).await;
            message.receipt
        });
        futures::future::join_all(handled).await
    }

    async fn notice(&self, message: &Message) {
        match parse_notice(&message.body) {
            Ok(Notice::Task(event)) => {
                if self.observe(&event.task).await.is_some() {
                    self.counters.events.add(1);
                    if let Some(sent) = message.sent_at {
                        self.counters.event_lag.record(self.ports.clock.now().since(sent));
                    }
                } else {
                    self.counters.foreign.add(1);
                }
            }
            Ok(Notice::Foreign(_)) => self.counters.foreign.add(1),
            Err(error) => {
                // It can never become an event, so it must not come again.
                self.counters.malformed.add(1);
                tracing::warn!(message = message.id, %error, "a message of the events queue was dropped");
            }
        }
    }

    /// Gives what ECS says of a task to its run. `None`: the task is not of this cell; else whether it told anything new.
    pub(super) async fn observe(&self, task: &Task<'_>) -> Option<bool> {
        let token = task.started_by.as_deref().and_then(|by| by.strip_prefix(self.config.name.as_str()));
        let token = token.and_then(|rest| rest.strip_prefix('/')).map(str::to_owned);
        if let Some(id) = self.registry.of_task(&task.task_arn) {
            let observation = self.observation(id, task, token).await;
            return Some(self.advance(id, Input::Observed(observation)).await?.durable().await);
        }
        // The event overtook RunTask's answer, or found a restarted process: any open member of its call will do,
        // for they are alike.
        let known = token.as_deref()?;
        let _one_at_a_time = self.binding.lock().await;
        let members = self.registry.of_token(known);
        let open = self.registry.of_task(&task.task_arn);
        let id = open.or_else(|| members.into_iter().find(|id| self.is_launching(*id)))?;
        let observation = self.observation(id, task, token.clone()).await;
        Some(self.advance(id, Input::Observed(observation)).await?.durable().await)
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
