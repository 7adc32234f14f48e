//! Whether a cell does its work, and what hinders it.

use std::sync::Arc;

use super::health::DependencyHealth;
use super::lifecycle::Lifecycle;

/// One broken connection among many calls is everyday life; so many in a row are not.
const UNANSWERED: u32 = 3;

/// The health of all that a cell depends on.
pub(super) struct Readiness {
    /// The queues that are received from.
    pub(super) queues: Vec<(&'static str, Arc<DependencyHealth>)>,
    pub(super) store: Arc<DependencyHealth>,
    pub(super) run_task: Arc<DependencyHealth>,
    pub(super) lifecycle: Arc<Lifecycle>,
}

impl Readiness {
    /// What hinders it, each in a line for its operator; nothing when it is ready.
    pub(super) fn not_ready(&self) -> Vec<String> {
        let mut reasons = Vec::new();
        for (queue, health) in &self.queues {
            if !health.is_healthy() {
                let why = health.failure(1).map(|why| format!(": {why}")).unwrap_or_default();
                reasons.push(format!("it does not receive from {queue}{why}"));
            }
        }
        if let Some(by) = self.lifecycle.lost() {
            reasons.push(format!("it was abandoned: {by}"));
        }
        if let Some(why) = self.store.failure(1) {
            reasons.push(format!("its store does not take changes: {why}"));
        }
        if let Some(why) = self.run_task.failure(UNANSWERED) {
            reasons.push(format!("ECS does not answer RunTask, so launches wait: {why}"));
        }
        if self.lifecycle.is_draining() {
            reasons.push("it is shutting down".to_owned());
        }
        reasons
    }
}
