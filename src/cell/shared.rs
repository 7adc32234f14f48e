//! What the cells of one process share.

use super::control::FleetLimits;
use super::launch::Quota;
use super::lease::Lease;

/// What the cells of one process have in common.
#[derive(Clone)]
pub struct Shared {
    /// Until when they may act.
    pub lease: Lease,
    /// The launch quotas; `None`: the cell has its own.
    pub quota: Option<Quota>,
    /// The limits of their fleet, in place of each cell's own: in force from its first launch on.
    pub limits: Option<FleetLimits>,
    /// Their log lines name their cell.
    pub is_one_of_several: bool,
}

impl Shared {
    /// Of a process with one cell, which no other process serves.
    pub fn of_one() -> Self {
        Self { lease: Lease::forever(), quota: None, limits: None, is_one_of_several: false }
    }
}
