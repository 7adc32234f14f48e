//! The launch quotas of a process, which its cells share: one governor, one number of runs that may have tasks, and turns, so that
//! a cell with much to launch keeps no other waiting.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::Instant;

use super::governor::{Allowed, Governor, Shares, Spent};
use super::room::{InFlight, OFFER, Took};
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
    /// Locked while a cell takes runs, and so before the turns.
    in_flight: Mutex<InFlight>,
}

#[derive(Default)]
struct Turns {
    cells: BTreeMap<u64, OfCell>,
    next: u64,
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
            in_flight: Mutex::new(InFlight::new()),
        }))
    }

    /// This process's shares from here on, and how many runs of it may have tasks.
    pub fn set_shares(&self, shares: &Shares, in_flight: usize) {
        self.0.governor.set_shares(shares);
        let may_have_more = self.room().set_most(in_flight);
        if may_have_more {
            self.turns().cells.values().for_each(|cell| cell.wake.notify_one());
        }
    }

    /// Runs of this process that may have tasks, those of cells counted that have left it and that nobody else counts yet.
    pub fn in_flight(&self) -> usize {
        self.room().all()
    }

    /// Other processes count the tasks of these cells; so many that were counted here until now. This process may have as many fewer.
    pub fn counted_elsewhere<'a>(&self, cells: impl Iterator<Item = &'a str>) -> usize {
        let mut room = self.room();
        cells.map(|cell| room.counted_elsewhere(cell)).sum()
    }

    /// What was used of each quota since the process began.
    pub fn spent(&self) -> Spent {
        self.0.governor.spent()
    }

    pub(in crate::cell) fn governor(&self) -> Arc<Governor> {
        Arc::clone(&self.0.governor)
    }

    /// The part of a cell, whose launcher is woken when it may go on.
    pub(in crate::cell) fn part(&self, cell: &str, wake: Arc<Notify>) -> QuotaPart {
        let mut room = self.room();
        let mut turns = self.turns();
        let id = turns.next;
        turns.next += 1;
        // One that comes anew is owed nothing.
        let served = turns.top();
        turns.cells.insert(id, OfCell { wake, served, weight: 1.0, waits: [None; 4] });
        room.begin(id, cell);
        QuotaPart { quota: self.clone(), id }
    }

    fn turns(&self) -> MutexGuard<'_, Turns> {
        self.0.turns.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn room(&self) -> MutexGuard<'_, InFlight> {
        self.0.in_flight.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Wakes the cells that the room is for, if there is any and cells wait for it.
    fn offer(&self, room: &mut InFlight) {
        if room.has_waiting() {
            let turns = self.turns();
            let woken = room.offer(Instant::now(), |cell| turns.served(cell));
            woken.iter().filter_map(|cell| turns.cells.get(cell)).for_each(|cell| cell.wake.notify_one());
        }
    }
}

impl Turns {
    fn top(&self) -> f64 {
        self.cells.values().map(|cell| cell.served).fold(0.0, f64::max)
    }

    fn served(&self, cell: u64) -> f64 {
        self.cells.get(&cell).map_or(0.0, |cell| cell.served)
    }
}

impl QuotaPart {
    /// Counts the runs of this cell that may have a task (`live`), tells `take` how many more may get one, and counts those that it
    /// takes. Room for which cells wait that were given less is theirs: then, or for any other want of room, this cell waits for
    /// room too, and is woken. `Err`: when to ask again if it is not.
    pub(super) fn take<T>(
        &self,
        live: impl Fn() -> usize,
        take: impl FnOnce(usize) -> Took<T>,
    ) -> Result<T, Option<Duration>> {
        let mut room = self.quota.room();
        let live = live();
        room.note(self.id, live);
        let before = {
            let turns = self.quota.turns();
            room.before(self.id, Instant::now(), |cell| turns.served(cell))
        };
        let took = match take(room.room().saturating_sub(before)) {
            Took::Runs(taken, more) => {
                room.note(self.id, live + more);
                Ok(taken)
            }
            Took::LacksRoom => {
                room.waits(self.id);
                Err((before > 0).then_some(OFFER))
            }
            Took::Nothing => Err(None),
        };
        self.quota.offer(&mut room);
        took
    }

