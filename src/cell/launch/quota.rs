//! The launch quotas of a process, which its cells share: one governor, one number of runs that may have tasks, and turns, so that
//! a cell with much to launch keeps no other waiting.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::Instant;

use super::governor::{Allowed, Governor, Shares, Spent};
use crate::cell::config::CallRates;
use crate::cell::target::Kind;

/// A cell whose turn it is not asks again so soon.
const TURN: Duration = Duration::from_millis(20);
/// A cell that waits for a slot has so long to take it before others may.
const GRACE: Duration = Duration::from_millis(100);
/// A cell that could not launch is owed so many tasks at most, as a queue is.
const OWED: f64 = 100.0;

/// The quotas of a process. Clones are the same.
#[derive(Clone)]
pub struct Quota(Arc<Inner>);

struct Inner {
    governor: Arc<Governor>,
    turns: Mutex<Turns>,
    /// Locked while a cell takes runs, and so before its turns.
    in_flight: Mutex<InFlight>,
}

#[derive(Default)]
struct Turns {
    cells: BTreeMap<u64, OfCell>,
    next: u64,
}

struct InFlight {
    /// Most tasks that there may be, of all cells.
    most: usize,
    /// Runs that may have a task, as each cell last said.
    live: BTreeMap<u64, usize>,
}

struct OfCell {
    wake: Arc<Notify>,
    /// Tasks it was given, each counted by its weight.
    served: f64,
    weight: f64,
    /// By kind: until when it is waited for, to take a slot.
    waits: [Option<Instant>; 4],
}

/// A cell's part of the quotas, for as long as it lives.
pub(in crate::cell) struct QuotaPart {
    quota: Quota,
    id: u64,
}

/// What a cell would launch if it could.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Demand {
    /// Tasks on Fargate on demand.
    pub fargate: usize,
    /// Tasks on Fargate Spot.
    pub spot: usize,
    /// Tasks on instances.
    pub others: usize,
    /// Runs that may have a task.
    pub live: usize,
    /// Runs that wait, by queue.
    pub queues: BTreeMap<String, usize>,
}

impl Quota {
    /// All that the account and the settings allow: tasks a second and at once, calls a second, and the share of reads, 0 to 1.
    pub fn new(tasks: (f64, u32), calls: CallRates, describe_share: f64) -> Self {
        Self(Arc::new(Inner {
            governor: Arc::new(Governor::new(Allowed { tasks, calls, describe_share })),
            turns: Mutex::default(),
            in_flight: Mutex::new(InFlight { most: usize::MAX, live: BTreeMap::new() }),
        }))
    }

    /// This process's shares from here on, and how many runs of it may have tasks.
    pub fn set_shares(&self, shares: &Shares, in_flight: usize) {
        self.0.governor.set_shares(shares);
        let before = std::mem::replace(&mut self.in_flight().most, in_flight);
        if in_flight > before {
            self.turns().cells.values().for_each(|cell| cell.wake.notify_one());
        }
    }

    /// What was used of each quota since the process began.
    pub fn spent(&self) -> Spent {
        self.0.governor.spent()
    }

    pub(in crate::cell) fn governor(&self) -> Arc<Governor> {
        Arc::clone(&self.0.governor)
    }

    /// The part of a cell, whose launcher is woken when it may go on.
    pub(in crate::cell) fn part(&self, wake: Arc<Notify>) -> QuotaPart {
        let mut turns = self.turns();
        let id = turns.next;
        turns.next += 1;
        // One that comes anew is owed nothing.
        let served = turns.top();
        turns.cells.insert(id, OfCell { wake, served, weight: 1.0, waits: [None; 4] });
        QuotaPart { quota: self.clone(), id }
    }

    fn turns(&self) -> MutexGuard<'_, Turns> {
        self.0.turns.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn in_flight(&self) -> MutexGuard<'_, InFlight> {
        self.0.in_flight.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Turns {
    fn top(&self) -> f64 {
        self.cells.values().map(|cell| cell.served).fold(0.0, f64::max)
    }
}

impl QuotaPart {
    /// How many more runs of the process may get a task, `live` of this cell having one; then counts those that `take` takes.
    pub(super) fn take<T>(&self, live: usize, take: impl FnOnce(usize) -> (T, usize)) -> T {
        let mut in_flight = self.quota.in_flight();
        let others: usize = in_flight.live.iter().filter(|(id, _)| **id != self.id).map(|(_, live)| *live).sum();
        let (taken, more) = take(in_flight.most.saturating_sub(others + live));
        in_flight.live.insert(self.id, live + more);
        taken
    }

