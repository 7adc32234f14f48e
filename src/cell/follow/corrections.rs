//! Lost events: what DescribeTasks told and no event has told within a minute after.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::cell::clock::Clock;
use crate::cell::lifecycle::Lifecycle;
use crate::cell::view::Counters;
use crate::cell::watermark::EventWatermark;
use crate::core::ids::TaskArn;
use crate::core::time::Timestamp;

/// An event that has not come so long after a description told the same is lost.
const LATE: Duration = Duration::from_secs(60);
const ROUND: Duration = Duration::from_secs(5);
/// Corrections that wait for their events; beyond, the oldest counts as it is.
const MOST: usize = 100_000;

/// Descriptions that told something new, until their events come or are lost.
#[derive(Default)]
pub(in crate::cell) struct Corrections(Mutex<Waiting>);

#[derive(Default)]
struct Waiting {
    versions: HashMap<TaskArn, i64>,
    order: VecDeque<(Timestamp, TaskArn)>,
    /// Those that count as lost because there were too many.
    dropped: usize,
}

impl Corrections {
    fn waiting(&self) -> MutexGuard<'_, Waiting> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A description tells this version of a task. Called before its run is told: an event may come meanwhile.
    pub(super) fn described(&self, task_arn: &TaskArn, version: i64, now: Timestamp) {
        let mut waiting = self.waiting();
        if waiting.versions.insert(task_arn.clone(), version).is_none() {
            waiting.order.push_back((now, task_arn.clone()));
        }
        let too_many = waiting.versions.len().saturating_sub(MOST);
        let dropped = (0..too_many).filter(|_| waiting.pop().is_some()).count();
        waiting.dropped += dropped;
    }

    /// An event came, or the description told nothing new: the correction was none if it tells as much.
    pub(super) fn event(&self, task_arn: &TaskArn, version: i64) {
        let mut waiting = self.waiting();
        if waiting.versions.get(task_arn).is_some_and(|described| version >= *described) {
            waiting.versions.remove(task_arn);
        }
    }

    /// Takes out those that were described before an instant; how many.
    fn lost(&self, before: Timestamp) -> usize {
        let mut waiting = self.waiting();
        let mut lost = std::mem::take(&mut waiting.dropped);
        while waiting.order.front().is_some_and(|(at, _)| *at <= before) {
            lost += usize::from(waiting.pop().is_some());
        }
        lost
    }
}

impl Waiting {
    fn pop(&mut self) -> Option<i64> {
        let (_, task_arn) = self.order.pop_front()?;
        self.versions.remove(&task_arn)
    }
}

/// Counts events that are lost, until the cell ends. While events may still be in the queue, none counts as lost.
pub(in crate::cell) async fn count_corrections(
    (corrections, watermark): (Arc<Corrections>, Arc<EventWatermark>),
    counters: Arc<Counters>,
    clock: Clock,
    lifecycle: Arc<Lifecycle>,
) {
    let mut received_nothing = false;
    while lifecycle.sleep(ROUND).await {
        // Twice in a row: a machine that has just woken has not received anything yet.
        let before = std::mem::replace(&mut received_nothing, watermark.receives_nothing());
        if watermark.is_complete() || (before && received_nothing) {
            counters.corrections.add(corrections.lost(clock.now().minus(LATE)));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp::from_millis(1_800_000_000_000);

    #[test]
    fn an_event_that_comes_within_a_minute_was_not_lost() {
        let corrections = Corrections::default();
        for (task, version) in [("late", 5), ("older", 5), ("lost", 5)] {
            corrections.described(&task.into(), version, NOW);
        }
        corrections.event(&"late".into(), 5);
        corrections.event(&"older".into(), 4);
        assert_eq!(corrections.lost(NOW.minus(Duration::from_secs(1))), 0);
        assert_eq!(corrections.lost(NOW), 2);
        assert_eq!(corrections.lost(NOW), 0, "each once");
        assert!(corrections.waiting().versions.is_empty());
    }

    #[test]
    fn what_waits_is_bounded() {
        let corrections = Corrections::default();
        (0..MOST + 7).for_each(|n| corrections.described(&n.to_string().into(), 1, NOW));
        let lost = corrections.lost(NOW.minus(Duration::from_secs(1)));
        assert_eq!((lost, corrections.waiting().versions.len()), (7, MOST));
    }
}