    /// Counts the runs of this cell that may have a task; how many there are.
    pub(super) fn note_live(&self, live: impl Fn() -> usize) -> usize {
        let mut room = self.quota.room();
        let live = live();
        room.note(self.id, live);
        self.quota.offer(&mut room);
        live
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
        let mut room = self.quota.room();
        room.end(self.id);
        self.quota.turns().cells.remove(&self.id);
        self.quota.offer(&mut room);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn usual() -> Quota {
        Quota::new((20.0, 100), CallRates::USUAL, 0.1)
    }

    fn parts(quota: &Quota) -> [QuotaPart; 2] {
        ["one", "other"].map(|cell| quota.part(cell, Arc::default()))
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
        assert_eq!(one.take(|| 0, |room| Took::Runs(room, 6)), Ok(10));
        assert_eq!(other.take(|| 1, |room| Took::Runs(room, 0)), Ok(3));
        one.note_live(|| 2);
        assert_eq!(other.take(|| 1, |room| Took::Runs(room, 0)), Ok(7));
    }

    #[test]
    fn the_tasks_of_a_cell_that_left_are_counted_until_another_process_counts_them_or_it_is_back() {
        let quota = usual();
        let [one, other] = parts(&quota);
        quota.set_shares(&Shares::default(), 10);
        one.note_live(|| 6);
        drop(one);
        assert_eq!((other.take(|| 1, |room| Took::Runs(room, 0)), quota.in_flight()), (Ok(3), 7));
        let back = quota.part("one", Arc::default());
        assert_eq!(quota.in_flight(), 7, "before it has said anything, too");
        back.note_live(|| 5);
        drop(back);
        assert_eq!(quota.in_flight(), 6);
        assert_eq!(quota.counted_elsewhere(["one"].into_iter()), 5);
        assert_eq!(quota.in_flight(), 1);
        assert_eq!(other.take(|| 1, |room| Took::Runs(room, 0)), Ok(4), "of ten, five are the other process's now");
    }

    #[tokio::test(start_paused = true)]
    async fn room_is_for_the_cell_that_waits_and_was_given_less_unless_it_does_not_come() {
        let quota = usual();
        let [one, other] = parts(&quota);
        quota.set_shares(&Shares::default(), 1);
        let take = |part: &QuotaPart, live: usize| {
            let took = |room| if room > 0 { Took::Runs((), 1) } else { Took::LacksRoom };
            part.take(|| live, took)
        };
        assert_eq!(take(&one, 0), Ok(()));
        one.went(Kind::Fargate, 1);
        assert_eq!(take(&other, 0), Err(None), "there is none");
        assert_eq!(take(&one, 0), Err(Some(OFFER)), "its task has ended, and the other waits for the room");
        assert_eq!(take(&other, 0), Ok(()));
        other.went(Kind::Fargate, 10);
        assert_eq!(take(&other, 0), Err(Some(OFFER)), "now it is the first one's turn");
        tokio::time::advance(OFFER).await;
        assert_eq!(take(&other, 0), Ok(()), "which does not come");
    }

    #[tokio::test(start_paused = true)]
    async fn whoever_waits_for_room_is_woken_when_there_is_some() {
        let quota = usual();
        let (one, wake) = (quota.part("one", Arc::default()), Arc::<Notify>::default());
        let other = quota.part("other", Arc::clone(&wake));
        quota.set_shares(&Shares::default(), 1);
        one.note_live(|| 1);
        assert_eq!(other.take(|| 0, |_| Took::<()>::LacksRoom), Err(None));
        assert!(tokio::time::timeout(TURN, wake.notified()).await.is_err(), "there is none");
        one.note_live(|| 0);
        assert!(tokio::time::timeout(TURN, wake.notified()).await.is_ok());
    }
}
