//! How fast RunTask may be called: a token bucket that shrinks when AWS throttles and grows back slowly.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

/// A token bucket; a token is a task to be placed.
pub(super) struct Governor {
    state: Mutex<State>,
}

struct State {
    rate: f64,
    burst: f64,
    tokens: f64,
    at: Instant,
    /// Share of the rate in use, 0..1: halved by a throttle, raised by each success.
    share: f64,
}

const LEAST_SHARE: f64 = 0.05;
const REGAINED: f64 = 0.01;

impl Governor {
    /// `rate` tasks a second, up to `burst` at once.
    pub(super) fn new(rate: f64, burst: u32) -> Self {
        let burst = f64::from(burst.max(1));
        let rate = rate.max(0.01);
        Self { state: Mutex::new(State { rate, burst, tokens: burst, at: Instant::now(), share: 1.0 }) }
    }

    /// Another rate from here on.
    pub(super) fn set_rate(&self, rate: f64, burst: u32) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.rate = rate.max(0.01);
        state.burst = f64::from(burst.max(1));
        state.tokens = state.tokens.min(state.burst);
    }

    /// Waits until `tasks` more may be placed.
    pub(super) async fn acquire(&self, tasks: usize) {
        while let Err(wait) = self.try_take(tasks as f64) {
            tokio::time::sleep(wait).await;
        }
    }

    fn try_take(&self, tasks: f64) -> Result<(), Duration> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let now = Instant::now();
        let rate = state.rate * state.share;
        state.tokens = (state.tokens + now.duration_since(state.at).as_secs_f64() * rate).min(state.burst);
        state.at = now;
        // A call for more than the bucket holds waits for a full one, and leaves a debt.
        let needed = tasks.min(state.burst);
        if state.tokens + 1e-9 >= needed {
            state.tokens -= tasks;
            return Ok(());
        }
        Err(Duration::from_secs_f64(((needed - state.tokens) / rate).max(0.001)))
    }

    /// AWS throttled: half as fast from here on.
    pub(super) fn throttled(&self) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.share = (state.share / 2.0).max(LEAST_SHARE);
        state.tokens = state.tokens.min(0.0);
    }

    /// A call went through: a little faster.
    pub(super) fn succeeded(&self) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.share = (state.share + REGAINED).min(1.0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_burst_and_then_the_rate() {
        let governor = Governor::new(20.0, 100);
        let begun = Instant::now();
        for _ in 0..100 {
            governor.acquire(1).await;
        }
        assert_eq!(begun.elapsed(), Duration::ZERO);
        for _ in 0..40 {
            governor.acquire(1).await;
        }
        let taken = begun.elapsed().as_secs_f64();
        assert!((1.9..2.2).contains(&taken), "{taken}");
    }

    #[tokio::test(start_paused = true)]
    async fn throttles_halve_the_rate_and_successes_bring_it_back() {
        let governor = Governor::new(10.0, 1);
        governor.acquire(1).await;
        governor.throttled();
        let begun = Instant::now();
        governor.acquire(1).await;
        assert!(begun.elapsed() >= Duration::from_millis(199), "{:?}", begun.elapsed());
        (0..100).for_each(|_| governor.succeeded());
        let begun = Instant::now();
        governor.acquire(1).await;
        assert!(begun.elapsed() <= Duration::from_millis(110), "{:?}", begun.elapsed());
    }

    #[tokio::test(start_paused = true)]
    async fn more_than_the_bucket_holds_is_let_through_and_paid_for() {
        let governor = Governor::new(1.0, 5);
        governor.acquire(10).await;
        let begun = Instant::now();
        governor.acquire(1).await;
        assert!(begun.elapsed() >= Duration::from_secs(5));
    }
}
