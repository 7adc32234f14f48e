//! Behind the events: asks ECS about tasks that have been silent for too long, 100 a call.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;
use uuid::Uuid;

use super::Inner;
use crate::core::machine::Input;
use crate::core::request::Goal;
use crate::core::run::{Run, Stage};

/// Most tasks a DescribeTasks call takes (API reference).
const MOST_A_CALL: usize = 100;
/// A tenth of the quota of 20 calls a second that DescribeTasks shares with other reads of the account.
const BETWEEN_CALLS: Duration = Duration::from_millis(500);
/// How often tasks that are to become HEALTHY are asked about: events do not carry health.
const HEALTH: Duration = Duration::from_secs(5);
const ROUND: Duration = Duration::from_secs(2);

impl Inner {
    /// Rounds without end. The first one, after a restart, asks about every task that may live.
    pub(super) async fn reconcile_all(self: Arc<Self>) {
        let mut asked: HashMap<Uuid, Instant> = HashMap::new();
        let mut everything = true;
        loop {
            let silent = self.silent(&mut asked, std::mem::take(&mut everything));
            for (cluster, tasks) in silent {
                for batch in tasks.chunks(MOST_A_CALL) {
                    self.describe(&cluster, batch).await;
                    tokio::select! {
                        () = tokio::time::sleep(BETWEEN_CALLS) => {}
                        () = self.ended.cancelled() => return,
                    }
                }
            }
            tokio::select! {
                () = tokio::time::sleep(self.config.poll.unwrap_or(ROUND)) => {}
                () = self.ended.cancelled() => return,
            }
        }
    }

    /// The tasks to ask about now, by cluster.
    fn silent(&self, asked: &mut HashMap<Uuid, Instant>, everything: bool) -> BTreeMap<String, Vec<(Uuid, String)>> {
        let now = self.ports.clock.now();
        let due = self.registry.collect(|run| {
            let (arn, patience) = (placed(run)?, self.patience(run));
            let heard = run.attempt().and_then(|a| a.heard_at.or(a.placed_at));
            let silent = heard.is_none_or(|at| now.since(at) >= patience);
            let rested = asked.get(&run.id).is_none_or(|at| at.elapsed() >= patience);
            (everything || (silent && rested)).then(|| (run.cluster().to_owned(), run.id, arn))
        });
        let mut by_cluster: BTreeMap<String, Vec<(Uuid, String)>> = BTreeMap::new();
        asked.retain(|_, at| at.elapsed() < self.config.reconcile_after);
        for (cluster, id, arn) in due {
            asked.insert(id, Instant::now());
            by_cluster.entry(cluster).or_default().push((id, arn));
        }
        by_cluster
    }

    /// How long a run's task may be silent.
    fn patience(&self, run: &Run) -> Duration {
        let running = run.attempt().is_some_and(|a| a.started_at.is_some());
        match self.config.poll {
            Some(poll) => poll,
            None if run.spec.until == Goal::Healthy && running => HEALTH,
            None => self.config.reconcile_after,
        }
    }

    async fn describe(&self, cluster: &str, batch: &[(Uuid, String)]) {
        let arns: Vec<String> = batch.iter().map(|(_, arn)| arn.clone()).collect();
        let described = match self.ports.ecs.describe_tasks(cluster, &arns).await {
            Ok(described) => described,
            Err(error) => return tracing::debug!(%error, "DescribeTasks gave no answer; asking again later"),
        };
        for task in &described.tasks {
            let told = self.observe(task).await.unwrap_or(false);
            if told && self.config.poll.is_none() {
                self.counters.corrections.add(1);
            }
        }
        for task_arn in described.missing {
            if let Some((id, _)) = batch.iter().find(|(_, arn)| same_task(arn, &task_arn)) {
                let Some(task_arn) = self.registry.read(*id, placed).flatten() else { continue };
                self.advance(*id, Input::Missing { task_arn }).await;
            }
        }
    }
}

/// The task of a run that may live.
fn placed(run: &Run) -> Option<String> {
    let attempt = run.attempt().filter(|a| matches!(a.stage, Stage::Placed | Stage::Stopping))?;
    attempt.task_arn.clone().filter(|_| !run.status.is_final())
}

/// `failures[].arn` may lack the cluster (the short form of before 2018): the id is what counts.
fn same_task(one: &str, other: &str) -> bool {
    one.rsplit('/').next() == other.rsplit('/').next()
}
