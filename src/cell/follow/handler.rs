//! The events queue: what its messages say goes to their runs.

use std::sync::Arc;
use std::time::Duration;

use futures::future::BoxFuture;

use super::events::TaskEvents;
use crate::cell::health::DependencyHealth;
use crate::cell::hearing::EventHearing;
use crate::cell::ports::Message;
use crate::cell::receive::{Fate, Handler};

/// Takes events from their queue.
pub(in crate::cell) struct EventsHandler {
    pub(in crate::cell) events: Arc<TaskEvents>,
    pub(in crate::cell) hearing: Arc<EventHearing>,
    pub(in crate::cell) store_health: Arc<DependencyHealth>,
}

impl Handler for EventsHandler {
    fn has_room(&self, _handed: usize) -> bool {
        self.store_health.failure(1).is_none()
    }

    fn received(&self, messages: &[Message]) {
        if messages.is_empty() {
            self.hearing.received_nothing();
        } else {
            self.hearing.received(messages.iter().filter_map(|message| message.sent_at));
        }
    }

    fn resumed(&self, after: Duration) {
        self.hearing.resumed(after);
    }

    fn handle<'a>(&'a self, message: &'a Message) -> BoxFuture<'a, Fate> {
        Box::pin(async { if self.events.take(message).await { Fate::Done } else { Fate::Release } })
    }
}
