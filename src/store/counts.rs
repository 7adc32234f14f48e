//! How many ended runs a store has.

use std::collections::BTreeMap;

use crate::core::failure::Class;
use crate::core::run::{Run, Status};

/// The ended runs that a store has, counted: those that [`super::Store::finished`] lists.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
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
            *self.statuses.entry(run.status).or_default() += 1;
            run.failure().into_iter().for_each(|failure| *self.classes.entry(failure.class).or_default() += 1);
        }
    }

    /// Counts one run less, if it had ended.
    pub fn remove(&mut self, run: &Run) {
        if run.status.is_final() {
            one_less(&mut self.statuses, run.status);
            run.failure().into_iter().for_each(|failure| one_less(&mut self.classes, failure.class));
        }
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
