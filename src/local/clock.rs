//! The endpoint's clock.

/// A wall clock that follows tokio's clock, so that paused tests see time pass.
#[derive(Debug)]
pub struct Clock {
    start_millis: i64,
    started: tokio::time::Instant,
}

impl Clock {
    /// A clock that shows `start_millis` now.
    pub fn new(start_millis: i64) -> Self {
        Self { start_millis, started: tokio::time::Instant::now() }
    }

    /// A clock that shows the machine's time.
    pub fn system() -> Self {
        Self::new(jiff::Timestamp::now().as_millisecond())
    }

    /// Milliseconds since the epoch.
    pub fn now_millis(&self) -> i64 {
        self.start_millis + i64::try_from(self.started.elapsed().as_millis()).unwrap_or(i64::MAX)
    }
}
