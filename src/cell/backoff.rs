//! The one way to wait between tries: longer each time, half of it by chance.
//!
//! Without chance all that failed together tries again together (AWS Architecture Blog, "Exponential Backoff And Jitter":
//! its "equal jitter" keeps half of the wait, so that nobody comes back at once). The chance is a function of a seed and of
//! the number of the try: two seeds wait differently, and a simulation that is run again waits the same.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::time::Duration;

/// Waits that double, from `first` to `longest`.
#[derive(Clone, Debug)]
pub(super) struct Backoff {
    first: Duration,
    longest: Duration,
    seed: u64,
    tries: u32,
}

impl Backoff {
    /// `seed`: what tells this one from others that wait at the same time, such as a token or an ARN.
    pub(super) fn new(first: Duration, longest: Duration, seed: &(impl Hash + ?Sized)) -> Self {
        Self { first, longest, seed: hash(seed), tries: 0 }
    }

    /// As it is after so many failures in a row.
    pub(super) fn after(self, tries: u32) -> Self {
        Self { tries, ..self }
    }

    /// The wait after one failure more: from half of `first * 2^failures` to all of it.
    pub(super) fn next(&mut self) -> Duration {
        let doubled = self.first.saturating_mul(2_u32.saturating_pow(self.tries.min(31)));
        self.tries = self.tries.saturating_add(1);
        doubled.min(self.longest).mul_f64(0.5 + self.chance() / 2.0)
    }

    /// It went: the next failure is the first again.
    pub(super) fn reset(&mut self) {
        self.tries = 0;
    }

    /// 0..1: another for each seed and try.
    fn chance(&self) -> f64 {
        (hash(&(self.seed, self.tries)) >> 11) as f64 / (1_u64 << 53) as f64
    }

    /// A wait that somebody else has named, up to a quarter longer: those who were told the same come back apart.
    pub(super) fn spread(&mut self, wait: Duration) -> Duration {
        self.tries = self.tries.saturating_add(1);
        wait.mul_f64(1.0 + self.chance() / 4.0)
    }
}

fn hash(value: &(impl Hash + ?Sized)) -> u64 {
    // Of fixed keys: the same in every process.
    let mut hasher = DefaultHasher::new();
    value.hash(&mut hasher);
    hasher.finish()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    const FIRST: Duration = Duration::from_millis(200);
    const LONGEST: Duration = Duration::from_secs(10);

    fn of(seed: &str) -> Backoff {
        Backoff::new(FIRST, LONGEST, seed)
    }

    fn waits(seed: &str, count: usize) -> Vec<Duration> {
        let mut backoff = of(seed);
        (0..count).map(|_| backoff.next()).collect()
    }

    #[test]
    fn it_doubles_up_to_the_longest_and_half_of_it_is_chance() {
        let all: Vec<Vec<u128>> =
            (0..1000).map(|n| waits(&format!("token-{n}"), 40).iter().map(Duration::as_micros).collect()).collect();
        for (tried, most) in [(0, 200), (1, 400), (4, 3_200), (5, 6_400), (6, 10_000), (39, 10_000)] {
            let most = most * 1_000;
            let of_try: Vec<u128> = all.iter().map(|waits| waits[tried]).collect();
            assert!(of_try.iter().all(|wait| (most / 2..=most).contains(wait)), "try {tried}");
            // Evenly over its half: each tenth of it has about a tenth of them.
            for tenth in 0..10 {
                let (from, to) = (most / 2 + most / 20 * tenth, most / 2 + most / 20 * (tenth + 1));
                let there = of_try.iter().filter(|wait| (from..to).contains(*wait)).count();
                assert!((60..=150).contains(&there), "{there} of 1000 in tenth {tenth} of try {tried}");
            }
        }
    }

    #[test]
    fn the_same_seed_waits_the_same_and_another_does_not() {
        assert_eq!(waits("a", 20), waits("a", 20));
        let pairs = waits("a", 20).into_iter().zip(waits("b", 20));
        assert!(pairs.into_iter().all(|(one, other)| one != other));
        let first: BTreeSet<Duration> = (0..1000).map(|n| waits(&format!("token-{n}"), 1)[0]).collect();
        assert!(first.len() > 990, "{} different waits of 1000 calls", first.len());
        let long: BTreeSet<Duration> = waits("a", 40)[10..].iter().copied().collect();
        assert_eq!(long.len(), 30, "the longest wait has its chance too");
    }

    #[test]
    fn after_a_success_it_begins_anew() {
        let mut backoff = of("a");
        let first: Vec<_> = (0..6).map(|_| backoff.next()).collect();
        backoff.reset();
        assert_eq!((0..6).map(|_| backoff.next()).collect::<Vec<_>>(), first);
        assert_eq!(of("a").after(4).next(), first[4]);
    }

    #[test]
    fn a_wait_that_was_named_is_never_cut_short_and_is_spread() {
        let named = Duration::from_secs(1);
        let all: BTreeSet<Duration> = (0..100).map(|n| of(&format!("{n}")).spread(named)).collect();
        assert!(all.len() > 95 && all.iter().all(|wait| (named..=named * 5 / 4).contains(wait)), "{all:?}");
        let mut backoff = of("a");
        assert_ne!(backoff.spread(named), backoff.spread(named));
    }
}
