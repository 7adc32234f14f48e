//! Which runs a listing shows.

use uuid::Uuid;

use crate::core::run::{Run, Status};

/// A page of a listing: newest first. What is `None` does not narrow it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Query {
    /// In one of these statuses.
    pub statuses: Option<Vec<Status>>,
    /// Of this queue.
    pub queue: Option<String>,
    /// Whose failure has this among its names: error, stop code, class or transience.
    pub error: Option<String>,
    /// Of this name, or of the request of this name.
    pub name: Option<String>,
    /// Submitted before this one.
    pub before: Option<Uuid>,
    /// Most runs in the page.
    pub limit: usize,
}

impl Query {
    /// Whether a run belongs into the listing, on whatever page.
    pub fn fits(&self, run: &Run) -> bool {
        self.before.is_none_or(|before| run.id < before)
            && self.statuses.as_ref().is_none_or(|wanted| wanted.contains(&run.status))
            && self.queue.as_ref().is_none_or(|queue| run.spec.queue == *queue)
            && self.error.as_ref().is_none_or(|error| run.failure().is_some_and(|f| f.names.contains(error)))
            && self.name.as_ref().is_none_or(|name| run.name == *name || run.request_name() == name)
    }

    /// The final statuses that it asks for.
    pub(super) fn finals(&self) -> Vec<Status> {
        let wanted = |status: &Status| self.statuses.as_ref().is_none_or(|all| all.contains(status));
        // A run that succeeded has no failure.
        let fails = |status: &Status| self.error.is_none() || *status != Status::Succeeded;
        Status::ALL.into_iter().filter(|s| s.is_final()).filter(wanted).filter(fails).collect()
    }
}
