//! StopTask: asked for again until AWS has taken it.

use std::sync::Arc;
use std::time::Duration;

use uuid::Uuid;

use super::Inner;
use super::ports::CallError;

const FIRST_WAIT: Duration = Duration::from_millis(500);
const LONGEST_WAIT: Duration = Duration::from_secs(60);

impl Inner {
    /// Calls StopTask in the background. The machine asks again if the task goes on.
    pub(super) fn stop_task(&self, id: Uuid, task_arn: String, reason: String) {
        let Some(cluster) = self.registry.read(id, |run| run.cluster().to_owned()) else { return };
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
}
