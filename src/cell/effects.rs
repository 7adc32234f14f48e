//! StopTask: one call at a time for a run, at a rate of its own, until AWS has taken it.

use std::collections::{HashSet, VecDeque};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::{Notify, Semaphore};
use uuid::Uuid;

use super::Inner;
use super::place::Place;
use super::ports::CallError;
use crate::core::machine::{self, Effect};

/// StopTask calls under way at once.
const AT_ONCE: usize = 8;
/// A call without an answer is tried so often; after that the machine asks again.
const TRIES: u32 = 4;
const FIRST_WAIT: Duration = Duration::from_millis(500);

/// The runs whose tasks are to be stopped, in the order they asked; each is in here once.
pub(super) struct Stops {
    asked: Mutex<(VecDeque<Uuid>, HashSet<Uuid>)>,
    came: Notify,
    calls: Arc<Semaphore>,
}

impl Default for Stops {
    fn default() -> Self {
        Self { asked: Mutex::default(), came: Notify::new(), calls: Arc::new(Semaphore::new(AT_ONCE)) }
    }
}

impl Stops {
    fn put(&self, id: Uuid) {
        let mut asked = self.asked.lock().unwrap_or_else(PoisonError::into_inner);
        if asked.1.insert(id) {
            asked.0.push_back(id);
            self.came.notify_one();
        }
    }

    fn next(&self) -> Option<Uuid> {
        let mut asked = self.asked.lock().unwrap_or_else(PoisonError::into_inner);
        let id = asked.0.pop_front()?;
        asked.1.remove(&id);
        Some(id)
    }
}

/// One StopTask call.
struct Stop {
    cluster: String,
    task_arn: String,
    reason: String,
}

impl Inner {
    /// Has a run's task stopped, in its turn. The machine asks again if the task goes on.
    pub(super) fn stop_task(&self, id: Uuid) {
        self.stops.put(id);
    }

    /// Stops what is to be stopped, as fast as the governor lets it, until the cell has ended.
    pub(super) async fn stop_all(self: Arc<Self>) {
        loop {
            let Ok(call) = Arc::clone(&self.stops.calls).acquire_owned().await else { return };
            let Some(id) = self.stops.next() else {
                tokio::select! {
                    biased;
                    () = self.ended.cancelled() => return,
                    () = self.stops.came.notified() => continue,
                }
            };
            // What has ended while it waited costs no call.
            if self.to_stop(id).is_none() {
                continue;
            }
            let Some(cuts) = self.stop_slot().await else { return };
            let cell = Arc::clone(&self);
            self.tasks.spawn(async move {
                cell.stop_one(id, cuts).await;
                drop(call);
            });
        }
    }

    /// The call that a run's task is to be stopped by, if it still is.
    fn to_stop(&self, id: Uuid) -> Option<Stop> {
        self.registry.read(id, |run| {
            machine::resume(run).into_iter().find_map(|effect| match effect {
                Effect::StopTask { task_arn, reason } => {
                    Some(Stop { cluster: Place::cluster_named(run).to_owned(), task_arn, reason })
                }
                _ => None,
            })
        })?
    }

    async fn stop_slot(&self) -> Option<u64> {
        loop {
            match self.governor.stop() {
                Ok(cuts) => return Some(cuts),
                Err(wait) => tokio::select! {
                    biased;
                    () = self.ended.cancelled() => return None,
                    () = tokio::time::sleep(wait) => {}
                },
            }
        }
    }

    async fn stop_one(&self, id: Uuid, mut cuts: u64) {
        for tried in 1..=TRIES {
            let Some(Stop { cluster, task_arn, reason }) = self.to_stop(id) else { return };
            match self.ports.ecs.stop_task(&cluster, &task_arn, &reason).await {
                Ok(()) => return self.governor.stopped(cuts, false),
                Err(CallError::Throttled(why)) => {
                    tracing::debug!(run = %id, task_arn, why, "StopTask was throttled");
                    self.governor.stopped(cuts, true);
                    return self.stop_task(id);
                }
                Err(CallError::Unknown(why)) => {
                    tracing::debug!(run = %id, task_arn, why, "StopTask gave no answer");
                    tokio::select! {
                        biased;
                        () = self.ended.cancelled() => return,
                        () = tokio::time::sleep(FIRST_WAIT * 2_u32.pow(tried - 1)) => {}
                    }
                }
                // The task is gone, or we may not: its end comes as an event, or the machine asks again.
                Err(error) => return tracing::warn!(run = %id, task_arn, %error, "StopTask was refused"),
            }
            if tried < TRIES {
                let Some(next) = self.stop_slot().await else { return };
                cuts = next;
            }
        }
    }
}
