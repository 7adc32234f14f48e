//! Runs that wait for a launch slot: fair between queues, by priority inside each, first come first served.
//!
//! A queue has a lane for each launch target that its runs have, so that what cannot go now (its quota is used up, its task
//! definition is paused) is passed over as a whole.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};

use uuid::Uuid;

use super::lane::{GroupKey, Lane};
use super::quota::Demand;
use crate::cell::control::Pause;
use crate::cell::target::{Kind, LaunchTarget};
use crate::core::breaker::BreakerSnapshot;

/// Most tasks a RunTask call may ask for (API reference, RunTask `count`).
pub(super) const MOST_A_CALL: usize = 10;
/// A queue that could not launch (its capacity was used up) is owed so many tasks at most, so that it does not keep
/// the others waiting for long when it can.
const OWED: u64 = 100;

/// One `queue`.
#[derive(Default)]
struct Waiting {
    lanes: BTreeMap<LaunchTarget, Lane>,
    len: usize,
    /// Tasks it was given, as far as the others' matter.
    served: u64,
    paused: bool,
}

/// Runs that leave together, in one RunTask call.
pub(super) struct Group {
    pub(super) target: LaunchTarget,
    pub(super) runs: Vec<Uuid>,
    /// One run of a task definition that is otherwise paused.
    pub(super) probe: bool,
}

/// The waiting runs.
#[derive(Default)]
pub(super) struct LaunchQueue {
    queues: BTreeMap<String, Waiting>,
    /// The queues by what they were given: the least first.
    turns: BTreeSet<(u64, String)>,
    /// The most that any queue was given.
    top: u64,
    pauses: BTreeSet<Pause>,
    breakers: BreakerSnapshot,
    next: u64,
    len: usize,
}

impl LaunchQueue {
    pub(super) fn push(&mut self, queue: &str, priority: i64, target: LaunchTarget, run: Uuid, key: Option<GroupKey>) {
        if !self.queues.contains_key(queue) {
            // A queue that comes anew is owed nothing.
            let served = self.turns.first().map_or(self.top, |(least, _)| self.lifted(*least));
            let paused = self.pauses.contains(&Pause::Queue(queue.to_owned()));
            self.turns.insert((served, queue.to_owned()));
            self.queues.insert(queue.to_owned(), Waiting { served, paused, ..Waiting::default() });
        }
        let Some(waiting) = self.queues.get_mut(queue) else { return };
        let pauses = &self.pauses;
        let paused = |target: &LaunchTarget| pauses.iter().any(|pause| pause.is_for(&target.definition));
        let lane = waiting.lanes.entry(target);
        let probe_allowed = |target: &LaunchTarget| self.breakers.paused.get(&target.definition).copied();
        let lane = lane.or_insert_with_key(|target| Lane::new(paused(target), probe_allowed(target)));
        let new = usize::from(lane.add((Reverse(priority), self.next), run, key));
        waiting.len += new;
        self.next += 1;
        self.len += new;
    }

    /// Takes out a run that waits no more, also where nothing may leave.
    pub(super) fn withdraw(&mut self, queue: &str, target: &LaunchTarget, run: Uuid) {
        let Some(waiting) = self.queues.get_mut(queue) else { return };
        let Some(lane) = waiting.lanes.get_mut(target) else { return };
        if !lane.withdraw(run) {
            return;
        }
        if lane.is_empty() {
            waiting.lanes.remove(target);
        }
        waiting.len -= 1;
        self.len -= 1;
        self.drop_if_empty(queue);
    }

    fn drop_if_empty(&mut self, queue: &str) {
        if let Some(empty) = self.queues.get(queue).filter(|waiting| waiting.len == 0) {
            self.turns.remove(&(empty.served, queue.to_owned()));
            self.queues.remove(queue);
        }
    }

    /// What is not to leave. Replaces what was paused before.
    pub(super) fn set_pauses(&mut self, pauses: BTreeSet<Pause>) {
        for (name, waiting) in &mut self.queues {
            waiting.paused = pauses.contains(&Pause::Queue(name.clone()));
            for (target, lane) in &mut waiting.lanes {
                lane.paused = pauses.iter().any(|pause| pause.is_for(&target.definition));
            }
        }
        self.pauses = pauses;
    }

