//! How the processes of a fleet share a launch quota: each computes the same split from the demands that it has read, falls at
//! once, and rises late. No process asks another, and nothing is written for it.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use super::beats::SUSPENDED;

/// How long a process keeps to the least that it has computed. Longer than anybody goes on with what he read last: when a
/// share rises, everybody else who launches has read what lets it rise.
pub const HOLD: Duration = SUSPENDED.saturating_add(Duration::from_millis(500));

/// What a process would use of a quota, and how much its wish weighs beside those of the others.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Want {
    /// In the quota's unit.
    pub demand: f64,
    /// Above 0.
    pub weight: f64,
}

impl From<f64> for Want {
    /// One that weighs as much as any.
    fn from(demand: f64) -> Self {
        Self { demand, weight: 1.0 }
    }
}

/// A quota split by demand (max-min, by weight): nobody gets more than he wants while another gets less than an equal part.
/// What nobody wants is spread evenly, so that whoever comes to want it need not wait.
pub fn split<P: Clone + Ord>(quota: f64, wants: &BTreeMap<P, Want>) -> BTreeMap<P, f64> {
    let want = |(process, want): (_, &Want)| (process, want.demand.max(0.0), want.weight.max(f64::MIN_POSITIVE));
    let mut rising: Vec<(&P, f64, f64)> = wants.iter().map(want).collect();
    rising.sort_by(|(_, one, weight), (_, other, of_other)| (one / weight).total_cmp(&(other / of_other)));
    let (mut left, mut parts) = (quota, Vec::with_capacity(rising.len()));
    let mut weights: f64 = rising.iter().map(|(_, _, weight)| weight).sum();
    for (process, demand, weight) in rising {
        let part = demand.min(left * (weight / weights).min(1.0));
        left -= part;
        weights -= weight;
        parts.push((process, part));
    }
    let spare = left.max(0.0) / parts.len().max(1) as f64;
    parts.into_iter().map(|(process, part)| (process.clone(), part + spare)).collect()
}

/// A process's own share of one quota.
#[derive(Clone, Debug)]
pub struct Share {
    hold: Duration,
    /// Since when it has been one of those whom the others count: what they had given to each other they have by now, or soon,
    /// read to be its own.
    counts_since: Option<Duration>,
    /// When it sent the last beat that was confirmed.
    confirmed: Option<Duration>,
    /// What it computed, and when it read what that is from.
    parts: VecDeque<(Duration, f64)>,
}

impl Share {
    /// Nothing as yet. `hold` is [`HOLD`].
    pub const fn new(hold: Duration) -> Self {
        Self { hold, counts_since: None, confirmed: None, parts: VecDeque::new() }
    }

    /// A beat that was sent then is confirmed. After a gap in them the others may have taken the process for dead.
    pub fn confirmed(&mut self, sent_at: Duration) {
        if self.confirmed.is_none_or(|before| before + SUSPENDED < sent_at) {
            self.counts_since = Some(sent_at);
        }
        self.confirmed = Some(sent_at);
    }

    /// Nobody else has a row, in a read behind a confirmed beat: nobody has given to others what is this process's.
    pub fn alone(&mut self, sent_at: Duration) {
        self.counts_since = self.counts_since.map(|_| sent_at.saturating_sub(self.hold));
    }

    /// Takes in what [`split`] made of a read.
    pub fn computed(&mut self, read_at: Duration, part: f64) {
        if self.parts.back().is_some_and(|(before, _)| *before + SUSPENDED < read_at) {
            self.parts.clear();
            self.counts_since = self.counts_since.max(Some(read_at));
        }
        self.parts.push_back((read_at, part));
        // What was computed before that time was in force until the next one.
        while self.parts.get(1).is_some_and(|(at, _)| *at + self.hold <= read_at) {
            self.parts.pop_front();
        }
    }

    /// How much of the quota it may use now.
    pub fn rate(&self, now: Duration) -> f64 {
        let is_fresh = |at: Duration| now <= at + SUSPENDED;
        let counts = self.counts_since.is_some_and(|since| since + self.hold <= now);
        let beats = self.confirmed.is_some_and(is_fresh);
        let sees = self.parts.back().is_some_and(|(at, _)| is_fresh(*at));
        let least = self.parts.iter().map(|(_, part)| *part).reduce(f64::min);
        least.filter(|_| counts && beats && sees).unwrap_or(0.0)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn parts(quota: f64, demands: &[f64]) -> Vec<f64> {
        split(quota, &demands.iter().copied().map(Want::from).enumerate().collect()).into_values().collect()
    }

    #[test]
    fn who_wants_little_gets_it_and_the_others_share_the_rest() {
        assert_eq!(parts(20.0, &[]), [0.0; 0]);
        assert_eq!(parts(20.0, &[50.0]), [20.0]);
        assert_eq!(parts(20.0, &[50.0, 2.0, 50.0]), [9.0, 2.0, 9.0]);
        assert_eq!(parts(20.0, &[0.0, 4.0]), [8.0, 12.0], "what nobody wants is spread");
    }

    #[test]
    fn who_weighs_more_gets_more_and_nobody_more_than_he_wants() {
        let parts = |wants: [(f64, f64); 3]| {
            let wants = wants.map(|(demand, weight)| Want { demand, weight }).into_iter().enumerate().collect();
            split(20.0, &wants).into_values().collect::<Vec<_>>()
        };
        assert_eq!(parts([(50.0, 3.0), (50.0, 1.0), (0.0, 1.0)]), [15.0, 5.0, 0.0]);
        assert_eq!(parts([(2.0, 3.0), (50.0, 1.0), (50.0, 2.0)]), [2.0, 6.0, 12.0]);
    }

    proptest! {
        #[test]
        fn a_split_is_all_of_the_quota_and_fair(quota in 0.1..1_000.0_f64, demands in prop::collection::vec(-1.0..500.0_f64, 1..9)) {
            let parts = parts(quota, &demands);
            let close = |one: f64, other: f64| (one - other).abs() < 1e-6 * quota;
            prop_assert!(close(parts.iter().sum(), quota));
            for (part, demand) in parts.iter().zip(&demands) {
                prop_assert!(*part >= 0.0);
                // Who wants more than he gets gets no less than anybody.
                if *part + 1e-9 < *demand {
                    prop_assert!(parts.iter().all(|other| *other <= part + 1e-6 * quota), "{parts:?} of {demands:?}");
                }
            }
        }
    }

    #[test]
    fn a_share_falls_at_once_and_rises_late() {
        let at = Duration::from_secs;
        let mut share = Share::new(at(6));
        let mut see = |now: u64, part: f64| {
            share.confirmed(at(now));
            share.computed(at(now), part);
            share.rate(at(now))
        };
        assert_eq!([see(0, 5.0), see(3, 20.0), see(5, 20.0)], [0.0; 3], "a newcomer waits");
        assert_eq!([see(6, 20.0), see(9, 20.0), see(10, 4.0)], [5.0, 20.0, 4.0], "it computed 5 until it read at 3");
        assert_eq!(share.rate(at(15)), 4.0);
        assert_eq!(share.rate(at(16)), 0.0, "it has read nothing for six seconds");
        share.confirmed(at(16));
        share.computed(at(16), 4.0);
        share.computed(at(21), 4.0);
        assert_eq!(share.rate(at(21)), 0.0, "it had sent no beat for six seconds: it is new again");
        share.confirmed(at(21));
        share.computed(at(22), 4.0);
        assert_eq!(share.rate(at(22)), 4.0);
        share.computed(at(27), 4.0);
        assert_eq!(share.rate(at(27)), 0.0, "no beat was confirmed for six seconds");
    }
}
