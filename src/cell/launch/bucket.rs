//! A token bucket as AWS's API has them, which gives way when AWS throttles: multiplicative decrease, additive increase.

use std::time::Duration;

use tokio::time::Instant;

/// What is left of the rate after a throttle.
const KEPT: f64 = 0.7;
/// However often it is throttled, so much of the rate remains.
const LEAST_SHARE: f64 = 0.05;
/// Share of the rate regained in a second of calls that go through: slow, so that two cells that share a quota are
/// throttled seldom.
const REGAINED: f64 = 0.02;
/// A pause between calls regains no more than this.
const LONGEST_PAUSE: Duration = Duration::from_secs(5);
/// Share of AWS's burst that is used. Its bucket begins to fill when the first call arrives, ours when it is sent: the
/// rest is for the difference, and for calls that overtake each other.
const OF_BURST: f64 = 0.9;
/// The shortest wait that is worth a timer.
const LEAST_WAIT: Duration = Duration::from_millis(1);

/// Tokens that flow in at a rate, up to a burst.
#[derive(Debug)]
pub(in crate::cell) struct Bucket {
    rate: f64,
    burst: f64,
    tokens: f64,
    /// Promised to calls that were not sent yet. AWS's bucket knows nothing of them, and is full until they come.
    promised: f64,
    filled: Instant,
    /// Of the rate, 0..1.
    share: f64,
    grown: Instant,
    cuts: u64,
}

impl Bucket {
    /// A full bucket: `rate` a second, up to `burst` at once.
    pub(in crate::cell) fn new(rate: f64, burst: f64, now: Instant) -> Self {
        let burst = usable(burst);
        Self {
            rate: rate.max(0.001),
            burst,
            tokens: burst,
            promised: 0.0,
            filled: now,
            share: 1.0,
            grown: now,
            cuts: 0,
        }
    }

    /// Another rate and burst from here on. More burst is there at once.
    pub(in crate::cell) fn set(&mut self, rate: f64, burst: f64, now: Instant) {
        self.fill(now);
        let more = (usable(burst) - self.burst).max(0.0);
        self.rate = rate.max(0.001);
        self.burst = usable(burst);
        self.tokens = (self.tokens + more).min(self.burst);
    }

    /// Tokens that flow in a second now.
    pub(in crate::cell) fn rate(&self) -> f64 {
        self.rate * self.share
    }

    /// What of the rate throttles have left, 0..1.
    pub(in crate::cell) fn share(&self) -> f64 {
        self.share
    }

    /// How often it was cut. A call remembers it, so that throttles of calls that were under way together count once.
    pub(in crate::cell) fn cuts(&self) -> u64 {
        self.cuts
    }

    /// Most tokens it may hold: after a throttle AWS's bucket is empty and fills for others too, so nothing is saved up
    /// for more than a second.
    fn most(&self) -> f64 {
        if self.share < 1.0 { self.burst.min(self.rate().max(1.0)) } else { self.burst }
    }

    fn fill(&mut self, now: Instant) {
        let seconds = now.saturating_duration_since(self.filled).as_secs_f64();
        self.tokens = (self.tokens + seconds * self.rate()).min(self.most());
        self.filled = now;
    }

    /// Whole tokens that are there.
    pub(in crate::cell) fn there(&mut self, now: Instant) -> usize {
        self.fill(now);
        (self.tokens - self.promised + 1e-9).max(0.0) as usize
    }

    /// Whether `n` tokens are there, or how long that will take. For more than it can hold a full one will do.
    pub(in crate::cell) fn has(&mut self, n: f64, now: Instant) -> Result<(), Duration> {
        self.fill(now);
        let needed = n.min(self.most());
        let there = self.tokens - self.promised;
        if there + 1e-9 >= needed {
            return Ok(());
        }
        let seconds = ((needed - there) / self.rate()).min(3600.0);
        Err(Duration::from_secs_f64(seconds).max(LEAST_WAIT))
    }

    /// Promises `n` tokens to a call.
    pub(in crate::cell) fn promise(&mut self, n: f64) {
        self.promised += n;
    }

    /// The call was sent, or never will be.
    pub(in crate::cell) fn released(&mut self, n: f64) {
        self.promised = (self.promised - n).max(0.0);
    }

    /// Takes `n` tokens; what is not there is owed.
    pub(in crate::cell) fn spend(&mut self, n: f64, now: Instant) {
        self.fill(now);
        self.tokens -= n;
    }