    /// What is paused because it fails again and again. An older snapshot than the last one changes nothing.
    pub(super) fn set_breakers(&mut self, snapshot: BreakerSnapshot) {
        if snapshot.version < self.breakers.version {
            return;
        }
        for (target, lane) in self.queues.values_mut().flat_map(|waiting| &mut waiting.lanes) {
            lane.probe_allowed = snapshot.paused.get(&target.definition).copied();
        }
        self.breakers = snapshot;
    }

    pub(super) fn by_queue(&self) -> BTreeMap<String, usize> {
        self.queues.iter().map(|(name, waiting)| (name.clone(), waiting.len)).collect()
    }

    pub(super) fn len(&self) -> usize {
        self.len
    }

    /// Whether any would leave if it could.
    pub(super) fn would_launch(&self) -> bool {
        let is_open = |lane: &Lane| !lane.paused && lane.probe_allowed != Some(false) && !lane.is_empty();
        self.queues.values().any(|waiting| !waiting.paused && waiting.lanes.values().any(is_open))
    }

    /// What would leave if it could: all that is not paused.
    pub(super) fn demand(&self) -> Demand {
        let mut demand = Demand::default();
        for (name, waiting) in self.queues.iter().filter(|(_, waiting)| !waiting.paused) {
            let mut of_queue = 0;
            for (target, lane) in waiting.lanes.iter().filter(|(_, lane)| !lane.paused) {
                let tasks = match lane.probe_allowed {
                    None => lane.len(),
                    Some(one) => usize::from(one),
                };
                *match target.kind {
                    Kind::Fargate => &mut demand.fargate,
                    Kind::FargateSpot => &mut demand.spot,
                    Kind::Provider | Kind::Instances => &mut demand.others,
                } += tasks;
                of_queue += tasks;
            }
            if of_queue > 0 {
                demand.queues.insert(name.clone(), of_queue);
            }
        }
        demand
    }

    /// The next runs whose turn it is: one, and those behind it that may share its call; `most` in all. `admit` says how
    /// many of those may go to a target now, and `waits` whether a run still waits: what ended meanwhile is passed over.
    pub(super) fn take(
        &mut self,
        most: usize,
        mut admit: impl FnMut(&LaunchTarget, usize) -> usize,
        waits: impl Fn(Uuid) -> bool,
    ) -> Option<Group> {
        let most = most.min(MOST_A_CALL);
        let mut closed: Vec<(Kind, String)> = Vec::new();
        let mut turn = self.turns.first().cloned();
        while let Some(this) = turn {
            let name = this.1.as_str();
            if let Some(group) = self.take_of(name, most, &mut closed, &mut admit, &waits) {
                self.serve(name, group.runs.len());
                return Some(group);
            }
            self.drop_if_empty(name);
            turn = self.turns.range((std::ops::Bound::Excluded(this), std::ops::Bound::Unbounded)).next().cloned();
        }
        None
    }

    fn take_of(
        &mut self,
        queue: &str,
        most: usize,
        closed: &mut Vec<(Kind, String)>,
        admit: &mut impl FnMut(&LaunchTarget, usize) -> usize,
        waits: &impl Fn(Uuid) -> bool,
    ) -> Option<Group> {
        let waiting = self.queues.get_mut(queue).filter(|waiting| !waiting.paused && most > 0)?;
        loop {
            let open = |(target, lane): &(&LaunchTarget, &mut Lane)| {
                !lane.paused
                    && lane.probe_allowed != Some(false)
                    && !closed.iter().any(|(kind, cluster)| target.kind == *kind && target.cluster == *cluster)
            };
            let lanes = waiting.lanes.iter_mut().filter(open);
            let (target, lane) = lanes.min_by_key(|(_, lane)| lane.first())?;
            let target = target.clone();
            let gone = lane.drop_ended(waits);
            let probe = lane.probe_allowed.is_some();
            let alike = lane.alike(if probe { 1 } else { most }, waits);
            let may = if alike.is_empty() { 0 } else { admit(&target, alike.len()).min(alike.len()) };
            let runs: Vec<Uuid> = alike.iter().take(may).filter_map(|turn| lane.remove(turn)).collect();
            if lane.is_empty() {
                waiting.lanes.remove(&target);
            } else if runs.is_empty() {
                closed.push((target.kind, target.cluster.clone()));
            }
            waiting.len -= gone + runs.len();
            self.len -= gone + runs.len();
            if !runs.is_empty() {
                return Some(Group { target, runs, probe });
            }
        }
    }

