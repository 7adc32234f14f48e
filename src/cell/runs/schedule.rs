//! When a live task is described: behind its events, or, where no queue brings events, again and again (a poll).

use std::time::Duration;

use crate::core::time::Timestamp;

/// How often tasks that are to become HEALTHY are asked about: events do not carry health.
const HEALTH: Duration = Duration::from_secs(5);
/// How often it is looked whether an event is late.
const ROUND: Duration = Duration::from_secs(2);
/// A polled task is asked about after this part of the time since its last news: a wait for an end is late by a tenth at most.
const PART: u32 = 10;
/// The longest interval of a poll, in intervals with which it begins.
const MOST: u32 = 16;

/// How long a task may be without an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::cell) enum Class {
    /// It runs and is to become HEALTHY.
    Health = 0,
    /// Events tell of it.
    Usual = 1,
}

/// When tasks are described.
#[derive(Clone, Copy, Debug)]
pub(in crate::cell) enum CheckSchedule {
    /// Events tell of them. A task without one for so long, by its class, is described.
    Events([Duration; 2]),
    /// Descriptions alone tell of them.
    Poll(Poll),
}

/// Instants at which tasks are described, a fixed interval apart. A task takes every one, every second, every fourth …
/// instant, so that tasks of different age share their calls.
#[derive(Clone, Copy, Debug)]
pub(in crate::cell) struct Poll {
    first: Duration,
    /// From where the instants count: processes that begin at the same time do not ask at the same time.
    anchor: Timestamp,
}

impl CheckSchedule {
    /// Behind the events, after `stale_after`; or a poll whose first interval is `poll`, from `now` on.
    pub(in crate::cell) fn new(stale_after: Duration, poll: Option<Duration>, now: Timestamp) -> Self {
        let events = || Self::Events([HEALTH.min(stale_after), stale_after]);
        poll.map_or_else(events, |first| Self::Poll(Poll { first: first.max(Duration::from_millis(1)), anchor: now }))
    }

    pub(super) const fn is_poll(&self) -> bool {
        matches!(self, Self::Poll(_))
    }

    /// When a task that was last heard of at `heard` is to be described.
    pub(super) fn first(&self, class: Class, heard: Timestamp) -> Timestamp {
        match self {
            Self::Events(after) => heard.plus(after[class as usize]),
            Self::Poll(poll) => poll.next(heard, poll.first),
        }
    }

    /// When a task that is described `now`, and was last heard of at `heard`, is to be described again.
    pub(super) fn again(&self, class: Class, heard: Timestamp, now: Timestamp) -> Timestamp {
        match self {
            Self::Events(after) => now.plus(after[class as usize]),
            Self::Poll(poll) => poll.next(now, poll.interval(now.since(heard))),
        }
    }

    /// So much earlier than it must a task is described where a call goes out anyway: full calls are fewer calls.
    pub(super) fn slack(&self, class: Class) -> Duration {
        match self {
            Self::Events(after) => after[class as usize] / 10,
            // Its instants are the same for all tasks.
            Self::Poll(_) => Duration::ZERO,
        }
    }

    /// How long until tasks are to be looked through again.
    pub(super) fn until_next_round(&self, now: Timestamp) -> Duration {
        match self {
            Self::Events(_) => ROUND,
            Self::Poll(poll) => poll.next(now, poll.first).since(now),
        }
    }
}

impl Poll {
    /// How long after the last news tasks are asked about how often.
    fn interval(&self, since_news: Duration) -> Duration {
        let mut interval = self.first;
        while interval < self.first * MOST && interval * 2 * PART <= since_news {
            interval *= 2;
        }
        interval
    }

    /// The first instant after this one that tasks with this interval take.
    fn next(&self, after: Timestamp, interval: Duration) -> Timestamp {
        let interval = interval.as_millis().max(1);
        let intervals = after.since(self.anchor).as_millis() / interval + 1;
        let millis = u64::try_from(intervals.saturating_mul(interval)).unwrap_or(u64::MAX);
        self.anchor.plus(Duration::from_millis(millis))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp::from_millis(1_800_000_000_250);

    fn after(millis: u64) -> Timestamp {
        NOW.plus(Duration::from_millis(millis))
    }

    fn poll() -> CheckSchedule {
        CheckSchedule::new(Duration::from_secs(300), Some(Duration::from_secs(1)), NOW)
    }

    #[test]
    fn a_poll_asks_every_second_at_first_and_ever_more_rarely_up_to_16_seconds() {
        let (schedule, heard) = (poll(), after(300));
        let mut at = schedule.first(Class::Usual, heard);
        let mut asked = Vec::new();
        while at < after(400_000) {
            asked.push(at.since(NOW).as_secs());
            at = schedule.again(Class::Usual, heard, at);
        }
        let waits: Vec<u64> = asked.windows(2).map(|two| two[1] - two[0]).collect();
        assert!(asked[0] == 1 && waits[..19].iter().all(|wait| *wait == 1), "{asked:?}");
        assert!(waits.is_sorted() || waits.windows(2).all(|two| two[1] * 2 >= two[0]), "{waits:?}");
        assert_eq!(waits.last(), Some(&16));
        for (at, wait) in asked.iter().zip(&waits) {
            assert!(*wait == 1 || wait * 10 <= *at, "asked after {wait} s at {at} s");
        }
    }

    #[test]
    fn tasks_of_any_age_are_asked_about_at_the_same_instants() {
        let schedule = poll();
        let now = after(1_000_000);
        let instants: std::collections::BTreeSet<Timestamp> =
            (0..500).map(|age| schedule.again(Class::Usual, now.minus(Duration::from_secs(age)), now)).collect();
        // In 1, 2, 4, 8 and 16 s, of which the last two are the same instant now.
        assert_eq!(instants.len(), 4, "{instants:?}");
        assert!(instants.iter().all(|at| at.since(NOW).as_millis() % 1_000 == 0));
    }

    #[test]
    fn a_round_comes_with_each_instant_of_a_poll() {
        assert_eq!(poll().until_next_round(after(0)), Duration::from_secs(1));
        assert_eq!(poll().until_next_round(after(1_700)), Duration::from_millis(300));
        let behind = CheckSchedule::new(Duration::from_secs(300), None, NOW);
        assert_eq!(behind.until_next_round(after(1_700)), ROUND);
    }
}
