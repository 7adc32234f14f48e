//! How many ended runs a store has.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::core::failure::Class;
use crate::core::run::{Run, Status};

/// The ended runs that a store has, counted: those that [`super::Store::finished`] lists.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct EndedCounts {
    /// By status. A status of which there is none is left out.
    pub statuses: BTreeMap<Status, u64>,
    /// Those that failed, timed out or were aborted, by the class of the failure that ended them.
    pub classes: BTreeMap<Class, u64>,
}

impl EndedCounts {
    /// Counts one more run, if it has ended.
    pub fn add(&mut self, run: &Run) {
        if run.status.is_final() {
            self.add_end(run.status, run.failure().map(|failure| failure.class));
        }
    }

    /// Counts one run less, if it had ended.
    pub fn remove(&mut self, run: &Run) {
        if run.status.is_final() {
            self.remove_end(run.status, run.failure().map(|failure| failure.class));
        }
    }

    /// Counts one more run that ended so.
    pub(super) fn add_end(&mut self, status: Status, class: Option<Class>) {
        *self.statuses.entry(status).or_default() += 1;
        class.into_iter().for_each(|class| *self.classes.entry(class).or_default() += 1);
    }

    /// Counts one less.
    pub(super) fn remove_end(&mut self, status: Status, class: Option<Class>) {
        one_less(&mut self.statuses, status);
        class.into_iter().for_each(|class| one_less(&mut self.classes, class));
    }

    /// Counts these as well.
    pub(super) fn add_all(&mut self, others: &Self) {
        others.statuses.iter().for_each(|(status, count)| *self.statuses.entry(*status).or_default() += count);
        others.classes.iter().for_each(|(class, count)| *self.classes.entry(*class).or_default() += count);
    }

    /// Whether there are none.
    pub(super) fn is_empty(&self) -> bool {
        self.statuses.is_empty()
    }
}

fn one_less<K: Ord>(counts: &mut BTreeMap<K, u64>, key: K) {
    if let Some(count) = counts.get_mut(&key) {
        *count = count.saturating_sub(1);
        if *count == 0 {
            counts.remove(&key);
        }
    }
}
