//! SNS: takes notifications, or does not, or does and does not say so.

use std::collections::{BTreeMap, BTreeSet};

use taskwatch::cell::ports::CallError;
use taskwatch::core::notification::{Destination, Notification};
use uuid::Uuid;

use super::plan::Away;
use super::world::State;

/// What subscribers were told, by destination: ids by run.
#[derive(Default)]
pub(super) struct Topic {
    pub(super) told: BTreeMap<Destination, BTreeMap<Uuid, BTreeSet<String>>>,
    pub(super) times: usize,
}

impl State {
    pub(super) fn publish(&mut self, notifications: &[Notification]) -> Vec<Result<(), CallError>> {
        if self.away(Away::Topic) || self.away(Away::Credentials) {
            return notifications.iter().map(|_| Err(CallError::Unknown("no answer".into()))).collect();
        }
        notifications.iter().map(|notification| self.publish_one(notification)).collect()
    }

    fn publish_one(&mut self, notification: &Notification) -> Result<(), CallError> {
        if self.fault(self.plan.publish_fails) {
            return Err(CallError::from_exception("ThrottlingException", "Rate exceeded"));
        }
        self.check_told(notification);
        let told = self.topic.told.entry(notification.destination.clone()).or_default();
        told.entry(notification.run).or_default().insert(notification.id.clone());
        self.topic.times += 1;
        if self.fault(self.plan.answer_lost) {
            return Err(CallError::Unknown("connection reset".into()));
        }
        Ok(())
    }
}
