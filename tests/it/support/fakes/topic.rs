//! SNS that can be down, or refuse one topic for ever.

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Mutex, PoisonError};

use futures::future::{BoxFuture, FutureExt as _};
use taskwatch::cell::ports::{CallError, Notifier};
use taskwatch::core::notification::Notification;
use tokio::sync::watch;

use super::Journal;

pub(crate) struct FakeTopic {
    journal: Journal,
    taken: Mutex<Vec<Notification>>,
    /// Topics that do not exist.
    pub(crate) unknown: Mutex<Vec<String>>,
    /// While it is down every call fails.
    pub(crate) down: watch::Sender<bool>,
    /// So many calls are throttled first.
    pub(crate) throttles: AtomicU32,
}

impl FakeTopic {
    pub(crate) fn new(journal: Journal) -> Self {
        let (taken, unknown) = (Mutex::default(), Mutex::default());
        Self { journal, taken, unknown, down: watch::Sender::new(false), throttles: AtomicU32::new(0) }
    }

    pub(crate) fn taken(&self) -> Vec<Notification> {
        self.taken.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn take(&self, notification: &Notification) -> Result<(), CallError> {
        let unknown = self.unknown.lock().unwrap_or_else(PoisonError::into_inner);
        if *self.down.borrow() || notification.topic_arn.as_ref().is_some_and(|topic| unknown.contains(topic)) {
            return Err(CallError::Unknown("not there".into()));
        }
        self.journal.note(format!("Publish {}", notification.id));
        self.taken.lock().unwrap_or_else(PoisonError::into_inner).push(notification.clone());
        Ok(())
    }
}

impl Notifier for FakeTopic {
    fn publish<'a>(&'a self, notifications: &'a [Notification]) -> BoxFuture<'a, Vec<Result<(), CallError>>> {
        let less = |left: u32| left.checked_sub(1);
        let throttled = self.throttles.fetch_update(Ordering::Relaxed, Ordering::Relaxed, less).is_ok();
        let answer = |n: &Notification| match throttled {
            true => Err(CallError::Throttled("Rate exceeded".into())),
            false => self.take(n),
        };
        let answers = notifications.iter().map(answer).collect();
        async move { answers }.boxed()
    }
}
