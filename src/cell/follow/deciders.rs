//! Which containers of a task decide how it ended.

use std::sync::Arc;

use uuid::Uuid;

use crate::cell::definitions::Definitions;
use crate::cell::lifecycle::Lifecycle;
use crate::cell::logs::log_of;
use crate::cell::runs::RunIndex;
use crate::core::log::LogPlace;
use crate::core::task::Task;

/// Knows the deciding containers.
pub(in crate::cell) struct Deciders {
    runs: Arc<RunIndex>,
    definitions: Arc<Definitions>,
    lifecycle: Arc<Lifecycle>,
}

impl Deciders {
    pub(in crate::cell) fn new(
        runs: &Arc<RunIndex>,
        definitions: &Arc<Definitions>,
        lifecycle: &Arc<Lifecycle>,
    ) -> Self {
        Self { runs: Arc::clone(runs), definitions: Arc::clone(definitions), lifecycle: Arc::clone(lifecycle) }
    }

    /// Those that the run's request names, else the essential ones of the task definition; empty: not known, or not asked
    /// for because the task has not ended. And where the lines of the one that decided are, once it has.
    pub(super) async fn of(&self, run: Uuid, task: &Task<'_>) -> (Arc<[String]>, Option<LogPlace>) {
        let named = self.runs.read(run, |run| run.spec.decided_by.clone()).unwrap_or_default();
        if task.task_definition_arn.is_empty() {
            return (named.into(), None);
        }
        if !task.has_ended() {
            // The end of a task whose deciding containers are known waits for nothing: what tells where its log is, is read
            // meanwhile.
            if !named.is_empty() {
                self.definitions.prepare(&task.task_definition_arn, &self.lifecycle);
            }
            return (named.into(), None);
        }
        let containers = match named.is_empty() {
            true => self.definitions.containers_of(&task.task_definition_arn).await,
            false => self.definitions.known_of(&task.task_definition_arn),
        };
        let essential = || containers.iter().flat_map(|all| all.iter()).filter(|c| c.essential).map(|c| c.name.clone());
        let names: Arc<[String]> = if named.is_empty() { essential().collect() } else { named.into() };
        let log = containers.as_deref().and_then(|containers| log_of(task, containers, &names));
        (names, log)
    }
}
