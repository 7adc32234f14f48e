//! The limits and pauses of a fleet: changed in one place, followed by every cell.

use serde::{Deserialize, Serialize};

use super::limits::{LimitOverrides, Limits, LimitsChange, LimitsError, Pause};
use crate::cell::config::CellConfig;
use crate::core::breaker::OpenBreaker;
use crate::core::time::Timestamp;

/// Task definitions whose resumption is remembered: cells that nobody serves at the time learn of it later.
const MOST_RESUMED: usize = 100;

/// What operators changed for all cells of a fleet.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct FleetLimits {
    limits: LimitOverrides,
    resumed: Vec<Resumed>,
}

/// What was to be launched again, and when somebody said so.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Resumed {
    #[serde(flatten)]
    what: Pause,
    at: Timestamp,
}

impl FleetLimits {
    /// As they were written.
    ///
    /// # Errors
    /// They cannot be read: what is wrong.
    pub fn read(text: &str) -> Result<Self, String> {
        serde_json::from_str(text).map_err(|e| e.to_string())
    }

    /// As they are to be written.
    pub fn text(&self) -> String {
        // Numbers and texts: it cannot fail.
        serde_json::to_string(self).unwrap_or_default()
    }

    /// These with a change of this instant.
    ///
    /// # Errors
    /// [`LimitsError::Wrong`] names the value that cannot be.
    pub fn changed(&self, change: LimitsChange, now: Timestamp) -> Result<Self, LimitsError> {
        let again: Vec<Pause> = change.resume.iter().cloned().map(Pause::plainly).collect();
        let limits = self.limits.changed(change, now)?;
        let others = self.resumed.iter().filter(|resumed| !again.contains(&resumed.what)).cloned();
        let mut resumed: Vec<Resumed> = others.collect();
        resumed.extend(again.into_iter().map(|what| Resumed { what, at: now }));
        resumed.drain(..resumed.len().saturating_sub(MOST_RESUMED));
        Ok(Self { limits, resumed })
    }

    /// What is in force: these, and otherwise the settings.
    pub fn in_force(&self, settings: &CellConfig) -> Limits {
        self.limits.over(settings)
    }

    pub(in crate::cell) fn overrides(&self) -> &LimitOverrides {
        &self.limits
    }

    /// Of open circuit breakers those that were to be closed after they had opened.
    pub(in crate::cell) fn closes(&self, open: &[OpenBreaker]) -> Vec<Pause> {
        let is_closed = |resumed: &&Resumed| {
            let opened_before = |breaker: &OpenBreaker| breaker.paused_at < resumed.at;
            open.iter().any(|breaker| opened_before(breaker) && resumed.what.is_for(&breaker.task_definition))
        };
        self.resumed.iter().filter(is_closed).map(|resumed| resumed.what.clone()).collect()
    }
}
