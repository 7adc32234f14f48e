//! How far one destination's part of the outbox was read, and when what was not delivered is tried again.

use std::time::Duration;

use tokio::time::Instant;

use crate::cell::backoff::Backoff;
use crate::cell::ports::CallError;
use crate::core::notification::Destination;

/// Waits after a destination did not answer, or asked to be left alone: doubled up to a minute, so that one call a minute finds
/// out when it is back.
const FIRST_WAIT: Duration = Duration::from_millis(500);
const LONGEST_WAIT: Duration = Duration::from_secs(60);
/// Waits before what was rejected is tried again: an operator may have raised a limit or given a right.
const FIRST_AGAIN: Duration = Duration::from_secs(60);
const LONGEST_AGAIN: Duration = Duration::from_secs(3600);
/// A notification that fails so often while others of its call are taken holds up no more: it counts as rejected.
const MOST_TRIES: u32 = 5;

/// What the worker of a destination does next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Next {
    /// Reads on.
    Page,
    /// Waits, and reads on from where it is.
    Rest(Duration),
    /// Has seen everything there is.
    Empty,
}

/// One reading of the outbox, from its first notification on.
pub(super) struct Round {
    /// Every notification up to here was taken, or rejected.
    cursor: u64,
    backoff: Backoff,
    /// Which one holds up the others, and how often it failed alone.
    stuck: (u64, u32),
    rejected: usize,
    again: Option<Instant>,
    again_wait: Duration,
}

impl Round {
    pub(super) fn new(cell: &str, destination: &Destination) -> Self {
        // Cells and destinations wait differently, so that they do not come back in step.
        let backoff = Backoff::new(FIRST_WAIT, LONGEST_WAIT, &(cell, destination.to_string()));
        Self { cursor: 0, backoff, stuck: (0, 0), rejected: 0, again: None, again_wait: FIRST_AGAIN }
    }

    /// Where to read on: from the first one, if it is time for those that were rejected.
    pub(super) fn cursor(&mut self) -> u64 {
        if self.again.is_some_and(|at| at <= Instant::now()) {
            self.start_over();
        }
        self.cursor
    }

    /// How many were rejected since the round began.
    pub(super) const fn rejected(&self) -> usize {
        self.rejected
    }

    /// When those are tried again, if there are any.
    pub(super) const fn again(&self) -> Option<Instant> {
        self.again
    }

    /// Reads from the first notification on, with those that were rejected.
    pub(super) fn start_over(&mut self) {
        self.cursor = 0;
        self.rejected = 0;
        self.again = None;
    }

    pub(super) fn next_wait(&mut self) -> Duration {
        self.backoff.next()
    }

    /// Takes note of one call's answers, in order. What may be taken later stops the round there, so that what comes after
    /// it stays after it; what was rejected does not.
    pub(super) fn answered<'a>(&mut self, answers: impl Iterator<Item = (u64, &'a Result<(), CallError>)>) -> Next {
        let answers: Vec<_> = answers.collect();
        let taken = answers.iter().any(|(_, answer)| answer.is_ok());
        if taken {
            self.backoff.reset();
        }
        for (seq, answer) in answers {
            match answer {
                Ok(()) => {}
                Err(CallError::Refused(_)) => self.skip(),
                Err(_) if self.is_stuck(seq, taken) => self.skip(),
                Err(_) => return Next::Rest(self.next_wait()),
            }
            self.cursor = seq;
        }
        Next::Page
    }

    fn skip(&mut self) {
        self.rejected += 1;
        if self.again.is_none() {
            self.again = Some(Instant::now() + self.again_wait);
            self.again_wait = (self.again_wait * 2).min(LONGEST_AGAIN);
        }
    }

    /// Whether this one failed again and again while others of its calls were taken.
    fn is_stuck(&mut self, seq: u64, others_taken: bool) -> bool {
        if self.stuck.0 != seq {
            self.stuck = (seq, 0);
        }
        self.stuck.1 += u32::from(others_taken);
        self.stuck.1 >= MOST_TRIES
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::failure;

    type Answer = Result<(), CallError>;

    fn round() -> Round {
        Round::new("c", &Destination::Topic("arn:t".into()))
    }

    fn later() -> Answer {
        Err(CallError::Unknown("InternalError".into()))
    }

    fn never() -> Answer {
        Err(CallError::Refused(Box::new(failure::from_exception("InvalidParameter", "Subject"))))
    }

    fn answered(round: &mut Round, answers: &[(u64, Answer)]) -> Next {
        round.answered(answers.iter().map(|(seq, answer)| (*seq, answer)))
    }

    #[tokio::test(start_paused = true)]
    async fn one_that_may_be_taken_later_stops_the_round_before_what_comes_after_it() {
        let mut round = round();
        let next = answered(&mut round, &[(3, Ok(())), (5, later()), (6, Ok(()))]);
        assert!(matches!(next, Next::Rest(_)), "{next:?}");
        assert_eq!(round.cursor(), 3);
    }

    #[tokio::test(start_paused = true)]
    async fn one_that_fails_alone_again_and_again_is_passed() {
        let mut round = round();
        for _ in 1..MOST_TRIES {
            assert!(matches!(answered(&mut round, &[(5, later()), (6, Ok(()))]), Next::Rest(_)));
        }
        assert_eq!(answered(&mut round, &[(5, later()), (7, Ok(()))]), Next::Page);
        assert_eq!((round.cursor(), round.rejected()), (7, 1));
    }

    #[tokio::test(start_paused = true)]
    async fn while_nothing_is_taken_nothing_is_passed_and_waits_grow_to_a_minute() {
        let mut round = round();
        let waits: Vec<Duration> = (0..50)
            .map(|_| match answered(&mut round, &[(1, later()), (2, later())]) {
                Next::Rest(wait) => wait,
                other => panic!("{other:?}"),
            })
            .collect();
        assert_eq!((round.cursor(), round.rejected()), (0, 0));
        assert!(waits[0] <= FIRST_WAIT && waits[0] >= FIRST_WAIT.mul_f64(0.5));
        let late = &waits[10..];
        assert!(late.iter().all(|wait| *wait <= LONGEST_WAIT && *wait >= LONGEST_WAIT.mul_f64(0.5)), "{late:?}");
        assert!(late.iter().any(|wait| *wait != late[0]), "they come back in step");
    }

    #[tokio::test(start_paused = true)]
    async fn what_was_rejected_is_read_again_when_its_time_has_come_and_ever_more_rarely() {
        let mut round = round();
        let mut waits = Vec::new();
        for _ in 0..9 {
            assert_eq!(answered(&mut round, &[(1, never()), (2, Ok(()))]), Next::Page);
            assert_eq!(round.cursor(), 2);
            let again = round.again().expect("a time");
            waits.push((again - Instant::now()).as_secs());
            tokio::time::advance(again - Instant::now()).await;
            assert_eq!((round.cursor(), round.again()), (0, None));
        }
        assert_eq!(waits, [60, 120, 240, 480, 960, 1920, 3600, 3600, 3600]);
    }
}
