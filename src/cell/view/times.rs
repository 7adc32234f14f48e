//! How long things took: since the cell began, over the last hour, and in the steps of a Prometheus histogram.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use hdrhistogram::Histogram;
use tokio::time::Instant;

const LONGEST_MILLIS: u64 = 24 * 3600 * 1000;
/// The last hour, in parts that are forgotten one by one.
const PARTS: usize = 6;
const PART: Duration = Duration::from_secs(600);

/// Upper bounds of the steps, in seconds.
pub const STEPS: [f64; 16] =
    [0.01, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0, 300.0, 600.0, 1800.0, 3600.0];

/// Durations, counted: milliseconds, up to a day, to 1 %.
#[derive(Debug)]
pub struct Times(Mutex<Kept>);

#[derive(Debug)]
struct Kept {
    begun: Instant,
    all: Option<Histogram<u32>>,
    /// By the number of ten minutes since the beginning.
    recent: Vec<(u64, Histogram<u32>)>,
    steps: [u64; STEPS.len()],
    sum_seconds: f64,
    count: u64,
}

/// What is told of durations.
#[derive(Clone, Copy, Debug, Default)]
pub struct Quantiles {
    /// How many.
    pub count: u64,
    /// Half took at most so long.
    pub p50: Duration,
    /// 95 %.
    pub p95: Duration,
    /// 99 %.
    pub p99: Duration,
}

/// Counts by the steps of [`STEPS`], for Prometheus.
#[derive(Clone, Copy, Debug, Default)]
pub struct Steps {
    /// How many were at most so long, and longer than the step before.
    pub counts: [u64; STEPS.len()],
    /// All of them.
    pub count: u64,
    /// Their sum in seconds.
    pub sum_seconds: f64,
}

impl Default for Times {
    fn default() -> Self {
        let (all, steps) = (histogram(), [0; STEPS.len()]);
        Self(Mutex::new(Kept { begun: Instant::now(), all, recent: Vec::new(), steps, sum_seconds: 0.0, count: 0 }))
    }
}

fn histogram() -> Option<Histogram<u32>> {
    Histogram::new_with_bounds(1, LONGEST_MILLIS, 2).ok()
}

impl Kept {
    fn part(&self) -> u64 {
        self.begun.elapsed().as_secs() / PART.as_secs()
    }

    fn record(&mut self, took: Duration) {
        let millis = u64::try_from(took.as_millis()).unwrap_or(LONGEST_MILLIS);
        if let Some(all) = &mut self.all {
            all.saturating_record(millis);
        }
        let part = self.part();
        if self.recent.last().is_none_or(|(number, _)| *number != part) {
            self.recent.retain(|(number, _)| number + (PARTS as u64) > part);
            self.recent.extend(histogram().map(|new| (part, new)));
        }
        if let Some((_, recent)) = self.recent.last_mut() {
            recent.saturating_record(millis);
        }
        let seconds = took.as_secs_f64();
        if let Some(step) = STEPS.iter().position(|bound| seconds <= *bound) {
            self.steps[step] += 1;
        }
        self.sum_seconds += seconds;
        self.count += 1;
    }
}

impl Times {
    fn kept(&self) -> MutexGuard<'_, Kept> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(in crate::cell) fn record(&self, took: Duration) {
        self.kept().record(took);
    }

    /// How many were recorded.
    pub fn count(&self) -> u64 {
        self.kept().count
    }

    /// What a share of them (0.5, 0.99) took at most, since the cell began.
    pub fn quantile(&self, share: f64) -> Duration {
        Duration::from_millis(self.kept().all.as_ref().map_or(0, |all| all.value_at_quantile(share)))
    }

    /// Of the last hour.
    pub fn recent(&self) -> Quantiles {
        Self::recent_of([self])
    }

    /// Of the last hour, several taken together.
    pub fn recent_of<'a>(several: impl IntoIterator<Item = &'a Self>) -> Quantiles {
        let Some(mut hour) = histogram() else { return Quantiles::default() };
        for times in several {
            let kept = times.kept();
            let part = kept.part();
            for (_, recent) in kept.recent.iter().filter(|(number, _)| number + (PARTS as u64) > part) {
                // Of equal bounds: it cannot fail.
                let _ = hour.add(recent);
            }
        }
        let at = |share| Duration::from_millis(hour.value_at_quantile(share));
        if hour.is_empty() {
            return Quantiles::default();
        }
        Quantiles { count: hour.len(), p50: at(0.5), p95: at(0.95), p99: at(0.99) }
    }

    /// Since the cell began, by steps.
    pub fn steps(&self) -> Steps {
        let kept = self.kept();
        Steps { counts: kept.steps, count: kept.count, sum_seconds: kept.sum_seconds }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn the_last_hour_is_what_is_told_and_all_is_kept() {
        let times = Times::default();
        (0..100).for_each(|_| times.record(Duration::from_secs(100)));
        tokio::time::advance(Duration::from_secs(3601)).await;
        assert_eq!(times.recent().count, 0);
        (0..10).for_each(|n| times.record(Duration::from_millis(100 * (n + 1))));
        let recent = times.recent();
        assert_eq!(recent.count, 10);
        assert!((495..=505).contains(&recent.p50.as_millis()), "{recent:?}");
        assert!((990..=1010).contains(&recent.p99.as_millis()), "{recent:?}");
        assert_eq!((times.count(), times.quantile(0.5).as_secs()), (110, 100));
        let steps = times.steps();
        assert_eq!((steps.counts.iter().sum::<u64>(), steps.count), (110, 110));
        assert_eq!(steps.counts[2], 1, "0.1 s is at most 0.1 s");
        assert!((steps.sum_seconds - 10_005.5).abs() < 1e-6);
    }
}
