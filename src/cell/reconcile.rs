//! Behind the events: asks ECS about tasks that have been silent for too long, 100 a call, at a share of the quota.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, MutexGuard, PoisonError};
use std::time::Duration;

use super::Inner;
use super::ports::CallError;
use super::registry::Silent;
use super::silence::{Class, live_task};
use super::watcher::Seen;
use crate::core::machine::Input;

/// Most tasks a DescribeTasks call takes (API reference).
const MOST_A_CALL: usize = 100;
/// Tasks of one class asked about before it is the other's turn: those that are to become HEALTHY do not wait for all
/// that an earlier process left.
const MOST_A_ROUND: usize = 500;
const ROUND: Duration = Duration::from_secs(2);

impl Inner {
    /// Rounds without end. After a restart every task that may live comes to its turn, at the rate of the calls.
    pub(super) async fn reconcile_all(self: Arc<Self>) {
        loop {
            let mut most = 0;
            for class in [Class::Health, Class::Usual] {
                let silent = self.registry.silent(class, self.ports.clock.now(), MOST_A_ROUND);
                most = most.max(silent.len());
                if !self.ask(class, silent).await {
                    return;
                }
            }
            // More of them are due: at once, for the calls have a rate of their own.
            let wait = if most < MOST_A_ROUND { self.config.poll.unwrap_or(ROUND) } else { Duration::ZERO };
            tokio::select! {
                biased;
                () = self.ended.cancelled() => return,
                () = tokio::time::sleep(wait) => {}
            }
        }
    }

    /// Describes these tasks; false once the cell has ended.
    async fn ask(&self, class: Class, silent: Vec<Silent>) -> bool {
        let mut by_cluster: BTreeMap<String, Vec<Silent>> = BTreeMap::new();
        for task in silent {
            by_cluster.entry(task.cluster.clone()).or_default().push(task);
        }
        for (cluster, tasks) in by_cluster {
            for batch in tasks.chunks(MOST_A_CALL) {
                let Some(cuts) = self.read_slot().await else { return false };
                self.describe(class, &cluster, batch, cuts).await;
            }
        }
        true
    }

    /// The right to one call that reads tasks. `None` once the cell has ended.
    pub(super) async fn read_slot(&self) -> Option<u64> {
        loop {
            match self.governor.read() {
                Ok(cuts) => return Some(cuts),
                Err(wait) => tokio::select! {
                    biased;
                    () = self.ended.cancelled() => return None,
                    () = tokio::time::sleep(wait) => {}
                },
            }
        }
    }

    async fn describe(&self, class: Class, cluster: &str, batch: &[Silent], cuts: u64) {
        let arns: Vec<String> = batch.iter().map(|silent| silent.task_arn.clone()).collect();
        let described = self.ports.ecs.describe_tasks(cluster, &arns).await;
        self.governor.described(cuts, matches!(described, Err(CallError::Throttled(_))));
        let described = match described {
            Ok(described) => described,
            // Rates are the governor's affair.
            Err(error @ CallError::Throttled(_)) => return tracing::debug!(%error, "DescribeTasks was throttled"),
            Err(error) => return self.cannot_describe(cluster, &error),
        };
        if self.undescribed().remove(cluster) {
            tracing::info!(cluster, "DescribeTasks is answered again");
        }
        for task in &described.tasks {
            let told = self.observe(task).await == Seen::Known { new: true };
            // Who waits for health is asked about all the time: no event was late, let alone lost.
            if told && class == Class::Usual && self.config.poll.is_none() {
                self.counters.corrections.add(1);
            }
        }
        let missing = if self.events_were_heard() { described.missing } else { Vec::new() };
        for task_arn in missing {
            if let Some(silent) = batch.iter().find(|silent| same_task(&silent.task_arn, &task_arn)) {
                let known = self.registry.read(silent.run, |run| live_task(run).map(str::to_owned));
                let Some(task_arn) = known.flatten() else { continue };
                self.advance(silent.run, Input::Missing { task_arn }).await;
            }
        }
    }

    /// Said when it begins: without these answers, lost events are not made good.
    fn cannot_describe(&self, cluster: &str, error: &CallError) {
        if self.undescribed().insert(cluster.to_owned()) {
            tracing::warn!(cluster, %error, "DescribeTasks gave no answer; silent tasks are asked about again later");
        } else {
            tracing::debug!(cluster, %error, "DescribeTasks gave no answer");
        }
    }

    fn undescribed(&self) -> MutexGuard<'_, BTreeSet<String>> {
        self.undescribed.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// `failures[].arn` may lack the cluster (the short form of before 2018): the id is what counts.
fn same_task(one: &str, other: &str) -> bool {
    one.rsplit('/').next() == other.rsplit('/').next()
}
