//! What was sent and what of it was throttled.

use std::time::Duration;

use tokio::time::Instant;

pub(super) const SECOND: Duration = Duration::from_secs(1);
/// After a pause what was measured is of another time.
const FORGOTTEN: Duration = Duration::from_secs(10);
/// Calls that make a measurement, and those without which there is none.
const MEASURED: u32 = 30;
pub(super) const FEW: u32 = 10;

/// Calls and what became of them.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Sample {
    pub(super) calls: u32,
    pub(super) throttled: u32,
    pub(super) tokens: f64,
    throttled_tokens: f64,
}

impl Sample {
    pub(super) fn sent(&mut self, tokens: f64) {
        self.calls += 1;
        self.tokens += tokens;
    }

    pub(super) fn throttled(&mut self, tokens: f64) {
        self.throttled += 1;
        self.throttled_tokens += tokens;
    }

    pub(super) fn plus(self, other: Self) -> Self {
        Self {
            calls: self.calls + other.calls,
            throttled: self.throttled + other.throttled,
            tokens: self.tokens + other.tokens,
            throttled_tokens: self.throttled_tokens + other.throttled_tokens,
        }
    }

    /// Counts half: what is old.
    pub(super) fn half(self) -> Self {
        Self {
            calls: self.calls / 2,
            throttled: self.throttled / 2,
            tokens: self.tokens / 2.0,
            throttled_tokens: self.throttled_tokens / 2.0,
        }
    }

    pub(super) fn share(self) -> f64 {
        f64::from(self.throttled) / f64::from(self.calls.max(1))
    }

    /// By how many deviations its share is above another's, if both are of the same.
    pub(super) fn above(self, other: Self) -> f64 {
        let (share, n) = (self.plus(other).share(), |sample: Self| f64::from(sample.calls.max(1)));
        let deviation = (share * (1.0 - share) * (1.0 / n(self) + 1.0 / n(other))).sqrt();
        (self.share() - other.share()) / deviation.max(1e-9)
    }
}

/// What went out lately: the last second and the one before it, or thirty calls each if those take longer.
#[derive(Clone, Copy, Debug)]
pub(super) struct Meter {
    from: Instant,
    old: Sample,
    turned: Instant,
    new: Sample,
    last: Instant,
}

impl Meter {
    pub(super) fn new(now: Instant) -> Self {
        Self { from: now, old: Sample::default(), turned: now, new: Sample::default(), last: now }
    }

    pub(super) fn sent(&mut self, tokens: f64, now: Instant) {
        if now.saturating_duration_since(self.last) > FORGOTTEN {
            *self = Self::new(now);
        }
        if now.saturating_duration_since(self.turned) >= SECOND && self.new.calls >= MEASURED {
            (self.from, self.old, self.turned, self.new) = (self.turned, self.new, now, Sample::default());
        }
        self.new.sent(tokens);
        self.last = now;
    }

    pub(super) fn throttled(&mut self, tokens: f64) {
        self.new.throttled(tokens);
    }

    pub(super) fn sample(&self) -> Sample {
        self.old.plus(self.new)
    }

    /// Tokens a second that went through, and whether that is known well.
    pub(super) fn delivered(&self, now: Instant) -> (f64, bool) {
        let (sample, span) = (self.sample(), now.saturating_duration_since(self.from));
        // Of few throttles one deviation less: a cut that was not deep enough is followed by another.
        let (throttled, sure) = (f64::from(sample.throttled), f64::from(sample.throttled).sqrt());
        let lost = if throttled > 0.0 { sample.throttled_tokens * (throttled - sure) / throttled } else { 0.0 };
        let none = sample.throttled >= sample.calls;
        let rate = if none { 0.0 } else { (sample.tokens - lost).max(0.0) / span.as_secs_f64().max(0.1) };
        (rate, sample.calls >= FEW && f64::from(sample.calls) >= span.as_secs_f64())
    }
}
