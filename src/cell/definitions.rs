//! The containers of task definitions: read once a revision, and kept. A revision never changes.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use super::Inner;
use super::ports::{CallError, ContainerDefinition};

/// A permission may be granted while the cell runs.
const ASK_AGAIN: Duration = Duration::from_secs(60);

/// The containers of one revision, or that they could not be read, and when.
#[derive(Clone)]
pub(super) struct Known {
    containers: Option<Arc<[ContainerDefinition]>>,
    asked: Instant,
}

/// How often a call that may succeed later is tried before the task is judged without.
const TRIES: u32 = 5;

impl Inner {
    /// The containers of a task definition; `None` when they cannot be read.
    pub(super) async fn containers_of(&self, task_definition: &str) -> Option<Arc<[ContainerDefinition]>> {
        // A family without a revision may mean another one tomorrow.
        let fixed = task_definition.rsplit('/').next().is_some_and(|name| name.contains(':'));
        if let Some(known) = self.known_containers(task_definition) {
            return known.containers;
        }
        let _one_at_a_time = self.describing.lock().await;
        if let Some(known) = self.known_containers(task_definition) {
            return known.containers;
        }
        let containers = self.describe_definition(task_definition).await;
        if fixed {
            let known = Known { containers: containers.clone(), asked: Instant::now() };
            self.definitions.insert(task_definition.to_owned(), known);
        }
        containers
    }

    /// What was read of a task definition; what was refused is asked again after a while.
    fn known_containers(&self, task_definition: &str) -> Option<Known> {
        let known = self.definitions.get(task_definition)?;
        (known.containers.is_some() || known.asked.elapsed() < ASK_AGAIN).then(|| known.clone())
    }

    async fn describe_definition(&self, task_definition: &str) -> Option<Arc<[ContainerDefinition]>> {
        let mut wait = Duration::from_millis(200);
        for _ in 0..TRIES {
            match self.ports.ecs.container_definitions(task_definition).await {
                Ok(containers) => return Some(containers.into()),
                Err(CallError::Throttled(_) | CallError::Unknown(_)) => tokio::time::sleep(wait).await,
                Err(error) => {
                    tracing::warn!(task_definition, %error,
                        "DescribeTaskDefinition was refused: any container that ends itself with a non-zero code decides");
                    return None;
                }
            }
            wait *= 2;
        }
        None
    }
}
