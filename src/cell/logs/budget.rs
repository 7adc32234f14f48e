//! How often CloudWatch Logs is asked.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

/// A bucket of calls that fills at a rate; after a rest it holds those of one second, and one at least.
pub(super) struct Budget {
    wait: Duration,
    burst: Duration,
    /// When the bucket is full again.
    full_at: Mutex<Instant>,
}

impl Budget {
    pub(super) fn new(a_second: f64) -> Self {
        let wait = Duration::from_secs_f64(1.0 / a_second.max(0.001));
        let burst = Duration::from_secs(1).saturating_sub(wait);
        Self { wait, burst, full_at: Mutex::new(Instant::now()) }
    }

    /// Waits for a call's turn; false, at once, where it would come after `until`.
    pub(super) async fn turn(&self, until: Instant) -> bool {
        let Some(at) = self.take(until) else { return false };
        tokio::time::sleep_until(at).await;
        true
    }

    fn take(&self, until: Instant) -> Option<Instant> {
        let mut full_at = self.full_at.lock().unwrap_or_else(PoisonError::into_inner);
        let now = Instant::now();
        let full = (*full_at).max(now);
        let at = full.checked_sub(self.burst).map_or(now, |at| at.max(now));
        if at > until {
            return None;
        }
        *full_at = full + self.wait;
        Some(at)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn calls_keep_to_the_rate_and_who_cannot_wait_so_long_goes_without() {
        let (budget, began) = (Budget::new(2.0), Instant::now());
        for _ in 0..22 {
            assert!(budget.turn(began + Duration::from_secs(60)).await);
        }
        assert_eq!(began.elapsed(), Duration::from_secs(10), "two at once, then two a second");
        assert!(!budget.turn(Instant::now() + Duration::from_millis(400)).await);
        assert!(budget.turn(Instant::now() + Duration::from_millis(500)).await);
    }
}
