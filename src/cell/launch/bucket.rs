//! A token bucket as AWS's API has them, at the rate that was set or at what AWS grants of it ([`limit`]).

mod limit;
mod sample;
#[cfg(test)]
mod simulation;

use std::time::Duration;

use tokio::time::Instant;

use limit::Limit;

/// The least rate that can be set.
const LEAST_RATE: f64 = 0.001;
/// Share of AWS's burst that is used. Its bucket begins to fill when the first call arrives, ours when it is sent: the
/// rest is for the difference, and for calls that overtake each other.
const OF_BURST: f64 = 0.9;
/// The shortest wait that is worth a timer.
const LEAST_WAIT: Duration = Duration::from_millis(1);

/// Tokens that flow in at a rate, up to a burst.
#[derive(Debug)]
pub(super) struct Bucket {
    rate: f64,
    burst: f64,
    tokens: f64,
    /// Promised to calls that were not sent yet. AWS's bucket knows nothing of them, and is full until they come.
    promised: f64,
    filled: Instant,
    limit: Limit,
    /// All that was ever spent.
    spent: f64,
}

impl Bucket {
    /// A full bucket: `rate` a second, up to `burst` at once.
    pub(super) fn new(rate: f64, burst: f64, now: Instant) -> Self {
        let (rate, burst) = (rate.max(LEAST_RATE), usable(burst));
        Self { rate, burst, tokens: burst, promised: 0.0, filled: now, limit: Limit::new(rate, now), spent: 0.0 }
    }

    /// Another rate and burst from here on. More burst is there at once.
    pub(super) fn set(&mut self, rate: f64, burst: f64, now: Instant) {
        self.fill(now);
        let more = (usable(burst) - self.burst).max(0.0);
        self.rate = rate.max(LEAST_RATE);
        self.burst = usable(burst);
        self.tokens = (self.tokens + more).min(self.burst);
        self.limit.set(self.rate);
    }

    /// Another share of what others use as well, from here on. No burst comes with it: they may just have used it.
    pub(super) fn share_out(&mut self, rate: f64, burst: f64, now: Instant) {
        self.fill(now);
        self.rate = rate.max(LEAST_RATE);
        self.burst = usable(burst);
        self.tokens = self.tokens.min(self.burst);
        self.limit.share(self.rate);
    }

    /// All that was ever spent.
    pub(super) const fn spent(&self) -> f64 {
        self.spent
    }

    /// Tokens at once.
    pub(super) const fn burst(&self) -> f64 {
        self.burst
    }

    /// Tokens that flow in a second now.
    pub(super) fn rate(&self) -> f64 {
        self.limit.rate()
    }

    /// What of the rate throttles have left, 0..1.
    pub(super) fn share(&self) -> f64 {
        if self.limit.is_free() { 1.0 } else { self.limit.rate() / self.rate }
    }

    /// Rises with each cut. A call remembers it, so that throttles of calls that were under way together count once.
    pub(super) fn generation(&self) -> u64 {
        self.limit.generation()
    }

    /// Most tokens it may hold: after a throttle AWS's bucket is empty and fills for others too, so nothing is saved up
    /// for more than half a second.
    fn most(&self) -> f64 {
        if self.limit.is_free() { self.burst } else { self.burst.min((self.rate() / 2.0).max(1.0)) }
    }

    fn fill(&mut self, now: Instant) {
        let seconds = now.saturating_duration_since(self.filled).as_secs_f64();
        self.tokens = (self.tokens + seconds * self.rate()).min(self.most());
        self.filled = now;
    }

    /// Whole tokens that are there.
    pub(super) fn there(&mut self, now: Instant) -> usize {
        self.fill(now);
        (self.tokens - self.promised + 1e-9).max(0.0) as usize
    }

