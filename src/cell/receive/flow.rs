//! How many receives are out, and how many messages in hand.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::Instant;

/// Messages of a receive (Amazon SQS quotas).
const FULL: usize = 10;
/// So few show that fewer receives would do.
const FEW: usize = 2;
/// Messages in hand until it is seen that they go through, as many as four receives bring.
const FIRST_HAND: usize = 4 * FULL;
/// So many receives are not too many for any machine.
const A_FEW: usize = 16;
/// A receive that takes so many times the shortest one, and as much longer, waits for a machine that is busy: more of them would
/// only wait longer. With twice as much fewer do as well.
const FAST_TIMES: u32 = 4;
const FAST_PLUS: Duration = Duration::from_millis(5);
/// Networks change.
const FORGOTTEN: Duration = Duration::from_secs(300);
const FIRST_REST: Duration = Duration::from_millis(500);
const LONGEST_REST: Duration = Duration::from_secs(30);

/// What a pipeline may have at once.
#[derive(Clone, Copy, Debug)]
pub(in crate::cell) struct Bounds {
    /// Receives that are out.
    pub(in crate::cell) polls: usize,
    /// Messages in hand.
    pub(in crate::cell) messages: usize,
}

/// The state of a pipeline.
pub(super) struct Flow {
    bounds: Bounds,
    state: Mutex<State>,
    /// Something changed that a further receive may have waited for.
    moved: Notify,
}

struct State {
    /// Receives that are out.
    polls: usize,
    /// Receives that are wanted.
    wanted: usize,
    /// Messages that are not deleted, released or given up.
    in_hand: usize,
    /// Most messages in hand now.
    window: usize,
    /// The shortest full receive, and when that was.
    shortest: Option<(Duration, Instant)>,
    /// When the last message had become durable.
    went_through: Option<Instant>,
    /// The last failure, and how long to rest after it.
    failed: Option<(Instant, Duration)>,
}

impl Flow {
    pub(super) fn new(bounds: Bounds) -> Self {
        let bounds = Bounds { polls: bounds.polls.max(1), messages: bounds.messages.max(FULL) };
        let state = State {
            polls: 0,
            wanted: 1,
            in_hand: 0,
            window: FIRST_HAND.min(bounds.messages),
            shortest: None,
            went_through: None,
            failed: None,
        };
        Self { bounds, state: Mutex::new(state), moved: Notify::new() }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Resolves when something may have changed.
    pub(super) async fn moved(&self) {
        self.moved.notified().await;
    }

    /// How long nothing is to be received after a failure.
    pub(super) fn rest(&self, now: Instant) -> Duration {
        self.state().failed.map_or(Duration::ZERO, |(at, rest)| (at + rest).saturating_duration_since(now))
    }

    /// Whether another receive is wanted, and there is room for what it brings.
    pub(super) fn wants_more(&self) -> bool {
        let state = self.state();
        state.polls < state.wanted && state.handed() + FULL <= state.window
    }

    /// Messages in hand, and those that receives may bring.
    pub(super) fn handed(&self) -> usize {
        self.state().handed()
    }

    #[cfg(test)]
    pub(super) fn in_hand(&self) -> usize {
        self.state().in_hand
    }

    /// A receive goes out; whether it is the only one.
    pub(super) fn begin(&self) -> bool {
        let mut state = self.state();
        state.polls += 1;
        state.polls == 1
    }

    /// A receive brought so many messages after so long.
    pub(super) fn received(&self, messages: usize, took: Duration) {
        let mut state = self.state();
        // Where room is short, more than are out are no use.
        let as_wanted = state.polls >= state.wanted;
        state.polls -= 1;
        state.in_hand += messages;
        state.failed = None;
        state.wanted = match messages {
            FULL.. => state.wanted_after_full(took, as_wanted).min(self.bounds.polls),
            0 => (state.wanted - 1).min(state.polls).max(1),
            1..=FEW => (state.wanted - 1).max(1),
            _ => state.wanted,
        };
        if messages == 0 && state.in_hand == 0 {
            state.window = FIRST_HAND.min(self.bounds.messages);
        }
        drop(state);
        self.moved.notify_one();
    }

    /// A receive that had begun at an instant failed.
    pub(super) fn failed(&self, began: Instant) {
        let mut state = self.state();
        state.polls -= 1;
        state.wanted = 1;
        let rest = match state.failed {
            None => FIRST_REST,
            // One that was out at the last failure tells nothing new.
            Some((at, rest)) if began < at => rest,
            Some((_, rest)) => (rest * 2).min(LONGEST_REST),
        };
        state.failed = Some((Instant::now(), rest));
        drop(state);
        self.moved.notify_one();
    }

    /// Messages have become durable: there may be as many more in hand.
    pub(super) fn went_through(&self, messages: usize) {
        let mut state = self.state();
        state.went_through = Some(Instant::now());
        state.window = (state.window + messages).min(self.bounds.messages);
    }

    /// Whether any has within the last while.
    pub(super) fn goes_on(&self, within: Duration) -> bool {
        self.state().went_through.is_some_and(|at| at.elapsed() < within)
    }

    /// Messages are no longer in hand.
    pub(super) fn put_down(&self, messages: usize) {
        if messages == 0 {
            return;
        }
        self.state().in_hand -= messages;
        self.moved.notify_one();
    }
}

impl State {
    fn handed(&self) -> usize {
        self.in_hand + self.polls * FULL
    }

    /// How many receives are wanted after a full one that took so long.
    fn wanted_after_full(&mut self, took: Duration, as_wanted: bool) -> usize {
        let now = Instant::now();
        let known = self.shortest.filter(|(shortest, at)| *shortest <= took && now.duration_since(*at) < FORGOTTEN);
        let (shortest, _) = *self.shortest.insert(known.unwrap_or((took, now)));
        let fast = shortest * FAST_TIMES + FAST_PLUS;
        match self.wanted {
            wanted if as_wanted && (wanted < A_FEW || took <= fast) => wanted + 1,
            wanted if wanted > A_FEW && took > 2 * fast => wanted - 1,
            wanted => wanted,
        }
    }
}
