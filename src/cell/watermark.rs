//! The watermark of the events queue: up to which instant events were received and taken in, and so whether one that would
//! change a verdict may still wait there.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::clock::Clock;
use super::health::DependencyHealth;
use crate::core::time::Timestamp;

/// A process that was killed may have had messages in hand: they come again after their visibility timeout, which `setup`
/// sets to 60 s; and a little.
pub(super) const IN_HAND: Duration = Duration::from_secs(75);
/// The shortest break after which events are waited for: a short one keeps back nothing to speak of, and many of them must
/// not put off verdicts for ever.
const BREAK: Duration = Duration::from_secs(30);
/// A long poll answers after 20 s at the latest (SQS API reference, ReceiveMessage): nothing for so long is a break, also
/// where the machine slept.
const NOTHING_RECEIVED: Duration = Duration::from_secs(60);
/// Messages older than this when they are received are a backlog.
const BACKLOG: Duration = Duration::from_secs(15);
/// The age of a backlog is that of the oldest message received in so long: one receive gives ten of many.
const WINDOW: Duration = Duration::from_secs(5);

/// How far the events were received. Instants are the cell's clock's, so that a machine that slept knows that it did.
pub(super) struct EventWatermark {
    clock: Clock,
    /// Whether there is an events queue at all.
    exists: bool,
    /// While the store takes no changes, what is received cannot be taken in.
    store: Arc<DependencyHealth>,
    state: Mutex<State>,
}

struct State {
    /// Since when events are received and taken in without a break.
    since: Timestamp,
    last_receive: Timestamp,
    /// When the oldest message of this window, and of the one before, was sent.
    oldest: [Option<Timestamp>; 2],
    window: Timestamp,
}

impl State {
    /// Moves the windows on.
    fn turn(&mut self, now: Timestamp) {
        let passed = now.since(self.window);
        if passed >= WINDOW * 2 {
            self.oldest = [None, None];
        } else if passed >= WINDOW {
            self.oldest = [None, self.oldest[0]];
        }
        if passed >= WINDOW {
            self.window = now;
        }
    }

    fn oldest_sent(&self) -> Option<Timestamp> {
        self.oldest.into_iter().flatten().min()
    }
}