    /// Whether `n` tokens are there, or how long that will take. For more than it can hold a full one will do.
    pub(super) fn has(&mut self, n: f64, now: Instant) -> Result<(), Duration> {
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
    pub(super) fn promise(&mut self, n: f64) {
        self.promised += n;
    }

    /// The call was sent, or never will be.
    pub(super) fn released(&mut self, n: f64) {
        self.promised = (self.promised - n).max(0.0);
    }

    /// A call goes out and takes `n` tokens; what is not there is owed. The generation that it belongs to.
    pub(super) fn spend(&mut self, n: f64, now: Instant) -> u64 {
        self.call(n, n, now)
    }

    /// The same for a call for `n` tokens of which not all are this bucket's.
    pub(super) fn call(&mut self, n: f64, own: f64, now: Instant) -> u64 {
        self.fill(now);
        self.tokens -= own;
        self.spent += n;
        self.limit.sent(n, now);
        self.limit.generation()
    }

    /// AWS throttled a call for `n` tokens of this generation; whether the rate is lower for it.
    pub(super) fn throttled(&mut self, generation: u64, n: f64, now: Instant) -> bool {
        self.fill(now);
        let lower = self.limit.throttled(generation, n, now);
        if lower {
            self.tokens = self.tokens.min(0.0);
        }
        lower
    }

    /// A call went through.
    pub(super) fn succeeded(&mut self, now: Instant) {
        self.fill(now);
        self.limit.succeeded(now);
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
    fn another_rate_holds_from_here_on() {
        let begun = Instant::now();
        let mut bucket = Bucket::new(10.0, 10.0, begun);
        bucket.spend(9.0, begun);
        bucket.set(100.0, 20.0, at(begun, 0.5));
        assert_eq!(bucket.there(at(begun, 0.5)), 14);
        bucket.set(0.5, 1.0, at(begun, 0.5));
        assert_eq!(bucket.there(at(begun, 0.5)), 1);
    }

    /// A bucket of which a cut is being tested.
    fn tested(begun: Instant) -> Bucket {
        let mut bucket = Bucket::new(20.0, 20.0, begun);
        for n in 0..40 {
            let now = at(begun, f64::from(n) * 0.1);
            let generation = bucket.spend(1.0, now);
            if n % 3 == 0 {
                bucket.throttled(generation, 1.0, now);
            } else {
                bucket.succeeded(now);
            }
        }
        assert!(bucket.generation() > 0 && bucket.share() < 1.0, "{bucket:?}");
        bucket
    }

    #[test]
    fn a_share_that_was_lost_while_a_cut_was_tested_is_worth_as_much_when_it_is_back() {
        let begun = Instant::now();
        let (mut bucket, now) = (tested(begun), at(begun, 4.0));
        let before = bucket.rate();
        bucket.share_out(0.0, 0.0, now);
        assert!(bucket.rate() <= LEAST_RATE);
        bucket.share_out(20.0, 20.0, now);
        assert!((bucket.rate() - before).abs() < 1e-6, "{} after {before}", bucket.rate());
        bucket.share_out(10.0, 10.0, now);
        assert!((bucket.rate() - before / 2.0).abs() < 1e-6, "{} after {before}", bucket.rate());
        let (mut bucket, before) = (tested(begun), before);
        bucket.set(0.0, 0.0, now);
        bucket.set(20.0, 20.0, now);
        assert!((bucket.rate() - before).abs() < 1e-6, "{} after {before}", bucket.rate());
    }

    #[test]
    fn a_throttle_that_comes_when_the_share_is_gone_holds_nothing_up() {
        let begun = Instant::now();
        let mut bucket = Bucket::new(20.0, 20.0, begun);
        let sent: Vec<u64> = (0..10).map(|_| bucket.spend(1.0, begun)).collect();
        bucket.share_out(0.0, 0.0, at(begun, 0.5));
        for generation in sent {
            bucket.throttled(generation, 1.0, at(begun, 1.5));
        }
        bucket.share_out(20.0, 20.0, at(begun, 20.0));
        assert!(bucket.rate() >= 1.0, "{}", bucket.rate());
    }

    #[test]
    fn a_share_that_falls_and_rises_makes_no_tokens() {
        let begun = Instant::now();
        let mut bucket = Bucket::new(20.0, 100.0, begun);
        for _ in 0..5 {
            bucket.share_out(2.0, 10.0, begun);
            bucket.share_out(20.0, 100.0, begun);
        }
        assert_eq!((bucket.there(begun), bucket.there(at(begun, 1.0))), (9, 29));
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
