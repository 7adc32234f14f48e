//! Which runs are listed, streamed or watched.

use super::name;
use super::run::Run;
use super::status::Status;

/// Runs with all of these. What is `None` does not narrow it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RunFilter {
    /// In one of these statuses.
    pub statuses: Option<Vec<Status>>,
    /// Of this queue.
    pub queue: Option<String>,
    /// Whose failure has this among its names: error, stop code, class or transience.
    pub error: Option<String>,
    /// Of this name, or of the request of this name.
    pub name: Option<String>,
}

/// What a filter looks at: a run, a change of one, or one as a client sees it.
pub trait Filtered {
    /// Where it is; `None` when that is not known here.
    fn status(&self) -> Option<Status>;
    /// The queue whose share of the launch slots it takes.
    fn queue(&self) -> &str;
    /// Its own name.
    fn name(&self) -> &str;
    /// Whether its failure has this among its names.
    fn failed_with(&self, error: &str) -> bool;
}

impl RunFilter {
    /// Whether it lets a run through.
    pub fn fits(&self, run: &impl Filtered) -> bool {
        let wanted = |statuses: &Vec<Status>| run.status().is_some_and(|status| statuses.contains(&status));
        self.statuses.as_ref().is_none_or(wanted)
            && self.queue.as_ref().is_none_or(|queue| queue == run.queue())
            && self.error.as_ref().is_none_or(|error| run.failed_with(error))
            && self.name.as_ref().is_none_or(|wanted| name::stands_for(wanted, run.name()))
    }
}

impl Filtered for Run {
    fn status(&self) -> Option<Status> {
        Some(self.status)
    }

    fn queue(&self) -> &str {
        &self.spec.queue
    }

    fn name(&self) -> &str {
        &self.name
    }

    fn failed_with(&self, error: &str) -> bool {
        self.failure().is_some_and(|failure| failure.names.iter().any(|name| name == error))
    }
}
