//! What a run is found by and counts as, before and after a change.

use crate::cell::target::LaunchTarget;
use crate::core::run::{Run, Status};

/// The index entries and counts of one run.
pub(super) struct IndexKeys {
    /// The newest attempt's task and token.
    pub(super) task_arn: Option<String>,
    pub(super) token: Option<String>,
    pub(super) status: Status,
    /// Whether it may have a task.
    pub(super) live: bool,
    /// The cluster in which its task waits for an instance.
    pub(super) provisioning: Option<String>,
}

impl IndexKeys {
    pub(super) fn of(run: &Run) -> Self {
        let (task_arn, token) = run.attempt().map(|a| (a.task_arn.clone(), a.token.clone())).unwrap_or_default();
        let provisioning = LaunchTarget::waits_for_instances(run).map(str::to_owned);
        Self { task_arn, token, status: run.status, live: run.is_live(), provisioning }
    }

    pub(super) const fn is_open(&self) -> bool {
        !self.status.is_final()
    }
}
