//! The one place that reads a clock.

use tokio::time::Instant;

use crate::core::time::Timestamp;

/// Wall-clock time that moves with tokio's clock, so that tests on paused time see it move as timers fire. The machine's is
/// read once: setting it while the cell works moves no deadline.
#[derive(Clone, Copy, Debug)]
pub struct Clock {
    wall: Timestamp,
    begun: Instant,
}

impl Clock {
    /// The machine's time.
    #[expect(clippy::disallowed_methods, reason = "the one place that reads the clock")]
    pub fn system() -> Self {
        let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
        Self::starting_at(Timestamp::from_millis(0).plus(since))
    }

    /// A clock that shows `wall` now.
    pub fn starting_at(wall: Timestamp) -> Self {
        Self { wall, begun: Instant::now() }
    }

    /// This clock, set forward to `at` if it shows less; how much that was.
    pub(super) fn not_before(self, at: Timestamp) -> (Self, std::time::Duration) {
        let behind = at.since(self.now());
        (Self { wall: self.wall.plus(behind), ..self }, behind)
    }

    /// The time now.
    pub fn now(&self) -> Timestamp {
        self.wall.plus(self.begun.elapsed())
    }
}