    /// AWS throttled a call that was made after `cuts` cuts; whether that is news.
    pub(in crate::cell) fn throttled(&mut self, cuts: u64, now: Instant) -> bool {
        let news = cuts == self.cuts;
        if news {
            self.fill(now);
            self.share = (self.share * KEPT).max(LEAST_SHARE);
            self.tokens = self.tokens.min(0.0);
            self.grown = now;
            self.cuts += 1;
        }
        news
    }

    /// A call went through.
    pub(in crate::cell) fn succeeded(&mut self, now: Instant) {
        self.fill(now);
        let since = now.saturating_duration_since(self.grown).min(LONGEST_PAUSE);
        self.share = (self.share + since.as_secs_f64() * REGAINED).min(1.0);
        self.grown = now;
    }
}

fn usable(burst: f64) -> f64 {
    (burst * OF_BURST).floor().max(1.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(begun: Instant, seconds: f64) -> Instant {
        begun + Duration::from_secs_f64(seconds)
    }

    #[test]
    fn a_burst_and_then_the_rate_exactly() {
        let begun = Instant::now();
        let mut bucket = Bucket::new(20.0, 100.0, begun);
        assert_eq!(bucket.there(begun), 90);
        bucket.spend(90.0, begun);
        assert_eq!(bucket.has(1.0, begun), Err(Duration::from_millis(50)));
        assert_eq!(bucket.there(at(begun, 1.0)), 20);
        assert_eq!(bucket.there(at(begun, 60.0)), 90);
        assert_eq!(bucket.has(91.0, at(begun, 60.0)), Ok(()), "more than it holds is let through, and owed");
        bucket.spend(100.0, at(begun, 60.0));
        assert_eq!(bucket.has(1.0, at(begun, 60.0)), Err(Duration::from_millis(550)));
    }

    #[test]
    fn throttles_of_calls_that_were_under_way_together_count_once() {
        let begun = Instant::now();
        let mut bucket = Bucket::new(10.0, 100.0, begun);
        let seen = bucket.cuts();
        assert!(bucket.throttled(seen, begun));
        assert!((0..31).all(|_| !bucket.throttled(seen, begun)));
        assert_eq!((bucket.share(), bucket.there(begun)), (0.7, 0));
        let seen = bucket.cuts();
        assert!(bucket.throttled(seen, begun));
        assert!((bucket.share() - 0.49).abs() < 1e-9);
    }

    #[test]
    fn it_never_gives_up_and_comes_back_slowly_while_calls_go_through() {
        let begun = Instant::now();
        let mut bucket = Bucket::new(10.0, 100.0, begun);
        for _ in 0..100 {
            bucket.throttled(bucket.cuts(), begun);
        }
        assert_eq!(bucket.share(), LEAST_SHARE);
        bucket.succeeded(at(begun, 3600.0));
        assert!((bucket.share() - LEAST_SHARE - 0.1).abs() < 1e-9, "a rest tells nothing: {}", bucket.share());
        assert_eq!(bucket.there(at(begun, 3700.0)), 1, "nothing is saved up while it is throttled");
        (1..=60).for_each(|second| bucket.succeeded(at(begun, 3700.0 + f64::from(second))));
        assert_eq!(bucket.share(), 1.0);
    }

    #[test]
    fn another_rate_holds_from_here_on() {
        let begun = Instant::now();
        let mut bucket = Bucket::new(10.0, 10.0, begun);
        bucket.spend(9.0, begun);
        bucket.set(100.0, 20.0, at(begun, 0.5));
        assert_eq!(bucket.there(at(begun, 0.5)), 14);
        bucket.set(0.5, 1.0, at(begun, 0.5));
        assert_eq!(bucket.there(at(begun, 0.5)), 1);
    }

    #[test]
    fn what_is_promised_is_there_for_nobody_else_and_saves_up_nothing() {
        let begun = Instant::now();
        let mut bucket = Bucket::new(10.0, 10.0, begun);
        bucket.promise(9.0);
        assert_eq!(bucket.there(at(begun, 60.0)), 0, "AWS's bucket is full until the calls come, and holds no more");
        bucket.released(9.0);
        bucket.spend(9.0, at(begun, 60.0));
        assert_eq!(bucket.there(at(begun, 60.0)), 0);
        assert_eq!(bucket.there(at(begun, 60.5)), 5);
        bucket.promise(3.0);
        bucket.released(3.0);
        assert_eq!(bucket.there(at(begun, 60.5)), 5, "a call that was never sent cost nothing");
    }
}
