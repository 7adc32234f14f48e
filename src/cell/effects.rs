//! StopTask and notifications: asked for again until AWS has taken them.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use tokio::sync::mpsc;
use uuid::Uuid;

use super::Inner;
use super::door::Commit;
use super::ports::CallError;
use crate::core::notification::Notification;
use crate::store::Change;

/// Notifications on their way at once.
const PUBLISHED_AT_ONCE: usize = 16;
const FIRST_WAIT: Duration = Duration::from_millis(500);
const LONGEST_WAIT: Duration = Duration::from_secs(60);

impl Inner {
    /// Calls StopTask in the background. The machine asks again if the task goes on.
    pub(super) fn stop_task(&self, id: Uuid, task_arn: String, reason: String) {
        let Some(cluster) = self.registry.read(id, |run| run.spec.run_task.cluster().to_owned()) else { return };
        let (ecs, calls, ended) = (Arc::clone(&self.ports.ecs), Arc::clone(&self.stops), self.ended.clone());
        self.tasks.spawn(async move {
            let Ok(_slot) = calls.acquire_owned().await else { return };
            let mut wait = FIRST_WAIT;
            loop {
                match ecs.stop_task(&cluster, &task_arn, &reason).await {
                    Ok(()) => return,
                    Err(CallError::Throttled(_) | CallError::Unknown(_)) => {}
                    // The task is gone, or we may not: its end comes as an event, or the machine asks again.
                    Err(error) => return tracing::warn!(task = task_arn, %error, "StopTask was refused"),
                }
                tokio::select! {
                    () = tokio::time::sleep(wait) => {}
                    () = ended.cancelled() => return,
                }
                wait = (wait * 2).min(LONGEST_WAIT);
            }
        });
    }

    /// Puts a durable notification on its way.
    pub(super) fn tell(&self, notification: Notification) {
        self.untold.fetch_add(1, Ordering::AcqRel);
        let _ = self.outbox.send(notification);
    }

    /// Publishes what is in the outbox; each leaves it once it was taken.
    pub(super) async fn notify_all(self: Arc<Self>, mut outbox: mpsc::UnboundedReceiver<Notification>) {
        let slots = Arc::new(tokio::sync::Semaphore::new(PUBLISHED_AT_ONCE));
        loop {
            let notification = tokio::select! {
                notification = outbox.recv() => notification,
                () = self.ended.cancelled() => return,
            };
            let (Some(notification), Ok(slot)) = (notification, Arc::clone(&slots).acquire_owned().await) else {
                return;
            };
            let cell = Arc::clone(&self);
            self.tasks.spawn(async move {
                cell.publish(notification).await;
                drop(slot);
            });
        }
    }

    async fn publish(&self, notification: Notification) {
        let mut wait = FIRST_WAIT;
        while let Err(error) = self.ports.notifier.publish(&notification).await {
            tracing::warn!(run = %notification.run, %error, "a notification was not taken; it is sent again");
            tokio::select! {
                () = tokio::time::sleep(wait) => {}
                // It stays in the store's outbox.
                () = self.ended.cancelled() => return,
            }
            wait = (wait * 2).min(LONGEST_WAIT);
        }
        self.counters.notified.add(1);
        // The commit queue is closed only when the cell has ended.
        let _ = self.commits.send(Commit::bare(Change::Delivered(notification.id))).await;
        self.untold.fetch_sub(1, Ordering::AcqRel);
        self.delivered.notify_waiters();
    }
}
