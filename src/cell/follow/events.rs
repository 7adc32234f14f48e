//! What ECS says of a task, by an event or a description, goes to its run.

use std::sync::Arc;
use std::time::Duration;

use uuid::Uuid;

use super::corrections::Corrections;
use super::deciders::Deciders;
use super::foreign::{Heard, Observes};
use crate::cell::clock::Clock;
use crate::cell::commit::{PendingCommit, Pipeline};
use crate::cell::launch::{Assignments, Owner, StopQueue};
use crate::cell::ports::Message;
use crate::cell::runs::RunIndex;
use crate::cell::view::Counters;
use crate::core::ids::{TaskArn, Token};
use crate::core::machine::{Input, Observation};
use crate::core::observe::CALL;
use crate::core::order::Order;
use crate::core::task::{Notice, Task, parse_notice};
use crate::core::time::Timestamp;
use crate::core::verdict;

/// ECS's clock and ours may differ, and a killed process's last calls be answered, by so much.
const OF_ANOTHER_LIFE: Duration = Duration::from_secs(60);

/// What became of a message of the events queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Taken {
    /// It is done with.
    Done,
    /// It is no event, but an order.
    Order,
    /// The cell ended before.
    CutOff,
}

/// What became of a word about a task.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::cell) enum TaskNews {
    /// The task is not of this cell, or of a run that ended long ago.
    Foreign,
    /// Its run has it, durably.
    Known {
        /// It changed something that must survive a crash: what only follows the task may be told again after one.
        new: bool,
    },
    /// The cell ended before it was durable.
    CutOff,
}

/// Takes in what ECS says.
pub(in crate::cell) struct TaskEvents {
    pub(in crate::cell) cell: String,
    pub(in crate::cell) began_at: Timestamp,
    pub(in crate::cell) runs: Arc<RunIndex>,
    pub(in crate::cell) pipeline: Arc<Pipeline>,
    pub(in crate::cell) assignments: Arc<Assignments>,
    pub(in crate::cell) deciders: Deciders,
    pub(in crate::cell) stops: Arc<StopQueue>,
    pub(in crate::cell) foreign: Arc<dyn Observes>,
    pub(in crate::cell) corrections: Arc<Corrections>,
    pub(in crate::cell) counters: Arc<Counters>,
    pub(in crate::cell) clock: Clock,
}

impl TaskEvents {
    /// What a message of the events queue causes, durably.
    pub(super) async fn take(&self, message: &Message) -> Taken {
        match parse_notice(&message.body) {
            Ok(Notice::Task(event)) => match self.take_task(&event.task).await {
                TaskNews::Known { .. } => {
                    self.counters.events.add(1);
                    if let Some(sent) = message.sent_at {
                        self.counters.event_lag.record(self.clock.now().since(sent));
                    }
                }
                TaskNews::Foreign => {
                    self.counters.foreign.add(1);
                    if self.started_by(&event.task).is_none() {
                        return self.heard(message, self.foreign.task(&event.task, &message.body).await);
                    }
                }
                TaskNews::CutOff => return Taken::CutOff,
            },
            Ok(Notice::Foreign(what)) if Order::is_named(&what) => return Taken::Order,
            Ok(Notice::Foreign(what)) => {
                self.counters.foreign.add(1);
                if what == CALL {
                    return self.heard(message, self.foreign.call(&message.body).await);
                }
            }
            Err(error) => self.drop_malformed(message, &error.to_string()),
        }
        Taken::Done
    }

    /// What became of a message about a task of others.
    fn heard(&self, message: &Message, heard: Heard) -> Taken {
        match heard {
            Heard::Done => Taken::Done,
            Heard::CutOff => Taken::CutOff,
            Heard::Malformed => {
                self.drop_malformed(message, "it is no record of CloudTrail");
                Taken::Done
            }
        }
    }

    /// It can never become an event, so it must not come again.
    fn drop_malformed(&self, message: &Message, error: &str) {
        self.counters.malformed.add(1);
        tracing::warn!(message = message.id, error, "a message of the events queue was dropped");
    }

    async fn take_task(&self, task: &Task<'_>) -> TaskNews {
        let task_arn = TaskArn::from(task.task_arn.as_ref());
        // Also of a run that has left memory: the event came, so it was not lost.
        self.corrections.event(&task_arn, task.version);
        self.observe(task, &task_arn).await
    }

    /// Gives what ECS says of a task to its run.
    pub(in crate::cell) async fn observe(&self, task: &Task<'_>, task_arn: &TaskArn) -> TaskNews {
        let news = self.observe_task(task, task_arn).await;
        if task.has_stopped() {
            self.pipeline.task_stopped(task_arn);
        }
        news
    }

