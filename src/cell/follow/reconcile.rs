//! Behind the events: asks about tasks of which no event came for too long, at a share of the quota. Where no queue brings
//! events, the same asks about every task again and again.

use std::sync::Arc;
use std::time::Duration;

use super::corrections::Corrections;
use super::describe::Describer;
use crate::cell::clock::Clock;
use crate::cell::lifecycle::Lifecycle;
use crate::cell::runs::{Class, RunIndex};
use crate::cell::watermark::EventWatermark;

/// Tasks of one class asked about before it is the other's turn: those that are to become HEALTHY do not wait for all
/// that an earlier process left.
const MOST_A_ROUND: usize = 500;

/// Asks about stale tasks.
pub(in crate::cell) struct Reconciler {
    pub(in crate::cell) runs: Arc<RunIndex>,
    pub(in crate::cell) describer: Arc<Describer>,
    pub(in crate::cell) watermark: Arc<EventWatermark>,
    pub(in crate::cell) corrections: Arc<Corrections>,
    pub(in crate::cell) clock: Clock,
    pub(in crate::cell) lifecycle: Arc<Lifecycle>,
}

impl Reconciler {
    /// Rounds until the cell ends. After a restart every task that may live comes to its turn, at the rate of the calls.
    pub(in crate::cell) async fn run(self) {
        loop {
            let mut most = 0;
            for class in [Class::Health, Class::Usual] {
                match self.round(class).await {
                    Some(asked) => most = most.max(asked),
                    None => return,
                }
            }
            // More of them are due: at once, for the calls have a rate of their own.
            let rest = || self.runs.until_next_round(self.clock.now());
            let wait = if most < MOST_A_ROUND { rest() } else { Duration::ZERO };
            if !self.lifecycle.sleep(wait).await {
                return;
            }
        }
    }

    /// Asks about the tasks of one class that are due; how many.
    async fn round(&self, class: Class) -> Option<usize> {
        let received_up_to = match class {
            Class::Health => self.clock.now(),
            // What an event in the queue will tell need not be asked.
            Class::Usual => self.watermark.received_up_to(),
        };
        let stale = self.runs.stale(class, received_up_to, MOST_A_ROUND);
        let asked = stale.len();
        // Health is asked for all the time, and in a poll everything is: no event was late, let alone lost.
        let by_events = class == Class::Usual && !self.runs.is_polled();
        self.describer.describe(stale, by_events.then_some(&*self.corrections)).await?;
        Some(asked)
    }
}
