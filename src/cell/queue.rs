//! Runs that wait for a launch slot: fair between queues, by priority inside each, first come first served.

use std::cmp::Reverse;
use std::collections::{BTreeMap, VecDeque};

use uuid::Uuid;

/// Runs with equal keys may go in one RunTask call: one request, one placement, no environment of their own.
pub(super) type GroupKey = (usize, usize);

/// One queue: highest priority first, then the order of arrival.
type Waiting = BTreeMap<(Reverse<i64>, u64), (Uuid, Option<GroupKey>)>;

/// The waiting runs.
#[derive(Default)]
pub(super) struct LaunchQueue {
    queues: BTreeMap<String, Waiting>,
    /// Whose turn it is.
    turns: VecDeque<String>,
    next: u64,
    len: usize,
}

/// Most tasks a RunTask call may ask for (API reference, RunTask `count`).
const MOST_A_CALL: usize = 10;

impl LaunchQueue {
    pub(super) fn push(&mut self, queue: &str, priority: i64, run: Uuid, key: Option<GroupKey>) {
        if !self.queues.contains_key(queue) {
            self.turns.push_back(queue.to_owned());
        }
        let waiting = self.queues.entry(queue.to_owned()).or_default();
        waiting.insert((Reverse(priority), self.next), (run, key));
        self.next += 1;
        self.len += 1;
    }

    pub(super) fn by_queue(&self) -> BTreeMap<String, usize> {
        self.queues.iter().map(|(name, waiting)| (name.clone(), waiting.len())).collect()
    }

    pub(super) fn len(&self) -> usize {
        self.len
    }

    /// The next run whose turn it is, and up to nine behind it that may share its call; `most` in all.
    pub(super) fn take(&mut self, most: usize) -> Vec<Uuid> {
        let most = most.min(MOST_A_CALL);
        if most == 0 {
            return Vec::new();
        }
        let Some(name) = self.turns.pop_front() else { return Vec::new() };
        let Some(waiting) = self.queues.get_mut(&name) else { return Vec::new() };
        let mut taken = Vec::new();
        let mut key = None;
        while let Some(first) = waiting.first_entry() {
            let (_, next) = *first.get();
            let fits = taken.is_empty() || (next.is_some() && next == key);
            if taken.len() == most || !fits {
                break;
            }
            key = next;
            taken.push(first.remove().0);
        }
        self.len -= taken.len();
        if waiting.is_empty() {
            self.queues.remove(&name);
        } else {
            self.turns.push_back(name);
        }
        taken
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(n: u128) -> Uuid {
        Uuid::from_u128(n)
    }

    #[test]
    fn queues_take_turns_and_priority_goes_first_inside_one() {
        let mut queue = LaunchQueue::default();
        for n in 0..3 {
            queue.push("big", 0, id(n), None);
        }
        queue.push("small", 0, id(10), None);
        queue.push("big", 5, id(11), None);
        let order: Vec<_> = std::iter::from_fn(|| queue.take(10).first().copied()).collect();
        assert_eq!(order, [id(11), id(10), id(0), id(1), id(2)]);
        assert_eq!(queue.len(), 0);
    }

    #[test]
    fn equal_runs_go_ten_a_call_and_others_alone() {
        let mut queue = LaunchQueue::default();
        for n in 0..12 {
            queue.push("q", 0, id(n), Some((1, 0)));
        }
        queue.push("q", 0, id(20), None);
        queue.push("q", 0, id(21), None);
        let sizes: Vec<_> = std::iter::from_fn(|| Some(queue.take(10).len()).filter(|n| *n > 0)).collect();
        assert_eq!(sizes, [10, 2, 1, 1]);
    }
}
