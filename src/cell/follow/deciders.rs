//! Which containers of a task decide how it ended.

use std::sync::Arc;

use uuid::Uuid;

use crate::cell::definitions::Definitions;
use crate::cell::runs::RunIndex;
use crate::core::task::Task;

/// Knows the deciding containers.
pub(in crate::cell) struct Deciders {
    runs: Arc<RunIndex>,
    definitions: Arc<Definitions>,
}

impl Deciders {
    pub(in crate::cell) fn new(runs: Arc<RunIndex>, definitions: Arc<Definitions>) -> Self {
        Self { runs, definitions }
    }

    /// Those that the run's request names, else the essential ones of the task definition; empty: not known, or not asked
    /// for because the task has not ended.
    pub(super) async fn of(&self, run: Uuid, task: &Task<'_>) -> Arc<[String]> {
        let named = self.runs.read(run, |run| run.spec.decided_by.clone()).unwrap_or_default();
        if !named.is_empty() {
            return named.into();
        }
        let ended = matches!(task.last_status.as_ref(), "DEPROVISIONING" | "STOPPED" | "DELETED");
        if !ended || task.task_definition_arn.is_empty() {
            return Arc::default();
        }
        let containers = self.definitions.containers_of(&task.task_definition_arn).await.unwrap_or_default();
        containers.iter().filter(|c| c.essential).map(|c| c.name.clone()).collect()
    }
}