    /// So many runs of this cell may have a task.
    pub(super) fn note_live(&self, live: usize) {
        self.quota.in_flight().live.insert(self.id, live);
    }

    /// How much of a turn this cell gets, beside 1.0 of one with one queue of its own.
    pub(super) fn set_weight(&self, weight: f64) {
        if let Some(own) = self.quota.turns().cells.get_mut(&self.id) {
            own.weight = weight.max(0.01);
        }
    }

    /// Whether it is this cell's turn, or when to ask again: not while another waits that was given less.
    pub(super) fn turn(&self, kind: Kind) -> Result<(), Duration> {
        let (mut turns, now) = (self.quota.turns(), Instant::now());
        let Some(served) = turns.cells.get(&self.id).map(|own| own.served) else { return Ok(()) };
        let is_before =
            |other: &OfCell| other.waits[kind as usize].is_some_and(|until| until > now) && other.served < served;
        let next = turns.cells.iter().filter(|(id, other)| **id != self.id && is_before(other));
        let next = next.min_by(|(_, one), (_, other)| one.served.total_cmp(&other.served));
        let Some((_, next)) = next else { return Ok(()) };
        next.wake.notify_one();
        if let Some(own) = turns.cells.get_mut(&self.id) {
            own.waits[kind as usize] = Some(now + TURN + GRACE);
        }
        Err(TURN)
    }

    /// This cell has something to launch and waits so long for a slot.
    pub(super) fn waits(&self, kind: Kind, wait: Duration) {
        if let Some(own) = self.quota.turns().cells.get_mut(&self.id) {
            own.waits[kind as usize] = Some(Instant::now() + wait + GRACE);
        }
    }

    /// This cell was given so many tasks.
    pub(super) fn went(&self, kind: Kind, tasks: usize) {
        let mut turns = self.quota.turns();
        let least = turns.top() - OWED;
        if let Some(own) = turns.cells.get_mut(&self.id) {
            own.waits[kind as usize] = None;
            own.served = own.served.max(least) + tasks as f64 / own.weight;
        }
    }
}

impl Drop for QuotaPart {
    fn drop(&mut self) {
        self.quota.turns().cells.remove(&self.id);
        self.quota.in_flight().live.remove(&self.id);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn usual() -> Quota {
        Quota::new((20.0, 100), CallRates::USUAL, 0.1)
    }

    fn parts(quota: &Quota) -> [QuotaPart; 2] {
        [quota.part(Arc::default()), quota.part(Arc::default())]
    }

    #[tokio::test(start_paused = true)]
    async fn cells_that_wait_take_turns_and_one_that_does_not_come_is_passed_over() {
        let quota = usual();
        let [one, other] = parts(&quota);
        one.went(Kind::Fargate, 10);
        assert_eq!(one.turn(Kind::Fargate), Ok(()), "nobody waits");
        other.waits(Kind::Fargate, Duration::from_millis(50));
        assert_eq!(one.turn(Kind::Fargate), Err(TURN));
        assert_eq!(one.turn(Kind::Instances), Ok(()), "it waits for Fargate");
        assert_eq!(other.turn(Kind::Fargate), Ok(()));
        other.went(Kind::Fargate, 10);
        assert_eq!(one.turn(Kind::Fargate), Ok(()));
        one.went(Kind::Fargate, 1);
        other.waits(Kind::Fargate, Duration::from_millis(50));
        tokio::time::advance(Duration::from_millis(151)).await;
        assert_eq!(one.turn(Kind::Fargate), Ok(()), "the other did not come");
    }

    #[tokio::test(start_paused = true)]
    async fn a_cell_is_owed_little_and_more_queues_weigh_more() {
        let quota = usual();
        let [one, other] = parts(&quota);
        one.went(Kind::Fargate, 1_000);
        other.set_weight(3.0);
        let mut given = 0;
        loop {
            one.waits(Kind::Fargate, Duration::ZERO);
            if other.turn(Kind::Fargate).is_err() {
                break;
            }
            other.went(Kind::Fargate, 10);
            given += 10;
        }
        assert!((300..=320).contains(&given), "100 are owed, and each of its tasks counts a third: {given}");
    }

    #[test]
    fn runs_in_flight_are_counted_over_all_cells() {
        let quota = usual();
        let [one, other] = parts(&quota);
        quota.set_shares(&Shares::default(), 10);
        assert_eq!(one.take(0, |room| (room, 6)), 10);
        assert_eq!(other.take(1, |room| (room, 0)), 3);
        one.note_live(2);
        assert_eq!(other.take(1, |room| (room, 0)), 7);
        drop(one);
        assert_eq!(other.take(1, |room| (room, 0)), 9);
    }
}
