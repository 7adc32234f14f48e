//! What keeps runs from being launched: limits, pauses, and circuit breakers.

mod breakers;
mod fleet;
mod limits;

pub(super) use breakers::{BreakerControl, time_probes};
pub use fleet::FleetLimits;
pub(super) use limits::{EffectiveLimits, LimitOverrides};
pub use limits::{Limits, LimitsChange, LimitsError, Pause, Paused};