impl EventWatermark {
    pub(super) fn new(clock: Clock, exists: bool, store: Arc<DependencyHealth>) -> Self {
        let now = clock.now();
        let state = State { since: now, last_receive: now, oldest: [None, None], window: now };
        Self { clock, exists, store, state: Mutex::new(state) }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A receive was answered, with messages that were sent at these instants.
    pub(super) fn received(&self, sent: impl Iterator<Item = Timestamp>) {
        let now = self.clock.now();
        let mut state = self.state();
        if now.since(state.last_receive) >= NOTHING_RECEIVED {
            state.since = now;
        }
        state.last_receive = now;
        state.turn(now);
        let oldest = sent.min();
        state.oldest[0] = state.oldest[0].into_iter().chain(oldest).min();
    }

    /// A receive that waited found nothing: everything visible was received.
    pub(super) fn received_nothing(&self) {
        self.received(std::iter::empty());
        self.state().oldest = [None, None];
    }

    /// Receiving, or taking in what is received, had not gone for so long, and goes again.
    pub(super) fn resumed(&self, after: Duration) {
        if after >= BREAK {
            self.state().since = self.clock.now();
        }
    }

    /// Whether everything that ECS said by now was received, but for what is lost. Until then a verdict that an event might
    /// change needs a check.
    pub(super) fn is_complete(&self) -> bool {
        self.until_complete().is_zero()
    }

    /// How long until then, at least.
    pub(super) fn until_complete(&self) -> Duration {
        if !self.exists {
            return Duration::ZERO;
        }
        let now = self.clock.now();
        let state = self.state();
        if self.store.is_failing() || now.since(state.last_receive) >= NOTHING_RECEIVED {
            return IN_HAND;
        }
        let in_hand = IN_HAND.saturating_sub(now.since(state.since));
        let behind = if is_backlog(&state, now) { WINDOW } else { Duration::ZERO };
        in_hand.max(behind)
    }

    /// Whether nothing is received any more: what has not come is not on its way.
    pub(super) fn receives_nothing(&self) -> bool {
        self.exists && self.clock.now().since(self.state().last_receive) >= NOTHING_RECEIVED
    }

    /// Up to which instant events were received: now, or as far as a backlog has been worked off. Where nothing is received
    /// any more it is now: no event will tell more.
    pub(super) fn received_up_to(&self) -> Timestamp {
        let now = self.clock.now();
        let mut state = self.state();
        if !self.exists || now.since(state.last_receive) >= NOTHING_RECEIVED {
            return now;
        }
        state.turn(now);
        if is_backlog(&state, now) { state.oldest_sent().unwrap_or(now) } else { now }
    }
}

fn is_backlog(state: &State, now: Timestamp) -> bool {
    state.oldest_sent().is_some_and(|sent| now.since(sent) > BACKLOG)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn watermark() -> (EventWatermark, Clock) {
        let clock = Clock::starting_at(Timestamp::from_millis(1_800_000_000_000));
        (EventWatermark::new(clock.clone(), true, Arc::default()), clock)
    }

    async fn after(seconds: u64) {
        tokio::time::advance(Duration::from_secs(seconds)).await;
    }

    fn ago(clock: &Clock, seconds: u64) -> std::iter::Once<Timestamp> {
        std::iter::once(clock.now().minus(Duration::from_secs(seconds)))
    }

    #[tokio::test(start_paused = true)]
    async fn what_a_killed_process_had_in_hand_comes_before_anything_is_complete() {
        let (watermark, _clock) = watermark();
        for _ in 0..IN_HAND.as_secs() / 5 {
            assert!(!watermark.is_complete());
            after(5).await;
            watermark.received_nothing();
        }
        assert!(watermark.is_complete());
    }

    #[tokio::test(start_paused = true)]
    async fn a_backlog_is_received_up_to_its_oldest_message_until_it_is_worked_off() {
        let (watermark, clock) = watermark();
        for age in [600, 300, 100] {
            watermark.received(ago(&clock, age).chain(ago(&clock, 1)));
            assert_eq!(clock.now().since(watermark.received_up_to()).as_secs(), age);
            after(11).await;
        }
        watermark.received(ago(&clock, 2));
        assert_eq!(watermark.received_up_to(), clock.now(), "messages of a moment ago are no backlog");
        watermark.received(ago(&clock, 600));
        watermark.received_nothing();
        assert_eq!(watermark.received_up_to(), clock.now(), "nothing is left");
    }

    #[tokio::test(start_paused = true)]
    async fn a_machine_that_slept_has_not_received_everything() {
        let (watermark, clock) = watermark();
        for _ in 0..20 {
            after(10).await;
            watermark.received_nothing();
        }
        assert!(watermark.is_complete());
        clock.sleep_through(Duration::from_secs(3600));
        assert!(!watermark.is_complete());
        watermark.received_nothing();
        assert!(!watermark.is_complete(), "what others had in hand comes first");
        for _ in 0..20 {
            after(10).await;
            watermark.received_nothing();
        }
        assert!(watermark.is_complete());
    }

    #[tokio::test(start_paused = true)]
    async fn a_queue_from_which_nothing_is_received_holds_nothing_back() {
        let (watermark, clock) = watermark();
        watermark.received(ago(&clock, 600));
        assert!(!watermark.receives_nothing());
        after(NOTHING_RECEIVED.as_secs()).await;
        assert!(watermark.receives_nothing());
        assert_eq!(watermark.received_up_to(), clock.now());
        assert!(!watermark.is_complete());
    }

    #[tokio::test(start_paused = true)]
    async fn short_breaks_put_nothing_off() {
        let (watermark, _clock) = watermark();
        for _ in 0..40 {
            after(5).await;
            watermark.received_nothing();
            watermark.resumed(Duration::from_secs(4));
        }
        assert!(watermark.is_complete());
        watermark.resumed(BREAK);
        assert!(!watermark.is_complete());
    }
}
