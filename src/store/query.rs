//! Which runs a listing shows.

use uuid::Uuid;

use crate::core::filter::RunFilter;
use crate::core::run::{Run, Status};

/// A page of a listing: newest first.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Query {
    /// Which runs.
    pub filter: RunFilter,
    /// Submitted before this one.
    pub before: Option<Uuid>,
    /// Most runs in the page.
    pub limit: usize,
}

impl Query {
    /// Whether a run belongs into the listing, on whatever page.
    pub fn fits(&self, run: &Run) -> bool {
        self.before.is_none_or(|before| run.id < before) && self.filter.fits(run)
    }

    /// The final statuses that it asks for.
    pub(super) fn finals(&self) -> Vec<Status> {
        let wanted = |status: &Status| self.filter.statuses.as_ref().is_none_or(|all| all.contains(status));
        // A run that succeeded has no failure.
        let fails = |status: &Status| {
            (self.filter.error.is_none() && self.filter.cause.is_none()) || *status != Status::Succeeded
        };
        Status::ALL.into_iter().filter(|s| s.is_final()).filter(wanted).filter(fails).collect()
    }
}
