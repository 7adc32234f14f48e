//! What keeps runs from being launched: limits, pauses, and circuit breakers.

mod breakers;
mod limits;

pub(super) use breakers::{BreakerControl, time_probes};
pub(super) use limits::{EffectiveLimits, LimitOverrides};
pub use limits::{Limits, LimitsChange, LimitsError, Pause, Paused};
