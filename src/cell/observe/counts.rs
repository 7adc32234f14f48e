//! What others launched, counted since the cell began.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};

use std::collections::BTreeMap;

use crate::cell::view::Count;
use crate::core::failure::Class;
use crate::core::launcher::LauncherKind;
use crate::core::observe::ObservedFailure;

/// Failures of one kind of launcher and one class.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ObservedCount {
    /// All of them.
    pub failures: u64,
    /// Those of tasks that never ran, and of launches that were refused.
    pub never_ran: u64,
}

/// Failures of what others launched.
#[derive(Debug, Default)]
pub struct ObservedCounts {
    observes: AtomicBool,
    /// Failures that a policy has only counted.
    pub ignored: Count,
    by: Mutex<BTreeMap<(LauncherKind, Class), ObservedCount>>,
}

impl ObservedCounts {
    /// Whether anything of others was seen: whether the cell observes.
    pub fn is_any(&self) -> bool {
        self.observes.load(Ordering::Relaxed)
    }

    /// Of one kind of launcher and one class.
    pub fn of(&self, launcher: LauncherKind, class: Class) -> ObservedCount {
        let by = self.by.lock().unwrap_or_else(PoisonError::into_inner);
        by.get(&(launcher, class)).copied().unwrap_or_default()
    }

    pub(super) fn note_event(&self) {
        self.observes.store(true, Ordering::Relaxed);
    }

    pub(super) fn note_ignored(&self) {
        self.ignored.add(1);
    }

    pub(super) fn note(&self, failed: &ObservedFailure) {
        let mut by = self.by.lock().unwrap_or_else(PoisonError::into_inner);
        let count = by.entry((failed.launcher.kind, failed.failure.class)).or_default();
        count.failures += 1;
        count.never_ran += u64::from(!failed.ran);
    }
}
