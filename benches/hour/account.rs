//! The quotas of the account: token buckets, as ECS has them.

use std::time::Duration;

use tokio::time::Instant;

/// A bucket of `burst`, which fills at `rate`.
pub(crate) struct Bucket {
    rate: f64,
    burst: f64,
    tokens: f64,
    filled: Instant,
}

impl Bucket {
    pub(crate) fn new(rate: f64, burst: f64) -> Self {
        Self { rate, burst, tokens: burst, filled: Instant::now() }
    }

    /// Takes so many, or none.
    pub(crate) fn take(&mut self, n: f64) -> bool {
        let now = Instant::now();
        let passed = now.saturating_duration_since(self.filled);
        self.tokens = (self.tokens + passed.as_secs_f64() * self.rate).min(self.burst);
        self.filled = now;
        let enough = self.tokens >= n;
        if enough {
            self.tokens -= n;
        }
        enough
    }
}

/// Those that matter here.
pub(crate) struct Quotas {
    pub(crate) calls: Bucket,
    pub(crate) fargate: Bucket,
    pub(crate) spot: Bucket,
    pub(crate) reads: Bucket,
}

impl Quotas {
    pub(crate) fn new(rate: f64, burst: f64, (reads, at_once): (f64, f64)) -> Self {
        Self {
            calls: Bucket::new(rate, rate.max(20.0)),
            fargate: Bucket::new(rate, burst),
            spot: Bucket::new(rate, burst),
            reads: Bucket::new(reads, at_once),
        }
    }
}

/// Milliseconds as a time.
pub(crate) fn ms(n: u64) -> Duration {
    Duration::from_millis(n)
}
