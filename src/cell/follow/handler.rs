//! The events queue: what its messages say goes to their runs.

use std::sync::Arc;
use std::time::Duration;

use futures::future::BoxFuture;

use super::events::TaskEvents;
use super::receive::{Handled, Handler};
use crate::cell::hearing::EventHearing;
use crate::cell::lifecycle::Lifecycle;
use crate::cell::ports::Message;

/// Takes events from their queue.
pub(in crate::cell) struct EventsHandler {
    pub(in crate::cell) events: Arc<TaskEvents>,
    pub(in crate::cell) hearing: Arc<EventHearing>,
    pub(in crate::cell) lifecycle: Arc<Lifecycle>,
}

impl Handler for EventsHandler {
    fn has_room(&self) -> BoxFuture<'_, bool> {
        Box::pin(async { !self.lifecycle.is_draining() })
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

    fn take<'a>(&'a self, message: &'a Message) -> BoxFuture<'a, Handled> {
        Box::pin(async { if self.events.take(message).await { Handled::Done } else { Handled::Release } })
    }
}
