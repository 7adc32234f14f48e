//! SNS that can be down, or refuse one topic for ever.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Mutex, PoisonError};

use futures::future::{BoxFuture, FutureExt as _};
use taskwatch::cell::ports::{CallError, Notifier};
use taskwatch::core::failure;
use taskwatch::core::notification::Notification;
use tokio::sync::watch;
use tokio::time::Instant;

use super::Journal;

type Judge = Box<dyn FnMut(&Notification) -> Option<CallError> + Send>;

pub(crate) struct FakeTopic {
    journal: Journal,
    taken: Mutex<Vec<Notification>>,
    /// Destinations that do not exist.
    pub(crate) unknown: Mutex<Vec<String>>,
    /// Why it does not take a notification, if it does not.
    pub(crate) judge: Mutex<Judge>,
    /// How many each call brought, and when.
    calls: Mutex<Vec<(usize, Instant)>>,
    spoils: Mutex<Option<String>>,
    /// While it is down every call fails.
    pub(crate) down: watch::Sender<bool>,
    /// So many calls are throttled first.
    pub(crate) throttles: AtomicU32,
}

impl FakeTopic {
    pub(crate) fn new(journal: Journal) -> Self {
        Self {
            journal,
            taken: Mutex::default(),
            unknown: Mutex::default(),
            judge: Mutex::new(Box::new(|_| None)),
            calls: Mutex::default(),
            spoils: Mutex::default(),
            down: watch::Sender::new(false),
            throttles: AtomicU32::new(0),
        }
    }

    /// Refuses what this says.
    pub(crate) fn judge_by(&self, judge: impl FnMut(&Notification) -> Option<CallError> + Send + 'static) {
        *self.judge.lock().unwrap_or_else(PoisonError::into_inner) = Box::new(judge);
    }

    /// Refuses a whole call for one whose subject ends so.
    pub(crate) fn spoils_calls(&self, ending: &str) {
        *self.spoils.lock().unwrap_or_else(PoisonError::into_inner) = Some(ending.to_owned());
    }

    fn is_spoilt(&self, notifications: &[Notification]) -> bool {
        let spoils = self.spoils.lock().unwrap_or_else(PoisonError::into_inner);
        spoils.as_ref().is_some_and(|ending| notifications.iter().any(|n| n.subject.ends_with(ending.as_str())))
    }

    /// How many notifications each call brought, and when.
    pub(crate) fn calls(&self) -> Vec<(usize, Instant)> {
        self.calls.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(crate) fn taken(&self) -> Vec<Notification> {
        self.taken.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn take(&self, notification: &Notification) -> Result<(), CallError> {
        let unknown = self.unknown.lock().unwrap_or_else(PoisonError::into_inner);
        if *self.down.borrow() || unknown.contains(&notification.destination.to_string()) {
            return Err(CallError::Unknown("not there".into()));
        }
        if let Some(error) = (self.judge.lock().unwrap_or_else(PoisonError::into_inner))(notification) {
            return Err(error);
        }
        self.journal.note(format!("Publish {}", notification.id));
        self.taken.lock().unwrap_or_else(PoisonError::into_inner).push(notification.clone());
        Ok(())
    }
}

impl Notifier for FakeTopic {
    fn publish<'a>(&'a self, notifications: &'a [Notification]) -> BoxFuture<'a, Vec<Result<(), CallError>>> {
        let one_call = taskwatch::core::notification::calls(notifications).len() <= 1;
        assert!(one_call, "AWS takes no such call: {} notifications", notifications.len());
        let destinations: BTreeSet<_> = notifications.iter().map(|n| &n.destination).collect();
        assert!(destinations.len() <= 1, "one call is for one destination: {destinations:?}");
        let call = (notifications.len(), Instant::now());
        self.calls.lock().unwrap_or_else(PoisonError::into_inner).push(call);
        let less = |left: u32| left.checked_sub(1);
        let throttled = self.throttles.fetch_update(Ordering::Relaxed, Ordering::Relaxed, less).is_ok();
        let spoilt = self.is_spoilt(notifications);
        let answer = |n: &Notification| match (throttled, spoilt) {
            (true, _) => Err(CallError::Throttled("Rate exceeded".into())),
            (_, true) => Err(CallError::Refused(Box::new(failure::from_exception("InvalidParameter", "Subject")))),
            _ => self.take(n),
        };
        let answers = notifications.iter().map(answer).collect();
        async move { answers }.boxed()
    }
}
