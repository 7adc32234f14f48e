//! StopTask: one call at a time for a run, at a rate of its own, until AWS has taken it.

use std::collections::{HashSet, VecDeque};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::{Notify, Semaphore};
use uuid::Uuid;

use super::governor::Governor;
use crate::cell::backoff::Backoff;
use crate::cell::lifecycle::Lifecycle;
use crate::cell::ports::{CallError, Ecs};
use crate::cell::runs::RunIndex;
use crate::cell::target::LaunchTarget;
use crate::core::ids::TaskArn;
use crate::core::machine::{self, Effect};

/// StopTask calls under way at once.
const AT_ONCE: usize = 8;
/// A call without an answer is tried so often; after that the machine asks again.
const TRIES: u32 = 4;
const FIRST_WAIT: Duration = Duration::from_secs(1);
const LONGEST_WAIT: Duration = Duration::from_secs(8);
/// Strays that wait for their StopTask: more come again with their next event.
const MOST_STRAYS: usize = 10_000;

/// What is to be stopped.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Asked {
    /// The task of a run, if it still is to be.
    Run(Uuid),
    /// A task that is no run's.
    Stray { cluster: String, task_arn: TaskArn },
}

/// What is to be stopped, in the order of asking; each is in here once.
#[derive(Default)]
pub(in crate::cell) struct StopQueue {
    asked: Mutex<(VecDeque<Asked>, HashSet<Asked>)>,
    came: Notify,
}

impl StopQueue {
    /// Has a run's task stopped, in its turn. The machine asks again if the task goes on.
    pub(in crate::cell) fn put(&self, id: Uuid) {
        self.add(Asked::Run(id));
    }

    /// Has a task stopped that no run has.
    pub(in crate::cell) fn put_stray(&self, cluster: String, task_arn: TaskArn) {
        if self.asked.lock().unwrap_or_else(PoisonError::into_inner).0.len() < MOST_STRAYS {
            self.add(Asked::Stray { cluster, task_arn });
        }
    }

    fn add(&self, what: Asked) {
        let mut asked = self.asked.lock().unwrap_or_else(PoisonError::into_inner);
        if asked.1.insert(what.clone()) {
            asked.0.push_back(what);
            self.came.notify_one();
        }
    }

    fn next(&self) -> Option<Asked> {
        let mut asked = self.asked.lock().unwrap_or_else(PoisonError::into_inner);
        let what = asked.0.pop_front()?;
        asked.1.remove(&what);
        Some(what)
    }
}

/// One StopTask call.
struct Stop {
    cluster: String,
    task_arn: TaskArn,
    reason: String,
}

/// Calls StopTask.
pub(in crate::cell) struct Stopper {
    pub(in crate::cell) queue: Arc<StopQueue>,
    pub(in crate::cell) ecs: Arc<dyn Ecs>,
    pub(in crate::cell) runs: Arc<RunIndex>,
    pub(in crate::cell) governor: Arc<Governor>,
    pub(in crate::cell) lifecycle: Arc<Lifecycle>,
}

impl Stopper {
    /// Stops what is to be stopped, as fast as the governor lets it, until the cell has ended.
    pub(in crate::cell) async fn run(self: Arc<Self>) {
        let calls = Arc::new(Semaphore::new(AT_ONCE));
        loop {
            let Ok(call) = Arc::clone(&calls).acquire_owned().await else { return };
            let Some(asked) = self.queue.next() else {
                match self.lifecycle.unless_ended(self.queue.came.notified()).await {
                    Some(()) => continue,
                    None => return,
                }
            };
            // What has ended while it waited costs no call.
            if self.to_stop(&asked).is_none() {
                continue;
            }
            let Some(backoff_generation) = self.slot().await else { return };
            let stopper = Arc::clone(&self);
            self.lifecycle.spawn(async move {
                stopper.stop(&asked, backoff_generation).await;
                drop(call);
            });
        }
    }

    /// The call by which it is to be stopped, if it still is.
    fn to_stop(&self, asked: &Asked) -> Option<Stop> {
        let id = match asked {
            Asked::Run(id) => *id,
            Asked::Stray { cluster, task_arn } => {
                let reason = "taskwatch: no run has this task (its call was refused or given up)".to_owned();
                let is_stray = self.runs.of_task(task_arn).is_none();
                let (cluster, task_arn) = (cluster.clone(), task_arn.clone());
                return is_stray.then_some(Stop { cluster, task_arn, reason });
            }
        };
        self.runs.read(id, |run| {
            machine::resume(run).into_iter().find_map(|effect| match effect {
                Effect::StopTask { task_arn, reason } => {
                    Some(Stop { cluster: LaunchTarget::cluster_named(run).to_owned(), task_arn, reason })
                }
                _ => None,
            })
        })?
    }

    async fn slot(&self) -> Option<u64> {
        loop {
            match self.governor.stop() {
                Ok(backoff_generation) => return Some(backoff_generation),
                Err(wait) if !self.lifecycle.sleep(wait).await => return None,
                Err(_) => {}
            }
        }
    }

    async fn stop(&self, asked: &Asked, mut backoff_generation: u64) {
        let mut backoff = Backoff::new(FIRST_WAIT, LONGEST_WAIT, asked);
        for tried in 1..=TRIES {
            if !self.lifecycle.may_act().await {
                return;
            }
            let Some(Stop { cluster, task_arn, reason }) = self.to_stop(asked) else { return };
            match self.ecs.stop_task(&cluster, &task_arn.to_string(), &reason).await {
                Ok(()) => return self.governor.stopped(backoff_generation, false),
                Err(CallError::Throttled(why)) => {
                    tracing::debug!(%task_arn, why, "StopTask was throttled");
                    self.governor.stopped(backoff_generation, true);
                    return self.queue.add(asked.clone());
                }
                Err(CallError::Unknown(why) | CallError::Unreached(why)) => {
                    tracing::debug!(%task_arn, why, "StopTask gave no answer");
                    if !self.lifecycle.sleep(backoff.next()).await {
                        return;
                    }
                }
                // The task is gone, or we may not: its end comes as an event, or the machine asks again.
                Err(error) => return tracing::warn!(%task_arn, %error, "StopTask was refused"),
            }
            if tried < TRIES {
                let Some(next) = self.slot().await else { return };
                backoff_generation = next;
            }
        }
    }
}
