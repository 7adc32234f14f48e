//! The newest failures, for people.

use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};

use crate::core::filter::is_named;
use crate::core::launcher::LauncherKind;
use crate::core::notification::ObservedOutcome;
use crate::core::observe::{FailureKind, ObservedFailure};
use crate::core::pattern;
use crate::core::time::Timestamp;
use crate::store::Page;

/// Failures that are kept.
const MOST: usize = 10_000;

/// A failure, and what was done about it.
#[derive(Clone, Debug, PartialEq)]
pub struct ObservedItem {
    /// Later ones have higher numbers, also over a restart.
    pub number: u64,
    /// What failed.
    pub failed: ObservedFailure,
    /// What was done.
    pub outcome: ObservedOutcome,
}

/// Which failures are meant. Absent: any.
#[derive(Clone, Debug, Default)]
pub struct ObservedFilter {
    /// What failed.
    pub kind: Option<FailureKind>,
    /// Launchers of one of these kinds.
    pub launchers: Vec<LauncherKind>,
    /// The launcher's name; `*` and `?` are taken.
    pub name: Option<String>,
    /// The family of the task definition; `*` and `?` are taken.
    pub family: Option<String>,
    /// The cluster's name; `*` and `?` are taken.
    pub cluster: Option<String>,
    /// A name or class of the failure.
    pub error: Option<String>,
    /// Whether a container ran.
    pub ran: Option<bool>,
    /// At this instant or later.
    pub since: Option<Timestamp>,
}

/// The newest failures.
pub(super) struct List(Mutex<Kept>);

struct Kept {
    /// The newest last.
    items: VecDeque<ObservedItem>,
    next: u64,
}

impl List {
    /// An empty one. Numbers go on from the time, so that none comes twice over a restart.
    pub(super) fn new(now: Timestamp) -> Self {
        let next = u64::try_from(now.millis()).unwrap_or_default().saturating_mul(1_000);
        Self(Mutex::new(Kept { items: VecDeque::new(), next }))
    }

    pub(super) fn push(&self, failed: ObservedFailure, outcome: ObservedOutcome) {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let number = kept.next;
        kept.next += 1;
        if kept.items.len() >= MOST {
            kept.items.pop_front();
        }
        kept.items.push_back(ObservedItem { number, failed, outcome });
    }

    /// At most `limit` of those before a number.
    pub(super) fn page(&self, filter: &ObservedFilter, before: Option<u64>, limit: usize) -> Page<ObservedItem, u64> {
        let kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let older = kept.items.iter().rev().filter(|item| before.is_none_or(|before| item.number < before));
        let mut items: Vec<ObservedItem> =
            older.filter(|item| filter.fits(&item.failed)).take(limit.saturating_add(1)).cloned().collect();
        let is_cut = items.len() > limit;
        items.truncate(limit);
        Page { next: items.last().filter(|_| is_cut).map(|item| item.number), items }
    }
}

impl ObservedFilter {
    fn fits(&self, failed: &ObservedFailure) -> bool {
        let fits = |wanted: &Option<String>, text: &str| wanted.as_deref().is_none_or(|w| pattern::fits(w, text));
        self.kind.is_none_or(|kind| kind == failed.kind)
            && (self.launchers.is_empty() || self.launchers.contains(&failed.launcher.kind))
            && fits(&self.name, failed.launcher.name.as_deref().unwrap_or_default())
            && fits(&self.family, failed.family())
            && fits(&self.cluster, &failed.cluster)
            && self.error.as_deref().is_none_or(|error| has_name(failed, error))
            && self.ran.is_none_or(|ran| ran == failed.ran)
            && self.since.is_none_or(|since| failed.at >= since)
    }
}

fn has_name(failed: &ObservedFailure, wanted: &str) -> bool {
    failed.failure.names.iter().any(|name| is_named(wanted, name))
}
