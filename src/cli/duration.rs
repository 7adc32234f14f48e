//! Durations, as flags and settings have them, and as they are shown.

use std::time::Duration;

/// `90`, `90s`, `10m`, `1h 30m`: seconds, or with units.
pub(super) fn parse(text: &str) -> Option<Duration> {
    if let Ok(seconds) = text.parse::<u64>() {
        return Some(Duration::from_secs(seconds));
    }
    Duration::try_from(text.parse::<jiff::SignedDuration>().ok()?).ok()
}

/// Seconds, with as many digits as matter.
pub(super) fn seconds(seconds: f64) -> String {
    let whole = seconds as u64;
    match seconds {
        s if s < 0.0005 => "0s".into(),
        s if s < 1.0 => format!("{:.0}ms", s * 1000.0),
        s if s < 10.0 => format!("{s:.1}s"),
        s if s < 60.0 => format!("{s:.0}s"),
        s if s < 3600.0 => format!("{}m{:02}s", whole / 60, whole % 60),
        s if s < 86400.0 => format!("{}h{:02}m", whole / 3600, whole % 3600 / 60),
        _ => format!("{}d{:02}h", whole / 86400, whole % 86400 / 3600),
    }
}

/// A duration in one unit.
pub(super) fn whole(duration: Duration) -> String {
    match duration.as_secs() {
        s @ 0..60 => format!("{s}s"),
        s @ 60..3600 => format!("{}m", s / 60),
        s @ 3600..86400 => format!("{}h", s / 3600),
        s => format!("{}d", s / 86400),
    }
}
