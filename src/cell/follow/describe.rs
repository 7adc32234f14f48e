//! DescribeTasks: asks ECS about tasks, 100 a call, and gives the answers to their runs as events are given.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use futures::future::join_all;
use uuid::Uuid;

use super::corrections::Corrections;
use super::events::{TaskEvents, TaskNews};
use crate::cell::clock::Clock;
use crate::cell::commit::Pipeline;
use crate::cell::launch::Reads;
use crate::cell::lifecycle::Lifecycle;
use crate::cell::ports::{CallError, Described, Ecs};
use crate::cell::runs::{RunIndex, StaleTask, live_task};
use crate::cell::watermark::EventWatermark;
use crate::core::ids::TaskArn;
use crate::core::machine::Input;
use crate::core::task::Task;

/// Most tasks a DescribeTasks call takes (API reference).
const MOST_A_CALL: usize = 100;

/// Asks ECS about tasks.
pub(in crate::cell) struct Describer {
    ecs: Arc<dyn Ecs>,
    runs: Arc<RunIndex>,
    pipeline: Arc<Pipeline>,
    events: Arc<TaskEvents>,
    reads: Arc<Reads>,
    watermark: Arc<EventWatermark>,
    clock: Clock,
    lifecycle: Arc<Lifecycle>,
    /// Clusters of which the last DescribeTasks gave no answer.
    unanswered: Mutex<BTreeSet<String>>,
}

impl Describer {
    pub(in crate::cell) fn new(
        ecs: Arc<dyn Ecs>,
        runs: Arc<RunIndex>,
        pipeline: Arc<Pipeline>,
        events: Arc<TaskEvents>,
        reads: Arc<Reads>,
        (watermark, clock): (Arc<EventWatermark>, Clock),
        lifecycle: Arc<Lifecycle>,
    ) -> Self {
        Self { ecs, runs, pipeline, events, reads, watermark, clock, lifecycle, unanswered: Mutex::default() }
    }

    /// Describes these tasks: the runs whose tasks ECS answered for, those it does not know included. What is told of them
    /// before any event has told it goes to `corrections`, if there are to be any. `None` once the cell has ended.
    pub(super) async fn describe(&self, tasks: Vec<StaleTask>, corrections: Option<&Corrections>) -> Option<Vec<Uuid>> {
        let mut by_cluster: BTreeMap<String, Vec<StaleTask>> = BTreeMap::new();
        for task in tasks {
            by_cluster.entry(task.cluster.clone()).or_default().push(task);
        }
        let mut answered = Vec::new();
        for (cluster, tasks) in by_cluster {
            for batch in tasks.chunks(MOST_A_CALL) {
                if let Some(described) = self.call(&cluster, batch).await? {
                    answered.extend(batch.iter().map(|task| task.run));
                    self.take(described, batch, corrections).await;
                }
            }
        }
        Some(answered)
    }

    /// One call; `Some(None)` when it gave no answer.
    async fn call(&self, cluster: &str, batch: &[StaleTask]) -> Option<Option<Described>> {
        let read = self.reads.slot().await?;
        let arns: Vec<String> = batch.iter().map(|task| task.task_arn.to_string()).collect();
        let described = self.lifecycle.unless_ended(self.ecs.describe_tasks(cluster, &arns)).await?;
        self.reads.went(read, matches!(described, Err(CallError::Throttled(_))));
        let refused = || described.as_ref().err().filter(|error| matches!(error, CallError::Refused(_)));
        self.reads.refused(refused().map(ToString::to_string));
        match described {
            Ok(described) => {
                if self.unanswered().remove(cluster) {
                    tracing::info!(cluster, "DescribeTasks is answered again");
                }
                return Some(Some(described));
            }
            // Rates are the governor's affair.
            Err(error @ CallError::Throttled(_)) => tracing::debug!(%error, "DescribeTasks was throttled"),
            // Logged when it begins: without these answers lost events are not made good.
            Err(error) if self.unanswered().insert(cluster.to_owned()) => {
                tracing::warn!(cluster, %error, "DescribeTasks gave no answer; it is asked again");
            }
            Err(error) => tracing::debug!(cluster, %error, "DescribeTasks gave no answer"),
        }
        Some(None)
    }

    /// Gives an answer to its runs; all of it waits for one commit.
    async fn take(&self, described: Described, batch: &[StaleTask], corrections: Option<&Corrections>) {
        join_all(described.tasks.iter().map(|task| self.observe(task, corrections))).await;
        if self.watermark.is_complete() {
            let missing = described.missing.iter().map(|arn| self.missing(arn, batch));
            join_all(missing).await;
        }
    }

    async fn observe(&self, task: &Task<'_>, corrections: Option<&Corrections>) {
        let task_arn = TaskArn::from(task.task_arn.as_ref());
        if let Some(corrections) = corrections {
            corrections.described(&task_arn, task.version, self.clock.now());
        }
        let is_new = self.events.observe(task, &task_arn).await == TaskNews::Known { new: true };
        if let Some(corrections) = corrections.filter(|_| !is_new) {
            corrections.event(&task_arn, task.version);
        }
    }

    /// ECS does not know a task.
    async fn missing(&self, task_arn: &str, batch: &[StaleTask]) {
        // `failures[].arn` may lack the cluster (the short form of before 2018): the id is what counts.
        let id = TaskArn::from(task_arn).task_id();
        let Some(task) = batch.iter().find(|task| task.task_arn.task_id() == id) else { return };
        let known = self.runs.read(task.run, |run| live_task(run).cloned()).flatten();
        if let Some(task_arn) = known {
            drop(self.pipeline.advance(task.run, Input::Missing { task_arn }).await);
        }
    }

    fn unanswered(&self) -> MutexGuard<'_, BTreeSet<String>> {
        self.unanswered.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
