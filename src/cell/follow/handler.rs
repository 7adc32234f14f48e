//! The events queue: what its messages say goes to their runs.

use std::sync::Arc;
use std::time::Duration;

use futures::future::BoxFuture;

use super::events::{Taken, TaskEvents};
use crate::cell::health::DependencyHealth;
use crate::cell::ports::Message;
use crate::cell::receive::{Fate, Handler};
use crate::cell::view::Counters;
use crate::cell::watermark::EventWatermark;
use crate::core::order::Order;

/// Takes events from their queue.
pub(in crate::cell) struct EventsHandler {
    pub(in crate::cell) events: Arc<TaskEvents>,
    pub(in crate::cell) orders: Arc<dyn CarriesOut>,
    pub(in crate::cell) watermark: Arc<EventWatermark>,
    pub(in crate::cell) store_health: Arc<DependencyHealth>,
    pub(in crate::cell) counters: Arc<Counters>,
}

/// What became of an order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::cell) enum CarriedOut {
    /// What it asked for is durable, or there was nothing to do.
    Durably,
    /// It is to come again: too many runs wait, or the store cannot be read.
    NotNow,
    /// The cell ended before.
    CutOff,
}

/// Carries out orders that come with the events.
pub(in crate::cell) trait CarriesOut: Send + Sync + 'static {
    /// Does what is asked of the runs that are still in the life in which they were seen.
    fn carry_out(&self, order: Order) -> BoxFuture<'_, CarriedOut>;
}

impl EventsHandler {
    async fn carry_out(&self, message: &Message) -> Fate {
        let order = match Order::read(&message.body) {
            Ok(order) => order,
            Err(error) => {
                self.counters.malformed.add(1);
                tracing::warn!(message = message.id, error, "an order that cannot be read was dropped");
                return Fate::Done;
            }
        };
        match self.orders.carry_out(order).await {
            CarriedOut::Durably => Fate::Done,
            CarriedOut::NotNow => Fate::Leave,
            CarriedOut::CutOff => Fate::Release,
        }
    }
}

impl Handler for EventsHandler {
    fn has_room(&self, _handed: usize) -> bool {
        !self.store_health.is_failing()
    }

    fn received(&self, messages: &[Message]) {
        if messages.is_empty() {
            self.watermark.received_nothing();
        } else {
            self.watermark.received(messages.iter().filter_map(|message| message.sent_at));
        }
    }

    fn resumed(&self, after: Duration) {
        self.watermark.resumed(after);
    }

    fn undeleted(&self, messages: usize) {
        self.counters.undeleted.add(messages);
    }

    fn handle<'a>(&'a self, message: &'a Message) -> BoxFuture<'a, Fate> {
        Box::pin(async {
            match self.events.take(message).await {
                Taken::Done => Fate::Done,
                Taken::CutOff => Fate::Release,
                Taken::Order => self.carry_out(message).await,
            }
        })
    }
}