    /// Counts what a queue was given.
    fn serve(&mut self, queue: &str, tasks: usize) {
        let Some(waiting) = self.queues.get(queue) else { return };
        let (before, empty) = (waiting.served, waiting.len == 0);
        let served = self.lifted(before).saturating_add(tasks as u64);
        self.turns.remove(&(before, queue.to_owned()));
        self.top = self.top.max(served);
        if empty {
            self.queues.remove(queue);
        } else if let Some(waiting) = self.queues.get_mut(queue) {
            waiting.served = served;
            self.turns.insert((served, queue.to_owned()));
        }
    }

    fn lifted(&self, served: u64) -> u64 {
        served.max(self.top.saturating_sub(OWED))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(n: u128) -> Uuid {
        Uuid::from_u128(n)
    }

    fn target(kind: Kind, definition: &str) -> LaunchTarget {
        LaunchTarget { kind, cluster: "c".into(), definition: definition.into() }
    }

    fn usual() -> LaunchTarget {
        target(Kind::Fargate, "app:1")
    }

    fn all(_: &LaunchTarget, alike: usize) -> usize {
        alike
    }

    /// The first run of each group, until nothing may go.
    fn order(queue: &mut LaunchQueue, mut admit: impl FnMut(&LaunchTarget, usize) -> usize) -> Vec<u128> {
        std::iter::from_fn(|| queue.take(10, &mut admit, |_| true)).map(|group| group.runs[0].as_u128()).collect()
    }

    #[test]
    fn queues_take_turns_and_priority_goes_first_inside_one() {
        let mut queue = LaunchQueue::default();
        for n in 0..3 {
            queue.push("big", 0, usual(), id(n), None);
        }
        queue.push("small", 0, usual(), id(10), None);
        queue.push("big", 5, usual(), id(11), None);
        assert_eq!(order(&mut queue, all), [11, 10, 0, 1, 2]);
        assert_eq!((queue.len(), queue.by_queue().len()), (0, 0));
    }

    #[test]
    fn equal_runs_go_ten_a_call_and_others_alone() {
        let mut queue = LaunchQueue::default();
        for n in 0..12 {
            queue.push("q", 0, usual(), id(n), Some((1, 0, "r".into())));
        }
        queue.push("q", 0, usual(), id(20), None);
        queue.push("q", 0, usual(), id(21), None);
        let sizes: Vec<_> = std::iter::from_fn(|| queue.take(10, all, |_| true)).map(|g| g.runs.len()).collect();
        assert_eq!(sizes, [10, 2, 1, 1]);
    }

    #[test]
    fn runs_of_two_requests_that_came_in_turns_still_share_calls() {
        let mut queue = LaunchQueue::default();
        for n in 0..20 {
            queue.push("q", 0, usual(), id(n), Some((n as usize % 2, 0, "r".into())));
        }
        let sizes: Vec<_> = std::iter::from_fn(|| queue.take(10, all, |_| true)).map(|g| g.runs.len()).collect();
        assert_eq!(sizes, [10, 10]);
    }

    #[test]
    fn shares_are_fair_in_tasks_not_in_calls() {
        let mut queue = LaunchQueue::default();
        for n in 0..100 {
            queue.push("tens", 0, usual(), id(n), Some((1, 0, "r".into())));
            queue.push("ones", 0, usual(), id(1000 + n), None);
        }
        let (mut tens, mut ones) = (0, 0);
        while tens + ones < 100 {
            let group = queue.take(10, all, |_| true).unwrap();
            *(if group.runs[0] < id(1000) { &mut tens } else { &mut ones }) += group.runs.len();
        }
        assert!((45..=55).contains(&tens), "{tens} of one queue, {ones} of the other");
    }

    #[test]
    fn what_cannot_go_blocks_neither_its_own_queue_nor_the_others() {
        let mut queue = LaunchQueue::default();
        queue.push("a", 9, usual(), id(0), None);
        queue.push("a", 0, target(Kind::Instances, "app:1"), id(1), None);
        queue.push("b", 0, usual(), id(2), None);
        queue.push("b", 0, target(Kind::FargateSpot, "app:1"), id(3), None);
        let mut asked = 0;
        let went = order(&mut queue, |target, alike| {
            asked += usize::from(target.kind == Kind::Fargate);
            if target.kind == Kind::Fargate { 0 } else { alike }
        });
        assert_eq!(went, [1, 3]);
        assert!(asked <= 3, "a target that is closed is asked for once a round: {asked}");
        assert_eq!(order(&mut queue, all), [0, 2]);
    }

    #[test]
    fn held_queues_and_task_definitions_stay_and_go_when_they_are_let_go() {
        let mut queue = LaunchQueue::default();
        let pause = |queue: &mut LaunchQueue, pauses: &[Pause]| queue.set_pauses(pauses.iter().cloned().collect());
        queue.push("a", 0, usual(), id(0), None);
        pause(
            &mut queue,
            &[Pause::Queue("a".into()), Pause::Queue("late".into()), Pause::TaskDefinition("etl".into())],
        );
        queue.push("a", 0, usual(), id(1), None);
        queue.push("late", 0, usual(), id(2), None);
        queue.push("b", 0, target(Kind::Fargate, "etl:7"), id(3), None);
        queue.push("b", 0, usual(), id(4), None);
        assert_eq!(order(&mut queue, all), [4]);
        pause(&mut queue, &[Pause::Queue("a".into())]);
        assert_eq!(order(&mut queue, all), [2, 3]);
        pause(&mut queue, &[]);
        assert_eq!(order(&mut queue, all), [0, 1]);
    }

    #[test]
    fn what_ended_while_it_waited_is_passed_over_at_no_cost() {
        let mut queue = LaunchQueue::default();
        for n in 0..30 {
            queue.push("q", 0, usual(), id(n), Some((1, 0, "r".into())));
        }
        let mut asked = 0;
        let group = queue.take(
            10,
            |_, alike| {
                asked += alike;
                alike
            },
            |run| run.as_u128() >= 15 && run.as_u128() % 2 == 1,
        );
        assert_eq!(group.unwrap().runs, [15, 17, 19, 21, 23, 25, 27, 29].map(id));
        assert_eq!(asked, 8);
        assert!(queue.take(10, all, |_| false).is_none());
        assert_eq!((queue.len(), queue.by_queue().len()), (0, 0));
    }

    #[test]
    fn a_queue_that_could_not_go_is_owed_little() {
        let mut queue = LaunchQueue::default();
        for n in 0..1000 {
            queue.push("fast", 0, target(Kind::Instances, "app:1"), id(n), None);
            queue.push("slow", 0, usual(), id(10_000 + n), None);
        }
        (0..900).for_each(|_| {
            queue.take(1, |target, n| if target.kind == Kind::Fargate { 0 } else { n }, |_| true).unwrap();
        });
        let next: Vec<u128> =
            std::iter::from_fn(|| queue.take(1, all, |_| true)).take(210).map(|g| g.runs[0].as_u128()).collect();
        let first_fast = next.iter().position(|run| *run < 10_000).unwrap();
        assert!((100..=101).contains(&first_fast), "{first_fast}");
    }

    #[test]
    fn what_ended_leaves_also_where_nothing_may_go() {
        let mut queue = LaunchQueue::default();
        queue.set_pauses([Pause::Queue("a".into())].into());
        for n in 0..3 {
            queue.push("a", 0, usual(), id(n), None);
        }
        queue.withdraw("a", &usual(), id(1));
        queue.withdraw("a", &usual(), id(1));
        queue.withdraw("b", &usual(), id(0));
        assert_eq!((queue.len(), queue.by_queue()["a"]), (2, 2));
        // Begun again before the queue is let go.
        queue.push("a", 0, usual(), id(2), None);
        queue.push("a", 0, usual(), id(1), None);
        assert_eq!((queue.len(), queue.by_queue()["a"]), (3, 3));
        queue.set_pauses([].into());
        assert_eq!(order(&mut queue, all), [0, 2, 1]);
        queue.push("a", 0, usual(), id(4), None);
        queue.withdraw("a", &usual(), id(4));
        assert_eq!((queue.len(), queue.by_queue().len(), queue.turns.len()), (0, 0, 0));
    }
}
