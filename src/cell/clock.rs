//! The one place that reads a clock.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::time::Instant;

use crate::core::time::Timestamp;

/// Wall-clock time, read once and counted on from there: setting the machine's clock while the cell works moves no deadline.
#[derive(Clone, Debug)]
pub struct Clock {
    wall: Timestamp,
    elapsed: Elapsed,
}

/// What counts on.
#[derive(Clone, Debug)]
enum Elapsed {
    /// The machine's time since it booted, the time asleep included: a token that ECS forgets after an hour is forgotten
    /// though the machine slept (clock_gettime(2), `CLOCK_BOOTTIME`; `Instant` stands still meanwhile).
    Boot(Duration),
    /// Tokio's clock, so that tests on paused time see it move as timers fire; and milliseconds slept through.
    Tokio(Instant, Arc<AtomicU64>),
}

impl Clock {
    /// The machine's time.
    #[expect(clippy::disallowed_methods, reason = "the one place that reads the clock")]
    pub fn system() -> Self {
        let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
        Self { wall: Timestamp::from_millis(0).plus(since), elapsed: Elapsed::Boot(since_boot()) }
    }

    /// A clock that shows `wall` now and moves with tokio's.
    pub fn starting_at(wall: Timestamp) -> Self {
        Self { wall, elapsed: Elapsed::Tokio(Instant::now(), Arc::default()) }
    }

    /// The machine slept: this clock and its clones go on by so much, while no timer has moved. For tests.
    pub fn sleep_through(&self, time: Duration) {
        if let Elapsed::Tokio(_, slept) = &self.elapsed {
            slept.fetch_add(u64::try_from(time.as_millis()).unwrap_or(u64::MAX), Ordering::AcqRel);
        }
    }

    /// This clock, set forward to `at` if it shows less; how much that was.
    pub(super) fn not_before(self, at: Timestamp) -> (Self, Duration) {
        let behind = at.since(self.now());
        (Self { wall: self.wall.plus(behind), ..self }, behind)
    }

    /// The time now.
    pub fn now(&self) -> Timestamp {
        self.wall.plus(match &self.elapsed {
            Elapsed::Boot(begun) => since_boot().saturating_sub(*begun),
            Elapsed::Tokio(begun, slept) => begun.elapsed() + Duration::from_millis(slept.load(Ordering::Acquire)),
        })
    }
}

#[cfg(any(target_os = "linux", target_os = "android"))]
const CLOCK: rustix::time::ClockId = rustix::time::ClockId::Boottime;
/// Elsewhere (macOS) the monotonic clock goes on while the machine sleeps.
#[cfg(not(any(target_os = "linux", target_os = "android")))]
const CLOCK: rustix::time::ClockId = rustix::time::ClockId::Monotonic;

fn since_boot() -> Duration {
    let now = rustix::time::clock_gettime(CLOCK);
    Duration::new(u64::try_from(now.tv_sec).unwrap_or_default(), u32::try_from(now.tv_nsec).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn time_asleep_counts_and_clones_know_of_it() {
        let clock = Clock::starting_at(Timestamp::from_millis(0));
        let other = clock.clone();
        tokio::time::advance(Duration::from_secs(5)).await;
        clock.sleep_through(Duration::from_secs(3600));
        assert_eq!(other.now().millis(), 3_605_000);
    }

    #[test]
    fn the_machines_clock_counts_from_its_boot() {
        let clock = Clock::system();
        assert!(matches!(clock.elapsed, Elapsed::Boot(_)));
        assert!(clock.now() >= clock.wall);
        let Elapsed::Boot(begun) = clock.elapsed else { return };
        // A clock that was begun a minute ago shows a minute more.
        let earlier = Clock { elapsed: Elapsed::Boot(begun.saturating_sub(Duration::from_secs(60))), ..clock.clone() };
        assert!(earlier.now().since(clock.wall) >= Duration::from_secs(59).min(begun));
    }
}