    async fn observe_task(&self, task: &Task<'_>, task_arn: &TaskArn) -> TaskNews {
        let started_by = self.started_by(task);
        let token = started_by.and_then(|text| text.parse().ok());
        if let Some(id) = self.runs.of_task(task_arn) {
            return self.durably(self.give(id, task, token).await).await;
        }
        // The event overtook RunTask's answer, or found a restarted process.
        match token {
            Some(token) => self.observe_unknown(task, task_arn, token).await,
            None => {
                if started_by.is_some() {
                    self.note_duplicate_name(task);
                }
                TaskNews::Foreign
            }
        }
    }

    /// What comes after this cell's name in `startedBy`: a token, if this cell launched the task.
    fn started_by<'t>(&self, task: &'t Task<'_>) -> Option<&'t str> {
        let started_by = task.started_by.as_deref()?;
        started_by.strip_prefix(self.cell.as_str())?.strip_prefix('/')
    }

    /// A task that no run in memory has: of a call that is out, of a run that has left memory, or nobody's.
    async fn observe_unknown(&self, task: &Task<'_>, task_arn: &TaskArn, token: Token) -> TaskNews {
        // Read, if it has to be, before the lock: the call's answer waits for that.
        if let Some(alike) = self.runs.of_token(token).first() {
            self.deciders.of(*alike, task).await;
        }
        let lock = self.assignments.lock(token).await;
        let made = match self.assignments.owner(&lock, task_arn).await {
            Owner::Run(id) => self.give(id, task, Some(token)).await,
            Owner::EndedRun => return TaskNews::Known { new: false },
            Owner::CutOff => return TaskNews::CutOff,
            Owner::Stray => {
                self.stop_stray(task);
                return TaskNews::Foreign;
            }
            Owner::Unknown => {
                self.note_duplicate_name(task);
                return TaskNews::Foreign;
            }
        };
        drop(lock);
        self.durably(made).await
    }

    async fn give(&self, id: Uuid, task: &Task<'_>, token: Option<Token>) -> Option<PendingCommit> {
        let (named, log) = self.deciders.of(id, task).await;
        let deciders = if named.is_empty() { verdict::Deciders::Unknown } else { verdict::Deciders::Named(&named) };
        let observed = Input::Observed(Observation::of(task, token, deciders).with_log(log));
        let wanted = self.runs.read(id, |run| run.spec.notify.wants_the_task()).unwrap_or(false);
        self.pipeline.advance_told(id, observed, wanted.then(|| task.outcome())).await
    }

    async fn durably(&self, made: Option<PendingCommit>) -> TaskNews {
        match made {
            Some(made) => made.durable().await.map_or(TaskNews::CutOff, |new| TaskNews::Known { new }),
            None if self.pipeline.is_closed() => TaskNews::CutOff,
            None => TaskNews::Foreign,
        }
    }

    /// Every attempt of the task's call is over, and none had it: nobody would follow it, and the next attempt may run
    /// beside it.
    fn stop_stray(&self, task: &Task<'_>) {
        if !may_run(task) {
            return;
        }
        let cluster = task.cluster_arn.to_string();
        let (task_arn, started_by) = (&task.task_arn, task.started_by.as_deref());
        tracing::warn!(%task_arn, started_by, "a task of this cell that no run has is stopped");
        self.counters.strays.add(1);
        self.stops.put_stray(cluster, task_arn.as_ref().into());
    }

    /// Counts a foreign task with this cell's name, which this cell did not launch: another cell has the same name and a
    /// store of its own. One that ended, or was launched before this process began, may be of a run that has left memory.
    fn note_duplicate_name(&self, task: &Task<'_>) {
        let young = task.created_at.is_some_and(|at| at > self.began_at.plus(OF_ANOTHER_LIFE));
        if !young || !may_run(task) {
            return;
        }
        self.counters.duplicate_cell_name.add(1);
        if self.counters.duplicate_cell_name.get().is_power_of_two() {
            let (cell, task, count) = (&self.cell, &task.task_arn, self.counters.duplicate_cell_name.get());
            tracing::warn!(
                cell,
                %task,
                count,
                "duplicate cell name: tasks with this cell's name were launched by another cell, and each takes the \
                 other's events; give each cell its own TASKWATCH_CELL"
            );
        }
    }
}

fn may_run(task: &Task<'_>) -> bool {
    ["PROVISIONING", "PENDING", "ACTIVATING", "RUNNING"].contains(&&*task.last_status)
}
