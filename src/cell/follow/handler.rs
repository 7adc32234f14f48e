//! The events queue: what its messages say goes to their runs.

use std::sync::Arc;
use std::time::Duration;

use futures::future::BoxFuture;

use super::events::TaskEvents;
use crate::cell::health::DependencyHealth;
use crate::cell::ports::Message;
use crate::cell::receive::{Fate, Handler};
use crate::cell::view::Counters;
use crate::cell::watermark::EventWatermark;

/// Takes events from their queue.
pub(in crate::cell) struct EventsHandler {
    pub(in crate::cell) events: Arc<TaskEvents>,
    pub(in crate::cell) watermark: Arc<EventWatermark>,
    pub(in crate::cell) store_health: Arc<DependencyHealth>,
    pub(in crate::cell) counters: Arc<Counters>,
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
        Box::pin(async { if self.events.take(message).await { Fate::Done } else { Fate::Release } })
    }
}
