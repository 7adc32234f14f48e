//! Waits that double, half of each by chance: AWS advises jitter, so that those who failed together do not come back together.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::time::Duration;

/// The waits between the tries of one thing. The same seed gives the same waits again.
#[derive(Clone, Debug)]
pub(super) struct Backoff {
    first: Duration,
    longest: Duration,
    seed: u64,
    tries: u32,
}

impl Backoff {
    /// From `first`, doubled up to `longest`.
    pub(super) fn new(first: Duration, longest: Duration, seed: impl Hash) -> Self {
        let mut hasher = DefaultHasher::new();
        seed.hash(&mut hasher);
        Self { first, longest, seed: hasher.finish(), tries: 0 }
    }

    /// The next wait: half of it to all of it.
    pub(super) fn next(&mut self) -> Duration {
        let wait = self.nth(self.tries);
        self.tries = self.tries.saturating_add(1);
        wait
    }

    /// The wait after so many others.
    pub(super) fn nth(&self, tries: u32) -> Duration {
        let full = self.first.saturating_mul(2_u32.saturating_pow(tries.min(16))).min(self.longest);
        full.mul_f64(0.5 + self.chance(tries) / 2.0)
    }

    /// It went: the next wait is the first again.
    pub(super) fn reset(&mut self) {
        self.tries = 0;
    }

    /// 0..1.
    fn chance(&self, tries: u32) -> f64 {
        let mut hasher = DefaultHasher::new();
        (self.seed, tries).hash(&mut hasher);
        (hasher.finish() >> 11) as f64 / (1_u64 << 53) as f64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FIRST: Duration = Duration::from_millis(200);
    const LONGEST: Duration = Duration::from_secs(10);

    fn waits(seed: &str) -> Vec<Duration> {
        let mut backoff = Backoff::new(FIRST, LONGEST, seed);
        (0..40).map(|_| backoff.next()).collect()
    }

    #[test]
    fn waits_double_up_to_the_longest_and_half_of_each_is_chance() {
        let full = |tries: u32| FIRST.saturating_mul(2_u32.saturating_pow(tries.min(16))).min(LONGEST);
        for seed in 0..50 {
            for (tries, wait) in (0..).zip(waits(&seed.to_string())) {
                assert!(wait >= full(tries) / 2 && wait <= full(tries), "{tries}: {wait:?}");
            }
        }
        let late: Vec<Duration> = (0..200).map(|seed| waits(&seed.to_string())[20]).collect();
        let (low, high) = (late.iter().min().unwrap(), late.iter().max().unwrap());
        assert!(*low < LONGEST.mul_f64(0.55) && *high > LONGEST.mul_f64(0.95), "from {low:?} to {high:?}");
    }

    #[test]
    fn a_seed_gives_the_same_waits_again_and_another_seed_others() {
        assert_eq!(waits("a"), waits("a"));
        assert_ne!(waits("a"), waits("b"));
    }

    #[test]
    fn after_a_success_the_first_wait_comes_again() {
        let mut backoff = Backoff::new(FIRST, LONGEST, 1);
        let first = backoff.next();
        backoff.next();
        backoff.reset();
        assert_eq!(backoff.next(), first);
    }
}
