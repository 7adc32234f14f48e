//! `[observe]` of the file: what is done about failures of what others launch.

use serde::Deserialize;

use crate::cli::duration;
use crate::core::observe::{Policy, PolicySettings};

/// The table of the file.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct ObserveSettings {
    policy: Vec<PolicySettings>,
}

impl ObserveSettings {
    /// The policies, in their order.
    pub(super) fn policies(&self) -> Result<Vec<Policy>, String> {
        let numbered = self.policy.iter().cloned().enumerate();
        numbered.map(|(place, policy)| policy.policy(place + 1, duration::parse)).collect()
    }
}
