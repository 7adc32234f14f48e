//! What operators do: stop runs, begin them again, change limits.

mod limits;
mod orders;
mod redrive;
mod stop;

pub(super) use limits::{LimitsControl, NOTE as LIMITS_NOTE};
pub(super) use orders::Orders;
pub(super) use redrive::Redrive;
pub use redrive::RedriveError;
pub(super) use stop::stop_all;
