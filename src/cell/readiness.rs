//! Whether a cell does its work, and what hinders it.

use std::fmt;
use std::sync::Arc;

use super::health::DependencyHealth;
use super::lifecycle::Lifecycle;

/// One broken connection among many calls is everyday life; so many in a row are not.
const UNANSWERED: u32 = 3;

/// The queues that are received from, each as users know it, and whether that goes.
pub(super) type QueuesHealth = Vec<(&'static str, Arc<DependencyHealth>)>;

/// The health of all that a cell depends on.
pub(super) struct Readiness {
    /// The queues that are received from.
    pub(super) queues: QueuesHealth,
    pub(super) store: Arc<DependencyHealth>,
    pub(super) run_task: Arc<DependencyHealth>,
    pub(super) lifecycle: Arc<Lifecycle>,
}

/// Something that keeps a cell from its work.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hindrance {
    /// What does not go, without names of resources.
    pub what: String,
    /// What AWS or the store said of it.
    pub why: Option<String>,
}

impl fmt::Display for Hindrance {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.why {
            Some(why) => write!(f, "{}: {why}", self.what),
            None => f.write_str(&self.what),
        }
    }
}

impl Readiness {
    /// What hinders the cell; nothing when it is ready.
    pub(super) fn hindrances(&self) -> Vec<Hindrance> {
        let hindrance = |what: &str, why: Option<String>| Hindrance { what: what.to_owned(), why };
        let mut hindrances = Vec::new();
        for (queue, health) in self.queues.iter().filter(|(_, health)| !health.is_healthy()) {
            hindrances.push(hindrance(&format!("it does not receive from {queue}"), health.failure(1)));
        }
        if let Some(by) = self.lifecycle.lost() {
            hindrances.push(hindrance("it was abandoned", Some(by.to_owned())));
        }
        if let Some(why) = self.store.failure(1) {
            hindrances.push(hindrance("its store does not take changes", Some(why)));
        }
        if let Some(why) = self.run_task.failure(UNANSWERED) {
            hindrances.push(hindrance("ECS does not answer RunTask, so launches wait", Some(why)));
        }
        if self.lifecycle.is_draining() {
            hindrances.push(hindrance("it is shutting down", None));
        }
        hindrances
    }
}
