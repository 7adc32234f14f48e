//! Durations, as flags and settings have them.

use std::time::Duration;

/// `90`, `90s`, `10m`, `1h 30m`: seconds, or with units.
pub(super) fn parse(text: &str) -> Option<Duration> {
    if let Ok(seconds) = text.parse::<u64>() {
        return Some(Duration::from_secs(seconds));
    }
    Duration::try_from(text.parse::<jiff::SignedDuration>().ok()?).ok()
}
