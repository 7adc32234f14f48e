//! Puts lines into the notifications that ask for them, on their way to their destination.

use std::sync::Arc;
use std::time::Duration;

use futures::future::{BoxFuture, join_all};

use super::reader::{LogReader, Patience};
use crate::cell::ports::{CallError, Notifier};
use crate::core::log::LogPlace;
use crate::core::notification::Notification;

/// A notification waits no longer for its lines.
const PATIENCE: Duration = Duration::from_secs(3);

/// A notifier that puts lines into what asks for them. What is committed, and what is tried again, waits for none.
pub struct WithLines {
    inner: Arc<dyn Notifier>,
    reader: LogReader,
}

impl WithLines {
    /// Around a notifier.
    pub fn new(inner: Arc<dyn Notifier>, reader: LogReader) -> Self {
        Self { inner, reader }
    }

    async fn filled(&self, notification: &Notification, patience: Patience) -> Notification {
        let Some(asked) = &notification.log else { return notification.clone() };
        if asked.examples.is_empty() {
            return notification.with_lines(self.lines_of(&asked.place, asked.lines, patience).await);
        }
        let all = asked.examples.iter().map(|place| self.lines_of(place, asked.lines, patience));
        notification.with_examples(join_all(all).await)
    }

    async fn lines_of(&self, place: &LogPlace, most: u32, patience: Patience) -> Result<Vec<String>, String> {
        let lines = self.reader.last(place, most, patience).await.map_err(|why| why.to_string())?;
        Ok(lines.0.into_iter().map(|line| line.text).collect())
    }
}

impl Notifier for WithLines {
    fn publish<'a>(&'a self, notifications: &'a [Notification]) -> BoxFuture<'a, Vec<Result<(), CallError>>> {
        Box::pin(async move {
            if notifications.iter().all(|notification| notification.log.is_none()) {
                return self.inner.publish(notifications).await;
            }
            let patience = Patience::of(PATIENCE);
            let filled = join_all(notifications.iter().map(|one| self.filled(one, patience))).await;
            self.inner.publish(&filled).await
        })
    }
}
