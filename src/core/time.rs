//! The core's only notion of time: a wall-clock instant in milliseconds, always given as an argument.

use std::fmt;
use std::num::NonZeroI64;
use std::time::Duration;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// A wall-clock instant: milliseconds since 1970-01-01T00:00:00Z. Written as ISO 8601 in UTC.
///
/// Kept so that an `Option` of it takes no more room: from 0 on one more than the milliseconds, which keeps their order and
/// leaves 0 out.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp(NonZeroI64);

impl Timestamp {
    /// The instant `millis` milliseconds after the epoch.
    pub const fn from_millis(millis: i64) -> Self {
        let kept = if millis < 0 { millis } else { millis.saturating_add(1) };
        match NonZeroI64::new(kept) {
            Some(kept) => Self(kept),
            None => Self(NonZeroI64::MIN),
        }
    }

    /// Milliseconds since the epoch.
    pub const fn millis(self) -> i64 {
        let kept = self.0.get();
        if kept < 0 { kept } else { kept - 1 }
    }

    /// Reads an ISO 8601 instant with any number of fraction digits; ECS sends 0 to 3.
    pub fn parse(text: &str) -> Option<Self> {
        text.parse::<jiff::Timestamp>().ok().map(|t| Self::from_millis(t.as_millisecond()))
    }

    /// The instant `wait` later; saturates at the end of time.
    pub fn plus(self, wait: Duration) -> Self {
        Self::from_millis(self.millis().saturating_add(i64::try_from(wait.as_millis()).unwrap_or(i64::MAX)))
    }

    /// So much earlier.
    pub fn minus(self, wait: Duration) -> Self {
        Self::from_millis(self.millis().saturating_sub(i64::try_from(wait.as_millis()).unwrap_or(i64::MAX)))
    }

    /// How long after `earlier` this is; zero if it is not after.
    pub fn since(self, earlier: Self) -> Duration {
        Duration::from_millis(u64::try_from(self.millis().saturating_sub(earlier.millis())).unwrap_or(0))
    }
}

/// The epoch.
impl Default for Timestamp {
    fn default() -> Self {
        Self::from_millis(0)
    }
}

impl fmt::Debug for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Timestamp({})", self.millis())
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match jiff::Timestamp::from_millisecond(self.millis()) {
            Ok(t) => write!(f, "{t:.3}"),
            Err(_) => write!(f, "{}ms", self.millis()),
        }
    }
}

impl Serialize for Timestamp {
    fn serialize<S: Serializer>(&self, out: S) -> Result<S::Ok, S::Error> {
        out.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Timestamp {
    fn deserialize<D: Deserializer<'de>>(input: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<'de, str>::deserialize(input)?;
        Self::parse(&text).ok_or_else(|| serde::de::Error::custom(format!("not an ISO 8601 instant: {text:?}")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_every_precision_ecs_sends() {
        for (text, millis) in [
            ("2025-02-13T14:48:24Z", 1_739_458_104_000),
            ("2025-02-13T14:48:24.5Z", 1_739_458_104_500),
            ("2025-02-13T14:48:36.54Z", 1_739_458_116_540),
            ("2025-02-13T14:48:24.435Z", 1_739_458_104_435),
        ] {
            assert_eq!(Timestamp::parse(text), Some(Timestamp::from_millis(millis)), "{text}");
        }
        assert_eq!(Timestamp::parse("yesterday"), None);
    }

    #[test]
    fn every_instant_is_kept_in_order_and_an_option_costs_nothing() {
        let all = [i64::MIN, i64::MIN + 1, -2, -1, 0, 1, 2, i64::MAX - 1];
        for (n, millis) in all.into_iter().enumerate() {
            assert_eq!(Timestamp::from_millis(millis).millis(), millis);
            assert!(all[..n].iter().all(|earlier| Timestamp::from_millis(*earlier) < Timestamp::from_millis(millis)));
        }
        assert_eq!(Timestamp::from_millis(i64::MAX).millis(), i64::MAX - 1, "the end of time is a little earlier");
        assert_eq!(size_of::<Option<Timestamp>>(), 8);
    }

    #[test]
    fn writes_what_it_reads() {
        let t = Timestamp::from_millis(1_739_458_104_435);
        assert_eq!(t.to_string(), "2025-02-13T14:48:24.435Z");
        assert_eq!(Timestamp::parse(&t.to_string()), Some(t));
    }
}
